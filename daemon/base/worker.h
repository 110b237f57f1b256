#pragma once

/*
 * Worker: one thread that runs jobs in the order in which they were queued, and tells the loop when each has
 * ended.
 *
 * This is the only place where the daemon has threads: the log's write and fdatasync(2), snapshot files, and
 * getaddrinfo(3) for the names of peers. RUN is called in the thread and may touch nothing but its job; DONE
 * is called from the event loop, in order.
 */

#include <systemd/sd-event.h>

#include "daemon/base/list.h"

#define WORKER_JOBS_MAX 1024 /* worker_queue() answers -ENOBUFS beyond */

typedef struct Worker Worker;
typedef struct WorkerJob WorkerJob;

/* Embedded in what it works on, which must stay until DONE. */
struct WorkerJob {
        List link;
        int (*run)(WorkerJob *job);               /* in the thread; the answer is handed to DONE */
        void (*done)(WorkerJob *job, int result); /* from the loop; may free the job */
        int result;
};

int worker_new(Worker **ret, sd_event *event, const char *name, int64_t priority);
/* May be called from a DONE of the loop. Waits for the job that runs; jobs that have not started, and dones
 * not yet delivered, are delivered with -ECANCELED or their result before it returns. */
Worker *worker_free(Worker *worker);
DEFINE_CLEANUP(Worker *, worker_free);

/* Of JOB, RUN and DONE are filled in. Errors: -ENOBUFS, -ESHUTDOWN (from a DONE that worker_free() calls);
 * then DONE is not called. */
int worker_queue(Worker *worker, WorkerJob *job);
