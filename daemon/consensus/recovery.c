#include "daemon/consensus/recovery.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/base/file.h"
#include "daemon/base/hash.h"
#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/base/random.h"
#include "daemon/consensus/segment.h"

/* ---- first start */

/* Several peers write the same first entry, each by itself; one that founds alone is nobody that has been
 * before. */
static uint64_t first_raft_id(const PeerIdList *peers, const PeerId *peer) {
        uint64_t id = peers->n > 1 ? consensus_raft_id(peer) : 0;

        while (id == 0)
                random_bytes(&id, sizeof(id));
        return id;
}

static int first_members(const ConsensusOptions *options, ConsensusMembers *ret, Error *reterr) {
        const PeerIdList self = { .items = (PeerId *) &options->self, .n = 1 };
        const PeerIdList *peers = options->members ? options->members : &self;

        if (!peer_id_list_contains(peers, &options->self))
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "init_peerset: this peer's own id is not in the list");
        if (peers->n > CONSENSUS_MEMBERS_MAX)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "init_peerset: %zu peers, at most %d are possible",
                                peers->n,
                                CONSENSUS_MEMBERS_MAX);

        ret->items = calloc(peers->n, sizeof(*ret->items));
        if (!ret->items)
                return error_set_errno(reterr, -ENOMEM, "out of memory");

        for (; ret->n < peers->n; ret->n++)
                ret->items[ret->n] = (ConsensusMember){
                        .raft_id = first_raft_id(peers, &peers->items[ret->n]),
                        .peer = peers->items[ret->n],
                        .role = CONSENSUS_VOTER,
                };
        return 0;
}

static int first_entry(ConsensusMembers *members, ConsensusPayload **ret, Error *reterr) {
        int r = consensus_members_encode(members, ret);

        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "out of memory");
        return r < 0 ? error_set(reterr, ERROR_INVALID, "init_peerset: a peer is listed twice") : 0;
}

/* Where the Raft ids are derived, so is the cluster id. */
static void first_cluster_id(
                const ConsensusMembers *members,
                const ConsensusPayload *payload,
                uint8_t ret[static STATE_CLUSTER_ID_SIZE]) {
        uint8_t digest[HASH_SHA256_SIZE];

        if (members->n == 1) {
                random_bytes(ret, STATE_CLUSTER_ID_SIZE);
                return;
        }
        hash_sha256(payload->bytes, payload->size, digest);
        memcpy(ret, digest, STATE_CLUSTER_ID_SIZE);
}

/* The first entry, and who this peer is in it. */
static int first_of_all(
                const ConsensusOptions *options,
                ConsensusPayload **ret_payload,
                ConsensusMeta *ret_meta,
                Error *reterr) {
        ConsensusMembers members = {};
        int r;

        *ret_meta = (ConsensusMeta){ .sequence = 1, .term = 1, .peer = options->self };
        random_bytes(ret_meta->disk_id, sizeof(ret_meta->disk_id));
        r = first_members(options, &members, reterr);
        if (r == 0)
                r = first_entry(&members, ret_payload, reterr);
        if (r == 0)
                first_cluster_id(&members, *ret_payload, ret_meta->cluster_id);
        for (size_t i = 0; r == 0 && i < members.n; i++)
                if (peer_id_equal(&members.items[i].peer, &options->self))
                        ret_meta->raft_id = members.items[i].raft_id;
        consensus_members_done(&members);
        return r;
}

int consensus_founding_id(
                const PeerIdList *members, uint8_t ret[static STATE_CLUSTER_ID_SIZE], Error *reterr) {
        _cleanup_(consensus_payload_unrefp) ConsensusPayload *payload = NULL;
        ConsensusOptions options = { .members = members };
        ConsensusMeta meta;
        int r;

        assert(members->n > 1);
        options.self = members->items[0];
        r = first_of_all(&options, &payload, &meta, reterr);
        if (r == 0)
                memcpy(ret, meta.cluster_id, STATE_CLUSTER_ID_SIZE);
        return r;
}

static size_t segment_size(const ConsensusOptions *options) {
        return options->segment_size > 0 ? options->segment_size : CONSENSUS_SEGMENT_SIZE;
}

