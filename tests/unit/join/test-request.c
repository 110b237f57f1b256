#include <string.h>

#include "daemon/join/request.h"
#include "tests/lib/fault.h"
#include "tests/lib/loopback.h"
#include "tests/lib/scripted.h"

#define NOBODY "/ip4/127.0.0.1/tcp/1"

typedef struct Fixture {
        sd_event *event;
        Scripted scripted, other;
        char *key;
        StrList own, addresses;
        JoinRequest *join;
        const char *secret;

        unsigned n_done, n_waiting;
        int result;
        Error error;
        Joined joined;
        char *words; /* of the last attempt */
} Fixture;

static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(sd_event_new(&f->event), ==, 0);
        scripted_open(&f->scripted, f->event, 1);
        scripted_open(&f->other, f->event, 2);
        f->key = loopback_key(3);
        f->secret = SCRIPTED_SECRET;
        g_assert_cmpint(str_list_append(&f->own, "/ip4/10.0.0.3/tcp/9096"), ==, 0);
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        join_request_free(f->join);
        scripted_close(&f->scripted);
        scripted_close(&f->other);
        sd_event_unref(f->event);
        str_list_done(&f->own);
        str_list_done(&f->addresses);
        join_request_joined_done(&f->joined);
        error_done(&f->error);
        g_free(f->key);
        g_free(f->words);
}

static void on_done(int r, const Error *error, Joined *joined, void *userdata) {
        Fixture *f = userdata;

        f->n_done++;
        f->result = r;
        if (r < 0)
                (void) error_copy(&f->error, error);
        else
                f->joined = *joined;
        f->join = join_request_free(f->join);
}

static void on_waiting(const char *words, void *userdata) {
        Fixture *f = userdata;

        f->n_waiting++;
        g_free(f->words);
        f->words = g_strdup(words);
}

static int start(Fixture *f, Error *reterr) {
        return join_request_new(
                        &f->join,
                        f->event,
                        &(JoinRequestOptions){
                                        .private_key = f->key,
                                        .secret = f->secret,
                                        .peername = "newcomer",
                                        .own_addresses = &f->own,
                                        .addresses = &f->addresses,
                                        .dial_timeout_usec = USEC_PER_SEC,
                                        .done = on_done,
                                        .waiting = on_waiting,
                                        .userdata = f,
                        },
                        reterr);
}

static void join(Fixture *f) {
        g_assert_cmpint(start(f, NULL), ==, 0);
        SCRIPTED_UNTIL(f->event, f->n_done > 0);
}

static void add(Fixture *f, const char *address) {
        g_assert_cmpint(str_list_append(&f->addresses, address), ==, 0);
}

static void assert_joined(const Fixture *f, const Scripted *by) {
        g_assert_cmpstr(f->error.message, ==, NULL);
        g_assert_cmpint(f->result, ==, 0);
        g_assert_cmpuint(f->joined.cluster_id[2], ==, 3);
        g_assert_cmpuint(f->joined.raft_id, ==, 77);
        g_assert_cmpuint(f->joined.addresses.n, ==, 1);
        g_assert_cmpstr(f->joined.addresses.items[0], ==, by->full_address);
}

static void test_joins(Fixture *f, const void *data) {
        add(f, data ? f->scripted.full_address : f->scripted.address);
        join(f);
        assert_joined(f, &f->scripted);
        g_assert_cmpuint(f->n_waiting, ==, 0);
        g_assert_cmpuint(f->scripted.n_asked, ==, 1);
        g_assert_cmpuint(f->scripted.n_proved, ==, 1);
        g_assert_cmpstr(f->scripted.asked.peername, ==, "newcomer");
        g_assert_cmpstr(f->scripted.asked.addresses.items[0], ==, "/ip4/10.0.0.3/tcp/9096");
        g_assert_false(f->scripted.asked.only_ask);
}

/* An empty secret is one like any other. */
static void test_open_cluster(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->secret = f->scripted.secret = "";
        add(f, f->scripted.address);
        join(f);
        assert_joined(f, &f->scripted);
        g_assert_cmpuint(f->scripted.n_proved, ==, 1);
}

/* Whoever cannot be reached, or says that it cannot now, is asked again after the others. */
static void test_tries_again(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->scripted.busy = f->other.busy = 2;
        add(f, NOBODY);
        add(f, f->scripted.address);
        add(f, f->other.address);
        join(f);
        assert_joined(f, &f->scripted);
        g_assert_cmpuint(f->n_waiting, ==, 7);
        g_assert_cmpuint(f->scripted.n_asked, ==, 3);
        g_assert_cmpuint(f->other.n_asked, ==, 2);
        g_assert_nonnull(strstr(f->words, NOBODY ": "));
}

