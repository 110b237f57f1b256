#include "daemon/cluster/gather.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/remote.h"

/*
 *   statuses   (probe ──► records) or (scan ──► records, of unpins)
 *   cids       cids
 *   recover    check ──► records, queued again
 *   sync       check ──► cids, that have changed ──► records
 *
 * Probe: are all there, and does each know all? Then a filter that takes only what has a record need not
 * scan the pinset.
 */
enum {
        STAGE_PROBE,
        STAGE_CHECK,
        STAGE_SCAN,
        STAGE_CIDS,
        STAGE_RECORDS,
        STAGE_END,
};

/* ---- waiting ---- */

int cluster_gathering_ask(
                ClusterGathering *g,
                const char *method,
                uint64_t timeout_usec,
                const RpcGatherHandler *handler) {
        g->n_pending++;
        return cluster_parties_ask(
                        &g->members,
                        g->cluster,
                        &(ClusterAsk){
                                        .method = method,
                                        .body = &g->body,
                                        .timeout_usec = timeout_usec,
                                        .handler = handler,
                                        .userdata = g,
                        });
}

static int ask_others(
                ClusterGathering *g,
                const char *method,
                uint64_t timeout_usec,
                const RpcGatherHandler *handler) {
        cluster_parties_clear(&g->members);
        cluster_parties_add_others(&g->members);
        return cluster_gathering_ask(g, method, timeout_usec, handler);
}

void cluster_gathering_part_done(ClusterGathering *g, int r, const Error *error) {
        if (r >= 0 && --g->n_pending > 0)
                return;
        cluster_list_go_on(g->list, r, error); /* may free it */
}

/* The elements of peer_map are the gathering's. */
static void gathered_drop(ClusterList *list) {
        list->item.status.peer_map = (JsonArray){};
        global_pin_info_done(&list->item.status);
}

/* ---- sources ---- */

/* PIN as of cluster_chunk_add(). Answers 0, or CLUSTER_LIST_SKIP when it is not wanted. */
static int chunk_add(ClusterGathering *g, const Cid *cid, Pin *pin) {
        return cluster_list_wants(g->list, pin) ? cluster_chunk_add(g, cid, pin) : CLUSTER_LIST_SKIP;
}

static int chunk_add_cid(ClusterGathering *g, const Cid *cid) {
        Pin pin = {};
        int r;

        r = cluster_pin_get(g->cluster, cid, &pin);
        if (r == 0)
                r = chunk_add(g, cid, NULL);
        else if (r > 0)
                r = g->skips_pinset ? 0 : chunk_add(g, cid, &pin);
        pin_done(&pin);
        return r;
}

static int chunk_add_bytes(ClusterGathering *g, const void *value, size_t size) {
        Pin pin = {};
        Cid cid;
        int r;

        r = pin_read(value, size, &pin);
        if (r < 0)
                return r;
        cid = pin.cid;
        r = chunk_add(g, &cid, &pin);
        pin_done(&pin);
        return r;
}

/* R is of the last one that came to the chunk. What is not wanted ends the step, so that the loop goes on
 * when that is so for many. */
static int chunk_end(ClusterGathering *g, int r) {
        g->is_filling = r == CLUSTER_LIST_SKIP;
        return r == 0 ? cluster_chunk_ask(g) : r;
}

static int scan_step(ClusterGathering *g) {
        const void *key, *value;
        size_t key_size, value_size;
        int r = 0;

        while (!cluster_chunk_is_full(g) && r == 0) {
                r = state_scan_next(g->list->scan, &key, &key_size, &value, &value_size);
                if (r == 0) {
                        g->stage = g->wanted ? STAGE_RECORDS : STAGE_END;
                        break;
                }
                if (r > 0)
                        r = chunk_add_bytes(g, value, value_size);
        }
        return chunk_end(g, r);
}

static int cids_step(ClusterGathering *g) {
        ClusterList *list = g->list;
        int r = 0;

        while (!cluster_chunk_is_full(g) && list->at < list->n_cids && r == 0)
                r = chunk_add_cid(g, &list->cids[list->at++]);
        if (r == 0 && g->n == 0)
                g->stage = list->kind == CLUSTER_LIST_SYNC ? STAGE_RECORDS : STAGE_END;
        return chunk_end(g, r);
}

