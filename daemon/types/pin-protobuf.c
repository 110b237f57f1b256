/*
 * The Go program's protobuf message:
 *
 *   Pin         1 Cid  2 Type (0 bad, 1 data, 2 meta, 3 cluster DAG, 4 shard)  3 Allocations*  4 MaxDepth
 *               5 Reference  6 PinOptions  7 Timestamp
 *   PinOptions  1 ReplicationFactorMin  2 ReplicationFactorMax  3 Name  4 ShardSize  6 map (old metadata)
 *               7 PinUpdate  8 ExpireAt  9 Origins*  10 Metadata*
 *   Metadata    1 Key  2 Value
 *
 * Times are whole seconds. Factors and depth are zigzag.
 */

#include <string.h>

#include "daemon/base/macro.h"
#include "daemon/base/protobuf.h"
#include "daemon/base/varint.h"
#include "daemon/types/pin.h"

enum {
        PIN_CID = 1,
        PIN_TYPE = 2,
        PIN_ALLOCATIONS = 3,
        PIN_MAX_DEPTH = 4,
        PIN_REFERENCE = 5,
        PIN_OPTIONS = 6,
        PIN_TIMESTAMP = 7,
};

enum {
        OPTIONS_FACTOR_MIN = 1,
        OPTIONS_FACTOR_MAX = 2,
        OPTIONS_NAME = 3,
        OPTIONS_SHARD_SIZE = 4,
        OPTIONS_METADATA_MAP = 6,
        OPTIONS_PIN_UPDATE = 7,
        OPTIONS_EXPIRE_AT = 8,
        OPTIONS_ORIGINS = 9,
        OPTIONS_METADATA = 10,
};

enum {
        METADATA_KEY = 1,
        METADATA_VALUE = 2,
};

#define PIN_TYPE_STORED_MAX 4

/* ---- writing */

/* Make a message of what was appended behind START: its tag and length go in front. */
static int pin_close_message(Str *to, uint32_t number, size_t start) {
        uint8_t head[2 * VARINT_MAX_BYTES];
        size_t n = to->len - start, k;
        int r;

        k = varint_write(number << 3 | PROTOBUF_BYTES, head);
        k += varint_write(n, head + k);

        r = str_reserve(to, k);
        if (r < 0)
                return r;
        memmove(to->data + start + k, to->data + start, n + 1);
        memcpy(to->data + start, head, k);
        to->len += k;
        return 0;
}

