#include "daemon/consensus/snapshot-task.h"

#include <string.h>

#include "daemon/base/file.h"
#include "daemon/state/snapshot.h"

#define SNAPSHOT_BLOCKS 2

typedef struct SnapshotBlock {
        WorkerJob job;
        ConsensusSnapshotTask *task;
        Str bytes;
        bool busy;
} SnapshotBlock;

struct ConsensusSnapshotTask {
        Worker *worker;
        const ConsensusSnapshotStore *store;
        ConsensusSnapshotDone done;
        void *userdata;
        ConsensusSnapshotHead head;
        StateSnapshotWriter *writer; /* NULL when all has been read */
        sd_event_source *read;
        SnapshotBlock blocks[SNAPSHOT_BLOCKS];
        WorkerJob finish;
        bool finishing;
        int fd;      /* the worker's */
        Error error; /* the worker's until the job that set it is done */
        int failed;
};

static int snapshot_read(sd_event_source *source, void *userdata);

static int task_init(ConsensusSnapshotTask *task, const ConsensusSnapshotTaskOptions *options) {
        _cleanup_(state_scan_freep) StateScan *scan = NULL;
        int r;

        r = consensus_snapshot_head_copy(&task->head, options->head);
        if (r < 0)
                return r;

        r = state_scan_new(&scan, options->pinset);
        if (r < 0)
                return r;
        assert(state_scan_index(scan) == task->head.index);

        StateSnapshotHead head = { .index = task->head.index, .term = task->head.term };
        memcpy(head.cluster_id, task->store->cluster_id, STATE_CLUSTER_ID_SIZE);
        r = state_snapshot_writer_new(&task->writer, TAKE_PTR(scan), &head);
        if (r < 0)
                return r;

        r = sd_event_add_defer(options->event, &task->read, snapshot_read, task);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(task->read, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(task->read, SD_EVENT_ON);
}

int consensus_snapshot_task_new(ConsensusSnapshotTask **ret, const ConsensusSnapshotTaskOptions *options) {
        _cleanup_(consensus_snapshot_task_freep) ConsensusSnapshotTask *task = NULL;
        int r;

        task = calloc(1, sizeof(*task));
        if (!task)
                return -ENOMEM;

        *task = (ConsensusSnapshotTask){
                .worker = options->worker,
                .store = options->store,
                .done = options->done,
                .userdata = options->userdata,
                .fd = -1,
        };
        for (int i = 0; i < SNAPSHOT_BLOCKS; i++)
                task->blocks[i].task = task;

        r = task_init(task, options);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(task);
        return 0;
}

ConsensusSnapshotTask *consensus_snapshot_task_free(ConsensusSnapshotTask *task) {
        if (!task)
                return NULL;

        sd_event_source_disable_unref(task->read);
        state_snapshot_writer_free(task->writer);
        for (int i = 0; i < SNAPSHOT_BLOCKS; i++)
                str_done(&task->blocks[i].bytes);
        consensus_snapshot_head_done(&task->head);
        closep(&task->fd);
        error_done(&task->error);
        free(task);
        return NULL;
}

const ConsensusSnapshotHead *consensus_snapshot_task_head(const ConsensusSnapshotTask *task) {
        return &task->head;
}

void consensus_snapshot_task_hurry(ConsensusSnapshotTask *task) {
        (void) sd_event_source_set_priority(task->read, SD_EVENT_PRIORITY_NORMAL);
}

/* ---- the end */

static bool is_quiet(const ConsensusSnapshotTask *task) {
        for (int i = 0; i < SNAPSHOT_BLOCKS; i++)
                if (task->blocks[i].busy)
                        return false;
        return !task->finishing;
}

static void task_fail(ConsensusSnapshotTask *task, int r) {
        if (task->failed == 0)
                task->failed = r;
        (void) sd_event_source_set_enabled(task->read, SD_EVENT_OFF);
        if (is_quiet(task))
                task->done(task, task->failed, &task->error, task->userdata);
}

static int finish_run(WorkerJob *job) {
        ConsensusSnapshotTask *task = CONTAINER_OF(job, ConsensusSnapshotTask, finish);

        return consensus_snapshot_finish(task->store, &task->head, task->fd, &task->error);
}

static void finish_done(WorkerJob *job, int result) {
        ConsensusSnapshotTask *task = CONTAINER_OF(job, ConsensusSnapshotTask, finish);

        task->finishing = false;
        if (result == -ECANCELED)
                return;
        task->done(task, result, &task->error, task->userdata);
}

static void task_finish(ConsensusSnapshotTask *task) {
        int r;

        task->finish = (WorkerJob){ .run = finish_run, .done = finish_done };
        task->finishing = true;
        r = worker_queue(task->worker, &task->finish);
        if (r < 0)
                task->finishing = false;
        if (r < 0 && r != -ESHUTDOWN) /* that is the end of the worker, as -ECANCELED: nobody waits */
                task_fail(task, r);
}

/* ---- blocks */

static int block_run(WorkerJob *job) {
        SnapshotBlock *block = CONTAINER_OF(job, SnapshotBlock, job);
        ConsensusSnapshotTask *task = block->task;
        int r;

        if (task->fd < 0) {
                task->fd = consensus_snapshot_begin(task->store, &task->error);
                if (task->fd < 0)
                        return task->fd;
        }

        r = file_write_all(task->fd, block->bytes.data, block->bytes.len);
        if (r < 0 && task->error.code == ERROR_NONE)
                return error_set_errno(
                                &task->error,
                                r,
                                "%s/" CONSENSUS_SNAPSHOT_NEW "/" CONSENSUS_SNAPSHOT_DUMP
                                ": cannot write: %m",
                                task->store->folder);
        return r;
}

static void block_done(WorkerJob *job, int result) {
        SnapshotBlock *block = CONTAINER_OF(job, SnapshotBlock, job);
        ConsensusSnapshotTask *task = block->task;

        block->busy = false;
        if (result == -ECANCELED)
                return;
        if (result < 0 || task->failed < 0)
                task_fail(task, result); /* may have freed the task */
        else if (task->writer)
                (void) sd_event_source_set_enabled(task->read, SD_EVENT_ON);
        else if (is_quiet(task))
                task_finish(task);
}

static SnapshotBlock *find_block(ConsensusSnapshotTask *task) {
        for (int i = 0; i < SNAPSHOT_BLOCKS; i++)
                if (!task->blocks[i].busy)
                        return &task->blocks[i];
        return NULL;
}

/* Answers 1 when a block was queued, 0 when nothing is left to read. */
static int queue_block(ConsensusSnapshotTask *task, SnapshotBlock *block) {
        int r;

        r = state_snapshot_writer_step(task->writer, &block->bytes);
        if (r <= 0)
                return r;

        block->job = (WorkerJob){ .run = block_run, .done = block_done };
        r = worker_queue(task->worker, &block->job);
        if (r < 0)
                return r;
        block->busy = true;
        return 1;
}

static int snapshot_read(sd_event_source *source, void *userdata) {
        ConsensusSnapshotTask *task = userdata;
        SnapshotBlock *block = find_block(task);
        int r;

        if (!block) { /* block_done() enables it again */
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
                return 0;
        }

        r = queue_block(task, block);
        if (r > 0)
                return 0;

        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        task->writer = state_snapshot_writer_free(task->writer); /* ends the scan */
        if (r < 0)
                task_fail(task, r);
        else if (is_quiet(task))
                task_finish(task);
        return 0;
}
