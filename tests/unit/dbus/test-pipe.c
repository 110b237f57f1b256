#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "tests/unit/dbus/harness.h"

#define N_PINS 6000 /* more than a pipe holds */

static Harness harness;

static size_t count_lines(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

/* The client's end; to be closed. */
static int open_stream(const char *sender) {
        HarnessCall call;
        int fd, copy;

        harness_send(&harness, &call, sender, "StreamPins", "s", "");
        harness_wait(&harness, &call);
        g_assert_cmpint(sd_bus_message_read(call.reply, "h", &fd), >, 0);
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        g_assert_cmpint(copy, >=, 0);
        harness_call_done(&call);
        return copy;
}

static void test_whole(void) {
        _cleanup_free_ char *text = NULL;
        HarnessCall call;

        harness_open(&harness);
        peer_fill(&harness.peer, 1, N_PINS, "pin <&>");
        harness_send(&harness, &call, ALICE, "StreamPins", "s", "pin");
        harness_wait(&harness, &call);
        text = harness_read_pipe(&harness, call.reply);
        g_assert_cmpuint(count_lines(text), ==, N_PINS + 1);
        g_assert_true(g_str_has_suffix(text, "}\n{\"end\":6000}\n"));
        harness_assert_has(text, "\"name\":\"pin \\u003c\\u0026\\u003e\"");
        harness_call_done(&call);
        PEER_UNTIL(&harness.peer, harness.bus->n[BUS_KIND_PIPE] == 0);
        harness_close(&harness);
}

/* One value instead of a list: the answer to CollectGarbage, of any size. */
static void test_value(void) {
        _cleanup_free_ char *text = NULL;
        HarnessCall call;

        harness_open(&harness);
        harness_send(&harness, &call, ALICE, "StreamGarbage", "b", 1);
        harness_wait(&harness, &call);
        text = harness_read_pipe(&harness, call.reply);
        g_assert_true(g_str_has_prefix(text, "{\"peer_map\":{\"12D3Koo"));
        g_assert_true(g_str_has_suffix(text, "}}\n{\"end\":1}\n"));
        g_assert_cmpuint(count_lines(text), ==, 2);
        harness_call_done(&call);
        PEER_UNTIL(&harness.peer, harness.bus->n[BUS_KIND_PIPE] == 0);
        harness_close(&harness);
}

static void test_empty(void) {
        _cleanup_free_ char *text = NULL;
        HarnessCall call;

        harness_open(&harness);
        harness_send(&harness, &call, ALICE, "StreamPins", "s", "");
        harness_wait(&harness, &call);
        text = harness_read_pipe(&harness, call.reply);
        g_assert_cmpstr(text, ==, "{\"end\":0}\n");
        harness_call_done(&call);
        harness_close(&harness);
}

/* As much is made as is taken; a reader that leaves ends it at once. */
static void test_reader_that_leaves(void) {
        int fd;

        harness_open(&harness);
        peer_fill(&harness.peer, 1, N_PINS, "x");
        fd = open_stream(ALICE);
        for (unsigned i = 0; i < 200; i++)
                g_assert_cmpint(sd_event_run(harness.peer.event, 0), >=, 0);
        g_assert_cmpuint(harness.bus->n[BUS_KIND_PIPE], ==, 1); /* it waits */
        close(fd);
        PEER_UNTIL(&harness.peer, harness.bus->n[BUS_KIND_PIPE] == 0);
        harness_close(&harness);
}

/* One that stays, and never reads, is cut off: there is no last line. */
static void test_reader_that_never_reads(void) {
        g_autofree char *buffer = g_malloc(8 * 1024 * 1024);
        size_t n = 0;
        ssize_t k;
        int fd;

        harness_open(&harness);
        peer_fill(&harness.peer, 1, N_PINS, "x");
        harness.bus->patience.pipe_usec = 20 * USEC_PER_MSEC;
        fd = open_stream(ALICE);
        PEER_UNTIL(&harness.peer, harness.bus->n[BUS_KIND_PIPE] == 0);
        while ((k = read(fd, buffer + n, 65536)) > 0)
                n += (size_t) k;
        g_assert_cmpint(k, ==, 0);
        buffer[n] = '\0';
        g_assert_cmpuint(n, <=, 2 * 1024 * 1024);
        g_assert_null(strstr(buffer, "{\"end\":"));
        close(fd);
        harness_close(&harness);
}

/* A list that waits for Kubo is not the reader's fault. */
static void test_list_that_waits(void) {
        _cleanup_free_ char *text = NULL;
        HarnessCall call;

        harness_open(&harness);
        harness.bus->patience.pipe_usec = USEC_PER_MSEC;
        fake_kubo_plan(harness.peer.kubo, "pin/ls", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        harness_send(&harness, &call, ALICE, "SyncAll", NULL);
        harness_wait(&harness, &call);
        for (gint64 end = g_get_monotonic_time() + 20 * G_TIME_SPAN_MILLISECOND;
             g_get_monotonic_time() < end;)
                peer_turn(&harness.peer, G_MAXINT64);
        g_assert_cmpuint(harness.bus->n[BUS_KIND_PIPE], ==, 1);

        cluster_stop(harness.peer.cluster);
        text = harness_read_pipe(&harness, call.reply);
        g_assert_cmpstr(text,
                        ==,
                        "{\"error\":{\"code\":500,\"name\":\"Canceled\",\"message\":\"the peer is being "
                        "stopped\"}}\n");
        harness_call_done(&call);
        harness_close(&harness);
}

static void test_too_many(void) {
        _cleanup_free_ char *text = NULL;
        int fds[4];

        harness_open(&harness);
        peer_fill(&harness.peer, 1, N_PINS, "x");
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = open_stream(ALICE);
        text = harness_call(&harness, ALICE, "StreamPins", "s", "");
        g_assert_cmpstr(text, ==, "Busy: there are 4 pipes open for you already, at most 4 are allowed");
        close(open_stream(BOB));
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
        PEER_UNTIL(&harness.peer, harness.bus->n[BUS_KIND_PIPE] == 0);
        close(open_stream(ALICE));
        harness_close(&harness);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        (void) signal(SIGPIPE, SIG_IGN); /* as the daemon does */
        g_test_add_func("/dbus/pipe/whole", test_whole);
        g_test_add_func("/dbus/pipe/value", test_value);
        g_test_add_func("/dbus/pipe/empty", test_empty);
        g_test_add_func("/dbus/pipe/reader-that-leaves", test_reader_that_leaves);
        g_test_add_func("/dbus/pipe/reader-that-never-reads", test_reader_that_never_reads);
        g_test_add_func("/dbus/pipe/list-that-waits", test_list_that_waits);
        g_test_add_func("/dbus/pipe/too-many", test_too_many);
        return g_test_run();
}
