#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/rpc/puppet.h"

static void set_up(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_open(nodes, 2);
        nodes_know_all(nodes);
}

static void tear_down(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_close(nodes);
}

static void until_links(Node *node, size_t n) {
        gint64 deadline = g_get_monotonic_time() + NODE_DEADLINE_USEC;

        while (node_n_links(node) != n) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(node->event, 10000), >=, 0);
        }
}

/* ---- who is refused in the handshake: logged once, without effect */

static void test_bad_handshakes(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        static const struct {
                ForgeFlaw flaw;
                ForgeOptions options;
        } cases[] = {
                { .flaw = FORGE_EXPIRED },
                { .flaw = FORGE_BIG },
                { .flaw = FORGE_SECP256K1 },
                { .flaw = FORGE_NO_EXTENSION },
                { .flaw = FORGE_OTHER_PEER },
                { .options = { .priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2" } },
                { .options = { .protocol = "http/1.1" } },
                { .options = { .protocol = "" } },
                { .options = { .twice = true } },
        };
        Node *a = &nodes->node[0];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Puppet puppet;

                puppet_connect(&puppet, nodes->event, a->port, &cases[i].options, cases[i].flaw);
                puppet_until_closed(&puppet);
                puppet_close(&puppet);
                g_assert_cmpuint(a->rpc->n_refused, ==, i + 1);
        }
        g_assert_cmpuint(a->rpc->n_refused_logged, ==, 1);
        g_assert_cmpuint(a->n_ups, ==, 0);
        until_links(a, 0);
        nodes_link(a, &nodes->node[1]);
}

static int connect_to(const Node *node) {
        const struct sockaddr_in name = { .sin_family = AF_INET,
                                          .sin_port = htons((uint16_t) node->port),
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_assert_cmpint(connect(fd, (const struct sockaddr *) &name, sizeof(name)), ==, 0);
        return fd;
}

static void test_not_tls(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        static const char *const cases[] = { "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                             "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                             "\x16\x03\x01\xff\xff garbage garbage garbage",
                                             "" };
        Node *a = &nodes->node[0];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int fd = connect_to(a);

                g_assert_cmpint(send(fd, cases[i], strlen(cases[i]), 0), ==, (gssize) strlen(cases[i]));
                g_assert_cmpint(shutdown(fd, SHUT_WR), ==, 0);
                while (a->rpc->n_refused == i)
                        g_assert_cmpint(sd_event_run(nodes->event, 100000), >=, 0);
                close(fd);
        }
        g_assert_cmpuint(a->rpc->n_refused_logged, ==, 1);
        until_links(a, 0);
}

static void test_slow_handshake(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0];
        int fd;

        a->rpc->limits.handshake_usec = 20 * USEC_PER_MSEC;
        fd = connect_to(a);
        g_assert_cmpint(send(fd, "\x16\x03\x01", 3, 0), ==, 3);
        while (a->rpc->n_refused == 0)
                g_assert_cmpint(sd_event_run(nodes->event, 100000), >=, 0);
        until_links(a, 0);
        close(fd);
}

/* The acceptor's SETTINGS never come: the dialler does not believe that it is linked. */
static void test_no_settings(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(name);
        Node *a = &nodes->node[0];
        int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
        g_autofree char *address = NULL;
        ForgeSession session;
        Asked asked = {};
        Forge forge;

        a->rpc->limits.handshake_usec = 100 * USEC_PER_MSEC;
        g_assert_cmpint(bind(listening, (struct sockaddr *) &name, size), ==, 0);
        g_assert_cmpint(listen(listening, 1), ==, 0);
        g_assert_cmpint(getsockname(listening, (struct sockaddr *) &name, &size), ==, 0);
        address = g_strdup_printf("/ip4/127.0.0.1/tcp/%u", ntohs(name.sin_port));
        asked_start_address(&asked, a, address, NULL);
        fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
        g_assert_cmpint(fd, >=, 0);

        forge_open(&forge, FORGE_NONE);
        forge_session_open(&session, fd, &(ForgeOptions){ .forge = &forge, .is_server = true });
        while (forge_session_handshake(&session) == 0)
                g_assert_cmpint(sd_event_run(nodes->event, 1000), >=, 0);
        nodes_turns(nodes->event, 20);
        g_assert_cmpuint(a->n_ups, ==, 0);
        asked_wait(&asked);
        g_assert_cmpint(asked.code, ==, ERROR_CANCELED);
        g_assert_nonnull(strstr(asked.words, "the handshake took too long"));
        g_assert_cmpuint(a->n_ups, ==, 0);
        asked_done(&asked);
        forge_session_close(&session);
        forge_close(&forge);
        close(listening);
}

/* ---- a peer that breaks the rules loses its link, and nothing else is touched */

typedef struct Bad {
        const char *bytes;
        size_t n;
} Bad;

