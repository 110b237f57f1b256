#include "daemon/cluster/list.h"

#include <string.h>

#include "daemon/base/turn.h"
#include "daemon/cluster/gather.h"
#include "daemon/cluster/remote.h"

#define PEER_INFO_BYTES_MAX (256 * 1024) /* of what a peer tells of itself */

/* ---- life ---- */

static void list_drop_item(ClusterList *list) {
        list->class->drop(list);
        memset(&list->item, 0, sizeof(list->item));
}

static void list_free_peers(ClusterList *list) {
        for (size_t i = 0; list->peers && i < list->members.n; i++)
                peer_info_done(&list->peers[i]);
        free(list->peers);
        cluster_parties_done(&list->members);
}

ClusterList *cluster_list_free(ClusterList *list) {
        if (!list)
                return NULL;

        list_remove(&list->link);
        list->cluster->n_lists--;
        sd_event_source_disable_unref(list->turn);
        tracker_call_unref(list->tracker);
        ipfs_call_unref(list->ipfs);
        tracker_cursor_free(list->cursor);
        state_scan_free(list->scan);
        list_drop_item(list);
        cluster_gathering_free(list->gathering);
        json_done(&pin_info_shape, &list->self);
        list_free_peers(list);
        error_done(&list->error);
        free(list->known_error);
        free(list->cids);
        free(list);
        return NULL;
}

static int list_on_turn(sd_event_source *source _unused_, void *userdata) {
        ClusterList *list = userdata;

        turn_renew(list->cluster->event, &list->turn, list_on_turn, list);
        if (list->wake)
                list->wake(list->userdata); /* may free it */
        return 0;
}

static int list_check_room(const Cluster *cluster, Error *reterr) {
        if (cluster->is_closing)
                return error_set(reterr, ERROR_CANCELED, CLUSTER_IS_STOPPING);
        if (cluster->n_lists >= CLUSTER_LISTS_MAX)
                return error_set(
                                reterr,
                                ERROR_BUSY,
                                "%d lists are being read already, try again",
                                CLUSTER_LISTS_MAX);
        return 0;
}

static int list_new(ClusterList **ret, Cluster *cluster, const ClusterListClass *class, Error *reterr) {
        ClusterList *list;
        int r;

        r = list_check_room(cluster, reterr);
        if (r < 0)
                return r;
        list = calloc(1, sizeof(ClusterList));
        if (!list)
                return error_set_errno(reterr, -ENOMEM, "list: %m");

        *list = (ClusterList){ .cluster = cluster, .class = class };
        list_append(&cluster->lists, &list->link);
        cluster->n_lists++;
        r = sd_event_add_defer(cluster->event, &list->turn, list_on_turn, list);
        if (r >= 0)
                r = sd_event_source_set_enabled(list->turn, SD_EVENT_OFF);
        if (r < 0) {
                cluster_list_free(list);
                return error_set_errno(reterr, r, "list: %m");
        }
        *ret = list;
        return 0;
}

static int list_start(ClusterList *list, ClusterList **ret, Error *reterr) {
        int r = 0;

        if (list->class->start)
                r = list->class->start(list, reterr);
        if (r < 0) {
                if (reterr && reterr->code == ERROR_NONE)
                        (void) error_set_errno(reterr, r, "the list could not be begun: %m");
                cluster_list_free(list);
                return r;
        }
        *ret = list;
        return 0;
}

const JsonShape *cluster_list_shape(const ClusterList *list) {
        return list->class->shape;
}

void cluster_list_on_wake(ClusterList *list, void (*wake)(void *userdata), void *userdata) {
        list->wake = wake;
        list->userdata = userdata;
}

/* ---- reading ---- */

static void list_settle(ClusterList *list, int r, const Error *error) {
        if (r >= 0 || list->result < 0)
                return;
        list->result = r;
        if (error && error->code != ERROR_NONE)
                (void) error_copy(&list->error, error);
        else
                (void) error_set_errno(&list->error, r, "the list could not be read on: %m");
}

void cluster_list_go_on(ClusterList *list, int r, const Error *error) {
        list_settle(list, r, error);
        if (list->wake)
                list->wake(list->userdata);
}

/* Some steps, but not so many that the loop would stand still. */
static int list_step(ClusterList *list) {
        _cleanup_(error_done) Error error = {};
        int r = CLUSTER_LIST_SKIP;

        for (size_t i = 0; i < CLUSTER_LIST_STEPS && r == CLUSTER_LIST_SKIP; i++)
                r = list->class->next(list, &error);
        if (r == CLUSTER_LIST_SKIP) {
                r = sd_event_source_set_enabled(list->turn, SD_EVENT_ONESHOT);
                return r < 0 ? r : CLUSTER_LIST_WAIT;
        }
        list_settle(list, r, &error);
        return r;
}

int cluster_list_next(ClusterList *list, const void **ret, Error *reterr) {
        int r = list->result;

        list_drop_item(list);
        if (r >= 0)
                r = list_step(list);
        if (r < 0 && reterr)
                (void) error_copy(reterr, &list->error);
        if (r == 1)
                *ret = &list->item;
        return r;
}

