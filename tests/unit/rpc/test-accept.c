#include <arpa/inet.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/lib/loopback.h"
#include "tests/unit/rpc/puppet.h"

static void set_up(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_open(nodes, 2);
        nodes_know_all(nodes);
}

static void tear_down(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        nodes_close(nodes);
}

static int connect_to(const Node *node) {
        const struct sockaddr_in name = { .sin_family = AF_INET,
                                          .sin_port = htons((uint16_t) node->port),
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_assert_cmpint(connect(fd, (const struct sockaddr *) &name, sizeof(name)), ==, 0);
        return fd;
}

/* Whoever connects and says nothing: at most so many, the oldest goes; members are not touched. */
static void test_many_strangers(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        int fds[3 * RPC_UNTRUSTED_MAX];

        nodes_link(b, a);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                fds[i] = connect_to(a);
                nodes_turns(nodes->event, 5);
                g_assert_cmpuint(node_n_links(a), <=, RPC_UNTRUSTED_MAX + 1);
        }
        nodes_turns(nodes->event, 100);
        g_assert_cmpuint(node_n_links(a), ==, RPC_UNTRUSTED_MAX + 1);
        g_assert_cmpuint(a->rpc->n_refused_logged, ==, 1);
        nodes_link(b, a);
        g_assert_cmpuint(a->n_downs, ==, 0);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
        nodes_one_link(a, b);
}

/* A linked peer that is no member is a stranger too. */
static void test_stranger_goes_first(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        int fds[RPC_UNTRUSTED_MAX];

        a->trusts_nobody = true;
        nodes_link(b, a);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                fds[i] = connect_to(a);
                nodes_turns(nodes->event, 5);
        }
        nodes_until(nodes->event, &a->n_downs, 1);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
}

/* No file descriptors: it waits instead of spinning, and goes on afterwards. */
static void test_no_descriptors(Nodes *nodes, const void *data G_GNUC_UNUSED) {
        Node *a = &nodes->node[0], *b = &nodes->node[1];
        int fd = connect_to(a), enabled = SD_EVENT_ON;
        struct rlimit before, none;

        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
        none = (struct rlimit){ .rlim_cur = 3, .rlim_max = before.rlim_max };
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
        while (enabled != SD_EVENT_OFF) {
                g_assert_cmpint(sd_event_run(nodes->event, 100000), >=, 0);
                g_assert_cmpint(sd_event_source_get_enabled(a->rpc->listeners[0].watch.io, &enabled), >=, 0);
        }
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
        g_assert_cmpuint(node_n_links(a), ==, 0);
        nodes_link(b, a);
        close(fd);
}

static void test_fds_are_taken(void) {
        g_autofree char *key = loopback_key(1);
        const char *const keys[] = { key, "no key" };
        static const RpcMethod methods[1];
        static const RpcEvents events;
        sd_event *event;

        g_assert_cmpint(sd_event_new(&event), ==, 0);
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                _cleanup_(error_done) Error error = {};
                int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                const RpcOptions options = {
                        .private_key = keys[i], .fds = &fd, .n_fds = 1, .methods = methods, .events = &events
                };
                Rpc *rpc = NULL;

                g_assert_cmpint(rpc_new(&rpc, event, &options, &error) == 0, ==, i == 0);
                rpc_free(rpc);
                g_assert_cmpint(close(fd), ==, -1);
        }
        sd_event_unref(event);
}

#define ADD(path, function) g_test_add(path, Nodes, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/rpc/accept/many-strangers", test_many_strangers);
        ADD("/rpc/accept/stranger-goes-first", test_stranger_goes_first);
        ADD("/rpc/accept/no-descriptors", test_no_descriptors);
        g_test_add_func("/rpc/accept/fds-are-taken", test_fds_are_taken);
        return g_test_run();
}
