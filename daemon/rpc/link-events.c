#include "daemon/base/log.h"
#include "daemon/rpc/exchange.h"

/* Who a stream of ours belongs to: the stream of notes has the link as userdata, a call's has the call. */
static void on_own_stream(RpcLink *link, const H2Event *event) {
        void *owner = h2_stream_userdata(event->stream);

        if (owner == link)
                rpc_note_on_event(link, event);
        else if (owner)
                rpc_call_on_event(owner, event);
}

static void on_stream(RpcLink *link, const H2Event *event) {
        if (!link->peer)
                rpc_link_close(link, "the acceptor asked before it sent its SETTINGS");
        else if (h2_stream_is_request(event->stream))
                rpc_request_on_event(link, event);
        else
                on_own_stream(link, event);
}

static void on_event(RpcLink *link, const H2Event *event) {
        switch (event->type) {
        case H2_SETTINGS:
                rpc_link_settled(link);
                break;
        case H2_PONG:
                if (event->value == RPC_LINK_PING_DRAIN) {
                        link->is_drained = true;
                        rpc_link_busy(link);
                }
                break;
        case H2_GOAWAY:
                rpc_link_retire(link);
                break;
        case H2_HEAD:
        case H2_DATA:
        case H2_END:
        case H2_WRITABLE:
        case H2_CLOSED:
                on_stream(link, event);
                break;
        }
}

bool rpc_link_dispatch(RpcLink *link) {
        bool was_something = false;
        H2Event event;

        while (link->state != RPC_LINK_CLOSED && h2_next(link->h2, &event)) {
                was_something = true;
                on_event(link, &event);
        }
        return was_something;
}