static int pin_write_origins(const StrList *origins, Str *to) {
        int r;

        for (size_t i = 0; i < origins->n; i++) {
                size_t start = to->len;

                r = multiaddr_to_bytes(origins->items[i], to);
                if (r >= 0)
                        r = pin_close_message(to, OPTIONS_ORIGINS, start);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int pin_write_metadata(const StrMap *metadata, Str *to) {
        int r;

        for (size_t i = 0; i < metadata->n; i++) {
                const char *key = metadata->items[i].key, *value = metadata->items[i].value;
                size_t start = to->len;

                (void) protobuf_write_bytes(to, METADATA_KEY, key, strlen(key));
                (void) protobuf_write_bytes(to, METADATA_VALUE, value, strlen(value));
                r = pin_close_message(to, OPTIONS_METADATA, start);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int pin_write_options(const Pin *pin, Str *to) {
        size_t start = to->len;
        int r;

        (void) protobuf_write_sint(to, OPTIONS_FACTOR_MIN, pin->replication_factor_min);
        (void) protobuf_write_sint(to, OPTIONS_FACTOR_MAX, pin->replication_factor_max);
        if (pin->name)
                (void) protobuf_write_bytes(to, OPTIONS_NAME, pin->name, strlen(pin->name));
        (void) protobuf_write_uint(to, OPTIONS_SHARD_SIZE, pin->shard_size);
        (void) protobuf_write_bytes(to, OPTIONS_PIN_UPDATE, pin->pin_update.bytes, pin->pin_update.size);
        (void) protobuf_write_uint(to, OPTIONS_EXPIRE_AT, pin->expire_at / USEC_PER_SEC);

        r = pin_write_origins(&pin->origins, to);
        if (r >= 0)
                r = pin_write_metadata(&pin->metadata, to);
        if (r >= 0)
                r = pin_close_message(to, PIN_OPTIONS, start);
        return r;
}

static uint64_t pin_stored_type(int type) {
        uint64_t stored = 0;

        while (type >>= 1)
                stored++;
        return stored;
}

static int pin_write_fields(const Pin *pin, Str *to) {
        int r;

        (void) protobuf_write_bytes(to, PIN_CID, pin->cid.bytes, pin->cid.size);
        (void) protobuf_write_uint(to, PIN_TYPE, pin_stored_type(pin->type));
        for (size_t i = 0; i < pin->allocations.n; i++) {
                const PeerId *id = &pin->allocations.items[i];

                (void) protobuf_write_element(to, PIN_ALLOCATIONS, id->bytes, id->size);
        }
        (void) protobuf_write_sint(to, PIN_MAX_DEPTH, pin->max_depth);
        (void) protobuf_write_bytes(to, PIN_REFERENCE, pin->reference.bytes, pin->reference.size);

        r = pin_write_options(pin, to);
        if (r < 0)
                return r;
        return protobuf_write_uint(to, PIN_TIMESTAMP, pin->timestamp / USEC_PER_SEC);
}

int pin_write(const Pin *pin, Str *to) {
        size_t start = to->len;
        int r;

        if (pin->metadata.n > PIN_METADATA_MAX || pin->origins.n > PIN_ORIGINS_MAX)
                return -E2BIG;

        r = pin_write_fields(pin, to);
        if (r < 0)
                return r;
        if (to->len - start > PIN_BYTES_MAX) {
                to->len = start;
                to->data[start] = '\0';
                return -E2BIG;
        }
        return 0;
}

/* ---- reading */

typedef struct PinField {
        ProtobufType type;
        int (*read)(const ProtobufField *field, Pin *pin); /* NULL: skipped */
} PinField;

/* Fields whose number is beyond the table are skipped; one of another wire type is no Pin. */
static int pin_read_fields(const PinField *table, size_t n_table, ProtobufReader reader, Pin *pin) {
        ProtobufField field;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0) {
                const PinField *known = field.number < n_table ? &table[field.number] : NULL;

                if (!known || !known->read)
                        continue;
                if (field.type != known->type)
                        return -EBADMSG;
                r = known->read(&field, pin);
                if (r < 0)
                        return r;
        }
        return r;
}

/* A copy of the bytes as a C string, which cannot hold a NUL. The last one counts. */
static int pin_read_text(const ProtobufField *field, char **to) {
        char *copy;

        if (field->size > 0 && memchr(field->bytes, '\0', field->size))
                return -EBADMSG;

        copy = malloc(field->size + 1);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, field->bytes, field->size);
        copy[field->size] = '\0';

        free(*to);
        *to = copy;
        return 0;
}

static int pin_read_cid_bytes(const ProtobufField *field, Cid *to) {
        if (field->size == 0) {
                *to = (Cid){};
                return 0;
        }
        return cid_from_bytes(field->bytes, field->size, to) < 0 ? -EBADMSG : 0;
}

static int pin_read_seconds(const ProtobufField *field, uint64_t *to) {
        if (field->value > UINT64_MAX / USEC_PER_SEC)
                return -EBADMSG;

        *to = field->value * USEC_PER_SEC;
        return 0;
}

static int pin_read_factor_min(const ProtobufField *field, Pin *pin) {
        pin->replication_factor_min = protobuf_sint(field->value);
        return 0;
}

static int pin_read_factor_max(const ProtobufField *field, Pin *pin) {
        pin->replication_factor_max = protobuf_sint(field->value);
        return 0;
}

static int pin_read_name(const ProtobufField *field, Pin *pin) {
        return pin_read_text(field, &pin->name);
}

static int pin_read_shard_size(const ProtobufField *field, Pin *pin) {
        pin->shard_size = field->value;
        return 0;
}

static int pin_read_pin_update(const ProtobufField *field, Pin *pin) {
        return pin_read_cid_bytes(field, &pin->pin_update);
}

static int pin_read_expire_at(const ProtobufField *field, Pin *pin) {
        return pin_read_seconds(field, &pin->expire_at);
}

static int pin_read_origin(const ProtobufField *field, Pin *pin) {
        char *origin;
        int r;

        if (pin->origins.n >= PIN_ORIGINS_MAX)
                return -EBADMSG;

        r = multiaddr_from_bytes(field->bytes, field->size, &origin);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;
        return str_list_append_take(&pin->origins, origin);
}

static int pin_read_metadata(const ProtobufField *field, Pin *pin) {
        ProtobufReader reader = protobuf_reader(field->bytes, field->size);
        _cleanup_free_ char *key = NULL, *value = NULL;
        ProtobufField part;
        int r;

        if (pin->metadata.n >= PIN_METADATA_MAX)
                return -EBADMSG;

        while ((r = protobuf_next(&reader, &part)) > 0) {
                if (part.number != METADATA_KEY && part.number != METADATA_VALUE)
                        continue;
                if (part.type != PROTOBUF_BYTES)
                        return -EBADMSG;
                r = pin_read_text(&part, part.number == METADATA_KEY ? &key : &value);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return str_map_set(&pin->metadata, key ? key : "", value ? value : "");
}

static int pin_read_cid(const ProtobufField *field, Pin *pin) {
        return pin_read_cid_bytes(field, &pin->cid);
}

static int pin_read_type(const ProtobufField *field, Pin *pin) {
        if (field->value > PIN_TYPE_STORED_MAX)
                return -EBADMSG;

        pin->type = 1 << field->value;
        return 0;
}

static int pin_read_allocation(const ProtobufField *field, Pin *pin) {
        PeerId id;

        if (peer_id_from_bytes(field->bytes, field->size, &id) < 0)
                return -EBADMSG;
        return peer_id_list_append(&pin->allocations, &id);
}

static int pin_read_max_depth(const ProtobufField *field, Pin *pin) {
        pin->max_depth = protobuf_sint(field->value);
        return 0;
}

static int pin_read_reference(const ProtobufField *field, Pin *pin) {
        return pin_read_cid_bytes(field, &pin->reference);
}

static int pin_read_timestamp(const ProtobufField *field, Pin *pin) {
        return pin_read_seconds(field, &pin->timestamp);
}

static int pin_read_options(const ProtobufField *field, Pin *pin) {
        static const PinField table[] = {
                [OPTIONS_FACTOR_MIN] = { PROTOBUF_VARINT, pin_read_factor_min },
                [OPTIONS_FACTOR_MAX] = { PROTOBUF_VARINT, pin_read_factor_max },
                [OPTIONS_NAME] = { PROTOBUF_BYTES, pin_read_name },
                [OPTIONS_SHARD_SIZE] = { PROTOBUF_VARINT, pin_read_shard_size },
                [OPTIONS_METADATA_MAP] = { PROTOBUF_BYTES, pin_read_metadata },
                [OPTIONS_PIN_UPDATE] = { PROTOBUF_BYTES, pin_read_pin_update },
                [OPTIONS_EXPIRE_AT] = { PROTOBUF_VARINT, pin_read_expire_at },
                [OPTIONS_ORIGINS] = { PROTOBUF_BYTES, pin_read_origin },
                [OPTIONS_METADATA] = { PROTOBUF_BYTES, pin_read_metadata },
        };

        return pin_read_fields(table, ELEMENTSOF(table), protobuf_reader(field->bytes, field->size), pin);
}

int pin_read(const void *bytes, size_t n, Pin *ret) {
        static const PinField table[] = {
                [PIN_CID] = { PROTOBUF_BYTES, pin_read_cid },
                [PIN_TYPE] = { PROTOBUF_VARINT, pin_read_type },
                [PIN_ALLOCATIONS] = { PROTOBUF_BYTES, pin_read_allocation },
                [PIN_MAX_DEPTH] = { PROTOBUF_VARINT, pin_read_max_depth },
                [PIN_REFERENCE] = { PROTOBUF_BYTES, pin_read_reference },
                [PIN_OPTIONS] = { PROTOBUF_BYTES, pin_read_options },
                [PIN_TIMESTAMP] = { PROTOBUF_VARINT, pin_read_timestamp },
        };
        _cleanup_(pin_done) Pin pin = { .type = PIN_TYPE_BAD };
        int r;

        if (n > PIN_BYTES_MAX)
                return -EBADMSG;

        r = pin_read_fields(table, ELEMENTSOF(table), protobuf_reader(bytes, n), &pin);
        if (r < 0)
                return r;
        if (!cid_is_defined(&pin.cid))
                return -EBADMSG;

        pin.mode = pin.max_depth == PIN_DEPTH_DIRECT ? PIN_MODE_DIRECT : PIN_MODE_RECURSIVE;
        pin.metadata.is_set = pin.metadata.n > 0;
        pin.origins.is_set = true;
        pin.allocations.is_set = true;

        *ret = pin;
        pin = (Pin){};
        return 0;
}
