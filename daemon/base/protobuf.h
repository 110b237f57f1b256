#pragma once

/*
 * Protocol Buffers wire format (protobuf.dev, "Encoding"), proto3: a writer that appends fields to a Str and
 * a reader that walks them. Fields that have their default value are left out by the writer, so that one
 * message has one encoding when its fields are written in the order of their numbers.
 */

#include "daemon/base/str.h"

typedef enum ProtobufType {
        PROTOBUF_VARINT = 0,
        PROTOBUF_FIXED64 = 1,
        PROTOBUF_BYTES = 2,
        PROTOBUF_FIXED32 = 5,
} ProtobufType;

typedef struct ProtobufReader {
        const uint8_t *at;
        const uint8_t *end;
} ProtobufReader;

typedef struct ProtobufField {
        uint32_t number;
        ProtobufType type;
        uint64_t value;       /* VARINT, FIXED64, FIXED32 */
        const uint8_t *bytes; /* BYTES: borrowed from the input */
        size_t size;
} ProtobufField;

static inline ProtobufReader protobuf_reader(const void *bytes, size_t n) {
        return (ProtobufReader){ .at = bytes, .end = (const uint8_t *) bytes + n };
}

/* Answers 1 and a field, 0 at the end. Errors: -EBADMSG. Groups are refused. */
int protobuf_next(ProtobufReader *reader, ProtobufField *ret);

static inline int64_t protobuf_sint(uint64_t zigzag) {
        return (int64_t) (zigzag >> 1) ^ -(int64_t) (zigzag & 1);
}

/* Nothing is written for 0 and for no bytes, except by protobuf_write_element(), which is for repeated
 * fields. */
int protobuf_write_uint(Str *to, uint32_t number, uint64_t value);
int protobuf_write_sint(Str *to, uint32_t number, int64_t value);
int protobuf_write_bytes(Str *to, uint32_t number, const void *bytes, size_t n);
int protobuf_write_element(Str *to, uint32_t number, const void *bytes, size_t n);
