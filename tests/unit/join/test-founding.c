#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/join/body.h"
#include "daemon/join/founding.h"
#include "daemon/rpc/rpc.h"
#include "tests/lib/fault.h"
#include "tests/lib/loopback.h"
#include "tests/lib/scripted.h"

#define FOUNDERS_MAX 3

/* A peer of an init_peerset: it founds, or it runs already and answers. */
typedef struct Founder {
        char *key;
        PeerId id;
        int fd; /* listening, so that the port stays its own */
        unsigned port;
        char *address;
        JoinFounding *founding;
        unsigned n_done;
        bool exists;
        size_t n_addresses, n_silent;

        Rpc *rpc; /* of one that runs */
        unsigned busy, n_asked;
        JoinFoundingAnswer answer;
} Founder;

static sd_event *event;
static Founder founders[FOUNDERS_MAX];
static PeerIdList members;
static StrList addresses;

static void on_done(bool exists, const StrList *list, const PeerIdList *silent, void *userdata) {
        Founder *founder = userdata;

        founder->n_done++;
        founder->exists = exists;
        founder->n_addresses = list->n;
        founder->n_silent = silent->n;
        founder->founding = join_founding_free(founder->founding);
}

static int begin(Founder *founder, const StrList *known, uint64_t timeout_usec, Error *reterr) {
        int fd = dup(founder->fd);

        return join_founding_new(
                        &founder->founding,
                        event,
                        &(JoinFoundingOptions){
                                        .private_key = founder->key,
                                        .members = &members,
                                        .addresses = known,
                                        .fds = &fd,
                                        .n_fds = 1,
                                        .dial_timeout_usec = USEC_PER_SEC,
                                        .timeout_usec = timeout_usec,
                                        .done = on_done,
                                        .userdata = founder,
                        },
                        reterr);
}

static void start(Founder *founder, const StrList *known, uint64_t timeout_usec) {
        g_assert_cmpint(begin(founder, known, timeout_usec, NULL), ==, 0);
}

/* ---- one that runs */

static void on_question(RpcRequest *request, const void *bytes, size_t size, void *userdata) {
        _cleanup_(error_done) Error error = {};
        _cleanup_(str_done) Str text = {};
        Founder *founder = userdata;
        JoinFoundingBody body = {};

        founder->n_asked++;
        g_assert_cmpint(join_body_read(&join_body_founding_shape, bytes, size, JOIN_BODY_MAX, &body, NULL),
                        ==,
                        0);
        if (founder->busy > 0) {
                founder->busy--;
                (void) error_set(&error, ERROR_BUSY, "it is being started");
                (void) rpc_request_fail(request, &error);
                return;
        }
        g_assert_cmpint(json_write(&join_body_founding_answer_shape, &founder->answer, &text), ==, 0);
        (void) rpc_request_reply(request, text.data, text.len);
}

static bool trusts_all(const PeerId *peer G_GNUC_UNUSED, void *userdata G_GNUC_UNUSED) {
        return true;
}

static void on_note(
                const PeerId *from G_GNUC_UNUSED,
                const void *bytes G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata G_GNUC_UNUSED) {
}

static void open_rpc(Founder *founder, const int *fds, size_t n_fds) {
        static const RpcMethod methods[] = { { JOIN_FOUNDING_METHOD, RPC_OPEN, on_question }, {} };
        static const RpcEvents events = { .is_member = trusts_all, .note = on_note };

        g_assert_cmpint(rpc_new(&founder->rpc,
                                event,
                                &(RpcOptions){ .private_key = founder->key,
                                               .fds = fds,
                                               .n_fds = n_fds,
                                               .dial_timeout_usec = USEC_PER_SEC,
                                               .methods = methods,
                                               .events = &events,
                                               .userdata = founder },
                                NULL),
                        ==,
                        0);
}

static void run(Founder *founder, bool exists, bool is_member) {
        int fd = dup(founder->fd);

        founder->answer = (JoinFoundingAnswer){ exists, is_member, .addresses.is_set = true };
        if (exists)
                founder->answer.addresses = (StrList){ .items = &founder->address, .n = 1, .is_set = true };
        open_rpc(founder, &fd, 1);
}

/* ---- all of them */

static void founder_init(Founder *founder, unsigned i) {
        g_autofree char *address = NULL;

        *founder = (Founder){ .key = loopback_key(i + 1) };
        open_rpc(founder, NULL, 0);
        founder->id = *rpc_self(founder->rpc);
        founder->rpc = rpc_free(founder->rpc);
        founder->fd = loopback_listen(&founder->port);
        address = g_strdup_printf("/ip4/127.0.0.1/tcp/%u", founder->port);
        g_assert_cmpint(multiaddr_with_peer_id(address, &founder->id, &founder->address), ==, 0);
        g_assert_cmpint(str_list_append(&addresses, founder->address), ==, 0);
        g_assert_cmpint(peer_id_list_append(&members, &founder->id), ==, 0);
}

