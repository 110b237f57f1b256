/*
 * Disks: on which disk the log of each member lies.
 *
 * A member that lost its log and began it anew as the same one (an init_peerset has no other Raft ids) has
 * forgotten whom it voted for and what it acknowledged: what it says now would make a majority that is none.
 * Each raft folder has a random disk id from its making on. The one that a Raft id was first seen with is
 * written down before anything is exchanged with it, and another one is not listened to: that peer has to
 * join anew.
 *
 * raft/disks, little endian: magic "clstdisk", crc32c of all that follows, format, number; and for each Raft
 * id (8) disk id (16). It lies beside the log that it guards, and is lost, backed up and put aside with it.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/base/hash.h"
#include "daemon/base/le.h"
#include "daemon/consensus/snapshot-store.h"
#include "daemon/peers/internal.h"

#define DISKS_FILE "disks"
#define DISKS_MAGIC "clstdisk"
#define DISKS_FORMAT 1
#define DISKS_MAX (4 * CONSENSUS_MEMBERS_MAX) /* those that are no members any more go first */
#define DISKS_RECORD (8 + CONSENSUS_DISK_ID_SIZE)
#define DISKS_CHECKED_FROM 12 /* the checksum covers what follows it */

enum { /* offsets */
       DISKS_AT_CRC = 8,
       DISKS_AT_FORMAT = 12,
       DISKS_AT_N = 16,
       DISKS_HEAD = 24,
};

typedef struct Disk {
        uint64_t raft_id;
        uint8_t id[CONSENSUS_DISK_ID_SIZE];
} Disk;

struct PeersDisks {
        Disk *items;
        size_t n;
};

/* ---- the file */

static int encode(const PeersDisks *disks, Str *to) {
        uint8_t head[DISKS_HEAD] = DISKS_MAGIC, record[DISKS_RECORD];
        int r;

        le_put32(head + DISKS_AT_FORMAT, DISKS_FORMAT);
        le_put64(head + DISKS_AT_N, disks->n);
        r = str_append_bytes(to, head, sizeof(head));
        for (size_t i = 0; r >= 0 && i < disks->n; i++) {
                le_put64(record, disks->items[i].raft_id);
                memcpy(record + 8, disks->items[i].id, CONSENSUS_DISK_ID_SIZE);
                r = str_append_bytes(to, record, sizeof(record));
        }
        if (r < 0)
                return r;
        le_put32(to->data + DISKS_AT_CRC,
                 hash_crc32c(0, to->data + DISKS_CHECKED_FROM, to->len - DISKS_CHECKED_FROM));
        return 0;
}

/* Errors: -EBADMSG, -EPROTONOSUPPORT (another format), -ENOMEM. */
static int decode(PeersDisks *disks, const uint8_t *bytes, size_t size) {
        if (size < DISKS_HEAD || memcmp(bytes, DISKS_MAGIC, DISKS_AT_CRC) != 0 ||
            hash_crc32c(0, bytes + DISKS_CHECKED_FROM, size - DISKS_CHECKED_FROM) !=
                            le_get32(bytes + DISKS_AT_CRC))
                return -EBADMSG;
        if (le_get32(bytes + DISKS_AT_FORMAT) != DISKS_FORMAT)
                return -EPROTONOSUPPORT;
        if (le_get64(bytes + DISKS_AT_N) != (size - DISKS_HEAD) / DISKS_RECORD ||
            (size - DISKS_HEAD) % DISKS_RECORD != 0)
                return -EBADMSG;

        disks->n = (size - DISKS_HEAD) / DISKS_RECORD;
        disks->items = calloc(disks->n + 1, sizeof(*disks->items));
        if (!disks->items)
                return -ENOMEM;
        for (size_t i = 0; i < disks->n; i++) {
                const uint8_t *record = bytes + DISKS_HEAD + i * DISKS_RECORD;

                disks->items[i].raft_id = le_get64(record);
                memcpy(disks->items[i].id, record + 8, CONSENSUS_DISK_ID_SIZE);
        }
        return 0;
}

