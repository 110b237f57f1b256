#include <glib.h>

#include "daemon/state/digest.h"

static StateRecord text_record(const char *key, const char *value) {
        return (StateRecord){
                .key = key,
                .value = value,
                .key_size = strlen(key),
                .value_size = strlen(value),
        };
}

static void assert_digest(const StateDigest *digest, const uint8_t expect[static STATE_DIGEST_SIZE]) {
        uint8_t bytes[STATE_DIGEST_SIZE];

        state_digest_write(digest, bytes);
        g_assert_cmpmem(bytes, sizeof(bytes), expect, STATE_DIGEST_SIZE);
}

/* SHA-256 of "abc", as in FIPS 180-4. */
static void test_one_record(void) {
        static const uint8_t expect[STATE_DIGEST_SIZE] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                                           0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23 };
        StateRecord record = text_record("a", "bc");
        StateDigest digest = {}, again;

        state_digest_add(&digest, &record);
        assert_digest(&digest, expect);

        state_digest_read(&again, expect);
        g_assert_true(state_digest_equal(&digest, &again));
        again.high ^= 1;
        g_assert_false(state_digest_equal(&digest, &again));
}

static void test_empty_value(void) {
        StateRecord record = { .key = "abc", .key_size = 3 }, same = text_record("ab", "c");
        StateDigest digest = {}, other = {};

        state_digest_add(&digest, &record);
        state_digest_add(&other, &same);
        g_assert_true(state_digest_equal(&digest, &other));
}

/* Added one after the other, each sum is that of a wider integer; taken away in another order, all is zero.
 */
static void test_sum(void) {
        static const uint8_t zero[STATE_DIGEST_SIZE];
        unsigned __int128 sum = 0;
        StateDigest digest = {};

        for (uint32_t i = 0; i < 1000; i++) {
                StateRecord record = {
                        .key = &i, .value = &i, .key_size = sizeof(i), .value_size = sizeof(i)
                };
                StateDigest one = {};

                state_digest_add(&one, &record);
                sum += (unsigned __int128) one.high << 64 | one.low;
                state_digest_add(&digest, &record);
                g_assert_cmpuint(digest.low, ==, (uint64_t) sum);
                g_assert_cmpuint(digest.high, ==, (uint64_t) (sum >> 64));
        }

        for (uint32_t k = 0; k < 1000; k++) {
                uint32_t i = k * 7 % 1000;

                state_digest_subtract(
                                &digest,
                                &(StateRecord){ .key = &i,
                                                .value = &i,
                                                .key_size = sizeof(i),
                                                .value_size = sizeof(i) });
        }
        assert_digest(&digest, zero);
}

static void test_largest_record(void) {
        g_autofree char *key = g_malloc0(CID_BYTES_MAX), *value = g_malloc0(PIN_BYTES_MAX);
        StateRecord record = { key, value, CID_BYTES_MAX, PIN_BYTES_MAX };
        StateDigest digest = {};

        state_digest_add(&digest, &record);
        g_assert_true(digest.low != 0 && digest.high != 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/state/digest/one-record", test_one_record);
        g_test_add_func("/state/digest/empty-value", test_empty_value);
        g_test_add_func("/state/digest/is-a-sum-modulo-2^128", test_sum);
        g_test_add_func("/state/digest/largest-record", test_largest_record);
        return g_test_run();
}
