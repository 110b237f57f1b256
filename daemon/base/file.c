#include "daemon/base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "daemon/base/macro.h"
#include "daemon/base/str.h"

#define FILE_READ_CHUNK 4096

static int file_copy_to(int from_dir, const char *from, int to_dir, const char *to);

static void file_closedirp(DIR **dir) {
        if (*dir)
                closedir(*dir);
}

/* At most MAX + 1 bytes, so that the caller sees that there are more than MAX. */
static int file_read_fd(int fd, size_t max, Str *to) {
        struct stat st;
        ssize_t n;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;

        do {
                size_t want = FILE_READ_CHUNK;

                /* The size is a hint: /proc says 0, and a file may grow meanwhile. */
                if (to->len == 0 && st.st_size > 0)
                        want = (size_t) MIN((uint64_t) st.st_size, (uint64_t) max) + 1;
                want = MIN(want, max + 1 - to->len);

                r = str_reserve(to, want);
                if (r < 0)
                        return r;

                n = read(fd, to->data + to->len, want);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        to->len += (size_t) n;
        } while (n != 0 && to->len <= max);

        to->data[to->len] = '\0';
        return 0;
}

int file_read(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size) {
        _cleanup_(str_done) Str content = {};
        _cleanup_close_ int fd = -1;
        size_t n;
        char *text;
        int r;

        assert(max < SIZE_MAX);

        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;

        r = file_read_fd(fd, max, &content);
        if (r < 0)
                return r;
        if (content.len > max)
                return -EFBIG;

        n = content.len;
        text = str_take(&content);
        if (!text)
                return -ENOMEM;

        *ret = text;
        if (ret_size)
                *ret_size = n;
        return 0;
}

