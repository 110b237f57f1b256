#include <string.h>

#include "tests/unit/rest/web.h"

#define OTHER "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"

static Web web;

static void test_id(void) {
        char self[PEER_ID_TEXT_MAX];
        g_autofree char *id = NULL;
        WebAnswer answer = {};

        id = g_strdup_printf("{\"id\":\"%s\"", peer_id_format(cluster_self(web.peer.cluster), self));
        WEB_EXPECT(&web, "GET", "/id", NULL, 200, &answer);
        g_assert_true(g_str_has_prefix(answer.body, id));
        g_assert_nonnull(strstr(answer.body, "\"peername\":\"tester\"}\n"));
        web_answer_done(&answer);
        WEB_EXPECT(&web, "GET", "/peers", NULL, 200, &answer);
        g_assert_true(g_str_has_prefix(answer.body, id));
        g_assert_cmpstr(answer.trailer, ==, "");
        web_answer_done(&answer);
        WEB_EXPECT(&web, "GET", "/version", NULL, 200, &answer);
        g_assert_cmpstr(answer.body, ==, "{\"version\":\"1.1.6\"}\n");
        web_answer_done(&answer);
}

/* A Kubo that is down is part of the answer. */
static void test_id_without_kubo(void) {
        WebAnswer answer = {};

        fake_kubo_stop(web.peer.kubo);
        WEB_EXPECT(&web, "GET", "/id", NULL, 200, &answer);
        g_assert_nonnull(strstr(answer.body, "refused"));
        web_answer_done(&answer);
        WEB_EXPECT(&web, "GET", "/peers", NULL, 200, &answer);
        g_assert_nonnull(strstr(answer.body, "refused"));
        web_answer_done(&answer);
        g_assert_cmpint(fake_kubo_start(web.peer.kubo), ==, 0);
}

static void test_add(void) {
        char self[PEER_ID_TEXT_MAX];
        g_autofree char *ourselves = NULL, *by_address = NULL, *large = g_strnfill(100000, ' ');
        const struct {
                const char *body;
                unsigned status;
                const char *message;
        } cases[] = {
                { NULL, 400, "error decoding request body" },
                { "", 400, "error decoding request body" },
                { "junk", 400, "error decoding request body" },
                { "[]", 400, "error decoding request body" },
                { "{\"peer_id\":5}", 400, "error decoding request body" },
                { "{}", 400, "error decoding peer_id" },
                { "{\"peer_id\":\"\"}", 400, "error decoding peer_id" },
                { "{\"peer_id\":\"junk\"}", 400, "error decoding peer_id" },
                { "{\"peer_multiaddress\":\"junk\"}", 400, "error decoding peer_multiaddress" },
                { "{\"peer_multiaddress\":\"/ip4/1.2.3.4/tcp/1\"}",
                  400,
                  "error decoding peer_multiaddress" },
                { "{\"peer_id\":\"" OTHER "\"}", 404, "no address of it is known" },
                { "{\"peer_multiaddress\":\"/ip4/127.0.0.1/tcp/1/ipfs/" OTHER "\"}", 500, "cannot reach" },
                { "{\"peer_id\":\"" OTHER "\",\"peer_multiaddress\":\"/ip4/127.0.0.1/tcp/1\"}",
                  500,
                  "cannot reach" },
                { "{\"peer_id\":\"" OTHER "\",\"peer_multiaddress\":\"junk\"}", 400, "is no multiaddr" },
        };

        WebAnswer answer = {};

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                WEB_EXPECT(&web, "POST", "/peers", cases[i].body, cases[i].status, &answer);
                if (!strstr(answer.body, cases[i].message))
                        g_error("%s: %s", cases[i].body, answer.raw);
                web_answer_done(&answer);
        }
        WEB_EXPECT(&web, "POST", "/peers", large, 413, &answer);
        g_assert_cmpstr(answer.body,
                        ==,
                        "{\"code\":413,\"message\":\"the request body is larger than 65536 bytes\"}\n");
        web_answer_done(&answer);

        (void) peer_id_format(cluster_self(web.peer.cluster), self);
        ourselves = g_strdup_printf("{\"peer_id\":\"%s\"}", self);
        by_address = g_strdup_printf("{\"peer_multiaddress\":\"/ip4/127.0.0.1/tcp/9096/p2p/%s\"}", self);
        web_check(&web, "POST", "/peers", ourselves, 200);
        web_check(&web, "POST", "/peers", by_address, 200);
}

static void test_remove(void) {
        char self[PEER_ID_TEXT_MAX];
        g_autofree char *ourselves = g_strdup_printf(
                        "/peers/%s", peer_id_format(cluster_self(web.peer.cluster), self));
        WebAnswer answer = {};

        web_check(&web, "DELETE", "/peers/" OTHER, NULL, 204);
        WEB_EXPECT(&web, "DELETE", ourselves, NULL, 500, &answer);
        g_assert_nonnull(strstr(answer.body, "cannot remove ourselves from a 1-peer cluster"));
        web_answer_done(&answer);
        WEB_EXPECT(&web, "DELETE", "/peers/junk", NULL, 400, &answer);
        g_assert_nonnull(strstr(
                        answer.body, "error decoding Peer ID: failed to parse peer ID: invalid cid: "));
        web_answer_done(&answer);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        web_open(&web);
        g_test_add_func("/rest/routes-peers/id", test_id);
        g_test_add_func("/rest/routes-peers/id-without-kubo", test_id_without_kubo);
        g_test_add_func("/rest/routes-peers/add", test_add);
        g_test_add_func("/rest/routes-peers/remove", test_remove);
        r = g_test_run();
        web_close(&web);
        return r;
}
