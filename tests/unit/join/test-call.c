#include <string.h>

#include "daemon/join/call.h"
#include "tests/lib/fault.h"
#include "tests/lib/scripted.h"

typedef struct Fixture {
        sd_event *event;
        Scripted asker, asked;
        JoinCall *call;
        unsigned n_written, n_done;
        int result;
        Error error;
        char *body;
        bool is_proved;
        PeerId peer;
} Fixture;

/* The link that ASKED dials counts before that of ASKER. */
static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(sd_event_new(&f->event), ==, 0);
        for (unsigned seed = 1;; seed++) {
                scripted_open(&f->asker, f->event, seed);
                scripted_open(&f->asked, f->event, seed + 1);
                if (peer_id_compare(rpc_self(f->asked.rpc), rpc_self(f->asker.rpc)) < 0)
                        return;
                scripted_close(&f->asker);
                scripted_close(&f->asked);
        }
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        join_call_unref(f->call);
        scripted_close(&f->asker);
        scripted_close(&f->asked);
        sd_event_unref(f->event);
        error_done(&f->error);
        g_free(f->body);
}

static int write_body(const uint8_t proof[static JOIN_PROOF_SIZE], Str *to, void *userdata) {
        JoinBody body = {};
        Fixture *f = userdata;

        f->n_written++;
        memcpy(body.proof, proof, sizeof(body.proof));
        return json_write(&join_body_shape, &body, to);
}

static void on_done(int r, const Error *error, const void *bytes, size_t size, void *userdata) {
        JoinedBody body = {};
        Fixture *f = userdata;

        f->n_done++;
        f->result = r;
        if (r < 0)
                (void) error_copy(&f->error, error);
        else {
                g_assert_cmpint(join_body_read(&join_body_joined_shape, bytes, size, SIZE_MAX, &body, NULL),
                                ==,
                                0);
                f->is_proved = join_call_is_proved(f->call, JOIN_PURPOSE_JOINED, body.proof);
                f->peer = *join_call_peer(f->call);
                json_done(&join_body_joined_shape, &body);
        }
        f->call = join_call_unref(f->call); /* allowed here */
}

static int start(Fixture *f, const PeerId *peer, const char *address) {
        return join_call_new(
                        &f->call,
                        f->asker.rpc,
                        &(JoinCallOptions){
                                        .secret = SCRIPTED_SECRET,
                                        .method = JOIN_PURPOSE_JOIN,
                                        .peer = peer,
                                        .address = address,
                                        .timeout_usec = 5 * USEC_PER_SEC,
                                        .write = write_body,
                                        .done = on_done,
                                        .userdata = f,
                        });
}

static void call(Fixture *f, const PeerId *peer, const char *address) {
        g_assert_cmpint(start(f, peer, address), ==, 0);
        g_assert_cmpuint(f->n_done, ==, 0);
        SCRIPTED_UNTIL(f->event, f->n_done > 0);
}

static void assert_answered(Fixture *f) {
        g_assert_cmpstr(f->error.message, ==, NULL);
        g_assert_cmpint(f->result, ==, 0);
        g_assert_true(f->is_proved);
        g_assert_true(peer_id_equal(&f->peer, rpc_self(f->asked.rpc)));
        g_assert_cmpuint(f->asked.n_proved, ==, 1);
}

static void test_by_address(Fixture *f, const void *data G_GNUC_UNUSED) {
        call(f, NULL, f->asked.address);
        assert_answered(f);
}

static void test_by_peer(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(str_list_done) StrList addresses = {};

        g_assert_cmpint(str_list_append(&addresses, f->asked.address), ==, 0);
        g_assert_cmpint(rpc_set_addresses(f->asker.rpc, rpc_self(f->asked.rpc), &addresses), ==, 0);
        call(f, rpc_self(f->asked.rpc), NULL);
        assert_answered(f);
}

static void test_nobody(Fixture *f, const void *data G_GNUC_UNUSED) {
        call(f, NULL, "/ip4/127.0.0.1/tcp/1");
        g_assert_cmpint(f->error.code, ==, ERROR_CANCELED);
        g_assert_nonnull(strstr(f->error.message, "cannot reach /ip4/127.0.0.1/tcp/1"));
        g_assert_cmpuint(f->n_written, ==, 0);
}

static void test_unknown(Fixture *f, const void *data G_GNUC_UNUSED) {
        call(f, rpc_self(f->asked.rpc), NULL);
        g_assert_cmpint(f->error.code, ==, ERROR_NOT_FOUND);
}

static void test_refused(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->asked.code = ERROR_FORBIDDEN;
        call(f, NULL, f->asked.address);
        g_assert_cmpint(f->error.code, ==, ERROR_FORBIDDEN);
        g_assert_cmpstr(f->error.message, ==, "no, never");
        g_assert_cmpuint(f->n_written, ==, 1); /* on the same link it would be the same again */
}

static void on_crossed(
                RpcCall *rpc G_GNUC_UNUSED,
                int r G_GNUC_UNUSED,
                const Error *error G_GNUC_UNUSED,
                const void *body G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata) {
        *(bool *) userdata = true;
}

/* The one that is asked dials the one that asks. */
static void cross(Fixture *f) {
        static const RpcCallHandler handler = { .on_done = on_crossed };
        _cleanup_(rpc_call_unrefp) RpcCall *rpc = NULL;
        const RpcCallOptions options = {
                .address = f->asker.address,
                .method = "nothing",
                .timeout_usec = 5 * USEC_PER_SEC,
                .handler = &handler,
                .userdata = &(bool){ false },
        };

        g_assert_cmpint(rpc_call(f->asked.rpc, &rpc, &options), ==, 0);
        SCRIPTED_UNTIL(f->event, *(bool *) options.userdata);
}

/* Its proof was for a link that another one has replaced: one is made for that. */
static void test_another_link(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->asked.silent = 1;
        g_assert_cmpint(start(f, NULL, f->asked.address), ==, 0);
        SCRIPTED_UNTIL(f->event, f->asked.kept);
        cross(f);
        scripted_refuse(&f->asked, ERROR_FORBIDDEN);
        SCRIPTED_UNTIL(f->event, f->n_done > 0);
        g_assert_cmpuint(f->n_written, ==, 2);
        g_assert_cmpuint(f->asked.n_proved, ==, 2);
        g_assert_cmpint(f->result, ==, 0);
        g_assert_true(f->is_proved);
}

static void test_dropped_anywhere(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->asked.silent = UINT_MAX;
        for (unsigned turns = 0; f->asked.n_asked < 2; turns++) {
                g_assert_cmpint(start(f, NULL, f->asked.address), ==, 0);
                for (unsigned i = 0; i < turns; i++)
                        g_assert_cmpint(sd_event_run(f->event, 10 * USEC_PER_MSEC), >=, 0);
                f->call = join_call_unref(f->call);
                g_assert_cmpuint(f->n_done, ==, 0);
        }
}

static void test_out_of_memory(Fixture *f, const void *data G_GNUC_UNUSED) {
        FOREACH_FAULT {
                int r = start(f, NULL, f->asked.address);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                f->call = join_call_unref(f->call);
        }
}

#define ADD(name, function) g_test_add("/join/call/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("by-address", test_by_address);
        ADD("by-peer", test_by_peer);
        ADD("nobody", test_nobody);
        ADD("unknown", test_unknown);
        ADD("refused", test_refused);
        ADD("another-link", test_another_link);
        ADD("dropped-anywhere", test_dropped_anywhere);
        ADD("out-of-memory", test_out_of_memory);
        return g_test_run();
}
