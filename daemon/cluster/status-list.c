/* Lists of statuses: of given CIDs, of all by a filter, of what is queued again, of what a sync found. */

#include "daemon/base/time.h"
#include "daemon/cluster/list.h"

/* Statuses that only items with a record of the tracker can have. */
#define STATUSES_RECORDED                                                                                   \
        (PIN_STATUS_PIN_ERROR | PIN_STATUS_UNPIN_ERROR | PIN_STATUS_PINNING | PIN_STATUS_UNPINNING |        \
         PIN_STATUS_PIN_QUEUED | PIN_STATUS_UNPIN_QUEUED | PIN_STATUS_UNEXPECTEDLY_UNPINNED |               \
         PIN_STATUS_CLUSTER_ERROR)
#define STATUSES_UNPIN (PIN_STATUS_UNPIN_ERROR | PIN_STATUS_UNPINNING | PIN_STATUS_UNPIN_QUEUED)
#define STATUSES_AMISS (PIN_STATUS_PIN_ERROR | PIN_STATUS_UNPIN_ERROR | PIN_STATUS_UNEXPECTEDLY_UNPINNED)

/* The item for CID as it is known now: 1, 0 when FILTER does not take it. PIN is the pinset's or NULL. */
static int list_fill(ClusterList *list, const Cid *cid, const Pin *pin, PinStatus filter) {
        GlobalPinInfo *info = &list->item.status;
        PinInfo self = {};
        int r;

        r = tracker_status_known(list->cluster->tracker, cid, pin, &self);
        if (r < 0)
                return r;
        if (!pin_status_matches(self.status, filter)) {
                json_done(&pin_info_shape, &self);
                return 0;
        }

        if (pin)
                r = cluster_status_head_of_pin(pin, info);
        else
                r = cluster_status_head(list->cluster, cid, list->local, info);
        if (r >= 0)
                r = cluster_status_add(list->cluster, info, &self);
        json_done(&pin_info_shape, &self);
        if (r < 0)
                global_pin_info_done(info);
        return r < 0 ? r : 1;
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
        if (list->filter != 0 && !(list->filter & ~STATUSES_RECORDED) && counts.complete) {
                list->stage = STAGE_RECORDS;
                return tracker_cursor_new(&list->cursor, list->cluster->tracker, list->filter);
        }

        list->stage = STAGE_SCAN;
        r = state_scan_new(&list->scan, consensus_pinset(list->cluster->consensus));
        if (r < 0)
                return r;
        return tracker_cursor_new(&list->cursor, list->cluster->tracker, STATUSES_UNPIN);
}

static int statuses_scan(ClusterList *list) {
        const void *key, *value;
        size_t key_size, value_size;
        Pin pin = {};
        int r;

        r = state_scan_next(list->scan, &key, &key_size, &value, &value_size);
        if (r <= 0) {
                list->stage = STAGE_UNPINS;
                return r;
        }
        r = pin_read(value, value_size, &pin);
        if (r >= 0)
                r = list_fill(list, &pin.cid, &pin, list->filter);
        pin_done(&pin);
        return r;
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
                        return MIN(r, 0);
        }
        return list_fill_cid(list, &cid, list->filter);
}

static int statuses_next(ClusterList *list, Error *reterr _unused_) {
        int r = 0;

        while (r == 0 && list->stage != STAGE_END)
                switch (list->stage) {
                case STAGE_SCAN:
                        r = statuses_scan(list);
                        break;
                case STAGE_UNPINS:
                        r = statuses_record(list, /* skip_pinset= */ true);
                        break;
                case STAGE_RECORDS:
                        r = statuses_record(list, /* skip_pinset= */ false);
                        break;
                }
        return r;
}

const ClusterListClass cluster_list_statuses_class = {
        .shape = &global_pin_info_shape,
        .start = statuses_start,
        .next = statuses_next,
};

/* ---- given CIDs, each asked as GET /pins/{cid} does ---- */

static void cids_on_known(
                TrackerCall *call _unused_, int r, const Error *error, const PinInfo *info, void *userdata) {
        ClusterList *list = userdata;

        if (r >= 0 && info->status == PIN_STATUS_CLUSTER_ERROR)
                r = str_copy(&list->known_error, info->error);
        list->stage = 1;
        list->tracker = tracker_call_unref(list->tracker);
        cluster_list_go_on(list, r, error);
}

static int cids_set_failure(ClusterList *list) {
        PinInfo *self = ((PinInfo *) list->item.status.peer_map.items);

        self->status = PIN_STATUS_CLUSTER_ERROR;
        free(self->error);
        self->error = TAKE_PTR(list->known_error);
        return 1;
}

/* list->stage: 0 ask about the next CID, 1 its answer has come. */
static int cids_next(ClusterList *list, Error *reterr _unused_) {
        int r;

        if (list->tracker)
                return CLUSTER_LIST_WAIT;
        if (list->stage == 1) {
                list->stage = 0;
                r = list_fill_cid(list, &list->cids[list->at++], 0);
                return r == 1 && list->known_error ? cids_set_failure(list) : r;
        }
        if (list->at == list->n_cids)
                return 0;
        r = tracker_status(
                        list->cluster->tracker,
                        &list->tracker,
                        &list->cids[list->at],
                        /* ask= */ true,
                        cids_on_known,
                        list);
        return r < 0 ? r : CLUSTER_LIST_WAIT;
}

const ClusterListClass cluster_list_cids_class = {
        .shape = &global_pin_info_shape,
        .next = cids_next,
};

/* ---- recover and sync: a check of Kubo's pins first ---- */

static void checked_on_done(TrackerCall *call _unused_, int r, const Error *error, void *userdata) {
        ClusterList *list = userdata;

        list->tracker = tracker_call_unref(list->tracker);
        if (r >= 0)
                r = tracker_cursor_new(&list->cursor, list->cluster->tracker, STATUSES_AMISS);
        cluster_list_go_on(list, r, error);
}

static int checked_start(ClusterList *list, Error *reterr _unused_) {
        return tracker_check(list->cluster->tracker, &list->tracker, checked_on_done, list);
}

static int recover_next(ClusterList *list, Error *reterr _unused_) {
        int r;

        if (list->tracker)
                return CLUSTER_LIST_WAIT;
        for (;;) {
                Cid cid;

                r = tracker_cursor_next(list->cursor, &cid);
                if (r <= 0)
                        return r;
                r = tracker_recover(list->cluster->tracker, &cid);
                if (r > 0)
                        return list_fill_cid(list, &cid, 0);
                if (r < 0)
                        return r;
        }
}

const ClusterListClass cluster_list_recover_class = {
        .shape = &global_pin_info_shape,
        .start = checked_start,
        .next = recover_next,
};

/* What changed and is fine now, then what is in error. */
static int sync_next(ClusterList *list, Error *reterr _unused_) {
        int r = 0;

        if (list->tracker)
                return CLUSTER_LIST_WAIT;
        while (r == 0 && list->at < list->n_cids)
                r = list_fill_cid(list, &list->cids[list->at++], ~(PinStatus) STATUSES_AMISS);
        while (r == 0) {
                Cid cid;

                r = tracker_cursor_next(list->cursor, &cid);
                if (r <= 0)
                        return r;
                r = list_fill_cid(list, &cid, STATUSES_AMISS);
        }
        return r;
}

const ClusterListClass cluster_list_sync_class = {
        .shape = &global_pin_info_shape,
        .start = checked_start,
        .next = sync_next,
};
