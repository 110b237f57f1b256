#pragma once

/* A struct with a member of each kind that daemon/base/json.h knows, for its tests. */

#include <json-c/json.h>
#include <string.h>

#include "daemon/base/json.h"

typedef struct SamplePeer {
        char *id;
        uint64_t port;
} SamplePeer;

typedef struct SampleLimits {
        int64_t low;
        int64_t high;
} SampleLimits;

typedef struct Sample {
        char *name;
        bool flag;
        int64_t number;
        uint64_t size;
        double weight;
        int mode;
        uint64_t created;
        int64_t timeout;
        StrList tags;
        StrList addresses;
        StrMap metadata;
        SampleLimits limits;
        JsonArray peers;
        JsonArray by_name;
        char *raw;
        char *letter;    /* of its own type: one letter */
        char *secret;    /* read only */
        int64_t derived; /* written only */
} Sample;

static inline int sample_letter_read(struct json_object *from, void *member) {
        if (!json_object_is_type(from, json_type_string))
                return -EPROTOTYPE;
        if (json_object_get_string_len(from) != 1)
                return -EBADMSG;

        *(char **) member = strdup(json_object_get_string(from));
        return *(char **) member ? 0 : -ENOMEM;
}

static inline int sample_letter_write(const void *member, Str *to) {
        const char *letter = *(char *const *) member;

        return letter ? json_write_string(to, letter) : str_append(to, "null");
}

static inline bool sample_letter_is_empty(const void *member) {
        return !*(char *const *) member;
}

static inline void sample_letter_done(void *member) {
        freep(member);
        *(char **) member = NULL;
}

static const JsonType sample_letter_type = {
        .expected = "one letter",
        .read = sample_letter_read,
        .write = sample_letter_write,
        .is_empty = sample_letter_is_empty,
        .done = sample_letter_done,
};

static const char *const sample_modes[] = { "recursive", "direct", NULL };

static const JsonShape sample_peer_shape = {
        .name = "peer",
        .size = sizeof(SamplePeer),
        .fields =
                        (const JsonField[]){
                                        { "id", JSON_STRING, offsetof(SamplePeer, id), JSON_REQUIRED },
                                        { "port", JSON_UINT, offsetof(SamplePeer, port), JSON_OMIT_EMPTY },
                                        JSON_END,
                        },
};

static const JsonShape sample_named_peer_shape = {
        .name = "named peer",
        .size = sizeof(SamplePeer),
        .fields =
                        (const JsonField[]){
                                        { "id", JSON_KEY, offsetof(SamplePeer, id) },
                                        { "port", JSON_UINT, offsetof(SamplePeer, port) },
                                        JSON_END,
                        },
};

static const JsonShape sample_limits_shape = {
        .name = "limits",
        .size = sizeof(SampleLimits),
        .fields =
                        (const JsonField[]){
                                        { "low", JSON_INT, offsetof(SampleLimits, low) },
                                        { "high", JSON_INT, offsetof(SampleLimits, high) },
                                        JSON_END,
                        },
};

#define SAMPLE_FIELDS(flags)                                                                                \
        (const JsonField[]) {                                                                               \
                { "name", JSON_STRING, offsetof(Sample, name), flags },                                     \
                                { "flag", JSON_BOOL, offsetof(Sample, flag), flags },                       \
                                { "number", JSON_INT, offsetof(Sample, number), flags },                    \
                                { "size", JSON_UINT, offsetof(Sample, size), flags },                       \
                                { "weight", JSON_DOUBLE, offsetof(Sample, weight), flags },                 \
                                { "mode",                                                                   \
                                  JSON_ENUM,                                                                \
                                  offsetof(Sample, mode),                                                   \
                                  flags,                                                                    \
                                  .names = sample_modes },                                                  \
                                { "created", JSON_TIME, offsetof(Sample, created), flags },                 \
                                { "timeout", JSON_DURATION, offsetof(Sample, timeout), flags },             \
                                { "tags", JSON_STRINGS, offsetof(Sample, tags), flags },                    \
                                { "addresses", JSON_ONE_OR_MORE, offsetof(Sample, addresses), flags },      \
                                { "metadata", JSON_MAP, offsetof(Sample, metadata), flags },                \
                                { "limits",                                                                 \
                                  JSON_OBJECT,                                                              \
                                  offsetof(Sample, limits),                                                 \
                                  flags,                                                                    \
                                  .shape = &sample_limits_shape },                                          \
                                { "peers",                                                                  \
                                  JSON_ARRAY,                                                               \
                                  offsetof(Sample, peers),                                                  \
                                  flags,                                                                    \
                                  .shape = &sample_peer_shape },                                            \
                                { "by_name",                                                                \
                                  JSON_OBJECTS,                                                             \
                                  offsetof(Sample, by_name),                                                \
                                  flags,                                                                    \
                                  .shape = &sample_named_peer_shape },                                      \
                                { "raw", JSON_RAW, offsetof(Sample, raw), flags },                          \
                                { "letter",                                                                 \
                                  JSON_TYPE,                                                                \
                                  offsetof(Sample, letter),                                                 \
                                  flags,                                                                    \
                                  .type = &sample_letter_type },                                            \
                                { "secret", JSON_STRING, offsetof(Sample, secret), JSON_NO_WRITE },         \
                                { "derived", JSON_INT, offsetof(Sample, derived), JSON_NO_READ }, JSON_END, \
        }

static const JsonShape sample_shape = { "sample", sizeof(Sample), SAMPLE_FIELDS(0) };
static const JsonShape sample_sparse_shape = { "sample", sizeof(Sample), SAMPLE_FIELDS(JSON_OMIT_EMPTY) };

/* Every member, in the form in which it is written. */
#define SAMPLE_TEXT                                                                                         \
        "{\"name\":\"n\",\"flag\":true,\"number\":-5,\"size\":18446744073709551615,\"weight\":0.25,"        \
        "\"mode\":\"direct\",\"created\":\"2024-02-29T12:00:00.5Z\",\"timeout\":\"1m30s\","                 \
        "\"tags\":[\"a\",\"b\"],\"addresses\":\"one\",\"metadata\":{\"k\":\"v\",\"l\":\"\"},"               \
        "\"limits\":{\"low\":1,\"high\":2},\"peers\":[{\"id\":\"p\",\"port\":1},{\"id\":\"q\"}],"           \
        "\"by_name\":{\"x\":{\"port\":3},\"y\":{\"port\":0}},\"raw\":{\"any\":[1,2.50,null]},"              \
        "\"letter\":\"z\",\"derived\":0}"
