/*
 * What other peers ask this one, about itself. What can be told at once is; for the rest there is a
 * ClusterServed, which goes when the answer does, or when whoever asks is gone.
 */

#include "daemon/cluster/remote.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/list.h"
#include "daemon/tracker/wire.h"

#define SERVED_MAX 1024
#define SERVED_OPEN_MAX 16 /* of peers that are no members */
#define PAGE_MAX 1024      /* CIDs */
#define PAGE_STEPS 4096    /* records looked at for one page */

typedef struct ClusterServed {
        List link;
        Cluster *cluster;
        RpcRequest *request;
        bool is_open; /* whoever asks is no member */

        ClusterCall *call;
        TrackerCall *tracker;
        TrackerQuestion question; /* "status" that Kubo is asked for */
        size_t at;
        Str answer;
        Cid *changed; /* "check": since it began */
        size_t n_changed;
} ClusterServed;

/* ---- life */

static ClusterServed *served_free(ClusterServed *served) {
        list_remove(&served->link);
        served->cluster->n_served--;
        served->cluster->n_served_open -= served->is_open;
        cluster_call_unref(served->call);
        tracker_call_unref(served->tracker);
        tracker_wire_question_done(&served->question);
        str_done(&served->answer);
        free(served->changed);
        free(served);
        return NULL;
}

static void served_on_closed(RpcRequest *request _unused_, void *userdata) {
        served_free(userdata);
}

static int check_room(const Cluster *cluster, bool is_open, Error *reterr) {
        if (cluster->n_served >= SERVED_MAX || (is_open && cluster->n_served_open >= SERVED_OPEN_MAX))
                return error_set(reterr, ERROR_BUSY, "too many questions of other peers are under way");
        return 0;
}

static int served_new(ClusterServed **ret, Cluster *cluster, RpcRequest *request, Error *reterr) {
        bool is_open = !rpc_request_is_member(request);
        ClusterServed *served;
        int r;

        r = check_room(cluster, is_open, reterr);
        if (r < 0)
                return r;
        served = calloc(1, sizeof(ClusterServed));
        if (!served)
                return error_set_errno(reterr, -ENOMEM, "%m");

        *served = (ClusterServed){ .cluster = cluster, .request = request, .is_open = is_open };
        list_append(&cluster->served, &served->link);
        cluster->n_served++;
        cluster->n_served_open += is_open;
        rpc_request_on_closed(request, served_on_closed, served);
        *ret = served;
        return 0;
}

/* ---- the end of a question */

static void fail(RpcRequest *request, int r, const Error *error) {
        _cleanup_(error_done) Error words = {};

        if (!error || error->code == ERROR_NONE) {
                (void) error_set_errno(&words, r, "the question could not be answered: %m");
                error = &words;
        }
        (void) rpc_request_fail(request, error);
}

/* R is negative, or ANSWER is there. */
static void reply(RpcRequest *request, int r, const Error *error, const Str *answer) {
        if (r >= 0)
                r = str_error(answer);
        if (r < 0)
                fail(request, r, error);
        else
                (void) rpc_request_reply(request, answer->data, answer->len);
}

/* ERROR may be that of a call of SERVED. */
static void served_end(ClusterServed *served, int r, const Error *error) {
        reply(served->request, r, error, &served->answer);
        served_free(served);
}

/* What is known here is not what the cluster knows until the log has been applied. */
static int check_state(const Cluster *cluster, Error *reterr) {
        if (cluster->is_closing)
                return error_set(reterr, ERROR_CANCELED, CLUSTER_IS_STOPPING);
        if (!cluster->consensus_ready)
                return error_set(reterr, ERROR_BUSY, "the peer is starting");
        return 0;
}

