#include "daemon/proxy/path.h"

#include <string.h>

#include "daemon/base/percent.h"
#include "daemon/types/ipfs-path.h"

/* ---- of requests ---- */

/* Take the last segment off. */
static void go_up(Str *clean) {
        while (clean->len > 0 && clean->data[--clean->len] != '/')
                ;
        if (clean->data)
                clean->data[clean->len] = '\0';
}

static int append_segment(Str *clean, const char *segment, size_t n) {
        if (n == 0 || (n == 1 && segment[0] == '.'))
                return 0;
        if (n == 2 && memcmp(segment, "..", 2) == 0) {
                go_up(clean);
                return 0;
        }
        (void) str_append_char(clean, '/');
        return str_append_bytes(clean, segment, n);
}

int proxy_path_clean(const char *target, const char *path, char **ret) {
        _cleanup_(str_done) Str clean = {}, location = {};
        const char *query = strchr(target, '?');
        size_t n = strlen(path);

        if (path[0] != '/')
                return 0;
        for (const char *p = path; *p;) {
                size_t length = strcspn(++p, "/");

                (void) append_segment(&clean, p, length);
                p += length;
        }
        if (clean.len == 0 || path[n - 1] == '/')
                (void) str_append_char(&clean, '/');
        if (str_error(&clean) < 0)
                return -ENOMEM;
        if (strcmp(clean.data, path) == 0)
                return 0;

        (void) percent_encode(&location, clean.data, clean.len, "/$&+,:;=@");
        (void) str_append(&location, query ? query : "");
        *ret = str_take(&location);
        return *ret ? 1 : -ENOMEM;
}

/* ---- arguments ---- */

/* A path that does not begin with a slash is one below /ipfs. */
static int full_path(const char *text, char **ret) {
        Str path = {};

        if (text[0] != '/')
                (void) str_append(&path, "/ipfs/");
        (void) str_append(&path, text);
        *ret = str_take(&path);
        return *ret ? 0 : -ENOMEM;
}

int proxy_path_parse(const char *text, ProxyPath *ret, Error *reterr) {
        _cleanup_free_ char *full = NULL;
        IpfsPath path;
        Cid cid;

        if (cid_parse(text, &cid, NULL) >= 0) {
                *ret = (ProxyPath){ .cid = cid, .text = text };
                return 0;
        }
        if (full_path(text, &full) < 0)
                return error_set_errno(reterr, -ENOMEM, "%m");
        /* What it is said to be is what was given, as Kubo does it. */
        if (ipfs_path_parse(full, &path, NULL) < 0)
                return ipfs_path_parse(text, &path, reterr);

        if (path.is_bare && cid_is_defined(&path.root))
                *ret = (ProxyPath){ .cid = path.root, .text = text };
        else
                *ret = (ProxyPath){ .path = TAKE_PTR(full), .text = text };
        return 0;
}

void proxy_path_done(ProxyPath *path) {
        free(path->path);
        *path = (ProxyPath){};
}