/* ---- the records of each member, page by page ---- */

static void page_take(ClusterGathering *g, const TrackerPage *page) {
        tracker_wire_page_done(&g->page);
        g->page = *page;
        g->page_at = 0;
        g->has_page = true;
}

static bool is_before(const TrackerPosition *a, const TrackerPosition *b) {
        return a->source < b->source || (a->source == b->source && a->number < b->number);
}

/* One that does not move on would be asked for ever. */
static int page_read(ClusterGathering *g, ClusterParty *member, const void *body, size_t size) {
        TrackerPage page;
        int r;

        r = tracker_wire_read_page(body, size, &page);
        if (r >= 0 && !page.is_last && !is_before(&g->page.position, &page.position)) {
                tracker_wire_page_done(&page);
                r = -EBADMSG;
        }
        if (r < 0)
                return r == -ENOMEM ? r : cluster_party_fail(member, CLUSTER_NO_ANSWER);
        page_take(g, &page);
        return 0;
}

static void page_on_answer(
                RpcGather *gather _unused_,
                size_t i,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        ClusterGathering *g = userdata;
        ClusterParty *member = cluster_parties_asked(&g->members, i);

        r = r < 0 ? cluster_party_fail(member, error_message(error)) : page_read(g, member, body, size);
        if (r < 0)
                cluster_gathering_part_done(g, r, NULL);
}

static void on_done(RpcGather *gather _unused_, void *userdata) {
        cluster_gathering_part_done(userdata, 0, NULL);
}

static int page_ask(ClusterGathering *g) {
        static const RpcGatherHandler handler = { page_on_answer, on_done };
        const TrackerPageQuestion question = { g->wanted, g->page.position, g->max };
        TrackerPage page;
        int r;

        if (g->source == g->self) {
                r = cluster_remote_page(g->cluster, &question, &page);
                if (r >= 0)
                        page_take(g, &page);
                return r < 0 ? r : CLUSTER_LIST_SKIP;
        }
        str_reset(&g->body);
        r = tracker_wire_write_page_question(&g->body, &question);
        if (r < 0)
                return r;
        cluster_parties_clear(&g->members);
        cluster_parties_add(&g->members, g->source);
        r = cluster_gathering_ask(g, "records", /* timeout= */ 0, &handler);
        return r < 0 ? r : CLUSTER_LIST_WAIT;
}

static void source_next(ClusterGathering *g) {
        tracker_wire_page_done(&g->page);
        g->has_page = false;
        g->page_at = 0;
        g->source++;
}

static int records_step(ClusterGathering *g) {
        int r = 0;

        if (g->source == g->members.n) {
                g->stage = STAGE_END;
                return CLUSTER_LIST_SKIP;
        }
        while (!cluster_chunk_is_full(g) && g->page_at < g->page.n && r >= 0)
                r = chunk_add_cid(g, &g->page.cids[g->page_at++]);
        if (r < 0 || g->n > 0)
                return r < 0 ? r : cluster_chunk_ask(g);
        if (g->members.items[g->source].failure || (g->has_page && g->page.is_last)) {
                source_next(g);
                return CLUSTER_LIST_SKIP;
        }
        return page_ask(g);
}

/* ---- probe ---- */

static void probe_on_answer(
                RpcGather *gather _unused_,
                size_t i,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        ClusterGathering *g = userdata;
        ClusterParty *member = cluster_parties_asked(&g->members, i);
        TrackerPage page = {};

        if (r >= 0 && tracker_wire_read_page(body, size, &page) < 0)
                r = cluster_party_fail(member, CLUSTER_NO_ANSWER);
        else if (r < 0)
                r = cluster_party_fail(member, error_message(error));
        if (member->failure)
                g->needs_scan |= (g->filter & PIN_STATUS_CLUSTER_ERROR) != 0;
        else
                g->needs_scan |= !page.is_complete && (g->filter & PIN_STATUS_PIN_QUEUED);
        tracker_wire_page_done(&page);
        if (r < 0)
                cluster_gathering_part_done(g, r, NULL);
}