/* A question that takes a while: START begins it. What it fails with is the answer. */
static void serve(
                Cluster *cluster,
                RpcRequest *request,
                int (*start)(ClusterServed *served, const void *body, size_t size),
                const void *body,
                size_t size) {
        _cleanup_(error_done) Error error = {};
        ClusterServed *served = NULL;
        int r;

        r = check_state(cluster, &error);
        if (r >= 0)
                r = served_new(&served, cluster, request, &error);
        if (r < 0) {
                fail(request, r, &error);
                return;
        }
        r = start(served, body, size);
        if (r < 0)
                served_end(served, r, NULL);
}

/* ---- id, graph, gc, repo */

static void id_on_done(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const PeerInfo *peer,
                void *userdata) {
        ClusterServed *served = userdata;

        if (r >= 0)
                r = json_write(&peer_info_shape, peer, &served->answer);
        served_end(served, r, error);
}

static int id_start(ClusterServed *served, const void *body _unused_, size_t size _unused_) {
        return cluster_id(served->cluster, &served->call, id_on_done, served);
}

static void remote_on_id(RpcRequest *request, const void *body, size_t size, void *userdata) {
        serve(userdata, request, id_start, body, size);
}

static void graph_on_done(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const ConnectGraph *graph,
                void *userdata) {
        ClusterServed *served = userdata;

        if (r >= 0)
                r = json_write(&connect_graph_shape, graph, &served->answer);
        served_end(served, r, error);
}

static int graph_start(ClusterServed *served, const void *body _unused_, size_t size _unused_) {
        return cluster_graph_local(served->cluster, &served->call, graph_on_done, served);
}

static void remote_on_graph(RpcRequest *request, const void *body, size_t size, void *userdata) {
        serve(userdata, request, graph_start, body, size);
}

static void gc_on_done(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const GlobalRepoGc *gc,
                void *userdata) {
        ClusterServed *served = userdata;

        if (r >= 0)
                r = json_write(&global_repo_gc_shape, gc, &served->answer);
        served_end(served, r, error);
}

static int gc_start(ClusterServed *served, const void *body _unused_, size_t size _unused_) {
        return cluster_gc_local(
                        served->cluster, &served->call, CLUSTER_REMOTE_GC_KEYS_MAX, gc_on_done, served);
}

static void remote_on_gc(RpcRequest *request, const void *body, size_t size, void *userdata) {
        serve(userdata, request, gc_start, body, size);
}

static void repo_on_done(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const ClusterRepo *repo,
                void *userdata) {
        ClusterServed *served = userdata;

        if (r >= 0)
                r = json_write(&cluster_repo_shape, repo, &served->answer);
        served_end(served, r, error);
}

static int repo_start(ClusterServed *served, const void *body _unused_, size_t size _unused_) {
        return cluster_repo_local(served->cluster, &served->call, repo_on_done, served);
}

static void remote_on_repo(RpcRequest *request, const void *body, size_t size, void *userdata) {
        serve(userdata, request, repo_start, body, size);
}

/* ---- status: known, at once */

/* One entry. SELF says which peer this is, and is overwritten with the status. */
static int known_entry(Cluster *cluster, const Cid *cid, PinStatus filter, PinInfo *self, Str *to) {
        bool is_settled, is_pinned;
        Pin pin = {};
        int r;

        r = cluster_pin_get(cluster, cid, &pin);
        is_pinned = r > 0;
        if (r >= 0)
                r = tracker_status_update(cluster->tracker, cid, is_pinned ? &pin : NULL, self);
        is_settled = is_pinned && self->timestamp == pin.timestamp && self->attempt_count == 0 &&
                     !self->priority_pin && str_is_empty(self->error);
        pin_done(&pin);
        if (r < 0)
                return r;
        return tracker_wire_write_entry(
                        to, pin_status_matches((PinStatus) self->status, filter) ? self : NULL, is_settled);
}

static int requeued_entry(Cluster *cluster, const Cid *cid, PinInfo *self, Str *to) {
        int r;

        r = tracker_recover(cluster->tracker, cid);
        if (r <= 0)
                return r < 0 ? r : tracker_wire_write_entry(to, NULL, false);
        return known_entry(cluster, cid, /* filter= */ 0, self, to);
}

