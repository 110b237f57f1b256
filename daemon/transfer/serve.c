#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/base/file.h"
#include "daemon/base/hash.h"
#include "daemon/base/log.h"
#include "daemon/base/worker.h"
#include "daemon/consensus/snapshot-store.h"
#include "daemon/transfer/transfer.h"
#include "daemon/transfer/wire.h"

/*
 * One stream of a snapshot's file. A thread of its own finds and opens it, and reads ahead, two blocks at
 * most: the loop never waits for the disk. The file stays open, so that it may be removed meanwhile.
 *
 *   opening ──► streaming ──► closed
 *      └── refused
 */

#define SERVING_BLOCK (128 * 1024)
#define SERVING_BLOCKS 2

typedef struct ServingBlock {
        WorkerJob job;
        TransferServing *serving;
        uint64_t offset; /* in the file */
        size_t n, taken;
        bool is_busy;
        uint8_t bytes[SERVING_BLOCK];
} ServingBlock;

struct TransferServing {
        TransferServing *next;
        Transfer *transfer;
        PeerId to;
        RpcRequest *request;
        TransferRequest asked;
        Worker *worker;
        WorkerJob opening; /* the thread has what follows until it is done */
        int folder_fd;     /* of the snapshots */
        bool is_none_new;  /* enough for the asker */
        Error error;
        Str head; /* of the answer */
        size_t head_taken;
        int fd;
        uint64_t read_to, size; /* what was asked of the worker, and all of it */
        int failed;
        bool is_streaming;
        bool is_replaced; /* its peer has asked anew: it has lost the link */
        unsigned current; /* the block to be taken from */
        ServingBlock blocks[SERVING_BLOCKS];
};

/* ---- life */

static TransferServing *serving_free(TransferServing *serving) {
        if (!serving)
                return NULL;

        worker_free(serving->worker); /* waits for a read of one block */
        str_done(&serving->head);
        error_done(&serving->error);
        closep(&serving->fd);
        closep(&serving->folder_fd);
        free(serving);
        return NULL;
}
DEFINE_CLEANUP(TransferServing *, serving_free);

static void unlink_serving(TransferServing *serving) {
        TransferServing **at = &serving->transfer->servings;

        while (*at != serving)
                at = &(*at)->next;
        *at = serving->next;
        serving->transfer->n_servings--;
}

/* Of one peer only the newest counts, but those that it has replaced may take a while to end. */
static int check_number(const Transfer *transfer, const PeerId *to, Error *reterr) {
        unsigned n_others = 0, n_replaced = 0;

        for (const TransferServing *i = transfer->servings; i; i = i->next) {
                n_others += !i->is_replaced && !peer_id_equal(&i->to, to);
                n_replaced += i->is_replaced && peer_id_equal(&i->to, to);
        }
        if (n_others >= TRANSFER_SERVINGS_MAX || transfer->n_servings >= TRANSFER_STREAMS_MAX)
                return error_set(
                                reterr,
                                ERROR_BUSY,
                                "%d peers are being sent a snapshot; try again",
                                TRANSFER_SERVINGS_MAX);
        if (n_replaced >= TRANSFER_REPLACED_MAX)
                return error_set(
                                reterr,
                                ERROR_BUSY,
                                "%u streams to this peer have not ended yet; try again",
                                n_replaced);
        return 0;
}

static void replace_older(Transfer *transfer, const PeerId *to) {
        for (TransferServing *i = transfer->servings; i; i = i->next) {
                if (i->is_replaced || !peer_id_equal(&i->to, to))
                        continue;
                i->is_replaced = true;
                if (i->is_streaming)
                        rpc_request_resume(i->request);
        }
}

/* ---- reading */

static int block_run(WorkerJob *job) {
        ServingBlock *block = CONTAINER_OF(job, ServingBlock, job);

        return file_read_at(block->serving->fd, block->bytes, block->n, (off_t) block->offset);
}

static void block_done(WorkerJob *job, int result) {
        ServingBlock *block = CONTAINER_OF(job, ServingBlock, job);
        TransferServing *serving = block->serving;

        block->is_busy = false;
        if (!serving->request)
                return; /* it is being freed */
        if (result < 0)
                serving->failed = result;
        rpc_request_resume(serving->request);
}

/* BLOCK was taken: fill it again. */
static int block_read(TransferServing *serving, ServingBlock *block) {
        int r;

        block->offset = serving->read_to;
        block->n = (size_t) MIN((uint64_t) SERVING_BLOCK, serving->size - serving->read_to);
        block->taken = 0;
        if (block->n == 0)
                return 0;

        block->job = (WorkerJob){ .run = block_run, .done = block_done };
        r = worker_queue(serving->worker, &block->job);
        if (r < 0)
                return r;
        block->is_busy = true;
        serving->read_to += block->n;
        return 0;
}

static size_t take(void *buffer, size_t max, const void *bytes, size_t n, size_t *taken) {
        size_t size = MIN(max, n - *taken);

        memcpy(buffer, (const uint8_t *) bytes + *taken, size);
        *taken += size;
        return size;
}

