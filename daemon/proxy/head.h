#pragma once

/* Heads that are handed on, as they were but for what concerns one hop only. */

#include "daemon/wire/http1.h"

typedef struct ProxyHead {
        const char *target;  /* instead of the request's own; NULL: that, without the host if it has one */
        const char *address; /* of the client, for X-Forwarded-For; NULL: not known, none is added */
        bool closes;         /* Connection: close */
        bool is_rechunked;   /* the body will be chunked, whatever it was */
        bool is_unchunked;   /* the body will end with the connection, whatever it was */
} ProxyHead;

int proxy_head_write_request(const Http1Head *head, const ProxyHead *options, Str *to);
int proxy_head_write_answer(const Http1Head *head, const ProxyHead *options, Str *to);
