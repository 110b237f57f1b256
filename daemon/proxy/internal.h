#pragma once

/*
 * Proxy inside.
 *
 *   client.c   a connection of a client: reads heads, decides, answers by itself what it refuses
 *   relay.c    a request that is handed on to Kubo, and its answer
 *   node.c     connections to Kubo, those that wait for the next request, and where Kubo is
 *   end.c      one end of either: a stream, what came from it and is to go to it; and a body on its way
 *   answer.c   answers of the proxy's own
 *   call.c     a request that the cluster answers; rule.c has the table, calls-*.c do it
 *   watch.c    an upload whose answer is read for what was added, which then is pinned
 *   origin.c   what Kubo thinks of a browser's request, and its headers for answers of our own
 */

#include <systemd/sd-event.h>

#include "daemon/base/worker.h"
#include "daemon/net/http-client.h"
#include "daemon/net/listener.h"
#include "daemon/net/query.h"
#include "daemon/proxy/proxy.h"
#include "daemon/wire/http1-body.h"
#include "daemon/wire/stream.h"

#define PROXY_CLIENTS_MAX 4096
#define PROXY_TELL_USEC (60 * USEC_PER_SEC)       /* without a shortage, before the next is told of */
#define PROXY_REFUSED_MAX 64                      /* beyond these, that are told so */
#define PROXY_STALL_USEC (10 * 60 * USEC_PER_SEC) /* of a client that is waited for, and moves nothing */
#define PROXY_IDLEST_USEC (10 * USEC_PER_SEC)     /* the same, when another one needs its place */
#define PROXY_LINKS_IDLE_MAX 64                   /* to Kubo, kept for the next request */
#define PROXY_BUFFER_SIZE (64 * 1024)
#define PROXY_BUFFERS_KEPT 32
#define PROXY_TURN_BYTES (1024 * 1024) /* of one flow, before others have their turn */
#define PROXY_TURN_STEPS                                                                                    \
        64 /* the same, of one client's states: some twenty requests that are answered at once */
#define PROXY_HINTS_MAX 32                /* 1xx answers to one request */
#define PROXY_ANSWER_HEAD_MAX (64 * 1024) /* bytes of the head of an answer of Kubo */
#define PROXY_BODY_MAX (64 * 1024)        /* of a request that the cluster answers: it needs none */
#define PROXY_TAIL 192                    /* bytes: a boundary has 70 at most */
#define PROXY_LINGER_USEC USEC_PER_SEC
#define PROXY_LINGER_BYTES (16 * 1024 * 1024)
#define PROXY_CONNECT_USEC (10 * USEC_PER_SEC) /* for Kubo to take a connection */
#define PROXY_LINK_IDLE_USEC (60 * USEC_PER_SEC)
#define PROXY_NAME_USEC (60 * USEC_PER_SEC) /* so long an address that a name had is used again */

typedef struct ProxyBuffer ProxyBuffer;
typedef struct ProxyClient ProxyClient;
typedef struct ProxyLink ProxyLink;
typedef struct ProxyNode ProxyNode;
typedef struct ProxyRelay ProxyRelay;
typedef struct ProxyCall ProxyCall;
typedef struct ProxyOrigins ProxyOrigins;
typedef struct ProxyWatch ProxyWatch;

struct ProxyBuffer {
        ProxyBuffer *next; /* in Proxy.buffers */
        char data[PROXY_BUFFER_SIZE];
};

typedef struct ProxyServer {
        Proxy *proxy;
        int fd;
        ListenerWatch watch;
} ProxyServer;

struct Proxy {
        sd_event *event;
        Cluster *cluster;
        const Config *config;
        Poller *poller;
        HttpClient *http; /* questions of the proxy's own to Kubo */
        ProxyNode *node;
        ProxyOrigins *origins;
        ProxyServer servers[PROXY_LISTENERS_MAX];
        size_t n_servers;
        List clients, idle; /* ProxyClient.link: idle are those between two requests, the oldest first */
        unsigned n_clients;
        uint64_t full_until; /* so long nobody is looked for who could go */
        uint64_t short_at;   /* when somebody could not be let in last; 0: never */
        int fd_limit;        /* a connection with this descriptor or a higher one has no place */
        ProxyBuffer *buffers;
        size_t n_buffers;
        size_t max_head;
        sd_event_source *sweep;
        bool is_stopping;
};