static ssize_t serving_pull(RpcRequest *request _unused_, void *buffer, size_t max, void *userdata) {
        TransferServing *serving = userdata;
        ServingBlock *block = &serving->blocks[serving->current];
        size_t n;
        int r;

        if (serving->is_replaced)
                return -ECANCELED;
        if (serving->head_taken < serving->head.len)
                return (ssize_t) take(
                                buffer, max, serving->head.data, serving->head.len, &serving->head_taken);
        if (block->is_busy)
                return RPC_SOURCE_WAIT;
        if (serving->failed < 0)
                return serving->failed;
        if (block->n == 0)
                return RPC_SOURCE_END;

        n = take(buffer, max, block->bytes, block->n, &block->taken);
        if (block->taken == block->n) {
                r = block_read(serving, block);
                if (r < 0)
                        return r;
                serving->current = (serving->current + 1) % SERVING_BLOCKS;
        }
        return (ssize_t) n;
}

static void serving_closed(RpcRequest *request _unused_, bool complete _unused_, void *userdata) {
        TransferServing *serving = userdata;
        char id[PEER_ID_TEXT_MAX];

        if (serving->failed < 0)
                (void) log_warning_errno(
                                serving->failed,
                                "a snapshot for peer %s cannot be read: %m",
                                peer_id_format(&serving->to, id));
        unlink_serving(serving);
        serving->request = NULL;
        serving_free(serving);
}

/* ---- opening, in the thread */

static int read_mark(int fd, uint64_t size, uint32_t *ret) {
        uint8_t end[TRANSFER_MARK_BYTES];
        int r;

        r = file_read_at(fd, end, sizeof(end), (off_t) (size - sizeof(end)));
        if (r < 0)
                return r;
        *ret = hash_crc32c(0, end, sizeof(end));
        return 0;
}

