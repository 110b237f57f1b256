#include <string.h>

#include "daemon/cluster/internal.h"
#include "tests/unit/rest/web.h"

#define UNKNOWN "bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey"
#define PEER "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"

static Web web;

static uint64_t n_pins(void) {
        return state_pinset_count(consensus_pinset(web.peer.cluster->consensus));
}

static char *at(const char *prefix, uint64_t n, const char *suffix) {
        char text[CID_TEXT_MAX];

        return g_strconcat(prefix, peer_cid_text(n, text), suffix, NULL);
}

/* ---- bad input: one error, and nothing is done */

static const struct {
        const char *method, *target;
        unsigned status;
        const char *message; /* the beginning */
} bad[] = {
        { "GET", "/allocations/junk", 400, "error decoding Cid: invalid cid: " },
        { "GET", "/allocations/x", 400, "error decoding Cid: invalid cid: cid too short" },
        { "GET", "/pins/junk", 400, "error decoding Cid: invalid cid: " },
        { "POST", "/pins/junk", 400, "error decoding Cid: invalid cid: " },
        { "DELETE", "/pins/junk", 400, "error decoding Cid: invalid cid: " },
        { "POST", "/pins/junk/recover", 400, "error decoding Cid: invalid cid: " },
        { "POST", "/pins/junk/sync", 400, "error decoding Cid: invalid cid: " },
        { "POST", "/pins/ipfs/recover", 400, "error decoding Cid: invalid cid: " },
        { "GET", "/pins/recover", 400, "error decoding Cid: invalid cid: " },
        { "POST", "/pins/ipfs/junk", 400, "error parsing path: invalid path " },
        { "POST", "/pins/ipld/junk/a", 400, "error parsing path: invalid path " },
        { "DELETE", "/pins/ipfs/junk", 400, "error parsing path: invalid path " },

        { "GET", "/allocations/" UNKNOWN, 404, "pin is not part of the pinset" },
        { "DELETE", "/pins/" UNKNOWN, 404, "pin is not part of the pinset" },
        { "DELETE", "/pins/ipfs/" UNKNOWN, 404, "pin is not part of the pinset" },

        { "GET", "/allocations?filter=junk", 400, "invalid filter value" },
        { "GET", "/pins?filter=junk", 400, "invalid filter value" },
        { "GET", "/pins?filter=PINNED", 400, "invalid filter value" },
        { "GET", "/pins?filter=undefined", 400, "invalid filter value" },
        { "GET", "/pins?cids=junk", 400, "error decoding Cid: invalid cid: " },
        { "GET", "/pins?cids=" UNKNOWN ",", 400, "error decoding Cid: invalid cid: cid too short" },
        { "GET", "/pins?cids=," UNKNOWN, 400, "error decoding Cid: invalid cid: cid too short" },
        { "GET", "/pins?cids=" UNKNOWN ",,", 400, "error decoding Cid: invalid cid: cid too short" },

        { "POST", "/pins/" UNKNOWN "?replication-min=x", 400, "parameter replication-min invalid" },
        { "POST", "/pins/" UNKNOWN "?replication-max=x", 400, "parameter replication-max invalid" },
        { "POST", "/pins/" UNKNOWN "?replication=x", 400, "parameter replication-min invalid" },
        { "POST", "/pins/" UNKNOWN "?shard-size=-1", 400, "parameter shard_size is invalid" },
        { "POST", "/pins/" UNKNOWN "?expire-at=x", 400, "expire-at cannot be parsed: " },
        { "POST", "/pins/" UNKNOWN "?expire-in=x", 400, "" },
        { "POST", "/pins/" UNKNOWN "?expire-in=1ms", 400, "expire-in duration too short" },
        { "POST", "/pins/" UNKNOWN "?pin-update=x", 400, "error decoding update option parameter: " },
        { "POST", "/pins/" UNKNOWN "?origins=/ip4/1.2.3.4/tcp/1", 400, "" },
        { "POST", "/pins/" UNKNOWN "?origins=x", 400, "" },
        { "GET", "/pins/" UNKNOWN "?replication-min=x", 400, "parameter replication-min invalid" },
        { "DELETE", "/pins/" UNKNOWN "?replication-min=x", 400, "parameter replication-min invalid" },
        { "GET", "/allocations/" UNKNOWN "?shard-size=x", 400, "parameter shard_size is invalid" },
        { "POST", "/pins/ipfs/" UNKNOWN "?replication-max=x", 400, "parameter replication-max invalid" },
        { "DELETE", "/pins/ipfs/" UNKNOWN "?replication-max=x", 400, "parameter replication-max invalid" },

        { "POST", "/pins/" UNKNOWN "?expire-at=2001-01-01T00:00:00Z", 500, "pin.ExpireAt set before" },
        { "POST",
          "/pins/" UNKNOWN "?replication-min=3&replication-max=2",
          500,
          "cluster.replication_factor_min" },
        { "POST", "/pins/" UNKNOWN "?replication=5", 500, "not enough peers to allocate CID" },
        { "POST",
          "/pins/" UNKNOWN "?pin-update=bafkreif3ynpv5yvtso7bzpr32yxu75os6bkjqmgglrlmweobi62p3layka",
          404,
          "pin is not part of the pinset" },
};

