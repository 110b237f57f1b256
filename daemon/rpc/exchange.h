#pragma once

/* The two ends of what is asked: a call, and the request that it is to the other side; notes likewise. */

#include "daemon/rpc/internal.h"

typedef enum RpcCallState {
        RPC_CALL_NEW,      /* in no list */
        RPC_CALL_DIALLING, /* an address */
        RPC_CALL_WAITING,  /* for a link of the peer, or for room on it */
        RPC_CALL_SENT,
        RPC_CALL_HELD,  /* all has come, but the owner has paused */
        RPC_CALL_ENDED, /* to be told */
        RPC_CALL_TOLD,
} RpcCallState;

struct RpcCall {
        Rpc *rpc;
        RpcCallState state;
        RpcPeer *peer; /* NULL: of an address, or forgotten */
        PeerId peer_id;
        RpcDial *dial;
        RpcLink *link;
        H2Stream *stream;
        const RpcCallHandler *handler;
        void *userdata;
        char *method;
        Str request;
        Str body;       /* gathered, or what came while paused, or words */
        ErrorCode code; /* of an answer that is an error */
        bool is_paused, was_sent;
        int result;
        Error error;
        uint64_t timeout_usec;
        uint64_t link_timeout_usec;
        sd_event_source *timer;
        List link_of, resumed;
};

typedef enum RpcRequestState {
        RPC_REQUEST_COMING,
        RPC_REQUEST_NOTES,
        RPC_REQUEST_HANDED,
        RPC_REQUEST_STREAMING,
} RpcRequestState;

struct RpcRequest {
        Rpc *rpc;
        RpcRequestState state;
        RpcLink *link; /* NULL: gone, but the answer is still to come */
        H2Stream *stream;
        PeerId peer_id;
        const RpcMethod *method; /* NULL: notes */
        void *method_userdata;
        Str body;
        void (*closed)(RpcRequest *request, void *userdata);
        void *closed_userdata;
        const RpcSource *source;
        void *source_userdata;
        bool is_waiting; /* for rpc_request_resume() */
        bool has_ended;  /* the source has given all */
        List link_of, resumed;
};

/* call.c */
void rpc_call_send(RpcCall *call, RpcLink *link);
void rpc_call_wait(RpcCall *call, RpcPeer *peer, bool first);
void rpc_call_end(RpcCall *call, ErrorCode code, const char *format, ...) _printf_(3, 4);
void rpc_call_on_event(RpcCall *call, const H2Event *event);
void rpc_call_on_link_lost(RpcCall *call);
void rpc_call_on_resumed(RpcCall *call);
void rpc_call_tell(RpcCall *call);

/* request.c */
void rpc_request_on_event(RpcLink *link, const H2Event *event);
void rpc_request_on_link_lost(RpcRequest *request);
void rpc_request_pull(RpcRequest *request);

/* note.c */
void rpc_note_begin(RpcRequest *request, const char *name);
void rpc_note_feed(RpcRequest *request, const uint8_t *data, size_t n);
void rpc_note_stop(RpcLink *link);                           /* ours */
void rpc_note_on_event(RpcLink *link, const H2Event *event); /* of our stream */
