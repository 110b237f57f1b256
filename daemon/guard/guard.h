#pragma once

/*
 * Guard: what stands before an API over HTTP, by its section of the configuration: TLS, time-outs and
 * limits, who may ask, what web pages of other origins may, headers of every answer, the log of requests.
 *
 * It is made of the configuration as it is, and never changes; what was asked under one guard is answered
 * under it, hence the count of references. It knows neither routes nor the form of errors. The API looks at
 * each request by guard_visit() first, does what the verdict says, and puts the headers of the visit onto
 * whatever it answers; onto answers with a Content-Type those of guard_headers() too, as the Go program
 * does.
 */

#include <systemd/sd-event.h>

#include "daemon/config/config.h"
#include "daemon/guard/auth.h"
#include "daemon/guard/cors.h"
#include "daemon/net/http-server.h"

#define GUARD_VISIT_HEADERS_MAX GUARD_CORS_HEADERS_MAX

typedef struct Guard Guard;

typedef struct GuardOptions {
        sd_event *event;
        const Config *config;
        const ConfigHttpApi *api; /* of CONFIG; its numbers are read again by guard_fill_options() */
        const char *section;      /* "api.restapi": literal, for words */
} GuardOptions;

typedef struct GuardVisit {
        GuardVerdict verdict;
        const char *user;                            /* who was let in; NULL: nobody is asked for */
        HttpHeader headers[GUARD_VISIT_HEADERS_MAX]; /* borrowed from the request */
        size_t n_headers;
} GuardVisit;

/* Reads the certificate and opens the log. Errors: ERROR_INVALID with words that name the setting, -ENOMEM.
 */
int guard_new(Guard **ret, const GuardOptions *options, Error *reterr);
Guard *guard_ref(Guard *guard);
Guard *guard_unref(Guard *guard);
DEFINE_CLEANUP(Guard *, guard_unref);

/* All of OPTIONS that the configuration says; handlers, descriptor and userdata are the caller's. */
void guard_fill_options(const Guard *guard, HttpServerOptions *options);
bool guard_has_tls(const Guard *guard);
bool guard_has_same_certificate(const Guard *a, const Guard *b); /* and key; or neither has one */
/* Warn of what listening at ADDRESS (canonical) would let others do; for the start. */
void guard_warn(const Guard *guard, const char *address);

void guard_visit(const Guard *guard, const HttpRequest *request, GuardVisit *ret);
const char *guard_verdict_words(GuardVerdict verdict); /* of a refusal, for its body */
const HttpHeader *guard_headers(const Guard *guard, size_t *ret_n);

/* A token of USER, whom a visit told. Errors: -ENOMEM. */
int guard_make_token(const Guard *guard, const char *user, char **ret);

/* To be called by HttpServerOptions.finished. */
void guard_log(Guard *guard, HttpRequest *request, unsigned status, uint64_t n_bytes);