static void set_up(size_t n) {
        g_assert_cmpint(sd_event_new(&event), ==, 0);
        for (unsigned i = 0; i < n; i++)
                founder_init(&founders[i], i);
}

static void tear_down(void) {
        for (size_t i = 0; i < members.n; i++) {
                join_founding_free(founders[i].founding);
                rpc_free(founders[i].rpc);
                (void) close(founders[i].fd);
                g_free(founders[i].key);
                free(founders[i].address);
        }
        peer_id_list_done(&members);
        str_list_done(&addresses);
        event = sd_event_unref(event);
}

/* ---- cases */

/* Nobody waits for a time-out: it would be longer than what this test may take. */
static void test_all_at_once(void) {
        set_up(3);
        for (size_t i = 0; i < 3; i++)
                start(&founders[i], &addresses, 3600 * USEC_PER_SEC);
        /* one that has done runs, or is about to */
        for (size_t n = 0; n < 3;) {
                SCRIPTED_UNTIL(event, founders[0].n_done + founders[1].n_done + founders[2].n_done > n);
                n = 0;
                for (size_t i = 0; i < 3; i++) {
                        n += founders[i].n_done;
                        if (founders[i].n_done > 0 && !founders[i].rpc)
                                run(&founders[i], false, true);
                }
        }
        for (size_t i = 0; i < 3; i++) {
                g_assert_false(founders[i].exists);
                g_assert_cmpuint(founders[i].n_silent, ==, 0);
        }
        tear_down();
}

static void test_nobody_is_there(void) {
        set_up(3);
        run(&founders[1], false, false);
        start(&founders[0], &addresses, 300 * USEC_PER_MSEC);
        SCRIPTED_UNTIL(event, founders[0].n_done > 0);
        g_assert_false(founders[0].exists);
        g_assert_cmpuint(founders[0].n_silent, ==, 1);
        g_assert_cmpuint(founders[1].n_asked, ==, 1);
        tear_down();
}

/* One is enough; and it does not wait for the third. */
static void test_exists(void) {
        set_up(3);
        run(&founders[1], true, true);
        founders[1].busy = 2;
        start(&founders[0], &addresses, 3600 * USEC_PER_SEC);
        SCRIPTED_UNTIL(event, founders[0].n_done > 0);
        g_assert_true(founders[0].exists);
        g_assert_cmpuint(founders[0].n_addresses, ==, 1);
        g_assert_cmpuint(founders[1].n_asked, ==, 3);
        tear_down();
}

/* It was removed there: it finds out when it has begun, and goes its way. */
static void test_is_no_member(void) {
        set_up(2);
        run(&founders[1], true, false);
        start(&founders[0], &addresses, 3600 * USEC_PER_SEC);
        SCRIPTED_UNTIL(event, founders[0].n_done > 0);
        g_assert_false(founders[0].exists);
        g_assert_cmpuint(founders[0].n_silent, ==, 0);
        tear_down();
}

/* It is not known where the other one is; that one dials. */
static void test_without_addresses(void) {
        const StrList none = {};

        set_up(2);
        start(&founders[0], &none, 3600 * USEC_PER_SEC);
        start(&founders[1], &addresses, 3600 * USEC_PER_SEC);
        SCRIPTED_UNTIL(event, founders[0].n_done + founders[1].n_done > 0);
        for (size_t i = 0; i < 2; i++)
                if (founders[i].n_done > 0)
                        run(&founders[i], false, true);
        tear_down();
}

static void test_refused(void) {
        _cleanup_(error_done) Error error = {};

        set_up(2);
        g_assert_cmpint(peer_id_list_append(&members, &founders[0].id), ==, 0);
        g_assert_cmpint(begin(&founders[0], &addresses, 0, &error), <, 0);
        g_assert_cmpstr(error.message, ==, "init_peerset: a peer is listed twice");
        members.n--;
        tear_down();
}

static void test_out_of_memory(void) {
        set_up(2);
        FOREACH_FAULT {
                int r = begin(&founders[0], &addresses, 0, NULL);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                founders[0].founding = join_founding_free(founders[0].founding);
        }
        tear_down();
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/join/founding/all-at-once", test_all_at_once);
        g_test_add_func("/join/founding/nobody-is-there", test_nobody_is_there);
        g_test_add_func("/join/founding/exists", test_exists);
        g_test_add_func("/join/founding/is-no-member", test_is_no_member);
        g_test_add_func("/join/founding/without-addresses", test_without_addresses);
        g_test_add_func("/join/founding/refused", test_refused);
        g_test_add_func("/join/founding/out-of-memory", test_out_of_memory);
        return g_test_run();
}
