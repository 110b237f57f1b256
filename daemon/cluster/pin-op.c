/*
 * Pin, as a flow:
 *
 *   resolve ──► prepare ──► commit ──► done        any state: error, timeout, cancel ──► done
 *
 * "prepare" waits for nothing: it fills in, checks and allocates by what is known here.
 */

#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/cluster/internal.h"
#include "daemon/types/ipfs-path.h"

enum {
        PIN_RESOLVE,
        PIN_PREPARE,
        PIN_COMMIT,
};

static int pin_resolve(Flow *flow);
static int pin_prepare(Flow *flow);
static int pin_commit(Flow *flow);
static void pin_finish(Flow *flow, int result);

static const FlowState pin_states[] = {
        [PIN_RESOLVE] = { "resolve", pin_resolve, FLOW_TO(PIN_PREPARE) },
        [PIN_PREPARE] = { "prepare", pin_prepare, FLOW_TO(PIN_COMMIT) },
        [PIN_COMMIT] = { "commit", pin_commit, 0 },
};

static const FlowClass pin_class = { "pin", pin_states, pin_finish };

static const char not_in_pinset[] = "pin is not part of the pinset";

/* ---- resolve ---- */

static void pin_on_resolved(
                IpfsCall *ipfs _unused_, int r, const Error *error, const Cid *cid, void *userdata) {
        ClusterCall *call = userdata;

        if (r >= 0)
                call->pin.cid = *cid;
        cluster_call_next(call, r, error, PIN_PREPARE);
        call->ipfs = ipfs_call_unref(call->ipfs);
}

static int pin_resolve(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);

        if (call->path)
                return cluster_call_resolve(call, pin_on_resolved);
        flow_next(flow, PIN_PREPARE);
        return 0;
}

/* ---- prepare ---- */

/* The words are those of the Go program, in its order of checks (tests/golden/rest, 140 to 145). */
static int pin_check_factors(int64_t min, int64_t max, Error *reterr) {
        if (min == 0 || max == 0)
                return error_set(
                                reterr, ERROR_REFUSED, "cluster.replication_factor_min and max must be set");
        if (min > max)
                return error_set(reterr, ERROR_REFUSED, "cluster.replication_factor_min is larger than max");
        if (min < -1)
                return error_set(reterr, ERROR_REFUSED, "cluster.replication_factor_min is wrong");
        if (max < -1)
                return error_set(reterr, ERROR_REFUSED, "cluster.replication_factor_max is wrong");
        if ((min == -1) != (max == -1))
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "cluster.replication_factor_min and max must be -1 when one of them is");
        return 0;
}

static int pin_check_expiry(const Pin *pin, Error *reterr) {
        if (pin->expire_at > 0 && pin->expire_at <= time_now())
                return error_set(reterr, ERROR_REFUSED, "pin.ExpireAt set before current time");
        return 0;
}

/* What a new PIN may change of the one that is there. */
int cluster_pin_check_existing(const Pin *pin, const Pin *existing, Error *reterr) {
        if (pin->type != existing->type)
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "cannot repin CID with different tracking method, clear state with pin rm to proceed. New: %s. Was: %s",
                                pin_type_to_string(pin->type),
                                pin_type_to_string(existing->type));
        if (existing->max_depth == PIN_DEPTH_RECURSIVE && pin->max_depth != PIN_DEPTH_RECURSIVE)
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "cannot repin a CID which is already pinned in recursive mode (new pin is pinned as direct). Unpin it first.");
        return 0;
}

/* The usable metrics that allocation goes by, of all peers. The structs are copied, not what they point to.
 */
static int pin_metrics(Cluster *cluster, Metric **ret, size_t *ret_n) {
        const StrList *by = &cluster->config->allocate_by;
        Metric *all = NULL;
        size_t n = 0;

        for (size_t k = 0; k < by->n; k++) {
                _cleanup_free_ const Metric **found = NULL;
                size_t m;
                Metric *grown;

                if (metrics_monitor_get(cluster->monitor, by->items[k], &found, &m) < 0 ||
                    !(grown = reallocarray(all, n + m + 1, sizeof(Metric)))) {
                        free(all);
                        return -ENOMEM;
                }
                all = grown;
                for (size_t i = 0; i < m; i++)
                        all[n++] = *found[i];
        }
        *ret = all;
        *ret_n = n;
        return 0;
}