static int head(Cluster *cluster, PinInfo *ret_self, Str *to) {
        int r;

        r = tracker_status_known(cluster->tracker, &(Cid){}, NULL, ret_self);
        return r < 0 ? r : tracker_wire_write_head(to, ret_self);
}

static int known_answer(Cluster *cluster, const TrackerQuestion *question, Str *to) {
        PinInfo self = {};
        int r;

        r = head(cluster, &self, to);
        for (size_t i = 0; i < question->n && r >= 0; i++)
                r = question->verb == TRACKER_VERB_REQUEUE
                                    ? requeued_entry(cluster, &question->cids[i], &self, to)
                                    : known_entry(cluster, &question->cids[i], question->filter, &self, to);
        json_done(&pin_info_shape, &self);
        return r;
}

/* ---- status: Kubo is asked, for one CID after the other */

static int asked_next(ClusterServed *served);

static int asked_take(ClusterServed *served, const GlobalPinInfo *info) {
        const PinInfo *self = info->peer_map.items;
        bool tells = pin_status_matches((PinStatus) self->status, served->question.filter);

        return tracker_wire_write_entry(&served->answer, tells ? self : NULL, /* is_settled= */ false);
}

static void asked_on_status(
                ClusterCall *call, int r, const Error *error, const GlobalPinInfo *info, void *userdata) {
        ClusterServed *served = userdata;

        if (r >= 0)
                r = asked_take(served, info);
        if (r < 0 || served->at == served->question.n) {
                served_end(served, r, error);
                return;
        }
        served->call = cluster_call_unref(call);
        r = asked_next(served);
        if (r < 0)
                served_end(served, r, NULL);
}

static int asked_next(ClusterServed *served) {
        const Cid *cid = &served->question.cids[served->at++];

        return served->question.verb == TRACKER_VERB_RECOVER ? cluster_recover(served->cluster,
                                                                               &served->call,
                                                                               cid,
                                                                               /* local= */ true,
                                                                               asked_on_status,
                                                                               served)
                                                             : cluster_status(served->cluster,
                                                                              &served->call,
                                                                              cid,
                                                                              /* local= */ true,
                                                                              asked_on_status,
                                                                              served);
}

static int asked_start(ClusterServed *served, const void *body, size_t size) {
        PinInfo self = {};
        int r;

        r = tracker_wire_read_question(body, size, &served->question);
        if (r >= 0)
                r = head(served->cluster, &self, &served->answer);
        json_done(&pin_info_shape, &self);
        return r < 0 ? r : asked_next(served);
}

static void status_answer(Cluster *cluster, RpcRequest *request, const TrackerQuestion *question) {
        _cleanup_(error_done) Error error = {};
        _cleanup_(str_done) Str answer = {};
        int r;

        r = check_state(cluster, &error);
        if (r >= 0)
                r = known_answer(cluster, question, &answer);
        reply(request, r, &error, &answer);
}

static bool is_for_kubo(const TrackerQuestion *question) {
        return question->n > 0 &&
               (question->verb == TRACKER_VERB_ASK || question->verb == TRACKER_VERB_RECOVER);
}

static void remote_on_status(RpcRequest *request, const void *body, size_t size, void *userdata) {
        TrackerQuestion question = {};
        int r;

        r = tracker_wire_read_question(body, size, &question);
        if (r < 0)
                fail(request, r, NULL);
        else if (is_for_kubo(&question))
                serve(userdata, request, asked_start, body, size);
        else
                status_answer(userdata, request, &question);
        tracker_wire_question_done(&question);
}

/* ---- records */