static void test_waiting_words(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *expected = g_strdup_printf("%s: come back later", f->scripted.address);

        f->scripted.busy = 1;
        add(f, f->scripted.address);
        join(f);
        assert_joined(f, &f->scripted);
        g_assert_cmpstr(f->words, ==, expected);
}

static void test_refused(Fixture *f, const void *data) {
        g_autofree char *words = g_strdup_printf("%s: no, never", f->scripted.address);

        f->scripted.code = GPOINTER_TO_INT(data);
        add(f, f->scripted.address);
        add(f, f->other.address);
        join(f);
        g_assert_cmpint(f->result, <, 0);
        g_assert_cmpint(f->error.code, ==, f->scripted.code);
        g_assert_cmpstr(f->error.message, ==, words);
        g_assert_cmpuint(f->scripted.n_asked, ==, 1);
        g_assert_cmpuint(f->other.n_asked, ==, 0);
}

/* Who takes this peer in has to know the secret, too. */
static void test_other_side_does_not_prove(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->scripted.proves_wrong = true;
        add(f, f->scripted.address);
        join(f);
        g_assert_cmpint(f->error.code, ==, ERROR_FORBIDDEN);
        g_assert_nonnull(strstr(f->error.message, "cannot show that it knows this peer's cluster secret"));
}

static void test_bad_answer(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->scripted.answers_wrong = true;
        add(f, f->scripted.address);
        add(f, f->other.address);
        join(f);
        assert_joined(f, &f->other);
        g_assert_nonnull(strstr(f->words, "joined: expected a JSON object"));
}

/* Somebody else is at the address. */
static void test_other_peer(Fixture *f, const void *data G_GNUC_UNUSED) {
        char *address;

        g_assert_cmpint(multiaddr_with_peer_id(f->scripted.address, rpc_self(f->other.rpc), &address),
                        ==,
                        0);
        add(f, address);
        add(f, f->other.address);
        join(f);
        assert_joined(f, &f->other);
        g_assert_cmpuint(f->scripted.n_asked, ==, 0);
        g_assert_cmpuint(f->n_waiting, ==, 1);
        free(address);
}

static void test_own_address(Fixture *f, const void *data G_GNUC_UNUSED) {
        Error error = {};

        g_free(f->key);
        f->key = loopback_key(1); /* this peer is the scripted one */
        add(f, f->scripted.full_address);
        g_assert_cmpint(start(f, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_INVALID);
        g_assert_cmpstr(error.message, ==, "bootstrap: no address of another peer, expected at least one");
        error_done(&error);

        add(f, f->other.full_address);
        join(f);
        assert_joined(f, &f->other);
        g_assert_cmpuint(f->scripted.n_asked, ==, 0);
}

/* In each state: before anything, while a link is made, while the answer is waited for, after it. */
static void test_ends_anywhere(Fixture *f, const void *data G_GNUC_UNUSED) {
        add(f, f->scripted.address);
        f->scripted.silent = UINT_MAX;
        for (unsigned turns = 0; f->scripted.n_asked < 3; turns++) {
                g_assert_cmpint(start(f, NULL), ==, 0);
                for (unsigned i = 0; i < turns; i++)
                        g_assert_cmpint(sd_event_run(f->event, 10 * USEC_PER_MSEC), >=, 0);
                f->join = join_request_free(f->join);
                g_assert_cmpuint(f->n_done, ==, 0);
        }
        f->scripted.silent = 0;
        join(f);
        assert_joined(f, &f->scripted);
}

static void test_out_of_memory(Fixture *f, const void *data G_GNUC_UNUSED) {
        add(f, f->scripted.address);
        FOREACH_FAULT {
                Error error = {};
                int r = start(f, &error);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                f->join = join_request_free(f->join);
                error_done(&error);
        }
}

#define ADD_WITH(name, function, data)                                                                      \
        g_test_add("/join/request/" name, Fixture, data, set_up, function, tear_down)
#define ADD(name, function) ADD_WITH(name, function, NULL)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("joins", test_joins);
        ADD_WITH("joins-who-is-meant", test_joins, "with /p2p/");
        ADD("open-cluster", test_open_cluster);
        ADD("tries-again", test_tries_again);
        ADD("waiting-words", test_waiting_words);
        ADD_WITH("another-secret", test_refused, GINT_TO_POINTER(ERROR_FORBIDDEN));
        ADD_WITH("refused", test_refused, GINT_TO_POINTER(ERROR_REFUSED));
        ADD("other-side-does-not-prove", test_other_side_does_not_prove);
        ADD("bad-answer", test_bad_answer);
        ADD("other-peer", test_other_peer);
        ADD("own-address", test_own_address);
        ADD("ends-anywhere", test_ends_anywhere);
        ADD("out-of-memory", test_out_of_memory);
        return g_test_run();
}