int file_write_all(int fd, const void *bytes, size_t n) {
        const char *at = bytes;

        while (n > 0) {
                ssize_t k = write(fd, at, n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                at += k;
                n -= (size_t) k;
        }

        return 0;
}

int file_read_at(int fd, void *bytes, size_t n, off_t offset) {
        char *at = bytes;

        while (n > 0) {
                ssize_t k = pread(fd, at, n, offset);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        return -ENODATA;
                at += k;
                offset += k;
                n -= (size_t) k;
        }

        return 0;
}

int file_sync_dir(int dir_fd) {
        _cleanup_close_ int fd = -1;

        /* A new descriptor, since fsync(2) refuses AT_FDCWD and O_PATH. */
        fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        return fsync(fd) < 0 ? -errno : 0;
}

static int file_open_parent(int dir_fd, const char *path) {
        _cleanup_free_ char *parent = NULL;
        const char *slash = strrchr(path, '/');
        int fd;

        if (slash) {
                parent = strndup(path, (size_t) (slash - path) + 1);
                if (!parent)
                        return -ENOMEM;
        }

        fd = openat(dir_fd, parent ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int file_sync_parent(int dir_fd, const char *path) {
        _cleanup_close_ int fd = file_open_parent(dir_fd, path);

        return fd < 0 ? fd : file_sync_dir(fd);
}

/* The new content under its temporary name. The name is fixed, so that a crash leaves one such file at most,
 * which the next write replaces. */
static int file_write_new(int dir_fd, const char *name, const void *bytes, size_t n, mode_t mode) {
        _cleanup_close_ int fd = -1;
        int r;

        if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        if (fchmod(fd, mode) < 0) /* whatever the umask */
                return -errno;

        r = file_write_all(fd, bytes, n);
        if (r < 0)
                return r;

        return fsync(fd) < 0 ? -errno : 0;
}

static int file_replace_in(int dir_fd, const char *name, const void *bytes, size_t n, mode_t mode) {
        _cleanup_(str_done) Str new_name = {};
        int r;

        r = str_appendf(&new_name, ".%s.new", name);
        if (r < 0)
                return r;

        r = file_write_new(dir_fd, new_name.data, bytes, n, mode);
        if (r >= 0 && renameat(dir_fd, new_name.data, dir_fd, name) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlinkat(dir_fd, new_name.data, 0);
                return r;
        }

        return file_sync_dir(dir_fd);
}

int file_replace(int dir_fd, const char *path, const void *bytes, size_t n, mode_t mode) {
        _cleanup_close_ int parent_fd = file_open_parent(dir_fd, path);
        const char *slash = strrchr(path, '/');

        if (parent_fd < 0)
                return parent_fd;

        return file_replace_in(parent_fd, slash ? slash + 1 : path, bytes, n, mode);
}

static int file_remove_children(int dir_fd, const char *path) {
        _cleanup_(file_closedirp) DIR *dir = NULL;
        _cleanup_close_ int fd = -1;
        struct dirent *entry;

        fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        (void) TAKE_FD(fd);

        while ((errno = 0, entry = readdir(dir))) {
                int r;

                if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
                        continue;
                r = file_remove_tree(dirfd(dir), entry->d_name);
                if (r < 0)
                        return r;
        }

        return -errno;
}

int file_remove_tree(int dir_fd, const char *path) {
        int r;

        if (unlinkat(dir_fd, path, 0) >= 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR) /* Linux' word for a folder here; POSIX would say EPERM */
                return -errno;

        r = file_remove_children(dir_fd, path);
        if (r < 0)
                return r;

        return unlinkat(dir_fd, path, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int file_old_path(char **ret, const char *path, unsigned n) {
        return asprintf(ret, "%s.old.%u", path, n) < 0 ? -ENOMEM : 0;
}

/* Move number N one up, or away when it is the last that is kept. */
static int file_age(const char *path, unsigned n, unsigned keep) {
        _cleanup_free_ char *from = NULL, *to = NULL;
        int r;

        r = file_old_path(&from, path, n);
        if (r >= 0)
                r = file_old_path(&to, path, n + 1);
        if (r < 0)
                return r;
        if (n + 1 >= keep)
                return file_remove_tree(AT_FDCWD, from);
        return rename(from, to) < 0 && errno != ENOENT ? -errno : 0;
}

int file_put_aside(const char *from, const char *path, uint64_t keep) {
        unsigned last = (unsigned) MIN(keep, (uint64_t) FILE_ASIDE_MAX);
        _cleanup_free_ char *to = NULL;
        int r = 0;

        if (access(from, F_OK) < 0)
                return errno == ENOENT ? 0 : -errno;

        for (unsigned n = last; r >= 0 && n-- > 0;)
                r = file_age(path, n, last);
        if (r >= 0)
                r = file_old_path(&to, path, 0);
        if (r < 0)
                return r;
        if (rename(from, to) < 0)
                return -errno;
        r = file_sync_parent(AT_FDCWD, path);
        return r < 0 ? r : 1;
}

#define FILE_COPY_CHUNK (1024 * 1024)

static int file_copy_bytes(int from, int to) {
        ssize_t n;

        do
                n = sendfile(to, from, NULL, FILE_COPY_CHUNK);
        while (n > 0 || (n < 0 && errno == EINTR));
        return n < 0 ? -errno : 0;
}

static int file_copy_children(int from_fd, int to_fd) {
        _cleanup_(file_closedirp) DIR *dir = fdopendir(from_fd);
        struct dirent *entry;

        if (!dir) {
                close(from_fd);
                return -errno;
        }
        while ((errno = 0, entry = readdir(dir))) {
                int r;

                if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
                        continue;
                r = file_copy_to(dirfd(dir), entry->d_name, to_fd, entry->d_name);
                if (r < 0)
                        return r;
        }
        return -errno;
}

static int file_copy_to(int from_dir, const char *from, int to_dir, const char *to) {
        _cleanup_close_ int from_fd = openat(from_dir, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), to_fd = -1;
        struct stat st;

        if (from_fd < 0 || fstat(from_fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode)) {
                if (mkdirat(to_dir, to, st.st_mode & 07777) < 0)
                        return -errno;
                to_fd = openat(to_dir, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                return to_fd < 0 ? -errno : file_copy_children(TAKE_FD(from_fd), to_fd);
        }
        to_fd = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 07777);
        return to_fd < 0 ? -errno : file_copy_bytes(from_fd, to_fd);
}

int file_copy_tree(int dir_fd, const char *from, const char *to) {
        return file_copy_to(dir_fd, from, dir_fd, to);
}

static int file_make_dir(const char *path, mode_t mode) {
        struct stat st;

        if (mkdir(path, mode) >= 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        if (stat(path, &st) < 0)
                return -errno;

        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int file_make_dirs(const char *path, mode_t mode) {
        _cleanup_free_ char *part = NULL;
        int r;

        r = str_copy(&part, path);
        if (r < 0)
                return r;

        for (char *at = part; *at; at++) {
                if (*at != '/' || at == part)
                        continue;
                *at = '\0';
                r = file_make_dir(part, mode);
                *at = '/';
                if (r < 0)
                        return r;
        }

        return file_make_dir(part, mode);
}

int file_join(char **ret, const char *folder, const char *name) {
        _cleanup_(str_done) Str path = {};
        char *text;

        if (*name != '/') {
                (void) str_append(&path, folder);
                if (path.len > 0 && path.data[path.len - 1] != '/')
                        (void) str_append_char(&path, '/');
        }
        (void) str_append(&path, name);

        text = str_take(&path);
        if (!text)
                return -ENOMEM;

        *ret = text;
        return 0;
}
