#pragma once

/* A server whose paths behave in the ways that the tests look at; all that it sees is counted. */

#include "daemon/net/http-server.h"
#include "tests/unit/net/wire.h"

typedef struct Serving {
        sd_event *event;
        HttpServer *server;
        unsigned port;
        unsigned n_handled, n_closed, n_fed, n_ended, n_pulled, n_source_closed, n_bodies;
        bool is_complete;  /* the last source that was closed */
        HttpRequest *kept; /* of /keep and of whoever waits */
        GString *seen;     /* method, target, body of each request */
        GString *finished; /* status and size of each */
        GString *body;     /* as a sink was fed */
        size_t sink_takes; /* how many more bytes it takes before it waits */
        bool source_waits;
        bool source_wakes; /* once: it resumes itself, and then says that it waits */
} Serving;

/*
 *   /hello         "hello"
 *   /headers       headers of its own
 *   /status?N      that status, no body
 *   /big?N         N bytes
 *   /echo?MAX      the body, gathered
 *   /later         "later", from the loop
 *   /keep          nothing, the request lies in KEPT
 *   /sink          fed as far as SINK_TAKES, then "got N"
 *   /early         "no" before the body
 *   /middle        "no" when the first bytes of the body came
 *   /lines?N       a stream of N lines, with a trailer
 *   /later-lines   a stream of two lines, from the loop
 *   /wait          a stream that waits while SOURCE_WAITS, then one line
 *   /cut           a stream that is cut after one line
 *   /endless       a stream without an end
 *   /duplex?N      the body (or its first N bytes), as it comes, as far as SINK_TAKES; a trailer
 */
void serving_open(Serving *serving, const HttpServerOptions *options);
void serving_close(Serving *serving);
void serving_free_server(Serving *serving);

/* Run the loop until *COUNTER is at least N. */
void serving_until(Serving *serving, const unsigned *counter, unsigned n);
