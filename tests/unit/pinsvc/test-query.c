#include <glib.h>
#include <string.h>

#include "daemon/pinsvc/query.h"
#include "tests/lib/fault.h"

#define CID_A "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"
#define CID_B "bafkreidtfeysvjhatydlh4ziptxxza5cerloahmyynycdpo7rr2ga524ey"
#define SEC UINT64_C(1000000)
#define PINNED (1U << PINSVC_STATUS_PINNED)

static int read_target(const char *query, PinsvcQuery *ret, Error *error) {
        g_autofree char *target = g_strdup_printf("/pins?%s", query);
        Query from;
        int r;

        g_assert_cmpint(query_parse(target, &from), ==, 0);
        r = pinsvc_query_read(&from, ret, error);
        query_done(&from);
        return r;
}

static void read_good(const char *query, PinsvcQuery *ret) {
        _cleanup_(error_done) Error error = {};

        if (read_target(query, ret, &error) < 0)
                g_error("%s: %s", query, error_message(&error));
}

static void test_defaults(void) {
        static const char *const queries[] = { "", "unknown=1&Limit=5&CID=x", "a&b=&=c" };

        for (size_t i = 0; i < G_N_ELEMENTS(queries); i++) {
                PinsvcQuery query;

                read_good(queries[i], &query);
                g_assert_null(query.cids);
                g_assert_false(query.has_name);
                g_assert_cmpuint(query.meta.n, ==, 0);
                g_assert_cmpuint(query.statuses, ==, PINNED);
                g_assert_cmpuint(query.before, ==, UINT64_MAX);
                g_assert_cmpuint(query.not_until, ==, 0);
                g_assert_cmpuint(query.limit, ==, 10);
                pinsvc_query_done(&query);
        }
}

