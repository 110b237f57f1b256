#include "daemon/consensus/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/consensus/segment.h"

typedef struct LogNumbers {
        uint64_t *items;
        size_t n, allocated;
} LogNumbers;

struct ConsensusLog {
        int dir_fd;
        char *folder;
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        size_t segment_size;
        List segments; /* as the disk has them, or will when the plan under way has run */
        uint64_t last;
        uint64_t placed;  /* the last entry that has a place in a segment */
        uint64_t written; /* the last one that is durable */
        uint64_t hold;    /* not to be written from here on */
        bool rewrite;     /* the last segment was cut: the next plan makes it anew */
        ConsensusEntry *tail;
        size_t tail_start, tail_n, tail_allocated; /* the entries up to LAST that are in memory */
        ConsensusTermRun *runs;
        size_t n_runs, runs_allocated;
        LogNumbers changes;
        LogNumbers cut, obsolete; /* for the next plan */
        ConsensusLogPlan *plan;   /* the one under way; its owner's */
};

/* ---- small parts */

static int numbers_append(LogNumbers *numbers, uint64_t value) {
        if (numbers->n == numbers->allocated) {
                size_t allocated = MAX(numbers->allocated * 2, (size_t) 8);
                uint64_t *items = realloc(numbers->items, allocated * sizeof(*items));

                if (!items)
                        return -ENOMEM;
                numbers->items = items;
                numbers->allocated = allocated;
        }
        numbers->items[numbers->n++] = value;
        return 0;
}

static void numbers_drop_front(LogNumbers *numbers, size_t n) {
        numbers->n -= n;
        if (numbers->n > 0) /* an empty one may have no array at all */
                memmove(numbers->items, numbers->items + n, numbers->n * sizeof(*numbers->items));
}

static ConsensusSegment *last_segment(const ConsensusLog *log) {
        return list_is_empty(&log->segments) ? NULL
                                             : CONTAINER_OF(log->segments.previous, ConsensusSegment, link);
}

static ConsensusSegment *find_segment(const ConsensusLog *log, uint64_t index) {
        LIST_FOREACH (segment, &log->segments, ConsensusSegment, link) {
                if (segment->n > 0 && index >= segment->first && index <= consensus_segment_last(segment))
                        return segment;
        }
        return NULL;
}

static void segment_drop(ConsensusSegment *segment) {
        list_remove(&segment->link);
        consensus_segment_free(segment);
}

