#pragma once

/*
 * The objects of rpc, for its own files.
 *
 *   Rpc ──► RpcPeer: its addresses, its links, the calls that wait for one
 *       ├─► RpcLink: socket, TLS, HTTP/2; the calls that were sent on it, the requests that came on it
 *       └─► RpcDial: on the way to a link; of a peer, or of a call to an address
 *
 * Nothing is freed and nobody is called while the events of a link are handled, or from inside a call: what
 * ended is put in a list, and rpc_settle() works the lists off, last thing in each turn of the loop.
 */

#include <sys/socket.h>

#include "daemon/base/list.h"
#include "daemon/base/map.h"
#include "daemon/base/worker.h"
#include "daemon/net/h2.h"
#include "daemon/net/listener.h"
#include "daemon/net/tls-session.h"
#include "daemon/rpc/refusal.h"
#include "daemon/rpc/rpc.h"

#define RPC_LINK_CALLS_MAX (RPC_STREAMS_MAX - 1) /* one stream is for notes */
#define RPC_WORDS_MAX 1024                       /* of an error that a peer tells */
#define RPC_NOTE_HEAD 4                          /* the size of a note, big endian, before each */
#define RPC_NOTES_PATH "notes/"
#define RPC_LINK_PING_DRAIN UINT64_C(0x647261696e) /* "drain" */
#define RPC_EXPORTER_LABEL "EXPORTER-ipfs-cluster-join"

typedef struct RpcPeer RpcPeer;
typedef struct RpcLink RpcLink;
typedef struct RpcDial RpcDial;

/* The constants of rpc.h, so that tests need not wait for them. */
typedef struct RpcLimits {
        uint64_t handshake_usec, ping_interval_usec, ping_timeout_usec, rival_usec, drain_usec;
        uint64_t backoff_min_usec, backoff_max_usec;
} RpcLimits;

typedef struct RpcListener {
        Rpc *rpc;
        int fd;
        ListenerWatch watch;
} RpcListener;

typedef struct RpcService {
        const RpcMethod *methods;
        void *userdata;
} RpcService;

struct Rpc {
        sd_event *event;
        sd_event_source *settling; /* runs once when it is switched on */
        RpcService services[RPC_SERVICES_MAX];
        size_t n_services;
        const RpcEvents *events;
        void *userdata;
        uint64_t dial_timeout_usec;
        RpcLimits limits;
        TlsIdentity *identity;
        Worker *resolver; /* NULL until there is a name */
        RpcListener *listeners;
        size_t n_listeners;

        Map *peers;  /* bytes of the ID → RpcPeer */
        List links;  /* in the order in which they began */
        List dead;   /* links that are closed */
        List busy;   /* links that have something to do */
        List moved;  /* peers whose links or calls have changed */
        List dials;  /* all */
        List failed; /* dials that are over */
        List ended;  /* calls whose owner is to be told */
        size_t n_links;
        size_t n_calls;   /* that an owner has */
        size_t n_handled; /* requests that were handed out */
        RpcCall *telling; /* the one whose owner is called; NULL again when it was dropped */

        uint64_t notes_instance; /* random: tells the streams of notes of this process from former ones */
        uint64_t n_notes;        /* streams of notes begun */
        RpcRefusals refusals;
        uint64_t n_refused, n_refused_logged;
        bool is_leaving;
        uint8_t in[TLS_SESSION_RECORD_MAX];
        uint8_t out[TLS_SESSION_RECORD_MAX];
};

struct RpcPeer {
        Rpc *rpc;
        PeerId id;
        StrList addresses;
        List links;    /* that have proved to be this peer's, in that order */
        RpcLink *link; /* the one that calls go to */
        RpcDial *dial;
        sd_event_source *backoff;
        unsigned n_failures;
        char words[256]; /* of the last one */
        bool wants_link; /* for a note */
        bool is_told_up;
        List waiting;
        size_t n_waiting, waiting_bytes;
        List moved;

