#include "daemon/types/ipfs-path.h"

#include <string.h>

static int path_fail(const char *text, const char *words, Error *reterr) {
        return error_set(reterr, ERROR_INVALID, "invalid path \"%s\": %s", text, words);
}

static int path_parse_root(const char *text, const char *root, size_t n, IpfsPath *path, Error *reterr) {
        const char *problem;

        if (cid_parse_n(root, n, &path->root, &problem) < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "invalid path \"%s\": invalid cid: %s",
                                text,
                                problem);

        path->is_bare = root[n] == '\0' || root[n + 1] == '\0';
        return 0;
}

int ipfs_path_parse(const char *text, IpfsPath *ret, Error *reterr) {
        const char *name = text + 1, *root;
        IpfsPath path = {};
        size_t n;
        int r = 0;

        if (text[0] != '/')
                return path_fail(text, "path does not have enough components", reterr);

        n = strcspn(name, "/");
        root = name + n + (name[n] == '/');
        if (n == 0 || root[0] == '\0' || root[0] == '/')
                return path_fail(text, "path does not have enough components", reterr);

        if (str_equal_n("ipfs", name, n) || str_equal_n("ipld", name, n))
                r = path_parse_root(text, root, strcspn(root, "/"), &path, reterr);
        else if (!str_equal_n("ipns", name, n))
                r = path_fail(text, "unknown namespace", reterr);
        if (r < 0)
                return r;

        *ret = path;
        return 0;
}
