#include "daemon/base/percent.h"

#include <string.h>

static const char digits[] = "0123456789ABCDEF";

/* Not isalnum(3), which goes by the locale. */
static bool is_unreserved(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '.' || c == '_' || c == '~';
}

int percent_encode(Str *to, const void *bytes, size_t n, const char *keep) {
        const char *text = bytes;

        for (size_t i = 0; i < n; i++) {
                const char code[] = { '%', digits[(uint8_t) text[i] >> 4], digits[text[i] & 0xf] };

                if (is_unreserved(text[i]) || (text[i] && strchr(keep, text[i])))
                        (void) str_append_char(to, text[i]);
                else
                        (void) str_append_bytes(to, code, sizeof(code));
        }
        return str_error(to);
}

int percent_encode_query(Str *to, const void *bytes, size_t n) {
        size_t start = to->len;
        int r;

        r = percent_encode(to, bytes, n, " ");
        for (size_t i = start; i < to->len; i++)
                if (to->data[i] == ' ')
                        to->data[i] = '+';
        return r;
}

static int digit_of(char c) {
        const char *at = c ? strchr(digits, c >= 'a' && c <= 'f' ? c - ('a' - 'A') : c) : NULL;

        return at ? (int) (at - digits) : -EINVAL;
}

int percent_decode(const char *text, size_t n) {
        int high, low;

        if (n < 3 || text[0] != '%')
                return -EINVAL;
        high = digit_of(text[1]);
        low = digit_of(text[2]);
        return high < 0 || low < 0 ? -EINVAL : high << 4 | low;
}
