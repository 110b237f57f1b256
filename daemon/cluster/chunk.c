/* A chunk of a list of all peers: it is filled, all are asked for it, its items are told. */

#include <stdlib.h>
#include <string.h>

#include "daemon/base/time.h"
#include "daemon/cluster/gather.h"

static PinInfo *info_of(ClusterGathering *g, size_t item, size_t member) {
        return &g->infos[item * g->members.n + member];
}

/* The other strings are borrowed. */
static void info_clear(PinInfo *info) {
        free(info->error);
        *info = (PinInfo){};
}

/* ---- filled ---- */

int cluster_chunk_alloc(ClusterGathering *g) {
        size_t max = CLUSTER_CHUNK_INFOS_MAX / g->members.n;

        g->max = MIN(MAX(max, (size_t) CLUSTER_CHUNK_ITEMS_MIN), (size_t) CLUSTER_CHUNK_ITEMS_MAX);
        if (g->list->kind == CLUSTER_LIST_CIDS)
                g->max = MIN(g->max, (size_t) CLUSTER_CHUNK_ASK_MAX);
        g->items = calloc(g->max, sizeof(GlobalPinInfo));
        g->cids = calloc(g->max, sizeof(Cid));
        g->is_pinned = calloc(g->max, sizeof(bool));
        g->infos = calloc(g->max * g->members.n, sizeof(PinInfo));
        return g->items && g->cids && g->is_pinned && g->infos ? 0 : -ENOMEM;
}

static size_t strings_size(const StrList *list) {
        size_t n = 0;

        for (size_t i = 0; i < list->n; i++)
                n += strlen(list->items[i]);
        return n;
}

static size_t map_size(const StrMap *map) {
        size_t n = 0;

        for (size_t i = 0; i < map->n; i++)
                n += strlen(map->items[i].key) + strlen(map->items[i].value);
        return n;
}

static size_t requests_size(const PinRequestList *list) {
        size_t n = list->n * sizeof(PinRequest);

        for (size_t i = 0; i < list->n; i++)
                n += strlen(list->items[i].name ?: "") + map_size(&list->items[i].meta) +
                     strings_size(&list->items[i].origins);
        return n;
}

static size_t item_size(const GlobalPinInfo *info) {
        return sizeof(GlobalPinInfo) + strings_size(&info->origins) + info->allocations.n * sizeof(PeerId) +
               strlen(info->name ?: "") + map_size(&info->metadata) + requests_size(&info->requests);
}

bool cluster_chunk_is_full(const ClusterGathering *g) {
        return g->n == g->max || g->n_bytes >= CLUSTER_CHUNK_BYTES_MAX;
}

static int self_note(ClusterGathering *g, size_t item, const PinInfo *known, PinStatus filter) {
        PinInfo *info = info_of(g, item, g->self);

        if (!pin_status_matches((PinStatus) known->status, filter))
                return 0;
        *info = g->members.items[g->self].who;
        info->status = known->status;
        info->timestamp = known->timestamp;
        info->attempt_count = known->attempt_count;
        info->priority_pin = known->priority_pin;
        return str_is_empty(known->error) ? 0 : str_copy(&info->error, known->error);
}

/* What this peer knows. When Kubo is to be asked, that comes later. */
static int self_tell(ClusterGathering *g, size_t item, const Cid *cid, const Pin *pin) {
        Tracker *tracker = g->cluster->tracker;
        int r = 1;

        if (g->verb == TRACKER_VERB_ASK || g->members.items[g->self].failure)
                return 0;
        if (g->verb == TRACKER_VERB_REQUEUE)
                r = tracker_recover(tracker, cid);
        if (r > 0)
                r = tracker_status_update(tracker, cid, pin, &g->known);
        else
                return r;
        return r < 0 ? r : self_note(g, item, &g->known, g->filter);
}

int cluster_chunk_add(ClusterGathering *g, const Cid *cid, Pin *pin) {
        GlobalPinInfo *item = &g->items[g->n];
        int r;

        g->cids[g->n] = *cid;
        g->is_pinned[g->n] = pin;
        r = self_tell(g, g->n, cid, pin);
        if (r < 0)
                return r;
        if (pin)
                cluster_status_head_take(pin, item);
        else
                cluster_status_head_unknown(cid, /* local= */ false, item);
        g->n_bytes += item_size(item);
        g->n++;
        return 0;
}

void cluster_chunk_clear(ClusterGathering *g) {
        for (size_t i = 0; i < g->n; i++)
                global_pin_info_done(&g->items[i]); /* those told have nothing left */
        for (size_t i = 0; i < g->n * g->members.n; i++)
                info_clear(&g->infos[i]);
        g->n = g->at = g->n_bytes = 0;
}

/* ---- asked ---- */

static void answer_forget(ClusterGathering *g, size_t member) {
        for (size_t i = 0; i < g->n; i++)
                info_clear(info_of(g, i, member));
}

static int answer_read_entries(ClusterGathering *g, size_t member, TrackerWireReader *reader) {
        TrackerWireEntry entry;
        int r;

        for (size_t i = 0; i < g->n; i++) {
                r = tracker_wire_next_entry(reader, &entry);
                if (r <= 0)
                        return r < 0 ? r : -EBADMSG;
                if (entry.status == 0)
                        continue;
                r = cluster_party_told(
                                &g->members.items[member],
                                &entry,
                                g->items[i].created,
                                info_of(g, i, member));
                if (r < 0)
                        return r;
        }
        r = tracker_wire_next_entry(reader, &entry);
        return r == 0 ? 0 : -EBADMSG;
}

