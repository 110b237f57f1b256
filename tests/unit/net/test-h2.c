#include <glib.h>
#include <string.h>

#include "daemon/net/h2-session.h"
#include "tests/lib/fault.h"

/* Two ends in memory: what one produces, the other is fed in pieces of CHUNK. */

typedef struct End {
        H2 *h2;
        GString *data;          /* of all streams */
        H2Stream *stream;       /* the last that was told of */
        bool consumes, answers; /* answers each request with its own body */
        bool fills;             /* writes whenever there is room */
        size_t fill_left;
        unsigned n_heads, n_ends, n_closed, n_settings, n_goaways, n_writable, n_pongs;
        uint64_t pong;
        uint32_t reason;
        size_t largest_queue;
        bool is_broken;
} End;

typedef struct Pair {
        End ends[2]; /* the dialler, the acceptor */
        size_t chunk;
} Pair;

static void set_up(Pair *p, const void *data G_GNUC_UNUSED) {
        *p = (Pair){ .chunk = 1000 };
        for (int i = 0; i < 2; i++) {
                const H2Options options = { .is_dialler = i == 0, .streams_max = 16, .header_max = 1024 };

                p->ends[i] = (End){ .data = g_string_new(NULL), .consumes = true, .answers = true };
                g_assert_cmpint(h2_new(&p->ends[i].h2, &options), ==, 0);
        }
}

static void tear_down(Pair *p, const void *data G_GNUC_UNUSED) {
        for (int i = 0; i < 2; i++) {
                h2_free(p->ends[i].h2);
                g_string_free(p->ends[i].data, TRUE);
        }
}

static void fill(End *end, H2Stream *stream) {
        static const uint8_t block[16384] = { 'f' };

        while (end->fill_left > 0 && h2_stream_queued(stream) < H2_LOW) {
                size_t n = MIN(sizeof(block), end->fill_left);

                end->fill_left -= n;
                g_assert_cmpint(h2_write(end->h2, stream, block, n, end->fill_left == 0), ==, 0);
        }
        end->largest_queue = MAX(end->largest_queue, h2_queued(end->h2));
}

static void on_event(End *end, const H2Event *event) {
        end->stream = event->stream ?: end->stream;
        switch (event->type) {
        case H2_SETTINGS:
                end->n_settings++;
                break;
        case H2_HEAD:
                end->n_heads++;
                break;
        case H2_DATA:
                g_string_append_len(end->data, (const char *) event->data, (gssize) event->size);
                if (end->consumes)
                        h2_consume(end->h2, event->stream, event->size);
                break;
        case H2_END:
                end->n_ends++;
                if (h2_stream_is_request(event->stream) && end->answers) {
                        g_assert_cmpint(h2_respond(end->h2, event->stream, 200, NULL), ==, 0);
                        g_assert_cmpint(h2_write(end->h2,
                                                 event->stream,
                                                 end->data->str,
                                                 end->data->len,
                                                 true),
                                        ==,
                                        0);
                }
                break;
        case H2_WRITABLE:
                end->n_writable++;
                fill(end, event->stream);
                break;
        case H2_CLOSED:
                end->n_closed++;
                end->reason = event->reason;
                end->stream = NULL;
                break;
        case H2_PONG:
                end->n_pongs++;
                end->pong = event->value;
                break;
        case H2_GOAWAY:
                end->n_goaways++;
                break;
        }
}

static void dispatch(End *end) {
        H2Event event;

        while (h2_next(end->h2, &event))
                on_event(end, &event);
}

/* Answers whether something moved. */
static bool move(Pair *p, int from) {
        End *source = &p->ends[from], *sink = &p->ends[1 - from];
        uint8_t buffer[16384];
        ssize_t n;

        n = h2_produce(source->h2, buffer, sizeof(buffer));
        g_assert_cmpint(n, >=, 0);
        dispatch(source);
        for (ssize_t at = 0; at < n && !sink->is_broken; at += (ssize_t) p->chunk) {
                sink->is_broken = h2_feed(sink->h2, buffer + at, MIN(p->chunk, (size_t) (n - at))) < 0;
                dispatch(sink);
        }
        return n > 0;
}

static void run(Pair *p) {
        for (bool moved = true; moved;) {
                moved = move(p, 0);
                moved = move(p, 1) || moved;
        }
}

