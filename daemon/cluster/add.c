#include "daemon/cluster/add.h"

#include "daemon/adder/adder.h"
#include "daemon/cluster/internal.h"

/*
 *   allocate ──► add (adder) ──► pin, root after root ──► done      any: failure ──► done
 *
 * "allocate" waits for nothing, and comes first, so that each line can tell where the content goes, and
 * what cannot be pinned is not taken.
 */
struct ClusterAdd {
        List link;
        Cluster *cluster;
        const ClusterAddEvents *events;
        void *userdata;

        Adder *adder;
        bool no_pin;
        Pin pin;                /* of each root, but for its CID */
        PeerIdList allocations; /* as told with each line */
        Error refusal;          /* of the cluster, told when the first part has come */
        ClusterCall *call;      /* the root under way … */
        size_t n_pinned;        /* … and how many are done */
};

/* ---- where it goes ---- */

/* Every peer that is there. */
static int add_allocate_everywhere(ClusterAdd *add) {
        const PeerId *self = cluster_self(add->cluster);
        _cleanup_free_ const Metric **pings = NULL;
        size_t n = 0;
        int r;

        r = metrics_monitor_get(add->cluster->monitor, "ping", &pings, &n);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = peer_id_list_append(&add->allocations, &pings[i]->peer);
        if (r >= 0 && !peer_id_list_contains(&add->allocations, self))
                r = peer_id_list_append(&add->allocations, self);
        return r;
}

/* With "local", this peer is one of them, unless it was said who they are. What was found out now is what is
 * asked for when the roots are pinned. */
static int add_allocate_some(ClusterAdd *add, bool local) {
        const PeerId *self = cluster_self(add->cluster);
        bool may_choose = add->pin.user_allocations.n == 0;
        int r;

        r = cluster_pin_allocate(add->cluster, &add->pin, /* existing= */ NULL, &add->refusal);
        if (r < 0)
                return r;

        add->allocations = add->pin.allocations;
        add->pin.allocations = (PeerIdList){};
        if (local && may_choose && add->allocations.n > 0 && !peer_id_list_contains(&add->allocations, self))
                add->allocations.items[add->allocations.n - 1] = *self;
        return peer_id_list_copy(&add->pin.user_allocations, &add->allocations);
}

static int add_allocate(ClusterAdd *add, bool local) {
        int r;

        r = cluster_pin_complete(add->cluster, &add->pin, &add->refusal);
        if (r < 0)
                return r;
        return pin_is_everywhere(&add->pin) ? add_allocate_everywhere(add) : add_allocate_some(add, local);
}

/* ---- pinning ---- */

static void add_pin_next(ClusterAdd *add);

static void add_on_pinned(
                ClusterCall *call, int r, const Error *error, const Pin *pin _unused_, void *userdata) {
        ClusterAdd *add = userdata;

        if (r < 0) {
                add->events->done(r, error, add->userdata);
                return;
        }

        add->call = NULL;
        cluster_call_unref(call);
        add->n_pinned++;
        add_pin_next(add);
}

static void add_pin_next(ClusterAdd *add) {
        _cleanup_(error_done) Error error = {};
        const Cid *roots;
        size_t n;
        int r;

        roots = adder_roots(add->adder, &n);
        if (add->no_pin || add->n_pinned == n) {
                add->events->done(0, &error, add->userdata);
                return;
        }

        add->pin.cid = roots[add->n_pinned];
        r = cluster_pin(add->cluster, &add->call, &add->pin, /* path= */ NULL, add_on_pinned, add);
        if (r >= 0)
                return;
        (void) error_set_errno(&error, r, "what was added could not be pinned: %m");
        add->events->done(r, &error, add->userdata);
}

/* ---- adding ---- */

static void add_on_wanted(void *userdata) {
        ClusterAdd *add = userdata;

        add->events->wanted(add->userdata);
}

static int add_on_added(const Added *line, void *userdata) {
        ClusterAdd *add = userdata;
        Added added = *line;

        if (cid_is_defined(&added.cid))
                added.allocations = add->allocations;
        return add->events->added(&added, add->userdata);
}

