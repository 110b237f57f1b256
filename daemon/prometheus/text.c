#include "daemon/prometheus/text.h"

static const char *const type_names[_PROMETHEUS_TYPE_N] = {
        [PROMETHEUS_GAUGE] = "gauge",
        [PROMETHEUS_COUNTER] = "counter",
        [PROMETHEUS_HISTOGRAM] = "histogram",
};

void prometheus_text_family(Str *to, const char *name, PrometheusType type, const char *help) {
        (void) str_appendf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type_names[type]);
}

static void append_name(Str *to, const char *name, const char *suffix, const char *labels) {
        (void) str_append(to, name);
        (void) str_append(to, suffix);
        if (!str_is_empty(labels))
                (void) str_appendf(to, "{%s}", labels);
        (void) str_append_char(to, ' ');
}

static void append_uint(Str *to, uint64_t value) {
        (void) str_append_uint(to, value);
        (void) str_append_char(to, '\n');
}

/* Microseconds are written as they are counted: no rounding. */
static void append_seconds(Str *to, uint64_t usec) {
        (void) str_appendf(
                        to,
                        "%ju.%06ju\n",
                        (uintmax_t) (usec / USEC_PER_SEC),
                        (uintmax_t) (usec % USEC_PER_SEC));
}

void prometheus_text_uint(Str *to, const char *name, const char *labels, uint64_t value) {
        append_name(to, name, "", labels);
        append_uint(to, value);
}

void prometheus_text_int(Str *to, const char *name, const char *labels, int64_t value) {
        append_name(to, name, "", labels);
        (void) str_append_int(to, value);
        (void) str_append_char(to, '\n');
}

void prometheus_text_seconds(Str *to, const char *name, const char *labels, uint64_t usec) {
        append_name(to, name, "", labels);
        append_seconds(to, usec);
}

/* A bound as it is read best: "0.0025", "1". */
static void append_bound(Str *to, uint64_t usec) {
        (void) str_appendf(to, "%g", (double) usec / (double) USEC_PER_SEC);
}

static void append_bucket(Str *to, const char *name, const char *labels, size_t i, uint64_t n) {
        (void) str_appendf(
                        to,
                        "%s_bucket{%s%sle=\"",
                        name,
                        str_is_empty(labels) ? "" : labels,
                        str_is_empty(labels) ? "" : ",");
        if (i < HISTOGRAM_BOUNDS)
                append_bound(to, histogram_bounds_usec[i]);
        else
                (void) str_append(to, "+Inf");
        (void) str_append(to, "\"} ");
        append_uint(to, n);
}

void prometheus_text_histogram(Str *to, const char *name, const char *labels, const Histogram *histogram) {
        uint64_t n = 0;

        for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
                n += histogram->counts[i];
                append_bucket(to, name, labels, i, n);
        }
        append_name(to, name, "_sum", labels);
        append_seconds(to, histogram->sum_usec);
        append_name(to, name, "_count", labels);
        append_uint(to, n);
}

void prometheus_text_label(Str *labels, const char *name, const char *value) {
        (void) str_appendf(labels, "%s%s=\"", labels->len > 0 ? "," : "", name);
        while (*value) {
                size_t n = str_utf8_rune(value, 4);

                if (n == 0) { /* the format is UTF-8 */
                        (void) str_append(labels, "\xef\xbf\xbd");
                        value++;
                        continue;
                }
                if (*value == '\\' || *value == '"')
                        (void) str_append_char(labels, '\\');
                if (*value == '\n')
                        (void) str_append(labels, "\\n");
                else
                        (void) str_append_bytes(labels, value, n);
                value += n;
        }
        (void) str_append_char(labels, '"');
}