static int append_entry(ConsensusLog *log, const char *folder, const ConsensusEntry *entry, Error *reterr) {
        ConsensusLogPlan *plan = NULL;
        int r;

        r = consensus_log_append(log, entry);
        if (r == 0)
                r = consensus_log_plan(log, &plan);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: cannot begin the log: %m", folder);

        r = consensus_log_plan_run(plan, reterr);
        if (r < 0) {
                consensus_log_plan_free(plan);
                return r;
        }
        (void) consensus_log_finish(log, plan);
        return 0;
}

static int write_first_log(
                const ConsensusOptions *options,
                int dir_fd,
                const char *folder,
                const ConsensusMeta *meta,
                ConsensusPayload *payload,
                Error *reterr) {

        _cleanup_(consensus_log_freep) ConsensusLog *log = NULL;
        ConsensusLogOptions log_options = {
                .dir_fd = dir_fd,
                .folder = folder,
                .segment_size = segment_size(options),
        };
        ConsensusEntry entry = { .index = 1, .term = 1, .type = CONSENSUS_ENTRY_CHANGE, .payload = payload };
        int r;

        memcpy(log_options.cluster_id, meta->cluster_id, STATE_CLUSTER_ID_SIZE);
        r = consensus_log_open(&log, &log_options, reterr);
        if (r < 0)
                return r;

        return append_entry(log, folder, &entry, reterr);
}

static int save_first_meta(int dir_fd, const char *folder, const ConsensusMeta *meta, Error *reterr) {
        const char *failed;
        int r;

        r = consensus_meta_save(dir_fd, meta, &failed);
        return r < 0 ? error_set_errno(reterr, r, "%s/%s: cannot write: %m", folder, failed) : 0;
}

/* One that joins: no term, no vote, and a segment without an entry that says so. */
static int fill_joining_folder(
                const ConsensusOptions *options, int dir_fd, const char *folder, Error *reterr) {
        _cleanup_(consensus_log_freep) ConsensusLog *log = NULL;
        ConsensusLogOptions log_options = {
                .dir_fd = dir_fd,
                .folder = folder,
                .segment_size = segment_size(options),
        };
        ConsensusMeta meta = {
                .sequence = 1,
                .raft_id = options->join_raft_id > 0 ? options->join_raft_id
                                                     : consensus_raft_id(&options->self),
                .peer = options->self,
        };
        int r;

        random_bytes(meta.disk_id, sizeof(meta.disk_id));
        memcpy(meta.cluster_id, options->join, STATE_CLUSTER_ID_SIZE);
        memcpy(log_options.cluster_id, options->join, STATE_CLUSTER_ID_SIZE);
        r = save_first_meta(dir_fd, folder, &meta, reterr);
        if (r < 0)
                return r;
        r = consensus_log_open(&log, &log_options, reterr);
        if (r < 0)
                return r;
        r = consensus_log_reset(log, 0, 0, reterr);
        if (r < 0)
                return r;

        r = file_sync_dir(dir_fd);
        return r < 0 ? error_set_errno(reterr, r, "%s: cannot sync: %m", folder) : 0;
}

static int fill_first_folder(
                const ConsensusOptions *options, int dir_fd, const char *folder, Error *reterr) {
        _cleanup_(consensus_payload_unrefp) ConsensusPayload *payload = NULL;
        ConsensusMeta meta;
        int r;

        r = first_of_all(options, &payload, &meta, reterr);
        if (r < 0)
                return r;

        r = save_first_meta(dir_fd, folder, &meta, reterr);
        if (r < 0)
                return r;
        r = write_first_log(options, dir_fd, folder, &meta, payload, reterr);
        if (r < 0)
                return r;

        r = file_sync_dir(dir_fd);
        return r < 0 ? error_set_errno(reterr, r, "%s: cannot sync: %m", folder) : 0;
}

