#include "daemon/state/meta.h"

#include "daemon/base/hash.h"
#include "daemon/base/le.h"

#define META_FORMAT 1
#define META_CLUSTER_ID 4
#define META_INDEX (META_CLUSTER_ID + STATE_CLUSTER_ID_SIZE)
#define META_COUNT (META_INDEX + 8)
#define META_DIGEST (META_COUNT + 8)
#define META_CHECKSUM (META_DIGEST + STATE_DIGEST_SIZE)
#define META_SIZE (META_CHECKSUM + 4)

static const char meta_key[] = { '\0', 'm', 'e', 't', 'a' };

bool state_meta_is_key(const void *key, size_t size) {
        return size == sizeof(meta_key) && memcmp(key, meta_key, size) == 0;
}

int state_meta_save(Store *store, const StateMeta *meta) {
        _cleanup_(str_done) Str bytes = {};
        uint8_t digest[STATE_DIGEST_SIZE];
        int r;

        state_append_u32(&bytes, META_FORMAT);
        (void) str_append_bytes(&bytes, meta->cluster_id, sizeof(meta->cluster_id));
        state_append_u64(&bytes, meta->index);
        state_append_u64(&bytes, meta->count);
        state_digest_write(&meta->digest, digest);
        (void) str_append_bytes(&bytes, digest, sizeof(digest));
        state_append_u32(&bytes, hash_crc32c(0, bytes.data, bytes.len));

        r = str_error(&bytes);
        if (r < 0)
                return r;
        return store_put(store, meta_key, sizeof(meta_key), bytes.data, bytes.len);
}

int state_meta_load(Store *store, StateMeta *ret) {
        _cleanup_(str_done) Str bytes = {};
        const uint8_t *at;
        int r;

        r = store_get(store, meta_key, sizeof(meta_key), &bytes);
        if (r <= 0)
                return r;

        at = (const uint8_t *) bytes.data;
        if (bytes.len != META_SIZE || le_get32(at) != META_FORMAT ||
            le_get32(at + META_CHECKSUM) != hash_crc32c(0, at, META_CHECKSUM))
                return 0;

        *ret = (StateMeta){
                .index = le_get64(at + META_INDEX),
                .count = le_get64(at + META_COUNT),
        };
        memcpy(ret->cluster_id, at + META_CLUSTER_ID, sizeof(ret->cluster_id));
        state_digest_read(&ret->digest, at + META_DIGEST);
        return 1;
}