static H2Stream *ask(End *end, const char *body) {
        H2Stream *stream;

        g_assert_cmpint(h2_request(end->h2, &stream, "/1/x", end), ==, 0);
        if (body)
                g_assert_cmpint(h2_write(end->h2, stream, body, strlen(body), true), ==, 0);
        return stream;
}

/* ---- both ask */

static void test_both_ways(Pair *p, const void *data G_GNUC_UNUSED) {
        static const size_t chunks[] = { 1, 2, 8, 9, 10, 1000, 16384 };

        for (size_t i = 0; i < ELEMENTSOF(chunks); i++) {
                tear_down(p, NULL);
                set_up(p, NULL);
                p->chunk = chunks[i];
                ask(&p->ends[0], "dialler");
                run(p);
                g_assert_cmpstr(p->ends[1].data->str, ==, "dialler");
                g_assert_cmpstr(p->ends[0].data->str, ==, "dialler");
                g_assert_cmpuint(p->ends[0].n_settings, ==, 1);
                g_assert_cmpuint(p->ends[1].n_settings, ==, 0);

                g_string_truncate(p->ends[0].data, 0);
                g_string_truncate(p->ends[1].data, 0);
                ask(&p->ends[1], "acceptor");
                ask(&p->ends[1], "");
                run(p);
                g_assert_cmpstr(p->ends[1].data->str, ==, "acceptoracceptor");
                for (int k = 0; k < 2; k++) {
                        g_assert_cmpuint(p->ends[k].n_closed, ==, 3);
                        g_assert_cmpuint(p->ends[k].reason, ==, 0);
                        g_assert_cmpuint(h2_n_streams(p->ends[k].h2), ==, 0);
                        g_assert_cmpuint(h2_queued(p->ends[k].h2), ==, 0);
                        g_assert_cmpint(h2_is_broken(p->ends[k].h2), ==, false);
                }
        }
}

static void test_heads(Pair *p, const void *data G_GNUC_UNUSED) {
        H2Stream *stream;

        p->ends[1].answers = false;
        stream = ask(&p->ends[0], "a");
        g_assert_cmpint(h2_stream_is_sent(stream), ==, false);
        run(p);
        g_assert_cmpint(h2_stream_is_sent(stream), ==, true);
        g_assert_cmpstr(h2_stream_path(p->ends[1].stream), ==, "/1/x");
        g_assert_cmpstr(h2_stream_method(p->ends[1].stream), ==, "POST");
        g_assert_cmpint(h2_stream_has_ended(p->ends[1].stream), ==, true);

        g_assert_cmpint(h2_respond(p->ends[1].h2, p->ends[1].stream, 404, "NotFound"), ==, 0);
        run(p);
        g_assert_cmpuint(h2_stream_status(stream), ==, 404);
        g_assert_cmpstr(h2_stream_code(stream), ==, "NotFound");
}

static void test_long_path(Pair *p, const void *data G_GNUC_UNUSED) {
        g_autofree char *path = g_strnfill(H2_PATH_MAX, '/'), *longer = g_strnfill(1024, '/');
        H2Stream *stream;

        p->ends[1].answers = false;
        g_assert_cmpint(h2_request(p->ends[0].h2, &stream, path, NULL), ==, 0);
        run(p);
        g_assert_cmpstr(h2_stream_path(p->ends[1].stream), ==, "");
        g_assert_cmpuint(p->ends[1].n_heads, ==, 1);

        /* More than all header fields may have: not told of, and counted. */
        p->ends[0].h2->options.header_max = 4096;
        (void) h2_request(p->ends[0].h2, &stream, longer, NULL);
        run(p);
        g_assert_cmpuint(p->ends[1].n_heads, ==, 1);
}

/* ---- flow control */

static void test_window(Pair *p, const void *data G_GNUC_UNUSED) {
        static const int offsets[] = { -1, 0, 1 };

        for (size_t i = 0; i < ELEMENTSOF(offsets); i++) {
                size_t n = (size_t) (H2_WINDOW + offsets[i]);
                g_autofree char *body = g_strnfill(n, 'w');
                H2Stream *stream;

                tear_down(p, NULL);
                set_up(p, NULL);
                p->ends[1].consumes = p->ends[1].answers = false;
                run(p); /* settings first: they carry the window */
                stream = ask(&p->ends[0], body);
                run(p);
                g_assert_cmpuint(p->ends[1].data->len, ==, MIN(n, (size_t) H2_WINDOW));
                g_assert_cmpuint(h2_stream_queued(stream), ==, n - p->ends[1].data->len);
                if (n > H2_WINDOW) {
                        h2_consume(p->ends[1].h2, p->ends[1].stream, H2_WINDOW);
                        run(p);
                }
                g_assert_cmpuint(p->ends[1].data->len, ==, n);
        }
}

