#include <string.h>

#include "daemon/wire/http1-body.h"

#define HEAD_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read and written again reads the same. */
static void check_request(const Http1Head *head) {
        _cleanup_(str_done) Str text = {};
        const char *why;
        Http1Head again;

        (void) str_append_bytes(&text, head->method.at, head->method.n);
        (void) str_append_char(&text, ' ');
        (void) str_append_bytes(&text, head->target.at, head->target.n);
        (void) str_append(&text, head->is_http10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
        for (size_t i = 0; i < head->n_fields; i++)
                (void) http1_write(&text, head->fields + i);
        if (str_append(&text, "\r\n") < 0)
                return;
        if (http1_read_request(text.data, text.len, 2 * HEAD_MAX, &again, &why) != HTTP1_WHOLE ||
            again.n_fields != head->n_fields || again.body != head->body || again.length != head->length ||
            again.closes != head->closes)
                abort();
}

/* However the bytes are cut, the body ends at the same place, and has the same data. */
static uint64_t walk(Http1BodyKind kind, const char *bytes, size_t n, size_t step, uint64_t *ret_data) {
        size_t at = 0, known = 0;
        Http1Body body;
        Http1Part part;

        *ret_data = 0;
        http1_body_init(&body, kind, n / 2);
        while (!http1_body_is_ended(&body) && (at < known || known < n)) {
                int r;

                known = MIN(n, MAX(known, at + step));
                r = http1_body_next(&body, bytes + at, known - at, &part);
                if (r < 0)
                        return UINT64_MAX;
                if (part.used > known - at || part.n > part.used)
                        abort();
                if (r == HTTP1_PART_DATA)
                        *ret_data += part.n;
                at += part.used;
        }
        return at;
}

static void check_body(Http1BodyKind kind, const char *bytes, size_t n) {
        uint64_t data, again;
        uint64_t end = walk(kind, bytes, n, n, &data);

        for (size_t step = 1; step < 4; step++)
                if (walk(kind, bytes, n, step, &again) != end || (end != UINT64_MAX && data != again))
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *bytes = (const char *) data, *why;
        Http1Head head;
        int r;

        r = http1_read_request(bytes, size, HEAD_MAX, &head, &why);
        if (r == HTTP1_WHOLE)
                check_request(&head);
        else if (r != HTTP1_MORE && (r < 400 || !why))
                abort();
        r = http1_read_answer(bytes, size, HEAD_MAX, size % 2 == 0, &head, &why);
        if (r == HTTP1_WHOLE && head.size > size)
                abort();

        check_body(HTTP1_BODY_CHUNKED, bytes, size);
        check_body(HTTP1_BODY_LENGTH, bytes, size);
        check_body(HTTP1_BODY_CLOSE, bytes, size);
        return 0;
}
