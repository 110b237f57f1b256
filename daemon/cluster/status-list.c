/* Lists of statuses: of given CIDs, of all by a filter, of what is queued again, of what a sync found. */

#include "daemon/base/time.h"
#include "daemon/cluster/list.h"

/* ---- one item ---- */

static int list_update_self(ClusterList *list, const Cid *cid, const Pin *pin) {
        Tracker *tracker = list->cluster->tracker;

        return list->self.peer ? tracker_status_update(tracker, cid, pin, &list->self)
                               : tracker_status_known(tracker, cid, pin, &list->self);
}

/* The item for CID as it is known now: 1, CLUSTER_LIST_SKIP when FILTER does not take it. PIN is the
 * pinset's, whose members are moved, or NULL. */
static int list_fill(ClusterList *list, const Cid *cid, Pin *pin, PinStatus filter) {
        GlobalPinInfo *info = &list->item.status;
        int r;

        if (!cluster_list_wants(list, pin))
                return CLUSTER_LIST_SKIP;
        r = list_update_self(list, cid, pin);
        if (r < 0)
                return r;
        if (!pin_status_matches((PinStatus) list->self.status, filter))
                return CLUSTER_LIST_SKIP;

        if (pin)
                cluster_status_head_take(pin, info);
        else
                cluster_status_head_unknown(cid, list->local, info);
        info->peer_map = (JsonArray){ .items = &list->self, .n = 1, .is_set = true };
        return 1;
}

static int list_fill_cid(ClusterList *list, const Cid *cid, PinStatus filter) {
        Pin pin = {};
        int r;

        r = cluster_pin_get(list->cluster, cid, &pin);
        if (r >= 0)
                r = list_fill(list, cid, r > 0 ? &pin : NULL, filter);
        pin_done(&pin);
        return r;
}

static int list_fill_bytes(ClusterList *list, const void *value, size_t size, PinStatus filter) {
        Pin pin = {};
        Cid cid;
        int r;

        r = pin_read(value, size, &pin);
        if (r < 0)
                return r;
        cid = pin.cid;
        r = list_fill(list, &cid, &pin, filter);
        pin_done(&pin);
        return r;
}

/* The element of peer_map stays: it is the list's. */
static void list_drop_status(ClusterList *list) {
        list->item.status.peer_map = (JsonArray){};
        global_pin_info_done(&list->item.status);
}

/* ---- all, by filter: the scan of the pinset, then unpins of what has left it; or the tracker's records
 * alone ---- */

enum {
        STAGE_SCAN,
        STAGE_UNPINS,
        STAGE_RECORDS,
        STAGE_END,
};

static int statuses_start(ClusterList *list, Error *reterr _unused_) {
        TrackerCounts counts;
        int r;

        tracker_counts(list->cluster->tracker, &counts);
        if (list->filter != 0 && !(list->filter & ~CLUSTER_STATUSES_RECORDED) && counts.complete) {
                list->stage = STAGE_RECORDS;
                return tracker_cursor_new(&list->cursor, list->cluster->tracker, list->filter);
        }

        list->stage = STAGE_SCAN;
        r = state_scan_new(&list->scan, consensus_pinset(list->cluster->consensus));
        if (r < 0)
                return r;
        return tracker_cursor_new(&list->cursor, list->cluster->tracker, CLUSTER_STATUSES_UNPIN);
}

static int statuses_scan(ClusterList *list) {
        const void *key, *value;
        size_t key_size, value_size;
        int r;

        r = state_scan_next(list->scan, &key, &key_size, &value, &value_size);
        if (r > 0)
                return list_fill_bytes(list, value, value_size, list->filter);
        list->stage = STAGE_UNPINS;
        return r < 0 ? r : CLUSTER_LIST_SKIP;
}

/* One record: those of items in the pinset were told by the scan. */
static int statuses_record(ClusterList *list, bool skip_pinset) {
        Cid cid;
        int r;

        r = tracker_cursor_next(list->cursor, &cid);
        if (r <= 0) {
                list->stage = STAGE_END;
                return r;
        }
        if (skip_pinset) {
                r = state_pinset_has(consensus_pinset(list->cluster->consensus), &cid);
                if (r != 0)
                        return r < 0 ? r : CLUSTER_LIST_SKIP;
        }
        return list_fill_cid(list, &cid, list->filter);
}

static int statuses_next(ClusterList *list, Error *reterr _unused_) {
        switch (list->stage) {
        case STAGE_SCAN:
                return statuses_scan(list);
        case STAGE_UNPINS:
                return statuses_record(list, /* skip_pinset= */ true);
        case STAGE_RECORDS:
                return statuses_record(list, /* skip_pinset= */ false);
        default:
                return 0;
        }
}

const ClusterListClass cluster_list_statuses_class = {
        .shape = &global_pin_info_shape,
        .start = statuses_start,
        .next = statuses_next,
        .drop = list_drop_status,
};

/* ---- given CIDs, each asked as GET /pins/{cid} does ---- */