static int make_first_folder(const ConsensusOptions *options, const char *folder, Error *reterr) {
        _cleanup_free_ char *new_folder = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        if (asprintf(&new_folder, "%s.new", folder) < 0)
                return error_set_errno(reterr, -ENOMEM, "out of memory");

        r = file_remove_tree(AT_FDCWD, new_folder);
        if (r < 0 || mkdir(new_folder, 0700) < 0)
                return error_set_errno(reterr, r < 0 ? r : -errno, "%s: cannot make: %m", new_folder);
        fd = open(new_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set_errno(reterr, -errno, "%s: cannot open: %m", new_folder);

        r = options->join ? fill_joining_folder(options, fd, new_folder, reterr)
                          : fill_first_folder(options, fd, new_folder, reterr);
        if (r < 0)
                return r;

        r = renameat(AT_FDCWD, new_folder, AT_FDCWD, folder) < 0 ? -errno
                                                                 : file_sync_parent(AT_FDCWD, folder);
        if (r == -ENOTEMPTY || r == -EEXIST)
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "%s: the folder holds something that is not this program's; move it away",
                                folder);
        return r < 0 ? error_set_errno(reterr, r, "%s: cannot make: %m", folder) : 0;
}

/* There is nothing of ours: no meta, no segment, no snapshot. */
static int is_first_start(const char *folder, Error *reterr) {
        _cleanup_close_ int fd = -1;
        ConsensusSnapshotStore store;
        _cleanup_free_ uint64_t *items = NULL;
        size_t n = 0;
        int r;

        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return 1;
        if (fd < 0)
                return error_set_errno(reterr, -errno, "%s: cannot open: %m", folder);

        store = (ConsensusSnapshotStore){ .dir_fd = fd };
        r = consensus_snapshot_list(&store, &items, &n);
        if (r == 0)
                r = consensus_log_exists(fd);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: cannot list: %m", folder);
        return r == 0 && n == 0 && faccessat(fd, "meta-a", F_OK, 0) < 0 &&
               faccessat(fd, "meta-b", F_OK, 0) < 0;
}

int consensus_exists(const char *raft_folder, Error *reterr) {
        int r = is_first_start(raft_folder, reterr);

        return r < 0 ? r : !r;
}

/* ---- later starts */

static int load_meta(ConsensusRecovery *recovery, const ConsensusOptions *options, Error *reterr) {
        char theirs[PEER_ID_TEXT_MAX], ours[PEER_ID_TEXT_MAX];
        int r;

        r = consensus_meta_load(recovery->dir_fd, recovery->folder, &recovery->meta, reterr);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(
                                reterr,
                                ERROR_IO,
                                "%s/meta-a: offset 0: the file is missing, and meta-b too. " CONSENSUS_ADVICE,
                                recovery->folder);

        if (!peer_id_equal(&recovery->meta.peer, &options->self))
                return error_set(
                                reterr,
                                ERROR_REFUSED,
                                "%s: the folder belongs to peer %s, this is peer %s; use the identity that it was "
                                "made with, or move the folder away",
                                recovery->folder,
                                peer_id_format(&recovery->meta.peer, theirs),
                                peer_id_format(&options->self, ours));
        return 0;
}

static int open_log(ConsensusRecovery *recovery, const ConsensusOptions *options, Error *reterr) {
        ConsensusLogOptions log_options = {
                .dir_fd = recovery->dir_fd,
                .folder = recovery->folder,
                .segment_size = segment_size(options),
        };

        memcpy(log_options.cluster_id, recovery->meta.cluster_id, STATE_CLUSTER_ID_SIZE);
        return consensus_log_open(&recovery->log, &log_options, reterr);
}

/* H13: the log goes on where the snapshot ends. */
bool consensus_recovery_joins(const ConsensusLog *log, const ConsensusSnapshotHead *head) {
        uint64_t first = consensus_log_first(log);

        if (consensus_log_last(log) + 1 == first) /* empty: it can only begin right after */
                return first == head->index + 1 && consensus_log_term(log, head->index) == head->term;
        return first <= head->index + 1 && consensus_log_term(log, head->index) == head->term;
}

static int clear_pinset(ConsensusRecovery *recovery, Error *reterr) {
        int r;

        if (state_pinset_index(recovery->pinset) == 0 && state_pinset_count(recovery->pinset) == 0)
                return 0;
        r = state_pinset_clear(recovery->pinset);
        return r < 0 ? error_set_errno(reterr, r, "pins.gdbm: cannot clear: %m") : 0;
}

