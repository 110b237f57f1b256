#include <string.h>

#include "daemon/types/pin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Without its requests a pin is written as what comes before them. */
static void check_parts(const Pin *pin, const Str *bytes) {
        PinParts parts = pin_parts(bytes->data, bytes->len);
        _cleanup_(str_done) Str own = {};
        Pin bare = *pin;

        bare.requests = (PinRequestList){};
        if (pin_write(&bare, &own) < 0 || own.len != parts.own ||
            memcmp(own.data, bytes->data, own.len) != 0)
                abort();
        if (parts.requests < parts.own || (parts.requests == bytes->len) != (pin->requests.n == 0))
                abort();
}

/* A message that was read is written canonically: that one reads as the same pin and writes as the same
 * bytes. It may be too large, since a canonical origin can be longer than what was read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(str_done) Str bytes = {}, again = {}, text = {};
        _cleanup_(pin_done) Pin pin = {}, second = {}, copy = {};
        int r;

        if (pin_read(data, size, &pin) < 0)
                return 0;

        r = pin_write(&pin, &bytes);
        if (r == -E2BIG)
                return 0;
        if (r < 0 || pin_read(bytes.data, bytes.len, &second) < 0 || !pin_equal(&pin, &second))
                abort();
        if (pin_write(&second, &again) < 0 || again.len != bytes.len)
                abort();
        check_parts(&pin, &bytes);
        if (pin_copy(&copy, &second) < 0 || !pin_equal(&copy, &pin))
                abort();
        if (json_write(&pin_shape, &pin, &text) < 0)
                abort();
        return 0;
}
