#include "daemon/base/protobuf.h"

#include <endian.h>
#include <string.h>

#include "daemon/base/varint.h"

#define PROTOBUF_NUMBER_MAX ((UINT32_C(1) << 29) - 1)

static int protobuf_take_varint(ProtobufReader *reader, uint64_t *ret) {
        ssize_t k;

        k = varint_read_protobuf(reader->at, (size_t) (reader->end - reader->at), ret);
        if (k < 0)
                return -EBADMSG;

        reader->at += k;
        return 0;
}

static int protobuf_take_bytes(ProtobufReader *reader, size_t n, const uint8_t **ret) {
        if (n > (size_t) (reader->end - reader->at))
                return -EBADMSG;

        *ret = reader->at;
        reader->at += n;
        return 0;
}

static int protobuf_take_fixed32(ProtobufReader *reader, uint64_t *ret) {
        const uint8_t *bytes;
        uint32_t value;

        if (protobuf_take_bytes(reader, sizeof(value), &bytes) < 0)
                return -EBADMSG;

        memcpy(&value, bytes, sizeof(value));
        *ret = le32toh(value);
        return 0;
}

static int protobuf_take_fixed64(ProtobufReader *reader, uint64_t *ret) {
        const uint8_t *bytes;
        uint64_t value;

        if (protobuf_take_bytes(reader, sizeof(value), &bytes) < 0)
                return -EBADMSG;

        memcpy(&value, bytes, sizeof(value));
        *ret = le64toh(value);
        return 0;
}

static int protobuf_take_delimited(ProtobufReader *reader, ProtobufField *field) {
        uint64_t n;

        if (protobuf_take_varint(reader, &n) < 0 || n > SIZE_MAX)
                return -EBADMSG;

        field->size = (size_t) n;
        return protobuf_take_bytes(reader, field->size, &field->bytes);
}

int protobuf_next(ProtobufReader *reader, ProtobufField *ret) {
        ProtobufField field = {};
        uint64_t tag;
        int r = -EBADMSG;

        if (reader->at == reader->end)
                return 0;

        if (protobuf_take_varint(reader, &tag) < 0 || tag >> 3 == 0 || tag >> 3 > PROTOBUF_NUMBER_MAX)
                return -EBADMSG;
        field.number = (uint32_t) (tag >> 3);
        field.type = (ProtobufType) (tag & 7);

        switch ((int) field.type) {
        case PROTOBUF_VARINT:
                r = protobuf_take_varint(reader, &field.value);
                break;
        case PROTOBUF_FIXED64:
                r = protobuf_take_fixed64(reader, &field.value);
                break;
        case PROTOBUF_BYTES:
                r = protobuf_take_delimited(reader, &field);
                break;
        case PROTOBUF_FIXED32:
                r = protobuf_take_fixed32(reader, &field.value);
                break;
        }
        if (r < 0)
                return r;

        *ret = field;
        return 1;
}

static int protobuf_write_varint(Str *to, uint64_t value) {
        uint8_t bytes[VARINT_MAX_BYTES];

        return str_append_bytes(to, bytes, varint_write(value, bytes));
}

static int protobuf_write_tag(Str *to, uint32_t number, ProtobufType type) {
        assert(number > 0 && number <= PROTOBUF_NUMBER_MAX);

        return protobuf_write_varint(to, (uint64_t) number << 3 | type);
}

int protobuf_write_uint(Str *to, uint32_t number, uint64_t value) {
        if (value == 0)
                return str_error(to);

        (void) protobuf_write_tag(to, number, PROTOBUF_VARINT);
        return protobuf_write_varint(to, value);
}

int protobuf_write_sint(Str *to, uint32_t number, int64_t value) {
        return protobuf_write_uint(to, number, (uint64_t) value << 1 ^ (uint64_t) (value >> 63));
}

int protobuf_write_element(Str *to, uint32_t number, const void *bytes, size_t n) {
        (void) protobuf_write_tag(to, number, PROTOBUF_BYTES);
        (void) protobuf_write_varint(to, n);
        return str_append_bytes(to, bytes, n);
}

int protobuf_write_bytes(Str *to, uint32_t number, const void *bytes, size_t n) {
        if (n == 0)
                return str_error(to);

        return protobuf_write_element(to, number, bytes, n);
}