/* Entry 1 names the members; what an orderly stop leaves stands beyond it. */
static void log_if_renewed(const ConsensusRecovery *recovery) {
        uint64_t last = consensus_log_last(recovery->log);
        char file[LOG_FIELD_MAX];

        if (state_pinset_index(recovery->pinset) == 0 && last > 1)
                log_struct(LOG_INFO,
                           LOG_FIELDS(MESSAGE_ID_STORE_RENEWED,
                                      log_field(file, "CLUSTER_FILE", "pins.gdbm")),
                           "pins.gdbm was not closed in order: making it anew from the log, which ends at "
                           "entry %" PRIu64 ".",
                           last);
}

/* The cache is trusted when it was closed in order and stands where the log can go on. */
static int open_pinset(ConsensusRecovery *recovery, const ConsensusOptions *options, Error *reterr) {
        char file[LOG_FIELD_MAX];
        int r;

        r = state_pinset_open(&recovery->pinset, options->state_folder, recovery->meta.cluster_id, reterr);
        if (r < 0)
                return r;
        if (state_pinset_index(recovery->pinset) <= consensus_log_last(recovery->log)) {
                log_if_renewed(recovery);
                return 0;
        }

        /* It holds what the log has lost: its next entries would be other ones. */
        log_struct(LOG_WARNING,
                   LOG_FIELDS(MESSAGE_ID_STORE_RENEWED, log_field(file, "CLUSTER_FILE", "pins.gdbm")),
                   "%s/pins.gdbm: is at entry %" PRIu64 ", the log ends at %" PRIu64 "; rebuilding it",
                   options->state_folder,
                   state_pinset_index(recovery->pinset),
                   consensus_log_last(recovery->log));
        return clear_pinset(recovery, reterr);
}

static int load_pins(
                ConsensusRecovery *recovery,
                const ConsensusSnapshotStore *store,
                const ConsensusSnapshotHead *head,
                Error *reterr) {
        int r;

        if (state_pinset_index(recovery->pinset) >= head->index)
                return 0;

        r = clear_pinset(recovery, reterr);
        if (r < 0)
                return r;
        r = consensus_snapshot_load(store, head, recovery->pinset, reterr);
        if (r < 0)
                (void) clear_pinset(recovery, NULL); /* half a load is none */
        return r;
}

/* Answers 0 when snapshot INDEX is taken. The newest one may replace a log that does not join it; an older
 * one serves only where the log has everything after it. */
static int try_snapshot(
                ConsensusRecovery *recovery,
                const ConsensusSnapshotStore *store,
                uint64_t index,
                bool newest,
                Error *reterr) {
        _cleanup_(consensus_snapshot_head_done) ConsensusSnapshotHead head = {};
        bool joins;
        int r;

        r = consensus_snapshot_open(store, index, &head, reterr);
        if (r < 0)
                return r;

        joins = consensus_recovery_joins(recovery->log, &head);
        if (!joins && !newest)
                return error_set(
                                reterr,
                                ERROR_IO,
                                "%s: the log begins at entry %" PRIu64 ", snapshot %" PRIu64
                                " ends before that",
                                store->folder,
                                consensus_log_first(recovery->log),
                                index);
        r = load_pins(recovery, store, &head, reterr);
        if (r < 0)
                return r;

        if (!joins) {
                log_warning("%s: the log does not go on from snapshot %" PRIu64 " and is begun anew there",
                            store->folder,
                            index);
                r = consensus_log_reset(recovery->log, head.index, head.term, reterr);
                if (r < 0)
                        return r;
        }

        recovery->snapshot = head;
        recovery->has_snapshot = true;
        head = (ConsensusSnapshotHead){};
        return 0;
}

/* Without a snapshot the log must be there from its first entry on, and that entry says who the members are;
 * or it is that of a peer that is to join, and nobody has sent it anything yet. */
static int need_whole_log(const ConsensusRecovery *recovery, Error *reterr) {
        bool is_empty = consensus_log_last(recovery->log) == 0;

        if (consensus_log_first(recovery->log) == 1 &&
            (consensus_log_is_change(recovery->log, 1) ||
             (is_empty && consensus_log_exists(recovery->dir_fd) > 0)))
                return 0;
        return error_set(
                        reterr,
                        ERROR_IO,
                        "%s: the log begins at entry %" PRIu64
                        " and there is no snapshot before it. " CONSENSUS_ADVICE,
                        recovery->folder,
                        consensus_log_first(recovery->log));
}

