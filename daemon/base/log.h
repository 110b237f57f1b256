#pragma once

/*
 * Logging. To standard error as lines "<level> <component>: <message>" (with the time when that is a
 * terminal), or to the journal with fields when standard error is connected to it (JOURNAL_STREAM).
 *
 * COMPONENT is the folder of the caller, taken from __FILE__; levels are the seven of syslog(3), and can be
 * set for everything or for one component at run time.
 *
 * A function either logs or returns an error, never both. Values from outside stand in single quotes.
 * Secrets and request bodies are never logged. Fields go as a list of "NAME=value" strings, for the journal
 * only.
 */

#include <stdbool.h>
#include <syslog.h>

#include "daemon/base/macro.h"

int log_internal(
                int level,
                int error,
                const char *file,
                int line,
                const char *function,
                const char *format,
                ...) _printf_(6, 7);
bool log_enabled(int level, const char *file);

#define log_full_errno(level, error, ...)                                                                   \
        ({                                                                                                  \
                int _level = (level), _error = (error);                                                     \
                log_enabled(_level, __FILE__)                                                               \
                                ? log_internal(_level, _error, __FILE__, __LINE__, __func__, __VA_ARGS__)   \
                                : -abs(_error);                                                             \
        })

/* Each log_x_errno() answers -|ERROR|, so that "return log_error_errno(r, "Failed to …: %m");" works; %m is
 * ERROR's text. */
#define log_error_errno(error, ...) log_full_errno(LOG_ERR, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_full_errno(LOG_WARNING, error, __VA_ARGS__)
#define log_info_errno(error, ...) log_full_errno(LOG_INFO, error, __VA_ARGS__)
#define log_debug_errno(error, ...) log_full_errno(LOG_DEBUG, error, __VA_ARGS__)

#define log_error(...) ((void) log_full_errno(LOG_ERR, 0, __VA_ARGS__))
#define log_warning(...) ((void) log_full_errno(LOG_WARNING, 0, __VA_ARGS__))
#define log_notice(...) ((void) log_full_errno(LOG_NOTICE, 0, __VA_ARGS__))
#define log_info(...) ((void) log_full_errno(LOG_INFO, 0, __VA_ARGS__))
#define log_debug(...) ((void) log_full_errno(LOG_DEBUG, 0, __VA_ARGS__))

/* One message with journal fields: log_struct(LOG_INFO, LOG_FIELDS(cid_field, "CLUSTER_OP=7"), "…"). */
#define LOG_FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
void log_struct_internal(
                int level,
                const char *const *fields,
                const char *file,
                int line,
                const char *function,
                const char *format,
                ...) _printf_(6, 7);
#define log_struct(level, fields, ...)                                                                      \
        (log_enabled(level, __FILE__)                                                                       \
                         ? log_struct_internal(level, fields, __FILE__, __LINE__, __func__, __VA_ARGS__)    \
                         : (void) 0)

/* The text of a field for LOG_FIELDS: "NAME=value", cut where it is too long. Answers FIELD. */
#define LOG_FIELD_MAX 1024
const char *log_field(char field[static LOG_FIELD_MAX], const char *name, const char *value);

/* Whether messages go to the journal. */
bool log_is_to_journal(void);

/* "debug", "info", "notice", "warning" ("warn"), "error" ("err"), "crit", …; the Go program's "dpanic",
 * "panic", "fatal" are crit. Errors: -EINVAL. */
int log_level_from_string(const char *text);

/* TEXT is a comma list of LEVEL (for everything, forgetting what was set before; "*:LEVEL" too) or
 * COMPONENT:LEVEL. Nothing is changed on error. Errors: -EINVAL, -ENOMEM. */
int log_set_levels(const char *text);
int log_check_levels(const char *text); /* the same errors, and nothing is changed */
/* What is set, in a form that log_set_levels() takes; the names are those of syslog ("err", not "error").
 * *RET is owned. Errors: -ENOMEM. */
int log_get_levels(char **ret);
