#pragma once

/*
 * JSON codec: one table per struct reads and writes it, so that the two directions cannot drift apart.
 *
 * A row names the key, the kind of the C member, its offset, and flags. Kinds own their memory rules; what
 * they own is freed by json_done(). Reading goes over json-c; writing goes straight into a Str, in the order
 * of the table and with the escapes that Go's encoder uses (<, >, & as \u003c …, invalid UTF-8 as U+FFFD),
 * so that long lists cost no tree. Values of other folders (CIDs, peer IDs, …) join by a JsonType of their
 * own.
 *
 * Unknown keys are ignored. A key that is null is treated as absent. A member that must tell an empty list
 * or map from an absent one (StrList, StrMap, arrays) carries is_set: null when nothing is there and it is
 * false.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/str.h"

struct json_object;

#define JSON_DEPTH_MAX 32

typedef struct JsonField JsonField;
typedef struct JsonShape JsonShape;
typedef struct JsonType JsonType;
typedef struct JsonProblem JsonProblem;
typedef struct JsonArray JsonArray;

typedef enum JsonKind {
        JSON_STRING,      /* char *, owned; "" is written for NULL */
        JSON_BOOL,        /* bool */
        JSON_INT,         /* int64_t */
        JSON_UINT,        /* uint64_t */
        JSON_DOUBLE,      /* double */
        JSON_ENUM,        /* int, named by ->names (index is the value) */
        JSON_TIME,        /* uint64_t µs, RFC 3339 (time.h) */
        JSON_DURATION,    /* int64_t µs, Go text (time.h); "" reads as 0 */
        JSON_STRINGS,     /* StrList */
        JSON_ONE_OR_MORE, /* StrList; a string or a list is read, one element is written as a string */
        JSON_MAP,         /* StrMap, values are strings */
        JSON_OBJECT,      /* embedded struct, described by ->shape */
        JSON_ARRAY,       /* JsonArray of structs described by ->shape */
        JSON_OBJECTS, /* JsonArray of structs as an object: ->shape's first row must be JSON_KEY, the member
                         that holds the key */
        JSON_KEY,     /* char *, owned: only as the first row of the shape of JSON_OBJECTS */
        JSON_RAW,     /* char *, owned: any JSON value as its text; NULL is null */
        JSON_TYPE,    /* any member, by ->type */
        _JSON_KIND_N,
} JsonKind;

enum {
        JSON_REQUIRED = 1 << 0,   /* reading fails when the key is absent */
        JSON_OMIT_EMPTY = 1 << 1, /* not written when zero, false, "", NULL or without elements (Go's
                                     omitempty) */
        JSON_NO_WRITE = 1 << 2,   /* read only */
        JSON_NO_READ = 1 << 3,    /* written only */
};

struct JsonField {
        const char *key;
        JsonKind kind;
        size_t offset;
        unsigned flags;
        const char *const *names; /* JSON_ENUM: NULL-terminated */
        const JsonShape *shape;   /* JSON_OBJECT, JSON_ARRAY, JSON_OBJECTS */
        const JsonType *type;     /* JSON_TYPE */
};

struct JsonShape {
        const char *name;
        size_t size;             /* of the struct; needed for JSON_ARRAY and JSON_OBJECTS */
        const JsonField *fields; /* ends with an empty row */
};

struct JsonArray {
        void *items; /* N structs of the shape's size */
        size_t n;
        bool is_set;
};

/* What a member of kind JSON_TYPE does. READ fills MEMBER, which owns nothing, or fails owning nothing;
 * EXPECTED says in a few words what is allowed ("a CID"). WRITE appends a JSON value. IS_EMPTY and DONE may
 * be NULL (never empty; nothing to free). */
struct JsonType {
        const char *expected;
        int (*read)(struct json_object *from, void *member);
        int (*write)(const void *member, Str *to);
        bool (*is_empty)(const void *member);
        void (*done)(void *member);
};

/* Which field could not be read: its path ("cluster.connection_manager.high_water", "peers[3].id"), and what
 * is allowed there. */
struct JsonProblem {
        char field[160];
        char expected[96];
        char value[96]; /* the value as JSON text, cut; "" when absent */
};

/* Parse TEXT strictly (RFC 8259, valid UTF-8): one value, at most JSON_DEPTH_MAX arrays and objects deep,
 * whole numbers that fit in 64 bits. *RET is owned, and NULL for null. Errors: -EBADMSG (*RET_OFFSET, may be
 * NULL: where), -ENOMEM. */
int json_parse(const char *text, size_t n, struct json_object **ret, size_t *ret_offset);

/* Fill the zeroed struct at TO from FROM, or keep what it holds for absent keys when it is not zeroed
 * (defaults). On failure the content of TO is released and RETERR (may be NULL) names the field. Errors:
 * -ENODATA (required key absent), -EPROTOTYPE (wrong JSON type), -ERANGE, -EBADMSG (right type, bad value),
 * -ENOMEM. */
int json_read(const JsonShape *shape, struct json_object *from, void *to, JsonProblem *reterr);

/* json_parse() and json_read() in one; RETERR->field is "" when it is no JSON object at all. */
int json_read_text(const JsonShape *shape, const char *text, size_t n, void *to, JsonProblem *reterr);

/* Append the object, compact, no newline. Errors: -ENOMEM. */
int json_write(const JsonShape *shape, const void *from, Str *to);
int json_write_string(Str *to, const char *text);
int json_write_string_n(Str *to, const char *text, size_t n);
int json_write_strings(Str *to, const StrList *list); /* an array; null as is_set says */

/* Append the JSON text FROM with line breaks and INDENT spaces a level, as Go's encoder with SetIndent does:
 * "key": value, {} and [] stay on one line. FROM must be valid JSON. */
int json_indent(const char *from, size_t n, unsigned indent, Str *to);

/* Frees what the members own and leaves NULL or nothing there; plain values stay. */
void json_done(const JsonShape *shape, void *value);
void json_done_field(const JsonField *field, void *value); /* the same for one member of the struct */

void json_object_putp(struct json_object **p);

#define JSON_END                                                                                            \
        { .key = NULL }
