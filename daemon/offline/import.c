#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/offline/fetch.h"
#include "daemon/offline/log.h"
#include "daemon/offline/offline.h"
#include "daemon/offline/present.h"
#include "daemon/offline/say.h"
#include "daemon/offline/values.h"
#include "daemon/state/spool.h"
#include "daemon/types/pin.h"

#define IMPORT_CHUNK (64 * 1024)
#define IMPORT_MODE 0700

/*
 * The steps, so that neither bad input nor a crash leaves something in between:
 *   1. read, check and encode everything into a spool, after what is kept of the pinset as it is;
 *   2. write a new log beside the old one (raft.new) and its pinset (import.new), and close both;
 *   3. drop the caches of the old log, exchange the two logs, keep the old one as raft.old.0.
 * A dry run compares the two pinsets after step 2, and has no step 3.
 */
typedef struct Import {
        const OfflineImportOptions *options;
        OfflinePeer peer;
        PeerIdList allocations;
        OfflineValues values; /* the input, cut into pins */
        StateSpool *spool;    /* the pins, checked and encoded */
        OfflineDifference difference;
        char *new_raft;
        char *new_state;
        int fd; /* of the input */
} Import;

static void import_done(Import *import) {
        if (import->new_raft)
                (void) file_remove_tree(AT_FDCWD, import->new_raft);
        if (import->new_state)
                (void) file_remove_tree(AT_FDCWD, import->new_state);
        free(import->new_raft);
        free(import->new_state);
        offline_values_done(&import->values);
        state_spool_free(import->spool);
        peer_id_list_done(&import->allocations);
        offline_peer_done(&import->peer);
        if (import->fd != STDIN_FILENO)
                closep(&import->fd);
}

/* ---- 1: read and check */

static int import_read_allocations(Import *import) {
        _cleanup_(str_list_done) StrList parts = {};
        PeerId id;

        if (str_is_empty(import->options->allocations))
                return 0;
        if (str_list_split(&parts, import->options->allocations, ',') < 0) {
                offline_say("error parsing allocations: %s\n", strerror(ENOMEM));
                return EXIT_FAILURE;
        }

        for (size_t i = 0; i < parts.n; i++) {
                const char *why = "expected a peer ID";

                if (peer_id_parse(parts.items[i], &id) >= 0) {
                        if (peer_id_list_append(&import->allocations, &id) >= 0)
                                continue;
                        why = strerror(ENOMEM);
                }
                offline_say("error parsing allocations: --allocations: \"%s\": %s\n", parts.items[i], why);
                return EXIT_FAILURE;
        }
        return 0;
}

static int import_override(const Import *import, Pin *pin) {
        const OfflineImportOptions *options = import->options;

        if (options->replication_factor_min > 0)
                pin->replication_factor_min = options->replication_factor_min;
        if (options->replication_factor_max > 0)
                pin->replication_factor_max = options->replication_factor_max;
        return import->allocations.n > 0 ? peer_id_list_copy(&pin->allocations, &import->allocations) : 0;
}

static int import_encode(Import *import, Pin *pin) {
        _cleanup_(str_done) Str bytes = {};
        int r;

        r = import_override(import, pin);
        if (r >= 0)
                r = pin_write(pin, &bytes);
        if (r < 0)
                return r;
        return state_spool_write(
                        import->spool, &(StateRecord){ .value = bytes.data, .value_size = bytes.len });
}

static int import_pin(Import *import, Error *reterr) {
        const OfflineValues *values = &import->values;
        Error error = {};
        Pin pin = {};
        int r;

        r = pin_import_read(values->text.data, values->text.len, &pin, &error);
        if (r < 0) {
                (void) error_set(
                                reterr, error.code, "pin %" PRIu64 ": %s", values->n, error_message(&error));
                error_done(&error);
                return r;
        }

        r = import_encode(import, &pin);
        pin_done(&pin);
        return r < 0 ? error_set_errno(reterr, r, "pin %" PRIu64 ": %m", values->n) : 0;
}