/* Streams that are not read stop no other: all of them full, the next one still gets through. */
static void test_no_stream_stops_another(Pair *p, const void *data G_GNUC_UNUSED) {
        g_autofree char *body = g_strnfill(H2_WINDOW + 1, 'w');

        p->ends[1].consumes = p->ends[1].answers = false;
        run(p);
        for (int i = 0; i < 15; i++)
                ask(&p->ends[0], body);
        run(p);
        g_assert_cmpuint(p->ends[1].data->len, ==, 15UL * H2_WINDOW);
        ask(&p->ends[0], "through");
        run(p);
        g_assert_cmpuint(p->ends[1].data->len, ==, 15UL * H2_WINDOW + 7);
        g_assert_cmpuint(p->ends[1].n_ends, ==, 1);
}

static void test_writable(Pair *p, const void *data G_GNUC_UNUSED) {
        p->ends[0].fill_left = 20 * 1024 * 1024;
        p->ends[1].answers = false;
        ask(&p->ends[0], NULL);
        run(p);
        g_assert_cmpuint(p->ends[1].data->len, ==, 20 * 1024 * 1024);
        g_assert_cmpuint(p->ends[1].n_ends, ==, 1);
        g_assert_cmpuint(p->ends[0].n_writable, >, 100);
        g_assert_cmpuint(p->ends[0].largest_queue, <=, H2_LOW + 16384);
}

/* What is appended to a stream that never runs empty does not make its buffer grow. */
static void test_buffer_is_reused(Pair *p, const void *data G_GNUC_UNUSED) {
        static const char block[1024];
        H2Stream *stream;

        p->ends[1].answers = false;
        run(p);
        stream = ask(&p->ends[0], NULL);
        for (int i = 0; i < 2000; i++) {
                g_assert_cmpint(h2_write(p->ends[0].h2, stream, block, sizeof(block), false), ==, 0);
                if (i > 100)
                        (void) move(p, 0);
                if (i % 50 == 0)
                        (void) move(p, 1);
        }
        g_assert_cmpuint(stream->out.capacity, <, 512 * 1024);
}

/* ---- ends */

static void test_early_answer(Pair *p, const void *data G_GNUC_UNUSED) {
        g_autofree char *body = g_strnfill(2 * H2_WINDOW, 'e');

        p->ends[1].answers = p->ends[1].consumes = false;
        run(p);
        ask(&p->ends[0], body);
        (void) move(p, 0);
        g_assert_cmpint(h2_respond(p->ends[1].h2, p->ends[1].stream, 413, "TooBig"), ==, 0);
        g_assert_cmpint(h2_write(p->ends[1].h2, p->ends[1].stream, "no", 2, true), ==, 0);
        run(p);
        g_assert_cmpstr(p->ends[0].data->str, ==, "no");
        g_assert_cmpuint(p->ends[0].n_closed, ==, 1);
        g_assert_cmpuint(p->ends[0].reason, ==, H2_NO_ERROR);
        g_assert_cmpuint(p->ends[1].n_closed, ==, 1);
        g_assert_cmpuint(h2_queued(p->ends[0].h2), ==, 0);
}

static void test_resets(Pair *p, const void *data G_GNUC_UNUSED) {
        H2Stream *streams[5];

        p->ends[1].answers = false;
        for (int i = 0; i < 5; i++)
                streams[i] = ask(&p->ends[0], "r");
        run(p);
        h2_reset(p->ends[0].h2, streams[0], H2_CANCEL);
        run(p);
        g_assert_cmpuint(p->ends[1].reason, ==, H2_CANCEL);
        g_assert_cmpuint(h2_take_resets(p->ends[1].h2), ==, 1);
        g_assert_cmpuint(h2_take_resets(p->ends[1].h2), ==, 0);

        for (int i = 1; i < 4; i++)
                h2_stream_set_userdata(streams[i], NULL);
        g_assert_cmpuint(h2_reset_orphans(p->ends[0].h2, 2), ==, 2);
        g_assert_cmpuint(h2_reset_orphans(p->ends[0].h2, 2), ==, 1);
        g_assert_cmpuint(h2_reset_orphans(p->ends[0].h2, 2), ==, 0);
        run(p);
        g_assert_cmpuint(h2_n_streams(p->ends[1].h2), ==, 1);
        g_assert_cmpuint(h2_take_resets(p->ends[1].h2), ==, 3);
}

