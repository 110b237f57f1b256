#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/types/connect-graph.h"
#include "tests/lib/fault.h"
#include "tests/unit/types/golden.h"

#define A "12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM"
#define B "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"

static void test_golden(void) {
        golden_check("connect-graph.json", &connect_graph_shape, 4);
}

static void test_links(void) {
        _cleanup_(connect_graph_done) ConnectGraph graph = {};
        _cleanup_(str_done) Str text = {};
        GraphLinks *links;
        PeerId a, b;

        g_assert_cmpint(peer_id_parse(A, &a), ==, 0);
        g_assert_cmpint(peer_id_parse(B, &b), ==, 0);
        g_assert_cmpint(connect_graph_links(&graph.cluster_links, &b, &links), ==, 1);
        g_assert_cmpint(connect_graph_links(&graph.cluster_links, &a, &links), ==, 1);
        g_assert_cmpint(peer_id_list_append(&links->links, &b), ==, 0);
        graph.ipfs_links.is_set = true;

        g_assert_cmpint(json_write(&connect_graph_shape, &graph, &text), ==, 0);
        g_assert_cmpstr(text.data,
                        ==,
                        "{\"cluster_id\":\"\",\"id_to_peername\":null,\"ipfs_links\":{},\"cluster_links\":{"
                        "\"" A "\":[\"" B "\"],\"" B "\":[]},\"cluster_trust_links\":null,"
                        "\"cluster_to_ipfs\":null}");
}

static void test_bad(void) {
        static const struct {
                const char *text;
                int r;
                const char *field;
        } cases[] = {
                { "{\"ipfs_links\":[]}", -EPROTOTYPE, "ipfs_links" },
                { "{\"ipfs_links\":{\"x\":[]}}", -EBADMSG, "ipfs_links" },
                { "{\"ipfs_links\":{\"" A "\":[\"" B "\"],\"" B "\":{}}}", -EPROTOTYPE, "ipfs_links" },
                { "{\"cluster_links\":{\"" A "\":[\"x\"]}}", -EBADMSG, "cluster_links" },
                { "{\"cluster_trust_links\":{\"" A "\":\"true\"}}", -EPROTOTYPE, "cluster_trust_links" },
                { "{\"cluster_trust_links\":1}", -EPROTOTYPE, "cluster_trust_links" },
                { "{\"cluster_links\":{\"" A "\":null}}", 0, "" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(connect_graph_done) ConnectGraph graph = {};
                JsonProblem problem = {};
                int r;

                r = json_read_text(
                                &connect_graph_shape,
                                cases[i].text,
                                strlen(cases[i].text),
                                &graph,
                                &problem);
                if (r != cases[i].r || strcmp(problem.field, cases[i].field) != 0)
                        g_error("%s: %d '%s'", cases[i].text, r, problem.field);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/connect-graph/as-recorded", test_golden);
        g_test_add_func("/types/connect-graph/links-at-their-place", test_links);
        g_test_add_func("/types/connect-graph/bad-with-field", test_bad);
        return g_test_run();
}
