#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/prometheus/server.h"
#include "tests/lib/fault.h"
#include "tests/lib/peer.h"

static Peer peer;
static char *path, *address;

static char *ask(const char *method, const char *target) {
        g_autofree char *request = g_strdup_printf(
                        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, target);
        gint64 deadline = g_get_monotonic_time() + PEER_PATIENCE_USEC;
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        GString *answer = g_string_new(NULL);
        char block[16384];

        (void) g_strlcpy(name.sun_path, path, sizeof(name.sun_path));
        g_assert_cmpint(connect(fd, (struct sockaddr *) &name, sizeof(name)), ==, 0);
        g_assert_cmpint(send(fd, request, strlen(request), 0), ==, (ssize_t) strlen(request));
        for (ssize_t n; (n = recv(fd, block, sizeof(block), MSG_DONTWAIT)) != 0;) {
                if (n < 0 && errno == ECONNRESET)
                        break;
                g_assert_cmpint(n > 0 || errno == EAGAIN, ==, true);
                if (n > 0)
                        g_string_append_len(answer, block, n);
                else
                        peer_turn(&peer, deadline);
        }
        close(fd);
        return g_string_free(answer, FALSE);
}

static void test_answers(void) {
        static const struct {
                const char *method, *target, *head, *body;
        } cases[] = {
                { "GET", "/metrics", "HTTP/1.1 200", "\nipfscluster_pins 2\n" },
                { "GET", "/metrics?x=y", "HTTP/1.1 200", "\nprocess_open_fds " },
                { "HEAD",
                  "/metrics",
                  "HTTP/1.1 200",
                  "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n" },
                { "POST", "/metrics", "HTTP/1.1 405", "" },
                { "GET", "/", "HTTP/1.1 404", "/metrics" },
                { "GET", "/metrics/", "HTTP/1.1 404", "" },
        };
        PrometheusServer *server = NULL;

        g_assert_cmpint(prometheus_server_new(&server, peer.event, peer.cluster, address, NULL), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *answer = ask(cases[i].method, cases[i].target);

                if (!g_str_has_prefix(answer, cases[i].head) || !strstr(answer, cases[i].body))
                        g_error("%s %s: %s", cases[i].method, cases[i].target, answer);
        }
        prometheus_server_free(server);
}

static void test_refused(void) {
        PrometheusServer *server = NULL, *other = NULL;
        Error error = {};

        g_assert_cmpint(prometheus_server_new(&server, peer.event, peer.cluster, address, NULL), ==, 0);
        g_assert_cmpint(prometheus_server_new(&other, peer.event, peer.cluster, address, &error), <, 0);
        g_assert_true(g_str_has_prefix(
                        error.message, "observations.metrics.prometheus_endpoint: cannot listen at /unix"));
        error_done(&error);
        prometheus_server_free(server);
}

/* 500, or no answer; never half of one. */
static void test_out_of_memory(void) {
        PrometheusServer *server = NULL;

        g_assert_cmpint(prometheus_server_new(&server, peer.event, peer.cluster, address, NULL), ==, 0);
        FOREACH_FAULT {
                g_autofree char *answer = ask("GET", "/metrics");

                g_assert_cmpint(!*answer || g_str_has_prefix(answer, "HTTP/1.1 500") ||
                                                (g_str_has_prefix(answer, "HTTP/1.1 200") &&
                                                 strstr(answer, "process_virtual_memory_bytes ")),
                                ==,
                                true);
        }
        prometheus_server_free(server);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        peer_open(&peer);
        peer_fill(&peer, 1, 2, NULL);
        path = g_build_filename(peer.folder, "metrics", NULL);
        address = g_strconcat("/unix", path, NULL);
        g_test_add_func("/prometheus/server/answers", test_answers);
        g_test_add_func("/prometheus/server/refused", test_refused);
        g_test_add_func("/prometheus/server/out-of-memory", test_out_of_memory);
        r = g_test_run();
        (void) unlink(path);
        peer_close(&peer);
        g_free(path);
        g_free(address);
        return r;
}
