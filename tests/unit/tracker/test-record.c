#include <glib.h>
#include <string.h>

#include "daemon/base/protobuf.h"
#include "daemon/tracker/record.h"
#include "tests/lib/fault.h"

static const uint8_t golden[] = {
        1, /* format */
        1 << 3,
        4, /* status: pin_error */
        2 << 3,
        7, /* attempts */
        3 << 3,
        0xac,
        0x02, /* timestamp 300 */
        4 << 3,
        5, /* created */
        5 << 3,
        6, /* queue */
        6 << 3,
        0x80,
        0x01, /* number 128 */
        (7 << 3) | 2,
        4,
        'w',
        'h',
        'y',
        '?', /* error */
};

static const TrackerRecord golden_record = {
        .status = PIN_STATUS_PIN_ERROR,
        .attempts = 7,
        .timestamp = 300,
        .created = 5,
        .queue = 6,
        .number = 128,
        .error = (char *) "why?",
};

static void assert_equal(const TrackerRecord *a, const TrackerRecord *b) {
        g_assert_cmpint(a->status, ==, b->status);
        g_assert_cmpuint(a->attempts, ==, b->attempts);
        g_assert_cmpuint(a->timestamp, ==, b->timestamp);
        g_assert_cmpuint(a->created, ==, b->created);
        g_assert_cmpuint(a->queue, ==, b->queue);
        g_assert_cmpuint(a->number, ==, b->number);
        g_assert_cmpstr(a->error, ==, b->error);
}

static void test_golden(void) {
        _cleanup_(str_done) Str bytes = {};
        TrackerRecord record = {};

        g_assert_cmpint(tracker_record_write(&golden_record, &bytes), ==, 0);
        g_assert_cmpmem(bytes.data, bytes.len, golden, sizeof(golden));
        g_assert_cmpint(tracker_record_read(golden, sizeof(golden), &record), ==, 0);
        assert_equal(&record, &golden_record);
        tracker_record_done(&record);
}

/* Cut within a field it is damaged; cut between two it is a shorter record. */
static void test_cut_at_every_byte(void) {
        static const size_t fields[] = { 3, 5, 8, 10, 12, 15, sizeof(golden) };

        for (size_t n = 0; n <= sizeof(golden); n++) {
                g_autofree uint8_t *copy = g_memdup2(golden, n);
                TrackerRecord record = {};
                int expect = -EBADMSG;

                for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                        if (fields[i] == n)
                                expect = 0;
                g_test_message("%zu bytes", n);
                g_assert_cmpint(tracker_record_read(copy, n, &record), ==, expect);
                tracker_record_done(&record);
        }
}

static void test_bad(void) {
        static const struct {
                const char *what, *bytes;
                size_t n;
        } cases[] = {
#define CASE(what, text) { what, text, sizeof(text) - 1 }
                CASE("another format", "\2\x08\4"),
                CASE("no status", "\1\x10\1"),
                CASE("a status that has no record", "\1\x08\x10"),
                CASE("two statuses at once", "\1\x08\x0c"),
                CASE("a status beyond 32 bits", "\1\x08\x84\x80\x80\x80\x20"),
                CASE("a FIFO that is none", "\1\x08\4\x28\x10"),
                CASE("an unknown field", "\1\x08\4\x40\1"),
                CASE("a number as text", "\1\x0a\1x"),
                CASE("an error as number", "\1\x08\4\x38\1"),
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                TrackerRecord record = {};

                g_test_message("%s", cases[i].what);
                g_assert_cmpint(tracker_record_read(cases[i].bytes, cases[i].n, &record), ==, -EBADMSG);
                g_assert_null(record.error);
        }
}

static void test_error_too_long(void) {
        g_autofree char *words = g_strnfill(TRACKER_ERROR_MAX + 1, 'x');
        _cleanup_(str_done) Str bytes = {};
        TrackerRecord record = golden_record;

        record.error = words;
        g_assert_cmpint(tracker_record_write(&record, &bytes), ==, 0);
        g_assert_cmpint(tracker_record_read(bytes.data, bytes.len, &record), ==, -EBADMSG);
}

/* Words are cut where a character ends; empty ones are none. */
static void test_set_error(void) {
        g_autofree char *fill = g_strnfill(TRACKER_ERROR_MAX - 1, 'x'),
                        *words = g_strconcat(fill, "ä", NULL);
        TrackerRecord record = {};

        g_assert_cmpint(tracker_record_set_error(&record, words), ==, 0);
        g_assert_cmpstr(record.error, ==, fill);
        g_assert_cmpint(tracker_record_set_error(&record, ""), ==, 0);
        g_assert_cmpstr(record.error, ==, NULL);
        tracker_record_done(&record);
}

static void test_slots(void) {
        static const PinStatus statuses[] = { PIN_STATUS_PIN_QUEUED,
                                              PIN_STATUS_PIN_ERROR,
                                              PIN_STATUS_UNPIN_QUEUED,
                                              PIN_STATUS_UNPIN_ERROR,
                                              PIN_STATUS_UNEXPECTEDLY_UNPINNED };
        static const PinStatus others[] = { PIN_STATUS_UNDEFINED, PIN_STATUS_PINNED, PIN_STATUS_ERROR };

        for (size_t i = 0; i < ELEMENTSOF(statuses); i++)
                g_assert_cmpint(tracker_record_slot(statuses[i]), ==, (int) i);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                g_assert_cmpint(tracker_record_slot(others[i]), ==, -EINVAL);
}

static void test_fault(void) {
        FOREACH_FAULT {
                _cleanup_(str_done) Str bytes = {};
                TrackerRecord record = {};
                int r;

                r = tracker_record_write(&golden_record, &bytes);
                if (r >= 0)
                        r = tracker_record_read(bytes.data, bytes.len, &record);
                if (r >= 0)
                        assert_equal(&record, &golden_record);
                else
                        g_assert_cmpint(r, ==, -ENOMEM);
                tracker_record_done(&record);
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tracker/record/golden", test_golden);
        g_test_add_func("/tracker/record/cut-at-every-byte", test_cut_at_every_byte);
        g_test_add_func("/tracker/record/bad", test_bad);
        g_test_add_func("/tracker/record/error-too-long", test_error_too_long);
        g_test_add_func("/tracker/record/set-error", test_set_error);
        g_test_add_func("/tracker/record/slots", test_slots);
        g_test_add_func("/tracker/record/fault", test_fault);
        return g_test_run();
}
