#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/time.h"
#include "daemon/rpc/exchange.h"

#define PATH_FORMAT "/%d/" RPC_NOTES_PATH "%016" PRIx64 "/%" PRIu64
#define NAME_FORMAT RPC_NOTES_PATH "%16" SCNx64 "/%20" SCNu64
#define RETRY_USEC USEC_PER_SEC /* after the peer has refused a stream of notes */

/*
 * Notes of a peer are one stream on a link: "/1/notes/<instance>/<number>", whose body is one note after the
 * other: 4 bytes of size, big endian, and the note. The numbers of an instance (a process) grow: what comes
 * on another stream than the newest is late, and dropped.
 */

/* ---- ours */

static int begin(RpcLink *link) {
        char path[H2_PATH_MAX];
        uint64_t now = time_monotonic();
        int r;

        if (link->notes_refused_usec > 0 && now < link->notes_refused_usec + RETRY_USEC)
                return -ENOTCONN;

        (void) snprintf(path,
                        sizeof(path),
                        PATH_FORMAT,
                        RPC_PROTOCOL,
                        link->rpc->notes_instance,
                        link->rpc->n_notes + 1);
        r = h2_request(link->h2, &link->notes, path, link);
        if (r < 0)
                return r == -ECANCELED ? -ENOTCONN : r;

        link->rpc->n_notes++;
        return 0;
}

static int enqueue(RpcLink *link, const void *bytes, size_t size) {
        const uint8_t head[RPC_NOTE_HEAD] = {
                (uint8_t) (size >> 24), (uint8_t) (size >> 16), (uint8_t) (size >> 8), (uint8_t) size
        };
        int r;

        if (!link->notes) {
                r = begin(link);
                if (r < 0)
                        return r;
        }

        r = h2_write(link->h2, link->notes, head, sizeof(head), false);
        if (r < 0)
                return r;
        r = h2_write(link->h2, link->notes, bytes, size, false);
        if (r < 0) /* half of a note would spoil all that follow */
                rpc_link_close(link, "out of memory");
        else
                rpc_link_busy(link);
        return r;
}

int rpc_note(Rpc *rpc, const PeerId *peer, const void *bytes, size_t size) {
        RpcPeer *found = rpc_peer_find(rpc, peer);

        if (size > RPC_NOTE_MAX)
                return -EMSGSIZE;
        if (!found)
                return -ENOTCONN;
        if (!found->link) {
                found->wants_link = true;
                rpc_peer_move(found);
                return -ENOTCONN;
        }
        if (rpc_peer_queued(found) + RPC_NOTE_HEAD + size > RPC_QUEUE_MAX)
                return -ENOBUFS;

        return enqueue(found->link, bytes, size);
}

void rpc_note_stop(RpcLink *link) {
        if (!link->notes || link->state != RPC_LINK_UP || link->are_notes_ended)
                return;

        link->are_notes_ended = true;
        (void) h2_write(link->h2, link->notes, NULL, 0, true);
}

void rpc_note_on_event(RpcLink *link, const H2Event *event) {
        char id[PEER_ID_TEXT_MAX];

        if (event->type != H2_CLOSED)
                return;

        link->notes = NULL;
        link->notes_refused_usec = time_monotonic();
        log_debug("Peer %s takes no notes: status %u",
                  peer_id_format(&link->peer->id, id),
                  h2_stream_status(event->stream));
}

/* ---- the peer's */

void rpc_note_begin(RpcRequest *request, const char *name) {
        RpcPeer *peer = request->link->peer;
        uint64_t instance, number;

        request->state = RPC_REQUEST_NOTES;
        if (sscanf(name, NAME_FORMAT, &instance, &number) != 2) {
                rpc_link_close(request->link, "malformed name of a stream of notes");
                return;
        }
        if (instance == peer->notes_instance && number <= peer->notes_number)
                return; /* late */

        peer->notes_instance = instance;
        peer->notes_number = number;
        peer->notes = request;
}

static size_t note_size(const Str *body) {
        const uint8_t *head = (const uint8_t *) body->data;

        return (size_t) head[0] << 24 | (size_t) head[1] << 16 | (size_t) head[2] << 8 | head[3];
}

/* One note, or a part of it. Answers how much of the N bytes was used. */
static ssize_t feed_one(RpcRequest *request, const uint8_t *data, size_t n) {
        Str *body = &request->body;
        size_t wanted = RPC_NOTE_HEAD + (body->len >= RPC_NOTE_HEAD ? note_size(body) : 0);
        size_t k = MIN(n, wanted - body->len);

        if (k > 0 && str_append_bytes(body, data, k) < 0)
                return -ENOMEM;
        request->link->gathered += k;
        return body->len >= RPC_NOTE_HEAD && note_size(body) > RPC_NOTE_MAX ? -EMSGSIZE : (ssize_t) k;
}

static bool is_whole(const RpcRequest *request) {
        return request->body.len >= RPC_NOTE_HEAD &&
               request->body.len == RPC_NOTE_HEAD + note_size(&request->body);
}

static void hand_out(RpcRequest *request) {
        RpcLink *link = request->link;
        Rpc *rpc = request->rpc;

        link->gathered -= request->body.len;
        if (rpc->events->note && link->peer->notes == request && rpc_is_trusted(rpc, &request->peer_id))
                rpc->events->note(
                                &request->peer_id,
                                request->body.data + RPC_NOTE_HEAD,
                                request->body.len - RPC_NOTE_HEAD,
                                rpc->userdata);
        if (request->body.capacity > TLS_SESSION_RECORD_MAX)
                str_done(&request->body);
        else
                str_reset(&request->body);
}

/* The callback may close the link, but the request stays until the link is buried. */
void rpc_note_feed(RpcRequest *request, const uint8_t *data, size_t n) {
        RpcLink *link = request->link;
        size_t left = n;
        ssize_t k;

        while (link->state != RPC_LINK_CLOSED && link->peer->notes == request && left > 0) {
                k = feed_one(request, data, left);
                if (k < 0) {
                        rpc_link_close(link,
                                       k == -ENOMEM ? "out of memory" : "a note has more than %d bytes",
                                       RPC_NOTE_MAX);
                        return;
                }
                data += k;
                left -= (size_t) k;
                if (is_whole(request))
                        hand_out(request);
        }
        if (link->state != RPC_LINK_CLOSED)
                h2_consume(link->h2, request->stream, n);
}
