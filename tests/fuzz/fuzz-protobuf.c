#include <string.h>

#include "daemon/base/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_field(const ProtobufField *field, const uint8_t *data, size_t size) {
        if (field->number == 0 || field->number >> 29 != 0)
                abort();
        if (field->type == PROTOBUF_BYTES &&
            (field->bytes < data || field->size > size || field->bytes + field->size > data + size))
                abort();
}

/* A value that was read is read again from what the writer makes of it. */
static void check_again(const ProtobufField *field) {
        _cleanup_(str_done) Str s = {};
        ProtobufReader reader;
        ProtobufField again;

        if (field->type == PROTOBUF_BYTES)
                (void) protobuf_write_element(&s, field->number, field->bytes, field->size);
        else
                (void) protobuf_write_uint(&s, field->number, field->value | 1);

        reader = protobuf_reader(s.data, s.len);
        if (protobuf_next(&reader, &again) != 1 || again.number != field->number)
                abort();
        if (again.type == PROTOBUF_BYTES ? again.size != field->size : again.value != (field->value | 1))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        ProtobufReader reader = protobuf_reader(data, size);
        ProtobufField field;

        while (protobuf_next(&reader, &field) > 0) {
                check_field(&field, data, size);
                check_again(&field);
        }

        return 0;
}
