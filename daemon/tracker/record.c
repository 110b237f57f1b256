#include "daemon/tracker/record.h"

#include <errno.h>
#include <string.h>

#include "daemon/base/protobuf.h"

#define RECORD_FORMAT 1

enum {
        FIELD_STATUS = 1,
        FIELD_ATTEMPTS,
        FIELD_TIMESTAMP,
        FIELD_CREATED,
        FIELD_QUEUE,
        FIELD_NUMBER,
        FIELD_ERROR,
};

int tracker_record_slot(uint64_t status) {
        static const uint64_t statuses[TRACKER_RECORD_STATUSES] = {
                PIN_STATUS_PIN_QUEUED,
                PIN_STATUS_PIN_ERROR,
                PIN_STATUS_UNPIN_QUEUED,
                PIN_STATUS_UNPIN_ERROR,
                PIN_STATUS_UNEXPECTEDLY_UNPINNED,
        };

        for (int i = 0; i < TRACKER_RECORD_STATUSES; i++)
                if (statuses[i] == status)
                        return i;
        return -EINVAL;
}

void tracker_record_done(TrackerRecord *record) {
        free(record->error);
        *record = (TrackerRecord){};
}

int tracker_record_set_error(TrackerRecord *record, const char *words) {
        char *copy = NULL;

        if (!str_is_empty(words)) {
                copy = strndup(words, str_utf8_cut(words, TRACKER_ERROR_MAX));
                if (!copy)
                        return -ENOMEM;
        }
        free(record->error);
        record->error = copy;
        return 0;
}

int tracker_record_write(const TrackerRecord *record, Str *to) {
        (void) str_append_char(to, RECORD_FORMAT);
        (void) protobuf_write_uint(to, FIELD_STATUS, record->status);
        (void) protobuf_write_uint(to, FIELD_ATTEMPTS, record->attempts);
        (void) protobuf_write_uint(to, FIELD_TIMESTAMP, record->timestamp);
        (void) protobuf_write_uint(to, FIELD_CREATED, record->created);
        (void) protobuf_write_uint(to, FIELD_QUEUE, record->queue);
        (void) protobuf_write_uint(to, FIELD_NUMBER, record->number);
        if (record->error)
                (void) protobuf_write_bytes(to, FIELD_ERROR, record->error, strlen(record->error));
        return str_error(to);
}

static int record_take_field(TrackerRecord *record, const ProtobufField *field) {
        if (field->number == FIELD_ERROR) {
                if (field->type != PROTOBUF_BYTES || field->size > TRACKER_ERROR_MAX)
                        return -EBADMSG;
                free(record->error);
                record->error = strndup((const char *) field->bytes, field->size);
                return record->error ? 0 : -ENOMEM;
        }

        if (field->type != PROTOBUF_VARINT)
                return -EBADMSG;
        switch (field->number) {
        case FIELD_STATUS:
                if (tracker_record_slot(field->value) < 0)
                        return -EBADMSG;
                record->status = (PinStatus) field->value;
                break;
        case FIELD_ATTEMPTS:
                record->attempts = field->value;
                break;
        case FIELD_TIMESTAMP:
                record->timestamp = field->value;
                break;
        case FIELD_CREATED:
                record->created = field->value;
                break;
        case FIELD_QUEUE:
                if (field->value >= TRACKER_FIFOS_MAX)
                        return -EBADMSG;
                record->queue = (unsigned) field->value;
                break;
        case FIELD_NUMBER:
                record->number = field->value;
                break;
        default:
                return -EBADMSG;
        }
        return 0;
}

int tracker_record_read(const void *bytes, size_t n, TrackerRecord *ret) {
        TrackerRecord record = {};
        ProtobufReader reader;
        ProtobufField field;
        int r;

        if (n < 1 || *(const uint8_t *) bytes != RECORD_FORMAT)
                return -EBADMSG;

        reader = protobuf_reader((const uint8_t *) bytes + 1, n - 1);
        while ((r = protobuf_next(&reader, &field)) > 0) {
                r = record_take_field(&record, &field);
                if (r < 0)
                        break;
        }
        if (r >= 0 && tracker_record_slot(record.status) < 0)
                r = -EBADMSG;
        if (r < 0) {
                tracker_record_done(&record);
                return r;
        }

        *ret = record;
        return 0;
}
