/* What a client of the pinning service sends: the first line is the target of a GET, the rest the body of a
 * POST. */

#include <string.h>

#include "daemon/pinsvc/body.h"
#include "daemon/pinsvc/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_query(const char *target) {
        static const char *const names[] = { NULL, "", "a", "ABC", "\xff", "\u00e4\u00c4" };
        _cleanup_(error_done) Error error = {};
        const StrMap meta = {};
        PinsvcQuery query;
        Query from;

        if (query_parse(target, &from) < 0)
                return;
        if (pinsvc_query_read(&from, &query, &error) >= 0) {
                if (query.limit < 1 || query.limit > PINSVC_LIMIT_MAX || query.n_cids > PINSVC_CIDS_MAX ||
                    query.statuses == 0 || query.statuses >= 1U << _PINSVC_STATUS_N)
                        abort();
                for (size_t i = 0; i < ELEMENTSOF(names); i++)
                        if (pinsvc_query_takes(&query, 1, names[i], &meta) < 0)
                                abort();
                pinsvc_query_done(&query);
        } else if (error.code != ERROR_INVALID)
                abort();
        query_done(&from);
}

/* What is taken can be stored, and is the same then. */
static void check_body(const char *text, size_t n) {
        _cleanup_(error_done) Error error = {};
        _cleanup_(pin_done) Pin pin = {}, again = {};
        _cleanup_(str_done) Str bytes = {};
        int r;

        if (pinsvc_body_read(text, n, &pin, &error) < 0) {
                if (error.code != ERROR_INVALID)
                        abort();
                return;
        }
        if (!cid_is_defined(&pin.cid) || pin.origins.n > PIN_ORIGINS_MAX ||
            pin.metadata.n > PIN_METADATA_MAX)
                abort();
        r = pin_write(&pin, &bytes);
        if (r >= 0 && (pin_read(bytes.data, bytes.len, &again) < 0 || !pin_equal(&pin, &again)))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *) data;
        const char *end = size > 0 ? memchr(text, '\n', size) : NULL;
        size_t n = end ? (size_t) (end - text) : size;
        _cleanup_free_ char *target = strndup(text, n);

        if (!target)
                return 0;
        check_query(target);
        if (end)
                check_body(end + 1, size - n - 1);
        return 0;
}