/* The other side takes 16 at once; the rest waits here and loses nothing. */
static void test_streams_max(Pair *p, const void *data G_GNUC_UNUSED) {
        p->ends[1].answers = false;
        for (int i = 0; i < 20; i++)
                ask(&p->ends[0], "m");
        run(p);
        g_assert_cmpuint(p->ends[1].n_ends, ==, 16);
        g_assert_cmpint(h2_respond(p->ends[1].h2, p->ends[1].stream, 200, NULL), ==, 0);
        g_assert_cmpint(h2_write(p->ends[1].h2, p->ends[1].stream, NULL, 0, true), ==, 0);
        run(p);
        g_assert_cmpuint(p->ends[1].n_ends, ==, 17);
}

static void test_ping(Pair *p, const void *data G_GNUC_UNUSED) {
        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(h2_ping(p->ends[i].h2, 42 + (uint64_t) i), ==, 0);
                run(p);
                g_assert_cmpuint(p->ends[i].pong, ==, 42 + (uint64_t) i);
        }
}

static void test_drain(Pair *p, const void *data G_GNUC_UNUSED) {
        H2Stream *stream;

        for (int i = 0; i < 2; i++) {
                tear_down(p, NULL);
                set_up(p, NULL);
                p->ends[i].answers = false;
                ask(&p->ends[1 - i], "under way");
                run(p);
                g_assert_cmpint(h2_drain(p->ends[i].h2), ==, 0);
                ask(&p->ends[1 - i], "crossing");
                (void) move(p, 1 - i);
                stream = ask(&p->ends[1 - i], "too late");
                (void) move(p, i);
                run(p);
                g_assert_cmpuint(p->ends[1 - i].n_closed, ==, 1); /* never sent */
                g_assert_cmpuint(p->ends[1 - i].reason, ==, H2_REFUSED_STREAM);
                g_assert_cmpuint(p->ends[1 - i].n_goaways, ==, 1);
                g_assert_cmpint(h2_request(p->ends[1 - i].h2, &stream, "/1/x", NULL), ==, -ECANCELED);
                g_assert_cmpuint(p->ends[i].n_ends, ==, 2);

                g_assert_cmpint(h2_respond(p->ends[i].h2, p->ends[i].stream, 200, NULL), ==, 0);
                g_assert_cmpint(h2_write(p->ends[i].h2, p->ends[i].stream, "done", 4, true), ==, 0);
                run(p);
                g_assert_cmpstr(p->ends[1 - i].data->str, ==, "done");
        }
}

static void test_terminate(Pair *p, const void *data G_GNUC_UNUSED) {
        ask(&p->ends[1], "x");
        run(p);
        h2_terminate(p->ends[0].h2, H2_NO_ERROR);
        run(p);
        g_assert_cmpuint(p->ends[1].n_goaways, ==, 2); /* of each session */
        g_assert_cmpint(h2_is_broken(p->ends[0].h2), ==, false);
}

/* ---- bad input */

