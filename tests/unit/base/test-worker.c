#include <glib.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include "daemon/base/worker.h"
#include "tests/lib/fault.h"

#define N_JOBS 100

typedef struct Job {
        WorkerJob job;
        int number;
        bool blocks;    /* RUN waits until the test lets it go */
        sem_t *started; /* of those that block */
        sem_t *go;
        pthread_t thread;
        GString *trace; /* of the dones */
        Worker **free_in_done;
        Worker *queue_in_done;
        struct Job *next;
        int queued;
} Job;

static int job_run(WorkerJob *job) {
        Job *j = CONTAINER_OF(job, Job, job);

        j->thread = pthread_self();
        if (j->blocks) {
                sem_post(j->started);
                sem_wait(j->go);
        }
        return j->number % 2 ? -j->number : j->number;
}

static void job_done(WorkerJob *job, int result) {
        Job *j = CONTAINER_OF(job, Job, job);

        g_string_append_printf(j->trace, "%d=%d ", j->number, result);
        if (j->queue_in_done)
                j->queued = worker_queue(j->queue_in_done, &j->next->job);
        if (j->free_in_done)
                *j->free_in_done = worker_free(*j->free_in_done);
}

static Job job_new(int number, GString *trace) {
        return (Job){ .job = { .run = job_run, .done = job_done }, .number = number, .trace = trace };
}

static void test_order(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        GString *trace = g_string_new(NULL), *expected = g_string_new(NULL);
        Worker *worker;
        Job jobs[N_JOBS];

        g_assert_cmpint(sd_event_new(&event), >=, 0);
        g_assert_cmpint(worker_new(&worker, event, "a-name-that-is-too-long", 0), ==, 0);
        for (int i = 0; i < N_JOBS; i++) {
                jobs[i] = job_new(i, trace);
                g_assert_cmpint(worker_queue(worker, &jobs[i].job), ==, 0);
                g_string_append_printf(expected, "%d=%d ", i, i % 2 ? -i : i);
        }
        g_assert_cmpuint(trace->len, ==, 0); /* never from inside the call */

        while (trace->len < expected->len)
                g_assert_cmpint(sd_event_run(event, UINT64_MAX), >=, 0);
        g_assert_cmpstr(trace->str, ==, expected->str);
        g_assert_false(pthread_equal(jobs[0].thread, pthread_self()));
        g_assert_true(pthread_equal(jobs[0].thread, jobs[N_JOBS - 1].thread));

        worker_free(worker);
        g_assert_cmpstr(trace->str, ==, expected->str);
        g_string_free(trace, TRUE);
        g_string_free(expected, TRUE);
}

/* Job 2 has ended, job 4 runs, job 6 waits: all three are told. */
static void test_free(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        GString *trace = g_string_new(NULL);
        Job jobs[] = { job_new(2, trace), job_new(4, trace), job_new(6, trace), job_new(8, trace) };
        sem_t started, go;
        Worker *worker;

        sem_init(&started, 0, 0);
        sem_init(&go, 0, 0);
        jobs[1].blocks = true;
        jobs[1].started = &started;
        jobs[1].go = &go;

        g_assert_cmpint(sd_event_new(&event), >=, 0);
        g_assert_cmpint(worker_new(&worker, event, "test", 0), ==, 0);
        jobs[2].queue_in_done = worker;
        jobs[2].next = &jobs[3];
        for (int i = 0; i < 3; i++)
                g_assert_cmpint(worker_queue(worker, &jobs[i].job), ==, 0);
        sem_wait(&started);
        g_assert_cmpuint(trace->len, ==, 0);

        sem_post(&go);
        worker_free(worker);
        /* Whether the thread took job 6 before it was told to stop is left open. */
        if (!g_str_equal(trace->str, "2=2 4=4 6=6 "))
                g_assert_cmpstr(trace->str, ==, "2=2 4=4 6=-125 ");
        g_assert_cmpint(jobs[2].queued, ==, -ESHUTDOWN);

        g_assert_cmpint(sd_event_run(event, 0), ==, 0); /* nothing comes later */
        sem_destroy(&started);
        sem_destroy(&go);
        g_string_free(trace, TRUE);
}

static void test_free_in_done(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        GString *trace = g_string_new(NULL);
        Job jobs[] = { job_new(2, trace), job_new(4, trace) };
        Worker *worker;

        g_assert_cmpint(sd_event_new(&event), >=, 0);
        g_assert_cmpint(worker_new(&worker, event, "test", 0), ==, 0);
        jobs[0].free_in_done = &worker;
        for (int i = 0; i < 2; i++)
                g_assert_cmpint(worker_queue(worker, &jobs[i].job), ==, 0);
        while (worker)
                g_assert_cmpint(sd_event_run(event, UINT64_MAX), >=, 0);
        g_assert_true(g_str_has_prefix(trace->str, "2=2 4="));
        g_string_free(trace, TRUE);
}

static void test_queue_in_done(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        GString *trace = g_string_new(NULL);
        Job jobs[] = { job_new(2, trace), job_new(4, trace) };
        _cleanup_(worker_freep) Worker *worker = NULL;

        g_assert_cmpint(sd_event_new(&event), >=, 0);
        g_assert_cmpint(worker_new(&worker, event, "test", 0), ==, 0);
        jobs[0].queue_in_done = worker;
        jobs[0].next = &jobs[1];
        g_assert_cmpint(worker_queue(worker, &jobs[0].job), ==, 0);
        while (trace->len < strlen("2=2 4=4 "))
                g_assert_cmpint(sd_event_run(event, UINT64_MAX), >=, 0);
        g_assert_cmpstr(trace->str, ==, "2=2 4=4 ");
        g_assert_cmpint(jobs[0].queued, ==, 0);
        g_string_free(trace, TRUE);
}

static void test_bound(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        GString *trace = g_string_new(NULL);
        static Job jobs[WORKER_JOBS_MAX + 1];
        _cleanup_(worker_freep) Worker *worker = NULL;

        g_assert_cmpint(sd_event_new(&event), >=, 0);
        g_assert_cmpint(worker_new(&worker, event, "test", 0), ==, 0);
        for (size_t i = 0; i < ELEMENTSOF(jobs); i++) {
                jobs[i] = job_new((int) i, trace);
                g_assert_cmpint(worker_queue(worker, &jobs[i].job), ==, i < WORKER_JOBS_MAX ? 0 : -ENOBUFS);
        }
        while (trace->len == 0) /* one delivered makes room for one */
                g_assert_cmpint(sd_event_run(event, UINT64_MAX), >=, 0);
        g_assert_cmpint(worker_queue(worker, &jobs[WORKER_JOBS_MAX].job), ==, 0);

        worker = worker_free(worker);
        g_string_free(trace, TRUE);
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                sd_event *event = NULL;
                Worker *worker = NULL;
                int r;

                g_assert_cmpint(sd_event_new(&event), >=, 0);
                r = worker_new(&worker, event, "test", 0);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                worker_free(worker);
                sd_event_unref(event);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/worker/order", test_order);
        g_test_add_func("/base/worker/free", test_free);
        g_test_add_func("/base/worker/free-in-done", test_free_in_done);
        g_test_add_func("/base/worker/queue-in-done", test_queue_in_done);
        g_test_add_func("/base/worker/bound", test_bound);
        g_test_add_func("/base/worker/out-of-memory", test_out_of_memory);
        return g_test_run();
}
