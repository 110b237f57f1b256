#include "daemon/join/folder.h"

#include <fcntl.h>

#include "daemon/base/file.h"
#include "daemon/consensus/consensus.h"
#include "daemon/types/multiaddr.h"

#define JOIN_FILE_MAX (1024 * 1024)
#define JOIN_FILE_MODE 0600

static int join_file_path(const char *state_folder, char **ret, Error *reterr) {
        int r = file_join(ret, state_folder, JOIN_FILE);

        return r < 0 ? error_set_errno(reterr, r, JOIN_FILE ": %m") : 0;
}

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

        r = join_file_path(state_folder, &path, reterr);
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

        r = join_file_path(state_folder, &path, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < addresses->n; i++)
                (void) str_appendf(&text, "%s\n", addresses->items[i]);

        r = str_error(&text);
        if (r >= 0)
                r = file_replace(AT_FDCWD, path, text.data, text.len, JOIN_FILE_MODE);
        return r < 0 ? error_set_errno(reterr, r, "%s: cannot write: %m", path) : 0;
}

int join_folder_file_remove(const char *state_folder, Error *reterr) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = join_file_path(state_folder, &path, reterr);
        if (r < 0)
                return r;
        if (unlink(path) < 0)
                return errno == ENOENT ? 0 : error_set_errno(reterr, -errno, "%s: cannot remove: %m", path);
        r = file_sync_parent(AT_FDCWD, path);
        return r < 0 ? error_set_errno(reterr, r, "%s: cannot sync: %m", path) : 0;
}

int join_folder_belongs(const char *raft_folder, Error *reterr) {
        return consensus_exists(raft_folder, reterr);
}

int join_folder_put_aside(const char *raft_folder, uint64_t keep, Error *reterr) {
        int r = file_put_aside(raft_folder, raft_folder, keep);

        return r < 0 ? error_set_errno(reterr, r, "%s: cannot put aside: %m", raft_folder) : r;
}
