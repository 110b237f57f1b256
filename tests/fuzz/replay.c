/* Feed each file of a corpus folder to the fuzz target: whole, and cut after each of its first bytes. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/macro.h"

#define REPLAY_FILE_MAX (1024 * 1024)
#define REPLAY_CUTS_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of exactly that size, so that a sanitizer sees each byte read beyond it. */
static void feed(const uint8_t *data, size_t n) {
        _cleanup_free_ uint8_t *copy = malloc(n > 0 ? n : 1);

        if (!copy)
                abort();
        memcpy(copy, data, n);
        (void) LLVMFuzzerTestOneInput(copy, n);
}

static int replay_file(int folder, const char *name) {
        _cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
        _cleanup_free_ uint8_t *data = malloc(REPLAY_FILE_MAX);
        ssize_t n;

        if (fd < 0 || !data || (n = read(fd, data, REPLAY_FILE_MAX)) < 0) {
                perror(name);
                return -EIO;
        }

        for (size_t cut = 0; cut < MIN((size_t) n, (size_t) REPLAY_CUTS_MAX); cut++)
                feed(data, cut);
        feed(data, (size_t) n);
        return 0;
}

int main(int argc, char **argv) {
        size_t n_files = 0;
        DIR *folder;

        folder = opendir(argc > 1 ? argv[1] : ".");
        if (!folder) {
                perror(argc > 1 ? argv[1] : ".");
                return EXIT_FAILURE;
        }

        for (struct dirent *entry; (entry = readdir(folder));) {
                if (entry->d_name[0] == '.')
                        continue;
                if (replay_file(dirfd(folder), entry->d_name) < 0)
                        return EXIT_FAILURE;
                n_files++;
        }

        closedir(folder);
        printf("%zu files\n", n_files);
        return n_files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
