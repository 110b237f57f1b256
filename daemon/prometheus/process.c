#include "daemon/prometheus/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "daemon/base/time.h"
#include "daemon/prometheus/text.h"

#define PROCESS_FILE_MAX 4096

/* Of procfs, which is memory: it does not block. */
static const char *read_proc(const char *path, char text[static PROCESS_FILE_MAX]) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, PROCESS_FILE_MAX - 1);

        text[MAX(n, (ssize_t) 0)] = '\0';
        return text;
}

int prometheus_process_parse_memory(const char *text, uint64_t *ret_virtual_pages, uint64_t *ret_pages) {
        unsigned long size, resident;

        if (sscanf(text, "%lu %lu", &size, &resident) != 2)
                return 0;
        *ret_virtual_pages = size;
        *ret_pages = resident;
        return 1;
}

/* Field 22 of proc(5). The second one is the program's name in parentheses, which may hold anything. */
int prometheus_process_parse_start(const char *text, uint64_t *ret_ticks) {
        const char *rest = strrchr(text, ')');
        unsigned long long ticks;

        if (!rest ||
            sscanf(rest,
                   ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                   &ticks) != 1)
                return 0;
        *ret_ticks = ticks;
        return 1;
}

static uint64_t count_fds(void) {
        DIR *folder = opendir("/proc/self/fd");
        uint64_t n = 0;

        if (!folder)
                return 0;
        for (struct dirent *entry; (entry = readdir(folder));)
                n += entry->d_name[0] != '.';
        (void) closedir(folder);
        return n - 1; /* that of the folder itself */
}

static uint64_t usec_of(const struct timeval *time) {
        return (uint64_t) time->tv_sec * USEC_PER_SEC + (uint64_t) time->tv_usec;
}

static void read_start(PrometheusProcess *process) {
        long ticks_per_sec = sysconf(_SC_CLK_TCK);
        char text[PROCESS_FILE_MAX];
        struct timespec boot;
        uint64_t ticks;

        if (ticks_per_sec <= 0 || clock_gettime(CLOCK_BOOTTIME, &boot) < 0 ||
            !prometheus_process_parse_start(read_proc("/proc/self/stat", text), &ticks))
                return;
        process->start_usec = time_now() - (uint64_t) boot.tv_sec * USEC_PER_SEC -
                              (uint64_t) boot.tv_nsec / 1000 +
                              ticks * USEC_PER_SEC / (uint64_t) ticks_per_sec;
}

void prometheus_process_read(PrometheusProcess *ret) {
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE), size, resident;
        char text[PROCESS_FILE_MAX];
        struct rlimit limit;
        struct rusage usage;

        *ret = (PrometheusProcess){ .n_fds = count_fds() };
        if (getrusage(RUSAGE_SELF, &usage) >= 0)
                ret->cpu_usec = usec_of(&usage.ru_utime) + usec_of(&usage.ru_stime);
        if (getrlimit(RLIMIT_NOFILE, &limit) >= 0)
                ret->max_fds = limit.rlim_cur;
        if (prometheus_process_parse_memory(read_proc("/proc/self/statm", text), &size, &resident)) {
                ret->virtual_bytes = size * page;
                ret->resident_bytes = resident * page;
        }
        read_start(ret);
}

void prometheus_process_write(const PrometheusProcess *process, Str *to) {
        static const struct {
                const char *name, *help;
                PrometheusType type;
                size_t offset;
                bool is_time;
        } rows[] = {
                { "process_cpu_seconds_total",
                  "Total user and system CPU time spent in seconds.",
                  PROMETHEUS_COUNTER,
                  offsetof(PrometheusProcess, cpu_usec),
                  true },
                { "process_max_fds",
                  "Maximum number of open file descriptors.",
                  PROMETHEUS_GAUGE,
                  offsetof(PrometheusProcess, max_fds),
                  false },
                { "process_open_fds",
                  "Number of open file descriptors.",
                  PROMETHEUS_GAUGE,
                  offsetof(PrometheusProcess, n_fds),
                  false },
                { "process_resident_memory_bytes",
                  "Resident memory size in bytes.",
                  PROMETHEUS_GAUGE,
                  offsetof(PrometheusProcess, resident_bytes),
                  false },
                { "process_start_time_seconds",
                  "Start time of the process since unix epoch in seconds.",
                  PROMETHEUS_GAUGE,
                  offsetof(PrometheusProcess, start_usec),
                  true },
                { "process_virtual_memory_bytes",
                  "Virtual memory size in bytes.",
                  PROMETHEUS_GAUGE,
                  offsetof(PrometheusProcess, virtual_bytes),
                  false },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint64_t value = *(const uint64_t *) ((const char *) process + rows[i].offset);

                prometheus_text_family(to, rows[i].name, rows[i].type, rows[i].help);
                if (rows[i].is_time)
                        prometheus_text_seconds(to, rows[i].name, NULL, value);
                else
                        prometheus_text_uint(to, rows[i].name, NULL, value);
        }
}