/* ---- end.c ---- */

typedef struct ProxyEnd {
        Stream stream;
        Proxy *proxy;
        ProxyBuffer *in; /* what came: [start, cleared) may be handed on, [cleared, end) was not looked at */
        size_t start, cleared, end;
        Str out; /* what goes to it, before what is handed on */
        size_t out_at;
        uint64_t n_moved; /* bytes, both ways */
} ProxyEnd;

/* Read what there is, as far as there is room. Answers what stream_read() does; -ENOBUFS: the buffer is
 * full. */
ssize_t proxy_end_read(ProxyEnd *end);
void proxy_end_take(ProxyEnd *end, size_t n); /* N bytes from the start are done with */
void proxy_end_release(ProxyEnd *end);        /* give back an empty buffer */
static inline size_t proxy_end_pending(const ProxyEnd *end) {
        return end->out.len - end->out_at;
}
/* Send out, and then what FROM (may be NULL) has cleared. Answers 1 when everything went. Errors: -EAGAIN.
 */
int proxy_end_send(ProxyEnd *end, ProxyEnd *from, size_t *ret_sent);
void proxy_end_deinit(ProxyEnd *end);

typedef struct ProxyTail {
        char bytes[PROXY_TAIL];
        size_t n;
} ProxyTail;

typedef struct ProxyFlow {
        ProxyEnd *from, *to;
        Http1Body body;
        ProxyTail *tail; /* keeps the last data of the body; NULL: not wanted */
} ProxyFlow;

typedef enum ProxyFlowResult {
        PROXY_FLOW_WAIT,  /* for an event */
        PROXY_FLOW_AGAIN, /* it could go on, but others have to have a turn */
        PROXY_FLOW_ENDED, /* the body is over, and was sent */
        PROXY_FLOW_CUT,   /* FROM ended too early */
        PROXY_FLOW_BAD,   /* what came from FROM is no HTTP */
        PROXY_FLOW_STUCK, /* TO takes no more */
} ProxyFlowResult;

ProxyFlowResult proxy_flow_run(ProxyFlow *flow);

/* ---- node.c ---- */

struct ProxyLink {
        ProxyEnd end;
        ProxyNode *node;
        List list;         /* of the node: idle ones, those in use */
        ProxyRelay *relay; /* NULL: idle */
        bool was_used;     /* for an earlier request */
        bool is_waiting;   /* for the node's address */
        int failure;       /* negative: it could not even begin to connect */
        uint64_t deadline; /* for connecting; of an idle one, for being used again */
};

int proxy_node_new(ProxyNode **ret, Proxy *proxy, Error *reterr);
ProxyNode *proxy_node_free(ProxyNode *node);
/* A connection for RELAY, which is told of everything that happens to it: one that waited (unless FRESH), or
 * one that begins to connect. Errors: with the words of a 502. */
int proxy_node_link(ProxyNode *node, ProxyRelay *relay, bool fresh, ProxyLink **ret, Error *reterr);
/* Go on with connecting: as stream_establish(), but with the words of a 502. */
int proxy_link_establish(ProxyLink *link, Error *reterr);
void proxy_link_keep(ProxyLink *link); /* for the next request */
ProxyLink *proxy_link_free(ProxyLink *link);
void proxy_node_sweep(ProxyNode *node, uint64_t now);
const char *proxy_node_name(const ProxyNode *node); /* for words: "127.0.0.1:5001" */
const char *proxy_node_url(const ProxyNode *node);  /* "http://127.0.0.1:5001" */
const char *proxy_node_unix(const ProxyNode *node); /* the socket's path; NULL: TCP */

/* ---- client.c ---- */

