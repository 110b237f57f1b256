#pragma once

/* ProxyCall: a request that the cluster answers, from its head to the last byte of its answer. */

#include "daemon/proxy/ask.h"
#include "daemon/proxy/internal.h"
#include "daemon/proxy/path.h"
#include "daemon/proxy/rule.h"

#define PROXY_STREAM_BATCH (16 * 1024) /* bytes of an answer made in one go */

struct ProxyCall {
        ProxyClient *client;
        Proxy *proxy;
        const ProxyRule *rule;
        Query query;
        const char *element; /* what stands behind the command in the path; NULL: nothing */
        ProxyPath *paths;    /* the arguments */
        size_t n_paths, at;
        size_t n_resolve; /* of them, to be looked up by Kubo; then … */
        void (*resolved)(ProxyCall *call);
        char *origin, *referer, *agent; /* of a browser; NULL: none */
        char *authorization;            /* what the client shows to Kubo; NULL: nothing */
        List origins;                   /* ProxyOrigins.waiting */
        Str headers;                    /* of Kubo's, for the answer */
        ProxyAsk *ask;
        ClusterCall *cluster;
        ClusterList *list;
        /* A streamed answer: more() appends to BODY. Answers 1 for more, 0 at the end, CLUSTER_LIST_WAIT.
         * Negative: it breaks off, with words. */
        int (*more)(ProxyCall *call, Error *reterr);
        Str body, words;
        bool is_stream; /* one object a line, errors in the trailer */
        bool has_begun, is_waiting, is_over;
        bool with_names, with_recursive, with_direct; /* pin/ls */
        const char *name;                             /* pin/ls: a part of it */
        size_t n_items;
};

/* Take the request HEAD if it is one that the cluster answers: answers 1; 0: it is Kubo's. QUERY is taken in
 * the first case. */
int proxy_call_start(ProxyClient *client, const Http1Head *head, Query *query);
void proxy_call_begin(ProxyCall *call); /* its body was read */
/* The answer so far has gone out. Answers 1 when there is more, 0 when that was all, or is_waiting. */
int proxy_call_more(ProxyCall *call);
ProxyCall *proxy_call_free(ProxyCall *call);

/* Answers. In functions that the loop calls, proxy_client_go_on() comes after it, and nothing after that. */
void proxy_call_reply(ProxyCall *call, const Str *body);
void proxy_call_fail(ProxyCall *call, unsigned status, const char *format, ...) _printf_(3, 4);
/* The cluster or Kubo said no, in ERROR's words (may be NULL: those of R). */
void proxy_call_fail_error(ProxyCall *call, int r, const Error *error);
void proxy_call_stream(ProxyCall *call, int (*more)(ProxyCall *call, Error *reterr), bool is_stream);
/* Its head, at once: an error comes in the trailer, whatever was before it. */
void proxy_call_begin_stream(ProxyCall *call);

/* The arguments: what the path has, and every arg. Answers 0; -EINVAL: it is answered, with PREFIX before
 * the words. */
int proxy_call_read_paths(ProxyCall *call, const char *prefix);

/* Let Kubo look up what the first N arguments name, and call THEN, perhaps at once; or the call has failed.
 */
void proxy_call_resolve(ProxyCall *call, size_t n, void (*then)(ProxyCall *call));

/* Append "X-Stream-Error: WORDS" on one line. */
void proxy_write_trailer(Str *to, const char *words);

/* ---- calls-*.c ---- */

void proxy_pin_add(ProxyCall *call);
void proxy_pin_rm(ProxyCall *call);
void proxy_pin_ls(ProxyCall *call);
void proxy_pin_update(ProxyCall *call);
void proxy_repo_stat(ProxyCall *call);
void proxy_repo_gc(ProxyCall *call);

/* ---- origin.c ---- */

int proxy_origins_new(ProxyOrigins **ret, Proxy *proxy);
ProxyOrigins *proxy_origins_free(ProxyOrigins *origins);
/* Fill in call->headers, and ask Kubo about a browser's request. Then the rule begins: perhaps at once. */
void proxy_origins_check(ProxyCall *call);
