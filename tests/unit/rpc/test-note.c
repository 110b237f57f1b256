#include <string.h>

#include "tests/unit/rpc/puppet.h"

static void set_up(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_open(nodes, 2);
        nodes_know_all(nodes);
}

static void tear_down(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_close(nodes);
}

static void note(Node *from, const Node *to, const char *text) {
        g_assert_cmpint(rpc_note(from->rpc, &to->id, text, strlen(text)), ==, 0);
}

static void test_order(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        for (size_t from = 0; from < 2; from++) {
                Node *a = &nodes->node[from], *b = &nodes->node[1 - from];
                g_autoptr(GString) expected = g_string_new(NULL);

                nodes_link(a, b);
                for (int i = 0; i < 1000; i++) {
                        g_autofree char *text = g_strdup_printf("%d", i);

                        note(a, b, text);
                        g_string_append_printf(expected, "%d\n", i);
                }
                nodes_until(a->event, &b->n_notes, 1000);
                g_assert_cmpstr(b->notes->str, ==, expected->str);
        }
        g_assert_cmpuint(node_n_links(&nodes->node[0]), ==, 1);
}

static void test_sizes(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        static const size_t sizes[] = { 0, 1, 16380, 16384, H2_WINDOW - 4, H2_WINDOW, RPC_NOTE_MAX };
        g_autofree char *bytes = g_malloc0(RPC_NOTE_MAX + 1);
        Node *a = &nodes->node[0], *b = &nodes->node[1];

        nodes_link(a, b);
        for (unsigned i = 0; i < ELEMENTSOF(sizes); i++)
                g_assert_cmpint(rpc_note(a->rpc, &b->id, bytes, sizes[i]), ==, 0);
        nodes_until(a->event, &b->n_notes, ELEMENTSOF(sizes));
        g_assert_cmpint(rpc_note(a->rpc, &b->id, bytes, RPC_NOTE_MAX + 1), ==, -EMSGSIZE);
}

static void test_no_link(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        PeerId unknown;

        g_assert_cmpint(peer_id_parse("12D3KooWM6CgA9iBFZmcYAHA6A2qvbAxqfkmrYiRQuz3XEsk4Ksv", &unknown),
                        ==,
                        0);
        g_assert_cmpint(rpc_note(a->rpc, &unknown, "x", 1), ==, -ENOTCONN);
        g_assert_cmpint(rpc_note(a->rpc, &b->id, "x", 1), ==, -ENOTCONN);
        nodes_until(a->event, &a->n_ups, 1); /* it is dialled */
        note(a, b, "now");
        nodes_until(a->event, &b->n_notes, 1);
        g_assert_cmpstr(b->notes->str, ==, "now\n");
}

static void test_full(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        g_autofree char *bytes = g_malloc0(RPC_NOTE_MAX);
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        unsigned n = 0;
        int r;

        nodes_link(a, b);
        while ((r = rpc_note(a->rpc, &b->id, bytes, RPC_NOTE_MAX)) == 0)
                n++;
        g_assert_cmpint(r, ==, -ENOBUFS);
        g_assert_cmpuint(n, ==, RPC_QUEUE_MAX / RPC_NOTE_MAX - 1); /* their heads need room too */
        nodes_until(a->event, &b->n_notes, n);
        note(a, b, "again");
        nodes_until(a->event, &b->n_notes, n + 1);
}

/* A call on the link that the other side has just closed may be lost. */
static void link_again(Node *from, const Node *to) {
        int result = -1;

        while (result < 0) {
                Asked asked = {};

                asked_start_text(&asked, from, to, "hello", "");
                asked_wait(&asked);
                result = asked.result;
                asked_done(&asked);
        }
}

/* A link is lost and made again, many times: what comes is in order, and nothing comes twice. */
static void test_new_links(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        g_auto(GStrv) lines = NULL;
        int last = -1, i = 0;

        for (int round = 0; round < 20; round++) {
                Node *breaks = round % 2 ? a : b, *other = round % 2 ? b : a;

                link_again(a, b);
                for (int k = 0; k < 20; k++, i++) {
                        g_autofree char *text = g_strdup_printf("%d", i);

                        note(a, b, text);
                        if (k % 7 == 0)
                                nodes_turns(a->event, 1);
                }
                rpc_forget(breaks->rpc, &other->id);
                node_know(breaks, other);
        }
        link_again(a, b);
        note(a, b, "1000000");
        while (!strstr(b->notes->str, "1000000"))
                g_assert_cmpint(sd_event_run(a->event, 100000), >=, 0);

        lines = g_strsplit(b->notes->str, "\n", -1);
        for (char **line = lines; *line && **line; line++) {
                g_assert_cmpint(atoi(*line), >, last);
                last = atoi(*line);
        }
}

