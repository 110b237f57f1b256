#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/proxy/internal.h"

/* Two ends between which a flow goes: SOURCE ──► from … to ──► SINK. */
typedef struct Road {
        Proxy proxy;
        ProxyEnd from, to;
        ProxyFlow flow;
        int source, sink;
} Road;

static void on_ready(PollerWatch *watch, uint32_t events) {
        stream_on_events(CONTAINER_OF(watch, Stream, watch), events);
}

static int open_end(Road *road, ProxyEnd *end) {
        int fds[2];

        *end = (ProxyEnd){ .proxy = &road->proxy, .stream.watch.ready = on_ready };
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
        g_assert_cmpint(stream_init(&end->stream, road->proxy.poller, fds[0]), ==, 0);
        return fds[1];
}

static void road_open(Road *road, Http1BodyKind kind, uint64_t length) {
        *road = (Road){};
        g_assert_cmpint(sd_event_new(&road->proxy.event), ==, 0);
        g_assert_cmpint(poller_new(&road->proxy.poller, road->proxy.event), ==, 0);
        road->source = open_end(road, &road->from);
        road->sink = open_end(road, &road->to);
        road->flow = (ProxyFlow){ .from = &road->from, .to = &road->to };
        http1_body_init(&road->flow.body, kind, length);
}

static void road_close(Road *road) {
        proxy_end_deinit(&road->from);
        proxy_end_deinit(&road->to);
        close(road->source);
        close(road->sink);
        while (road->proxy.buffers) {
                ProxyBuffer *buffer = road->proxy.buffers;

                road->proxy.buffers = buffer->next;
                free(buffer);
        }
        poller_free(road->proxy.poller);
        sd_event_unref(road->proxy.event);
}

static void turn(Road *road) {
        for (int i = 0; i < 3; i++)
                g_assert_cmpint(sd_event_run(road->proxy.event, 0), >=, 0);
}

static void put(Road *road, const char *text) {
        g_assert_cmpint(write(road->source, text, strlen(text)), ==, (ssize_t) strlen(text));
        turn(road);
}

static char *got(Road *road) {
        char *text = g_malloc0(4096);
        ssize_t n = read(road->sink, text, 4095);

        g_assert_cmpint(n, >=, -1);
        return text;
}

#define ASSERT_GOT(road, text)                                                                              \
        do {                                                                                                \
                g_autofree char *_got = got(road);                                                          \
                g_assert_cmpstr(_got, ==, text);                                                            \
        } while (0)

static void test_chunked(void) {
        Road road;

        road_open(&road, HTTP1_BODY_CHUNKED, 0);
        g_assert_cmpint(str_append(&road.to.out, "HEAD "), ==, 0);
        put(&road, "3\r\nab");
        g_assert_cmpint(proxy_flow_run(&road.flow), ==, PROXY_FLOW_WAIT);
        ASSERT_GOT(&road, "HEAD 3\r\nab"); /* at once, and as it came */
        g_assert_null(road.from.in);       /* an end at rest holds no buffer */
        put(&road, "c\r\n0\r\nX: y\r\n\r\nNEXT");
        g_assert_cmpint(proxy_flow_run(&road.flow), ==, PROXY_FLOW_ENDED);
        ASSERT_GOT(&road, "c\r\n0\r\nX: y\r\n\r\n");
        g_assert_cmpuint(road.from.end - road.from.start, ==, 4);
        road_close(&road);
}

/* What waits for the other side's answer holds no buffer. */
static void test_at_rest(void) {
        Road road;

        road_open(&road, HTTP1_BODY_LENGTH, 5);
        put(&road, "hello");
        g_assert_cmpint(proxy_flow_run(&road.flow), ==, PROXY_FLOW_ENDED);
        ASSERT_GOT(&road, "hello");
        g_assert_null(road.from.in);
        road_close(&road);
}

