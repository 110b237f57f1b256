#include "daemon/base/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define THREAD_NAME_MAX 16 /* the kernel's, with NUL */

struct Worker {
        sd_event_source *source; /* of the eventfd that tells the loop about ended jobs */
        int event_fd;
        pthread_t thread;
        bool has_thread;
        size_t n_jobs; /* queued and not delivered */

        /* Shared with the thread, under the lock. */
        pthread_mutex_t lock;
        pthread_cond_t wake;
        List waiting;
        List ended;
        bool stopping;
};

/* ---- the thread */

/* The next job, or NULL when the thread shall end. */
static WorkerJob *worker_wait_for_job(Worker *worker) {
        WorkerJob *job = NULL;

        pthread_mutex_lock(&worker->lock);
        while (list_is_empty(&worker->waiting) && !worker->stopping)
                pthread_cond_wait(&worker->wake, &worker->lock);
        if (!worker->stopping) {
                job = LIST_FIRST(&worker->waiting, WorkerJob, link);
                list_remove(&job->link);
        }
        pthread_mutex_unlock(&worker->lock);

        return job;
}

static void worker_end_job(Worker *worker, WorkerJob *job) {
        pthread_mutex_lock(&worker->lock);
        list_append(&worker->ended, &job->link);
        pthread_mutex_unlock(&worker->lock);

        (void) eventfd_write(worker->event_fd, 1); /* cannot overflow: there are few jobs */
}

static void *worker_main(void *userdata) {
        Worker *worker = userdata;
        WorkerJob *job;

        while ((job = worker_wait_for_job(worker))) {
                job->result = job->run(job);
                worker_end_job(worker, job);
        }

        return NULL;
}

/* Signals are for the loop's signalfd, so the thread is born with all of them blocked. */
static int worker_start_thread(Worker *worker, const char *name) {
        char short_name[THREAD_NAME_MAX];
        sigset_t all, before;
        int r;

        sigfillset(&all);
        r = pthread_sigmask(SIG_SETMASK, &all, &before);
        if (r != 0)
                return -r;
        r = pthread_create(&worker->thread, NULL, worker_main, worker);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r != 0)
                return -r;
        worker->has_thread = true;

        (void) snprintf(short_name, sizeof(short_name), "%s", name);
        (void) pthread_setname_np(worker->thread, short_name); /* for people who look at it */
        return 0;
}

/* ---- the loop */

/* One job of LIST, removed from it; NULL when it is empty. *RET_MORE: others are left. */
static WorkerJob *worker_take_job(Worker *worker, List *list, bool *ret_more) {
        WorkerJob *job;

        pthread_mutex_lock(&worker->lock);
        job = LIST_FIRST(list, WorkerJob, link);
        if (job)
                list_remove(&job->link);
        *ret_more = !list_is_empty(list);
        pthread_mutex_unlock(&worker->lock);

        return job;
}

static void worker_deliver(Worker *worker, WorkerJob *job, int result) {
        worker->n_jobs--;
        job->done(job, result); /* may have freed the job, and the worker */
}

static int worker_on_ended(
                sd_event_source *source _unused_, int fd, uint32_t revents _unused_, void *userdata) {
        Worker *worker = userdata;
        WorkerJob *job;
        eventfd_t count;
        bool more;

        /* Read first: what ends after that writes again. */
        (void) eventfd_read(fd, &count);
        job = worker_take_job(worker, &worker->ended, &more);
        if (more)
                (void) eventfd_write(fd, 1); /* one a turn, since DONE may free the worker */
        if (job)
                worker_deliver(worker, job, job->result);

        return 0;
}

int worker_new(Worker **ret, sd_event *event, const char *name, int64_t priority) {
        _cleanup_(worker_freep) Worker *worker = NULL;
        int r;

        worker = calloc(1, sizeof(*worker));
        if (!worker)
                return -ENOMEM;

        *worker = (Worker){
                .event_fd = -1,
                .lock = PTHREAD_MUTEX_INITIALIZER,
                .wake = PTHREAD_COND_INITIALIZER,
        };
        list_init(&worker->waiting);
        list_init(&worker->ended);

        worker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (worker->event_fd < 0)
                return -errno;

        r = sd_event_add_io(event, &worker->source, worker->event_fd, EPOLLIN, worker_on_ended, worker);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(worker->source, priority);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(worker->source, name);

        r = worker_start_thread(worker, name);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(worker);
        return 0;
}

static void worker_stop_thread(Worker *worker) {
        pthread_mutex_lock(&worker->lock);
        worker->stopping = true;
        pthread_cond_signal(&worker->wake);
        pthread_mutex_unlock(&worker->lock);

        if (worker->has_thread)
                (void) pthread_join(worker->thread, NULL);
        worker->has_thread = false;
}

Worker *worker_free(Worker *worker) {
        WorkerJob *job;
        bool more;

        if (!worker)
                return NULL;

        worker_stop_thread(worker);
        worker->source = sd_event_source_disable_unref(worker->source);

        while ((job = worker_take_job(worker, &worker->ended, &more)))
                worker_deliver(worker, job, job->result);
        while ((job = worker_take_job(worker, &worker->waiting, &more)))
                worker_deliver(worker, job, -ECANCELED);
        assert(worker->n_jobs == 0);

        pthread_cond_destroy(&worker->wake);
        pthread_mutex_destroy(&worker->lock);
        closep(&worker->event_fd);
        free(worker);
        return NULL;
}

int worker_queue(Worker *worker, WorkerJob *job) {
        if (worker->stopping)
                return -ESHUTDOWN;
        if (worker->n_jobs >= WORKER_JOBS_MAX)
                return -ENOBUFS;

        job->result = 0;
        worker->n_jobs++;

        pthread_mutex_lock(&worker->lock);
        list_append(&worker->waiting, &job->link);
        pthread_mutex_unlock(&worker->lock);
        pthread_cond_signal(&worker->wake); /* with the lock it would wake the thread to wait for that */

        return 0;
}
