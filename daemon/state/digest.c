#include "daemon/state/digest.h"

#include "daemon/base/hash.h"
#include "daemon/base/le.h"

static StateDigest digest_of(const StateRecord *record) {
        uint8_t bytes[STATE_RECORD_MAX], hash[HASH_SHA256_SIZE];
        StateDigest digest;

        assert(record->key_size + record->value_size <= sizeof(bytes));

        memcpy(bytes, record->key, record->key_size);
        if (record->value_size > 0)
                memcpy(bytes + record->key_size, record->value, record->value_size);
        hash_sha256(bytes, record->key_size + record->value_size, hash);

        state_digest_read(&digest, hash);
        return digest;
}

void state_digest_add(StateDigest *digest, const StateRecord *record) {
        StateDigest other = digest_of(record);

        digest->low += other.low;
        digest->high += other.high + (digest->low < other.low); /* carry */
}

void state_digest_subtract(StateDigest *digest, const StateRecord *record) {
        StateDigest other = digest_of(record);

        digest->high -= other.high + (digest->low < other.low); /* borrow */
        digest->low -= other.low;
}

void state_digest_write(const StateDigest *digest, uint8_t bytes[static STATE_DIGEST_SIZE]) {
        uint64_t low = htole64(digest->low), high = htole64(digest->high);

        memcpy(bytes, &low, sizeof(low));
        memcpy(bytes + sizeof(low), &high, sizeof(high));
}

void state_digest_read(StateDigest *digest, const uint8_t bytes[static STATE_DIGEST_SIZE]) {
        *digest = (StateDigest){ .low = le_get64(bytes), .high = le_get64(bytes + 8) };
}
