#include "daemon/cluster/import.h"

/*
 * Bulk import: pins are gathered into entries of many operations, a few of which are under way at a time.
 *
 * It ends in one way only: nothing is gathered any more (it was finished, or has failed) and nothing is
 * under way; so whoever is told knows exactly what was committed.
 */

#include <string.h>

#include "daemon/base/time.h"
#include "daemon/cluster/internal.h"

#define IMPORT_BATCH_BYTES (256 * 1024)
#define IMPORT_BATCHES 4                           /* under way */
#define IMPORT_RETRY (20 * USEC_PER_MSEC)          /* the log is full of what others have submitted */
#define IMPORT_BUSY_TIMEOUT CLUSTER_COMMIT_TIMEOUT /* it stays so: the import fails */

typedef struct ImportBatch {
        ClusterImport *import;
        PeersSubmit *submit; /* NULL: free */
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
        uint64_t busy_since; /* 0: not */
        int result;
        Error error;
        sd_event_source *retry;
        sd_event_source *end; /* tells DONE from the loop */
};

/* ---- ending ---- */

static int import_on_end(sd_event_source *source _unused_, void *userdata) {
        ClusterImport *import = userdata;

        import->done(import->result, &import->error, import->n_committed, import->userdata);
        return 0;
}

static bool import_is_under_way(const ClusterImport *import) {
        for (size_t i = 0; i < IMPORT_BATCHES; i++)
                if (import->batches[i].submit)
                        return true;
        return false;
}

static void import_maybe_end(ClusterImport *import) {
        if (import_is_under_way(import))
                return;
        if (import->result < 0 || (import->finishing && import->n == 0))
                (void) sd_event_source_set_enabled(import->end, SD_EVENT_ONESHOT);
}

/* What is under way is still waited for. */
static void import_fail(ClusterImport *import, int r, const Error *error) {
        if (import->result < 0)
                return;
        import->result = r;
        if (error && error->code != ERROR_NONE)
                (void) error_copy(&import->error, error);
        else
                (void) error_set_errno(&import->error, r, "the import has failed: %m");
        import_maybe_end(import);
}

void cluster_import_stop_all(Cluster *cluster) {
        static const Error stopping = { .code = ERROR_CANCELED, .message = (char *) CLUSTER_IS_STOPPING };

        LIST_FOREACH (import, &cluster->imports, ClusterImport, link)
                import_fail(import, -ECANCELED, &stopping);
}

/* ---- sending ---- */

static ImportBatch *import_free_batch(ClusterImport *import) {
        for (size_t i = 0; i < IMPORT_BATCHES; i++)
                if (!import->batches[i].submit)
                        return &import->batches[i];
        return NULL;
}

static void import_go_on(ClusterImport *import);

static void import_on_committed(int r, const Error *error, void *userdata) {
        ImportBatch *batch = userdata;
        ClusterImport *import = batch->import;

        batch->submit = peers_submit_unref(batch->submit);
        if (r < 0)
                import_fail(import, r, error);
        else
                import->n_committed += batch->n;
        import_go_on(import);
}

/* Answers 1 when the batch was sent, 0 when the log has no room now. */
static int import_submit(ClusterImport *import, ImportBatch *batch, Error *reterr) {
        ConsensusOp ops[CONSENSUS_OPS_MAX];
        int r;

        for (size_t i = 0; i < import->n; i++)
                ops[i] = (ConsensusOp){
                        .kind = CONSENSUS_PIN,
                        .body = import->bytes.data + import->offsets[i],
                        .size = import->offsets[i + 1] - import->offsets[i],
                };
        r = peers_submit(
                        import->cluster->peers,
                        &batch->submit,
                        ops,
                        import->n,
                        import_on_committed,
                        batch,
                        reterr);
        if (r < 0)
                return reterr->code == ERROR_BUSY ? 0 : r;

        batch->n = import->n;
        import->n = 0;
        import->busy_since = 0;
        str_reset(&import->bytes);
        return 1;
}

/* The log is full: one of our own batches brings us back here, or the clock. */
static int import_wait_for_log(ClusterImport *import, const Error *busy) {
        uint64_t now = time_monotonic();
        int r;

        if (import->busy_since == 0)
                import->busy_since = now;
        if (now - import->busy_since > IMPORT_BUSY_TIMEOUT) {
                import_fail(import, -error_errno(busy->code), busy);
                return import->result;
        }
        if (import_is_under_way(import))
                return 0;
        r = sd_event_source_set_time_relative(import->retry, IMPORT_RETRY);
        return r < 0 ? r : sd_event_source_set_enabled(import->retry, SD_EVENT_ONESHOT);
}

/* Answers 1 when the gathered batch is on its way, 0 when it has to wait; negative: the import has failed.
 */
static int import_send(ClusterImport *import) {
        ImportBatch *batch = import_free_batch(import);
        _cleanup_(error_done) Error error = {};
        int r;

        if (!batch)
                return 0;
        r = import_submit(import, batch, &error);
        if (r == 0)
                r = import_wait_for_log(import, &error);
        if (r < 0)
                import_fail(import, r, &error);
        return r;
}