static void test_garbage(Pair *p, const void *data G_GNUC_UNUSED) {
        static const struct {
                const char *bytes;
                size_t n;
                const char *words;
        } cases[] = {
#define BYTES(text) text, sizeof(text) - 1
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                { BYTES("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "not HTTP/2" },
                { BYTES(PREFACE "\0\0\0\x06\0\0\0\0\0"), NULL },               /* PING first */
                { BYTES(PREFACE "\xff\xff\xff\x04\0\0\0\0\0aaaaaaaa"), NULL }, /* 16 MB of SETTINGS */
                { BYTES(PREFACE "\0\0\0\x04\0\0\0\0\0"
                                "\0\0\1\0\0\0\0\0\x07"
                                "a"),
                  NULL }, /* DATA of nothing */
                { BYTES(PREFACE "\0\0\0\x04\0\0\0\0\0"
                                "\0\0\4\1\4\0\0\0\2aaaa"),
                  NULL }, /* an even stream */
                { BYTES(PREFACE "\0\0\0\x04\0\0\0\0\0"
                                "\0\0\4\1\4\0\0\0\1\xff\xff\xff\xff"),
                  NULL }, /* HPACK */
                { BYTES(PREFACE "\0\0\0\x04\0\0\0\0\0"
                                "\0\0\4\1\4\x80\0\0\1\xff\xff\xff\xff"),
                  NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t buffer[1024];
                int r;

                tear_down(p, NULL);
                set_up(p, NULL);
                r = h2_feed(p->ends[1].h2, cases[i].bytes, cases[i].n);
                dispatch(&p->ends[1]);
                (void) h2_produce(p->ends[1].h2, buffer, sizeof(buffer));
                if (r >= 0 && !h2_is_broken(p->ends[1].h2))
                        g_error("case %zu: accepted", i);
                if (cases[i].words)
                        g_assert_cmpstr(h2_words(p->ends[1].h2), ==, cases[i].words);
                g_assert_cmpuint(p->ends[1].n_heads, ==, 0);
        }
}

static void test_flood_of_pings(Pair *p, const void *data G_GNUC_UNUSED) {
        static const char ping[17] = { 0, 0, 8, 6 };
        int r;

        r = h2_feed(p->ends[1].h2, PREFACE "\0\0\0\x04\0\0\0\0\0", 33);
        for (int i = 0; i < 5000 && r >= 0; i++)
                r = h2_feed(p->ends[1].h2, ping, sizeof(ping));
        g_assert_cmpint(r, ==, -EPROTO);
        g_assert_nonnull(strstr(h2_words(p->ends[1].h2), "flood"));
}

static void test_out_of_memory(Pair *p, const void *data G_GNUC_UNUSED) {
        const H2Options options = { .is_dialler = true, .streams_max = 16, .header_max = 1024 };
        uint8_t buffer[4096];

        FOREACH_FAULT {
                _cleanup_(h2_freep) H2 *h2 = NULL;
                H2Stream *stream = NULL;
                H2Event event;
                int r;

                r = h2_new(&h2, &options);
                if (r >= 0)
                        r = h2_request(h2, &stream, "/1/x", p);
                if (r >= 0)
                        r = h2_write(h2, stream, "abc", 3, true);
                if (r >= 0 && h2_produce(h2, buffer, sizeof(buffer)) < 0)
                        r = -ENOMEM;
                while (r >= 0 && h2_next(h2, &event))
                        ;
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

static void test_out_of_memory_fed(Pair *p, const void *data G_GNUC_UNUSED) {
        uint8_t bytes[4096];
        ssize_t n;

        ask(&p->ends[0], "body");
        n = h2_produce(p->ends[0].h2, bytes, sizeof(bytes));
        g_assert_cmpint(n, >, 0);
        FOREACH_FAULT {
                const H2Options options = { .streams_max = 16, .header_max = 1024 };
                _cleanup_(h2_freep) H2 *h2 = NULL;
                int r = h2_new(&h2, &options);

                if (r >= 0)
                        r = h2_feed(h2, bytes, (size_t) n);
                if (r < 0) {
                        g_assert_cmpint(r, ==, -ENOMEM);
                        g_assert_cmpint(fault_fired(), ==, true);
                }
        }
}

#define ADD(path, function) g_test_add(path, Pair, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/net/h2/both-ways", test_both_ways);
        ADD("/net/h2/heads", test_heads);
        ADD("/net/h2/long-path", test_long_path);
        ADD("/net/h2/window", test_window);
        ADD("/net/h2/no-stream-stops-another", test_no_stream_stops_another);
        ADD("/net/h2/writable", test_writable);
        ADD("/net/h2/buffer-is-reused", test_buffer_is_reused);
        ADD("/net/h2/early-answer", test_early_answer);
        ADD("/net/h2/resets", test_resets);
        ADD("/net/h2/streams-max", test_streams_max);
        ADD("/net/h2/ping", test_ping);
        ADD("/net/h2/drain", test_drain);
        ADD("/net/h2/terminate", test_terminate);
        ADD("/net/h2/garbage", test_garbage);
        ADD("/net/h2/flood-of-pings", test_flood_of_pings);
        ADD("/net/h2/out-of-memory", test_out_of_memory);
        ADD("/net/h2/out-of-memory-fed", test_out_of_memory_fed);
        return g_test_run();
}
