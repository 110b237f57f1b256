#pragma once

/* The text format that Prometheus reads, version 0.0.4: families of samples, one a line. A family is written
 * in one go, its samples right behind its head. */

#include "daemon/base/histogram.h"
#include "daemon/base/str.h"

#define PROMETHEUS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

typedef enum PrometheusType {
        PROMETHEUS_GAUGE,
        PROMETHEUS_COUNTER,
        PROMETHEUS_HISTOGRAM,
        _PROMETHEUS_TYPE_N,
} PrometheusType;

/* Names and HELP are ours: no line breaks in them. Str remembers what failed. */
void prometheus_text_family(Str *to, const char *name, PrometheusType type, const char *help);

/* LABELS as prometheus_text_label() has made them, or NULL. */
void prometheus_text_uint(Str *to, const char *name, const char *labels, uint64_t value);
void prometheus_text_int(Str *to, const char *name, const char *labels, int64_t value);
void prometheus_text_seconds(Str *to, const char *name, const char *labels, uint64_t usec);
void prometheus_text_histogram(Str *to, const char *name, const char *labels, const Histogram *histogram);

/* Append NAME="VALUE", with a comma where one is needed; VALUE may have any bytes. */
void prometheus_text_label(Str *labels, const char *name, const char *value);
