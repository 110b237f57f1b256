#include "daemon/net/query.h"

#include <string.h>

#include "daemon/base/percent.h"

/* Decode TEXT where it stands; the result is never longer. A zero byte would end the string early, so its
 * escape counts as a bad one. */
static int decode(char *text, bool plus_is_space) {
        char *to = text;

        for (const char *p = text; *p; p++) {
                char c = *p;

                if (c == '%') {
                        int byte = percent_decode(p, strnlen(p, 3));

                        if (byte <= 0)
                                return -EINVAL;
                        c = (char) byte;
                        p += 2;
                } else if (c == '+' && plus_is_space)
                        c = ' ';

                *to++ = c;
        }

        *to = 0;
        return 0;
}

/* Where path and query begin: "/…" and "*" as they are, "http://host/…" after the host. NULL: no such form.
 */
static const char *skip_authority(const char *target) {
        const char *authority, *path;

        if (*target == '/' || strcmp(target, "*") == 0)
                return target;

        authority = strstr(target, "://");
        if (!authority || authority == target)
                return NULL;

        path = strpbrk(authority + 3, "/?");
        return path ?: authority + strlen(authority);
}

/* Upper bound of the parameters in TEXT. */
static size_t count_parts(const char *text) {
        size_t n = 1;

        for (; *text; text++)
                n += *text == '&';
        return n;
}

/* Answers 1 when PART is a parameter, 0 when it is empty or malformed. A semicolon is refused, as by Go:
 * some servers read it as a separator, and nobody should have to guess. */
static int parse_part(char *part, QueryParameter *ret) {
        char *value;

        if (!*part || strchr(part, ';'))
                return 0;

        value = strchr(part, '=');
        if (value)
                *value++ = 0;
        else
                value = part + strlen(part);

        if (decode(part, /* plus_is_space= */ true) < 0 || decode(value, /* plus_is_space= */ true) < 0)
                return 0;

        *ret = (QueryParameter){ .key = part, .value = value };
        return 1;
}

static int parse_parameters(Query *query, char *text) {
        size_t n = count_parts(text);

        /* Empty parts are free in Go, but they cost a slot here until they are parsed: count with a margin.
         */
        if (n > 2 * QUERY_PARAMETERS_MAX)
                return -E2BIG;

        query->parameters = calloc(n, sizeof(QueryParameter));
        if (!query->parameters)
                return -ENOMEM;

        for (char *part; (part = strsep(&text, "&"));) {
                query->n_parameters += (size_t) parse_part(part, query->parameters + query->n_parameters);
                if (query->n_parameters > QUERY_PARAMETERS_MAX)
                        return -E2BIG;
        }

        return 0;
}

int query_parse(const char *target, Query *ret) {
        _cleanup_(query_done) Query query = {};
        char *parameters;
        int r;

        target = skip_authority(target);
        if (!target)
                return -EINVAL;

        query.path = strdup(target);
        if (!query.path)
                return -ENOMEM;

        parameters = strchr(query.path, '?');
        if (parameters) {
                *parameters++ = 0;
                r = parse_parameters(&query, parameters);
                if (r < 0)
                        return r;
        }

        r = decode(query.path, /* plus_is_space= */ false);
        if (r < 0)
                return r;

        *ret = query;
        query = (Query){};
        return 0;
}

void query_done(Query *query) {
        free(query->path);
        free(query->parameters);
        *query = (Query){};
}

const char *query_get(const Query *query, const char *key) {
        for (size_t i = 0; i < query->n_parameters; i++)
                if (strcmp(query->parameters[i].key, key) == 0)
                        return query->parameters[i].value;
        return NULL;
}

int query_escape(Str *to, const char *text) {
        return percent_encode_query(to, text, strlen(text));
}

int query_escape_path(Str *to, const char *text) {
        return percent_encode(to, text, strlen(text), "$&+:=@");
}
