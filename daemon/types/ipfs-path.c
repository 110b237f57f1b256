#include "daemon/types/ipfs-path.h"

#include <string.h>

static int path_fail(const char **reterr, const char *words) {
        if (reterr)
                *reterr = words;
        return -EINVAL;
}

int ipfs_path_parse(const char *text, IpfsPath *ret, const char **reterr) {
        IpfsPath path = {};
        const char *root;
        size_t n;

        if (strncmp(text, "/ipfs/", 6) != 0 && strncmp(text, "/ipld/", 6) != 0 &&
            strncmp(text, "/ipns/", 6) != 0)
                return path_fail(reterr, "expected /ipfs/, /ipns/ or /ipld/ at the beginning");

        root = text + 6;
        n = strcspn(root, "/");
        if (n == 0)
                return path_fail(reterr, "path does not have enough components");

        if (text[3] != 'n') {
                const char *why = NULL;

                if (cid_parse_n(root, n, &path.root, &why) < 0) {
                        if (reterr)
                                *reterr = why;
                        return -EINVAL;
                }
                path.is_bare = root[n] == 0 || root[n + 1] == 0;
        }

        *ret = path;
        return 0;
}
