#include <endian.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/base/file.h"
#include "daemon/base/hash.h"
#include "daemon/state/snapshot.h"

#define HEADER_SIZE 48 /* with its checksum, which is the last word */
#define TRAILER_SIZE 40
#define WORD 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(const void *key, size_t key_size, const void *value, size_t value_size, void *userdata) {
        size_t *n = userdata;

        *n += hash_crc32c(0, key, key_size) % 2 + hash_crc32c(0, value, value_size) % 2 + 1;
        return 0;
}

static void check_words(int r, const Error *error) {
        static const char prefix[] = "snapshot 'name'";

        if (r < 0 && strncmp(error->message, prefix, sizeof(prefix) - 1) != 0)
                abort();
        if (r >= 0 && error->code != ERROR_NONE)
                abort();
}

static void read_bytes(const uint8_t *data, size_t size) {
        _cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
        StateSnapshotHead head;
        Error error = {};
        size_t n = 0;
        int r;

        if (fd < 0 || file_write_all(fd, data, size) < 0)
                abort();

        r = state_snapshot_read(fd, "name", &head, take, &n, &error);
        check_words(r, &error);
        error_done(&error);
}

static bool repair_part(uint8_t *data, size_t size, size_t from, size_t n) {
        uint32_t checksum;

        if (n < WORD || n > size - from)
                return false;

        checksum = htole32(hash_crc32c(0, data + from, n - WORD));
        memcpy(data + from + n - WORD, &checksum, sizeof(checksum));
        return true;
}

/* Make every checksum right, so that what stands behind them is reached. */
static void repair(uint8_t *data, size_t size) {
        size_t at = HEADER_SIZE;
        uint32_t length;

        if (!repair_part(data, size, 0, HEADER_SIZE))
                return;

        do {
                if (size - at < WORD)
                        return;
                memcpy(&length, data + at, sizeof(length));
                length = le32toh(length);
                if (!repair_part(data, size, at, length == 0 ? TRAILER_SIZE : (size_t) length + 2 * WORD))
                        return;
                at += (size_t) length + 2 * WORD;
        } while (length > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *copy = malloc(size + 1);

        if (!copy)
                abort();
        memcpy(copy, data, size);

        read_bytes(data, size);
        repair(copy, size);
        read_bytes(copy, size);
        return 0;
}
