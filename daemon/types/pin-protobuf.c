/*
 * The Go program's protobuf message:
 *
 *   Pin         1 Cid  2 Type (0 bad, 1 data, 2 meta, 3 cluster DAG, 4 shard)  3 Allocations*  4 MaxDepth
 *               5 Reference  6 PinOptions  7 Timestamp
 *   PinOptions  1 ReplicationFactorMin  2 ReplicationFactorMax  3 Name  4 ShardSize  6 map (old metadata)
 *               7 PinUpdate  8 ExpireAt  9 Origins*  10 Metadata*
 *   Metadata    1 Key  2 Value
 *
 * and what is our own:
 *
 *   Pin         101 RequestsOnly  102 Request*
 *   Request     1 Created (µs)  2 Random  3 Name  9 Origins*  10 Meta*
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
        PIN_REQUESTS_ONLY = 101,
        PIN_REQUESTS = 102,
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
        REQUEST_CREATED = 1,
        REQUEST_RANDOM = 2,
        REQUEST_NAME = OPTIONS_NAME,
        REQUEST_ORIGINS = OPTIONS_ORIGINS,
        REQUEST_META = OPTIONS_METADATA,
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

static int pin_write_request(const PinRequest *request, Str *to) {
        size_t start = to->len;
        int r;

        if (request->meta.n > PIN_METADATA_MAX || request->origins.n > PIN_ORIGINS_MAX)
                return -E2BIG;
        (void) protobuf_write_uint(to, REQUEST_CREATED, request->created);
        (void) protobuf_write_uint(to, REQUEST_RANDOM, request->random);
        if (request->name)
                (void) protobuf_write_bytes(to, REQUEST_NAME, request->name, strlen(request->name));
        r = pin_write_origins(&request->origins, to);
        if (r >= 0)
                r = pin_write_metadata(&request->meta, to);
        if (r >= 0)
                r = pin_close_message(to, PIN_REQUESTS, start);
        return r;
}

static int pin_write_requests(const Pin *pin, Str *to) {
        size_t start = to->len;
        int r = 0;

        if (pin->requests.n == 0)
                return 0;
        r = protobuf_write_uint(to, PIN_REQUESTS_ONLY, pin->requests_only);
        for (size_t i = 0; i < pin->requests.n && r >= 0; i++)
                r = pin_write_request(&pin->requests.items[i], to);
        return r >= 0 && to->len - start > PIN_REQUESTS_BYTES_MAX ? -E2BIG : r;
}

int pin_write(const Pin *pin, Str *to) {
        size_t start = to->len;
        int r;

        if (pin->metadata.n > PIN_METADATA_MAX || pin->origins.n > PIN_ORIGINS_MAX)
                return -E2BIG;

        r = pin_write_fields(pin, to);
        if (r >= 0 && to->len - start > PIN_OWN_BYTES_MAX)
                r = -E2BIG;
        if (r >= 0)
                r = pin_write_requests(pin, to);
        if (r == -E2BIG) {
                to->len = start;
                to->data[start] = '\0';
        }
        return r;
}

/* ---- reading */

typedef struct PinField {
        ProtobufType type;
        int (*read)(const ProtobufField *field, void *member); /* NULL: skipped */
        size_t offset;
} PinField;

/* Fields whose number is beyond the table are skipped; one of another wire type is no Pin. */
static int pin_read_fields(const PinField *table, size_t n_table, ProtobufReader reader, void *to) {
        ProtobufField field;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0) {
                const PinField *known = field.number < n_table ? &table[field.number] : NULL;

                if (!known || !known->read)
                        continue;
                if (field.type != known->type)
                        return -EBADMSG;
                r = known->read(&field, (char *) to + known->offset);
                if (r < 0)
                        return r;
        }
        return r;
}

