#include <glib.h>
#include <string.h>

#include "daemon/pinsvc/match.h"
#include "tests/lib/fault.h"

static const char *const modes[] = { "exact", "iexact", "partial", "ipartial" };

static int match(PinsvcMatchMode mode, const char *wanted, const char *name) {
        PinsvcMatch m;
        int r;

        r = pinsvc_match_init(&m, mode, wanted);
        if (r < 0)
                return r;
        r = pinsvc_match_name(&m, name);
        pinsvc_match_done(&m);
        return r;
}

static void test_modes(void) {
        static const char *const bad[] = { "", "Exact", "exact ", "iiexact", "prefix", "*" };

        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++)
                g_assert_cmpint(pinsvc_match_mode_from_string(modes[i]), ==, (int) i);
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_cmpint(pinsvc_match_mode_from_string(bad[i]), ==, _PINSVC_MATCH_INVALID);
}

/* Each pair in each mode. */
static void test_names(void) {
        static const struct {
                const char *wanted, *name;
                bool matches[_PINSVC_MATCH_N]; /* exact, iexact, partial, ipartial */
        } cases[] = {
                { "a.pdf", "a.pdf", { true, true, true, true } },
                { "a.pdf", "A.PDF", { false, true, false, true } },
                { "A.pdf", "a.PDF", { false, true, false, true } },
                { "pdf", "a.pdf", { false, false, true, true } },
                { "PDF", "a.pdf", { false, false, false, true } },
                { "a.pdf", "pdf", { false, false, false, false } },
                { "a.pdf", "a.pdf2", { false, false, true, true } },
                { "", "a", { false, false, true, true } },
                { "", "", { true, true, true, true } },
                { "", NULL, { true, true, true, true } },
                { "a", NULL, { false, false, false, false } },
                { "*", "abc", { false, false, false, false } },
                { "a_c", "abc", { false, false, false, false } },
                { "Ä€β", "Ä€β", { true, true, true, true } },
                { "ä€Β", "Ä€β", { false, true, false, true } },
                { "ПРИВЕТ", "о, Привет!", { false, false, false, true } },
                { "Привет", "о, Привет!", { false, false, true, true } },
                { "\xff"
                  "A",
                  "\xff"
                  "a",
                  { false, true, false, true } },
                { "\xe2\x82", "\xe2\x82", { true, true, true, true } },
                { "\xf0\x9f\x98\x80X", "\xf0\x9f\x98\x80x", { false, true, false, true } },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                for (PinsvcMatchMode mode = 0; mode < _PINSVC_MATCH_N; mode++) {
                        g_test_message("%zu %s", i, modes[mode]); /* not all are UTF-8 */
                        g_assert_cmpint(match(mode, cases[i].wanted, cases[i].name),
                                        ==,
                                        cases[i].matches[mode]);
                }
}

/* One match looks at many names. */
static void test_again(void) {
        PinsvcMatch m;

        g_assert_cmpint(pinsvc_match_init(&m, PINSVC_MATCH_IPARTIAL, "BC"), ==, 0);
        for (unsigned i = 0; i < 3; i++) {
                g_assert_cmpint(pinsvc_match_name(&m, "a long name with abc inside"), ==, 1);
                g_assert_cmpint(pinsvc_match_name(&m, "bc"), ==, 1);
                g_assert_cmpint(pinsvc_match_name(&m, "b"), ==, 0);
                g_assert_cmpint(pinsvc_match_name(&m, NULL), ==, 0);
        }
        pinsvc_match_done(&m);
        pinsvc_match_done(&m);
}

static void test_no_memory(void) {
        FOREACH_FAULT {
                int r = match(PINSVC_MATCH_IEXACT, "ABCDEFGHIJ", "abcdefghij");

                g_assert_true(r == 1 || r == -ENOMEM);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/pinsvc/match/modes", test_modes);
        g_test_add_func("/pinsvc/match/names", test_names);
        g_test_add_func("/pinsvc/match/again", test_again);
        g_test_add_func("/pinsvc/match/no-memory", test_no_memory);
        return g_test_run();
}
