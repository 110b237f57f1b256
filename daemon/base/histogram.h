#pragma once

/* Histogram: how long something took, counted in buckets, as Prometheus has it. Zero-initialise it. */

#include <stddef.h>
#include <stdint.h>

#include "daemon/base/macro.h"

#define HISTOGRAM_BOUNDS 17

/* A duration is counted by the first bound that it does not exceed. */
static const uint64_t histogram_bounds_usec[HISTOGRAM_BOUNDS] = {
        100,
        250,
        500,
        1000,
        2500,
        5000,
        10000,
        25000,
        50000,
        100000,
        250000,
        500000,
        1 * USEC_PER_SEC,
        5 * USEC_PER_SEC,
        30 * USEC_PER_SEC,
        120 * USEC_PER_SEC,
        600 * USEC_PER_SEC,
};

typedef struct Histogram {
        uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* the last one: beyond all bounds */
        uint64_t sum_usec;
} Histogram;

static inline void histogram_add(Histogram *histogram, uint64_t usec) {
        size_t i = 0;

        while (i < HISTOGRAM_BOUNDS && usec > histogram_bounds_usec[i])
                i++;
        histogram->counts[i]++;
        histogram->sum_usec += usec;
}

static inline uint64_t histogram_count(const Histogram *histogram) {
        uint64_t n = 0;

        for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
                n += histogram->counts[i];
        return n;
}
