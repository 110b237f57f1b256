#include "daemon/config/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/base/file.h"

#define LOCK_FILE "cluster.lock"

/* The lock of an open file description, not of the process: it is not lost when another descriptor of the
 * file is closed, and it also holds against a second caller in the same process. It conflicts with the
 * process locks of the Go program. */
static int lock_try(int fd) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

        if (fcntl(fd, F_OFD_SETLK, &lock) >= 0)
                return 1;
        return errno == EAGAIN || errno == EACCES ? 0 : -errno;
}

/* The kernel knows the pid of a process lock (the Go program's); ours is written in the file. 0: unknown. */
static long lock_holder(int fd) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        char text[32] = "";

        if (fcntl(fd, F_OFD_GETLK, &lock) >= 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
                return lock.l_pid;
        if (pread(fd, text, sizeof(text) - 1, 0) < 0)
                return 0;
        return strtol(text, NULL, 10);
}

static int lock_sign(int fd) {
        char text[32];
        int n;

        n = snprintf(text, sizeof(text), "%ld\n", (long) getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t) n, 0) != n)
                return errno > 0 ? -errno : -EIO;
        return 0;
}

static int lock_busy(const char *path, long pid, Error *reterr) {
        char who[48] = "";

        if (pid > 0)
                snprintf(who, sizeof(who), " (process %ld)", pid);
        return error_set(
                        reterr,
                        ERROR_BUSY,
                        "lock %s: someone else has the lock%s. If no other ipfs-cluster-service process is running, "
                        "remove %s, or make sure that the config folder is writable for the user running "
                        "ipfs-cluster-service.",
                        path,
                        who,
                        path);
}

int config_lock(const char *folder, int *ret_fd, Error *reterr) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        r = file_join(&path, folder, LOCK_FILE);
        if (r < 0)
                return error_set_errno(reterr, r, "lock: %m");

        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
        if (fd < 0)
                return error_set_errno(reterr, -errno, "lock %s: %m", path);

        r = lock_try(fd);
        if (r == 0)
                return lock_busy(path, lock_holder(fd), reterr);
        if (r > 0)
                r = lock_sign(fd);
        if (r < 0)
                return error_set_errno(reterr, r, "lock %s: %m", path);

        *ret_fd = TAKE_FD(fd);
        return 0;
}