static int note_entry(ConsensusLog *log, uint64_t index, uint64_t term, ConsensusEntryType type) {
        int r;

        if (log->n_runs == 0 || log->runs[log->n_runs - 1].term != term) {
                if (log->n_runs == log->runs_allocated) {
                        size_t allocated = MAX(log->runs_allocated * 2, (size_t) 8);
                        ConsensusTermRun *runs = realloc(log->runs, allocated * sizeof(*runs));

                        if (!runs)
                                return -ENOMEM;
                        log->runs = runs;
                        log->runs_allocated = allocated;
                }
                log->runs[log->n_runs++] = (ConsensusTermRun){ .first = index, .term = term };
        }

        if (type == CONSENSUS_ENTRY_CHANGE) {
                r = numbers_append(&log->changes, index);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void forget_notes_from(ConsensusLog *log, uint64_t from) {
        while (log->n_runs > 0 && log->runs[log->n_runs - 1].first >= from)
                log->n_runs--;
        while (log->changes.n > 0 && log->changes.items[log->changes.n - 1] >= from)
                log->changes.n--;
}

static void forget_notes_below(ConsensusLog *log, uint64_t first) {
        size_t n = 0;

        while (n + 1 < log->n_runs && log->runs[n + 1].first <= first)
                n++;
        log->n_runs -= n;
        memmove(log->runs, log->runs + n, log->n_runs * sizeof(*log->runs));
        if (log->n_runs > 0)
                log->runs[0].first = MAX(log->runs[0].first, first);

        for (n = 0; n < log->changes.n && log->changes.items[n] < first; n++)
                ;
        numbers_drop_front(&log->changes, n);
}

/* ---- open */

static int take_record(const ConsensusRecord *record, void *userdata) {
        ConsensusLog *log = userdata;
        int r;

        r = note_entry(log, record->index, record->term, record->type);
        if (r < 0)
                return r;
        log->last = record->index;
        return 0;
}

static int compare_numbers(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static int list_segments(int dir_fd, LogNumbers *ret) {
        struct dirent *entry;
        uint64_t first;
        DIR *dir;
        int fd, r = 0;

        fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                r = -errno;
                close(fd);
                return r;
        }

        while (r == 0 && (errno = 0, entry = readdir(dir)))
                if (consensus_segment_parse_name(entry->d_name, &first) > 0)
                        r = numbers_append(ret, first);
        if (r == 0)
                r = -errno;
        closedir(dir);
        if (r == 0 && ret->n > 0)
                qsort(ret->items, ret->n, sizeof(*ret->items), compare_numbers);
        return r;
}

int consensus_log_exists(int dir_fd) {
        LogNumbers firsts = {};
        int r;

        r = list_segments(dir_fd, &firsts);
        free(firsts.items);
        return r < 0 ? r : firsts.n > 0;
}

static int refuse_gap(const ConsensusLog *log, const ConsensusSegment *segment, Error *reterr) {
        char name[CONSENSUS_SEGMENT_NAME_MAX];

        return error_set(
                        reterr,
                        ERROR_IO,
                        "%s/%s: offset 0: the entries before this file are those up to %" PRIu64
                        ", entry %" PRIu64 " is missing. " CONSENSUS_ADVICE,
                        log->folder,
                        consensus_segment_name(segment->first, name),
                        log->last,
                        log->last + 1);
}

/* The rest of a write that was cut off goes, with what was allocated for it: the file is made anew. */
static int cut_torn(ConsensusLog *log, ConsensusSegment *segment, Error *reterr) {
        char name[CONSENSUS_SEGMENT_NAME_MAX], file[LOG_FIELD_MAX];
        int fd;

        consensus_segment_name(segment->first, name);
        log_struct(LOG_WARNING,
                   LOG_FIELDS(MESSAGE_ID_LOG_CUT, log_field(file, "CLUSTER_FILE", name)),
                   "%s/%s: offset %" PRIu32 ": the last write was cut off; entries from %" PRIu64
                   " on were never acknowledged and are removed",
                   log->folder,
                   name,
                   segment->end,
                   segment->first + segment->n);

        fd = consensus_segment_create(
                        log->dir_fd,
                        segment,
                        log->cluster_id,
                        segment->fd,
                        segment->end - CONSENSUS_SEGMENT_HEADER);
        if (fd < 0)
                return error_set_errno(reterr, fd, "%s/%s: cannot cut: %m", log->folder, name);

        closep(&segment->fd);
        segment->fd = fd;
        return 0;
}

static int open_segment(ConsensusLog *log, ConsensusSegmentScan *scan, uint64_t first, Error *reterr) {
        bool is_first = list_is_empty(&log->segments);
        ConsensusSegment *segment;
        int r;

        r = consensus_segment_new(&segment, first, 0, CONSENSUS_SEGMENT_HEADER);
        if (r < 0)
                return error_set_errno(reterr, r, "out of memory");
        list_append(&log->segments, &segment->link);

        if (is_first)
                log->last = first - 1;
        else if (first != log->last + 1)
                return refuse_gap(log, segment, reterr);

        r = consensus_segment_scan(segment, scan, reterr);
        if (r < 0)
                return r;
        return scan->torn ? cut_torn(log, segment, reterr) : 0;
}

/* What was read may be in the page cache only: the last process may have been killed between a write and its
 * sync. From here on it counts as durable. */
static int sync_opened(const ConsensusLog *log, Error *reterr) {
        const ConsensusSegment *segment = last_segment(log);
        char name[CONSENSUS_SEGMENT_NAME_MAX];
        int r;

        if (!segment)
                return 0;

        r = fdatasync(segment->fd) < 0 ? -errno : file_sync_dir(log->dir_fd);
        if (r < 0)
                return error_set_errno(
                                reterr,
                                r,
                                "%s/%s: cannot sync: %m",
                                log->folder,
                                consensus_segment_name(segment->first, name));
        return 0;
}

static int open_segments(ConsensusLog *log, Error *reterr) {
        LogNumbers firsts = {};
        ConsensusSegmentScan scan = {
                .dir_fd = log->dir_fd,
                .folder = log->folder,
                .cluster_id = log->cluster_id,
                .take = take_record,
                .userdata = log,
        };
        int r;

        r = list_segments(log->dir_fd, &firsts);
        if (r < 0)
                (void) error_set_errno(reterr, r, "%s: cannot list: %m", log->folder);
        for (size_t i = 0; r == 0 && i < firsts.n; i++) {
                scan.is_last = i + 1 == firsts.n;
                r = open_segment(log, &scan, firsts.items[i], reterr);
        }
        free(firsts.items);

        log->placed = log->written = log->last;
        return r < 0 ? r : sync_opened(log, reterr);
}

int consensus_log_open(ConsensusLog **ret, const ConsensusLogOptions *options, Error *reterr) {
        _cleanup_(consensus_log_freep) ConsensusLog *log = NULL;
        int r;

        assert(options->segment_size >= CONSENSUS_SEGMENT_SIZE_MIN);
        assert(options->segment_size <= CONSENSUS_SEGMENT_SIZE_MAX && options->segment_size % 8 == 0);

        log = calloc(1, sizeof(*log));
        if (!log)
                return error_set_errno(reterr, -ENOMEM, "out of memory");

        *log = (ConsensusLog){
                .dir_fd = options->dir_fd,
                .folder = strdup(options->folder),
                .segment_size = options->segment_size,
                .hold = UINT64_MAX,
        };
        list_init(&log->segments);
        memcpy(log->cluster_id, options->cluster_id, STATE_CLUSTER_ID_SIZE);
        if (!log->folder)
                return error_set_errno(reterr, -ENOMEM, "out of memory");

        r = open_segments(log, reterr);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(log);
        return 0;
}

static void tail_clear(ConsensusLog *log) {
        for (size_t i = 0; i < log->tail_n; i++)
                consensus_payload_unref(log->tail[log->tail_start + i].payload);
        log->tail_n = log->tail_start = 0;
}

ConsensusLog *consensus_log_free(ConsensusLog *log) {
        if (!log)
                return NULL;

        tail_clear(log);
        LIST_FOREACH (segment, &log->segments, ConsensusSegment, link)
                segment_drop(segment);
        free(log->folder);
        free(log->tail);
        free(log->runs);
        free(log->changes.items);
        free(log->cut.items);
        free(log->obsolete.items);
        free(log);
        return NULL;
}

int consensus_log_reset(ConsensusLog *log, uint64_t index, uint64_t term, Error *reterr) {
        ConsensusSegment *segment;
        char name[CONSENSUS_SEGMENT_NAME_MAX];
        int r = 0;

        assert(!log->plan);

        tail_clear(log);
        while (r == 0 && (segment = last_segment(log))) {
                r = unlinkat(log->dir_fd, consensus_segment_name(segment->first, name), 0) < 0 ? -errno : 0;
                if (r == 0)
                        r = file_sync_dir(log->dir_fd);
                segment_drop(segment);
        }
        if (r == 0)
                r = consensus_segment_new(&segment, index + 1, term, log->segment_size);
        if (r == 0) {
                list_append(&log->segments, &segment->link);
                consensus_segment_name(segment->first, name);
                segment->fd = consensus_segment_create(log->dir_fd, segment, log->cluster_id, -1, 0);
                r = MIN(segment->fd, 0);
        }
        if (r < 0)
                return error_set_errno(reterr, r, "%s/%s: cannot begin a new log: %m", log->folder, name);

        log->n_runs = log->changes.n = log->cut.n = log->obsolete.n = 0;
        log->last = log->placed = log->written = index;
        return 0;
}

/* ---- questions */

uint64_t consensus_log_first(const ConsensusLog *log) {
        ConsensusSegment *segment = LIST_FIRST(&log->segments, ConsensusSegment, link);

        return segment ? segment->first : 1;
}

uint64_t consensus_log_last(const ConsensusLog *log) {
        return log->last;
}

uint64_t consensus_log_written(const ConsensusLog *log) {
        return log->written;
}

uint64_t consensus_log_term(const ConsensusLog *log, uint64_t index) {
        ConsensusSegment *segment = LIST_FIRST(&log->segments, ConsensusSegment, link);

        if (segment && index == segment->first - 1)
                return segment->previous_term;
        if (index > log->last)
                return 0;
        for (size_t i = log->n_runs; i > 0; i--)
                if (log->runs[i - 1].first <= index)
                        return log->runs[i - 1].term;
        return 0;
}

const ConsensusTermRun *consensus_log_runs(const ConsensusLog *log, size_t *ret_n) {
        *ret_n = log->n_runs;
        return log->runs;
}

const uint64_t *consensus_log_changes(const ConsensusLog *log, size_t *ret_n) {
        *ret_n = log->changes.n;
        return log->changes.items;
}

bool consensus_log_is_change(const ConsensusLog *log, uint64_t index) {
        for (size_t i = log->changes.n; i > 0 && log->changes.items[i - 1] >= index; i--)
                if (log->changes.items[i - 1] == index)
                        return true;
        return false;
}

uint64_t consensus_log_bytes_after(const ConsensusLog *log, uint64_t index) {
        uint64_t bytes = 0;

        LIST_FOREACH (segment, &log->segments, ConsensusSegment, link) {
                if (segment->n == 0 || consensus_segment_last(segment) <= index)
                        continue;
                if (segment->first > index)
                        bytes += segment->end - CONSENSUS_SEGMENT_HEADER;
                else
                        bytes += segment->end - segment->offsets[index + 1 - segment->first];
        }
        return bytes;
}

uint64_t consensus_log_index_by_bytes(const ConsensusLog *log, uint64_t bytes) {
        uint64_t first = log->last + 1;

        for (List *i = log->segments.previous; i != &log->segments; i = i->previous) {
                ConsensusSegment *segment = CONTAINER_OF(i, ConsensusSegment, link);

                if (segment->end > bytes)
                        break;
                bytes -= segment->end;
                first = segment->first;
        }
        return first;
}

/* ---- changes */

static int tail_reserve(ConsensusLog *log) {
        size_t allocated = MAX(log->tail_allocated * 2, (size_t) 64);
        ConsensusEntry *tail;

        if (log->tail_start + log->tail_n < log->tail_allocated)
                return 0;
        if (log->tail_start >= log->tail_n && log->tail_start > 0) { /* moving is cheaper than growing */
                memcpy(log->tail, log->tail + log->tail_start, log->tail_n * sizeof(*log->tail));
                log->tail_start = 0;
                return 0;
        }

        tail = realloc(log->tail, allocated * sizeof(*tail));
        if (!tail)
                return -ENOMEM;
        log->tail = tail;
        log->tail_allocated = allocated;
        return 0;
}

int consensus_log_append(ConsensusLog *log, const ConsensusEntry *entry) {
        int r;

        assert(entry->index == log->last + 1);
        if (entry->payload->size > CONSENSUS_ENTRY_SIZE_MAX ||
            consensus_record_size(entry->payload->size) > log->segment_size - CONSENSUS_SEGMENT_HEADER)
                return -EMSGSIZE;

        r = tail_reserve(log);
        if (r < 0)
                return r;
        r = note_entry(log, entry->index, entry->term, entry->type);
        if (r < 0)
                return r;

        log->tail[log->tail_start + log->tail_n++] = *entry;
        consensus_payload_ref(entry->payload);
        log->last = entry->index;
        return 0;
}

/* The plan under way still writes to the file: it keeps it open. */
static void plan_forget(ConsensusLogPlan *plan, ConsensusSegment *segment) {
        for (size_t i = 0; plan && i < plan->n_parts; i++)
                if (plan->parts[i].segment == segment) {
                        plan->parts[i].segment = NULL;
                        plan->parts[i].dropped_fd = TAKE_FD(segment->fd);
                }
}

/* Segments that begin at FROM or later go from the last one on, so that a crash leaves a log without gap.
 * The first segment stays, empty, since it says where the log begins. */
static int cut_segments(ConsensusLog *log, uint64_t from) {
        ConsensusSegment *segment;
        int r;

        while ((segment = last_segment(log)) && segment->first >= from &&
               segment->link.previous != &log->segments) {
                r = numbers_append(&log->cut, segment->first);
                if (r < 0)
                        return r;
                plan_forget(log->plan, segment);
                segment_drop(segment);
        }
        consensus_segment_cut(segment, from);
        log->rewrite = true;
        return 0;
}

int consensus_log_truncate(ConsensusLog *log, uint64_t from) {
        int r;

        assert(from >= consensus_log_first(log));

        while (log->tail_n > 0 && log->last >= from) {
                consensus_payload_unref(log->tail[log->tail_start + --log->tail_n].payload);
                log->last--;
        }
        log->last = MIN(log->last, from - 1);
        forget_notes_from(log, from);

        if (from > log->placed)
                return 0;
        if (log->plan) /* H4: the write under way makes no more durable than the log still has */
                log->plan->last = MIN(log->plan->last, from - 1);
        r = cut_segments(log, from);
        log->placed = from - 1;
        log->written = MIN(log->written, from - 1);
        return r;
}

void consensus_log_release(ConsensusLog *log, uint64_t index) {
        uint64_t up_to = MIN(index, log->written);

        while (log->tail_n > 0 && log->tail[log->tail_start].index <= up_to) {
                consensus_payload_unref(log->tail[log->tail_start++].payload);
                log->tail_n--;
        }
        if (log->tail_n == 0)
                log->tail_start = 0;
}

int consensus_log_compact(ConsensusLog *log, uint64_t from) {
        int r;

        for (;;) {
                ConsensusSegment *segment = LIST_FIRST(&log->segments, ConsensusSegment, link);
                uint64_t next;

                if (!segment || segment->link.next == &log->segments)
                        break; /* the last one stays */
                next = CONTAINER_OF(segment->link.next, ConsensusSegment, link)->first;
                if (next > from || next > log->written + 1)
                        break;

                r = numbers_append(&log->obsolete, segment->first);
                if (r < 0)
                        return r;
                segment_drop(segment);
        }
        forget_notes_below(log, consensus_log_first(log));
        return 0;
}

int consensus_log_get(const ConsensusLog *log, uint64_t index, ConsensusEntry *ret) {
        uint64_t tail_first = log->last - log->tail_n + 1;
        const ConsensusSegment *segment;

        assert(index >= consensus_log_first(log) && index <= log->last);

        if (index >= tail_first) {
                *ret = log->tail[log->tail_start + (index - tail_first)];
                consensus_payload_ref(ret->payload);
                return 0;
        }

        segment = find_segment(log, index);
        assert(segment && segment->fd >= 0);
        return consensus_segment_read(segment, index, ret);
}

/* ---- plans */

static void plan_part(ConsensusLogPlan *plan, ConsensusSegment *segment, bool rewrite) {
        plan->parts[plan->n_parts++] = (ConsensusLogPart){
                .segment = segment,
                .first = segment->first,
                .previous_term = segment->previous_term,
                .size = segment->size,
                .fd = rewrite ? -1 : segment->fd,
                .create = rewrite || segment->fd < 0,
                .from_fd = rewrite ? segment->fd : -1,
                .dropped_fd = -1,
                .keep = rewrite ? segment->end - CONSENSUS_SEGMENT_HEADER : 0,
                .offset = segment->end,
                .from = plan->n_entries,
        };
}

static int plan_reserve(ConsensusLogPlan *plan, size_t n_entries, size_t n_parts) {
        plan->entries = calloc(MAX(n_entries, (size_t) 1), sizeof(*plan->entries));
        plan->parts = calloc(n_parts, sizeof(*plan->parts));
        return plan->entries && plan->parts ? 0 : -ENOMEM;
}

/* Find a place for ENTRY: in the last segment, or in a new one when that is full. */
static int plan_entry(ConsensusLog *log, ConsensusLogPlan *plan, const ConsensusEntry *entry) {
        ConsensusSegment *segment = last_segment(log);
        int r = 0;

        if (segment) {
                if (plan->n_parts == 0)
                        plan_part(plan, segment, log->rewrite);
                r = consensus_segment_push(segment, entry->payload->size);
                if (r < 0)
                        return r;
        }
        if (r == 0) {
                r = consensus_segment_new(
                                &segment,
                                entry->index,
                                consensus_log_term(log, entry->index - 1),
                                log->segment_size);
                if (r < 0)
                        return r;
                list_append(&log->segments, &segment->link);
                plan_part(plan, segment, false);
                r = consensus_segment_push(segment, entry->payload->size);
                if (r < 0)
                        return r;
        }

        plan->entries[plan->n_entries++] = *entry;
        consensus_payload_ref(entry->payload);
        plan->parts[plan->n_parts - 1].n++;
        log->placed = entry->index;
        return 0;
}

void consensus_log_hold(ConsensusLog *log, uint64_t from) {
        assert(from > log->placed);
        log->hold = from;
}

/* How far the next plan goes. */
static uint64_t plan_last(const ConsensusLog *log) {
        return log->hold > log->last ? log->last : MAX(log->hold - 1, log->placed);
}

static int plan_entries(ConsensusLog *log, ConsensusLogPlan *plan) {
        uint64_t last = plan_last(log);
        size_t n = last - log->placed;
        const ConsensusEntry *entries = log->tail + log->tail_start + log->tail_n -
                                        (log->last - log->placed);
        int r;

        assert(n <= log->tail_n);

        r = plan_reserve(plan, n, n + 1);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = plan_entry(log, plan, &entries[i]);
        if (r < 0)
                return r;

        if (log->rewrite && plan->n_parts == 0)
                plan_part(plan, last_segment(log), true);
        log->rewrite = false;
        plan->last = last;
        return 0;
}

static void plan_take(LogNumbers *numbers, uint64_t **items, size_t *n) {
        *items = numbers->items;
        *n = numbers->n;
        *numbers = (LogNumbers){};
}

int consensus_log_plan(ConsensusLog *log, ConsensusLogPlan **ret) {
        _cleanup_(consensus_log_plan_freep) ConsensusLogPlan *plan = NULL;
        int r;

        assert(!log->plan);

        if (log->placed == plan_last(log) && !log->rewrite && log->cut.n == 0 && log->obsolete.n == 0)
                return 0;

        plan = calloc(1, sizeof(*plan));
        if (!plan)
                return -ENOMEM;
        *plan = (ConsensusLogPlan){
                .dir_fd = log->dir_fd,
                .folder = log->folder,
                .cluster_id = log->cluster_id,
        };

        r = plan_entries(log, plan);
        if (r < 0)
                return r;
        plan_take(&log->cut, &plan->cut, &plan->n_cut);
        plan_take(&log->obsolete, &plan->obsolete, &plan->n_obsolete);

        log->plan = *ret = TAKE_PTR(plan);
        return 1;
}

uint64_t consensus_log_finish(ConsensusLog *log, ConsensusLogPlan *plan) {
        assert(log->plan == plan);

        for (size_t i = 0; i < plan->n_parts; i++) {
                ConsensusLogPart *part = &plan->parts[i];

                if (!part->create || !part->segment)
                        continue;
                closep(&part->segment->fd);
                part->segment->fd = TAKE_FD(part->fd);
        }

        log->written = MAX(log->written, MIN(plan->last, log->placed));
        log->plan = NULL;
        consensus_log_plan_free(plan);
        return log->written;
}
