#include <string.h>

#include "daemon/types/pin-options.h"

#define OPTIONS_MAX 64
#define NOW UINT64_C(1795361302123456)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Undo the escapes of pin_options_write(), in place. */
static void unescape(char *text) {
        char *to = text;

        for (; *text; text++)
                if (*text == '%') {
                        char digits[] = { text[1], text[2], '\0' };

                        *to++ = (char) strtol(digits, NULL, 16);
                        text += 2;
                } else
                        *to++ = *text;
        *to = '\0';
}

static size_t split(char *text, const char *separator, PinOption *options) {
        size_t n = 0;
        char *part;

        while (n < OPTIONS_MAX && (part = strsep(&text, separator))) {
                char *value = strchr(part, '=');

                if (value)
                        *value++ = '\0';
                options[n++] = (PinOption){ .key = part, .value = value ? value : "" };
        }
        return n;
}

/* What was read, written and read again, is the same. */
static void check_again(const Pin *pin) {
        _cleanup_(str_done) Str query = {}, again = {};
        _cleanup_(pin_done) Pin second = {};
        PinOption options[OPTIONS_MAX];
        size_t n;

        if (pin_options_write(pin, &query) < 0)
                abort();
        n = split(query.data, "&", options);
        if (n == OPTIONS_MAX)
                return;
        for (size_t i = 0; i < n; i++) {
                unescape((char *) options[i].key);
                unescape((char *) options[i].value);
        }

        if (pin_options_read(&second, options, n, NOW, NULL) < 0 || !pin_equal(pin, &second))
                abort();
        if (pin_options_write(&second, &again) < 0)
                abort();
}

/* Lines of "key=value". */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size);
        _cleanup_(pin_done) Pin pin = {};
        PinOption options[OPTIONS_MAX];
        Error error = {};

        if (!text)
                return 0;

        if (pin_options_read(&pin, options, split(text, "\n", options), NOW, &error) >= 0)
                check_again(&pin);
        else if (error.code == ERROR_NONE)
                abort();
        error_done(&error);
        return 0;
}
