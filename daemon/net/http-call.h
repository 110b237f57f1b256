#pragma once

/*
 * Inside of the HTTP client: one call and its libcurl easy handle. http-client.c owns the multi handle, the
 * event sources and the lists; this part knows how a call is told to libcurl and what libcurl tells back.
 */

#include <curl/curl.h>

#include "daemon/base/list.h"
#include "daemon/net/http-client.h"

typedef enum HttpCallState {
        HTTP_CALL_QUEUED,   /* libcurl does not know it yet */
        HTTP_CALL_RUNNING,  /* in the multi handle */
        HTTP_CALL_ENDED,    /* on_done is being called, or was */
        HTTP_CALL_ORPHANED, /* dropped by its owner while libcurl was on the stack; nobody is told any more
                             */
} HttpCallState;

struct HttpCall {
        HttpClient *client;
        List link; /* HttpClient.calls */
        List turn; /* HttpClient.turn, while something is to be done for it from the loop */
        HttpCallState state;
        CURL *easy;
        struct curl_slist *headers;
        char *peer; /* whom it talks to, for words: "127.0.0.1:5001" or the path of a socket */
        HttpCallHandler handler;
        ssize_t (*read_body)(HttpCall *call, void *buffer, size_t max, void *userdata);
        void *userdata;

        unsigned status; /* 0 before the head is complete */
        size_t header_bytes;
        const char *refused; /* why the answer is not taken; static */
        bool is_paused;      /* in either direction: silence is not the other side's then */
        bool resume;         /* what the turn is for … */
        int failure;         /* … or negative: the call is to be ended with it */

        int fd;               /* its socket, while libcurl looks at it; -1: none */
        sd_event_source *end; /* for the end of a connection on which nothing is to be sent for a while */
        bool is_cut;          /* it came */

        uint64_t stall_usec; /* UINT64_MAX: none */
        uint64_t moved_usec; /* when its bytes were last seen to move */
        uint64_t moved_bytes;
        char words[CURL_ERROR_SIZE]; /* libcurl's own */
};

/* Fill CALL from OPTIONS; CALL->easy is a fresh handle. Errors: -EINVAL, -ENOMEM. */
int http_call_init(HttpCall *call, const HttpCallOptions *options);
void http_call_deinit(HttpCall *call); /* all but the easy handle, which is reset */

/* http-client.c: libcurl wants to send, and there is nothing: it does not see an end then. Once is enough.
 */
void http_client_watch_end(HttpCall *call);

/* The bytes moved so far in both directions. */
uint64_t http_call_bytes(const HttpCall *call);

/* What the end of a transfer means: 0, or a negative errno and its words. */
int http_call_result(const HttpCall *call, CURLcode code, Error *reterr);
