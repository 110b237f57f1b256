#include "daemon/rest/route.h"

#include <string.h>

/*
 * The first route that fits counts, and a wrong method is told by it. As in the Go program, a known path
 * asked with a method that some route further down has is "not found" (404), and 405 only when none has
 * (recorded: tests/golden/rest/299-method-matrix.json).
 */

/* Does PATH fit PATTERN? The segments are marked in OFFSETS (start, length). */
static bool route_fits(const char *pattern, const char *path, size_t (*offsets)[2], size_t *n) {
        const char *p = pattern, *s = path;

        *n = 0;
        while (*p) {
                if (p[0] == '{' && p[1] == '*')
                        return *s != 0;
                if (p[0] == '{') {
                        size_t length = strcspn(s, "/");

                        if (length == 0)
                                return false;
                        offsets[*n][0] = (size_t) (s - path);
                        offsets[*n][1] = length;
                        (*n)++;
                        s += length;
                        p += 2;
                        continue;
                }
                if (*p++ != *s++)
                        return false;
        }
        return *s == 0;
}

/* Copy what the {} and {*} stand for. {*} is told with what is before it but "/pins": "/ipfs/<rest>". */
static int route_mark(RestRequest *request, const char *path, size_t (*offsets)[2], size_t n) {
        request->path = strdup(path);
        if (!request->path)
                return -ENOMEM;
        request->rest = request->path + MIN(strlen("/pins"), strlen(path));
        for (size_t i = 0; i < n; i++) {
                request->segments[i] = request->path + offsets[i][0];
                request->path[offsets[i][0] + offsets[i][1]] = 0;
        }
        return 0;
}

static bool method_comes_after(const RestSurface *surface, size_t i, const char *method) {
        for (; i < surface->n_routes; i++)
                if (strcmp(surface->routes[i].method, method) == 0)
                        return true;
        return false;
}

RestMatch rest_route_find(
                const RestSurface *surface,
                const char *method,
                const char *path,
                RestRequest *request,
                const RestRoute **ret) {
        size_t offsets[REST_SEGMENTS_MAX][2], n;
        RestMatch match = REST_MATCH_NOT_FOUND;

        for (size_t i = 0; i < surface->n_routes; i++) {
                const RestRoute *route = &surface->routes[i];

                if (!route_fits(route->pattern, path, offsets, &n))
                        continue;
                if (strcmp(route->method, method) != 0) {
                        match = method_comes_after(surface, i + 1, method) ? REST_MATCH_NOT_FOUND
                                                                           : REST_MATCH_NOT_ALLOWED;
                        continue;
                }
                *ret = route_mark(request, path, offsets, n) < 0 ? NULL : route;
                return REST_MATCH_FOUND;
        }
        return match;
}

/* ---- clean paths (Go's path.Clean, with the trailing slash kept) ---- */

static void clean_up(const char *path, char *to) {
        bool has_slash = false; /* the end */
        size_t n = 0;

        for (;;) {
                size_t length;

                for (; *path == '/'; path++)
                        has_slash = true;
                length = strcspn(path, "/");
                if (length == 0)
                        break;
                has_slash = false;
                if (length == 2 && strncmp(path, "..", 2) == 0) {
                        while (n > 0 && to[--n] != '/')
                                ;
                } else if (length != 1 || *path != '.') {
                        to[n++] = '/';
                        memcpy(to + n, path, length);
                        n += length;
                }
                path += length;
        }
        if (n == 0 || has_slash)
                to[n++] = '/';
        to[n] = 0;
}

int rest_route_clean(const char *path, char **ret) {
        char *clean;

        clean = malloc(strlen(path) + 2);
        if (!clean)
                return -ENOMEM;
        clean_up(path, clean);
        if (strcmp(clean, path) == 0) {
                free(clean);
                return 0;
        }
        *ret = clean;
        return 1;
}