static void add_on_done(int r, const Error *error, void *userdata) {
        ClusterAdd *add = userdata;

        if (r < 0)
                add->events->done(r, error, add->userdata);
        else
                add_pin_next(add);
}

static const AdderEvents adder_events = {
        .wanted = add_on_wanted,
        .added = add_on_added,
        .done = add_on_done,
};

size_t cluster_add_feed(ClusterAdd *add, const char *data, size_t n) {
        size_t taken = adder_feed(add->adder, data, n);

        if (add->refusal.code == ERROR_NONE || !adder_has_begun(add->adder))
                return taken;
        adder_fail(add->adder, -error_errno(add->refusal.code), &add->refusal);
        return n;
}

void cluster_add_finish(ClusterAdd *add) {
        adder_finish(add->adder);
}

void cluster_add_resume(ClusterAdd *add) {
        adder_resume(add->adder);
}

bool cluster_add_has_begun(const ClusterAdd *add) {
        return adder_has_begun(add->adder);
}

void cluster_add_stop_all(Cluster *cluster) {
        static const Error stopping = { .code = ERROR_CANCELED, .message = (char *) CLUSTER_IS_STOPPING };

        LIST_FOREACH (add, &cluster->adds, ClusterAdd, link)
                adder_fail(add->adder, -ECANCELED, &stopping);
}

/* ---- the object ---- */

static int add_check(const Cluster *cluster, Error *reterr) {
        if (cluster->config->cluster.follower_mode)
                return error_set(reterr, ERROR_REFUSED, CLUSTER_IS_FOLLOWER);
        if (cluster->is_closing)
                return error_set(reterr, ERROR_CANCELED, CLUSTER_IS_STOPPING);
        if (cluster->n_adds == CLUSTER_ADDS_MAX)
                return error_set(
                                reterr,
                                ERROR_BUSY,
                                "%d uploads are under way: try again later",
                                CLUSTER_ADDS_MAX);
        return 0;
}

static int add_prepare(ClusterAdd *add, const ClusterAddInput *input) {
        int r;

        r = pin_copy(&add->pin, input->pin);
        if (r < 0)
                return r;
        add->pin.type = PIN_TYPE_DATA;
        add->pin.mode = PIN_MODE_RECURSIVE;
        add->pin.max_depth = PIN_DEPTH_RECURSIVE;
        add->pin.pin_update = (Cid){};

        r = add_allocate(add, input->options->local);
        return r < 0 && add->refusal.code == ERROR_NONE ? r : 0;
}

int cluster_add_new(
                Cluster *cluster,
                ClusterAdd **ret,
                const ClusterAddInput *input,
                const ClusterAddEvents *events,
                void *userdata,
                Error *reterr) {
        AdderInput inner = {
                .ipfs = cluster->ipfs,
                .options = input->options,
                .content_type = input->content_type,
        };
        _cleanup_(cluster_add_freep) ClusterAdd *add = NULL;
        int r;

        r = add_check(cluster, reterr);
        if (r < 0)
                return r;
        add = calloc(1, sizeof(ClusterAdd));
        if (!add)
                return error_set_errno(reterr, -ENOMEM, "%m");
        *add = (ClusterAdd){
                .cluster = cluster,
                .events = events,
                .userdata = userdata,
                .no_pin = input->options->no_pin,
        };
        list_append(&cluster->adds, &add->link);
        cluster->n_adds++;

        r = adder_new(&add->adder, cluster->event, &inner, &adder_events, add, reterr);
        if (r < 0)
                return r;
        r = add_prepare(add, input);
        if (r < 0)
                return error_set_errno(reterr, r, "%m");

        *ret = TAKE_PTR(add);
        return 0;
}

ClusterAdd *cluster_add_free(ClusterAdd *add) {
        if (!add)
                return NULL;

        list_remove(&add->link);
        add->cluster->n_adds--;
        cluster_call_unref(add->call);
        adder_free(add->adder);
        pin_done(&add->pin);
        peer_id_list_done(&add->allocations);
        error_done(&add->refusal);
        free(add);
        return NULL;
}
