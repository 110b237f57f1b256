#include "daemon/base/log.h"

#define SD_JOURNAL_SUPPRESS_LOCATION /* we hand on that of our callers */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "daemon/base/str.h"

#define LOG_MESSAGE_MAX 4096
#define LOG_FIELDS_MAX 16
#define LOG_COMPONENTS_MAX 32
#define LOG_COMPONENT_NAME_MAX 31

typedef struct LogComponent {
        char name[LOG_COMPONENT_NAME_MAX + 1];
        int level;
} LogComponent;

typedef struct LogLevels {
        int level;
        size_t n_components;
        LogComponent components[LOG_COMPONENTS_MAX];
} LogLevels;

typedef struct LogMessage {
        int level;
        int error;
        const char *file;
        int line;
        const char *function;
        const char *const *fields;
        char text[LOG_MESSAGE_MAX];
} LogMessage;

static LogLevels log_levels = { .level = LOG_INFO };

/* ---- levels */

static const struct {
        const char *name;
        int level;
} level_names[] = {
        { "emerg", LOG_EMERG }, { "alert", LOG_ALERT },     { "crit", LOG_CRIT },
        { "error", LOG_ERR },   { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
        { "info", LOG_INFO },   { "debug", LOG_DEBUG },     { "critical", LOG_CRIT },
        { "err", LOG_ERR },     { "warn", LOG_WARNING },    { "dpanic", LOG_CRIT },
        { "panic", LOG_CRIT },  { "fatal", LOG_CRIT },
};

int log_level_from_string(const char *text) {
        for (size_t i = 0; i < ELEMENTSOF(level_names); i++)
                if (!strcasecmp(level_names[i].name, text))
                        return level_names[i].level;

        return -EINVAL;
}

static const char *level_to_string(int level) {
        return level >= LOG_EMERG && level <= LOG_DEBUG ? level_names[level].name : "?";
}

/* The name of the folder FILE lies in, not terminated; "" when it is in none. */
static const char *component_of(const char *file, size_t *ret_n) {
        const char *end, *start;

        *ret_n = 0;
        end = strrchr(file, '/');
        if (!end)
                return "";

        for (start = end; start > file && start[-1] != '/'; start--)
                ;
        *ret_n = (size_t) (end - start);
        return start;
}

static LogComponent *levels_find(LogLevels *levels, const char *name, size_t n) {
        for (size_t i = 0; i < levels->n_components; i++)
                if (str_equal_n(levels->components[i].name, name, n))
                        return &levels->components[i];

        return NULL;
}

bool log_enabled(int level, const char *file) {
        const LogComponent *component = NULL;

        if (log_levels.n_components > 0) {
                size_t n;
                const char *name = component_of(file, &n);

                component = levels_find(&log_levels, name, n);
        }

        return level <= (component ? component->level : log_levels.level);
}

static int levels_set_component(LogLevels *levels, const char *name, size_t n, int level) {
        LogComponent *component;

        if (n == 0 || n > LOG_COMPONENT_NAME_MAX)
                return -EINVAL;

        component = levels_find(levels, name, n);
        if (!component) {
                if (levels->n_components == LOG_COMPONENTS_MAX)
                        return -EINVAL;
                component = &levels->components[levels->n_components++];
                *component = (LogComponent){};
                memcpy(component->name, name, n);
        }

        component->level = level;
        return 0;
}

static int levels_apply(LogLevels *levels, const char *item) {
        const char *colon = strchr(item, ':');
        int level;

        level = log_level_from_string(colon ? colon + 1 : item);
        if (level < 0)
                return level;
        if (colon && strncmp(item, "*:", 2) != 0)
                return levels_set_component(levels, item, (size_t) (colon - item), level);

        *levels = (LogLevels){ .level = level };
        return 0;
}

static int levels_parse(const char *text, LogLevels *levels) {
        _cleanup_(str_list_done) StrList items = {};
        int r;

        r = str_list_split(&items, text, ',');
        for (size_t i = 0; r >= 0 && i < items.n; i++)
                r = levels_apply(levels, items.items[i]);
        return r;
}

int log_set_levels(const char *text) {
        LogLevels levels = log_levels;
        int r;

        r = levels_parse(text, &levels);
        if (r < 0)
                return r;
        log_levels = levels;
        return 0;
}

int log_check_levels(const char *text) {
        LogLevels levels = log_levels;
        int r;

        r = levels_parse(text, &levels);
        return MIN(r, 0);
}

static const char *level_to_syslog(int level) {
        return level == LOG_ERR ? "err" : level_to_string(level);
}

int log_get_levels(char **ret) {
        Str text = {};
        char *taken;

        (void) str_append(&text, level_to_syslog(log_levels.level));
        for (size_t i = 0; i < log_levels.n_components; i++)
                (void) str_appendf(
                                &text,
                                ",%s:%s",
                                log_levels.components[i].name,
                                level_to_syslog(log_levels.components[i].level));
        taken = str_take(&text);
        if (!taken)
                return -ENOMEM;
        *ret = taken;
        return 0;
}

/* ---- writing */

bool log_is_to_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == device && st.st_ino == inode;
}