/* There may be room again. WAKE may free the import. */
static void import_go_on(ClusterImport *import) {
        if (import->result >= 0 && import->finishing && import->n > 0)
                (void) import_send(import);
        import_maybe_end(import);
        if (!import->waits || import->result < 0)
                return;
        import->waits = false;
        import->wake(import->userdata);
}

static int import_on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        import_go_on(userdata);
        return 0;
}

/* ---- life ---- */

static int import_add_sources(ClusterImport *import) {
        sd_event *event = import->cluster->event;
        int r;

        r = sd_event_add_defer(event, &import->end, import_on_end, import);
        if (r >= 0)
                r = sd_event_source_set_enabled(import->end, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                event,
                                &import->retry,
                                CLOCK_MONOTONIC,
                                IMPORT_RETRY,
                                /* accuracy= */ 0,
                                import_on_retry,
                                import);
        return r < 0 ? r : sd_event_source_set_enabled(import->retry, SD_EVENT_OFF);
}

static int import_init(ClusterImport *import, const ClusterImportOptions *options) {
        int r;

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
        return import_add_sources(import);
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

        if (cluster->n_imports >= CLUSTER_IMPORTS_MAX)
                return -EBUSY;
        import = calloc(1, sizeof(ClusterImport));
        if (!import)
                return -ENOMEM;
        import->cluster = cluster;
        import->wake = wake;
        import->done = done;
        import->userdata = userdata;
        list_append(&cluster->imports, &import->link);
        cluster->n_imports++;

        r = import_init(import, options);
        if (r < 0)
                return r;
        if (cluster->is_closing)
                cluster_import_stop_all(cluster);

        *ret = TAKE_PTR(import);
        return 0;
}

ClusterImport *cluster_import_free(ClusterImport *import) {
        if (!import)
                return NULL;

        list_remove(&import->link);
        import->cluster->n_imports--;
        for (size_t i = 0; i < IMPORT_BATCHES; i++)
                peers_submit_unref(import->batches[i].submit);
        sd_event_source_disable_unref(import->retry);
        sd_event_source_disable_unref(import->end);
        peer_id_list_done(&import->allocations);
        str_done(&import->bytes);
        error_done(&import->error);
        free(import);
        return NULL;
}

/* ---- gathering ---- */

/* PIN with the overrides; what it points to is borrowed. */
static Pin import_override(const ClusterImport *import, const Pin *pin) {
        Pin changed = *pin;

        if (import->options.replication_factor_min > 0)
                changed.replication_factor_min = import->options.replication_factor_min;
        if (import->options.replication_factor_max > 0)
                changed.replication_factor_max = import->options.replication_factor_max;
        if (import->allocations.n > 0)
                changed.allocations = import->allocations;
        return changed;
}

static int import_append(ClusterImport *import, const Pin *pin, Error *reterr) {
        Pin changed = import_override(import, pin);
        size_t start = import->bytes.len;
        char text[CID_TEXT_MAX];
        int r;

        r = pin_write(&changed, &import->bytes);
        if (r < 0) {
                import->bytes.len = start;
                import->bytes.failed = false;
        }
        if (r == -E2BIG)
                return error_set(
                                reterr,
                                ERROR_TOO_BIG,
                                "pin %s with its name, metadata and origins is larger than %d bytes",
                                cid_format(&pin->cid, text),
                                PIN_OWN_BYTES_MAX);
        if (r < 0)
                return error_set_errno(reterr, r, "pin %s: %m", cid_format(&pin->cid, text));

        import->offsets[import->n] = start;
        import->n++;
        import->offsets[import->n] = import->bytes.len;
        return 1;
}

static int import_fail_words(const ClusterImport *import, Error *reterr) {
        if (reterr)
                (void) error_copy(reterr, &import->error);
        return import->result;
}

int cluster_import_add(ClusterImport *import, const Pin *pin, Error *reterr) {
        int r;

        if (import->result < 0)
                return import_fail_words(import, reterr);
        if (import->cluster->config->cluster.follower_mode)
                return error_set(reterr, ERROR_REFUSED, CLUSTER_IS_FOLLOWER);
        if (!cid_is_defined(&pin->cid))
                return error_set(reterr, ERROR_INVALID, "cid: expected a CID, found none");

        if (import->n == CONSENSUS_OPS_MAX || import->bytes.len >= IMPORT_BATCH_BYTES) {
                r = import_send(import);
                if (r < 0)
                        return import_fail_words(import, reterr);
                if (r == 0) {
                        import->waits = true;
                        return 0;
                }
        }
        return import_append(import, pin, reterr);
}

void cluster_import_finish(ClusterImport *import) {
        import->finishing = true;
        import->waits = false;
        if (import->n > 0 && import->result >= 0)
                (void) import_send(import);
        import_maybe_end(import);
}
