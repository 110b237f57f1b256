#pragma once

/*
 * The road over HTTP: one libcurl handle, used again for every call. When a host gives no HTTP response at
 * all, the next one is asked; an answer of any status is an answer.
 */

#include <stdio.h>

#include "ctl/backend/backend.h"
#include "ctl/backend/host.h"

#define CTL_HTTP_BODY_MAX (64 * 1024 * 1024) /* of an answer that is one JSON value */
#define CTL_HTTP_ERROR_MAX (1024 * 1024)     /* of the body of an error; the rest is dropped */
#define CTL_HTTP_CONNECT_TIMEOUT_SEC 30

typedef struct CtlHttpOptions {
        CtlHosts hosts;
        const char *credentials; /* "user[:password]" of Basic authorization, or NULL */
        uint64_t timeout_sec;    /* of one call; 0: none */
        bool skip_verify;        /* any certificate will do */
        FILE *debug;             /* where requests and bodies are told, or NULL */
} CtlHttpOptions;

/* Takes OPTIONS->hosts, also on failure; the rest must outlive the backend. */
int ctl_backend_http_new(CtlBackend **ret, CtlHttpOptions *options, Error *reterr);
