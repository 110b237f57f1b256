#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/offline/log.h"
#include "daemon/offline/offline.h"
#include "daemon/offline/say.h"
#include "daemon/types/pin.h"

#define EXPORT_BUFFER (64 * 1024)
#define EXPORT_MODE 0644 /* as the Go program; a pinset is no secret */

typedef struct Export {
        const char *path; /* for messages */
        int fd;
        Str buffer;
} Export;

static void export_done(Export *export) {
        str_done(&export->buffer);
        if (export->fd != STDOUT_FILENO)
                closep(&export->fd);
}

static int export_flush(Export *export, Error *reterr) {
        int r = str_error(&export->buffer);

        if (r >= 0)
                r = file_write_all(export->fd, export->buffer.data, export->buffer.len);
        str_reset(&export->buffer);
        return r < 0 ? error_set_errno(reterr, r, "write %s: %m", export->path) : 0;
}

static int export_record(Export *export, const void *value, size_t size, Error *reterr) {
        Pin pin = {};
        int r;

        r = pin_read(value, size, &pin);
        if (r >= 0) {
                (void) json_write(&pin_shape, &pin, &export->buffer);
                r = str_append_char(&export->buffer, '\n');
                pin_done(&pin);
        }
        if (r < 0)
                return error_set_errno(reterr, r, "a stored pin cannot be read: %m");
        return export->buffer.len >= EXPORT_BUFFER ? export_flush(export, reterr) : 0;
}

static int export_pinset(Export *export, StatePinset *pinset, Error *reterr) {
        _cleanup_(state_scan_freep) StateScan *scan = NULL;
        const void *key, *value;
        size_t key_size, value_size;
        int r;

        r = state_scan_new(&scan, pinset);
        while (r >= 0) {
                r = state_scan_next(scan, &key, &key_size, &value, &value_size);
                if (r == 0)
                        return export->buffer.len > 0 ? export_flush(export, reterr) : 0;
                if (r > 0) {
                        r = export_record(export, value, value_size, reterr);
                        if (r < 0)
                                return r;
                }
        }
        return error_set_errno(reterr, r, "the pinset cannot be read: %m");
}

static int export_open(Export *export, const char *file, Error *reterr) {
        if (!file)
                return 0;

        export->path = file;
        export->fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, EXPORT_MODE);
        return export->fd < 0 ? error_set_errno(reterr, -errno, "open %s: %m", file) : 0;
}

static int export_sync(Export *export, const char *file, Error *reterr) {
        if (!file)
                return 0;

        if (fsync(export->fd) < 0 && errno != EINVAL) /* a pipe or a device */
                return error_set_errno(reterr, -errno, "sync %s: %m", file);
        return 0;
}

/* The log is opened first: a file that is there may be the last good export of one that is damaged. */
static int export_log(Export *export, const OfflinePeer *peer, const char *file, Error *reterr) {
        _cleanup_(offline_log_done) OfflineLog log = {};
        int r;

        r = offline_log_open_to_read(&log, peer, reterr);
        if (r >= 0)
                r = export_open(export, file, reterr);
        if (r >= 0)
                r = export_pinset(export, consensus_pinset(log.consensus), reterr);
        return r < 0 ? r : offline_log_close(&log, reterr);
}

/* A peer that never ran has no log, and an export makes none. */
static int export_run(const char *file, const OfflinePeer *peer, Error *reterr) {
        _cleanup_(export_done) Export export = { .path = "standard output", .fd = STDOUT_FILENO };
        int r;

        if (access(peer->raft_folder, F_OK) < 0)
                r = export_open(&export, file, reterr);
        else
                r = export_log(&export, peer, file, reterr);
        return r < 0 ? r : export_sync(&export, file, reterr);
}

int offline_export(const char *folder, const char *file) {
        _cleanup_(offline_peer_done) OfflinePeer peer = OFFLINE_PEER_NULL;
        Error error = {};
        int r;

        r = offline_peer_open(&peer, folder);
        if (r > 0)
                return r;
        if (export_run(file, &peer, &error) < 0)
                return offline_say_error("exporting state", &error, EXIT_FAILURE);

        log_info("state successfully exported");
        return 0;
}
