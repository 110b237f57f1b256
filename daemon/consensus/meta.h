#pragma once

/*
 * Meta: what a peer must not forget to be one voter: its Raft id, the term it is in and whom it voted for,
 * with the cluster and the peer that the folder belongs to, and the folder's own id: one that was made anew
 * has another, and does not remember what was before.
 *
 * Two files hold the same record, meta-a and meta-b; each save writes and syncs the one, then the other, in
 * place. A save that was cut off leaves one of them broken or old, the other whole: a valid record beside a
 * broken one counts, and of two valid ones the one with the higher sequence number. So a vote that was
 * acknowledged, that is after both were written, is never hidden by a torn write.
 *
 * Layout, little endian: magic "clstmeta", crc32c of all that follows, format, sequence, cluster id, Raft
 * id, term, vote, length of the peer id, peer id padded with zeros, disk id. Magic, checksum and format stay
 * where they are in all formats, whatever their size.
 */

#include <stdint.h>

#include "daemon/consensus/consensus.h"
#include "daemon/state/pinset.h"
#include "daemon/types/error.h"
#include "daemon/types/peer-id.h"

#define CONSENSUS_META_FORMAT 2
#define CONSENSUS_META_SIZE 152
#define CONSENSUS_META_MAX 4096 /* of another format */

typedef struct ConsensusMeta {
        uint64_t sequence;
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        uint64_t raft_id;
        uint64_t term;
        uint64_t vote; /* 0: nobody */
        PeerId peer;
        uint8_t disk_id[CONSENSUS_DISK_ID_SIZE];
} ConsensusMeta;

void consensus_meta_encode(const ConsensusMeta *meta, uint8_t bytes[static CONSENSUS_META_SIZE]);
/* Answers 0, or 1: another format, which another release wrote. Errors: -EBADMSG. */
int consensus_meta_decode(const void *bytes, size_t n, ConsensusMeta *ret);

/* Answers 1; 0 when neither file is there. A broken one beside a valid one is a warning. Errors: ERROR_IO,
 * naming the file. FOLDER is for the words. */
int consensus_meta_load(int dir_fd, const char *folder, ConsensusMeta *ret, Error *reterr);
/* Both, one after the other; *RET_FAILED (static text) is the file that failed. Blocks. */
int consensus_meta_save(int dir_fd, const ConsensusMeta *meta, const char **ret_failed);