static void test_bad_input(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autofree char *begin = g_strdup_printf(
                                "{\"code\":%u,\"message\":\"%s", bad[i].status, bad[i].message);
                WebAnswer answer = {};

                WEB_EXPECT(&web, bad[i].method, bad[i].target, NULL, bad[i].status, &answer);
                if (!g_str_has_prefix(answer.body, begin) || !g_str_has_suffix(answer.body, "\"}\n"))
                        g_error("%s %s: %s", bad[i].method, bad[i].target, answer.raw);
                g_assert_true(answer.is_whole); /* one document */
                g_assert_true(web_answer_has(&answer, "Content-Type: application/json"));
                web_answer_done(&answer);
                g_assert_cmpuint(n_pins(), ==, 0);
        }
}

/* ---- pin, look, unpin */

static void test_pin_and_unpin(void) {
        g_autofree char *pins = at("/pins/", 1, ""), *allocation = at("/allocations/", 1, "");
        g_autofree char *options = at(
                        "/pins/", 1, "?name=a%20%3Cb%3E&meta-k=v&replication=1&user-allocations=" PEER);
        WebAnswer answer = {};

        peer_until_metric(&web.peer, "freespace");
        peer_until_metric(&web.peer, "tag:group");
        WEB_EXPECT(&web, "POST", options, NULL, 200, &answer);
        g_assert_nonnull(strstr(answer.body, "\"name\":\"a \\u003cb\\u003e\""));
        g_assert_nonnull(strstr(answer.body, "\"metadata\":{\"k\":\"v\"}"));
        g_assert_nonnull(strstr(answer.body, "\"user_allocations\":[\"" PEER "\"]"));
        web_answer_done(&answer);
        WEB_EXPECT(&web, "GET", allocation, NULL, 200, &answer);
        g_assert_nonnull(strstr(answer.body, "\"user_allocations\":null"));
        web_answer_done(&answer);
        web_until(&web, 1, "pinned");
        WEB_EXPECT(&web, "GET", pins, NULL, 200, &answer);
        g_assert_nonnull(strstr(answer.body, "\"name\":\"a \\u003cb\\u003e\""));
        web_answer_done(&answer);
        WEB_EXPECT(&web, "DELETE", pins, NULL, 200, &answer);
        g_assert_nonnull(strstr(answer.body, "\"metadata\":{\"k\":\"v\"}"));
        web_answer_done(&answer);
        web_check(&web, "DELETE", pins, NULL, 404);
        WEB_EXPECT(&web, "GET", pins, NULL, 200, &answer);
        g_assert_nonnull(strstr(answer.body, "\"allocations\":[]"));
        web_answer_done(&answer);
}

static void test_direct(void) {
        g_autofree char *pin = at("/pins/", 2, "?mode=direct"), *unpin = at("/pins/", 2, "");
        WebAnswer answer = {};

        WEB_EXPECT(&web, "POST", pin, NULL, 200, &answer);
        g_assert_nonnull(strstr(answer.body, "\"mode\":\"direct\""));
        g_assert_nonnull(strstr(answer.body, "\"max_depth\":0"));
        web_answer_done(&answer);
        web_until(&web, 2, "pinned");
        WEB_EXPECT(&web, "GET", "/pins?filter=pinned", NULL, 200, &answer); /* listed as well */
        web_answer_done(&answer);
        web_check(&web, "DELETE", unpin, NULL, 200);
}

