#pragma once

/*
 * Cross-Origin Resource Sharing (fetch.spec.whatwg.org), by the rules of the library that the Go program
 * uses: what a web page of another origin may ask, told to browsers by headers. It keeps nobody else from
 * asking.
 *
 * Origins are compared without case; "*" is every one, one star in a longer text stands for anything. No
 * origins: every one; no methods: GET, POST and HEAD; no headers: accept, content-type and x-requested-with,
 * "*": all.
 */

#include "daemon/config/config.h"
#include "daemon/net/http-server.h"

#define GUARD_CORS_HEADERS_MAX 6 /* of one answer */

typedef struct GuardCors GuardCors;

/* CONFIG is copied. Errors: -ENOMEM. */
int guard_cors_new(GuardCors **ret, const ConfigCors *config);
GuardCors *guard_cors_free(GuardCors *cors);
DEFINE_CLEANUP(GuardCors *, guard_cors_free);

/* What a request says of itself; NULL: it does not have that header. */
typedef struct GuardCorsQuestion {
        const char *method;
        const char *origin;
        const char *asked_method;  /* Access-Control-Request-Method */
        const char *asked_headers; /* Access-Control-Request-Headers */
} GuardCorsQuestion;

/* Whether it is a preflight, to be answered with 204 and the headers alone. */
bool guard_cors_is_preflight(const GuardCorsQuestion *question);

/* The headers of the answer, Vary among them; their texts are borrowed from QUESTION and CORS. Answers how
 * many. */
size_t guard_cors_headers(
                const GuardCors *cors,
                const GuardCorsQuestion *question,
                HttpHeader headers[static GUARD_CORS_HEADERS_MAX]);
