#include "daemon/tracker/spill.h"
#include "tests/unit/tracker/fixture.h"

static TrackerSpill *spill_open(const Folder *f, const uint8_t *digest, int expect) {
        TrackerSpill *spill = NULL;

        g_assert_cmpint(tracker_spill_open(&spill, f->path, digest), ==, expect);
        return spill;
}

static void put(TrackerSpill *spill, uint32_t item, unsigned fifo, uint64_t number) {
        const Cid cid = item_cid(item);
        TrackerRecord record = { .status = PIN_STATUS_PIN_QUEUED,
                                 .attempts = item,
                                 .queue = fifo,
                                 .number = TRACKER_SPILL_FIRST + number };

        g_assert_cmpint(tracker_spill_put(spill, &cid, &record), ==, 0);
}

static void take(TrackerSpill *spill, uint32_t item) {
        const Cid cid = item_cid(item);
        PinStatus status;

        g_assert_cmpint(tracker_spill_remove(spill, &cid, &status), ==, 1);
        g_assert_cmpint(status, ==, PIN_STATUS_PIN_QUEUED);
        g_assert_cmpint(tracker_spill_remove(spill, &cid, &status), ==, 0);
}

static void assert_first(TrackerSpill *spill, unsigned fifo, uint32_t item) {
        const Cid expect = item_cid(item);
        TrackerRecord record = {};
        Cid cid;

        g_assert_cmpint(tracker_spill_first(spill, fifo, &cid, &record), ==, 1);
        g_assert_true(cid_equal(&cid, &expect));
        g_assert_cmpuint(record.attempts, ==, item);
        tracker_record_done(&record);
}

static void assert_none(TrackerSpill *spill, unsigned fifo) {
        TrackerRecord record;
        Cid cid;

        g_assert_cmpint(tracker_spill_first(spill, fifo, &cid, &record), ==, 0);
        g_assert_true(tracker_spill_fifo_is_empty(spill, fifo));
}

static void test_order(Folder *f, gconstpointer data _unused_) {
        _cleanup_(tracker_spill_freep) TrackerSpill *spill = spill_open(f, folder_digest, 0);

        put(spill, 1, 0, 10);
        put(spill, 2, 0, 11);
        put(spill, 3, 1, 0);
        put(spill, 4, 0, 9); /* in front */
        g_assert_cmpuint(tracker_spill_count(spill), ==, 4);
        g_assert_cmpuint(tracker_spill_head(spill, 0), ==, TRACKER_SPILL_FIRST + 9);
        g_assert_cmpuint(tracker_spill_tail(spill, 0), ==, TRACKER_SPILL_FIRST + 12);

        assert_first(spill, 0, 4);
        take(spill, 4);
        assert_first(spill, 0, 1);
        take(spill, 2); /* from the middle */
        take(spill, 1);
        assert_none(spill, 0);
        assert_first(spill, 1, 3);
}

/* An item that came again stands where it stands now, not where it stood. */
static void test_left_overs(Folder *f, gconstpointer data _unused_) {
        _cleanup_(tracker_spill_freep) TrackerSpill *spill = spill_open(f, folder_digest, 0);

        put(spill, 1, 0, 0);
        put(spill, 2, 0, 1);
        take(spill, 1);
        put(spill, 1, 0, 2);
        assert_first(spill, 0, 2);
        take(spill, 2);
        assert_first(spill, 0, 1);
        take(spill, 1);
        put(spill, 1, 1, 0);
        assert_none(spill, 0);
}

/* Neither left-overs nor gaps are passed over without end in one call. */
static void test_bounded(Folder *f, gconstpointer data _unused_) {
        _cleanup_(tracker_spill_freep) TrackerSpill *spill = spill_open(f, folder_digest, 0);
        TrackerRecord record;
        uint64_t number = 0;
        Cid cid;
        int r;

        put(spill, 1, 0, 0);
        put(spill, 2, 0, TRACKER_SPILL_DEAD_MAX + 5);
        take(spill, 1);
        g_assert_cmpint(tracker_spill_walk(spill, 0, &number, &cid, &record), ==, TRACKER_SPILL_MORE);
        r = tracker_spill_walk(spill, 0, &number, &cid, &record);
        g_assert_cmpint(r, ==, 1);
        tracker_record_done(&record);
        g_assert_cmpint(tracker_spill_first(spill, 0, &cid, &record), ==, TRACKER_SPILL_MORE);
        assert_first(spill, 0, 2);
}