static int page_fill(TrackerCursor *cursor, TrackerPage *page, size_t max) {
        int r = 1;

        for (size_t i = 0; i < PAGE_STEPS && page->n < max && r > 0; i++) {
                r = tracker_cursor_step(cursor, &page->cids[page->n]);
                page->n += r == 1;
        }
        page->is_last = r == 0;
        page->position = tracker_cursor_tell(cursor);
        return MIN(r, 0);
}

int cluster_remote_page(Cluster *cluster, const TrackerPageQuestion *question, TrackerPage *ret) {
        _cleanup_(tracker_cursor_freep) TrackerCursor *cursor = NULL;
        size_t max = MIN(question->max, (uint64_t) PAGE_MAX);
        TrackerCounts counts;
        TrackerPage page;
        int r;

        tracker_counts(cluster->tracker, &counts);
        page = (TrackerPage){ .is_complete = counts.complete, .cids = calloc(max + 1, sizeof(Cid)) };
        r = page.cids ? tracker_cursor_new(&cursor, cluster->tracker, question->filter) : -ENOMEM;
        if (r >= 0) {
                tracker_cursor_seek(cursor, &question->position);
                r = page_fill(cursor, &page, max);
        }
        if (r < 0) {
                tracker_wire_page_done(&page);
                return r;
        }
        *ret = page;
        return 0;
}

static int page_answer(Cluster *cluster, const TrackerPageQuestion *question, Str *to) {
        TrackerPage page;
        int r;

        r = cluster_remote_page(cluster, question, &page);
        if (r < 0)
                return r;
        r = tracker_wire_write_page(to, &page);
        tracker_wire_page_done(&page);
        return r;
}

static void remote_on_records(RpcRequest *request, const void *body, size_t size, void *userdata) {
        _cleanup_(error_done) Error error = {};
        _cleanup_(str_done) Str answer = {};
        TrackerPageQuestion question;
        int r;

        r = tracker_wire_read_page_question(body, size, &question);
        if (r >= 0)
                r = check_state(userdata, &error);
        if (r >= 0)
                r = page_answer(userdata, &question, &answer);
        reply(request, r, &error, &answer);
}

/* ---- check: the CIDs whose status has changed by it */

static void check_on_done(TrackerCall *call _unused_, int r, const Error *error, void *userdata) {
        ClusterServed *served = userdata;

        if (r >= 0)
                r = tracker_wire_write_cids(&served->answer, served->changed, served->n_changed);
        served_end(served, r, error);
}

static int check_start(ClusterServed *served, const void *body _unused_, size_t size _unused_) {
        served->changed = calloc(CLUSTER_CHANGED_MAX, sizeof(Cid));
        if (!served->changed)
                return -ENOMEM;
        return tracker_check(served->cluster->tracker, &served->tracker, check_on_done, served);
}

static void remote_on_check(RpcRequest *request, const void *body, size_t size, void *userdata) {
        serve(userdata, request, check_start, body, size);
}

void cluster_remote_note(Cluster *cluster, const Cid *cid) {
        LIST_FOREACH (served, &cluster->served, ClusterServed, link)
                if (served->changed && served->n_changed < CLUSTER_CHANGED_MAX)
                        served->changed[served->n_changed++] = *cid;
}

/* ---- */

void cluster_remote_stop_all(Cluster *cluster) {
        static const Error stopping = { .code = ERROR_CANCELED, .message = (char *) CLUSTER_IS_STOPPING };

        LIST_FOREACH (served, &cluster->served, ClusterServed, link)
                served_end(served, -ECANCELED, &stopping);
}

const RpcMethod cluster_remote_methods[] = {
        { "id", RPC_OPEN, remote_on_id },
        { "status", RPC_MEMBER, remote_on_status },
        { "records", RPC_MEMBER, remote_on_records },
        { "check", RPC_MEMBER, remote_on_check },
        { "gc", RPC_MEMBER, remote_on_gc },
        { "repo", RPC_MEMBER, remote_on_repo },
        { "graph", RPC_MEMBER, remote_on_graph },
        {},
};
