#include <glib.h>
#include <string.h>

#include "daemon/base/multibase.h"
#include "daemon/join/proof.h"
#include "tests/lib/fault.h"

#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define LONG_SECRET SECRET "00"
#define SPACED_SECRET " " SECRET

static const PeerId alice = { .size = 3, .bytes = "abc" };
static const PeerId bob = { .size = 3, .bytes = "abd" };
static const uint8_t exporter[JOIN_EXPORTER_SIZE] = { 1, 2, 3, 31 };
static const uint8_t other_exporter[JOIN_EXPORTER_SIZE] = { 1, 2, 3, 32 };

/* HMAC-SHA256 by another program, over "join\0", 3, "abc" and the exporter. */
static void test_golden(void) {
        static const struct {
                const char *secret, *proof;
        } cases[] = {
                { SECRET, "055032fa8f895b7ba684fff993a63f99acccec4cf15c26aa0b1f7bd8ae3453f7" },
                { "", "2c08b07f239691c581133dd8e129103cc1969e17ffe6a393846f29b968ca7ac2" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(str_done) Str text = {};
                uint8_t proof[JOIN_PROOF_SIZE];

                g_assert_cmpint(join_proof_make(cases[i].secret, "join", &alice, exporter, proof), ==, 0);
                g_assert_cmpint(multibase_encode(MULTIBASE_16, proof, sizeof(proof), &text), ==, 0);
                g_assert_cmpstr(text.data, ==, cases[i].proof);
        }
}

/* It holds for this secret, purpose, prover and link, and for nothing else. */
static void test_binds(void) {
        static const struct {
                const char *what, *secret, *purpose;
                const PeerId *prover;
                const uint8_t *exporter;
                bool is;
        } cases[] = {
                { "the same", SECRET, "join", &alice, exporter, true },
                { "no secret", "", "join", &alice, exporter, false },
                { "another secret",
                  "01112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
                  "join",
                  &alice,
                  exporter,
                  false },
                { "a broken secret", "0011", "join", &alice, exporter, false },
                { "another purpose", SECRET, "joined", &alice, exporter, false },
                { "sent back", SECRET, "join", &bob, exporter, false },
                { "on another link", SECRET, "join", &alice, other_exporter, false },
        };
        uint8_t proof[JOIN_PROOF_SIZE];

        g_assert_cmpint(join_proof_make(SECRET, "join", &alice, exporter, proof), ==, 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_test_message("%s", cases[i].what);
                g_assert_cmpint(join_proof_is(cases[i].secret,
                                              cases[i].purpose,
                                              cases[i].prover,
                                              cases[i].exporter,
                                              proof),
                                ==,
                                cases[i].is);
        }
        for (size_t i = 0; i < sizeof(proof); i++) {
                proof[i] ^= 1;
                g_assert_false(join_proof_is(SECRET, "join", &alice, exporter, proof));
                proof[i] ^= 1;
        }
}

static void test_bad_secret(void) {
        static const char *const secrets[] = { "00", "xy", LONG_SECRET, SPACED_SECRET };
        uint8_t proof[JOIN_PROOF_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(secrets); i++) {
                g_test_message("%s", secrets[i]);
                g_assert_cmpint(join_proof_make(secrets[i], "join", &alice, exporter, proof), ==, -EINVAL);
        }
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                uint8_t proof[JOIN_PROOF_SIZE];

                g_assert_cmpint(join_proof_make(SECRET, "join", &alice, exporter, proof),
                                ==,
                                fault_fired() ? -ENOMEM : 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/join/proof/golden", test_golden);
        g_test_add_func("/join/proof/binds", test_binds);
        g_test_add_func("/join/proof/bad-secret", test_bad_secret);
        g_test_add_func("/join/proof/out-of-memory", test_out_of_memory);
        return g_test_run();
}
