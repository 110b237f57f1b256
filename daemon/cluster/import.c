/* Bulk import: pins are gathered into entries of many operations, a few of which are under way at a time. */

#include <string.h>

#include "daemon/cluster/internal.h"

#define IMPORT_BATCH_BYTES (256 * 1024)
#define IMPORT_BATCHES 4 /* under way */

typedef struct ImportBatch {
        ClusterImport *import;
        ConsensusCall *call; /* NULL: free */
        size_t n;
} ImportBatch;

struct ClusterImport {
        List link;
        Cluster *cluster;
        ClusterImportOptions options;
        PeerIdList allocations;
        void (*wake)(void *userdata);
        void (*done)(int r, const Error *error, uint64_t n_committed, void *userdata);
        void *userdata;

        Str bytes; /* of the batch that is being gathered */
        size_t offsets[CONSENSUS_OPS_MAX + 1];
        size_t n;
        ImportBatch batches[IMPORT_BATCHES];
        uint64_t n_committed;
        bool waits, finishing;
        int result;
        Error error;
        sd_event_source *end; /* tells DONE from the loop */
};

static int import_on_end(sd_event_source *source _unused_, void *userdata) {
        ClusterImport *import = userdata;

        import->done(import->result, &import->error, import->n_committed, import->userdata);
        return 0;
}