typedef enum ProxyState {
        PROXY_HEAD,   /* a request is awaited */
        PROXY_BODY,   /* of a request that is answered here: thrown away */
        PROXY_CALL,   /* somebody thinks about it */
        PROXY_RELAY,  /* Kubo answers it */
        PROXY_ANSWER, /* an answer of the proxy's own goes out */
        PROXY_LINGER, /* nothing more is said; what comes is thrown away, so that the answer arrives */
} ProxyState;

struct ProxyClient {
        ProxyEnd end;
        List link;
        Proxy *proxy;
        ProxyState state;
        bool is_http10, closes; /* of the request */
        bool is_idle;           /* nothing of the next request has come */
        uint64_t deadline;      /* of the state; UINT64_MAX: none */
        uint64_t read_deadline; /* for the whole request */
        uint64_t progress;      /* at the last look … */
        uint64_t moved_at;      /* … and when it changed, or was not up to this client */
        Http1Body body;         /* PROXY_BODY */
        size_t n_thrown;
        ProxyRelay *relay;
        ProxyCall *call;
        char *address; /* "127.0.0.1"; NULL: not known */
};

int proxy_client_new(Proxy *proxy, int fd);
void proxy_client_refuse(
                Proxy *proxy, int fd); /* tell the connected FD, which is taken, that there is no place */
ProxyClient *proxy_client_free(ProxyClient *client);
void proxy_client_go_on(ProxyClient *client);               /* something has changed. May free CLIENT */
void proxy_client_sweep(ProxyClient *client, uint64_t now); /* the same */
/* Close the one that has waited longest for its next request. Answers false when there is none. */
bool proxy_client_drop_idle(Proxy *proxy);
/* The same, else the one that has stalled longest. Not from within a client's turn. */
bool proxy_client_make_room(Proxy *proxy);
uint64_t proxy_now(const Proxy *proxy); /* CLOCK_MONOTONIC, of this turn */
bool proxy_is_news(Proxy *proxy);       /* that somebody cannot be let in, now */

/* ---- relay.c ---- */

struct ProxyRelay {
        ProxyClient *client;
        ProxyLink *link;
        ProxyFlow request, answer;
        bool is_head_request;
        bool request_ended, is_given_up; /* the request was sent; Kubo does not take the rest of it */
        bool was_mirrored;               /* that the client has ended its sending */
        bool has_head, has_begun;        /* the answer's head has come; the client has got it */
        unsigned n_hints;                /* 1xx answers so far */
        bool link_closes;                /* the link is for this request only */
        char *again;                     /* the head, while it may have to be sent once more … */
        bool is_idempotent;              /* … whether Kubo has got it or not */
        ProxyWatch *watch;
};

/* Hand the request HEAD, which lies at the start of the client's buffer, on to Kubo. */
int proxy_relay_start(ProxyClient *client, const Http1Head *head, ProxyWatch *watch);
ProxyRelay *proxy_relay_free(ProxyRelay *relay);
/* Go on. Answers 0: wait; 1: the client has its answer, or is in another state. Negative: it is to be
 * closed. */
int proxy_relay_run(ProxyRelay *relay);
bool proxy_relay_wants(const ProxyRelay *relay); /* more of the request: it is up to the client */
/* The client has the answer, or will have when its out was sent. */
int proxy_relay_end(ProxyRelay *relay);
/* There is no answer of Kubo, or no end of it: tell the client instead, or break off what it has got of one
 * (negative). WORDS may be NULL if it has. */
int proxy_relay_refuse(ProxyRelay *relay, unsigned status, const char *words);

/* ---- answer.c ---- */

/* Each appends to the client's out and sets its state to PROXY_ANSWER. HEADERS: lines with their ends, may
 * be NULL. After proxy_answer_head() come the framing's header, an empty line, and the body. */
void proxy_answer_head(ProxyClient *client, unsigned status, const char *type, const char *headers);
void proxy_answer(
                ProxyClient *client,
                unsigned status,
                const char *type,
                const char *headers,
                const char *body,
                size_t n);
void proxy_answer_text(ProxyClient *client, unsigned status, const char *headers, const char *text);
/* In Kubo's form. */
void proxy_answer_error(ProxyClient *client, unsigned status, const char *headers, const char *message);
const char *proxy_status_text(unsigned status);