static void test_paths(void) {
        char text[CID_TEXT_MAX];
        g_autofree char *resolved = g_strdup_printf("{\"Path\":\"/ipfs/%s\"}", peer_cid_text(3, text));
        g_autofree char *bare = at("/pins/ipfs/", 4, "");
        WebAnswer answer = {};

        fake_kubo_plan(web.peer.kubo, "resolve", NULL, &(FakeAnswer){ .body = resolved });
        WEB_EXPECT(&web, "POST", "/pins/ipns/example.org/a/b?name=p", NULL, 200, &answer);
        g_assert_nonnull(strstr(answer.body, peer_cid_text(3, text)));
        web_answer_done(&answer);
        web_check(&web, "DELETE", "/pins/ipns/example.org/a/b", NULL, 200);
        web_check(&web, "POST", bare, NULL, 200);
        web_check(&web, "DELETE", bare, NULL, 200);
        web_check(&web, "GET", "/pins/ipns/example.org", NULL, 404);
        fake_kubo_forget_plans(web.peer.kubo);
}

/* ---- lists */

static void test_lists(void) {
        static const struct {
                const char *target;
                unsigned status;
        } cases[] = {
                { "/pins", 200 },
                { "/pins?local=true", 200 },
                { "/pins?filter=pinned", 200 },
                { "/pins?filter=junk,pinned", 200 },
                { "/pins?filter=%20pinned%20,error", 200 },
                { "/pins?filter=", 200 },
                { "/pins?cids=", 200 },
                { "/pins?filter=pinning", 204 },
                { "/pins?filter=queued", 204 },
                { "/pins?filter=remote", 204 },
                { "/pins?cids=" UNKNOWN, 200 },
                { "/pins?cids=" UNKNOWN "&filter=junk", 200 },
                { "/allocations", 200 },
                { "/allocations?filter=pin", 200 },
                { "/allocations?filter=all", 200 },
                { "/allocations?filter=", 200 },
                { "/allocations?filter=junk,pin", 200 },
                { "/allocations?filter=meta-pin", 204 },
                { "/allocations?filter=shard-pin,clusterdag-pin", 204 },
                { "/pinlist", 200 },
        };

        web_pin(&web, 5);
        web_until(&web, 5, "pinned");
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                web_check(&web, "GET", cases[i].target, NULL, cases[i].status);
}

static void test_of_2017(void) {
        char text[CID_TEXT_MAX];
        g_autofree char *expected = g_strdup_printf(
                        "[{\"cid\":\"%s\",\"allocations\":[],\"everywhere\":true}]\n",
                        peer_cid_text(5, text));
        g_autofree char *sync = at("/pins/", 5, "/sync");
        WebAnswer answer = {};

        WEB_EXPECT(&web, "GET", "/pinlist", NULL, 200, &answer);
        g_assert_cmpstr(answer.body, ==, expected);
        web_answer_done(&answer);
        web_check(&web, "POST", sync, NULL, 200);
        WEB_EXPECT(&web, "POST", "/pins/sync", NULL, 200, &answer);
        g_assert_cmpstr(answer.body, ==, "[]\n");
        web_answer_done(&answer);

        fake_kubo_pin(web.peer.kubo, text, NULL);
        WEB_EXPECT(&web, "POST", "/pins/sync", NULL, 200, &answer);
        g_assert_true(g_str_has_prefix(answer.body, "[{\"cid\":\""));
        g_assert_nonnull(strstr(answer.body, "unexpectedly_unpinned"));
        web_answer_done(&answer);
}

static void test_recover(void) {
        g_autofree char *one = at("/pins/", 5, "/recover"), *local = at("/pins/", 5, "/recover?local=true");
        WebAnswer answer = {};

        WEB_EXPECT(&web, "POST", "/pins/recover", NULL, 200, &answer);
        g_assert_cmpstr(answer.trailer, ==, "");
        web_answer_done(&answer);
        web_until(&web, 5, "pinned");
        web_check(&web, "POST", "/pins/recover", NULL, 204);
        web_check(&web, "POST", "/pins/recover?local=true", NULL, 204);
        web_check(&web, "POST", one, NULL, 200);
        web_check(&web, "POST", local, NULL, 200);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        web_open(&web);
        g_test_add_func("/rest/routes-pins/bad-input", test_bad_input);
        g_test_add_func("/rest/routes-pins/pin-and-unpin", test_pin_and_unpin);
        g_test_add_func("/rest/routes-pins/direct", test_direct);
        g_test_add_func("/rest/routes-pins/paths", test_paths);
        g_test_add_func("/rest/routes-pins/lists", test_lists);
        g_test_add_func("/rest/routes-pins/of-2017", test_of_2017);
        g_test_add_func("/rest/routes-pins/recover", test_recover);
        r = g_test_run();
        web_close(&web);
        return r;
}
