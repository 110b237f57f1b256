#pragma once

/*
 * Files: whole reads and atomic, durable writes. Paths are relative to DIR_FD (AT_FDCWD works). Everything
 * here blocks; the daemon uses it at start, at stop, and in worker threads.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The whole content, NUL-terminated (the NUL is not counted). Errors: open(2)'s, -EFBIG (more than MAX
 * bytes). */
int file_read(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size);

/* Replace PATH by BYTES: temporary file, fsync, rename, fsync of the folder. After a crash the old or the
 * new content is there. */
int file_replace(int dir_fd, const char *path, const void *bytes, size_t n, mode_t mode);

int file_write_all(int fd, const void *bytes, size_t n); /* write(2) until done; -EINTR is handled */
int file_read_at(
                int fd,
                void *bytes,
                size_t n,
                off_t offset); /* all of it; -ENODATA when the file ends before */
int file_sync_dir(int dir_fd);
int file_sync_parent(int dir_fd, const char *path); /* the folder that PATH lies in: after a rename */
int file_remove_tree(int dir_fd, const char *path); /* recursive; 0 when it was not there */
/* Move FROM to <path>.old.0; the older ones move up, and what would be number KEEP goes. Answers 1, or 0
 * when there is no FROM. */
#define FILE_ASIDE_MAX 1000 /* more are not kept */
int file_put_aside(const char *from, const char *path, uint64_t keep);
int file_copy_tree(int dir_fd, const char *from, const char *to); /* folders and files; not synced */
int file_make_dirs(const char *path, mode_t mode);                /* with its parents */
int file_join(char **ret, const char *folder, const char *name);  /* NAME alone when it is absolute */
