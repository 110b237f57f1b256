#include <string.h>

#include "daemon/rest/request.h"
#include "tests/unit/rest/web.h"

static Web web;

/* "true" in just these letters, and the first of a key counts. */
static void test_flags(void) {
        static const struct {
                const char *query;
                bool is_local;
        } cases[] = {
                { "?local=true", true },
                { "?local=true&local=false", true },
                { "?a=b&local=true", true },
                { "?local=tru%65", true },
                { "?local=TRUE", false },
                { "?local=1", false },
                { "?local", false },
                { "?local=", false },
                { "?local=false&local=true", false },
                { "?Local=true", false },
                { "", false },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                char text[CID_TEXT_MAX];
                g_autofree char *target = g_strdup_printf(
                                "/pins/%s%s", peer_cid_text(1, text), cases[i].query);
                WebAnswer answer = {};

                WEB_EXPECT(&web, "GET", target, NULL, 200, &answer);
                g_test_message("%s", cases[i].query);
                g_assert_true(web_answer_has(&answer, "\"allocations\":null") == cases[i].is_local);
                web_answer_done(&answer);
        }
}

/* Each form of a CID is read, and told in its own. */
static void test_cids(void) {
        static const struct {
                const char *cid, *told; /* NULL: refused */
        } cases[] = {
                { "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc",
                  "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc" },
                { "bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey",
                  "bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey" },
                { "BAFKREIDTFEYSVJHATYDLH4ZIPTXXZA5CERLOAHMYYNYCDPO7RR2GA524EY",
                  "bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey" },
                { "bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524e", NULL },
                { "Qm", NULL },
                { "a%00b", NULL },
                { "%3Cb%3E", NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *target = g_strdup_printf("/pins/%s", cases[i].cid);
                g_autofree char *begin = g_strdup_printf("{\"cid\":\"%s\"", cases[i].told);
                WebAnswer answer = {};

                WEB_EXPECT(&web, "GET", target, NULL, cases[i].told ? 200 : 400, &answer);
                g_assert_true(!cases[i].told || g_str_has_prefix(answer.body, begin));
                web_answer_done(&answer);
        }
}

/* Every option of a pin, as it comes back. */
static void test_options(void) {
        static const struct {
                const char *query, *told;
        } cases[] = {
                { "?name=x", "\"name\":\"x\"" },
                { "?name=x&name=y", "\"name\":\"x\"" },
                { "?name=%E2%82%AC", "\"name\":\"\u20ac\"" },
                { "?mode=direct", "\"mode\":\"direct\"" },
                { "?mode=junk", "\"mode\":\"recursive\"" },
                { "?shard-size=5", "\"shard_size\":5" },
                { "?expire-at=2100-01-01T00:00:00Z", "\"expire_at\":\"2100-01-01T00:00:00Z\"" },
                { "?meta-a=1&meta-b=2", "\"metadata\":{\"a\":\"1\",\"b\":\"2\"}" },
                { "?meta-=1", "\"metadata\":{}" },
                { "?user-allocations=junk", "\"user_allocations\":[]" },
                { "?replication-min=-1&replication-max=-1", "\"replication_factor_min\":-1" },
                { "?unknown=1", "\"name\":\"\"" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                char text[CID_TEXT_MAX];
                g_autofree char *target = g_strdup_printf(
                                "/pins/%s%s", peer_cid_text(100 + i, text), cases[i].query);
                WebAnswer answer = {};

                WEB_EXPECT(&web, "POST", target, NULL, 200, &answer);
                if (!strstr(answer.body, cases[i].told))
                        g_error("%s: %s", cases[i].query, answer.raw);
                web_answer_done(&answer);
        }
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        web_open(&web);
        g_test_add_func("/rest/request/flags", test_flags);
        g_test_add_func("/rest/request/cids", test_cids);
        g_test_add_func("/rest/request/options", test_options);
        r = g_test_run();
        web_close(&web);
        return r;
}