static void test_refused(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        int r = 0;

        b->trusts_nobody = true;
        nodes_link(a, b);
        note(a, b, "secret");
        while (r == 0) {
                nodes_turns(a->event, 10);
                r = rpc_note(a->rpc, &b->id, "x", 1);
        }
        g_assert_cmpint(r, ==, -ENOTCONN);
        g_assert_cmpuint(b->n_notes, ==, 0);
        nodes_link(a, b);
        g_assert_cmpuint(a->n_ups, ==, 1);
}

/* ---- what a peer may send */

static void append_note(GString *body, const char *text) {
        const uint8_t head[4] = { 0, 0, 0, (uint8_t) strlen(text) };

        g_string_append_len(body, (const char *) head, 4);
        g_string_append(body, text);
}

/* The newest stream is believed, by its number or as one of another process. */
static void test_late_streams(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        static const struct {
                const char *path, *text;
        } cases[] = {
                { "/1/notes/00000000000000aa/5", "five" },
                { "/1/notes/00000000000000aa/4", "four, late" },
                { "/1/notes/00000000000000aa/5", "five again" },
                { "/1/notes/00000000000000aa/7", "seven" },
                { "/1/notes/00000000000000bb/1", "another process" },
        };
        Node *a = &nodes->node[0];
        H2Stream *first;
        Puppet puppet;

        puppet_open(&puppet, nodes->event, a->port);
        first = puppet_ask(&puppet, "/1/notes/00000000000000aa/3", NULL);
        for (unsigned i = 0; i < ELEMENTSOF(cases); i++) {
                g_autoptr(GString) body = g_string_new(NULL);

                append_note(body, cases[i].text);
                g_assert_cmpint(h2_write(puppet.h2,
                                         puppet_ask(&puppet, cases[i].path, NULL),
                                         body->str,
                                         body->len,
                                         true),
                                ==,
                                0);
                g_assert_cmpint(h2_write(puppet.h2, first, body->str, body->len, false), ==, 0);
                puppet_until(&puppet, &puppet.n_closed, i + 1);
        }
        g_assert_cmpstr(a->notes->str, ==, "five\nseven\nanother process\n");
        puppet_close(&puppet);
}

static void test_malformed(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        static const struct {
                const char *path, *body;
                size_t n;
        } cases[] = {
                { "/1/notes/", "x", 1 },
                { "/1/notes/zz/1", "x", 1 },
                { "/1/notes/00000000000000aa", "x", 1 },
                { "/1/notes/00000000000000aa/1", "\0\x20\0\1", 4 }, /* 2 MiB and one byte */
                { "/1/notes/00000000000000aa/1", "\xff\xff\xff\xff", 4 },
        };
        Node *a = &nodes->node[0];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Puppet puppet;

                puppet_open(&puppet, nodes->event, a->port);
                g_assert_cmpint(h2_write(puppet.h2,
                                         puppet_ask(&puppet, cases[i].path, NULL),
                                         cases[i].body,
                                         cases[i].n,
                                         false),
                                ==,
                                0);
                puppet_until_closed(&puppet);
                puppet_close(&puppet);
        }
        g_assert_cmpuint(a->n_notes, ==, 0);
        g_assert_cmpuint(a->n_ups, ==, ELEMENTSOF(cases));
}

static void test_cut_everywhere(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        g_autoptr(GString) body = g_string_new(NULL);
        Node *a = &nodes->node[0];
        H2Stream *stream;
        Puppet puppet;

        append_note(body, "one");
        append_note(body, "");
        append_note(body, "three");
        puppet_open(&puppet, nodes->event, a->port);
        for (size_t cut = 0; cut <= body->len; cut++) {
                g_autofree char *path = g_strdup_printf("/1/notes/00000000000000aa/%zu", cut + 1);

                stream = puppet_ask(&puppet, path, NULL);
                g_assert_cmpint(h2_write(puppet.h2, stream, body->str, cut, false), ==, 0);
                puppet_turn(&puppet);
                g_assert_cmpint(h2_write(puppet.h2, stream, body->str + cut, body->len - cut, true), ==, 0);
                puppet_until(&puppet, &puppet.n_closed, (unsigned) cut + 1);
                g_assert_cmpstr(a->notes->str, ==, "one\n\nthree\n");
                g_string_truncate(a->notes, 0);
        }
        puppet_close(&puppet);
}

#define ADD(path, function) g_test_add(path, Nodes, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/rpc/note/order", test_order);
        ADD("/rpc/note/sizes", test_sizes);
        ADD("/rpc/note/no-link", test_no_link);
        ADD("/rpc/note/full", test_full);
        ADD("/rpc/note/new-links", test_new_links);
        ADD("/rpc/note/refused", test_refused);
        ADD("/rpc/note/late-streams", test_late_streams);
        ADD("/rpc/note/malformed", test_malformed);
        ADD("/rpc/note/cut-everywhere", test_cut_everywhere);
        return g_test_run();
}