/* What has failed has a record of its own, among those that have not: it is found, keeps its words, and its
 * CID may come back without. */
static void test_own_record(Folder *f, gconstpointer data _unused_) {
        TrackerSpill *spill = spill_open(f, folder_digest, 0);
        const Cid cid = item_cid(2), other = item_cid(9);
        char words[] = "no such block";
        TrackerRecord failed = { .status = PIN_STATUS_PIN_ERROR,
                                 .attempts = 2,
                                 .queue = 0,
                                 .number = TRACKER_SPILL_FIRST + 1,
                                 .error = words },
                      record = {};
        PinStatus status;

        put(spill, 1, 0, 0);
        g_assert_cmpint(tracker_spill_put(spill, &cid, &failed), ==, 0);
        put(spill, 3, 0, 2);
        g_assert_cmpint(tracker_spill_close(spill, folder_digest), ==, 0);

        spill = spill_open(f, folder_digest, 1);
        g_assert_cmpuint(tracker_spill_count(spill), ==, 3);
        g_assert_cmpint(tracker_spill_get(spill, &other, &record), ==, 0);
        g_assert_cmpint(tracker_spill_get(spill, &cid, &record), ==, 1);
        g_assert_cmpstr(record.error, ==, words);
        tracker_record_done(&record);
        assert_first(spill, 0, 1);
        take(spill, 1);
        assert_first(spill, 0, 2);
        g_assert_cmpint(tracker_spill_remove(spill, &cid, &status), ==, 1);
        g_assert_cmpint(status, ==, PIN_STATUS_PIN_ERROR);
        put(spill, 2, 0, 3);
        assert_first(spill, 0, 3);
        take(spill, 3);
        assert_first(spill, 0, 2);
        take(spill, 2);
        assert_none(spill, 0);
        tracker_spill_free(spill);
}

static void test_round_trip(Folder *f, gconstpointer data _unused_) {
        TrackerSpill *spill = spill_open(f, folder_digest, 0);
        uint64_t counts[TRACKER_RECORD_STATUSES];

        put(spill, 1, 0, 10);
        put(spill, 2, 3, 11);
        take(spill, 1);
        put(spill, 3, 0, 11);
        g_assert_cmpint(tracker_spill_close(spill, folder_digest), ==, 0);

        spill = spill_open(f, folder_digest, 1);
        tracker_spill_counts(spill, counts);
        g_assert_cmpuint(counts[0], ==, 2);
        assert_first(spill, 0, 3);
        assert_first(spill, 3, 2);
        tracker_spill_free(spill);
}

/* Of another pinset, or not closed: it starts empty, with nothing left of what was there. */
static void test_discards(Folder *f, gconstpointer data _unused_) {
        static const uint8_t other[] = "another digest..";
        TrackerSpill *spill = spill_open(f, folder_digest, 0);

        put(spill, 1, 0, 0);
        g_assert_cmpint(tracker_spill_close(spill, folder_digest), ==, 0);
        spill = spill_open(f, other, 0);
        g_assert_cmpuint(tracker_spill_count(spill), ==, 0);
        assert_none(spill, 0);
        put(spill, 2, 0, 0);
        assert_first(spill, 0, 2);
        g_assert_cmpint(tracker_spill_close(spill, other), ==, 0);

        spill = spill_open(f, other, 1);
        put(spill, 3, 0, 1);
        tracker_spill_free(spill);
        spill = spill_open(f, other, 0);
        assert_none(spill, 0);
        put(spill, 4, 0, 0);
        g_assert_cmpint(tracker_spill_close(spill, other), ==, 0);

        spill = spill_open(f, other, 1);
        take(spill, 4);
        tracker_spill_free(spill);
        spill = spill_open(f, other, 0);
        assert_none(spill, 0);
        tracker_spill_free(spill);
}

#define TEST(name, func)                                                                                    \
        g_test_add("/tracker/spill/" name, Folder, NULL, folder_set_up, func, folder_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST("order", test_order);
        TEST("left-overs", test_left_overs);
        TEST("bounded", test_bounded);
        TEST("own-record", test_own_record);
        TEST("round-trip", test_round_trip);
        TEST("discards", test_discards);
        return g_test_run();
}
