#pragma once

/* What tracker.gdbm holds of an item that is not settled. Stored form: a version byte, then protobuf fields.
 */

#include "daemon/base/str.h"
#include "daemon/types/pin-status.h"

#define TRACKER_ERROR_MAX 512     /* bytes kept of an error's words */
#define TRACKER_RECORD_STATUSES 5 /* that a record can have */
#define TRACKER_FIFOS_MAX 16

typedef struct TrackerRecord {
        PinStatus status;   /* PIN_QUEUED, PIN_ERROR, UNEXPECTEDLY_UNPINNED, UNPIN_QUEUED, UNPIN_ERROR */
        uint64_t attempts;  /* begun */
        uint64_t timestamp; /* of the last change of status, µs */
        uint64_t created;   /* of the pin, µs: its age decides on priority */
        unsigned queue;     /* where it waits, and under which number */
        uint64_t number;
        char *error; /* NULL: none */
} TrackerRecord;

void tracker_record_done(TrackerRecord *record);
int tracker_record_set_error(
                TrackerRecord *record, const char *words); /* cut to TRACKER_ERROR_MAX; NULL: none */
int tracker_record_write(const TrackerRecord *record, Str *to);
int tracker_record_read(const void *bytes, size_t n, TrackerRecord *ret); /* -EBADMSG */

/* Where STATUS is counted: 0 to TRACKER_RECORD_STATUSES - 1; -EINVAL for one that no record has. */
int tracker_record_slot(uint64_t status);

static inline bool tracker_record_is_unpin(const TrackerRecord *record) {
        return (record->status & (PIN_STATUS_UNPIN_QUEUED | PIN_STATUS_UNPIN_ERROR)) != 0;
}
