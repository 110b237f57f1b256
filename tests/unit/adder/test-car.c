#include <glib.h>
#include <string.h>

#include "daemon/adder/car.h"
#include "tests/lib/fault.h"

/* {"roots": [ROOTS], "version": 1}, as it stands in a file, with its size in front. */
#define ROOT_BYTES                                                                                          \
        "\xd8\x2a\x58\x25\x00\x01\x70\x12\x20"                                                              \
        "0123456789abcdef0123456789abcdef"
#define CID_BYTES                                                                                           \
        "\x01\x70\x12\x20"                                                                                  \
        "0123456789abcdef0123456789abcdef"
#define HEADER "\xa2\x65roots\x81" ROOT_BYTES "\x67version\x01"
#define ONE "\x3a" HEADER
#define TWO_ROOTS "\x63\xa2\x65roots\x82" ROOT_BYTES ROOT_BYTES "\x67version\x01"
#define NO_ROOT "\x11\xa2\x65roots\x80\x67version\x01"
#define PRAGMA "\x0a\xa1\x67version\x02"
#define FRAME(offset) "0123456789abcdef" offset "\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"

#define TEXT(text) text, sizeof(text) - 1

static const struct {
        const char *name, *bytes;
        size_t n;
} good[] = {
        { "version-1", TEXT(ONE "blocks follow") },
        { "version-1-alone", TEXT(ONE) },
        { "version-2", TEXT(PRAGMA FRAME("\x33") ONE "blocks") },
        { "version-2-padded", TEXT(PRAGMA FRAME("\x3a") "padding" ONE) },
        { "version-first", TEXT("\x3a\xa2\x67version\x01\x65roots\x81" ROOT_BYTES) },
};

static const struct {
        const char *name, *bytes;
        size_t n;
        const char *words;
} bad[] = {
        { "nothing", TEXT(""), "EOF" },
        { "junk", TEXT("this is not a car file"), "unexpected EOF" },
        { "half", TEXT("\x3a\xa2\x65roots"), "unexpected EOF" },
        { "size-0", TEXT("\0abc"), "CAR: the size of the header: expected 1 to 4096" },
        { "size-large", TEXT("\xff\xff\x7f"), "CAR: the size of the header: expected 1 to 4096" },
        { "no-map", TEXT("\x01\x01"), "CAR: the header: expected a map with 'version' and 'roots'" },
        { "other-key",
          TEXT("\x04\xa1\x61x\x01"),
          "CAR: the header: expected a map with 'version' and 'roots'" },
        { "more-behind",
          TEXT("\x0c\xa1\x67version\x01\x01\x01"),
          "CAR: the header: expected a map with 'version' and 'roots'" },
        { "root-no-link",
          TEXT("\x09\xa1\x65roots\x81\x01"),
          "CAR: the header: expected a map with 'version' and 'roots'" },
        { "endless", TEXT("\x02\xbf\xff"), "CAR: the header: expected a map with 'version' and 'roots'" },
        { "two-roots", TEXT(TWO_ROOTS), "only CAR files with a single root are supported" },
        { "no-roots", TEXT(NO_ROOT), "empty car, no roots" },
        { "version-3", TEXT("\x0a\xa1\x67version\x03"), "CAR: version 3: expected 1 or 2" },
        { "version-2-inside", TEXT(PRAGMA FRAME("\x33") PRAGMA), "CAR: version 2: expected 1 or 2" },
        { "version-2-offset",
          TEXT(PRAGMA FRAME("\x05") ONE),
          "CAR: the offset of the data is inside the header" },
        { "version-2-cut", TEXT(PRAGMA "0123"), "unexpected EOF" },
        { "version-2-cut-at-frame", TEXT(PRAGMA FRAME("\x3a") "pad"), "unexpected EOF" },
};

/* In pieces of STEP bytes. */
static int read_car(const char *bytes, size_t n, size_t step, AdderCar *car, Error *error) {
        int r = 0;

        for (size_t at = 0; at < n && r >= 0; at += step) {
                size_t k = MIN(step, n - at);
                g_autofree char *piece = g_memdup2(bytes + at, k);

                r = adder_car_feed(car, piece, k, error);
        }
        return r < 0 ? r : adder_car_finish(car, error);
}

static void test_good(void) {
        Cid root;

        g_assert_cmpint(cid_from_bytes(CID_BYTES, sizeof(CID_BYTES) - 1, &root), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
                for (size_t step = 1; step <= good[i].n; step++) {
                        AdderCar car = {};

                        g_test_message("%s in steps of %zu", good[i].name, step);
                        g_assert_cmpint(read_car(good[i].bytes, good[i].n, step, &car, NULL), ==, 0);
                        g_assert_cmpint(cid_equal(&car.root, &root), ==, true);
                        adder_car_done(&car);
                }
}

static void test_bad(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                for (size_t step = 1; step <= bad[i].n + 1; step++) {
                        _cleanup_(error_done) Error error = {};
                        AdderCar car = {};

                        g_test_message("%s in steps of %zu", bad[i].name, step);
                        g_assert_cmpint(read_car(bad[i].bytes, bad[i].n, step, &car, &error), ==, -EINVAL);
                        g_assert_cmpstr(error_message(&error), ==, bad[i].words);
                        adder_car_done(&car);
                }
}

static void test_truncated(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
                for (size_t n = 0; n + 13 < good[i].n; n++) {
                        AdderCar car = {};
                        int r = read_car(good[i].bytes, n, SIZE_MAX / 2, &car, NULL);

                        g_test_message("%zu bytes of %s", n, good[i].name);
                        g_assert_cmpint(r, ==, car.is_done ? 0 : -EINVAL);
                        adder_car_done(&car);
                }
}

static void test_no_memory(void) {
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                AdderCar car = {};
                int r = adder_car_feed(&car, good[2].bytes, good[2].n, &error);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 1);
                adder_car_done(&car);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/adder/car/good", test_good);
        g_test_add_func("/adder/car/bad", test_bad);
        g_test_add_func("/adder/car/truncated", test_truncated);
        g_test_add_func("/adder/car/no-memory", test_no_memory);
        return g_test_run();
}
