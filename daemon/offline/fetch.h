#pragma once

/*
 * The pinset of a running peer, of this program or of the Go program, by GET /allocations. The bytes of the
 * list are handed on as they come. A list that breaks off is an error, whichever way it is told: by the
 * connection, by the framing, or by the trailer that names an error of the other peer.
 */

#include <stdbool.h>
#include <stddef.h>

#include "daemon/types/error.h"

typedef struct OfflineFetchOptions {
        const char *url;     /* of the API, or of the list itself; credentials in it are used */
        const char *userpwd; /* "user:password", or NULL */
        bool no_verify;      /* https: whatever the certificate is */
        /* A negative answer ends it, with REFUSED's words. */
        int (*feed)(const char *bytes, size_t n, Error *refused, void *userdata);
        void *userdata;
} OfflineFetchOptions;

bool offline_fetch_is_url(const char *text);

/* Blocks until the whole list has come. Answers 1 when its sender said in a trailer that it is whole, 0 when
 * its framing alone tells so. Errors: those of the connection (-ECONNREFUSED, -ETIMEDOUT, -EPIPE, …),
 * FEED's, ERROR_REFUSED (the other side answers something else than a list), ERROR_INVALID (the URL). */
int offline_fetch(const OfflineFetchOptions *options, Error *reterr);
