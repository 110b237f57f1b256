#include "daemon/join/folder.h"

#include <fcntl.h>

#include "daemon/base/file.h"
#include "daemon/consensus/consensus.h"
#include "daemon/types/multiaddr.h"

#define JOIN_FILE_MAX (1024 * 1024)
#define FILE_MODE 0600

static int find_path(const char *state_folder, const char *name, char **ret, Error *reterr) {
        int r = file_join(ret, state_folder, name);

        return r < 0 ? error_set_errno(reterr, r, "%s: %m", name) : 0;
}

static int write_file(const char *path, const char *text, size_t n, Error *reterr) {
        int r = file_replace(AT_FDCWD, path, text, n, FILE_MODE);

        return r < 0 ? error_set_errno(reterr, r, "%s: cannot write: %m", path) : 0;
}

static int remove_file(const char *state_folder, const char *name, Error *reterr) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = find_path(state_folder, name, &path, reterr);
        if (r < 0)
                return r;
        if (unlink(path) < 0)
                return errno == ENOENT ? 0 : error_set_errno(reterr, -errno, "%s: cannot remove: %m", path);
        r = file_sync_parent(AT_FDCWD, path);
        return r < 0 ? error_set_errno(reterr, r, "%s: cannot sync: %m", path) : 0;
}

/* ---- raft.join */

static int take_lines(const StrList *lines, StrList *to) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < lines->n; i++) {
                char *address;

                r = multiaddr_parse(lines->items[i], &address, NULL);
                if (r >= 0)
                        r = str_list_append_take(to, address);
                else if (r == -EINVAL)
                        r = 0;
        }
        return r;
}

int join_folder_file_read(const char *state_folder, StrList *ret, Error *reterr) {
        _cleanup_(str_list_done) StrList lines = {}, addresses = {};
        _cleanup_free_ char *path = NULL, *text = NULL;
        int r;

        r = find_path(state_folder, JOIN_FILE, &path, reterr);
        if (r < 0)
                return r;
        r = file_read(AT_FDCWD, path, JOIN_FILE_MAX, &text, NULL);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = str_list_split(&lines, text, '\n');
        if (r >= 0)
                r = take_lines(&lines, &addresses);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: cannot read: %m", path);

        *ret = addresses;
        addresses = (StrList){};
        return 1;
}

int join_folder_file_write(const char *state_folder, const StrList *addresses, Error *reterr) {
        _cleanup_free_ char *path = NULL;
        _cleanup_(str_done) Str text = {};
        int r;

        r = find_path(state_folder, JOIN_FILE, &path, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < addresses->n; i++)
                (void) str_appendf(&text, "%s\n", addresses->items[i]);

        r = str_error(&text);
        return r < 0 ? error_set_errno(reterr, r, "%s: %m", path)
                     : write_file(path, text.data, text.len, reterr);
}

int join_folder_file_remove(const char *state_folder, Error *reterr) {
        return remove_file(state_folder, JOIN_FILE, reterr);
}

/* ---- raft.left */

int join_folder_left_write(const char *state_folder, Error *reterr) {
        _cleanup_free_ char *path = NULL;
        int r = find_path(state_folder, JOIN_LEFT_FILE, &path, reterr);

        return r < 0 ? r : write_file(path, "", 0, reterr);
}

bool join_folder_left_is(const char *state_folder) {
        _cleanup_free_ char *path = NULL;

        return find_path(state_folder, JOIN_LEFT_FILE, &path, NULL) >= 0 && access(path, F_OK) >= 0;
}

int join_folder_left_remove(const char *state_folder, Error *reterr) {
        return remove_file(state_folder, JOIN_LEFT_FILE, reterr);
}

/* ---- raft/ */

int join_folder_belongs(const char *raft_folder, Error *reterr) {
        return consensus_exists(raft_folder, reterr);
}

int join_folder_put_aside(const char *raft_folder, uint64_t keep, Error *reterr) {
        int r = file_put_aside(raft_folder, raft_folder, keep);

        return r < 0 ? error_set_errno(reterr, r, "%s: cannot put aside: %m", raft_folder) : r;
}