static int set_aside_newer(
                const ConsensusSnapshotStore *store, const uint64_t *items, size_t n, Error *reterr) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                r = consensus_snapshot_set_aside(store, items[i], reterr);
        return r;
}

static ConsensusSnapshotStore snapshots_of(const ConsensusRecovery *recovery) {
        ConsensusSnapshotStore store = { .dir_fd = recovery->dir_fd, .folder = recovery->folder };

        memcpy(store.cluster_id, recovery->meta.cluster_id, STATE_CLUSTER_ID_SIZE);
        return store;
}

/* This peer's pinset was found to be another one than the leader's, so its cache and its snapshots are
 * worth nothing. A crash in the middle leaves the mark, and this begins again. */
static int repair(
                ConsensusRecovery *recovery,
                const ConsensusSnapshotStore *store,
                const ConsensusSnapshotHead *head,
                Error *reterr) {
        _cleanup_free_ uint64_t *items = NULL;
        size_t n = 0;
        int r;

        r = consensus_snapshot_list(store, &items, &n);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: cannot list: %m", recovery->folder);
        r = clear_pinset(recovery, reterr);
        if (r == 0)
                r = set_aside_newer(store, items, n, reterr);
        if (r == 0)
                r = consensus_snapshot_receive(store, head, reterr);
        if (r < 0)
                return r;

        log_notice("%s: the pinset is made anew from snapshot %" PRIu64 " of the leader and the log",
                   recovery->folder,
                   head->index);
        return 0;
}

/* What was on its way here when the process ended is of no use, unless it is to repair this peer. */
static int settle_received(ConsensusRecovery *recovery, Error *reterr) {
        _cleanup_(consensus_snapshot_head_done) ConsensusSnapshotHead head = {};
        ConsensusSnapshotStore store = snapshots_of(recovery);
        int r;

        if (faccessat(recovery->dir_fd,
                      CONSENSUS_SNAPSHOT_RECEIVED "/" CONSENSUS_SNAPSHOT_REPAIR,
                      F_OK,
                      0) == 0) {
                if (consensus_snapshot_open_received(&store, &head, NULL) == 0 &&
                    head.index <= consensus_log_last(recovery->log) &&
                    consensus_recovery_joins(recovery->log, &head))
                        return repair(recovery, &store, &head, reterr);
                log_warning("%s/" CONSENSUS_SNAPSHOT_RECEIVED ": the log does not go on from it, ignoring",
                            recovery->folder);
        }

        r = file_remove_tree(recovery->dir_fd, CONSENSUS_SNAPSHOT_RECEIVED);
        return r < 0 ? error_set_errno(reterr,
                                       r,
                                       "%s/" CONSENSUS_SNAPSHOT_RECEIVED ": cannot remove: %m",
                                       recovery->folder)
                     : 0;
}

static int choose_snapshot(ConsensusRecovery *recovery, Error *reterr) {
        ConsensusSnapshotStore store = snapshots_of(recovery);
        _cleanup_(error_done) Error first = {};
        _cleanup_free_ uint64_t *items = NULL;
        size_t n = 0, i;
        int r;

        r = consensus_snapshot_list(&store, &items, &n);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: cannot list: %m", recovery->folder);

        r = -ENOENT;
        for (i = 0; i < n; i++) {
                _cleanup_(error_done) Error error = {};
                char words[LOG_FIELD_MAX];

                r = try_snapshot(recovery, &store, items[i], i == 0, &error);
                if (r == 0)
                        break;
                log_struct(LOG_WARNING,
                           LOG_FIELDS(MESSAGE_ID_STATE_DAMAGED,
                                      log_field(words, "CLUSTER_ERROR", error_message(&error))),
                           "%s",
                           error_message(&error));
                if (i == 0)
                        error_move(&first, &error);
        }
        if (r < 0)
                r = need_whole_log(recovery, n == 0 ? reterr : NULL);
        if (r < 0) {
                if (n > 0)
                        (void) error_set(
                                        reterr,
                                        ERROR_IO,
                                        "%s; no older snapshot joins the log. " CONSENSUS_ADVICE,
                                        error_message(&first));
                return r;
        }
        return set_aside_newer(&store, items, i, reterr);
}