/* The scans and what is asked have to go before the components; whoever reads is told. */
void cluster_list_stop_all(Cluster *cluster) {
        static const Error stopping = { .code = ERROR_CANCELED, .message = (char *) CLUSTER_IS_STOPPING };

        LIST_FOREACH (list, &cluster->lists, ClusterList, link) {
                list->scan = state_scan_free(list->scan);
                list->cursor = tracker_cursor_free(list->cursor);
                list->tracker = tracker_call_unref(list->tracker);
                list->ipfs = ipfs_call_unref(list->ipfs);
                cluster_gathering_stop(list->gathering);
                list->members.gather = rpc_gather_unref(list->members.gather);
                list_settle(list, -ECANCELED, &stopping);
                (void) sd_event_source_set_enabled(list->turn, SD_EVENT_ONESHOT);
        }
}

void cluster_list_note(Cluster *cluster, const Cid *cid) {
        cluster_remote_note(cluster, cid);
        LIST_FOREACH (list, &cluster->lists, ClusterList, link)
                if (list->kind == CLUSTER_LIST_SYNC && list->tracker && list->n_cids < CLUSTER_CHANGED_MAX)
                        list->cids[list->n_cids++] = *cid;
}

/* ---- pins ---- */

static int list_scan_start(ClusterList *list, Error *reterr _unused_) {
        return state_scan_new(&list->scan, consensus_pinset(list->cluster->consensus));
}

static int pins_next(ClusterList *list, Error *reterr _unused_) {
        const void *key, *value;
        size_t key_size, value_size;
        int r;

        r = state_scan_next(list->scan, &key, &key_size, &value, &value_size);
        if (r <= 0)
                return r;
        r = pin_read(value, value_size, &list->item.pin);
        if (r < 0)
                return r;
        if (list->item.pin.type & (int) list->type)
                return 1;
        pin_done(&list->item.pin);
        return CLUSTER_LIST_SKIP;
}

static void pins_drop(ClusterList *list) {
        pin_done(&list->item.pin);
}

const ClusterListClass cluster_list_pins_class = {
        .shape = &pin_shape,
        .start = list_scan_start,
        .next = pins_next,
        .drop = pins_drop,
};

int cluster_list_pins(Cluster *cluster, ClusterList **ret, PinType filter, Error *reterr) {
        ClusterList *list = NULL;
        int r;

        r = list_new(&list, cluster, &cluster_list_pins_class, reterr);
        if (r < 0)
                return r;
        list->type = filter;
        return list_start(list, ret, reterr);
}

/* ---- peers ---- */

static void peers_part_done(ClusterList *list, int r) {
        if (r >= 0 && --list->n_pending > 0)
                return;
        cluster_list_go_on(list, r, NULL);
}

static void peers_on_id(
                IpfsCall *call _unused_, int r, const Error *error, const IpfsId *id, void *userdata) {
        ClusterList *list = userdata;
        int k;

        k = cluster_peer_info(
                        list->cluster,
                        r < 0 ? NULL : id,
                        r < 0 ? error_message(error) : NULL,
                        &list->peers[list->self_at]);
        list->ipfs = ipfs_call_unref(list->ipfs);
        peers_part_done(list, k);
}

static int peers_read(ClusterParty *member, const void *body, size_t size, PeerInfo *ret) {
        PeerInfo info = {};
        int r;

        r = size > PEER_INFO_BYTES_MAX ? -E2BIG : json_read_text(&peer_info_shape, body, size, &info, NULL);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !peer_id_equal(&info.id, &member->id)) {
                peer_info_done(&info);
                return cluster_party_fail(member, CLUSTER_NO_ANSWER);
        }
        *ret = info;
        return 0;
}

static void peers_on_answer(
                RpcGather *gather _unused_,
                size_t i,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        ClusterList *list = userdata;
        size_t at = list->members.asked[i];
        ClusterParty *member = &list->members.items[at];

        r = r < 0 ? cluster_party_fail(member, error_message(error))
                  : peers_read(member, body, size, &list->peers[at]);
        if (r < 0)
                cluster_list_go_on(list, r, NULL);
}

static void peers_on_done(RpcGather *gather _unused_, void *userdata) {
        peers_part_done(userdata, 0);
}

static int peers_ask(ClusterList *list) {
        static const RpcGatherHandler handler = { peers_on_answer, peers_on_done };
        int r;

        cluster_parties_add_others(&list->members);
        r = ipfs_id(list->cluster->ipfs, &list->ipfs, peers_on_id, list);
        if (r >= 0)
                r = cluster_parties_ask(
                                &list->members,
                                list->cluster,
                                &(ClusterAsk){ .method = "id", .handler = &handler, .userdata = list });
        list->n_pending = 2;
        return r;
}