static int answer_read(ClusterGathering *g, size_t member, const void *body, size_t size) {
        TrackerWireReader reader;
        int r;

        r = cluster_party_read(&g->members.items[member], body, size, &reader);
        if (r >= 0)
                r = answer_read_entries(g, member, &reader);
        if (r >= 0)
                return 0;
        answer_forget(g, member);
        return r == -ENOMEM ? r : cluster_party_fail(&g->members.items[member], CLUSTER_NO_ANSWER);
}

static void chunk_on_answer(
                RpcGather *gather _unused_,
                size_t i,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        ClusterGathering *g = userdata;
        size_t member = g->members.asked[i];

        r = r < 0 ? cluster_party_fail(&g->members.items[member], error_message(error))
                  : answer_read(g, member, body, size);
        if (r < 0)
                cluster_gathering_part_done(g, r, NULL);
}

/* Those that have failed, now or before. */
static int chunk_add_untold(ClusterGathering *g, size_t member) {
        int r = 0;

        for (size_t i = 0; i < g->n && r >= 0; i++) {
                PinInfo *info = info_of(g, i, member);

                r = cluster_party_untold(
                                &g->members.items[member], &g->items[i].allocations, g->is_pinned[i], info);
                if (r >= 0 && !pin_status_matches((PinStatus) info->status, g->filter))
                        info_clear(info);
        }
        return r;
}

static void chunk_on_done(RpcGather *gather _unused_, void *userdata) {
        ClusterGathering *g = userdata;
        int r = 0;

        for (size_t k = 0; k < g->members.n && r >= 0; k++)
                if (k != g->self && g->members.items[k].failure && g->verb != TRACKER_VERB_REQUEUE)
                        r = chunk_add_untold(g, k);
        cluster_gathering_part_done(g, r, NULL);
}

/* This peer's Kubo, for one CID after the other. */
static int self_ask(ClusterGathering *g);

static void self_on_known(
                TrackerCall *call, int r, const Error *error, const PinInfo *info, void *userdata) {
        ClusterGathering *g = userdata;

        g->list->tracker = NULL;
        if (r >= 0)
                r = self_note(g, g->at++, info, g->filter);
        if (r >= 0)
                r = self_ask(g);
        if (r <= 0)
                cluster_gathering_part_done(g, r, error);
        tracker_call_unref(call); /* ERROR is its */
}

/* One Kubo that answers nothing must not hold up the list for each CID. */
static int self_give_up(ClusterGathering *g) {
        static const PinInfo late = {
                .status = PIN_STATUS_CLUSTER_ERROR,
                .error = (char *) "Kubo did not answer in time for earlier CIDs",
        };
        int r = 0;

        for (; g->at < g->n && r >= 0; g->at++)
                r = self_note(g, g->at, &late, g->filter);
        return r;
}

/* Answers 1 when there is something to wait for. */
static int self_ask(ClusterGathering *g) {
        int r = 0;

        if (g->at < g->n && time_monotonic() < g->list->deadline) {
                r = tracker_status(
                                g->cluster->tracker,
                                &g->list->tracker,
                                &g->cids[g->at],
                                /* ask= */ true,
                                self_on_known,
                                g);
                return r < 0 ? r : 1;
        }
        r = self_give_up(g);
        g->at = 0;
        return r;
}

int cluster_chunk_ask(ClusterGathering *g) {
        static const RpcGatherHandler handler = { chunk_on_answer, chunk_on_done };
        const TrackerQuestion question = {
                .verb = g->verb, .filter = g->filter, .cids = g->cids, .n = g->n
        };
        int r;

        if (g->n == 0)
                return CLUSTER_LIST_SKIP;
        str_reset(&g->body);
        r = tracker_wire_write_question(&g->body, &question);
        if (r < 0)
                return r;
        cluster_parties_clear(&g->members);
        cluster_parties_add_others(&g->members);
        r = cluster_gathering_ask(g, "status", /* timeout= */ 0, &handler);
        if (r >= 0 && g->verb == TRACKER_VERB_ASK) {
                r = self_ask(g);
                g->n_pending += r > 0;
        }
        return r < 0 ? r : CLUSTER_LIST_WAIT;
}

/* ---- told ---- */

/* The statuses there are move to the front. */
static size_t item_pack(ClusterGathering *g, size_t item) {
        size_t n = 0;

        for (size_t k = 0; k < g->members.n; k++) {
                PinInfo *info = info_of(g, item, k);

                if (info->status == 0)
                        continue;
                if (n < k) {
                        *info_of(g, item, n) = *info;
                        *info = (PinInfo){};
                }
                n++;
        }
        return n;
}

static bool item_has(ClusterGathering *g, size_t item, size_t n, PinStatus statuses) {
        for (size_t k = 0; k < n; k++)
                if (!g->members.items[k].failure && (info_of(g, item, k)->status & (int) statuses))
                        return true;
        return false;
}

int cluster_chunk_tell(ClusterGathering *g, size_t n_told, PinStatus told) {
        GlobalPinInfo *to = &g->list->item.status;
        size_t item = g->at++, n;

        if (item_has(g, item, n_told, told))
                return CLUSTER_LIST_SKIP;
        n = item_pack(g, item);
        if (n == 0)
                return CLUSTER_LIST_SKIP;
        *to = g->items[item];
        to->peer_map = (JsonArray){ .items = info_of(g, item, 0), .n = n, .is_set = true };
        g->items[item] = (GlobalPinInfo){};
        return 1;
}
