#pragma once

/* ProxyAsk: a question of the proxy's own to Kubo, with a short answer. A slot: dropping it silences it. */

#include "daemon/proxy/internal.h"

#define PROXY_ASK_MAX (64 * 1024) /* bytes of an answer */

typedef struct ProxyAsk ProxyAsk;

/* From the loop, once; may drop its own ask. R is 0 when Kubo answered, whatever it said; BODY is
 * NUL-terminated. Negative: it did not, and ERROR says why. */
typedef void (*ProxyAskDone)(ProxyAsk *ask, int r, const Error *error, const char *body, void *userdata);

typedef struct ProxyQuestion {
        const char *method;         /* NULL: POST */
        const char *target;         /* "/api/v0/version" */
        const char *const *headers; /* "Name: value", NULL-terminated; NULL: none */
        uint64_t timeout_usec;      /* 0: a minute */
        bool as_client;             /* without the credentials that the daemon has for Kubo */
} ProxyQuestion;

/* Errors: -EBUSY, -ENOMEM. */
int proxy_ask(Proxy *proxy,
              ProxyAsk **ret,
              const ProxyQuestion *question,
              ProxyAskDone done,
              void *userdata);
ProxyAsk *proxy_ask_unref(ProxyAsk *ask);
/* The daemon has credentials for the Kubo of the proxy. */
bool proxy_ask_has_credentials(const Proxy *proxy);
unsigned proxy_ask_status(const ProxyAsk *ask);
const char *proxy_ask_header(const ProxyAsk *ask, const char *name);
/* What Kubo said in its error's Message, owned; or its text, or its status. NULL: no memory. */
char *proxy_ask_message(const ProxyAsk *ask, const char *body);
