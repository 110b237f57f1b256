#include <string.h>

#include "daemon/tracker/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read and is written again reads the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        TrackerRecord record = {}, again = {};
        _cleanup_(str_done) Str bytes = {};

        if (tracker_record_read(data, size, &record) < 0)
                return 0;
        if (tracker_record_slot(record.status) < 0 || record.queue >= TRACKER_FIFOS_MAX)
                abort();
        if (tracker_record_write(&record, &bytes) < 0 ||
            tracker_record_read(bytes.data, bytes.len, &again) < 0)
                abort();
        if (again.status != record.status || again.attempts != record.attempts ||
            again.timestamp != record.timestamp || again.created != record.created ||
            again.queue != record.queue || again.number != record.number ||
            !str_equal(str_is_empty(again.error) ? NULL : again.error,
                       str_is_empty(record.error) ? NULL : record.error))
                abort();
        tracker_record_done(&record);
        tracker_record_done(&again);
        return 0;
}
