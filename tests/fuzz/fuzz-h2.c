#include "daemon/net/h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Answer what is asked, as a peer would. */
static void handle(H2 *h2, const H2Event *event) {
        switch (event->type) {
        case H2_HEAD:
                if (!h2_stream_path(event->stream) || !h2_stream_method(event->stream))
                        abort();
                break;
        case H2_DATA:
                h2_consume(h2, event->stream, event->size);
                break;
        case H2_END:
                if (h2_stream_is_request(event->stream) && h2_respond(h2, event->stream, 200, NULL) >= 0)
                        (void) h2_write(h2, event->stream, "answer", 6, true);
                break;
        case H2_SETTINGS:
        case H2_WRITABLE:
        case H2_CLOSED:
        case H2_PONG:
        case H2_GOAWAY:
                break;
        }
}

static void dispatch(H2 *h2) {
        H2Event event;

        while (h2_next(h2, &event))
                handle(h2, &event);
}

static void produce(H2 *h2) {
        uint8_t buffer[4096];

        while (h2_produce(h2, buffer, sizeof(buffer)) > 0)
                dispatch(h2);
        dispatch(h2);
}

/* The first byte says whose side is fed, and in pieces of what size. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const H2Options options = {
                .is_dialler = size > 0 && data[0] & 1,
                .streams_max = 16,
                .header_max = 1024,
        };
        size_t piece = size > 0 && data[0] >> 1 ? data[0] >> 1 : size, n;
        _cleanup_(h2_freep) H2 *h2 = NULL;
        H2Stream *stream;

        if (h2_new(&h2, &options) < 0)
                return 0;
        if (h2_request(h2, &stream, "/1/x", h2) >= 0)
                (void) h2_write(h2, stream, "body", 4, true);
        produce(h2);

        for (size_t at = 1; at < size; at += n) {
                int r;

                n = piece < size - at ? piece : size - at;
                r = h2_feed(h2, data + at, n);
                dispatch(h2);
                produce(h2);
                if (r < 0 || h2_is_broken(h2))
                        break;
        }
        return 0;
}
