#include "tests/unit/consensus/help.h"

#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/file.h"

/* In memory where there is such a file system and TMPDIR names no other: the tests sync a lot, and none of
 * them pulls the plug. */
void help_folder_make(HelpFolder *folder) {
        if (!g_getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
                folder->path = g_mkdtemp(g_strdup("/dev/shm/consensus-XXXXXX"));
        else
                folder->path = g_dir_make_tmp("consensus-XXXXXX", NULL);
        g_assert_nonnull(folder->path);
        folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_assert_cmpint(folder->fd, >=, 0);
}

void help_folder_done(HelpFolder *folder) {
        closep(&folder->fd);
        g_assert_cmpint(file_remove_tree(AT_FDCWD, folder->path), ==, 0);
        g_free(folder->path);
        *folder = (HelpFolder){ .fd = -1 };
}

void help_folder_empty(const HelpFolder *folder) {
        g_autoptr(GDir) dir = g_dir_open(folder->path, 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(dir)))
                g_assert_cmpint(file_remove_tree(folder->fd, name), ==, 0);
}

char *help_read(const HelpFolder *folder, const char *name, size_t *ret_n) {
        char *bytes = NULL;

        g_assert_cmpint(file_read(folder->fd, name, SIZE_MAX / 2, &bytes, ret_n), ==, 0);
        return bytes;
}

/* Without a sync, unlike g_file_set_contents(): it is called often. */
void help_write(const HelpFolder *folder, const char *name, const void *bytes, size_t n) {
        int fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(file_write_all(fd, bytes, n), ==, 0);
        close(fd);
}

PeerId help_peer(unsigned n) {
        uint8_t bytes[38] = { 0x00, 36, 0x08, 0x01, 0x12, 0x20 }; /* identity, Ed25519 */
        PeerId id;

        memset(bytes + 6, (int) n, 32);
        g_assert_cmpint(peer_id_from_bytes(bytes, sizeof(bytes), &id), ==, 0);
        return id;
}

static uint8_t entry_byte(uint64_t index, size_t i) {
        return (uint8_t) (index * 31 + i * 7 + 1);
}

ConsensusEntry help_entry(uint64_t index, uint64_t term, size_t size) {
        ConsensusEntry entry = { .index = index, .term = term, .type = CONSENSUS_ENTRY_COMMAND };
        g_autofree uint8_t *bytes = g_malloc(size + 1);

        for (size_t i = 0; i < size; i++)
                bytes[i] = entry_byte(index, i);
        g_assert_cmpint(consensus_payload_new(&entry.payload, bytes, size), ==, 0);
        return entry;
}

bool help_entry_is(const ConsensusEntry *entry, uint64_t index) {
        for (size_t i = 0; i < entry->payload->size; i++)
                if (entry->payload->bytes[i] != entry_byte(index, i))
                        return false;
        return entry->index == index;
}

char *help_hex(const void *bytes, size_t n) {
        GString *text = g_string_new(NULL);

        for (size_t i = 0; i < n; i++)
                g_string_append_printf(
                                text,
                                "%02x%s",
                                ((const uint8_t *) bytes)[i],
                                i % 32 == 31 || i + 1 == n ? "\n" : "");
        return g_string_free(text, FALSE);
}

static int capture_saved = -1;
static FILE *capture_file;

void help_capture_start(void) {
        (void) fflush(stderr);
        capture_file = tmpfile();
        g_assert_nonnull(capture_file);
        capture_saved = dup(STDERR_FILENO);
        g_assert_cmpint(dup2(fileno(capture_file), STDERR_FILENO), >=, 0);
}

char *help_capture_end(void) {
        char *text = g_malloc0(64 * 1024);

        (void) fflush(stderr);
        g_assert_cmpint(dup2(capture_saved, STDERR_FILENO), >=, 0);
        close(capture_saved);
        rewind(capture_file);
        (void) !fread(text, 1, 64 * 1024 - 1, capture_file);
        (void) fclose(capture_file);
        return text;
}
