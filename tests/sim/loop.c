#include "tests/sim/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/base/worker.h"

#define SLOW_ONE_IN 4 /* writes that take long */
#define SLOW_MSEC 200
#define FAST_MSEC 8
#define CUT_CALLS 12 /* of a job that the crash interrupts */

uint64_t sim_now;
bool sim_slow_disk;

/* ---- chance: xorshift64* */

static uint64_t random_state;

uint64_t sim_random(void) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return random_state * UINT64_C(0x2545F4914F6CDD1D);
}

void sim_seed(uint64_t seed) {
        random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + UINT64_C(0x1234567);
        for (int i = 0; i < 10; i++)
                (void) sim_random();
}

unsigned sim_below(unsigned n) {
        return (unsigned) ((sim_random() >> 33) % n);
}

bool sim_one_in(unsigned n) {
        return sim_below(n) == 0;
}

void __wrap_random_bytes(void *bytes, size_t n);
void __wrap_random_bytes(void *bytes, size_t n) {
        for (size_t i = 0; i < n; i++)
                ((uint8_t *) bytes)[i] = (uint8_t) (sim_random() >> 32);
}

uint64_t __wrap_time_monotonic(void);
uint64_t __wrap_time_monotonic(void) {
        return sim_now * USEC_PER_MSEC;
}

/* ---- the disk: calls until the power goes; nothing is synced, since the kernel stays */

#define DISK_UNLIMITED (-1)

static int disk_calls = DISK_UNLIMITED;

static bool disk_is_off(void) {
        if (disk_calls == DISK_UNLIMITED)
                return false;
        if (disk_calls > 0) {
                disk_calls--;
                return false;
        }
        errno = EIO;
        return true;
}

ssize_t __real_pwrite64(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t n, off_t offset) {
        if (disk_calls == 0) /* torn: the beginning is there */
                (void) !__real_pwrite64(fd, bytes, sim_below((unsigned) n + 1), offset);
        return disk_is_off() ? -1 : __real_pwrite64(fd, bytes, n, offset);
}

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n) {
        return disk_is_off() ? -1 : __real_write(fd, bytes, n);
}

int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd _unused_) {
        return disk_is_off() ? -1 : 0;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd _unused_) {
        return disk_is_off() ? -1 : 0;
}

int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
        return disk_is_off() ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags) {
        return disk_is_off() ? -1 : __real_unlinkat(fd, name, flags);
}

int __real_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size) {
        return disk_is_off() ? -1 : __real_ftruncate64(fd, size);
}

/* ---- sources */

struct sd_event {
        List sources, workers;
        uint64_t turn;
};

struct sd_event_source {
        List link;
        sd_event_handler_t on_defer;
        sd_event_time_handler_t on_time;
        void *userdata;
        uint64_t time_usec;
        int64_t priority;
        int enabled;
        uint64_t last_turn; /* of equals, the one that has waited longest is next */
        bool running, dead;
};

sd_event *sim_loop_new(void) {
        sd_event *event = calloc(1, sizeof(*event));

        assert(event);
        list_init(&event->sources);
        list_init(&event->workers);
        return event;
}

void sim_loop_free(sd_event *event) {
        assert(list_is_empty(&event->sources) && list_is_empty(&event->workers));
        free(event);
}

sd_event *__wrap_sd_event_ref(sd_event *event);
sd_event *__wrap_sd_event_ref(sd_event *event) {
        return event;
}

sd_event *__wrap_sd_event_unref(sd_event *event);
sd_event *__wrap_sd_event_unref(sd_event *event _unused_) {
        return NULL;
}

static sd_event_source *source_new(sd_event *event, void *userdata) {
        sd_event_source *s = calloc(1, sizeof(*s));

        assert(s);
        s->userdata = userdata;
        s->enabled = SD_EVENT_ONESHOT;
        list_append(&event->sources, &s->link);
        return s;
}

int __wrap_sd_event_add_defer(sd_event *event, sd_event_source **ret, sd_event_handler_t on, void *userdata);
int __wrap_sd_event_add_defer(
                sd_event *event, sd_event_source **ret, sd_event_handler_t on, void *userdata) {
        *ret = source_new(event, userdata);
        (*ret)->on_defer = on;
        return 0;
}

int __wrap_sd_event_add_time(
                sd_event *event,
                sd_event_source **ret,
                clockid_t clock,
                uint64_t usec,
                uint64_t accuracy,
                sd_event_time_handler_t on,
                void *userdata);
int __wrap_sd_event_add_time(
                sd_event *event,
                sd_event_source **ret,
                clockid_t clock _unused_,
                uint64_t usec,
                uint64_t accuracy _unused_,
                sd_event_time_handler_t on,
                void *userdata) {
        *ret = source_new(event, userdata);
        (*ret)->on_time = on;
        (*ret)->time_usec = usec;
        return 0;
}

