#include <string.h>

#include "daemon/adder/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is told of FORM when it comes in pieces of STEP bytes; negative when it is refused. */
static int read_form(const char *data, size_t size, size_t step, Str *told) {
        AdderMultipart form;
        int r = adder_multipart_init(&form, "multipart/form-data; boundary=B", NULL);

        for (size_t at = 0, end; at < size && r >= 0; at = end) {
                end = at + MIN(step, size - at);
                while (at < end && r >= 0) {
                        AdderEvent event;
                        ssize_t n = adder_multipart_next(&form, data + at, end - at, &event, NULL);

                        if (n == 0 && event.type == ADDER_EVENT_NONE)
                                abort();
                        if (event.type == ADDER_EVENT_DATA)
                                (void) str_append_bytes(told, event.data, event.n);
                        else if (event.type != ADDER_EVENT_NONE)
                                (void) str_appendf(told, "<%d>", (int) event.type);
                        if (n < 0)
                                r = (int) n;
                        else
                                at += (size_t) n;
                }
        }
        adder_multipart_done(&form);
        return r;
}

/* However it comes, it says the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(str_done) Str whole = {}, pieces = {};
        int r, k;

        r = read_form((const char *) data, size, SIZE_MAX, &whole);
        k = read_form((const char *) data, size, 3, &pieces);
        if (r != k || whole.len != pieces.len ||
            (whole.len > 0 && memcmp(whole.data, pieces.data, whole.len) != 0))
                abort();
        return 0;
}