static int peers_start(ClusterList *list, Error *reterr _unused_) {
        int r;

        r = cluster_parties_get(list->cluster, &list->members);
        if (r < 0)
                return r;
        list->peers = calloc(list->members.n, sizeof(PeerInfo));
        if (!list->peers)
                return -ENOMEM;
        while (!list->members.items[list->self_at].is_self)
                list->self_at++;
        return peers_ask(list);
}

static int peers_tell_failure(ClusterList *list, const ClusterParty *member) {
        list->item.peer.id = member->id;
        return str_copy(&list->item.peer.error, member->failure);
}

/* Those that have answered, then those that could not be asked. */
static int peers_next(ClusterList *list, Error *reterr _unused_) {
        const ClusterParty *member;
        bool wants_failed;
        int r;

        if (list->n_pending > 0)
                return CLUSTER_LIST_WAIT;
        if (list->at == 2 * list->members.n)
                return 0;
        wants_failed = list->at >= list->members.n;
        member = &list->members.items[list->at % list->members.n];
        if (!member->failure == wants_failed) {
                list->at++;
                return CLUSTER_LIST_SKIP;
        }
        if (wants_failed) {
                r = peers_tell_failure(list, member);
                if (r < 0)
                        return r;
        } else {
                list->item.peer = list->peers[list->at];
                list->peers[list->at] = (PeerInfo){};
        }
        list->at++;
        return 1;
}

static void peers_drop(ClusterList *list) {
        peer_info_done(&list->item.peer);
}

const ClusterListClass cluster_list_peers_class = {
        .shape = &peer_info_shape,
        .start = peers_start,
        .next = peers_next,
        .drop = peers_drop,
};

int cluster_list_peers(Cluster *cluster, ClusterList **ret, Error *reterr) {
        ClusterList *list = NULL;
        int r;

        r = list_new(&list, cluster, &cluster_list_peers_class, reterr);
        if (r < 0)
                return r;
        return list_start(list, ret, reterr);
}

/* ---- statuses, recover, sync ---- */

static int list_copy_cids(ClusterList *list, const ClusterStatusQuery *query, Error *reterr) {
        if (query->n_cids > CLUSTER_CIDS_MAX)
                return error_set(
                                reterr,
                                ERROR_TOO_BIG,
                                "cids: %zu CIDs were given, at most %d are allowed",
                                query->n_cids,
                                CLUSTER_CIDS_MAX);
        list->cids = calloc(query->n_cids + 1, sizeof(Cid));
        if (!list->cids)
                return error_set_errno(reterr, -ENOMEM, "cids: %m");
        if (query->n_cids > 0)
                memcpy(list->cids, query->cids, query->n_cids * sizeof(Cid));
        list->n_cids = query->n_cids;
        return 0;
}

/* Of all peers, when there are any others. */
static int list_new_statuses(
                ClusterList **ret, Cluster *cluster, ClusterListKind kind, bool local, Error *reterr) {
        static const ClusterListClass *const classes[] = {
                [CLUSTER_LIST_STATUSES] = &cluster_list_statuses_class,
                [CLUSTER_LIST_CIDS] = &cluster_list_cids_class,
                [CLUSTER_LIST_RECOVER] = &cluster_list_recover_class,
                [CLUSTER_LIST_SYNC] = &cluster_list_sync_class,
        };
        bool is_alone = local || !cluster_has_others(cluster);
        int r;

        r = list_new(ret, cluster, is_alone ? classes[kind] : &cluster_list_gathered_class, reterr);
        if (r < 0)
                return r;
        (*ret)->kind = kind;
        (*ret)->local = local;
        return 0;
}

int cluster_list_statuses(
                Cluster *cluster, ClusterList **ret, const ClusterStatusQuery *query, Error *reterr) {
        ClusterListKind kind = query->n_cids > 0 ? CLUSTER_LIST_CIDS : CLUSTER_LIST_STATUSES;
        ClusterList *list = NULL;
        int r;

        r = list_new_statuses(&list, cluster, kind, query->local, reterr);
        if (r < 0)
                return r;
        list->filter = query->filter;
        list->wants = query->wants;
        list->wants_userdata = query->userdata;
        r = list_copy_cids(list, query, reterr);
        if (r < 0) {
                cluster_list_free(list);
                return r;
        }
        return list_start(list, ret, reterr);
}

int cluster_list_recover(Cluster *cluster, ClusterList **ret, bool local, Error *reterr) {
        ClusterList *list = NULL;
        int r;

        r = list_new_statuses(&list, cluster, CLUSTER_LIST_RECOVER, local, reterr);
        return r < 0 ? r : list_start(list, ret, reterr);
}

int cluster_list_sync(Cluster *cluster, ClusterList **ret, Error *reterr) {
        ClusterList *list = NULL;
        int r;

        r = list_new_statuses(&list, cluster, CLUSTER_LIST_SYNC, /* local= */ false, reterr);
        if (r < 0)
                return r;
        list->cids = calloc(CLUSTER_CHANGED_MAX, sizeof(Cid));
        if (!list->cids) {
                cluster_list_free(list);
                return error_set_errno(reterr, -ENOMEM, "sync: %m");
        }
        return list_start(list, ret, reterr);
}