static int open_dump(TransferServing *serving, int dir_fd, TransferHead *head) {
        struct stat st;

        serving->fd = openat(dir_fd, CONSENSUS_SNAPSHOT_DUMP, O_RDONLY | O_CLOEXEC);
        if (serving->fd < 0 || fstat(serving->fd, &st) < 0)
                return -errno;
        if (st.st_size < TRANSFER_MARK_BYTES)
                return -EBADMSG;

        (void) posix_fadvise(serving->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        serving->size = head->size = (uint64_t) st.st_size;
        return read_mark(serving->fd, head->size, &head->mark);
}

/* Both files through one descriptor of their folder, so that they belong together. */
static int open_files(TransferServing *serving, const ConsensusSnapshotStore *store, uint64_t index) {
        char name[CONSENSUS_SNAPSHOT_NAME_MAX];
        uint8_t bytes[TRANSFER_HEAD_SIZE];
        _cleanup_free_ char *members = NULL;
        _cleanup_close_ int dir_fd = -1;
        TransferHead head;
        size_t n;
        int r;

        dir_fd = openat(store->dir_fd,
                        consensus_snapshot_name(index, name),
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return -errno;
        r = file_read(dir_fd, CONSENSUS_SNAPSHOT_MEMBERS, TRANSFER_MEMBERS_MAX, &members, &n);
        if (r < 0)
                return r;
        r = open_dump(serving, dir_fd, &head);
        if (r < 0)
                return r;

        head.members_size = (uint32_t) n;
        transfer_head_encode(&head, bytes);
        (void) str_append_bytes(&serving->head, bytes, sizeof(bytes));
        return str_append_bytes(&serving->head, members, n);
}

/* The newest that the store has; none: 0. */
static int newest(const ConsensusSnapshotStore *store, uint64_t *ret) {
        _cleanup_free_ uint64_t *items = NULL;
        size_t n;
        int r;

        r = consensus_snapshot_list(store, &items, &n);
        if (r == 0)
                *ret = n > 0 ? items[0] : 0;
        return r;
}

static int choose(TransferServing *serving, const ConsensusSnapshotStore *store, uint64_t *ret) {
        int r;

        if (serving->asked.index > 0) {
                *ret = serving->asked.index;
                return 0;
        }

        r = newest(store, ret);
        if (r < 0)
                return error_set_errno(&serving->error, r, "the snapshots cannot be listed: %m");
        if (*ret > 0 && *ret >= serving->asked.least)
                return 0;
        serving->is_none_new = true;
        return error_set(&serving->error, ERROR_BUSY, "a snapshot is being taken; try again");
}

static int opening_run(WorkerJob *job) {
        TransferServing *serving = CONTAINER_OF(job, TransferServing, opening);
        const ConsensusSnapshotStore store = { .dir_fd = serving->folder_fd };
        Error *error = &serving->error;
        uint64_t index = 0;
        int r;

        r = choose(serving, &store, &index);
        if (r < 0)
                return r;
        r = open_files(serving, &store, index);
        if (r == -ENOENT)
                return error_set(error, ERROR_NOT_FOUND, "there is no snapshot %" PRIu64 " any more", index);
        if (r < 0)
                return error_set_errno(error, r, "snapshot %" PRIu64 " cannot be read: %m", index);
        if (serving->asked.offset > serving->size)
                return error_set(
                                error,
                                ERROR_INVALID,
                                "snapshot %" PRIu64 " has %" PRIu64 " bytes, not %" PRIu64,
                                index,
                                serving->size,
                                serving->asked.offset);
        serving->read_to = serving->asked.offset;
        return 0;
}

/* ---- beginning */

/* The asker has gone before there was an answer. */
static void opening_closed(RpcRequest *request _unused_, void *userdata) {
        TransferServing *serving = userdata;

        unlink_serving(serving);
        serving->request = NULL;
        serving_free(serving);
}

static void refuse(TransferServing *serving) {
        Consensus *consensus = serving->transfer->consensus;

        if (serving->is_none_new && consensus)
                (void) consensus_snapshot(consensus, NULL, NULL);
        (void) rpc_request_fail(TAKE_PTR(serving->request), &serving->error);
        unlink_serving(serving);
        serving_free(serving);
}

static void opening_done(WorkerJob *job, int result) {
        static const RpcSource source = { .pull = serving_pull, .closed = serving_closed };
        TransferServing *serving = CONTAINER_OF(job, TransferServing, opening);
        int r = result;

        if (!serving->request)
                return; /* it is being freed */
        if (r >= 0 && serving->is_replaced)
                r = error_set(&serving->error, ERROR_CANCELED, "the peer has asked anew");
        for (int i = 0; r >= 0 && i < SERVING_BLOCKS; i++) {
                r = block_read(serving, &serving->blocks[i]);
                if (r < 0)
                        (void) error_set_errno(&serving->error, r, "a snapshot cannot be read: %m");
        }
        if (r < 0) {
                refuse(serving);
                return;
        }

        rpc_request_on_closed(serving->request, NULL, NULL);
        serving->is_streaming = true;
        if (rpc_request_stream(serving->request, &source, serving) < 0) {
                serving->request = NULL; /* it is gone */
                unlink_serving(serving);
                serving_free(serving);
        }
}

static int serving_begin(TransferServing *serving, Error *reterr) {
        Transfer *transfer = serving->transfer;
        int r;

        /* The consensus may be closed before the stream ends. */
        serving->folder_fd = fcntl(consensus_snapshots(transfer->consensus)->dir_fd, F_DUPFD_CLOEXEC, 3);
        if (serving->folder_fd < 0)
                return error_set_errno(reterr, -errno, "the snapshots cannot be opened: %m");
        r = worker_new(&serving->worker, transfer->event, "snapshot-serve", SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0) {
                serving->opening = (WorkerJob){ .run = opening_run, .done = opening_done };
                r = worker_queue(serving->worker, &serving->opening);
        }
        return r < 0 ? error_set_errno(reterr, r, "a snapshot cannot be read: %m") : 0;
}

static int serving_new(
                TransferServing **ret,
                Transfer *transfer,
                const PeerId *to,
                const TransferRequest *asked,
                Error *reterr) {
        _cleanup_(serving_freep) TransferServing *serving = NULL;
        int r;

        serving = calloc(1, sizeof(*serving));
        if (!serving)
                return error_set_errno(reterr, -ENOMEM, "out of memory");

        serving->transfer = transfer;
        serving->to = *to;
        serving->asked = *asked;
        serving->fd = serving->folder_fd = -1;
        for (int i = 0; i < SERVING_BLOCKS; i++)
                serving->blocks[i].serving = serving;
        r = serving_begin(serving, reterr);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(serving);
        return 0;
}

static int check_request(
                Transfer *transfer,
                RpcRequest *request,
                const void *body,
                size_t size,
                TransferRequest *ret,
                Error *reterr) {
        int r;

        r = transfer_request_decode(body, size, ret);
        if (r == TRANSFER_NEWER)
                return error_set(
                                reterr,
                                ERROR_UNSUPPORTED,
                                "snapshot: the request has a newer format than %d",
                                TRANSFER_FORMAT);
        if (r < 0)
                return error_set(reterr, ERROR_INVALID, "snapshot: the request is malformed");
        if (!transfer->consensus)
                return error_set(reterr, ERROR_BUSY, "the peer is starting or ending");
        return check_number(transfer, rpc_request_peer(request), reterr);
}

void transfer_on_request(RpcRequest *request, const void *body, size_t size, void *userdata) {
        _cleanup_(error_done) Error error = {};
        TransferServing *serving = NULL;
        TransferRequest asked;
        Transfer *transfer = userdata;
        int r;

        r = check_request(transfer, request, body, size, &asked, &error);
        if (r == 0)
                r = serving_new(&serving, transfer, rpc_request_peer(request), &asked, &error);
        if (r < 0) {
                (void) rpc_request_fail(request, &error);
                return;
        }

        replace_older(transfer, rpc_request_peer(request));
        serving->request = request;
        serving->next = transfer->servings;
        transfer->servings = serving;
        transfer->n_servings++;
        rpc_request_on_closed(request, opening_closed, serving);
}
