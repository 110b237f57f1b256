#pragma once

/* What this process uses of its host, under the names that Prometheus has for it. */

#include "daemon/base/str.h"

typedef struct PrometheusProcess {
        uint64_t cpu_usec;
        uint64_t start_usec; /* wall clock; 0: not known */
        uint64_t resident_bytes, virtual_bytes;
        uint64_t n_fds, max_fds;
} PrometheusProcess;

/* What cannot be read is 0. */
void prometheus_process_read(PrometheusProcess *ret);
void prometheus_process_write(const PrometheusProcess *process, Str *to);

/* The numbers of /proc/self/statm and of /proc/self/stat that are told; answers 0 when TEXT is not one. For
 * tests. */
int prometheus_process_parse_memory(const char *text, uint64_t *ret_virtual_pages, uint64_t *ret_pages);
int prometheus_process_parse_start(const char *text, uint64_t *ret_ticks);