static int message_write_line(const LogMessage *message) {
        char line[LOG_MESSAGE_MAX + 128], stamp[32] = "";
        const char *component;
        size_t n_component;
        int n;

        if (isatty(STDERR_FILENO)) {
                time_t now = time(NULL);
                struct tm tm;

                if (localtime_r(&now, &tm))
                        (void) strftime(stamp, sizeof(stamp), "%F %T ", &tm);
        }

        component = component_of(message->file, &n_component);
        n = snprintf(line,
                     sizeof(line),
                     "%s%s %.*s: %s\n",
                     stamp,
                     level_to_string(message->level),
                     (int) MIN(n_component, (size_t) LOG_COMPONENT_NAME_MAX),
                     component,
                     message->text);

        return write(STDERR_FILENO, line, (size_t) n) < 0 ? -errno : 0;
}

const char *log_field(char field[static LOG_FIELD_MAX], const char *name, const char *value) {
        if (snprintf(field, LOG_FIELD_MAX, "%s=%s", name, value) >= LOG_FIELD_MAX)
                field[str_utf8_cut(field, LOG_FIELD_MAX - 2)] = '\0';
        return field;
}

static struct iovec iovec_of(const char *text) {
        return (struct iovec){ .iov_base = (char *) text, .iov_len = strlen(text) };
}

static int message_write_journal(const LogMessage *message) {
        char priority[32], error[32], component[64], file[512], line[32];
        char text[sizeof("MESSAGE=") + LOG_MESSAGE_MAX];
        struct iovec iov[LOG_FIELDS_MAX + 4];
        const char *name;
        size_t n_name, n = 0;

        name = component_of(message->file, &n_name);
        (void) snprintf(text, sizeof(text), "MESSAGE=%s", message->text);
        (void) snprintf(priority, sizeof(priority), "PRIORITY=%i", message->level);
        (void) snprintf(component,
                        sizeof(component),
                        "CLUSTER_COMPONENT=%.*s",
                        (int) MIN(n_name, (size_t) LOG_COMPONENT_NAME_MAX),
                        name);
        (void) snprintf(error, sizeof(error), "ERRNO=%i", message->error);
        (void) snprintf(file, sizeof(file), "CODE_FILE=%s", message->file);
        (void) snprintf(line, sizeof(line), "CODE_LINE=%i", message->line);

        iov[n++] = iovec_of(text);
        iov[n++] = iovec_of(priority);
        iov[n++] = iovec_of(component);
        if (message->error != 0)
                iov[n++] = iovec_of(error);
        for (size_t i = 0; message->fields && message->fields[i] && i < LOG_FIELDS_MAX; i++)
                iov[n++] = iovec_of(message->fields[i]);

        return sd_journal_sendv_with_location(file, line, message->function, iov, (int) n);
}

/* Values from outside may hold anything; a line stays a line. */
static void make_one_line(char *text) {
        size_t n = strlen(text);

        while (n > 0 && text[n - 1] == '\n')
                text[--n] = '\0';
        for (char *c = text; *c; c++)
                if ((unsigned char) *c < ' ' || *c == 0x7f)
                        *c = ' ';
}

_printf_(2, 0) static void message_write(LogMessage *message, const char *format, va_list ap) {
        int saved_errno = errno;

        if (message->error != 0)
                errno = message->error; /* for %m */
        if (vsnprintf(message->text, sizeof(message->text), format, ap) >= LOG_MESSAGE_MAX)
                message->text[str_utf8_cut(message->text, LOG_MESSAGE_MAX - 2)] = '\0';
        make_one_line(message->text);

        if (!log_is_to_journal() || message_write_journal(message) < 0)
                (void) message_write_line(message); /* there is nobody left to tell */

        errno = saved_errno;
}

int log_internal(
                int level,
                int error,
                const char *file,
                int line,
                const char *function,
                const char *format,
                ...) {
        LogMessage message = {
                .level = level,
                .error = abs(error),
                .file = file,
                .line = line,
                .function = function,
        };
        va_list ap;

        va_start(ap, format);
        message_write(&message, format, ap);
        va_end(ap);

        return -message.error;
}

void log_struct_internal(
                int level,
                const char *const *fields,
                const char *file,
                int line,
                const char *function,
                const char *format,
                ...) {
        LogMessage message = {
                .level = level,
                .file = file,
                .line = line,
                .function = function,
                .fields = fields,
        };
        va_list ap;

        va_start(ap, format);
        message_write(&message, format, ap);
        va_end(ap);
}
