#include <string.h>

#include "daemon/base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_time(const char *text) {
        char written[TIME_TEXT_MAX];
        uint64_t usec, again;

        if (time_parse(text, &usec) < 0)
                return;
        if (strlen(time_format(usec, written)) >= TIME_TEXT_MAX)
                abort();
        /* The zone of this host may push the last hours of year 9999 beyond it. */
        if (time_parse(written, &again) >= 0 && again != usec && again != 0)
                abort();
}

static void check_duration(const char *text) {
        char written[TIME_TEXT_MAX];
        int64_t usec, again;

        if (duration_parse(text, &usec) < 0)
                return;
        if (duration_parse(duration_format(usec, written), &again) < 0 || again != usec)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size);

        if (!text)
                return 0;
        check_time(text);
        check_duration(text);
        return 0;
}