/* A copy of the bytes as a C string, which cannot hold a NUL. The last one counts. */
static int read_text(const ProtobufField *field, void *member) {
        char *copy, **to = member;

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

static int read_cid(const ProtobufField *field, void *member) {
        if (field->size == 0) {
                *(Cid *) member = (Cid){};
                return 0;
        }
        return cid_from_bytes(field->bytes, field->size, member) < 0 ? -EBADMSG : 0;
}

static int read_seconds(const ProtobufField *field, void *member) {
        if (field->value > UINT64_MAX / USEC_PER_SEC)
                return -EBADMSG;

        *(uint64_t *) member = field->value * USEC_PER_SEC;
        return 0;
}

static int read_sint(const ProtobufField *field, void *member) {
        *(int64_t *) member = protobuf_sint(field->value);
        return 0;
}

static int read_uint(const ProtobufField *field, void *member) {
        *(uint64_t *) member = field->value;
        return 0;
}

static int read_bool(const ProtobufField *field, void *member) {
        *(bool *) member = field->value != 0;
        return 0;
}

static int read_origin(const ProtobufField *field, void *member) {
        StrList *origins = member;
        char *origin;
        int r;

        if (origins->n >= PIN_ORIGINS_MAX)
                return -EBADMSG;

        r = multiaddr_from_bytes(field->bytes, field->size, &origin);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;
        return str_list_append_take(origins, origin);
}

static int read_metadata(const ProtobufField *field, void *member) {
        ProtobufReader reader = protobuf_reader(field->bytes, field->size);
        _cleanup_free_ char *key = NULL, *value = NULL;
        StrMap *metadata = member;
        ProtobufField part;
        int r;

        if (metadata->n >= PIN_METADATA_MAX)
                return -EBADMSG;

        while ((r = protobuf_next(&reader, &part)) > 0) {
                if (part.number != METADATA_KEY && part.number != METADATA_VALUE)
                        continue;
                if (part.type != PROTOBUF_BYTES)
                        return -EBADMSG;
                r = read_text(&part, part.number == METADATA_KEY ? &key : &value);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return str_map_set(metadata, key ? key : "", value ? value : "");
}

static int read_type(const ProtobufField *field, void *member) {
        if (field->value > PIN_TYPE_STORED_MAX)
                return -EBADMSG;

        *(int *) member = 1 << field->value;
        return 0;
}

static int read_allocation(const ProtobufField *field, void *member) {
        PeerId id;

        if (peer_id_from_bytes(field->bytes, field->size, &id) < 0)
                return -EBADMSG;
        return peer_id_list_append(member, &id);
}

/* MEMBER is the pin. */
static int read_options(const ProtobufField *field, void *member) {
        static const PinField table[] = {
                [OPTIONS_FACTOR_MIN] = { PROTOBUF_VARINT, read_sint, offsetof(Pin, replication_factor_min) },
                [OPTIONS_FACTOR_MAX] = { PROTOBUF_VARINT, read_sint, offsetof(Pin, replication_factor_max) },
                [OPTIONS_NAME] = { PROTOBUF_BYTES, read_text, offsetof(Pin, name) },
                [OPTIONS_SHARD_SIZE] = { PROTOBUF_VARINT, read_uint, offsetof(Pin, shard_size) },
                [OPTIONS_METADATA_MAP] = { PROTOBUF_BYTES, read_metadata, offsetof(Pin, metadata) },
                [OPTIONS_PIN_UPDATE] = { PROTOBUF_BYTES, read_cid, offsetof(Pin, pin_update) },
                [OPTIONS_EXPIRE_AT] = { PROTOBUF_VARINT, read_seconds, offsetof(Pin, expire_at) },
                [OPTIONS_ORIGINS] = { PROTOBUF_BYTES, read_origin, offsetof(Pin, origins) },
                [OPTIONS_METADATA] = { PROTOBUF_BYTES, read_metadata, offsetof(Pin, metadata) },
        };

        return pin_read_fields(table, ELEMENTSOF(table), protobuf_reader(field->bytes, field->size), member);
}

static int read_created(const ProtobufField *field, void *member) {
        return field->value > PIN_REQUEST_CREATED_MAX ? -EBADMSG : read_uint(field, member);
}

static int read_random(const ProtobufField *field, void *member) {
        if (field->value > UINT32_MAX)
                return -EBADMSG;

        *(uint32_t *) member = (uint32_t) field->value;
        return 0;
}

static int read_request(const ProtobufField *field, void *member) {
        static const PinField table[] = {
                [REQUEST_CREATED] = { PROTOBUF_VARINT, read_created, offsetof(PinRequest, created) },
                [REQUEST_RANDOM] = { PROTOBUF_VARINT, read_random, offsetof(PinRequest, random) },
                [REQUEST_NAME] = { PROTOBUF_BYTES, read_text, offsetof(PinRequest, name) },
                [REQUEST_ORIGINS] = { PROTOBUF_BYTES, read_origin, offsetof(PinRequest, origins) },
                [REQUEST_META] = { PROTOBUF_BYTES, read_metadata, offsetof(PinRequest, meta) },
        };
        _cleanup_(pin_request_done) PinRequest request = {};
        int r;

        r = pin_read_fields(table, ELEMENTSOF(table), protobuf_reader(field->bytes, field->size), &request);
        if (r >= 0)
                r = pin_request_list_take(member, &request);
        return r == -ENOSPC ? -EBADMSG : r;
}

int pin_read(const void *bytes, size_t n, Pin *ret) {
        static const PinField table[] = {
                [PIN_CID] = { PROTOBUF_BYTES, read_cid, offsetof(Pin, cid) },
                [PIN_TYPE] = { PROTOBUF_VARINT, read_type, offsetof(Pin, type) },
                [PIN_ALLOCATIONS] = { PROTOBUF_BYTES, read_allocation, offsetof(Pin, allocations) },
                [PIN_MAX_DEPTH] = { PROTOBUF_VARINT, read_sint, offsetof(Pin, max_depth) },
                [PIN_REFERENCE] = { PROTOBUF_BYTES, read_cid, offsetof(Pin, reference) },
                [PIN_OPTIONS] = { PROTOBUF_BYTES, read_options, 0 },
                [PIN_TIMESTAMP] = { PROTOBUF_VARINT, read_seconds, offsetof(Pin, timestamp) },
                [PIN_REQUESTS_ONLY] = { PROTOBUF_VARINT, read_bool, offsetof(Pin, requests_only) },
                [PIN_REQUESTS] = { PROTOBUF_BYTES, read_request, offsetof(Pin, requests) },
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
        pin.requests_only &= pin.requests.n > 0;

        *ret = pin;
        pin = (Pin){};
        return 0;
}

PinParts pin_parts(const void *bytes, size_t n) {
        ProtobufReader reader = protobuf_reader(bytes, n);
        PinParts parts = { .own = n, .requests = n };
        ProtobufField field;

        for (const uint8_t *at = bytes; protobuf_next(&reader, &field) > 0; at = reader.at) {
                size_t offset = (size_t) (at - (const uint8_t *) bytes);

                if (field.number >= PIN_REQUESTS_ONLY)
                        parts.own = MIN(parts.own, offset);
                if (field.number >= PIN_REQUESTS) {
                        parts.requests = offset;
                        break;
                }
        }
        return parts;
}