int __wrap_sd_event_source_set_time(sd_event_source *s, uint64_t usec);
int __wrap_sd_event_source_set_time(sd_event_source *s, uint64_t usec) {
        s->time_usec = usec;
        return 0;
}

int __wrap_sd_event_source_set_enabled(sd_event_source *s, int enabled);
int __wrap_sd_event_source_set_enabled(sd_event_source *s, int enabled) {
        s->enabled = enabled;
        return 0;
}

int __wrap_sd_event_source_set_priority(sd_event_source *s, int64_t priority);
int __wrap_sd_event_source_set_priority(sd_event_source *s, int64_t priority) {
        s->priority = priority;
        return 0;
}

sd_event_source *__wrap_sd_event_source_disable_unref(sd_event_source *s);
sd_event_source *__wrap_sd_event_source_disable_unref(sd_event_source *s) {
        if (!s)
                return NULL;
        list_remove(&s->link);
        s->dead = true;
        if (!s->running)
                free(s);
        return NULL;
}

static bool source_is_due(const sd_event_source *s) {
        return s->enabled != SD_EVENT_OFF && (s->on_defer || s->time_usec <= sim_now * USEC_PER_MSEC);
}

static bool source_is_before(const sd_event_source *a, const sd_event_source *b) {
        return a->priority != b->priority ? a->priority < b->priority : a->last_turn < b->last_turn;
}

static void source_run(sd_event *event, sd_event_source *s) {
        s->last_turn = ++event->turn;
        if (s->enabled == SD_EVENT_ONESHOT)
                s->enabled = SD_EVENT_OFF;
        s->running = true;
        if (s->on_defer)
                (void) s->on_defer(s, s->userdata);
        else
                (void) s->on_time(s, s->time_usec, s->userdata);
        s->running = false;
        if (s->dead)
                free(s);
}

/* ---- workers */

struct Worker {
        List link;
        List jobs;
        uint64_t due; /* when the first one is done */
};

int __wrap_worker_new(Worker **ret, sd_event *event, const char *name, int64_t priority);
int __wrap_worker_new(Worker **ret, sd_event *event, const char *name _unused_, int64_t priority _unused_) {
        Worker *worker = calloc(1, sizeof(*worker));

        assert(worker);
        list_init(&worker->jobs);
        list_append(&event->workers, &worker->link);
        *ret = worker;
        return 0;
}

Worker *__wrap_worker_free(Worker *worker);
Worker *__wrap_worker_free(Worker *worker) {
        if (!worker)
                return NULL;
        LIST_FOREACH (job, &worker->jobs, WorkerJob, link) {
                list_remove(&job->link);
                job->done(job, -ECANCELED);
        }
        list_remove(&worker->link);
        free(worker);
        return NULL;
}

static void worker_begin(Worker *worker) {
        bool slow = sim_slow_disk && sim_one_in(SLOW_ONE_IN);

        worker->due = sim_now + sim_below(slow ? SLOW_MSEC : FAST_MSEC);
}

int __wrap_worker_queue(Worker *worker, WorkerJob *job);
int __wrap_worker_queue(Worker *worker, WorkerJob *job) {
        if (list_is_empty(&worker->jobs))
                worker_begin(worker);
        list_append(&worker->jobs, &job->link);
        return 0;
}

static bool worker_step(sd_event *event) {
        LIST_FOREACH (worker, &event->workers, Worker, link) {
                WorkerJob *job = LIST_FIRST(&worker->jobs, WorkerJob, link);
                int r;

                if (!job || worker->due > sim_now)
                        continue;
                list_remove(&job->link);
                r = job->run(job);
                if (!list_is_empty(&worker->jobs))
                        worker_begin(worker);
                job->done(job, r);
                return true;
        }
        return false;
}

bool sim_loop_step(sd_event *event) {
        sd_event_source *next = NULL;

        if (worker_step(event))
                return true;
        LIST_FOREACH (s, &event->sources, sd_event_source, link)
                if (source_is_due(s) && (!next || source_is_before(s, next)))
                        next = s;
        if (!next)
                return false;
        source_run(event, next);
        return true;
}

static void worker_crash(Worker *worker) {
        LIST_FOREACH (job, &worker->jobs, WorkerJob, link) {
                if (sim_one_in(2))
                        return;
                if (sim_one_in(3))
                        disk_calls = (int) sim_below(CUT_CALLS);
                (void) job->run(job);
                if (disk_calls != DISK_UNLIMITED)
                        return;
        }
}

void sim_loop_crash(sd_event *event) {
        LIST_FOREACH (worker, &event->workers, Worker, link) {
                worker_crash(worker);
                disk_calls = DISK_UNLIMITED;
        }
}