/* The newest configuration, in the log or in the snapshot. */
static int find_members(ConsensusRecovery *recovery, Error *reterr) {
        ConsensusEntry entry = {};
        const uint64_t *changes;
        size_t n;
        int r = 0;

        changes = consensus_log_changes(recovery->log, &n);
        if (n > 0 && (!recovery->has_snapshot || changes[n - 1] > recovery->snapshot.configuration.index))
                r = consensus_log_get(recovery->log, changes[n - 1], &entry);
        else if (recovery->has_snapshot)
                entry.payload = consensus_payload_ref(recovery->snapshot.configuration.members);
        if (r == 0 && entry.payload)
                r = consensus_members_decode(entry.payload, &recovery->members);
        consensus_entry_done(&entry);

        return r < 0 ? error_set_errno(reterr, r, "%s: the members cannot be read: %m", recovery->folder)
                     : 0;
}

static int check_member(const ConsensusRecovery *recovery, const ConsensusOptions *options, Error *reterr) {
        char theirs[PEER_ID_TEXT_MAX], ours[PEER_ID_TEXT_MAX];
        const ConsensusMember *member;

        member = consensus_members_find(&recovery->members, recovery->meta.raft_id);
        if (!member || peer_id_equal(&member->peer, &options->self))
                return 0;
        return error_set(
                        reterr,
                        ERROR_REFUSED,
                        "%s: member %016" PRIx64 " is peer %s, this is peer %s",
                        recovery->folder,
                        recovery->meta.raft_id,
                        peer_id_format(&member->peer, theirs),
                        peer_id_format(&options->self, ours));
}

/* H16: as the only voter the library would lead again in the term that it had, although entries of that term
 * may have been lost with the crash and live on elsewhere; so a new term begins. For the others the record
 * is written again too: what was read may not have been synced (H2). */
static int save_meta(ConsensusRecovery *recovery, const ConsensusOptions *options, Error *reterr) {
        bool bump = !(options->rules_off & 1U << CONSENSUS_RULE_BUMP);
        const char *failed;
        int r;

        recovery->meta.sequence++;
        if (bump && consensus_members_is_sole_voter(&recovery->members, recovery->meta.raft_id)) {
                recovery->meta.term++;
                recovery->meta.vote = recovery->meta.raft_id;
        }
        r = consensus_meta_save(recovery->dir_fd, &recovery->meta, &failed);
        return r < 0 ? error_set_errno(reterr, r, "%s/%s: cannot write: %m", recovery->folder, failed) : 0;
}

