#include <string.h>

#include "ctl/backend/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes out of DATA fed in pieces of STEP, and how it ended. */
static int split(const uint8_t *data, size_t size, size_t step, Str *to) {
        CtlStream stream = {};
        const char *text;
        size_t n;
        int r = 0;

        for (size_t i = 0; i < size && r >= 0; i += step) {
                ctl_stream_feed(&stream, (const char *) data + i, MIN(step, size - i));
                while ((r = ctl_stream_next(&stream, &text, &n)) > 0) {
                        if (n < 2 || text[0] != '{' || strchr("]}", text[n - 1]) == NULL)
                                abort();
                        (void) str_append_bytes(to, text, n);
                        (void) str_append_char(to, '\n');
                }
        }
        if (r == 0 && ctl_stream_is_whole(&stream))
                r = 1;
        ctl_stream_done(&stream);
        return r;
}

/* It does not matter where the bytes are cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(str_done) Str whole = {}, bytes = {}, pieces = {};
        int r;

        r = split(data, size, size + 1, &whole);
        if (split(data, size, 1, &bytes) != r || split(data, size, 7, &pieces) != r)
                abort();
        if (bytes.len != whole.len || pieces.len != whole.len)
                abort();
        if (whole.len > 0 && (memcmp(bytes.data, whole.data, whole.len) != 0 ||
                              memcmp(pieces.data, whole.data, whole.len) != 0))
                abort();
        return 0;
}