static void test_bad_frames(Nodes *nodes, const void *data G_GNUC_UNUSED) {
#define BYTES(text)                                                                                         \
        { text, sizeof(text) - 1 }
        static const Bad cases[] = {
                BYTES("\0\0\1\0\0\0\0\0\x09"
                      "a"),                                    /* DATA of nothing */
                BYTES("\xff\xff\xff\x04\0\0\0\0\0aaaaaaaa"),   /* 16 MB of SETTINGS */
                BYTES("\0\0\4\1\4\0\0\0\x0b\xff\xff\xff\xff"), /* HPACK */
                BYTES("\0\0\4\x08\0\0\0\0\0\0\0\0\0"),         /* WINDOW_UPDATE by 0 */
                BYTES("\0\0\x08\x06\0\x80\0\0\0"
                      "aaaaaaaa"
                      "\0\0\1\1\4\x80\0\0\3"
                      "\x80"), /* the other session */
        };
        Node *a = &nodes->node[0];

        nodes_link(a, &nodes->node[1]);
        for (unsigned i = 0; i < ELEMENTSOF(cases); i++) {
                Puppet puppet;

                puppet_open(&puppet, nodes->event, a->port);
                puppet_send(&puppet, cases[i].bytes, cases[i].n);
                puppet_until_closed(&puppet);
                puppet_close(&puppet);
                until_links(a, 1);
        }
        nodes_link(a, &nodes->node[1]);
        g_assert_cmpuint(a->n_downs, ==, ELEMENTSOF(cases));
        g_assert_cmpuint(nodes->node[1].n_downs, ==, 0);
}

/* Requests that are reset at once. */
static void test_flood_of_resets(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0];
        Puppet puppet;

        puppet_open(&puppet, nodes->event, a->port);
        for (int i = 0; i < 4 * RPC_RESETS_MAX && !puppet.is_closed; i++) {
                H2Stream *stream = puppet_ask(&puppet, "/1/hello", NULL);

                puppet_turn(&puppet);
                if (!puppet.is_closed)
                        h2_reset(puppet.h2, stream, H2_CANCEL);
        }
        puppet_until_closed(&puppet);
        until_links(a, 0);
        g_assert_cmpuint(a->n_requests, ==, 0);
        puppet_close(&puppet);
}

/* More streams than there may be: the others are answered, these are not served. */
static void test_flood_of_streams(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0];
        Puppet puppet;

        puppet_open(&puppet, nodes->event, a->port);
        for (int i = 0; i < 3 * RPC_STREAMS_MAX; i++)
                puppet_ask(&puppet, "/1/keep", "x");
        for (int i = 0; i < 100; i++)
                puppet_turn(&puppet);
        g_assert_cmpuint(a->n_requests, ==, RPC_STREAMS_MAX); /* the puppet keeps to the rule */
        g_assert_cmpuint(h2_n_streams(LIST_FIRST(&a->rpc->links, RpcLink, link)->h2), ==, RPC_STREAMS_MAX);
        puppet_close(&puppet);
        until_links(a, 0);
        g_assert_cmpuint(a->n_closed, ==, RPC_STREAMS_MAX);
}

/* ---- PING */

static void test_ping_keeps(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        RpcLink *link;
        uint64_t before;

        a->rpc->limits.ping_interval_usec = 5 * USEC_PER_MSEC;
        nodes_link(a, b);
        link = LIST_FIRST(&a->rpc->links, RpcLink, link);
        for (int i = 0; i < 5; i++) {
                before = link->input_usec;
                while (link->input_usec == before)
                        g_assert_cmpint(sd_event_run(nodes->event, 1000000), >=, 0);
        }
        g_assert_cmpuint(a->n_downs, ==, 0);
}

static void test_ping_unanswered(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0];
        Puppet puppet;

        a->rpc->limits.ping_interval_usec = 5 * USEC_PER_MSEC;
        a->rpc->limits.ping_timeout_usec = 30 * USEC_PER_MSEC;
        puppet_open(&puppet, nodes->event, a->port);
        until_links(a, 0); /* the puppet does not move */
        g_assert_cmpuint(a->n_downs, ==, 1);
        puppet_close(&puppet);
}

static void test_never_reads(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0];
        Puppet puppet;

        puppet_open(&puppet, nodes->event, a->port);
        puppet.is_deaf = true;
        a->rpc->limits.ping_interval_usec = 5 * USEC_PER_MSEC;
        a->rpc->limits.ping_timeout_usec = 50 * USEC_PER_MSEC;
        LIST_FOREACH (link, &a->rpc->links, RpcLink, link)
                (void) sd_event_source_set_time_relative(link->timer, 0);
        puppet_ask(&puppet, "/1/stream", "900000000");
        puppet_turn(&puppet);
        until_links(a, 0);
        g_assert_cmpuint(a->n_source_closed, ==, a->n_requests);
        g_assert_cmpint(a->is_complete, ==, false);
        puppet_close(&puppet);
}

#define ADD(path, function) g_test_add(path, Nodes, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/rpc/link/bad-handshakes", test_bad_handshakes);
        ADD("/rpc/link/not-tls", test_not_tls);
        ADD("/rpc/link/slow-handshake", test_slow_handshake);
        ADD("/rpc/link/no-settings", test_no_settings);
        ADD("/rpc/link/bad-frames", test_bad_frames);
        ADD("/rpc/link/flood-of-resets", test_flood_of_resets);
        ADD("/rpc/link/flood-of-streams", test_flood_of_streams);
        ADD("/rpc/link/ping-keeps", test_ping_keeps);
        ADD("/rpc/link/ping-unanswered", test_ping_unanswered);
        ADD("/rpc/link/never-reads", test_never_reads);
        return g_test_run();
}
