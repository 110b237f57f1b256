#pragma once

/*
 * Pin: an item of the shared pinset, with its options.
 *
 * It has two codecs: the Go program's protobuf message, written canonically (fields in the order of their
 * numbers, metadata sorted), which is what the log, snapshots, caches and peers hold, and the Go program's
 * JSON object (REST, ctl, state export). What the protobuf does not carry: mode (follows from max_depth),
 * user_allocations, fractions of a second.
 *
 * Pinning requests (pin-request.h) are the end of the protobuf, in fields that the Go program does not have
 * and skips; a pin without any is byte by byte what it would be if there were none, in both forms.
 *
 * JSON: metadata, origins, allocations, user_allocations are null or a list/map by their is_set. From
 * protobuf, metadata is unset when empty, origins and allocations are set, user_allocations are unset, as
 * the Go program answers from its state.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/json.h"
#include "daemon/types/cid.h"
#include "daemon/types/error.h"
#include "daemon/types/multiaddr.h"
#include "daemon/types/peer-id.h"
#include "daemon/types/pin-request.h"

#define PIN_OWN_BYTES_MAX (64 * 1024)      /* the protobuf form; a larger one is refused with words */
#define PIN_REQUESTS_BYTES_MAX (64 * 1024) /* beside that, so that a pin and its requests always fit */
#define PIN_BYTES_MAX (PIN_OWN_BYTES_MAX + PIN_REQUESTS_BYTES_MAX)
#define PIN_NAME_MAX (16 * 1024) /* bytes; the Go program has no limit on REST */
#define PIN_METADATA_MAX 256     /* entries */
#define PIN_ORIGINS_MAX 64

typedef enum PinType { /* bit values, so that a filter is an OR of types */
                       PIN_TYPE_BAD = 1,
                       PIN_TYPE_DATA = 2, /* "pin" */
                       PIN_TYPE_META = 4,
                       PIN_TYPE_CLUSTER_DAG = 8,
                       PIN_TYPE_SHARD = 16,
                       PIN_TYPE_ALL = 30, /* filter only */
} PinType;

typedef enum PinMode {
        PIN_MODE_RECURSIVE,
        PIN_MODE_DIRECT,
        _PIN_MODE_N,
} PinMode;

#define PIN_DEPTH_RECURSIVE (-1)
#define PIN_DEPTH_DIRECT 0

typedef struct Pin {
        int64_t replication_factor_min; /* -1: everywhere; 0: not yet filled in from the configuration */
        int64_t replication_factor_max;
        char *name; /* NULL: "" */
        int mode;   /* PinMode */
        uint64_t shard_size;
        PeerIdList user_allocations;
        uint64_t expire_at; /* 0: never */
        StrMap metadata;
        Cid pin_update; /* undefined: none */
        StrList origins;
        Cid cid;
        int type;               /* PinType */
        PeerIdList allocations; /* empty: everywhere */
        int64_t max_depth;
        Cid reference;
        uint64_t timestamp; /* 0: unknown */
        PinRequestList requests;
        bool requests_only; /* nothing but its requests keeps it; false without any */
} Pin;

extern const JsonShape pin_shape;
extern const JsonShape pin_options_shape; /* the keys that a request may set; the mode is one of the two */

void pin_done(Pin *pin);
int pin_copy(Pin *to, const Pin *from);     /* deep; frees what TO held */
bool pin_equal(const Pin *a, const Pin *b); /* as stored: what the protobuf carries */

static inline bool pin_is_everywhere(const Pin *pin) {
        return pin->replication_factor_min < 0 && pin->replication_factor_max < 0;
}

/* Canonical protobuf. Errors: -ENOMEM, -E2BIG (over PIN_OWN_BYTES_MAX, or PIN_REQUESTS_BYTES_MAX). */
int pin_write(const Pin *pin, Str *to);
/* Errors: -EBADMSG (no Pin message, or one with a bad CID, peer ID or address), -ENOMEM. Unknown fields are
 * skipped. */
int pin_read(const void *bytes, size_t n, Pin *ret);

/* Of a canonical pin of N bytes: where the fields begin that are about its requests, and where those
 * themselves do. N: there are none. Up to the first, two pins are the same but for their requests. */
typedef struct PinParts {
        size_t own;
        size_t requests;
} PinParts;
PinParts pin_parts(const void *bytes, size_t n);

const char *pin_type_to_string(
                PinType type); /* "pin", "meta-pin", "clusterdag-pin", "shard-pin", "all", "bad-type" */
PinType pin_type_from_string(const char *text); /* "" is PIN_TYPE_ALL; unknown is PIN_TYPE_BAD */
/* Comma list, OR of the parts. */
PinType pin_type_filter(const char *text);
const char *pin_mode_to_string(PinMode mode);
PinMode pin_mode_from_string(const char *text); /* unknown: recursive, as the Go program reads it */

/*
 * A line of a state export, of this program, of the Go program, and of its releases 0.10 to 0.14, which
 * wrote CIDs as {"/":"…"} and types as numbers. user_allocations are dropped; a missing max_depth follows
 * from mode; a type must be known. Errors: ERROR_INVALID, naming the key, the value and what was expected.
 */
int pin_import_read(const char *line, size_t n, Pin *ret, Error *reterr);
