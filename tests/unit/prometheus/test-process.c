#include <fcntl.h>
#include <glib.h>
#include <string.h>

#include "daemon/base/time.h"
#include "daemon/prometheus/process.h"

static void test_memory(void) {
        static const struct {
                const char *text;
                int answer;
                uint64_t size, resident;
        } cases[] = {
                { "25607 3391 2867 113 0 1028 0\n", 1, 25607, 3391 },
                { "1 2", 1, 1, 2 },
                { "1", 0 },
                { "", 0 },
                { "x y", 0 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                uint64_t size = 0, resident = 0;

                g_assert_cmpint(prometheus_process_parse_memory(cases[i].text, &size, &resident),
                                ==,
                                cases[i].answer);
                g_assert_cmpuint(size, ==, cases[i].size);
                g_assert_cmpuint(resident, ==, cases[i].resident);
        }
}

#define STAT(name)                                                                                          \
        "4711 (" name ") S 1 4711 4711 0 -1 4194560 3000 0 12 0 34 56 0 0 20 0 3 0 987654 107495424 3391 "  \
        "18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0\n"

static void test_start(void) {
        static const char *const names[] = { STAT("ipfs-cluster-se"), STAT("a) S 1 2 3"), STAT(")(") };
        g_autofree char *cut = g_strdup(names[0]);
        uint64_t ticks = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_assert_cmpint(prometheus_process_parse_start(names[i], &ticks), ==, 1);
                g_assert_cmpuint(ticks, ==, 987654);
        }
        for (size_t i = strstr(names[0], "987654") - names[0]; i-- > 0;) {
                cut[i] = '\0';
                g_assert_cmpint(prometheus_process_parse_start(cut, &ticks), ==, 0);
        }
}

static void test_self(void) {
        PrometheusProcess before, after;
        uint64_t n_open = 0;
        Str text = {};
        int fd;

        for (fd = 0; fd < 1024; fd++)
                n_open += fcntl(fd, F_GETFD) >= 0;
        prometheus_process_read(&before);
        g_assert_cmpuint(before.n_fds, ==, n_open);
        fd = open("/dev/null", O_RDONLY);
        prometheus_process_read(&after);
        close(fd);
        g_assert_cmpuint(after.n_fds, ==, before.n_fds + 1);
        g_assert_cmpuint(after.n_fds, <, after.max_fds);
        g_assert_cmpuint(before.resident_bytes, >, 0);
        g_assert_cmpuint(before.virtual_bytes, >=, before.resident_bytes);
        g_assert_cmpuint(before.start_usec, <=, time_now() + USEC_PER_SEC); /* ticks are coarse */
        g_assert_cmpuint(before.start_usec, >, time_now() - 3600 * USEC_PER_SEC);
        g_assert_cmpuint(after.cpu_usec, >=, before.cpu_usec);

        prometheus_process_write(&before, &text);
        g_assert_nonnull(
                        strstr(text.data,
                               "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 0."));
        g_assert_nonnull(strstr(text.data, "\nprocess_open_fds "));
        str_done(&text);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/prometheus/process/memory", test_memory);
        g_test_add_func("/prometheus/process/start", test_start);
        g_test_add_func("/prometheus/process/self", test_self);
        return g_test_run();
}
