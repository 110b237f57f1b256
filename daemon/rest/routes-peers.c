/* Peers: who is here, and who joins and leaves. */

#include <string.h>

#include "daemon/rest/reply.h"
#include "daemon/rest/routes.h"
#include "daemon/types/version.h"

static void on_peer(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const PeerInfo *peer,
                void *userdata) {
        if (r < 0)
                rest_reply_error(userdata, r, error);
        else
                rest_reply_json(userdata, &peer_info_shape, peer);
}

void rest_get_id(RestRequest *request) {
        int r = cluster_id(request->api->cluster, &request->call, on_peer, request);

        if (r < 0)
                rest_reply_error(request, r, NULL);
}

void rest_get_version(RestRequest *request) {
        Str body = {};

        (void) str_append(&body, "{\"version\":\"" VERSION_API "\"}");
        rest_reply_text(request, 200, &body);
}

void rest_get_peers(RestRequest *request) {
        _cleanup_(error_done) Error error = {};
        ClusterList *list = NULL;
        int r;

        r = cluster_list_peers(request->api->cluster, &list, &error);
        if (r < 0)
                rest_reply_error(request, r, &error);
        else
                rest_reply_list(request, list);
}

/* ---- POST /peers: {"peer_id":"…"}, or the 2017 form {"peer_multiaddress":"…/p2p/…"} ---- */

typedef struct PeerBody {
        char *peer_id;
        char *peer_multiaddress;
} PeerBody;

static const JsonShape peer_body_shape = {
        .name = "peer",
        .size = sizeof(PeerBody),
        .fields =
                        (const JsonField[]){
                                        { "peer_id", JSON_STRING, offsetof(PeerBody, peer_id) },
                                        { "peer_multiaddress",
                                          JSON_STRING,
                                          offsetof(PeerBody, peer_multiaddress) },
                                        JSON_END,
                        },
};

static int peer_of_address(const char *address, PeerId *ret) {
        _cleanup_free_ char *canonical = NULL;

        if (multiaddr_parse(address, &canonical, NULL) < 0 || multiaddr_peer_id(canonical, ret) <= 0)
                return -EINVAL;
        return 0;
}

static void peer_add(RestRequest *request, const PeerBody *body) {
        PeerId peer;
        int r;

        if (str_is_empty(body->peer_id) && !str_is_empty(body->peer_multiaddress)) {
                if (peer_of_address(body->peer_multiaddress, &peer) < 0) {
                        rest_reply_failure(request, ERROR_INVALID, "error decoding peer_multiaddress");
                        return;
                }
        } else if (!body->peer_id || peer_id_parse(body->peer_id, &peer) < 0) {
                rest_reply_failure(request, ERROR_INVALID, "error decoding peer_id");
                return;
        }

        r = cluster_peer_add(
                        request->api->cluster,
                        &request->call,
                        &peer,
                        body->peer_multiaddress,
                        on_peer,
                        request);
        if (r < 0)
                rest_reply_error(request, r, NULL);
}

static void on_peer_body(RestRequest *request) {
        PeerBody body = {};

        if (json_read_text(&peer_body_shape,
                           request->body.data ? request->body.data : "",
                           request->body.len,
                           &body,
                           NULL) < 0) {
                rest_reply_failure(request, ERROR_INVALID, "error decoding request body");
                return;
        }
        peer_add(request, &body);
        json_done(&peer_body_shape, &body);
}

void rest_post_peers(RestRequest *request) {
        rest_request_read_body(request, on_peer_body);
}

static void on_removed(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const PeerInfo *peer _unused_,
                void *userdata) {
        if (r < 0)
                rest_reply_error(userdata, r, error);
        else
                rest_reply_empty(userdata, 204);
}

void rest_delete_peer(RestRequest *request) {
        PeerId peer;
        int r;

        if (peer_id_parse(request->segments[0], &peer) < 0) {
                const char *why = "selected encoding not supported";
                Cid cid;

                (void) cid_parse(request->segments[0], &cid, &why);
                rest_reply_failure(
                                request,
                                ERROR_INVALID,
                                "error decoding Peer ID: failed to parse peer ID: invalid cid: %s",
                                why);
                return;
        }
        r = cluster_peer_remove(request->api->cluster, &request->call, &peer, on_removed, request);
        if (r < 0)
                rest_reply_error(request, r, NULL);
}
