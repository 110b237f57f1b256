#include "tests/lib/scripted.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/base/multibase.h"
#include "daemon/join/call.h"
#include "tests/lib/loopback.h"

static void fail(RpcRequest *request, ErrorCode code, const char *words) {
        _cleanup_(error_done) Error error = {};

        (void) error_set(&error, code, "%s", words);
        g_assert_cmpint(rpc_request_fail(request, &error), ==, 0);
}

static void reply(Scripted *scripted, RpcRequest *request, const uint8_t *exporter) {
        JoinedBody body = { .cluster_id = { 1, 2, 3 }, .raft_id = 77, .index = 9 };
        _cleanup_(str_done) Str text = {};

        g_assert_cmpint(str_list_append(&body.addresses, scripted->full_address), ==, 0);
        g_assert_cmpint(join_proof_make(scripted->proves_wrong ? SCRIPTED_OTHER_SECRET : scripted->secret,
                                        JOIN_PURPOSE_JOINED,
                                        rpc_self(scripted->rpc),
                                        exporter,
                                        body.proof),
                        ==,
                        0);
        g_assert_cmpint(json_write(&join_body_joined_shape, &body, &text), ==, 0);
        if (scripted->answers_wrong)
                text.len /= 2;
        g_assert_cmpint(rpc_request_reply(request, text.data, text.len), ==, 0);
        str_list_done(&body.addresses);
}

static void on_closed(RpcRequest *request G_GNUC_UNUSED, void *userdata) {
        ((Scripted *) userdata)->kept = NULL;
}

static void on_join(RpcRequest *request, const void *body, size_t size, void *userdata) {
        uint8_t exporter[JOIN_EXPORTER_SIZE];
        Scripted *scripted = userdata;

        json_done(&join_body_shape, &scripted->asked);
        g_assert_cmpint(join_body_read(&join_body_shape, body, size, JOIN_BODY_MAX, &scripted->asked, NULL),
                        ==,
                        0);
        g_assert_cmpint(rpc_request_exporter(request, exporter), ==, 0);
        scripted->n_proved += join_proof_is(
                        scripted->secret,
                        JOIN_PURPOSE_JOIN,
                        rpc_request_peer(request),
                        exporter,
                        scripted->asked.proof);

        if (scripted->n_asked++ < scripted->silent) {
                scripted->kept = request;
                rpc_request_on_closed(request, on_closed, scripted);
        } else if (scripted->n_asked <= scripted->silent + scripted->busy)
                fail(request, ERROR_BUSY, "come back later");
        else if (scripted->code != ERROR_NONE)
                fail(request, scripted->code, "no, never");
        else
                reply(scripted, request, exporter);
}

static bool is_member(const PeerId *peer G_GNUC_UNUSED, void *userdata G_GNUC_UNUSED) {
        return false;
}

static const RpcMethod methods[] = { { "join", RPC_OPEN, on_join }, {} };
static const RpcEvents events = { .is_member = is_member };

void scripted_open(Scripted *scripted, sd_event *event, unsigned seed) {
        g_autofree char *key = loopback_key(seed);
        unsigned port = 0;
        int fd = loopback_listen(&port);

        scripted->event = event;
        scripted->secret = scripted->secret ?: SCRIPTED_SECRET;
        g_assert_cmpint(rpc_new(&scripted->rpc,
                                event,
                                &(RpcOptions){
                                                .private_key = key,
                                                .fds = &fd,
                                                .n_fds = 1,
                                                .dial_timeout_usec = USEC_PER_SEC,
                                                .methods = methods,
                                                .events = &events,
                                                .userdata = scripted,
                                },
                                NULL),
                        ==,
                        0);
        scripted->address = g_strdup_printf("/ip4/127.0.0.1/tcp/%u", port);
        g_assert_cmpint(multiaddr_with_peer_id(
                                        scripted->address, rpc_self(scripted->rpc), &scripted->full_address),
                        ==,
                        0);
}

void scripted_refuse(Scripted *scripted, ErrorCode code) {
        fail(g_steal_pointer(&scripted->kept), code, "no, never");
}

void scripted_close(Scripted *scripted) {
        if (scripted->kept)
                fail(scripted->kept, ERROR_CANCELED, "gone");
        rpc_free(scripted->rpc);
        g_free(scripted->address);
        free(scripted->full_address);
        json_done(&join_body_shape, &scripted->asked);
}