static void test_values(void) {
        static const struct {
                const char *query;
                unsigned statuses;
                uint64_t before, not_until;
                size_t limit, n_cids, n_meta;
        } cases[] = {
                { "status=queued", 1, UINT64_MAX, 0, 10, 0, 0 },
                { "status=queued,pinning,pinned,failed", 15, UINT64_MAX, 0, 10, 0, 0 },
                { "status=failed&status=queued", 9, UINT64_MAX, 0, 10, 0, 0 },
                { "status=pinned,pinned", PINNED, UINT64_MAX, 0, 10, 0, 0 },
                { "limit=1", PINNED, UINT64_MAX, 0, 1, 0, 0 },
                { "limit=0007&limit=x", PINNED, UINT64_MAX, 0, 7, 0, 0 },
                { "limit=1000", PINNED, UINT64_MAX, 0, 1000, 0, 0 },
                { "before=1970-01-01T00:00:05Z", PINNED, 5 * SEC, 0, 10, 0, 0 },
                { "after=1970-01-01T00:00:05.5Z", PINNED, UINT64_MAX, 5 * SEC + SEC / 2 + 1, 10, 0, 0 },
                { "before=1970-01-01T02:00:00%2B02:00&after=0001-01-01T00:00:00Z", PINNED, 0, 1, 10, 0, 0 },
                { "cid=" CID_A, PINNED, UINT64_MAX, 0, 10, 1, 0 },
                { "cid=" CID_A "," CID_B, PINNED, UINT64_MAX, 0, 10, 2, 0 },
                { "cid=" CID_A "&cid=" CID_B "," CID_A, PINNED, UINT64_MAX, 0, 10, 2, 0 },
                { "meta={}", PINNED, UINT64_MAX, 0, 10, 0, 0 },
                { "meta=%7B%22a%22%3A%22b%22%2C%22c%22:%22%22%7D", PINNED, UINT64_MAX, 0, 10, 0, 2 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                PinsvcQuery query;

                g_test_message("%s", cases[i].query);
                read_good(cases[i].query, &query);
                g_assert_cmpuint(query.statuses, ==, cases[i].statuses);
                g_assert_cmpuint(query.before, ==, cases[i].before);
                g_assert_cmpuint(query.not_until, ==, cases[i].not_until);
                g_assert_cmpuint(query.limit, ==, cases[i].limit);
                g_assert_cmpuint(query.n_cids, ==, cases[i].n_cids);
                g_assert_cmpuint(query.meta.n, ==, cases[i].n_meta);
                pinsvc_query_done(&query);
        }
}

#define CIDS "at most 10 CIDs, separated by commas"
#define STATUSES "a list of queued, pinning, pinned and failed, separated by commas"
#define TIME "a time such as 2020-07-27T17:32:28Z"
#define LIMIT "a number from 1 to 1000"
#define META "a JSON object whose values are strings"
#define MATCH "exact, iexact, partial or ipartial"

static void test_refused(void) {
        static const struct {
                const char *query, *words;
        } cases[] = {
                { "cid=junk", "cid: 'junk' is not allowed, expected " CIDS },
                { "cid=", "cid: '' is not allowed, expected " CIDS },
                { "cid=" CID_A ",", "cid: '" CID_A ",' is not allowed, expected " CIDS },
                { "cid=" CID_A "&cid=x", "cid: 'x' is not allowed, expected " CIDS },
                { "status=zz", "status: 'zz' is not allowed, expected " STATUSES },
                { "status=", "status: '' is not allowed, expected " STATUSES },
                { "status=pinned,", "status: 'pinned,' is not allowed, expected " STATUSES },
                { "status=pinned,Failed", "status: 'pinned,Failed' is not allowed, expected " STATUSES },
                { "status=pinned, failed", "status: 'pinned, failed' is not allowed, expected " STATUSES },
                { "limit=0", "limit: '0' is not allowed, expected " LIMIT },
                { "limit=1001", "limit: '1001' is not allowed, expected " LIMIT },
                { "limit=-1", "limit: '-1' is not allowed, expected " LIMIT },
                { "limit=", "limit: '' is not allowed, expected " LIMIT },
                { "limit=1e2", "limit: '1e2' is not allowed, expected " LIMIT },
                { "limit=99999999999999999999",
                  "limit: '99999999999999999999' is not allowed, expected " LIMIT },
                { "before=zz", "before: 'zz' is not allowed, expected " TIME },
                { "before=", "before: '' is not allowed, expected " TIME },
                { "before=2020-01-01", "before: '2020-01-01' is not allowed, expected " TIME },
                { "before=1960-01-01T00:00:00Z",
                  "before: '1960-01-01T00:00:00Z' is not allowed, expected " TIME },
                { "after=2020-01-01T00:00:00+01:00",
                  "after: '2020-01-01T00:00:00 01:00' is not allowed, expected " TIME },
                { "match=prefix", "match: 'prefix' is not allowed, expected " MATCH },
                { "match=", "match: '' is not allowed, expected " MATCH },
                { "meta=zz", "meta: 'zz' is not allowed, expected " META },
                { "meta=", "meta: '' is not allowed, expected " META },
                { "meta=null", "meta: 'null' is not allowed, expected " META },
                { "meta=[]", "meta: '[]' is not allowed, expected " META },
                { "meta={\"a\":1}", "meta: '{\"a\":1}' is not allowed, expected " META },
                { "meta={\"a\":null}", "meta: '{\"a\":null}' is not allowed, expected " META },
                { "meta={\"a\":\"b\\u0000c\"}",
                  "meta: '{\"a\":\"b\\u0000c\"}' is not allowed, expected " META },
                { "meta={\"a\":\"b\"}x", "meta: '{\"a\":\"b\"}x' is not allowed, expected " META },
                { "name=%FF", "name: '\xff' is not allowed, expected at most 255 characters" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(error_done) Error error = {};
                PinsvcQuery query = { .limit = 77 };

                g_test_message("%s", cases[i].query);
                g_assert_cmpint(read_target(cases[i].query, &query, &error), <, 0);
                g_assert_cmpint(error.code, ==, ERROR_INVALID);
                g_assert_cmpstr(error_message(&error), ==, cases[i].words);
                g_assert_cmpuint(query.limit, ==, 77);
        }
}

static void test_many(void) {
        GString *cids = g_string_new("cid=");
        _cleanup_(error_done) Error error = {};
        PinsvcQuery query;

        for (unsigned i = 0; i < 11; i++) {
                char text[CID_TEXT_MAX];
                Cid cid;

                cid_of_bytes(CID_CODEC_RAW, &i, sizeof(i), &cid);
                g_string_append_printf(cids, "%s%s", i > 0 ? "," : "", cid_format(&cid, text));
                if (i == 9) {
                        read_good(cids->str, &query);
                        g_assert_cmpuint(query.n_cids, ==, 10);
                        pinsvc_query_done(&query);
                }
        }
        g_assert_cmpint(read_target(cids->str, &query, &error), ==, -error_errno(ERROR_INVALID));
        g_assert_true(g_str_has_suffix(error_message(&error), "…' is not allowed, expected " CIDS));
        g_string_free(cids, TRUE);
}

/* 255 characters, whatever their bytes. */
static void test_long_name(void) {
        static const char *const characters[] = { "a", "€", "\U0001f600" };

        for (size_t i = 0; i < G_N_ELEMENTS(characters); i++)
                for (unsigned n = 254; n <= 256; n++) {
                        GString *text = g_string_new("name=");
                        _cleanup_(error_done) Error error = {};
                        PinsvcQuery query;
                        int r;

                        for (unsigned k = 0; k < n; k++)
                                g_string_append(text, characters[i]);
                        r = read_target(text->str, &query, &error);
                        g_test_message("%u of %s", n, characters[i]);
                        g_assert_cmpint(r, ==, n <= 255 ? 0 : -error_errno(ERROR_INVALID));
                        if (r >= 0)
                                pinsvc_query_done(&query);
                        g_string_free(text, TRUE);
                }
}

static void test_takes(void) {
        static const struct {
                const char *query;
                uint64_t created;
                const char *name;
                bool takes;
        } cases[] = {
                { "", 0, NULL, true },
                { "before=1970-01-01T00:00:05Z", 5 * SEC, NULL, false },
                { "before=1970-01-01T00:00:05Z", 5 * SEC - 1, NULL, true },
                { "after=1970-01-01T00:00:05Z", 5 * SEC, NULL, false },
                { "after=1970-01-01T00:00:05Z", 5 * SEC + 1, NULL, true },
                { "after=0001-01-01T00:00:00Z", 1, NULL, true },
                { "name=a", 0, "a", true },
                { "name=a", 0, "A", false },
                { "name=a", 0, NULL, false },
                { "name=", 0, NULL, true },
                { "name=", 0, "a", false },
                { "name=b&match=partial", 0, "abc", true },
                { "match=ipartial&name=B", 0, "abc", true },
                { "match=ipartial", 0, "abc", true },
                { "meta={\"a\":\"b\"}", 0, NULL, true },
                { "meta={\"a\":\"B\"}", 0, NULL, false },
                { "meta={\"b\":\"\"}", 0, NULL, false },
                { "meta={\"a\":\"b\",\"c\":\"d\"}", 0, NULL, true },
                { "meta={\"a\":\"b\",\"c\":\"e\"}", 0, NULL, false },
        };
        StrMap meta = {};

        g_assert_cmpint(str_map_set(&meta, "a", "b"), ==, 0);
        g_assert_cmpint(str_map_set(&meta, "c", "d"), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                PinsvcQuery query;

                g_test_message("%s", cases[i].query);
                read_good(cases[i].query, &query);
                g_assert_cmpint(pinsvc_query_takes(&query, cases[i].created, cases[i].name, &meta),
                                ==,
                                cases[i].takes);
                pinsvc_query_done(&query);
        }
        str_map_done(&meta);
}

static void test_no_memory(void) {
        static const char target[] = "/pins?cid=" CID_A
                                     "&name=AB&match=iexact&meta={\"a\":\"b\",\"c\":\"d\"}&status=failed";
        Query from;

        g_assert_cmpint(query_parse(target, &from), ==, 0);
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                PinsvcQuery query;
                int r = pinsvc_query_read(&from, &query, &error);

                g_assert_true(r == 0 || r == -ENOMEM);
                if (r == 0)
                        pinsvc_query_done(&query);
        }
        query_done(&from);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/pinsvc/query/defaults", test_defaults);
        g_test_add_func("/pinsvc/query/values", test_values);
        g_test_add_func("/pinsvc/query/refused", test_refused);
        g_test_add_func("/pinsvc/query/many-cids", test_many);
        g_test_add_func("/pinsvc/query/long-name", test_long_name);
        g_test_add_func("/pinsvc/query/takes", test_takes);
        g_test_add_func("/pinsvc/query/no-memory", test_no_memory);
        return g_test_run();
}
