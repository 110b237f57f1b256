#include "daemon/pinsvc/results.h"

#include <string.h>

#include "daemon/pinsvc/request.h"

/* Above 0: A is newer than B. */
static int result_compare(const PinsvcResult *a, const PinsvcResult *b) {
        if (a->created != b->created)
                return a->created > b->created ? 1 : -1;
        if (a->id.random != b->id.random)
                return a->id.random > b->id.random ? 1 : -1;
        if (a->id.cid.size != b->id.cid.size)
                return a->id.cid.size > b->id.cid.size ? 1 : -1;
        return memcmp(a->id.cid.bytes, b->id.cid.bytes, a->id.cid.size);
}

int pinsvc_results_init(PinsvcResults *results, size_t max) {
        *results = (PinsvcResults){ .items = calloc(max, sizeof(PinsvcResult)), .max = max };
        return results->items ? 0 : -ENOMEM;
}

void pinsvc_results_done(PinsvcResults *results) {
        for (size_t i = 0; i < results->n; i++)
                free(results->items[i].details);
        free(results->items);
        *results = (PinsvcResults){};
}

/* ---- the heap: no element is newer than those below it */

static void heap_swap(PinsvcResult *a, PinsvcResult *b) {
        PinsvcResult c = *a;

        *a = *b;
        *b = c;
}

static void heap_up(PinsvcResult *items, size_t i) {
        while (i > 0) {
                size_t parent = (i - 1) / 2;

                if (result_compare(&items[parent], &items[i]) <= 0)
                        return;
                heap_swap(&items[parent], &items[i]);
                i = parent;
        }
}

static void heap_down(PinsvcResult *items, size_t n) {
        for (size_t i = 0;;) {
                size_t oldest = i;

                for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
                        if (result_compare(&items[child], &items[oldest]) < 0)
                                oldest = child;
                if (oldest == i)
                        return;
                heap_swap(&items[i], &items[oldest]);
                i = oldest;
        }
}

static void results_note_dropped(PinsvcResults *results, uint64_t created) {
        results->newest_dropped = MAX(results->newest_dropped, created);
}

static int result_set(PinsvcResult *to, const PinsvcResult *from, const char *details) {
        _cleanup_free_ char *copy = NULL;

        if (details) {
                copy = strndup(details, str_utf8_cut(details, PINSVC_DETAILS_MAX));
                if (!copy)
                        return -ENOMEM;
        }
        free(to->details);
        *to = *from;
        to->details = TAKE_PTR(copy);
        return 0;
}

int pinsvc_results_add(PinsvcResults *results, const PinsvcResult *result, const char *details) {
        PinsvcResult *items = results->items;
        uint64_t oldest = items[0].created;
        int r;

        results->count++;
        if (results->n < results->max) {
                r = result_set(&items[results->n], result, details);
                if (r >= 0)
                        heap_up(items, results->n++);
                return r;
        }
        if (result_compare(result, &items[0]) <= 0) {
                results_note_dropped(results, result->created);
                return 0;
        }
        r = result_set(&items[0], result, details);
        if (r < 0)
                return r;
        results_note_dropped(results, oldest);
        heap_down(items, results->n);
        return 0;
}

/* ---- the page */

static int result_compare_newest(const void *a, const void *b) {
        return result_compare(b, a);
}

/* How many are left without those of the last one's time. */
static size_t results_before_tie(const PinsvcResults *results) {
        size_t n = results->n;

        while (n > 0 && results->items[n - 1].created == results->newest_dropped)
                n--;
        return n;
}

void pinsvc_results_finish(PinsvcResults *results) {
        size_t n;

        qsort(results->items, results->n, sizeof(PinsvcResult), result_compare_newest);
        if (results->count == results->n)
                return;
        n = results_before_tie(results);
        while (n > 0 && results->n > n)
                free(results->items[--results->n].details);
}