/* A filter that takes only what has a record: are all there that have records, and does each know all? */
static int probe_begin(ClusterGathering *g) {
        static const RpcGatherHandler handler = { probe_on_answer, on_done };
        const TrackerPageQuestion question = { .filter = g->filter, .max = 0 };
        TrackerCounts counts;
        int r;

        g->stage = STAGE_PROBE;
        tracker_counts(g->cluster->tracker, &counts);
        g->needs_scan = !counts.complete && (g->filter & PIN_STATUS_PIN_QUEUED);
        r = tracker_wire_write_page_question(&g->body, &question);
        return r < 0 ? r : ask_others(g, "records", /* timeout= */ 0, &handler);
}

static int scan_begin(ClusterGathering *g) {
        g->stage = STAGE_SCAN;
        g->wanted = g->filter ? CLUSTER_STATUSES_UNPIN & g->filter : CLUSTER_STATUSES_UNPIN;
        g->skips_pinset = true;
        return state_scan_new(&g->list->scan, consensus_pinset(g->cluster->consensus));
}

static int probe_end(ClusterGathering *g) {
        int r;

        if (g->needs_scan) {
                r = scan_begin(g);
                return r < 0 ? r : CLUSTER_LIST_SKIP;
        }
        g->stage = STAGE_RECORDS;
        g->wanted = g->filter;
        return CLUSTER_LIST_SKIP;
}

/* ---- check: each compares its Kubo's pins with the pinset */

static void check_add_changed(ClusterList *list, const Cid *cids, size_t n) {
        for (size_t i = 0; i < n && list->cids && list->n_cids < CLUSTER_CHANGED_MAX; i++)
                list->cids[list->n_cids++] = cids[i];
}

static void check_on_answer(
                RpcGather *gather _unused_,
                size_t i,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        ClusterGathering *g = userdata;
        ClusterParty *member = cluster_parties_asked(&g->members, i);
        _cleanup_free_ Cid *cids = NULL;
        size_t n = 0;

        if (r < 0)
                r = cluster_party_fail(member, error_message(error));
        else if (tracker_wire_read_cids(body, size, &cids, &n) < 0)
                r = cluster_party_fail(member, CLUSTER_NO_ANSWER);
        else if (g->list->kind == CLUSTER_LIST_SYNC)
                check_add_changed(g->list, cids, n);
        if (r < 0)
                cluster_gathering_part_done(g, r, NULL);
}

static void check_on_checked(TrackerCall *call, int r, const Error *error, void *userdata) {
        ClusterGathering *g = userdata;

        if (r < 0)
                r = cluster_party_fail(&g->members.items[g->self], error_message(error));
        g->list->tracker = NULL;
        cluster_gathering_part_done(g, r, NULL);
        tracker_call_unref(call); /* ERROR is its */
}

static int check_begin(ClusterGathering *g) {
        static const RpcGatherHandler handler = { check_on_answer, on_done };
        uint64_t timeout = (uint64_t) g->cluster->config->ipfs.ipfs_request_timeout +
                           CLUSTER_REQUEST_TIMEOUT;
        int r;

        g->stage = STAGE_CHECK;
        g->wanted = CLUSTER_STATUSES_AMISS;
        r = tracker_check(g->cluster->tracker, &g->list->tracker, check_on_checked, g);
        if (r < 0)
                return r;
        g->n_pending++;
        return ask_others(g, "check", timeout, &handler);
}

static int cid_compare(const void *a, const void *b) {
        return memcmp(a, b, sizeof(Cid));
}

/* Several peers may have found the same. */
static void changed_sort(ClusterList *list) {
        size_t n = 0;

        qsort(list->cids, list->n_cids, sizeof(Cid), cid_compare);
        for (size_t i = 0; i < list->n_cids; i++)
                if (n == 0 || !cid_equal(&list->cids[n - 1], &list->cids[i]))
                        list->cids[n++] = list->cids[i];
        list->n_cids = n;
}

static int check_end(ClusterGathering *g) {
        if (g->list->kind == CLUSTER_LIST_SYNC)
                changed_sort(g->list);
        g->stage = g->list->kind == CLUSTER_LIST_SYNC ? STAGE_CIDS : STAGE_RECORDS;
        return CLUSTER_LIST_SKIP;
}

