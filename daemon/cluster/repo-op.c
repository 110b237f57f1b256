/* The repositories of all Kubos: what they collect as garbage, how large they are.  ask ──► done */

#include <string.h>

#include "daemon/cluster/internal.h"
#include "daemon/cluster/remote.h"

enum {
        REPO_ASK,
};

/* ---- garbage collection ---- */

/* The element of this peer is there from the start; others may move it. */
static RepoGc *gc_self(ClusterCall *call) {
        RepoGc *self;
        int r;

        r = global_repo_gc_peer(&call->gc, cluster_self(call->cluster), &self);
        assert(r == 0);
        return self;
}

static int gc_add_key(RepoGc *gc, const Cid *key, const char *error) {
        RepoGcKey *item;

        /* Room grows by doubling: the number of elements tells when. */
        if ((gc->keys.n & (gc->keys.n - 1)) == 0) {
                item = reallocarray(gc->keys.items, MAX(gc->keys.n * 2, (size_t) 1), sizeof(RepoGcKey));
                if (!item)
                        return -ENOMEM;
                gc->keys.items = item;
        }
        item = (RepoGcKey *) gc->keys.items + gc->keys.n++;
        *item = (RepoGcKey){ .key = *key };
        return str_copy(&item->error, error);
}

static void gc_on_item(IpfsCall *ipfs _unused_, const Cid *cid, const char *error, void *userdata) {
        ClusterCall *call = userdata;

        call->n_gc_keys++;
        if (gc_self(call)->keys.n < call->n_gc_keys_max && call->result >= 0)
                call->result = gc_add_key(gc_self(call), cid, error);
}

static int gc_note_rest(ClusterCall *call) {
        Str text = {};

        if (call->n_gc_keys <= call->n_gc_keys_max)
                return 0;
        (void) str_appendf(
                        &text,
                        "%zu keys were removed, of which the first %zu are listed",
                        call->n_gc_keys,
                        call->n_gc_keys_max);
        free(gc_self(call)->error);
        gc_self(call)->error = str_take(&text);
        return gc_self(call)->error ? 0 : -ENOMEM;
}

static void gc_on_done(IpfsCall *ipfs _unused_, int r, const Error *error, void *userdata) {
        ClusterCall *call = userdata;
        int k = call->result;

        /* The recorded program tells a failure as the peer's part of the answer, or, asked for this peer
         * alone, as the answer. */
        if (k >= 0 && r < 0 && call->local)
                k = r;
        else if (k >= 0)
                k = r < 0 ? str_copy(&gc_self(call)->error, error_message(error)) : gc_note_rest(call);
        cluster_call_part_done(call, k, error);
        call->ipfs = ipfs_call_unref(call->ipfs);
}

static int gc_add_peer(ClusterCall *call, const ClusterParty *member, RepoGc **ret) {
        int r;

        r = global_repo_gc_peer(&call->gc, &member->id, ret);
        if (r < 0)
                return r;
        (*ret)->keys.is_set = true;
        return str_copy(&(*ret)->peername, member->who.peername);
}

/* TOLD is the answer of MEMBER: it has one element, its own. */
static int gc_take(ClusterCall *call, const ClusterParty *member, GlobalRepoGc *told) {
        RepoGc *from = told->peer_map.items, *to;
        int r;

        if (told->peer_map.n != 1 || !peer_id_equal(&from->peer, &member->id) ||
            from->keys.n > CLUSTER_REMOTE_GC_KEYS_MAX)
                return -EBADMSG;
        r = gc_add_peer(call, member, &to);
        if (r < 0)
                return r;
        to->keys = from->keys;
        to->error = TAKE_PTR(from->error);
        from->keys = (JsonArray){};
        return 0;
}

static int gc_fail(ClusterCall *call, const ClusterParty *member, const char *words) {
        RepoGc *to;
        int r;

        r = gc_add_peer(call, member, &to);
        return r < 0 ? r : str_copy(&to->error, words);
}

static void gc_on_answer(
                RpcGather *gather _unused_,
                size_t i,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        ClusterCall *call = userdata;
        const ClusterParty *member = cluster_parties_asked(&call->members, i);
        GlobalRepoGc told = {};
        int k;

        k = r < 0 ? r : json_read_text(&global_repo_gc_shape, body, size, &told, NULL);
        if (k >= 0)
                k = gc_take(call, member, &told);
        global_repo_gc_done(&told);
        if (k < 0 && k != -ENOMEM)
                k = gc_fail(call,
                            member,
                            r < 0 ? error_message(error) : "the peer has given no proper answer");
        if (k < 0)
                flow_next(&call->flow, k);
}

static void gc_on_all_done(RpcGather *gather _unused_, void *userdata) {
        cluster_call_part_done(userdata, 0, NULL);
}

/* Kubo's own limit, and a little to tell of it. */
static uint64_t gc_timeout(const Cluster *cluster) {
        return (uint64_t) cluster->config->ipfs.repogc_timeout + CLUSTER_REQUEST_TIMEOUT;
}

/* One after the other: a Kubo that collects garbage does little else. */
static int gc_ask_others(ClusterCall *call) {
        static const RpcGatherHandler handler = { gc_on_answer, gc_on_all_done };

        return cluster_call_ask_others(
                        call,
                        &(ClusterAsk){
                                        .method = "gc",
                                        .timeout_usec = gc_timeout(call->cluster),
                                        .at_once = 1,
                                        .handler = &handler,
                                        .userdata = call,
                        });
}

