#include "daemon/offline/present.h"

#include <string.h>
#include <unistd.h>

#include "daemon/offline/log.h"

/* Answers 1, or 0 when there is no pinset at all. */
static int present_open(OfflineLog *log, const OfflinePeer *peer, Error *reterr) {
        int r;

        if (access(peer->raft_folder, F_OK) < 0)
                return 0;
        r = offline_log_open_to_read(log, peer, reterr);
        return r < 0 ? r : 1;
}

static int present_fail(int r, Error *reterr) {
        return error_set_errno(reterr, r, "the pinset cannot be read: %m");
}

/* ---- keep */

static int present_copy(StatePinset *pinset, StateSpool *spool, Error *reterr) {
        _cleanup_(state_scan_freep) StateScan *scan = NULL;
        StateRecord pin = {};
        const void *key;
        size_t key_size;
        int r;

        r = state_scan_new(&scan, pinset);
        while (r >= 0) {
                r = state_scan_next(scan, &key, &key_size, &pin.value, &pin.value_size);
                if (r == 0)
                        return 0;
                if (r > 0)
                        r = state_spool_write(spool, &pin);
        }
        return present_fail(r, reterr);
}

int offline_present_keep(const OfflinePeer *peer, StateSpool *spool, Error *reterr) {
        _cleanup_(offline_log_done) OfflineLog log = {};
        int r;

        r = present_open(&log, peer, reterr);
        if (r > 0)
                r = present_copy(consensus_pinset(log.consensus), spool, reterr);
        return r < 0 || !log.consensus ? r : offline_log_close(&log, reterr);
}

/* ---- compare */

/* One pin of the pinset that is to be. BEFORE: NULL when there is none. */
static int present_judge(
                StatePinset *before, const void *value, size_t size, Str *was, OfflineDifference *counts) {
        Pin pin = {};
        int r;

        str_reset(was);
        r = before ? pin_read(value, size, &pin) : 0;
        if (before && r >= 0)
                r = state_pinset_get_bytes(before, &pin.cid, was);
        pin_done(&pin);
        if (r < 0)
                return r;

        if (r == 0)
                counts->n_added++;
        else if (was->len == size && memcmp(was->data, value, size) == 0)
                counts->n_same++;
        else
                counts->n_changed++;
        return 0;
}

static int present_judge_all(
                StatePinset *before, StatePinset *after, OfflineDifference *counts, Error *reterr) {
        _cleanup_(state_scan_freep) StateScan *scan = NULL;
        _cleanup_(str_done) Str was = {};
        const void *key, *value;
        size_t key_size, size;
        int r;

        r = state_scan_new(&scan, after);
        while (r >= 0) {
                r = state_scan_next(scan, &key, &key_size, &value, &size);
                if (r == 0)
                        return 0;
                if (r > 0)
                        r = present_judge(before, value, size, &was, counts);
        }
        return present_fail(r, reterr);
}

int offline_present_compare(
                const OfflinePeer *peer, StatePinset *after, OfflineDifference *ret, Error *reterr) {
        _cleanup_(offline_log_done) OfflineLog log = {};
        OfflineDifference counts = {};
        StatePinset *before = NULL;
        int r;

        r = present_open(&log, peer, reterr);
        if (r > 0)
                before = consensus_pinset(log.consensus);
        if (r >= 0)
                r = present_judge_all(before, after, &counts, reterr);
        if (r < 0)
                return r;

        if (before)
                counts.n_removed = state_pinset_count(before) - counts.n_same - counts.n_changed;
        *ret = counts;
        return before ? offline_log_close(&log, reterr) : 0;
}
