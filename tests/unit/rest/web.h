#pragma once

/*
 * An API of a Peer on a Unix socket, and a client that sends and reads bytes as they are, on the same
 * event loop.
 */

#include "daemon/rest/api.h"
#include "tests/lib/peer.h"

typedef struct Web {
        Peer peer;
        RestApi *api;
        const RestSurface *surface; /* NULL: the REST API */
        char *path;                 /* of the socket */
} Web;

void web_init(Web *web); /* the configuration and the surface may be changed then */
void web_begin(Web *web);
void web_open(Web *web); /* both */
void web_close(Web *web);

typedef struct WebAnswer {
        char *raw;
        unsigned status;
        char *body;    /* without its chunks' frames; in RAW */
        char *trailer; /* X-Stream-Error; NULL: there is none; in RAW */
        bool is_whole; /* the body ended as its head said */
} WebAnswer;

void web_answer_done(WebAnswer *answer);
bool web_answer_has(const WebAnswer *answer, const char *text); /* in the raw answer */

int web_connect(Web *web);
void web_send(Web *web, int fd, const char *data, size_t n);
/* Read until the other side closes. */
void web_read(Web *web, int fd, WebAnswer *ret);
/* Both, with "Connection: close" and BODY (NULL: none). */
void web_ask(Web *web, const char *method, const char *target, const char *body, WebAnswer *ret);

/* Ask and compare the status; shows the answer when it is another. */
#define WEB_EXPECT(web, method, target, body, expected, ret)                                                \
        do {                                                                                                \
                web_ask((web), (method), (target), (body), (ret));                                          \
                if ((ret)->status != (expected))                                                            \
                        g_error("%s %s: expected %u: %s", (method), (target), (expected), (ret)->raw);      \
        } while (0)
/* The same when only the status counts. */
void web_check(Web *web, const char *method, const char *target, const char *body, unsigned status);

/* Pin number N over the API. */
void web_pin(Web *web, uint64_t n);
/* Until GET /pins/{cid} of number N says STATUS. */
void web_until(Web *web, uint64_t n, const char *status);
