#pragma once

/* The request target: path and query, percent-decoded (RFC 3986, WHATWG form decoding for the query: '+' is
 * a space). Keys and values lie in the memory of PATH: they are read, never replaced. */

#include "daemon/base/str.h"

#define QUERY_PARAMETERS_MAX 1024

typedef struct QueryParameter {
        char *key;
        char *value;
} QueryParameter;

typedef struct Query {
        char *path;                 /* decoded */
        QueryParameter *parameters; /* in order; a key may repeat */
        size_t n_parameters;
} Query;

/* Parse TARGET ("/pins/Qm…?local=true"; of "http://host/pins" the host is skipped; "*" is a path). A
 * parameter with a bad escape or a semicolon is dropped, as Go's ParseQuery drops it; a bad escape in the
 * path is an error. %00 is a bad escape. Errors: -EINVAL (path), -E2BIG (too many parameters), -ENOMEM. */
int query_parse(const char *target, Query *ret);
void query_done(Query *query);
const char *query_get(const Query *query, const char *key); /* the first value, NULL when not there */

/* Append TEXT percent-encoded as Go's url.QueryEscape does (space as '+') or as a path segment (space as
 * %20). */
int query_escape(Str *to, const char *text);
int query_escape_path(Str *to, const char *text);
