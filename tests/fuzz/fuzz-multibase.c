#include <string.h>

#include "daemon/base/multibase.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decoding is strict: whatever is decoded has exactly the text that it came from. */
static void check_decode(Multibase base, const uint8_t *data, size_t size) {
        _cleanup_(str_done) Str text = {};
        uint8_t bytes[2 * MULTIBASE_NUMBER_MAX];
        ssize_t n;

        n = multibase_decode(base, (const char *) data, size, bytes, sizeof(bytes));
        if (n < 0)
                return;
        if (multibase_encode(base, bytes, (size_t) n, &text) < 0)
                abort();
        if (text.len != size || (size > 0 && memcmp(text.data, data, size) != 0))
                abort();
}

static void check_encode(Multibase base, const uint8_t *data, size_t size) {
        _cleanup_(str_done) Str text = {};
        uint8_t bytes[2 * MULTIBASE_NUMBER_MAX];
        ssize_t n;

        if (size > MULTIBASE_NUMBER_MAX / 2)
                return;
        if (multibase_encode(base, data, size, &text) < 0)
                abort();
        n = multibase_decode(base, text.data, text.len, bytes, size);
        if (n != (ssize_t) size || (size > 0 && memcmp(bytes, data, size) != 0))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Multibase base;

        for (base = 0; base < _MULTIBASE_N; base++)
                check_encode(base, data, size);

        if (size == 0)
                return 0;
        base = multibase_from_prefix((char) data[0]);
        if (base >= 0)
                check_decode(base, data + 1, size - 1);
        return 0;
}
