#pragma once

/*
 * StateMeta: what pins.gdbm says about itself, under a key that no CID can have.
 *
 * Layout, little endian: format, cluster id, applied index, count, digest, crc32c of all before.
 */

#include <stdbool.h>

#include "daemon/state/digest.h"
#include "daemon/store/store.h"

typedef struct StateMeta {
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        uint64_t index;
        uint64_t count;
        StateDigest digest;
} StateMeta;

int state_meta_save(Store *store, const StateMeta *meta);
/* Answers 1, 0 when there is none that can be believed. */
int state_meta_load(Store *store, StateMeta *ret);
bool state_meta_is_key(const void *key, size_t size);
