#pragma once

/* From a method and a path to a route of a surface. */

#include "daemon/rest/request.h"

typedef enum RestMatch {
        REST_MATCH_FOUND,
        REST_MATCH_NOT_FOUND,   /* 404 */
        REST_MATCH_NOT_ALLOWED, /* 405, as recorded: see route.c */
} RestMatch;

/* The route of METHOD and PATH (decoded); REQUEST's segments are filled. *RET is NULL when there is no
 * memory. */
RestMatch rest_route_find(
                const RestSurface *surface,
                const char *method,
                const char *path,
                RestRequest *request,
                const RestRoute **ret);

/* What PATH is after "//", "/./" and "/../" were taken out: 1 and the clean path, owned, 0 when it is clean.
 */
int rest_route_clean(const char *path, char **ret);
