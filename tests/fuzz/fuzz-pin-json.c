#include <string.h>

#include "daemon/types/pin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A pin that was read from JSON is the same when written and read again, and is stored or too large. */
static void check_again(const Pin *pin) {
        _cleanup_(str_done) Str text = {}, again = {}, bytes = {};
        _cleanup_(pin_done) Pin second = {}, stored = {};

        if (json_write(&pin_shape, pin, &text) < 0 ||
            json_read_text(&pin_shape, text.data, text.len, &second, NULL) < 0)
                abort();
        if (json_write(&pin_shape, &second, &again) < 0 || strcmp(text.data, again.data) != 0)
                abort();
        if (pin_write(pin, &bytes) >= 0 &&
            (pin_read(bytes.data, bytes.len, &stored) < 0 || !cid_equal(&stored.cid, &pin->cid)))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(pin_done) Pin pin = {}, imported = {};
        Error error = {};

        if (json_read_text(&pin_shape, (const char *) data, size, &pin, NULL) >= 0)
                check_again(&pin);
        if (pin_import_read((const char *) data, size, &imported, &error) >= 0)
                check_again(&imported);
        error_done(&error);
        return 0;
}