/* list->stage */
enum {
        CIDS_ASK,
        CIDS_KNOWN, /* the answer for the present CID has come */
};

static void cids_on_known(
                TrackerCall *call, int r, const Error *error, const PinInfo *info, void *userdata) {
        ClusterList *list = userdata;

        if (r >= 0 && info->status == PIN_STATUS_CLUSTER_ERROR)
                r = str_copy(&list->known_error, info->error);
        list->tracker = NULL;
        list->stage = CIDS_KNOWN;
        cluster_list_go_on(list, r, error);
        tracker_call_unref(call); /* ERROR is its */
}

static void cids_set_failure(ClusterList *list) {
        list->self.status = PIN_STATUS_CLUSTER_ERROR;
        free(list->self.error);
        list->self.error = TAKE_PTR(list->known_error);
}

static int cids_tell(ClusterList *list) {
        int r;

        list->stage = CIDS_ASK;
        r = list_fill_cid(list, &list->cids[list->at++], /* filter= */ 0);
        if (r == 1 && list->known_error)
                cids_set_failure(list);
        return r;
}

/* One Kubo that answers nothing must not hold up the list for each of its CIDs. */
static int cids_ask(ClusterList *list) {
        int r;

        if (time_monotonic() >= list->deadline) {
                r = str_copy(&list->known_error, "Kubo did not answer in time for earlier CIDs");
                return r < 0 ? r : cids_tell(list);
        }
        r = tracker_status(
                        list->cluster->tracker,
                        &list->tracker,
                        &list->cids[list->at],
                        /* ask= */ true,
                        cids_on_known,
                        list);
        return r < 0 ? r : CLUSTER_LIST_WAIT;
}

static int cids_start(ClusterList *list, Error *reterr _unused_) {
        list->deadline = time_monotonic() + (uint64_t) list->cluster->config->ipfs.ipfs_request_timeout;
        return 0;
}

/* Answers 1, or 0 when Kubo need not be asked. */
static int cids_are_wanted(ClusterList *list) {
        Pin pin = {};
        int r;

        if (!list->wants)
                return 1;
        r = cluster_pin_get(list->cluster, &list->cids[list->at], &pin);
        if (r >= 0)
                r = cluster_list_wants(list, r > 0 ? &pin : NULL);
        pin_done(&pin);
        return r;
}

static int cids_next(ClusterList *list, Error *reterr _unused_) {
        int r;

        if (list->tracker)
                return CLUSTER_LIST_WAIT;
        if (list->stage == CIDS_KNOWN)
                return cids_tell(list);
        if (list->at == list->n_cids)
                return 0;
        r = cids_are_wanted(list);
        if (r > 0)
                return cids_ask(list);
        list->at++;
        return r < 0 ? r : CLUSTER_LIST_SKIP;
}

const ClusterListClass cluster_list_cids_class = {
        .shape = &global_pin_info_shape,
        .start = cids_start,
        .next = cids_next,
        .drop = list_drop_status,
};

/* ---- recover and sync: a check of Kubo's pins first ---- */

static void checked_on_done(TrackerCall *call, int r, const Error *error, void *userdata) {
        ClusterList *list = userdata;

        list->tracker = NULL;
        if (r >= 0)
                r = tracker_cursor_new(&list->cursor, list->cluster->tracker, CLUSTER_STATUSES_AMISS);
        cluster_list_go_on(list, r, error);
        tracker_call_unref(call); /* ERROR is its */
}

static int checked_start(ClusterList *list, Error *reterr _unused_) {
        return tracker_check(list->cluster->tracker, &list->tracker, checked_on_done, list);
}

static int recover_next(ClusterList *list, Error *reterr _unused_) {
        Cid cid;
        int r;

        if (list->tracker)
                return CLUSTER_LIST_WAIT;
        r = tracker_cursor_next(list->cursor, &cid);
        if (r <= 0)
                return r;
        r = tracker_recover(list->cluster->tracker, &cid);
        if (r > 0)
                return list_fill_cid(list, &cid, /* filter= */ 0);
        return r < 0 ? r : CLUSTER_LIST_SKIP;
}

const ClusterListClass cluster_list_recover_class = {
        .shape = &global_pin_info_shape,
        .start = checked_start,
        .next = recover_next,
        .drop = list_drop_status,
};

/* What changed and is fine now, then what is in error. */
static int sync_next(ClusterList *list, Error *reterr _unused_) {
        Cid cid;
        int r;

        if (list->tracker)
                return CLUSTER_LIST_WAIT;
        if (list->at < list->n_cids)
                return list_fill_cid(list, &list->cids[list->at++], ~(PinStatus) CLUSTER_STATUSES_AMISS);
        r = tracker_cursor_next(list->cursor, &cid);
        return r <= 0 ? r : list_fill_cid(list, &cid, CLUSTER_STATUSES_AMISS);
}

const ClusterListClass cluster_list_sync_class = {
        .shape = &global_pin_info_shape,
        .start = checked_start,
        .next = sync_next,
        .drop = list_drop_status,
};
