#include "tests/unit/dbus/harness.h"

static Harness harness;

static void test_bounds(void) {
        static const struct {
                BusKind kind;
                size_t of_sender, of_all;
                const char *words;
        } cases[] = {
                { BUS_KIND_CALL,
                  64,
                  2048,
                  "there are 64 calls under way for you already, at most 64 are allowed" },
                { BUS_KIND_PIPE, 4, 16, "there are 4 pipes open for you already, at most 4 are allowed" },
                { BUS_KIND_CURSOR, 4, 16, "there are 4 lists that are being paged for you already" },
        };

        harness_open(&harness);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ BusSender **taken = calloc(cases[i].of_all, sizeof(BusSender *));
                Error error = {};
                BusSender *none;

                for (size_t n = 0; n < cases[i].of_all; n++) {
                        g_autofree char *name = g_strdup_printf(":1.%zu", n / cases[i].of_sender);

                        g_assert_cmpint(bus_sender_take(harness.bus, name, cases[i].kind, &taken[n], NULL),
                                        ==,
                                        0);
                        if (n + 1 != cases[i].of_sender)
                                continue;
                        g_assert_cmpint(bus_sender_take(harness.bus, name, cases[i].kind, &none, &error),
                                        ==,
                                        -EBUSY);
                        harness_assert_has(error.message, cases[i].words);
                        error_done(&error);
                }
                g_assert_cmpint(bus_sender_take(harness.bus, "new", cases[i].kind, &none, &error),
                                ==,
                                -EBUSY);
                harness_assert_has(error.message, "already, try again later");
                error_done(&error);
                for (size_t n = 0; n < cases[i].of_all; n++)
                        bus_sender_give_back(taken[n], cases[i].kind);
                g_assert_cmpuint(map_size(harness.bus->senders), ==, 0);
        }
        harness_close(&harness);
}

/* The kinds of one sender are counted apart, and it is forgotten with the last. */
static void test_kinds(void) {
        BusSender *a, *b;

        harness_open(&harness);
        g_assert_cmpint(bus_sender_take(harness.bus, ALICE, BUS_KIND_CALL, &a, NULL), ==, 0);
        g_assert_cmpint(bus_sender_take(harness.bus, ALICE, BUS_KIND_PIPE, &b, NULL), ==, 0);
        g_assert_true(a == b);
        bus_sender_give_back(a, BUS_KIND_CALL);
        g_assert_cmpuint(map_size(harness.bus->senders), ==, 1);
        bus_sender_give_back(b, BUS_KIND_PIPE);
        g_assert_cmpuint(map_size(harness.bus->senders), ==, 0);
        harness_close(&harness);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dbus/sender/bounds", test_bounds);
        g_test_add_func("/dbus/sender/kinds", test_kinds);
        return g_test_run();
}