/* However the data comes, its last bytes are kept. */
static void test_tail(void) {
        ProxyTail tail = {};
        Road road;

        road_open(&road, HTTP1_BODY_CHUNKED, 0);
        road.flow.tail = &tail;
        for (int i = 0; i < 300; i++) {
                put(&road, i % 2 ? "2\r\nab\r\n" : "1\r\n-\r\n");
                g_assert_cmpint(proxy_flow_run(&road.flow), ==, PROXY_FLOW_WAIT);
                ASSERT_GOT(&road, i % 2 ? "2\r\nab\r\n" : "1\r\n-\r\n");
        }
        put(&road, "5\r\nthe e\r\n2\r\nnd\r\n0\r\n\r\n");
        g_assert_cmpint(proxy_flow_run(&road.flow), ==, PROXY_FLOW_ENDED);
        g_assert_cmpuint(tail.n, ==, PROXY_TAIL);
        g_assert_cmpmem(tail.bytes + PROXY_TAIL - 11, 11, "b-abthe end", 11);
        road_close(&road);
}

static void test_bad(void) {
        Road road;

        road_open(&road, HTTP1_BODY_CHUNKED, 0);
        put(&road, "3\r\nabcX");
        g_assert_cmpint(proxy_flow_run(&road.flow), ==, PROXY_FLOW_BAD);
        ASSERT_GOT(&road, ""); /* nothing of what is not understood */
        road_close(&road);
}

static void test_ends(void) {
        static const struct {
                Http1BodyKind kind;
                ProxyFlowResult result;
        } cases[] = {
                { HTTP1_BODY_LENGTH, PROXY_FLOW_CUT },
                { HTTP1_BODY_CHUNKED, PROXY_FLOW_CUT },
                { HTTP1_BODY_CLOSE, PROXY_FLOW_ENDED },
                { HTTP1_BODY_NONE, PROXY_FLOW_ENDED },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Road road;

                g_test_message("%d", (int) cases[i].kind);
                road_open(&road, cases[i].kind, 100);
                g_assert_cmpint(shutdown(road.source, SHUT_WR), ==, 0);
                turn(&road);
                g_assert_cmpint(proxy_flow_run(&road.flow), ==, cases[i].result);
                road_close(&road);
        }
}

/* A sink that takes nothing makes the source wait, whatever it has; no more than a buffer is held. */
static void test_back_pressure(void) {
        g_autofree char *bytes = g_malloc0(1 << 16);
        size_t in = 0, out = 0;
        ssize_t n;
        Road road;

        road_open(&road, HTTP1_BODY_LENGTH, UINT64_C(1) << 40);
        for (int i = 0; i < 100; i++) {
                while ((n = write(road.source, bytes, 1 << 16)) > 0)
                        in += (size_t) n;
                turn(&road);
                g_assert_cmpint(proxy_flow_run(&road.flow), ==, PROXY_FLOW_WAIT);
        }
        g_assert_cmpuint(in, <, 4 << 20);
        g_assert_cmpuint(road.from.end - road.from.start, >, 0);

        for (int i = 0; i < 1000 && out < in; i++) {
                while ((n = read(road.sink, bytes, 1 << 16)) > 0)
                        out += (size_t) n;
                turn(&road);
                (void) proxy_flow_run(&road.flow);
        }
        g_assert_cmpuint(out, ==, in);
        road_close(&road);
}

static void test_stuck(void) {
        Road road;

        road_open(&road, HTTP1_BODY_LENGTH, 10);
        close(road.sink);
        road.sink = -1;
        put(&road, "hello");
        g_assert_cmpint(proxy_flow_run(&road.flow), ==, PROXY_FLOW_STUCK);
        road_close(&road);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/proxy/end/chunked", test_chunked);
        g_test_add_func("/proxy/end/at-rest", test_at_rest);
        g_test_add_func("/proxy/end/tail", test_tail);
        g_test_add_func("/proxy/end/bad", test_bad);
        g_test_add_func("/proxy/end/ends", test_ends);
        g_test_add_func("/proxy/end/back-pressure", test_back_pressure);
        g_test_add_func("/proxy/end/stuck", test_stuck);
        return g_test_run();
}
