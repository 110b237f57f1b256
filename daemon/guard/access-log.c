#include "daemon/guard/access-log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/base/str.h"
#include "daemon/base/time.h"

#define ACCESS_LOG_STDERR "/dev/stderr"
#define ACCESS_LOG_MODE 0640
#define ACCESS_LOG_LINES_MAX (1024 * 1024) /* bytes gathered in one turn; more are lost */
#define ACCESS_LOG_LOOK_USEC (1 * USEC_PER_SEC)

struct GuardAccessLog {
        sd_event_source *flush; /* defer */
        char *path;
        int fd;
        Str lines;
        uint64_t looked_usec; /* when it was last asked whether the file is still there */
        bool is_stderr, has_failed;
};

/* ---- a line */

/* What would end the text, or the line, is escaped as Go's %q does. */
static void append_escaped(Str *to, const char *text) {
        for (; *text; text++) {
                unsigned char c = (unsigned char) *text;

                if (c == '"' || c == '\\')
                        (void) str_appendf(to, "\\%c", c);
                else if (c < ' ' || c >= 0x7f)
                        (void) str_appendf(to, "\\x%02x", c);
                else
                        (void) str_append_char(to, (char) c);
        }
}

/* Without the port, and the brackets of IPv6. */
static void append_host(Str *to, const char *peer) {
        const char *colon = strrchr(peer, ':');
        size_t n = colon ? (size_t) (colon - peer) : strlen(peer);

        if (n > 2 && peer[0] == '[' && peer[n - 1] == ']')
                (void) str_append_bytes(to, peer + 1, n - 2);
        else
                (void) str_append_bytes(to, peer, n);
}

static void append_time(Str *to, uint64_t usec) {
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        char text[64] = "";
        struct tm tm;

        if (localtime_r(&seconds, &tm))
                (void) strftime(text, sizeof(text), "%d/%b/%Y:%H:%M:%S %z", &tm);
        (void) str_append(to, text);
}

int guard_access_log_format(const GuardAccess *access, Str *to) {
        append_host(to, access->peer);
        (void) str_append(to, " - ");
        append_escaped(to, str_is_empty(access->user) ? "-" : access->user);
        (void) str_append(to, " [");
        append_time(to, access->at_usec);
        (void) str_append(to, "] \"");
        append_escaped(to, access->method);
        (void) str_append_char(to, ' ');
        append_escaped(to, access->target);
        return str_appendf(
                        to,
                        " HTTP/1.%c\" %u %ju\n",
                        access->is_http10 ? '0' : '1',
                        access->status,
                        (uintmax_t) access->n_bytes);
}

/* ---- the file */

/* Opened anew, so that nobody else's writing changes with it; but for a socket, as that of the journal,
 * which cannot be. */
static int open_stderr(void) {
        int fd = open(ACCESS_LOG_STDERR, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

        if (fd < 0 && errno == ENXIO)
                fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? -errno : fd;
}

/* Whoever writes to anything else may have to wait, and with him everything that the daemon does. */
static int open_regular(const char *path) {
        _cleanup_close_ int fd = -1;
        struct stat st;

        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, ACCESS_LOG_MODE);
        if (fd < 0)
                return errno == ENXIO ? -ENOTSUP : -errno; /* a FIFO that nobody reads, or a socket */
        if (fstat(fd, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -ENOTSUP;
}

static int open_file(GuardAccessLog *log) {
        int fd = log->is_stderr ? open_stderr() : open_regular(log->path);

        if (fd < 0)
                return fd;
        closep(&log->fd);
        log->fd = fd;
        return 0;
}

/* Moved away, by what rotates logs. */
static bool is_gone(const GuardAccessLog *log) {
        struct stat ours, there;

        if (log->fd < 0 || log->is_stderr)
                return log->fd < 0;
        return fstat(log->fd, &ours) < 0 || stat(log->path, &there) < 0 || ours.st_ino != there.st_ino ||
               ours.st_dev != there.st_dev;
}

/* What is not taken at once is lost. */
static int write_lines(int fd, const Str *lines) {
        const char *at = lines->data, *end = lines->data + lines->len;

        while (at < end) {
                ssize_t n = send(fd, at, (size_t) (end - at), MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno == ENOTSOCK)
                        return file_write_all(fd, at, (size_t) (end - at));
                if (n < 0 && errno != EINTR)
                        return -errno;
                at += MAX(n, 0);
        }
        return 0;
}

/* Of standard error it cannot be told there, of all places: that would wait. */
static void tell(GuardAccessLog *log, int r) {
        if (log->is_stderr)
                return;
        if (r < 0 && !log->has_failed)
                log_warning_errno(r, "Requests cannot be logged to '%s', ignoring: %m", log->path);
        else if (r >= 0 && log->has_failed)
                log_notice("Requests are logged to '%s' again.", log->path);
        log->has_failed = r < 0;
}

static void flush(GuardAccessLog *log) {
        uint64_t now = time_monotonic();
        int r = 0;

        if (log->lines.len == 0)
                return;
        if (now - log->looked_usec >= ACCESS_LOG_LOOK_USEC) {
                log->looked_usec = now;
                if (is_gone(log))
                        r = open_file(log);
        }
        if (r >= 0)
                r = log->fd < 0 ? -EBADF : write_lines(log->fd, &log->lines);
        tell(log, r);
        str_reset(&log->lines);
}

static int on_flush(sd_event_source *source _unused_, void *userdata) {
        flush(userdata);
        return 0;
}

int guard_access_log_new(
                GuardAccessLog **ret,
                sd_event *event,
                const char *path,
                const char *setting,
                Error *reterr) {
        _cleanup_(guard_access_log_freep) GuardAccessLog *log = calloc(1, sizeof(*log));
        int r;

        if (!log)
                return error_set_errno(reterr, -ENOMEM, "%s: %m", setting);
        *log = (GuardAccessLog){
                .fd = -1,
                .path = strdup(path),
                .is_stderr = strcmp(path, ACCESS_LOG_STDERR) == 0,
        };
        if (!log->path)
                return error_set_errno(reterr, -ENOMEM, "%s: %m", setting);

        r = open_file(log);
        if (r == -ENOTSUP)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "%s: %s is no file that can be written without waiting: expected a regular file, or %s",
                                setting,
                                path,
                                ACCESS_LOG_STDERR);
        if (r < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "%s: cannot write %s: %s",
                                setting,
                                path,
                                strerror(-r));
        r = sd_event_add_defer(event, &log->flush, on_flush, log);
        if (r >= 0)
                r = sd_event_source_set_enabled(log->flush, SD_EVENT_OFF);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", setting);

        *ret = TAKE_PTR(log);
        return 0;
}

GuardAccessLog *guard_access_log_free(GuardAccessLog *log) {
        if (!log)
                return NULL;
        flush(log);
        sd_event_source_disable_unref(log->flush);
        closep(&log->fd);
        str_done(&log->lines);
        free(log->path);
        free(log);
        return NULL;
}

void guard_access_log_write(GuardAccessLog *log, const GuardAccess *access) {
        size_t n = log->lines.len;

        if (n >= ACCESS_LOG_LINES_MAX)
                return;
        if (guard_access_log_format(access, &log->lines) < 0) {
                str_done(&log->lines); /* of no use any more */
                return;
        }
        (void) sd_event_source_set_enabled(log->flush, SD_EVENT_ONESHOT);
}