int cluster_allocate(Cluster *cluster, const AllocatorInput *what, PeerIdList *ret, Error *reterr) {
        _cleanup_free_ Metric *metrics = NULL;
        AllocatorInput input = *what;
        size_t n = 0;
        int r = 0;

        if (input.min >= 0 || input.max >= 0) {
                input.seed = random_below(UINT64_MAX);
                r = pin_metrics(cluster, &metrics, &n);
        }
        if (r < 0)
                return error_set_errno(reterr, r, "allocation: %m");
        input.allocate_by = &cluster->config->allocate_by;
        input.metrics = metrics;
        input.n_metrics = n;
        return allocator_allocate(&input, ret, reterr);
}

int cluster_pin_allocate(Cluster *cluster, Pin *pin, const Pin *existing, Error *reterr) {
        const AllocatorInput what = {
                .current = existing ? &existing->allocations : NULL,
                .priority = &pin->user_allocations,
                .min = pin->replication_factor_min,
                .max = pin->replication_factor_max,
        };
        PeerIdList allocations = {};
        int r;

        r = cluster_allocate(cluster, &what, &allocations, reterr);
        if (r < 0)
                return r;
        peer_id_list_done(&pin->allocations);
        pin->allocations = allocations;
        return 0;
}

int cluster_pin_complete(const Cluster *cluster, Pin *pin, Error *reterr) {
        const ConfigCluster *config = &cluster->config->cluster;
        int r;

        if (pin->replication_factor_min == 0)
                pin->replication_factor_min = config->replication_factor_min;
        if (pin->replication_factor_max == 0)
                pin->replication_factor_max = config->replication_factor_max;

        r = pin_check_factors(pin->replication_factor_min, pin->replication_factor_max, reterr);
        return r < 0 ? r : pin_check_expiry(pin, reterr);
}

static int pin_prepare_new(ClusterCall *call) {
        Pin existing = {}, *pin = &call->pin;
        int r, found;

        r = cluster_pin_complete(call->cluster, pin, &call->error);
        if (r < 0)
                return r;

        found = state_pinset_get(consensus_pinset(call->cluster->consensus), &pin->cid, &existing);
        if (found < 0)
                return found;
        if (found > 0)
                r = cluster_pin_check_existing(pin, &existing, &call->error);
        if (r >= 0)
                r = cluster_pin_allocate(call->cluster, pin, found > 0 ? &existing : NULL, &call->error);
        pin_done(&existing);
        return r;
}

/* The new item is a copy of the old one; only name and expiry can be given anew (tests/golden/rest, 155). */
static int pin_prepare_update(ClusterCall *call) {
        Pin from = {}, *asked = &call->pin;
        int r;

        r = pin_check_expiry(asked, &call->error);
        if (r < 0)
                return r;
        r = state_pinset_get(consensus_pinset(call->cluster->consensus), &asked->pin_update, &from);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(&call->error, ERROR_NOT_FOUND, not_in_pinset);
        if (from.type != PIN_TYPE_DATA) {
                pin_done(&from);
                return error_set(
                                &call->error,
                                ERROR_REFUSED,
                                "pin-update: cannot update from a pin of this type, expected type 'pin'");
        }

        pin_request_list_done(&from.requests); /* they hold the old one */
        from.requests_only = false;
        from.pin_update = from.cid;
        from.cid = asked->cid;
        if (!str_is_empty(asked->name)) {
                free(from.name);
                from.name = TAKE_PTR(asked->name);
        }
        if (asked->expire_at > 0)
                from.expire_at = asked->expire_at;
        pin_done(asked);
        *asked = from;
        return 0;
}

static int pin_prepare(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        Pin *pin = &call->pin;
        int r;

        if (cid_is_defined(&pin->pin_update) && !cid_equal(&pin->pin_update, &pin->cid))
                r = pin_prepare_update(call);
        else
                r = pin_prepare_new(call);
        if (r < 0)
                return r;

        pin->timestamp = time_now();
        flow_next(flow, PIN_COMMIT);
        return 0;
}

/* ---- commit ---- */

static void pin_on_committed(int r, const Error *error, void *userdata) {
        ClusterCall *call = userdata;

        cluster_call_next(call, r, error, FLOW_DONE);
        call->submit = peers_submit_unref(call->submit);
}