static int refuse(const char *folder, int r, Error *reterr) {
        if (r == -EPROTONOSUPPORT)
                return error_set(
                                reterr,
                                ERROR_IO,
                                "%s/" DISKS_FILE
                                ": the file has another format than %d, which this release reads",
                                folder,
                                DISKS_FORMAT);
        if (r == -EBADMSG || r == -EFBIG)
                return error_set(
                                reterr,
                                ERROR_IO,
                                "%s/" DISKS_FILE
                                ": offset 0: the checksum does not match. Put the file back from a "
                                "backup. Or move the folder away and let this peer join its cluster again",
                                folder);
        return error_set_errno(reterr, r, "%s/" DISKS_FILE ": cannot read: %m", folder);
}

static int load(Peers *peers, Error *reterr) {
        const ConsensusSnapshotStore *store = consensus_snapshots(peers->consensus);
        _cleanup_free_ char *bytes = NULL;
        size_t size;
        int r;

        r = file_read(store->dir_fd,
                      DISKS_FILE,
                      DISKS_HEAD + (size_t) DISKS_MAX * DISKS_RECORD,
                      &bytes,
                      &size);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = decode(peers->disks, (const uint8_t *) bytes, size);
        return r < 0 ? refuse(store->folder, r, reterr) : 0;
}

static int save(const Peers *peers) {
        _cleanup_(str_done) Str bytes = {};
        int r = encode(peers->disks, &bytes);

        return r < 0 ? r
                     : file_replace(consensus_snapshots(peers->consensus)->dir_fd,
                                    DISKS_FILE,
                                    bytes.data,
                                    bytes.len,
                                    0600);
}

/* ---- what is known */

static Disk *find(const Peers *peers, uint64_t raft_id) {
        for (size_t i = 0; i < peers->disks->n; i++)
                if (peers->disks->items[i].raft_id == raft_id)
                        return &peers->disks->items[i];
        return NULL;
}

const uint8_t *peers_disks_find(const Peers *peers, uint64_t raft_id) {
        const Disk *disk = find(peers, raft_id);

        return disk ? disk->id : NULL;
}

static int make_room(Peers *peers) {
        const ConsensusMembers *members = consensus_member_table(peers->consensus);
        PeersDisks *disks = peers->disks;
        Disk *items;

        for (size_t i = 0; disks->n >= DISKS_MAX && i < disks->n; i++)
                if (!consensus_members_find(members, disks->items[i].raft_id))
                        memmove(&disks->items[i],
                                &disks->items[i + 1],
                                (--disks->n - i) * sizeof(*disks->items));
        if (disks->n >= DISKS_MAX)
                return -ENOBUFS;
        items = reallocarray(disks->items, disks->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        disks->items = items;
        return 0;
}

/* Once in the life of a member: so this may block, shortly. */
static int write_down(Peers *peers, uint64_t raft_id, const uint8_t *id) {
        PeersDisks *disks = peers->disks;
        int r = make_room(peers);

        if (r < 0)
                return r;
        disks->items[disks->n].raft_id = raft_id;
        memcpy(disks->items[disks->n].id, id, CONSENSUS_DISK_ID_SIZE);
        disks->n++;
        r = save(peers);
        if (r < 0)
                disks->n--;
        return r;
}

bool peers_disks_check(
                Peers *peers,
                const PeerId *from,
                uint64_t raft_id,
                const uint8_t id[static CONSENSUS_DISK_ID_SIZE]) {
        const Disk *disk = find(peers, raft_id);

        if (disk && memcmp(disk->id, id, CONSENSUS_DISK_ID_SIZE) != 0) {
                peers_refuse(peers,
                             from,
                             "it has lost its disk, and what it had acknowledged, and says that it is the same "
                             "member. Empty, it joins anew by itself when it hears of this; else clean up its "
                             "state and start it again");
                return false;
        }
        if (!disk && write_down(peers, raft_id, id) < 0) {
                peers_refuse(peers, from, "the id of its disk cannot be written down");
                return false;
        }
        return true;
}

/* ---- life */

int peers_disks_open(Peers *peers, Error *reterr) {
        peers->disks = calloc(1, sizeof(*peers->disks));
        return peers->disks ? load(peers, reterr) : error_set_errno(reterr, -ENOMEM, "peers: %m");
}

void peers_disks_free(Peers *peers) {
        if (!peers->disks)
                return;
        free(peers->disks->items);
        free(peers->disks);
        peers->disks = NULL;
}
