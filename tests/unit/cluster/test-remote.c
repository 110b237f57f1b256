#include <string.h>

#include "daemon/cluster/remote.h"
#include "daemon/tracker/wire.h"
#include "tests/unit/cluster/set.h"

/* ---- asking the first peer, as the second one, or as a stranger */

typedef struct Answer {
        unsigned n;
        int r;
        ErrorCode code;
        char *words;
        GString *body;
} Answer;

static void on_done(
                RpcCall *call G_GNUC_UNUSED,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        Answer *answer = userdata;

        answer->n++;
        answer->r = r;
        answer->code = error->code;
        answer->words = g_strdup(error_message(error));
        answer->body = g_string_new_len(body, (gssize) size);
}

static RpcCall *begin(
                Set *set, Rpc *from, Answer *answer, const char *method, const void *body, size_t size) {
        static const RpcCallHandler handler = { .on_done = on_done };
        RpcCall *call;

        *answer = (Answer){};
        g_assert_cmpint(rpc_call(from,
                                 &call,
                                 &(RpcCallOptions){
                                                 .peer = &set->peers[0].identity.id,
                                                 .method = method,
                                                 .body = body,
                                                 .size = size,
                                                 .timeout_usec = UINT64_MAX,
                                                 .handler = &handler,
                                                 .userdata = answer,
                                 }),
                        ==,
                        0);
        return call;
}

static Rpc *second(Set *set) {
        return peers_rpc(set->peers[1].cluster->peers);
}

static void ask(Set *set, Answer *answer, const char *method, const void *body, size_t size) {
        RpcCall *call = begin(set, second(set), answer, method, body, size);

        PEER_UNTIL(&set->peers[0], answer->n > 0);
        rpc_call_unref(call);
}

static void done(Answer *answer) {
        g_free(answer->words);
        g_string_free(answer->body, TRUE);
}

/* ---- what they answer */

static void test_id(Set *set, gconstpointer data G_GNUC_UNUSED) {
        PeerInfo info = {};
        Answer answer;

        ask(set, &answer, "id", NULL, 0);
        g_assert_cmpint(json_read_text(&peer_info_shape, answer.body->str, answer.body->len, &info, NULL),
                        ==,
                        0);
        g_assert_true(peer_id_equal(&info.id, &set->peers[0].identity.id));
        g_assert_cmpstr(info.peername, ==, "peer0");
        g_assert_cmpuint(info.cluster_peers.n, ==, SET_N);
        g_assert_cmpuint(info.cluster_peers_addresses.n, ==, SET_N - 1);
        peer_info_done(&info);
        done(&answer);
}

static void test_bad(Set *set, gconstpointer data G_GNUC_UNUSED) {
        static const struct {
                const char *method, *body;
        } cases[] = {
                { "status", "" },   { "status", "\1\7" },
                { "status", "\2" }, { "status", "\1\1\1\1\3abc" },
                { "records", "" },  { "records", "\1\1\1\1" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Answer answer;

                g_test_message("%s '%s'", cases[i].method, cases[i].body);
                ask(set, &answer, cases[i].method, cases[i].body, strlen(cases[i].body));
                g_assert_cmpint(answer.r, <, 0);
                asked_assert_has(answer.words, "the question could not be answered");
                done(&answer);
        }
}

static PinStatus status_of(
                Set *set, TrackerVerb verb, PinStatus filter, uint64_t number, bool *ret_settled) {
        Cid cid = peer_cid(number);
        const TrackerQuestion question = { .verb = verb, .filter = filter, .cids = &cid, .n = 1 };
        _cleanup_(str_done) Str body = {};
        TrackerWireReader reader;
        TrackerWireEntry entry;
        PinInfo who = {};
        Answer answer;

        g_assert_cmpint(tracker_wire_write_question(&body, &question), ==, 0);
        ask(set, &answer, "status", body.data, body.len);
        g_assert_cmpint(answer.r, ==, 0);
        g_assert_cmpint(tracker_wire_read_answer(answer.body->str, answer.body->len, &who, &reader), ==, 0);
        g_assert_cmpstr(who.peername, ==, "peer0");
        g_assert_cmpint(tracker_wire_next_entry(&reader, &entry), ==, 1);
        *ret_settled = entry.is_settled;
        json_done(&pin_info_shape, &who);
        done(&answer);
        return entry.status;
}

static void test_status(Set *set, gconstpointer data G_GNUC_UNUSED) {
        const struct {
                TrackerVerb verb;
                PinStatus filter;
                uint64_t number;
                PinStatus status;
                bool is_settled;
        } cases[] = {
                { TRACKER_VERB_KNOWN, 0, 1, PIN_STATUS_PINNED, true },
                { TRACKER_VERB_KNOWN, 0, 3, PIN_STATUS_REMOTE, true },
                { TRACKER_VERB_KNOWN, 0, 9, PIN_STATUS_UNPINNED, false },
                { TRACKER_VERB_KNOWN, PIN_STATUS_PINNED, 1, PIN_STATUS_PINNED, true },
                { TRACKER_VERB_KNOWN, PIN_STATUS_PINNED, 3, 0, true },
                { TRACKER_VERB_REQUEUE, 0, 1, 0, true },
                { TRACKER_VERB_ASK, 0, 1, PIN_STATUS_PINNED, false },
                { TRACKER_VERB_ASK, PIN_STATUS_ERROR, 1, 0, true },
                { TRACKER_VERB_RECOVER, 0, 1, PIN_STATUS_PINNED, false },
        };

        set_pin_three(set);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                bool is_settled;

                g_test_message("case %zu", i);
                g_assert_cmpint(status_of(set, cases[i].verb, cases[i].filter, cases[i].number, &is_settled),
                                ==,
                                cases[i].status);
                g_assert_cmpint(is_settled, ==, cases[i].is_settled);
        }
}