static int pin_commit(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        _cleanup_(str_done) Str body = {};
        int r;

        r = pin_write(&call->pin, &body);
        if (r == -E2BIG)
                return error_set(
                                &call->error,
                                ERROR_TOO_BIG,
                                "the pin with its name, metadata and origins is larger than %d bytes",
                                PIN_OWN_BYTES_MAX);
        if (r < 0)
                return r;
        return cluster_call_commit(call, CONSENSUS_PIN, body.data, body.len, pin_on_committed);
}

/* ---- end ---- */

static void pin_finish(Flow *flow, int result) {
        ClusterCall *call = CLUSTER_CALL(flow);

        cluster_call_settle_error(call, result);
        call->done.pin(call, MIN(result, 0), &call->error, &call->pin, call->userdata);
}

/* A path that is only a CID needs no Kubo; any other is kept for "resolve". */
static int pin_set_path(ClusterCall *call, const char *path, Cid *cid) {
        Error problem = {};
        IpfsPath parsed;
        int r;

        if (!path)
                return 0;
        if (ipfs_path_parse(path, &parsed, &problem) < 0) {
                r = error_set(&call->error, problem.code, "error parsing path: %s", error_message(&problem));
                error_done(&problem);
                return r;
        }
        if (parsed.is_bare) {
                *cid = parsed.root;
                return 0;
        }
        return str_copy(&call->path, path);
}

int cluster_pin(Cluster *cluster,
                ClusterCall **ret,
                const Pin *pin,
                const char *path,
                ClusterPinDone done,
                void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->done.pin = done;

        r = pin_copy(&call->pin, pin);
        if (r < 0) {
                cluster_call_unref(call);
                return r;
        }
        r = cluster_call_may_write(call);
        if (r >= 0)
                r = pin_set_path(call, path, &call->pin.cid);
        return cluster_call_start_checked(call, &pin_class, CLUSTER_COMMIT_TIMEOUT, r, ret);
}

/* ---- unpin: resolve ──► find ──► commit ──► done ---- */

enum {
        UNPIN_RESOLVE,
        UNPIN_FIND,
        UNPIN_COMMIT,
};

static void unpin_on_resolved(
                IpfsCall *ipfs _unused_, int r, const Error *error, const Cid *cid, void *userdata) {
        ClusterCall *call = userdata;

        if (r >= 0)
                call->cid = *cid;
        cluster_call_next(call, r, error, UNPIN_FIND);
        call->ipfs = ipfs_call_unref(call->ipfs);
}

static int unpin_resolve(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);

        if (call->path)
                return cluster_call_resolve(call, unpin_on_resolved);
        flow_next(flow, UNPIN_FIND);
        return 0;
}

static int unpin_find(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);
        int r;

        r = state_pinset_get(consensus_pinset(call->cluster->consensus), &call->cid, &call->pin);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(&call->error, ERROR_NOT_FOUND, not_in_pinset);
        flow_next(flow, UNPIN_COMMIT);
        return 0;
}

static int unpin_commit(Flow *flow) {
        ClusterCall *call = CLUSTER_CALL(flow);

        return cluster_call_commit(call, CONSENSUS_UNPIN, call->cid.bytes, call->cid.size, pin_on_committed);
}

static const FlowState unpin_states[] = {
        [UNPIN_RESOLVE] = { "resolve", unpin_resolve, FLOW_TO(UNPIN_FIND) },
        [UNPIN_FIND] = { "find", unpin_find, FLOW_TO(UNPIN_COMMIT) },
        [UNPIN_COMMIT] = { "commit", unpin_commit, 0 },
};

static const FlowClass unpin_class = { "unpin", unpin_states, pin_finish };

int cluster_unpin(
                Cluster *cluster,
                ClusterCall **ret,
                const Cid *cid,
                const char *path,
                ClusterPinDone done,
                void *userdata) {
        ClusterCall *call;
        int r;

        r = cluster_call_new(&call, cluster, userdata);
        if (r < 0)
                return r;
        call->done.pin = done;
        call->cid = *cid;

        r = cluster_call_may_write(call);
        if (r >= 0)
                r = pin_set_path(call, path, &call->cid);
        return cluster_call_start_checked(call, &unpin_class, CLUSTER_COMMIT_TIMEOUT, r, ret);
}

int cluster_pin_get(Cluster *cluster, const Cid *cid, Pin *ret) {
        return state_pinset_get(consensus_pinset(cluster->consensus), cid, ret);
}
