#include "daemon/config/peerstore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/types/multiaddr.h"

#define PEERSTORE_FILE_MAX (4 * 1024 * 1024)
#define PEERSTORE_MODE 0644 /* no secret in it */

int config_peerstore_path(const Config *config, char **ret) {
        const char *file = config->cluster.peerstore_file;

        return file_join(ret, config->folder, str_is_empty(file) ? "peerstore" : file);
}

static int peerstore_take_line(const char *line, StrList *list) {
        _cleanup_free_ char *address = NULL;
        PeerId id;
        int r;

        if (line[0] != '/')
                return 0;
        r = multiaddr_parse(line, &address, NULL);
        if (r == -EINVAL)
                return 0;
        if (r < 0)
                return r;
        if (multiaddr_peer_id(address, &id) <= 0)
                return 0;
        return str_list_append_take(list, TAKE_PTR(address));
}

int config_peerstore_load(const char *path, StrList *ret, Error *reterr) {
        _cleanup_(str_list_done) StrList lines = {}, list = { .is_set = true };
        _cleanup_free_ char *text = NULL;
        int r;

        r = file_read(AT_FDCWD, path, PEERSTORE_FILE_MAX, &text, NULL);
        if (r >= 0)
                r = str_list_split(&lines, text, '\n');
        if (r < 0 && r != -ENOENT)
                return error_set_errno(reterr, r, "%s: %m", path);

        for (size_t i = 0; i < lines.n; i++) {
                char *end = strchr(lines.items[i], '\r');

                if (end)
                        *end = '\0';
                r = peerstore_take_line(lines.items[i], &list);
                if (r < 0)
                        return error_set_errno(reterr, r, "%s: %m", path);
        }

        *ret = list;
        list = (StrList){};
        return 0;
}

int config_peerstore_write(const char *path, const StrList *addresses, Error *reterr) {
        _cleanup_(str_done) Str text = {};
        int r;

        for (size_t i = 0; i < addresses->n; i++)
                (void) str_appendf(&text, "%s\n", addresses->items[i]);

        r = str_error(&text);
        if (r >= 0)
                r = file_replace(AT_FDCWD, path, text.data ? text.data : "", text.len, PEERSTORE_MODE);
        return r < 0 ? error_set_errno(reterr, r, "%s: %m", path) : 0;
}
