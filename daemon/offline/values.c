#include "daemon/offline/values.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

void offline_values_done(OfflineValues *values) {
        str_done(&values->text);
        *values = (OfflineValues){};
}

static bool values_is_space(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Answers 1 when C ends the object. */
static int values_in_object(OfflineValues *values, char c) {
        if (values->in_string) {
                if (values->escaped)
                        values->escaped = false;
                else if (c == '\\')
                        values->escaped = true;
                else if (c == '"')
                        values->in_string = false;
                return 0;
        }

        if (c == '"')
                values->in_string = true;
        else if (c == '{' || c == '[')
                values->depth++;
        else if (c == '}' || c == ']')
                values->depth--;
        return values->depth == 0;
}

static int values_refuse(const OfflineValues *values, unsigned char c, Error *reterr) {
        char what[8];

        if (c < 0x80 && isgraph(c))
                (void) snprintf(what, sizeof(what), "'%c'", c);
        else
                (void) snprintf(what, sizeof(what), "0x%02x", c);
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "pin %" PRIu64 ": expected a JSON object, not %s",
                        values->n + 1,
                        what);
}

/* How many bytes of white space and of the object there are, up to its end. */
static int values_take(OfflineValues *values, const char *bytes, size_t n, size_t *used, Error *reterr) {
        size_t i = 0, from;
        int ended = 0;

        if (values->depth == 0) {
                str_reset(&values->text);
                while (i < n && values_is_space(bytes[i]))
                        i++;
                if (i < n && bytes[i] != '{')
                        return values_refuse(values, (unsigned char) bytes[i], reterr);
        }

        for (from = i; i < n && !ended; i++)
                ended = values_in_object(values, bytes[i]);
        if (values->text.len + (i - from) > OFFLINE_VALUE_MAX)
                return error_set(
                                reterr,
                                ERROR_TOO_BIG,
                                "pin %" PRIu64 ": larger than %d bytes",
                                values->n + 1,
                                OFFLINE_VALUE_MAX);
        if (str_append_bytes(&values->text, bytes + from, i - from) < 0)
                return error_set_errno(reterr, -ENOMEM, "%m");

        *used = i;
        return ended;
}

int offline_values_feed(OfflineValues *values, const char *bytes, size_t n, size_t *used, Error *reterr) {
        int r = values_take(values, bytes, n, used, reterr);

        if (r > 0)
                values->n++;
        return r;
}

int offline_values_end(const OfflineValues *values, Error *reterr) {
        if (values->depth == 0)
                return 0;
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "pin %" PRIu64 ": the input ends in the middle of it",
                        values->n + 1);
}