        /* The newest stream of notes; what comes on another one is dropped. */
        uint64_t notes_instance, notes_number;
        RpcRequest *notes;
};

typedef enum RpcLinkState {
        RPC_LINK_HANDSHAKE,
        RPC_LINK_SETTINGS, /* dialled: the acceptor has not answered yet */
        RPC_LINK_UP,
        RPC_LINK_CLOSED,
} RpcLinkState;

struct RpcLink {
        Rpc *rpc;
        RpcLinkState state;
        RpcDial *dial; /* until it is up */
        RpcPeer *peer; /* once it is up */
        bool is_dialled;
        bool was_member;
        bool is_retired; /* nothing new goes here */
        bool is_drained; /* and nothing new comes */
        bool has_orphans;
        bool has_more; /* to write, once others had their turn */
        uint64_t retired_usec, probed_usec, input_usec;
        char source[RPC_SOURCE_MAX];
        char *words; /* why it was closed */

        int fd;
        TlsSession *tls;
        H2 *h2;
        sd_event_source *io, *timer;
        uint32_t events;

        H2Stream *notes;
        bool are_notes_ended;
        uint64_t notes_refused_usec;
        List calls, requests;
        List resumed_calls, resumed_requests;
        size_t n_calls;
        size_t gathered; /* bytes of bodies that are not complete */
        unsigned n_resets, n_own_resets;
        uint64_t resets_usec;
        List link, in_peer, busy;
};

/* rpc.c */
void rpc_schedule(Rpc *rpc); /* rpc_settle() in this turn or the next */
void rpc_settle(Rpc *rpc);
bool rpc_is_trusted(const Rpc *rpc, const PeerId *peer);
void rpc_refuse(Rpc *rpc, const char *source, const char *words);

/* accept.c */
int rpc_accept_new(Rpc *rpc, const int *fds, size_t n_fds);
void rpc_accept_free(Rpc *rpc);

/* peer.c */
int rpc_peer_get(Rpc *rpc, const PeerId *id, RpcPeer **ret);
RpcPeer *rpc_peer_find(const Rpc *rpc, const PeerId *id);
void rpc_peer_free(RpcPeer *peer);
void rpc_peer_move(RpcPeer *peer);   /* look at it when settling */
void rpc_peer_settle(RpcPeer *peer); /* may free it */
void rpc_peer_choose(RpcPeer *peer);
void rpc_peer_add_link(RpcPeer *peer, RpcLink *link);
void rpc_peer_dial_failed(RpcPeer *peer, const char *words);
size_t rpc_peer_queued(const RpcPeer *peer);

/* dial.c: EXPECTED may be NULL. */
int rpc_dial_new(RpcDial **ret, Rpc *rpc, const StrList *addresses, const PeerId *expected);
RpcDial *rpc_dial_free(RpcDial *dial);
void rpc_dial_set_owner(RpcDial *dial, RpcPeer *peer, RpcCall *call);
void rpc_dial_set_link(RpcDial *dial, RpcLink *link);
void rpc_dial_link_up(RpcDial *dial, RpcPeer *peer); /* frees it */
void rpc_dial_link_failed(RpcDial *dial, const char *words);
void rpc_dial_settle(Rpc *rpc);

/* link.c */
int rpc_link_new(Rpc *rpc, int fd, const char *source, RpcDial *dial, const PeerId *expected); /* takes FD */
void rpc_link_close(RpcLink *link, const char *format, ...) _printf_(2, 3);
void rpc_link_bury(RpcLink *link);
void rpc_link_work(RpcLink *link);
void rpc_link_busy(RpcLink *link); /* work on it when settling */
void rpc_link_retire(RpcLink *link);
void rpc_link_drain(RpcLink *link);
void rpc_link_probe(RpcLink *link);
void rpc_link_settled(RpcLink *link); /* the acceptor's SETTINGS came */

/* link-events.c */
bool rpc_link_dispatch(RpcLink *link); /* answers whether there was something */
