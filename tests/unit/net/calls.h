#pragma once

/* A call of the HTTP client that writes down all that it is told. */

#include "daemon/net/http-client.h"
#include "tests/unit/net/wire.h"

typedef struct Recorder {
        sd_event *event;
        HttpClient *client;
        HttpCall *call;
        unsigned n_heads, n_dones;
        unsigned status; /* as on_head was told */
        GString *body;
        GString *words;         /* of the error */
        char *header, *trailer; /* X-Test, X-Stream-Error, at the end */
        int result;
        bool done;
        bool moved; /* on_head or on_data was called */

        /* What it is to do. */
        unsigned n_pauses;  /* so many times on_data answers HTTP_PAUSE */
        bool gives_up;      /* on_data answers 0 */
        bool drops_in_head; /* unrefs itself in on_head … */
        bool drops_in_data;
        bool drops_in_done;
        const char *send; /* what read_body has left to send, in bits of three bytes */
        unsigned n_read_pauses;
} Recorder;

void recorder_open(Recorder *recorder, sd_event *event, HttpClient *client);
void recorder_close(Recorder *recorder);

/* Start a call (GET when OPTIONS has no method), and run the loop until its end. */
int recorder_start(Recorder *recorder, HttpCallOptions options);
void recorder_run(Recorder *recorder, HttpCallOptions options);
ssize_t recorder_read_body(HttpCall *call, void *buffer, size_t max, void *userdata);
