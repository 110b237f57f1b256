#pragma once

/*
 * Rpc: calls between the peers of a cluster (port 9096).
 *
 * A link is one TCP connection with TLS 1.3 (net/tls-session.h) and HTTP/2 in both directions (net/h2.h).
 * Links are dialled when a call or a note needs one, and kept; PING proves that they live. Of two links
 * between a pair of peers that dialled each other at once, the one that the peer with the lower ID has
 * dialled stays; the other one serves what is under way on it, and is closed then.
 *
 * A call is one HTTP/2 stream: ":path" is "/<protocol version>/<method>", the request and the answer are
 * bodies. The answer's status is 200, or that of an error of the one table (types/error.h), with its name in
 * "code" and its words as body. An unknown method, and a version that is not ours, is ERROR_UNSUPPORTED (the
 * words name both versions); a caller without the trust that the method asks for gets ERROR_FORBIDDEN.
 *
 * Notes are one-way and ordered per peer: what is queued for a link may be lost when the link is lost or
 * another one replaces it, and nothing of an old link arrives after something of a new one.
 *
 * Callbacks come from the loop, never from inside a call. Of all functions rpc_free() alone may not be
 * called from a callback.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "daemon/base/macro.h"
#include "daemon/types/error.h"
#include "daemon/types/multiaddr.h"
#include "daemon/types/peer-id.h"

#define RPC_PROTOCOL 1
#define RPC_PEERS_MAX 1024 /* known, and links at once */
#define RPC_UNTRUSTED_MAX                                                                                   \
        64                  /* of the accepted links: in handshake or of no members; the oldest goes first */
#define RPC_STREAMS_MAX 256 /* at once on a link, in each direction */
#define RPC_RESETS_MAX 100  /* streams that a peer may reset in 10 s; then its link is closed */
#define RPC_RESETS_PERIOD (10 * USEC_PER_SEC)
#define RPC_CALLS_MAX 4096                    /* that wait for one peer; ERROR_BUSY beyond */
#define RPC_BODY_MAX (4 * 1024 * 1024)        /* of a call that is not streamed; ERROR_TOO_BIG beyond */
#define RPC_HEADER_MAX 8192                   /* of all header fields of a stream */
#define RPC_QUEUE_MAX (16 * 1024 * 1024)      /* bytes that wait for one peer; ERROR_BUSY beyond */
#define RPC_GATHER_MAX (16 * 1024 * 1024)     /* bytes of bodies not complete, of one link; the same */
#define RPC_GATHER_UNTRUSTED_MAX (256 * 1024) /* the same of a peer that is no member */
#define RPC_NOTE_MAX (2 * 1024 * 1024)
#define RPC_HANDSHAKE_TIMEOUT (10 * USEC_PER_SEC)
#define RPC_PING_INTERVAL (5 * USEC_PER_SEC)
#define RPC_PING_TIMEOUT (15 * USEC_PER_SEC)
#define RPC_RIVAL_TIMEOUT (2 * USEC_PER_SEC)  /* to prove that a link lives when its peer dials another */
#define RPC_DRAIN_TIMEOUT (30 * USEC_PER_SEC) /* of a link that another one has replaced */
#define RPC_BACKOFF_MIN (100 * USEC_PER_MSEC) /* doubled by each failure, ± 25 % */
#define RPC_BACKOFF_MAX (5 * USEC_PER_SEC)

typedef struct Rpc Rpc;
typedef struct RpcCall RpcCall;
typedef struct RpcRequest RpcRequest;

typedef enum RpcTrust {
        RPC_OPEN,   /* any peer that has proved an identity: "id", "join" */
        RPC_MEMBER, /* a peer in the peer set (is_member()) */
} RpcTrust;

typedef struct RpcMethod {
        const char *name; /* "status-all" */
        RpcTrust trust;
        /* The whole request is there. Answers at once or later by rpc_request_reply(), _fail(), _stream().
         */
        void (*handle)(RpcRequest *request, const void *body, size_t size, void *userdata);
} RpcMethod;

typedef struct RpcEvents {
        bool (*is_member)(const PeerId *peer, void *userdata); /* also from inside calls */
        void (*note)(const PeerId *from, const void *bytes, size_t size, void *userdata);
        /* Between none and one; not when one replaces another. */
        void (*link_changed)(const PeerId *peer, bool up, void *userdata);
} RpcEvents;

typedef struct RpcOptions {
        const char *private_key; /* base64 of the libp2p protobuf, as identity.json has it; Ed25519 or RSA */
        const int *fds;          /* listening sockets, taken also on failure */
        size_t n_fds;
        uint64_t dial_timeout_usec; /* cluster.dial_peer_timeout, for each address */
        const RpcMethod *methods;   /* ends with an empty row; must outlive */
        const RpcEvents *events;    /* the same */
        void *userdata;             /* of these methods and of events */
} RpcOptions;

#define RPC_SERVICES_MAX 4 /* tables of methods */

int rpc_new(Rpc **ret, sd_event *event, const RpcOptions *options, Error *reterr);
/* Waits for a name that is being resolved. No call may be left. Requests that are not answered end by their
 * closed() within; one without it must have been answered. */
Rpc *rpc_free(Rpc *rpc);
DEFINE_CLEANUP(Rpc *, rpc_free);

/* More methods, of another owner; USERDATA is theirs. METHODS must outlive. Errors: -ENOBUFS. */
int rpc_serve(Rpc *rpc, const RpcMethod *methods, void *userdata);

const PeerId *rpc_self(const Rpc *rpc);

