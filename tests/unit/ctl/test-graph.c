#include <glib.h>
#include <string.h>

#include "ctl/graph.h"
#include "tests/lib/fault.h"

#define A "12D3KooWBBfAXrawDUsdPnWUjBbY6ChgpkZHHjNXokyd46uApg9T"
#define B "12D3KooWGAUYexzB8iQXcBejLi6oUnZnD8XHtDS2NANoTzpMHGtw"
#define C "12D3KooWLNC7WrHxgnshDNJDXdKV3rWwUM9LWxvATsGAj9k5phdM"
#define KA "12D3KooWAZ5oYFrtK9LXN9Hy4FAjZAnATNZZNX9ve8c5WvHAgMF9"
#define KB "12D3KooWFAhJxa957WdJcufKtMjs9CRCR6eRkxjNSQK1oPtUDevv"
#define OTHER "12D3KooWM2WYcBTEbzc6TZhTMNCTDGdE1qN6AKskWYpbG4uVBJTc"

/* B is asked; A is trusted, C is not; C's daemon is missing; KA also sees a daemon outside of the cluster.
 */
static const char input[] = "{\"cluster_id\":\"" B "\",\"id_to_peername\":{\"" A "\":\"a\",\"" B
                            "\":\"<b&>\"},"
                            "\"ipfs_links\":{\"" KB "\":[],\"" KA "\":[\"" OTHER "\",\"" KB "\"]},"
                            "\"cluster_links\":{\"" C "\":[],\"" A "\":[\"" B "\"],\"" B "\":[\"" A
                            "\",\"" OTHER "\"]},"
                            "\"cluster_trust_links\":{\"" A "\":true,\"" B "\":true,\"" C "\":false},"
                            "\"cluster_to_ipfs\":{\"" A "\":\"" KA "\",\"" B "\":\"" KB "\"}}";

static int draw(const char *text, bool all_ipfs, Str *to) {
        ConnectGraph graph = {};
        int r;

        r = json_read_text(&connect_graph_shape, text, strlen(text), &graph, NULL);
        if (r >= 0)
                r = ctl_graph_write(&graph, all_ipfs, to);
        connect_graph_done(&graph);
        return r;
}

static void assert_has(const Str *text, const char *part) {
        g_test_message("%s", part);
        g_assert_nonnull(strstr(text->data, part));
}

static void test_nodes(void) {
        _cleanup_(str_done) Str text = {};

        g_assert_cmpint(draw(input, false, &text), ==, 0);
        assert_has(&text,
                   "\nT0 [label=< <B> a </B> <BR/> <B> 12*uApg9T </B> > group=\"" A "\" color=\"orange\" ");
        assert_has(&text,
                   "\nC1 [label=< <B> &lt;b&amp;&gt; </B> <BR/> <B> 12*pMHGtw </B> > group=\"" B
                   "\" color=\"orange\" ");
        assert_has(&text, "shape=\"box3d\" peripheries=\"2\" ]\n");
        assert_has(&text,
                   "\nC2 [label=< <B>  </B> <BR/> <B> 12*k5phdM </B> > group=\"" C
                   "\" color=\"darkorange3\" ");
        assert_has(&text,
                   "\nI0 [label=< <B> IPFS </B> <BR/> <B> 12*HAgMF9 </B> > group=\"" KA
                   "\" color=\"turquoise3\" ");
        assert_has(&text,
                   "\nI1 [label=< <B> IPFS </B> <BR/> <B> 12*tUDevv </B> > group=\"" KB
                   "\" color=\"turquoise3\" ");
        assert_has(&text,
                   "\nI2 [label=< <B> IPFS </B> <BR/> <B> Errored </B> > group=\"" C
                   "\" color=\"firebrick1\" ");
        g_assert_null(strstr(text.data, OTHER));
}

static void test_edges(void) {
        _cleanup_(str_done) Str text = {};

        g_assert_cmpint(draw(input, false, &text), ==, 0);
        assert_has(&text,
                   "/* The connections among cluster-service peers */\nT0 -> C1\nC1 -> T0\n\n"
                   "/* The connections between cluster peers and their ipfs daemons */\n"
                   "T0 -> I0\nC1 -> I1\nC2 -> I2 [ style=\"dotted\" ]\n\n"
                   "/* The swarm peer connections among ipfs daemons in the cluster */\nI0 -> I1\n}");
        g_assert_true(g_str_has_suffix(text.data, "}"));
}

static void test_all_ipfs_peers(void) {
        _cleanup_(str_done) Str text = {};

        g_assert_cmpint(draw(input, true, &text), ==, 0);
        assert_has(&text, "\nI2 [label=< <B> IPFS </B> <BR/> <B> 12*uVBJTc </B> > group=\"" OTHER "\" ");
        assert_has(&text, "\nI0 -> I2\nI0 -> I1\n}");
        assert_has(&text, "C2 -> I3 [ style=\"dotted\" ]");
}

static void test_empty(void) {
        _cleanup_(str_done) Str text = {};

        g_assert_cmpint(draw("{}", false, &text), ==, 0);
        assert_has(&text, "digraph cluster {\n");
}

static void test_memory_short(void) {
        FOREACH_FAULT {
                _cleanup_(str_done) Str text = {};
                int r = draw(input, true, &text);

                if (r < 0)
                        g_assert_cmpint(r, ==, -ENOMEM);
                else
                        g_assert_true(g_str_has_suffix(text.data, "}"));
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/graph/nodes", test_nodes);
        g_test_add_func("/ctl/graph/edges", test_edges);
        g_test_add_func("/ctl/graph/all-ipfs-peers", test_all_ipfs_peers);
        g_test_add_func("/ctl/graph/empty", test_empty);
        g_test_add_func("/ctl/graph/memory-short", test_memory_short);
        return g_test_run();
}