/* What a peer was told to do, and did not, is an error of the list. */
static int end(ClusterGathering *g, Error *reterr) {
        if (g->list->kind == CLUSTER_LIST_STATUSES || g->list->kind == CLUSTER_LIST_CIDS)
                return 0;
        for (size_t i = 0; i < g->members.n; i++)
                if (g->members.items[i].failure)
                        return error_set(
                                        reterr,
                                        ERROR_INTERNAL,
                                        "not all peers have done it: %s: %s",
                                        g->members.items[i].who.peer,
                                        g->members.items[i].failure);
        return 0;
}

/* ---- the list ---- */

static int gathering_fill_self(ClusterGathering *g) {
        ClusterParty *self;
        int r;

        while (!g->members.items[g->self].is_self)
                g->self++;
        self = &g->members.items[g->self];
        json_done(&pin_info_shape, &self->who);
        r = tracker_status_known(g->cluster->tracker, &(Cid){}, NULL, &self->who);
        if (r < 0)
                return r;
        free(self->who.error);
        self->who.error = NULL;
        return 0;
}

static int gathering_begin(ClusterGathering *g) {
        switch (g->list->kind) {
        case CLUSTER_LIST_STATUSES:
                g->filter = g->list->filter;
                return g->filter && !(g->filter & ~CLUSTER_STATUSES_RECORDED) ? probe_begin(g)
                                                                              : scan_begin(g);
        case CLUSTER_LIST_CIDS:
                g->verb = TRACKER_VERB_ASK;
                g->stage = STAGE_CIDS;
                g->list->deadline = time_monotonic() +
                                    (uint64_t) g->cluster->config->ipfs.ipfs_request_timeout;
                return 0;
        case CLUSTER_LIST_RECOVER:
                g->verb = TRACKER_VERB_REQUEUE;
                return check_begin(g);
        case CLUSTER_LIST_SYNC:
                return check_begin(g);
        }
        assert(false);
        return -EINVAL;
}

static int gathered_start(ClusterList *list, Error *reterr _unused_) {
        ClusterGathering *g;
        int r;

        g = list->gathering = calloc(1, sizeof(ClusterGathering));
        if (!g)
                return -ENOMEM;
        g->list = list;
        g->cluster = list->cluster;
        r = cluster_parties_get(list->cluster, &g->members);
        if (r >= 0)
                r = cluster_chunk_alloc(g);
        if (r >= 0)
                r = gathering_fill_self(g);
        return r < 0 ? r : gathering_begin(g);
}

/* Of an item with records at several members the first one tells; of what has changed and is amiss, the
 * records do. */
static int chunk_tell(ClusterGathering *g) {
        if (g->stage == STAGE_CIDS && g->list->kind == CLUSTER_LIST_SYNC)
                return cluster_chunk_tell(g, g->members.n, g->wanted);
        if (g->stage == STAGE_RECORDS && g->verb == TRACKER_VERB_KNOWN)
                return cluster_chunk_tell(g, g->source, g->wanted);
        return cluster_chunk_tell(g, 0, 0);
}

static int gathered_next(ClusterList *list, Error *reterr) {
        ClusterGathering *g = list->gathering;

        if (g->n_pending > 0)
                return CLUSTER_LIST_WAIT;
        if (g->at < g->n && !g->is_filling)
                return chunk_tell(g);
        if (!g->is_filling)
                cluster_chunk_clear(g);
        switch (g->stage) {
        case STAGE_PROBE:
                return probe_end(g);
        case STAGE_CHECK:
                return check_end(g);
        case STAGE_SCAN:
                return scan_step(g);
        case STAGE_CIDS:
                return cids_step(g);
        case STAGE_RECORDS:
                return records_step(g);
        default:
                return end(g, reterr);
        }
}

void cluster_gathering_stop(ClusterGathering *g) {
        if (g)
                g->members.gather = rpc_gather_unref(g->members.gather);
}

void cluster_gathering_free(ClusterGathering *g) {
        if (!g)
                return;
        cluster_gathering_stop(g);
        if (g->infos)
                cluster_chunk_clear(g);
        json_done(&pin_info_shape, &g->known);
        tracker_wire_page_done(&g->page);
        cluster_parties_done(&g->members);
        str_done(&g->body);
        free(g->items);
        free(g->cids);
        free(g->is_pinned);
        free(g->infos);
        free(g);
}

const ClusterListClass cluster_list_gathered_class = {
        .shape = &global_pin_info_shape,
        .start = gathered_start,
        .next = gathered_next,
        .drop = gathered_drop,
};