/* Where PEER may be dialled: canonical TCP multiaddrs (others are passed over), tried in turn; names are
 * resolved in a worker. Replaces what was known. Errors: -ENOMEM, -ENOBUFS (RPC_PEERS_MAX). */
int rpc_set_addresses(Rpc *rpc, const PeerId *peer, const StrList *addresses);
/* Close its links, fail its calls with ERROR_CANCELED, forget its addresses. */
void rpc_forget(Rpc *rpc, const PeerId *peer);
bool rpc_is_linked(const Rpc *rpc, const PeerId *peer);
/* Close the links of peers that were members and are not any more. */
void rpc_check_members(Rpc *rpc);

/* ---- the asking side */

typedef struct RpcCallHandler {
        /* A part of the answer's body. Answers true to go on, false to pause: this part is taken, nothing
         * more comes until rpc_call_resume(). NULL: the body is gathered and handed to ON_DONE. */
        bool (*on_data)(RpcCall *call, const void *data, size_t size, void *userdata);
        /* Once. R is 0, or negative with words. BODY is the gathered answer, which stays until the call is
         * dropped. */
        void (*on_done)(RpcCall *call,
                        int r,
                        const Error *error,
                        const void *body,
                        size_t size,
                        void *userdata);
} RpcCallHandler;

typedef struct RpcCallOptions {
        const PeerId *peer;  /* whom to ask; with ADDRESS: who has to be there, NULL: whoever is */
        const char *address; /* canonical, dialled instead of what is known; the link stays for later calls
                              */
        const char *method;
        const void *body; /* copied */
        size_t size;
        uint64_t timeout_usec;         /* UINT64_MAX: none */
        uint64_t link_timeout_usec;    /* to get a link, where there is none; 0: TIMEOUT_USEC alone counts */
        const RpcCallHandler *handler; /* must outlive */
        void *userdata;
} RpcCallOptions;

/* Ask. A call waits for a link, and for room on it. It ends with what the peer answered, or with
 *   ERROR_TIMEOUT    after TIMEOUT_USEC, whatever holds it up; a peer that is slow or dead delays no other;
 * or when there is no link after LINK_TIMEOUT_USEC; ERROR_CANCELED   the link was lost and the peer may have
 * got the request; or the ADDRESS did not answer, or it is another peer's. When the peer cannot have got it,
 * the call waits for the next link; ERROR_NOT_FOUND  there is no link and no address; ERROR_TOO_BIG,
 * ERROR_BUSY  the request or the answer is beyond the limits above. Errors: -ENOMEM; all others come by
 * ON_DONE. */
int rpc_call(Rpc *rpc, RpcCall **ret, const RpcCallOptions *options);
/* Silence and cancel: the peer is told. */
RpcCall *rpc_call_unref(RpcCall *call);
DEFINE_CLEANUP(RpcCall *, rpc_call_unref);

void rpc_call_resume(RpcCall *call);
/* False: the peer cannot have got it. */
bool rpc_call_may_have_arrived(const RpcCall *call);
const PeerId *rpc_call_peer(const RpcCall *call); /* NULL before an ADDRESS has answered */
/* As rpc_request_exporter(), of the link that the next call to PEER will use: what is made of it goes into
 * the body. Errors: -ENOTCONN. */
int rpc_exporter(const Rpc *rpc, const PeerId *peer, uint8_t bytes[static 32]);

/* One-way, in order. Errors: -ENOTCONN (no link; one is dialled), -ENOBUFS (RPC_QUEUE_MAX), -EMSGSIZE
 * (RPC_NOTE_MAX), -ENOMEM. */
int rpc_note(Rpc *rpc, const PeerId *peer, const void *bytes, size_t size);

/* ---- the answering side */

const PeerId *rpc_request_peer(const RpcRequest *request);
bool rpc_request_is_member(const RpcRequest *request);
/* 32 bytes that only the two ends of this link know (TLS exporter, RFC 5705, label
 * "EXPORTER-ipfs-cluster-join"): a proof of the cluster secret is an HMAC over them. */
int rpc_request_exporter(const RpcRequest *request, uint8_t bytes[static 32]);

/* Told when the asker or its link goes before there is an answer; the request must not be touched after.
 * Without it, the answer is still to be given, and goes nowhere. */
void rpc_request_on_closed(
                RpcRequest *request, void (*closed)(RpcRequest *request, void *userdata), void *userdata);

/* Each takes the request, also on failure: then the stream is reset. An answer beyond RPC_QUEUE_MAX becomes
 * ERROR_BUSY. Errors: -ENOMEM. */
int rpc_request_reply(RpcRequest *request, const void *body, size_t size); /* copied */
int rpc_request_fail(RpcRequest *request, const Error *error);

typedef struct RpcSource {
        /* Answers bytes put into BUFFER, RPC_SOURCE_WAIT (until rpc_request_resume()), RPC_SOURCE_END, or a
         * negative errno: the stream is reset. */
        ssize_t (*pull)(RpcRequest *request, void *buffer, size_t max, void *userdata);
        /* Last, once: COMPLETE when all has gone out; the request is gone. */
        void (*closed)(RpcRequest *request, bool complete, void *userdata);
} RpcSource;

#define RPC_SOURCE_WAIT ((ssize_t) 0)
#define RPC_SOURCE_END ((ssize_t) -1000000) /* no errno */

/* SOURCE must outlive. On failure CLOSED is not called. */
int rpc_request_stream(RpcRequest *request, const RpcSource *source, void *userdata);
void rpc_request_resume(RpcRequest *request);
