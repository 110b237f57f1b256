#include <string.h>

#include "daemon/types/pin-request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The id of a request, as text and as bytes: what was accepted reads the same again. */
static void check_again(const PinRequestId *id) {
        _cleanup_(str_done) Str bytes = {};
        char text[PIN_REQUEST_ID_TEXT_MAX];
        PinRequestId again;

        if (pin_request_id_write(id, &bytes) < 0 || bytes.len > PIN_REQUEST_ID_BYTES_MAX ||
            pin_request_id_read(bytes.data, bytes.len, &again) != (ssize_t) bytes.len ||
            !pin_request_id_equal(id, &again))
                abort();
        if (cid_is_defined(&id->cid) && (pin_request_id_parse(pin_request_id_format(id, text), &again) < 0 ||
                                         !pin_request_id_equal(id, &again)))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size);
        PinRequestId id;
        ssize_t n;

        if (text && pin_request_id_parse(text, &id) >= 0)
                check_again(&id);
        n = pin_request_id_read(data, size, &id);
        if (n > (ssize_t) size)
                abort();
        if (n > 0)
                check_again(&id);
        return 0;
}
