#include "daemon/consensus/disk.h"

#include "daemon/base/worker.h"

struct ConsensusDisk {
        const ConsensusDiskEvents *events;
        void *userdata;
        int dir_fd;
        const char *folder;
        ConsensusLog *log;
        ConsensusMeta meta;    /* as it has to be on disk */
        ConsensusMeta durable; /* as it is */
        bool meta_changed;
        Worker *worker;
        bool busy, stopped;
        WorkerJob job; /* what follows is the worker's while BUSY */
        bool job_meta;
        ConsensusMeta job_record;
        ConsensusLogPlan *job_plan;
        Error job_error;
};

int consensus_disk_new(ConsensusDisk **ret, const ConsensusDiskOptions *options) {
        _cleanup_(consensus_disk_freep) ConsensusDisk *disk = NULL;
        int r;

        disk = calloc(1, sizeof(*disk));
        if (!disk)
                return -ENOMEM;

        *disk = (ConsensusDisk){
                .events = options->events,
                .userdata = options->userdata,
                .dir_fd = options->dir_fd,
                .folder = options->folder,
                .log = options->log,
                .meta = *options->meta,
                .durable = *options->meta,
        };

        r = worker_new(&disk->worker, options->event, "consensus-log", SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(disk);
        return 0;
}

ConsensusDisk *consensus_disk_free(ConsensusDisk *disk) {
        if (!disk)
                return NULL;

        disk->stopped = true;
        worker_free(disk->worker);
        consensus_log_plan_free(disk->job_plan); /* of a job that was not begun, or failed */
        error_done(&disk->job_error);
        free(disk);
        return NULL;
}

void consensus_disk_set_vote(ConsensusDisk *disk, uint64_t term, uint64_t vote) {
        disk->meta.term = term;
        disk->meta.vote = vote;
        disk->meta_changed = true;
}

static int disk_run(WorkerJob *job) {
        ConsensusDisk *disk = CONTAINER_OF(job, ConsensusDisk, job);
        const char *failed;
        int r;

        if (disk->job_meta) {
                r = consensus_meta_save(disk->dir_fd, &disk->job_record, &failed);
                if (r < 0)
                        return error_set_errno(
                                        &disk->job_error,
                                        r,
                                        "%s/%s: cannot write: %m",
                                        disk->folder,
                                        failed);
        }
        if (disk->job_plan)
                return consensus_log_plan_run(disk->job_plan, &disk->job_error);
        return 0;
}

static void disk_done(WorkerJob *job, int result) {
        ConsensusDisk *disk = CONTAINER_OF(job, ConsensusDisk, job);

        if (result == -ECANCELED) /* not begun, and nobody waits for it any more */
                return;
        if (result < 0) { /* BUSY stays, so that no other job is begun */
                disk->events->failed(&disk->job_error, disk->userdata);
                return;
        }

        disk->busy = false;
        if (disk->job_meta)
                disk->durable = disk->job_record;
        if (disk->job_plan)
                (void) consensus_log_finish(disk->log, TAKE_PTR(disk->job_plan));
        disk->events->durable(consensus_log_written(disk->log), &disk->durable, disk->userdata);
}

int consensus_disk_kick(ConsensusDisk *disk) {
        int r;

        if (disk->busy || disk->stopped)
                return 0;

        r = consensus_log_plan(disk->log, &disk->job_plan);
        if (r < 0)
                return r;
        if (r == 0 && !disk->meta_changed)
                return 0;

        disk->job_meta = disk->meta_changed;
        if (disk->job_meta) {
                disk->meta.sequence++;
                disk->job_record = disk->meta;
                disk->meta_changed = false;
        }

        disk->job = (WorkerJob){ .run = disk_run, .done = disk_done };
        disk->busy = true;
        return worker_queue(disk->worker, &disk->job);
}

bool consensus_disk_is_busy(const ConsensusDisk *disk) {
        return disk->busy;
}
