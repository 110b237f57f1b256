#pragma once

/* Peers for the tests of rpc: each an Rpc with a listening socket on 127.0.0.1, on one loop. */

#include <glib.h>

#include "daemon/rpc/exchange.h"

#define NODE_DEADLINE_USEC (10 * G_USEC_PER_SEC)
#define NODES_MAX 3

typedef struct Node {
        sd_event *event;
        Rpc *rpc;
        PeerId id;
        unsigned port;
        bool trusts_nobody;
        unsigned n_ups, n_downs;

        /* what came */
        unsigned n_requests, n_closed, n_pulled, n_source_closed;
        bool is_complete; /* the last source that was closed */
        RpcRequest *kept; /* of "keep" */
        uint8_t exporter[32];
        GString *notes; /* each followed by a newline */
        unsigned n_notes;
        size_t stream_left; /* of "stream" */
        bool source_waits;
} Node;

typedef struct Nodes {
        sd_event *event;
        Node node[NODES_MAX]; /* in the order of their IDs */
        size_t n;
} Nodes;

/*
 *   echo      the body                        (members)
 *   hello     "hello <size of the body>"      (open)
 *   keep      later, KEPT
 *   orphan    the same, without rpc_request_on_closed()
 *   fail      ERROR_NOT_FOUND "no such thing"
 *   zeros     as many zeros as the body says
 *   stream    the same as a stream, waits while SOURCE_WAITS
 *   cut       a stream that fails after one byte
 */
void nodes_open(Nodes *nodes, size_t n);
void nodes_close(Nodes *nodes);
void node_restart(Node *node); /* with the same identity and port */
void node_free_rpc(Node *node);
void nodes_know_all(Nodes *nodes); /* each has the addresses of all others */
void node_know(Node *node, const Node *other);
char *node_address(const Node *node); /* glib's */

typedef struct Asked {
        Node *node;
        RpcCall *call;
        unsigned n_done;
        int result;
        ErrorCode code;
        char *words;
        GString *body;
        size_t received;
        size_t pause_after; /* bytes; 0: never */
        size_t largest;     /* what one on_data() gave */
} Asked;

void asked_start(
                Asked *asked, Node *from, const Node *to, const char *method, const void *body, size_t size);
void asked_start_text(Asked *asked, Node *from, const Node *to, const char *method, const char *body);
void asked_start_stream(Asked *asked, Node *from, const Node *to, const char *method, const char *body);
void asked_start_address(Asked *asked, Node *from, const char *address, const PeerId *expected);
void asked_with(Asked *asked, Node *from, const RpcCallOptions *options, bool streamed);
void asked_wait(Asked *asked);
void asked_done(Asked *asked);

/* Run the loop until *COUNTER is at least N, or until *FLAG. */
void nodes_until(sd_event *event, const unsigned *counter, unsigned n);
void nodes_turns(sd_event *event, unsigned n);
void nodes_link(Node *from, const Node *to); /* by a call */
size_t node_n_links(const Node *node);
/* Run until each of the two has one link. */
void nodes_one_link(Node *a, Node *b);