static int import_feed(const char *bytes, size_t n, Error *reterr, void *userdata) {
        Import *import = userdata;
        size_t used = 0;
        int r = 0;

        for (size_t at = 0; at < n; at += used) {
                r = offline_values_feed(&import->values, bytes + at, n - at, &used, reterr);
                if (r > 0)
                        r = import_pin(import, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int import_read_file(Import *import, Error *reterr) {
        _cleanup_free_ char *chunk = malloc(IMPORT_CHUNK);
        ssize_t n;
        int r;

        if (!chunk)
                return error_set_errno(reterr, -ENOMEM, "%m");

        while ((n = read(import->fd, chunk, IMPORT_CHUNK)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errno(reterr, -errno, "read: %m");
                r = import_feed(chunk, (size_t) n, reterr, import);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int import_read_url(Import *import, Error *reterr) {
        int r;

        r = offline_fetch(
                        &(OfflineFetchOptions){
                                        .url = import->options->file,
                                        .userpwd = import->options->basic_auth,
                                        .no_verify = import->options->no_check_certificate,
                                        .feed = import_feed,
                                        .userdata = import,
                        },
                        reterr);
        if (r == 0)
                log_warning("The list came whole, but without the trailer X-Stream-Error: whether the other peer "
                            "broke it off cannot be told. Compare the number of pins.");
        return MIN(r, 0);
}

static int import_read(Import *import, Error *reterr) {
        int r;

        r = state_spool_new(&import->spool, import->peer.state_folder);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", import->peer.state_folder);

        if (import->options->merge)
                r = offline_present_keep(&import->peer, import->spool, reterr);
        if (r >= 0)
                r = offline_fetch_is_url(import->options->file) ? import_read_url(import, reterr)
                                                                : import_read_file(import, reterr);
        return r < 0 ? r : offline_values_end(&import->values, reterr);
}

/* ---- 2: the new log */

typedef struct ImportBatch {
        Str bytes;
        size_t ends[CONSENSUS_OPS_MAX];
        size_t n;
} ImportBatch;

/* A record is left for the next batch when this one could not take the largest pin any more. */
static bool batch_is_full(const ImportBatch *batch) {
        return batch->n == CONSENSUS_OPS_MAX ||
               batch->bytes.len + PIN_BYTES_MAX > CONSENSUS_SUBMIT_BYTES_MAX / 2;
}

static int batch_submit(ImportBatch *batch, OfflineLog *log, Error *reterr) {
        ConsensusOp ops[CONSENSUS_OPS_MAX];
        size_t start = 0;
        int r;

        for (size_t i = 0; i < batch->n; start = batch->ends[i++])
                ops[i] = (ConsensusOp){ CONSENSUS_PIN, batch->bytes.data + start, batch->ends[i] - start };
        r = batch->n > 0 ? offline_log_submit(log, ops, batch->n, reterr) : 0;
        batch->n = 0;
        str_reset(&batch->bytes);
        return r;
}

static int import_submit(Import *import, OfflineLog *log, ImportBatch *batch, Error *reterr) {
        StateRecord pin;
        int r;

        while ((r = state_spool_read(import->spool, &pin)) > 0) {
                r = str_append_bytes(&batch->bytes, pin.value, pin.value_size);
                if (r < 0)
                        break;
                batch->ends[batch->n++] = batch->bytes.len;
                if (batch_is_full(batch)) {
                        r = batch_submit(batch, log, reterr);
                        if (r < 0)
                                return r;
                }
        }
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", import->peer.state_folder);
        return batch_submit(batch, log, reterr);
}

static int import_clear_new(Import *import) {
        int r;

        if (asprintf(&import->new_raft, "%s.new", import->peer.raft_folder) < 0) {
                import->new_raft = NULL;
                return -ENOMEM;
        }
        r = file_join(&import->new_state, import->peer.state_folder, "import.new");
        if (r >= 0)
                r = file_remove_tree(AT_FDCWD, import->new_raft); /* of an import that was cut off */
        if (r >= 0)
                r = file_remove_tree(AT_FDCWD, import->new_state);
        return r < 0 ? r : file_make_dirs(import->new_state, IMPORT_MODE);
}

static int import_build(Import *import, Error *reterr) {
        _cleanup_(offline_log_done) OfflineLog log = {};
        ImportBatch batch = {};
        int r;

        r = import_clear_new(import);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", import->peer.state_folder);

        r = offline_log_open(&log, &import->peer, import->new_state, import->new_raft, reterr);
        if (r >= 0)
                r = import_submit(import, &log, &batch, reterr);
        str_done(&batch.bytes);
        if (r >= 0)
                r = offline_log_wait(&log, reterr);
        if (r >= 0 && import->options->dry_run)
                r = offline_present_compare(
                                &import->peer, consensus_pinset(log.consensus), &import->difference, reterr);
        return r < 0 ? r : offline_log_close(&log, reterr);
}

/* ---- 3: the exchange */

static int import_move_in(const Import *import) {
        const char *to = import->peer.raft_folder;

        return rename(import->new_raft, to) < 0 ? -errno : file_sync_parent(AT_FDCWD, to);
}

static int import_exchange(Import *import) {
        const char *old = import->peer.raft_folder;
        int r;

        if (access(old, F_OK) < 0)
                return import_move_in(import);
        if (renameat2(AT_FDCWD, import->new_raft, AT_FDCWD, old, RENAME_EXCHANGE) >= 0)
                return offline_peer_back_up(&import->peer, import->new_raft);
        if (errno != EINVAL && errno != ENOSYS) /* a file system that cannot: two steps then */
                return -errno;

        r = offline_peer_back_up(&import->peer, old);
        return r < 0 ? r : import_move_in(import);
}

/* The pinset was built already; without it the next start would do it again. */
static int import_take_pinset(Import *import) {
        _cleanup_free_ char *from = NULL, *to = NULL;
        int r;

        r = file_join(&from, import->new_state, "pins.gdbm");
        if (r >= 0)
                r = file_join(&to, import->peer.state_folder, "pins.gdbm");
        return r < 0 ? r : rename(from, to) < 0 ? -errno : 0;
}

static int import_replace(Import *import, Error *reterr) {
        int r;

        r = offline_peer_drop_caches(&import->peer);
        if (r >= 0)
                r = import_exchange(import);
        if (r >= 0)
                r = import_take_pinset(import);
        return r < 0 ? error_set_errno(reterr, r, "%s: %m", import->peer.raft_folder) : 0;
}

/* ---- all of it */

static int import_open_input(Import *import) {
        const char *file = import->options->file;
        int fd;

        if (offline_fetch_is_url(file))
                return 0;
        if (!file) {
                (void) puts("reading from stdin, Ctrl-D to finish");
                (void) fflush(stdout);
                return 0;
        }
        fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) {
                offline_say("error reading import file: open %s: %s\n",
                            file,
                            errno == ENOENT ? "no such file or directory" : strerror(errno));
                return EXIT_FAILURE;
        }
        import->fd = fd;
        return 0;
}

static bool import_is_wanted(const OfflineImportOptions *options) {
        return options->force || options->dry_run ||
               offline_say_confirm(
                               options->merge ? "Pins will be added to the pinset (state) of this peer."
                                              : "The pinset (state) of this peer will be replaced.");
}

static int import_tell(const Import *import) {
        const OfflineDifference *difference = &import->difference;
        int n;

        n = printf("%" PRIu64 " pins read: %" PRIu64 " would be added, %" PRIu64 " changed, %" PRIu64
                   " removed, %" PRIu64 " stay as they are\n",
                   import->values.n,
                   difference->n_added,
                   difference->n_changed,
                   difference->n_removed,
                   difference->n_same);
        return n < 0 || fflush(stdout) < 0 ? EXIT_FAILURE : 0;
}

static int import_run(Import *import) {
        Error error = {};
        int r;

        r = import_read(import, &error);
        if (r >= 0)
                r = import_build(import, &error);
        if (r >= 0 && import->options->dry_run)
                return import_tell(import);
        if (r >= 0)
                r = import_replace(import, &error);
        if (r < 0)
                return offline_say_error("importing state", &error, EXIT_FAILURE);

        log_info("%" PRIu64 " pins were read", import->values.n);
        log_info("state successfully imported.  Make sure all peers have consistent states");
        return 0;
}

int offline_import(const OfflineImportOptions *options) {
        _cleanup_(import_done) Import import = {
                .options = options,
                .peer = OFFLINE_PEER_NULL,
                .fd = STDIN_FILENO,
        };
        int r;

        r = offline_peer_open(&import.peer, options->folder);
        if (r == 0)
                r = import_read_allocations(&import);
        if (r > 0)
                return r;
        if (!import_is_wanted(options))
                return 0;

        r = import_open_input(&import);
        return r > 0 ? r : import_run(&import);
}