static void test_records(Set *set, gconstpointer data G_GNUC_UNUSED) {
        TrackerPageQuestion question = { .max = 2 };
        bool seen[6] = {};
        bool is_last;
        unsigned n = 0;
        TrackerPage page;

        set_until_complete(set, 0);
        fake_kubo_plan(set->peers[0].kubo, "pin/add", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        for (unsigned i = 0; i < ELEMENTSOF(seen); i++)
                set_pin(set, i, "0");
        do {
                _cleanup_(str_done) Str body = {};
                Answer answer;

                g_assert_cmpint(tracker_wire_write_page_question(&body, &question), ==, 0);
                ask(set, &answer, "records", body.data, body.len);
                g_assert_cmpint(tracker_wire_read_page(answer.body->str, answer.body->len, &page), ==, 0);
                g_assert_true(page.is_complete);
                g_assert_cmpuint(page.n, <=, 2);
                for (size_t i = 0; i < page.n; i++)
                        for (unsigned k = 0; k < ELEMENTSOF(seen); k++) {
                                Cid cid = peer_cid(k);

                                n += !seen[k] && cid_equal(&cid, &page.cids[i]);
                                seen[k] |= cid_equal(&cid, &page.cids[i]);
                        }
                question.position = page.position;
                is_last = page.is_last;
                done(&answer);
                tracker_wire_page_done(&page);
        } while (!is_last);
        g_assert_cmpuint(n, ==, ELEMENTSOF(seen));
}

static void test_check(Set *set, gconstpointer data G_GNUC_UNUSED) {
        const Cid lost = peer_cid(2);
        char text[CID_TEXT_MAX];
        Answer answer;
        Cid *cids;
        size_t n;

        set_pin_three(set);
        set_until_complete(set, 0);
        fake_kubo_pin(set->peers[0].kubo, peer_cid_text(2, text), NULL);
        ask(set, &answer, "check", NULL, 0);
        g_assert_cmpint(tracker_wire_read_cids(answer.body->str, answer.body->len, &cids, &n), ==, 0);
        g_assert_cmpuint(n, ==, 1);
        g_assert_true(cid_equal(&cids[0], &lost));
        free(cids);
        done(&answer);

        fake_kubo_stop(set->peers[0].kubo);
        ask(set, &answer, "check", NULL, 0);
        g_assert_cmpint(answer.code, ==, ERROR_IPFS);
        done(&answer);
        g_assert_cmpint(fake_kubo_start(set->peers[0].kubo), ==, 0);
}

/* ---- who asks, goes; who is asked, stops */

static void test_closed(Set *set, gconstpointer data G_GNUC_UNUSED) {
        static const char *const methods[] = { "id", "check", "gc", "repo", "graph" };
        Cluster *cluster = set->peers[0].cluster;

        fake_kubo_plan(set->peers[0].kubo, "id", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        fake_kubo_plan(set->peers[0].kubo, "pin/ls", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        fake_kubo_plan(set->peers[0].kubo, "repo/gc", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        fake_kubo_plan(set->peers[0].kubo, "repo/stat", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        fake_kubo_plan(set->peers[0].kubo, "swarm/peers", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        for (size_t i = 0; i < ELEMENTSOF(methods); i++) {
                Answer answer;
                RpcCall *call = begin(set, second(set), &answer, methods[i], NULL, 0);

                PEER_UNTIL(&set->peers[0], cluster->n_served == 1);
                rpc_call_unref(call);
                PEER_UNTIL(&set->peers[0], cluster->n_served == 0);
                g_assert_cmpuint(answer.n, ==, 0);
        }
}

static void test_stopped(Set *set, gconstpointer data G_GNUC_UNUSED) {
        Cluster *cluster = set->peers[0].cluster;
        Answer answer;
        RpcCall *call;

        fake_kubo_plan(set->peers[0].kubo, "id", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        call = begin(set, second(set), &answer, "id", NULL, 0);
        PEER_UNTIL(&set->peers[0], cluster->n_served == 1);
        cluster_stop(cluster);
        g_assert_cmpuint(cluster->n_served, ==, 0);
        PEER_UNTIL(&set->peers[0], answer.n > 0);
        g_assert_cmpint(answer.code, ==, ERROR_CANCELED);
        g_assert_cmpstr(answer.words, ==, CLUSTER_IS_STOPPING);
        rpc_call_unref(call);
        done(&answer);
        ask(set, &answer, "status", "\1\0\0\0", 4); /* and from now on */
        g_assert_cmpint(answer.code, ==, ERROR_CANCELED);
        done(&answer);
}

/* ---- a stranger */

static bool is_no_member(const PeerId *peer G_GNUC_UNUSED, void *userdata G_GNUC_UNUSED) {
        return false;
}

static void on_note(
                const PeerId *from G_GNUC_UNUSED,
                const void *bytes G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata G_GNUC_UNUSED) {
}

static Rpc *stranger(Set *set, ConfigIdentity *identity) {
        static const RpcEvents events = { .is_member = is_no_member, .note = on_note };
        static const RpcMethod methods[] = { {} };
        const StrList *addresses = &set->peers[0].config->cluster.listen_multiaddress;
        Rpc *rpc;

        g_assert_cmpint(config_identity_generate(identity, NULL), ==, 0);
        g_assert_cmpint(rpc_new(&rpc,
                                set->peers[0].event,
                                &(RpcOptions){
                                                .private_key = identity->private_key,
                                                .dial_timeout_usec = USEC_PER_SEC,
                                                .methods = methods,
                                                .events = &events,
                                },
                                NULL),
                        ==,
                        0);
        g_assert_cmpint(rpc_set_addresses(rpc, &set->peers[0].identity.id, addresses), ==, 0);
        return rpc;
}

/* May ask who is there, but not so often that others have to wait, and nothing else. */
static void test_stranger(Set *set, gconstpointer data G_GNUC_UNUSED) {
        Answer answers[17], answer;
        RpcCall *calls[17], *call;
        ConfigIdentity identity;
        Rpc *rpc = stranger(set, &identity);
        unsigned n_busy = 0;

        call = begin(set, rpc, &answer, "status", "\1\0\0\0", 4);
        PEER_UNTIL(&set->peers[0], answer.n > 0);
        g_assert_cmpint(answer.code, ==, ERROR_FORBIDDEN);
        rpc_call_unref(call);
        done(&answer);

        fake_kubo_plan(set->peers[0].kubo, "id", NULL, &(FakeAnswer){ .fault = FAKE_HANG });
        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                calls[i] = begin(set, rpc, &answers[i], "id", NULL, 0);
        PEER_UNTIL(&set->peers[0], answers[16].n > 0);
        g_assert_cmpint(answers[16].code, ==, ERROR_BUSY);
        ask(set, &answer, "status", "\1\0\0\0", 4); /* a member is heard */
        g_assert_cmpint(answer.r, ==, 0);
        done(&answer);
        fake_kubo_forget_plans(set->peers[0].kubo);
        fake_kubo_release(set->peers[0].kubo);
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                PEER_UNTIL(&set->peers[0], answers[i].n > 0);
                n_busy += answers[i].code == ERROR_BUSY;
                rpc_call_unref(calls[i]);
                done(&answers[i]);
        }
        g_assert_cmpuint(n_busy, ==, 1);
        rpc_free(rpc);
        config_identity_done(&identity);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        SET_TEST("/cluster/remote/id", test_id);
        SET_TEST("/cluster/remote/bad-questions", test_bad);
        SET_TEST("/cluster/remote/status", test_status);
        SET_TEST("/cluster/remote/records-in-pages", test_records);
        SET_TEST("/cluster/remote/check", test_check);
        SET_TEST("/cluster/remote/who-asks-is-gone", test_closed);
        SET_TEST("/cluster/remote/stopped", test_stopped);
        SET_TEST("/cluster/remote/stranger", test_stranger);
        return g_test_run();
}
