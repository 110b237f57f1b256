#include <string.h>

#include "daemon/offline/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How many objects there are, and how many bytes in them, when the input comes in pieces of STEP bytes;
 * UINT64_MAX when it is refused. */
static uint64_t split(const uint8_t *data, size_t size, size_t step) {
        _cleanup_(offline_values_done) OfflineValues values = {};
        uint64_t total = 0;
        size_t used;
        int r = 0;

        for (size_t at = 0; r >= 0 && at < size; at += used) {
                r = offline_values_feed(
                                &values, (const char *) data + at, MIN(step, size - at), &used, NULL);
                if (r > 0) {
                        total += values.text.len + 1;
                        if (values.text.data[0] != '{' || values.text.data[values.text.len - 1] == ' ')
                                abort();
                }
        }
        if (r < 0 || offline_values_end(&values, NULL) < 0)
                return UINT64_MAX;
        return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint64_t total = split(data, size, size);

        if (total != split(data, size, 1) || total != split(data, size, 7))
                abort();
        return 0;
}