static int gc_ask(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        int r;

        r = cluster_call_may_ask(call);
        if (r >= 0)
                r = ipfs_repo_gc(call->cluster->ipfs, &call->ipfs, gc_on_item, gc_on_done, call);
        if (r < 0)
                return r;
        call->n_pending++;
        return gc_ask_others(call);
}

static void gc_finish(Flow *flow, int result) {
        ClusterCall *call = CLUSTER_CALL(flow);

        cluster_call_settle_error(call, result);
        call->done.gc(call, MIN(result, 0), &call->error, &call->gc, call->userdata);
}

static const FlowState gc_states[] = { [REPO_ASK] = { "ask", gc_ask, 0 } };
static const FlowClass gc_class = { "gc", gc_states, gc_finish };

static int gc_prepare(ClusterCall *call) {
        RepoGc *self;
        int r;

        /* Each may gather many keys, and Kubo takes them one by one anyhow. */
        if (call->cluster->n_gcs >= CLUSTER_GCS_MAX)
                return -EBUSY;
        call->is_gc = true;
        call->cluster->n_gcs++;
        r = global_repo_gc_peer(&call->gc, cluster_self(call->cluster), &self);
        if (r < 0)
                return r;
        self->keys.is_set = true;
        return str_copy(&self->peername, call->cluster->config->cluster.peername);
}

static int gc_new(
                Cluster *cluster,
                ClusterCall **ret,
                bool local,
                size_t n_keys_max,
                ClusterGcDone done,
                void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->done.gc = done;
        call->local = local;
        call->n_gc_keys_max = n_keys_max;
        r = gc_prepare(call);
        if (r < 0) {
                cluster_call_unref(call);
                return r;
        }
        /* Bounded by repogc_timeout. */
        return cluster_call_start(call, &gc_class, UINT64_MAX, ret);
}

int cluster_collect_garbage(
                Cluster *cluster, ClusterCall **ret, bool local, ClusterGcDone done, void *userdata) {
        return gc_new(cluster, ret, local, CLUSTER_GC_KEYS_MAX, done, userdata);
}

int cluster_gc_local(
                Cluster *cluster, ClusterCall **ret, size_t n_keys_max, ClusterGcDone done, void *userdata) {
        return gc_new(cluster, ret, /* local= */ true, n_keys_max, done, userdata);
}

/* ---- repositories ---- */

static const JsonField repo_fields[] = {
        { "size", JSON_UINT, offsetof(ClusterRepo, size), .flags = JSON_REQUIRED },
        { "storage_max", JSON_UINT, offsetof(ClusterRepo, storage_max), .flags = JSON_REQUIRED },
        JSON_END,
};
const JsonShape cluster_repo_shape = { "repository", sizeof(ClusterRepo), repo_fields };

static void repo_on_stat(
                IpfsCall *ipfs _unused_,
                int r,
                const Error *error,
                uint64_t size,
                uint64_t storage_max,
                void *userdata) {
        ClusterCall *call = userdata;

        call->repo = (ClusterRepo){ size, storage_max };
        cluster_call_part_done(call, r, error);
        call->ipfs = ipfs_call_unref(call->ipfs);
}

static void repo_on_answer(
                RpcGather *gather _unused_,
                size_t i _unused_,
                int r,
                const Error *error _unused_,
                const void *body,
                size_t size,
                void *userdata) {
        ClusterCall *call = userdata;
        ClusterRepo told = {};

        if (r >= 0 && json_read_text(&cluster_repo_shape, body, size, &told, NULL) >= 0)
                cluster_repo_add(&call->repo, &told);
}

static void repo_on_all_done(RpcGather *gather _unused_, void *userdata) {
        cluster_call_part_done(userdata, 0, NULL);
}

static int repo_ask(Flow *flow) {
        static const RpcGatherHandler handler = { repo_on_answer, repo_on_all_done };
        ClusterCall *call = CLUSTER_CALL(flow);
        int r;

        call->n_pending++;
        if (call->local) {
                r = cluster_call_may_ask(call);
                return r < 0 ? r : ipfs_repo_stat(call->cluster->ipfs, &call->ipfs, repo_on_stat, call);
        }
        r = cluster_call_ask_others(
                        call, &(ClusterAsk){ .method = "repo", .handler = &handler, .userdata = call });
        if (r >= 0)
                cluster_call_part_done(call, 0, NULL); /* there may be nobody to ask */
        return r;
}

static void repo_finish(Flow *flow, int result) {
        ClusterCall *call = CLUSTER_CALL(flow);

        cluster_call_settle_error(call, result);
        call->done.repo(call, MIN(result, 0), &call->error, &call->repo, call->userdata);
}

static const FlowState repo_states[] = { [REPO_ASK] = { "ask", repo_ask, 0 } };
static const FlowClass repo_class = { "repo", repo_states, repo_finish };

static int repo_new(Cluster *cluster, ClusterCall **ret, bool local, ClusterRepoDone done, void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->local = local;
        call->done.repo = done;
        return cluster_call_start(call, &repo_class, cluster_call_ask_timeout(cluster), ret);
}

int cluster_repo_of_others(Cluster *cluster, ClusterCall **ret, ClusterRepoDone done, void *userdata) {
        return repo_new(cluster, ret, /* local= */ false, done, userdata);
}

int cluster_repo_local(Cluster *cluster, ClusterCall **ret, ClusterRepoDone done, void *userdata) {
        return repo_new(cluster, ret, /* local= */ true, done, userdata);
}