static int recover(ConsensusRecovery *recovery, const ConsensusOptions *options, Error *reterr) {
        int r;

        recovery->dir_fd = open(recovery->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (recovery->dir_fd < 0)
                return error_set_errno(reterr, -errno, "%s: cannot open: %m", recovery->folder);

        r = load_meta(recovery, options, reterr);
        if (r < 0)
                return r;
        r = open_log(recovery, options, reterr);
        if (r < 0)
                return r;
        r = open_pinset(recovery, options, reterr);
        if (r < 0)
                return r;
        r = settle_received(recovery, reterr);
        if (r < 0)
                return r;
        r = choose_snapshot(recovery, reterr);
        if (r < 0)
                return r;
        r = find_members(recovery, reterr);
        if (r < 0)
                return r;
        r = check_member(recovery, options, reterr);
        if (r < 0)
                return r;
        return save_meta(recovery, options, reterr);
}

int consensus_recover(ConsensusRecovery *ret, const ConsensusOptions *options, Error *reterr) {
        ConsensusRecovery recovery = { .dir_fd = -1 };
        int r;

        r = options->raft_folder ? (recovery.folder = strdup(options->raft_folder)) ? 0 : -ENOMEM
                                 : file_join(&recovery.folder, options->state_folder, "raft");
        if (r < 0)
                return error_set_errno(reterr, r, "out of memory");

        r = is_first_start(recovery.folder, reterr);
        if (r > 0)
                r = make_first_folder(options, recovery.folder, reterr);
        if (r == 0)
                r = recover(&recovery, options, reterr);
        if (r < 0) {
                consensus_recovery_done(&recovery);
                return r;
        }

        *ret = recovery;
        return 0;
}

/* ---- for tools */

/* Meta, log and the newest snapshot's members, without the pinset. */
static int peek(ConsensusRecovery *recovery, const char *folder, Error *reterr) {
        const ConsensusOptions options = {};
        _cleanup_free_ uint64_t *items = NULL;
        ConsensusSnapshotStore store;
        size_t n = 0;
        int r;

        recovery->folder = strdup(folder);
        if (!recovery->folder)
                return error_set_errno(reterr, -ENOMEM, "out of memory");
        recovery->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (recovery->dir_fd < 0)
                return error_set_errno(reterr, -errno, "%s: cannot open: %m", folder);
        r = consensus_meta_load(recovery->dir_fd, folder, &recovery->meta, reterr);
        if (r == 0)
                r = error_set(reterr, ERROR_IO, "%s/meta-a: the file is missing, and meta-b too", folder);
        if (r >= 0)
                r = open_log(recovery, &options, reterr);
        if (r < 0)
                return r;

        store = snapshots_of(recovery);
        r = consensus_snapshot_list(&store, &items, &n);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: cannot list: %m", folder);
        recovery->has_snapshot = n > 0 &&
                                 consensus_snapshot_open(&store, items[0], &recovery->snapshot, NULL) == 0;
        return find_members(recovery, reterr);
}

int consensus_peek_members(const char *raft_folder, PeerIdList *ret, Error *reterr) {
        ConsensusRecovery recovery = { .dir_fd = -1 };
        PeerIdList list = { .is_set = true };
        int r;

        r = peek(&recovery, raft_folder, reterr);
        for (size_t i = 0; r >= 0 && i < recovery.members.n; i++) {
                r = peer_id_list_append(&list, &recovery.members.items[i].peer);
                if (r < 0)
                        (void) error_set_errno(reterr, r, "out of memory");
        }
        consensus_recovery_done(&recovery);
        if (r < 0) {
                peer_id_list_done(&list);
                return r;
        }
        *ret = list;
        return 0;
}

static int append_alone(ConsensusRecovery *recovery, Error *reterr) {
        ConsensusMember self = { .raft_id = recovery->meta.raft_id,
                                 .peer = recovery->meta.peer,
                                 .role = CONSENSUS_VOTER };
        ConsensusMembers members = { .items = &self, .n = 1 };
        _cleanup_(consensus_payload_unrefp) ConsensusPayload *payload = NULL;
        ConsensusEntry entry = { .index = consensus_log_last(recovery->log) + 1,
                                 .term = recovery->meta.term,
                                 .type = CONSENSUS_ENTRY_CHANGE };
        int r;

        r = consensus_members_encode(&members, &payload);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: cannot go on alone: %m", recovery->folder);
        entry.payload = payload;
        return append_entry(recovery->log, recovery->folder, &entry, reterr);
}

int consensus_make_alone(const char *raft_folder, Error *reterr) {
        ConsensusRecovery recovery = { .dir_fd = -1 };
        int r;

        r = peek(&recovery, raft_folder, reterr);
        if (r >= 0 && recovery.has_snapshot &&
            !consensus_recovery_joins(recovery.log, &recovery.snapshot)) /* H13, as a start would */
                r = consensus_log_reset(
                                recovery.log, recovery.snapshot.index, recovery.snapshot.term, reterr);
        if (r >= 0) {
                recovery.meta.term++;
                recovery.meta.sequence++;
                recovery.meta.vote = recovery.meta.raft_id;
                r = save_first_meta(recovery.dir_fd, raft_folder, &recovery.meta, reterr);
        }
        if (r >= 0)
                r = append_alone(&recovery, reterr);
        consensus_recovery_done(&recovery);
        return r;
}

void consensus_recovery_done(ConsensusRecovery *recovery) {
        consensus_members_done(&recovery->members);
        if (recovery->has_snapshot)
                consensus_snapshot_head_done(&recovery->snapshot);
        state_pinset_free(recovery->pinset);
        consensus_log_free(recovery->log);
        closep(&recovery->dir_fd);
        free(recovery->folder);
        *recovery = (ConsensusRecovery){ .dir_fd = -1 };
}