int cluster_import_new(
                Cluster *cluster,
                ClusterImport **ret,
                const ClusterImportOptions *options,
                void (*wake)(void *userdata),
                void (*done)(int r, const Error *error, uint64_t n_committed, void *userdata),
                void *userdata) {
        _cleanup_(cluster_import_freep) ClusterImport *import = NULL;
        int r;

        import = calloc(1, sizeof(ClusterImport));
        if (!import)
                return -ENOMEM;
        import->cluster = cluster;
        import->wake = wake;
        import->done = done;
        import->userdata = userdata;
        list_append(&cluster->imports, &import->link);
        for (size_t i = 0; i < IMPORT_BATCHES; i++)
                import->batches[i].import = import;

        if (options) {
                import->options = *options;
                if (options->allocations) {
                        r = peer_id_list_copy(&import->allocations, options->allocations);
                        if (r < 0)
                                return r;
                }
        }
        r = sd_event_add_defer(cluster->event, &import->end, import_on_end, import);
        if (r >= 0)
                r = sd_event_source_set_enabled(import->end, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(import);
        return 0;
}

ClusterImport *cluster_import_free(ClusterImport *import) {
        if (!import)
                return NULL;
        list_remove(&import->link);
        for (size_t i = 0; i < IMPORT_BATCHES; i++)
                consensus_call_unref(import->batches[i].call);
        sd_event_source_disable_unref(import->end);
        peer_id_list_done(&import->allocations);
        str_done(&import->bytes);
        error_done(&import->error);
        free(import);
        return NULL;
}

static void import_fail(ClusterImport *import, int r, const Error *error) {
        if (import->result < 0)
                return;
        import->result = r;
        if (error)
                (void) error_copy(&import->error, error);
        else
                (void) error_set_errno(&import->error, r, "the import has failed: %m");
        (void) sd_event_source_set_enabled(import->end, SD_EVENT_ONESHOT);
}

static ImportBatch *import_free_batch(ClusterImport *import) {
        for (size_t i = 0; i < IMPORT_BATCHES; i++)
                if (!import->batches[i].call)
                        return &import->batches[i];
        return NULL;
}

static bool import_is_idle(const ClusterImport *import) {
        for (size_t i = 0; i < IMPORT_BATCHES; i++)
                if (import->batches[i].call)
                        return false;
        return import->n == 0;
}

static int import_send(ClusterImport *import);

static void import_on_committed(ConsensusCall *call _unused_, int r, const Error *error, void *userdata) {
        ImportBatch *batch = userdata;
        ClusterImport *import = batch->import;

        batch->call = consensus_call_unref(batch->call);
        if (r < 0) {
                import_fail(import, r, error);
                return;
        }
        import->n_committed += batch->n;

        if (import->finishing && import->n > 0) {
                r = import_send(import);
                if (r < 0)
                        import_fail(import, r, NULL);
        }
        if (import->finishing && import_is_idle(import) && import->result >= 0)
                (void) sd_event_source_set_enabled(import->end, SD_EVENT_ONESHOT);
        else if (import->waits) {
                import->waits = false;
                import->wake(import->userdata);
        }
}

/* Answers 1 when the batch is on its way, 0 when all places are taken. */
static int import_send(ClusterImport *import) {
        ImportBatch *batch = import_free_batch(import);
        ConsensusOp ops[CONSENSUS_OPS_MAX];
        _cleanup_(error_done) Error error = {};
        int r;

        if (!batch)
                return 0;
        for (size_t i = 0; i < import->n; i++)
                ops[i] = (ConsensusOp){
                        .kind = CONSENSUS_PIN,
                        .body = import->bytes.data + import->offsets[i],
                        .size = import->offsets[i + 1] - import->offsets[i],
                };
        r = consensus_submit(
                        import->cluster->consensus,
                        &batch->call,
                        ops,
                        import->n,
                        import_on_committed,
                        batch,
                        &error);
        if (r < 0)
                return error.code == ERROR_BUSY && !import_is_idle(import) ? 0 : r;
        batch->n = import->n;
        import->n = 0;
        str_reset(&import->bytes);
        return 1;
}

/* The overrides, and what the state does not carry. */
static int import_override(ClusterImport *import, Pin *pin) {
        int r = 0;

        if (import->options.replication_factor_min > 0)
                pin->replication_factor_min = import->options.replication_factor_min;
        if (import->options.replication_factor_max > 0)
                pin->replication_factor_max = import->options.replication_factor_max;
        if (import->allocations.n > 0) {
                peer_id_list_done(&pin->allocations);
                r = peer_id_list_copy(&pin->allocations, &import->allocations);
        }
        return r;
}

static int import_append(ClusterImport *import, const Pin *pin, Error *reterr) {
        char text[CID_TEXT_MAX];
        Pin copy = {};
        int r;

        r = pin_copy(&copy, pin);
        if (r >= 0)
                r = import_override(import, &copy);
        import->offsets[import->n] = import->bytes.len;
        if (r >= 0)
                r = pin_write(&copy, &import->bytes);
        pin_done(&copy);
        if (r < 0) {
                import->bytes.len = import->offsets[import->n];
                return error_set_errno(reterr, r, "pin %s: %m", cid_format(&pin->cid, text));
        }
        import->offsets[++import->n] = import->bytes.len;
        return 1;
}

int cluster_import_add(ClusterImport *import, const Pin *pin, Error *reterr) {
        int r;

        if (import->result < 0)
                return error_copy(reterr, &import->error);
        if (import->cluster->config->cluster.follower_mode)
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "this peer is configured to be in follower mode. Write operations are disabled");
        if (!cid_is_defined(&pin->cid))
                return error_set(reterr, ERROR_INVALID, "cid: expected a CID, found none");

        if (import->n == CONSENSUS_OPS_MAX || import->bytes.len >= IMPORT_BATCH_BYTES) {
                r = import_send(import);
                if (r < 0)
                        return error_set_errno(reterr, r, "the import has failed: %m");
                if (r == 0) {
                        import->waits = true;
                        return 0;
                }
        }
        return import_append(import, pin, reterr);
}

int cluster_import_finish(ClusterImport *import) {
        int r;

        import->finishing = true;
        if (import->n > 0) {
                r = import_send(import);
                if (r < 0)
                        import_fail(import, r, NULL);
        } else if (import_is_idle(import))
                return sd_event_source_set_enabled(import->end, SD_EVENT_ONESHOT);
        return 0;
}

void cluster_import_cancel_all(Cluster *cluster) {
        static const Error stopped = { .code = ERROR_CANCELED };

        LIST_FOREACH (import, &cluster->imports, ClusterImport, link)
                import_fail(import, -ECANCELED, &stopped);
}
