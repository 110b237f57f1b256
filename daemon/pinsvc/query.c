#include "daemon/pinsvc/query.h"

#include <json-c/json.h>
#include <string.h>

#include "daemon/base/json.h"
#include "daemon/base/time.h"

#define VALUE_SHOWN_MAX 96 /* bytes of a value in words */

typedef struct QueryRow {
        const char *key;
        bool may_repeat;
        const char *expected;
        /* Answers 0, or -EINVAL: it is not what was expected; -ENOMEM. */
        int (*read)(const char *value, PinsvcQuery *query);
} QueryRow;

size_t pinsvc_query_characters(const char *text) {
        size_t n = 0;

        for (; *text; n++)
                text += MAX(str_utf8_rune(text, strlen(text)), 1U);
        return n;
}

/* ---- lists: each part of VALUE, also an empty one */

static int read_list(
                const char *value,
                PinsvcQuery *query,
                int (*read)(const char *part, size_t n, PinsvcQuery *query)) {
        for (;;) {
                size_t n = strcspn(value, ",");
                int r = read(value, n, query);

                if (r < 0 || value[n] == '\0')
                        return r;
                value += n + 1;
        }
}

static int read_cid(const char *part, size_t n, PinsvcQuery *query) {
        Cid cid;
        int r;

        r = cid_parse_n(part, n, &cid, NULL);
        if (r < 0)
                return r;
        for (size_t i = 0; i < query->n_cids; i++)
                if (cid_equal(&query->cids[i], &cid))
                        return 0;
        if (query->n_cids == PINSVC_CIDS_MAX)
                return -EINVAL;
        if (!query->cids)
                query->cids = calloc(PINSVC_CIDS_MAX, sizeof(Cid));
        if (!query->cids)
                return -ENOMEM;
        query->cids[query->n_cids++] = cid;
        return 0;
}

static int read_cids(const char *value, PinsvcQuery *query) {
        return read_list(value, query, read_cid);
}

static int read_status(const char *part, size_t n, PinsvcQuery *query) {
        PinsvcStatus status = pinsvc_status_from_string(part, n);

        if (status < 0)
                return -EINVAL;
        query->statuses |= 1U << status;
        return 0;
}

static int read_statuses(const char *value, PinsvcQuery *query) {
        return read_list(value, query, read_status);
}

/* ---- single values */

/* The mode is known: its row comes first. */
static int read_name(const char *value, PinsvcQuery *query) {
        if (!str_is_utf8(value, strlen(value)) || pinsvc_query_characters(value) > PINSVC_NAME_MAX)
                return -EINVAL;
        query->has_name = true;
        return pinsvc_match_init(&query->name, query->name.mode, value);
}

static int read_match(const char *value, PinsvcQuery *query) {
        PinsvcMatchMode mode = pinsvc_match_mode_from_string(value);

        if (mode < 0)
                return -EINVAL;
        query->name.mode = mode;
        return 0;
}

static int read_time(const char *value, uint64_t *ret) {
        return time_parse(value, ret) < 0 ? -EINVAL : 0;
}

static int read_before(const char *value, PinsvcQuery *query) {
        return read_time(value, &query->before);
}

static int read_after(const char *value, PinsvcQuery *query) {
        int r;

        r = read_time(value, &query->not_until);
        if (r >= 0)
                query->not_until++;
        return r;
}

static int read_limit(const char *value, PinsvcQuery *query) {
        size_t n = strlen(value);

        if (n == 0 || n > 4 || strspn(value, "0123456789") != n)
                return -EINVAL;
        query->limit = (size_t) atoi(value);
        return query->limit >= 1 && query->limit <= PINSVC_LIMIT_MAX ? 0 : -EINVAL;
}

static int read_meta_value(StrMap *meta, const char *key, struct json_object *value) {
        const char *text = json_object_get_string(value);

        if (!json_object_is_type(value, json_type_string) ||
            strlen(text) != (size_t) json_object_get_string_len(value))
                return -EINVAL;
        return str_map_set(meta, key, text);
}

static int read_meta(const char *value, PinsvcQuery *query) {
        _cleanup_(json_object_putp) struct json_object *object = NULL;
        int r;

        r = json_parse(value, strlen(value), &object, NULL);
        if (r >= 0 && !json_object_is_type(object, json_type_object))
                r = -EBADMSG;
        if (r < 0)
                return r == -EBADMSG ? -EINVAL : r;

        json_object_object_foreach(object, key, element) {
                r = read_meta_value(&query->meta, key, element);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- all of them */

static const QueryRow rows[] = {
        { "cid", true, "at most 10 CIDs, separated by commas", read_cids },
        { "match", false, "exact, iexact, partial or ipartial", read_match },
        { "name", false, "at most 255 characters", read_name },
        { "status",
          true,
          "a list of queued, pinning, pinned and failed, separated by commas",
          read_statuses },
        { "before", false, "a time such as 2020-07-27T17:32:28Z", read_before },
        { "after", false, "a time such as 2020-07-27T17:32:28Z", read_after },
        { "limit", false, "a number from 1 to 1000", read_limit },
        { "meta", false, "a JSON object whose values are strings", read_meta },
};

static int refuse(const QueryRow *row, const char *value, Error *reterr) {
        size_t n = str_utf8_cut(value, VALUE_SHOWN_MAX);

        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "%s: '%.*s%s' is not allowed, expected %s",
                        row->key,
                        (int) n,
                        value,
                        value[n] ? "…" : "",
                        row->expected);
}

static int read_row(const QueryRow *row, const Query *from, PinsvcQuery *query, Error *reterr) {
        for (size_t i = 0; i < from->n_parameters; i++) {
                const char *value = from->parameters[i].value;
                int r;

                if (strcmp(from->parameters[i].key, row->key) != 0)
                        continue;
                r = row->read(value, query);
                if (r == -ENOMEM)
                        return error_set_errno(reterr, r, "%s: %m", row->key);
                if (r < 0)
                        return refuse(row, value, reterr);
                if (!row->may_repeat)
                        break;
        }
        return 0;
}

int pinsvc_query_read(const Query *from, PinsvcQuery *ret, Error *reterr) {
        PinsvcQuery query = { .before = UINT64_MAX, .limit = PINSVC_LIMIT_DEFAULT };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                int r = read_row(&rows[i], from, &query, reterr);

                if (r < 0) {
                        pinsvc_query_done(&query);
                        return r;
                }
        }
        if (query.statuses == 0)
                query.statuses = 1U << PINSVC_STATUS_PINNED;
        *ret = query;
        return 0;
}

void pinsvc_query_done(PinsvcQuery *query) {
        free(query->cids);
        pinsvc_match_done(&query->name);
        str_map_done(&query->meta);
        *query = (PinsvcQuery){};
}

int pinsvc_query_takes(PinsvcQuery *query, uint64_t created, const char *name, const StrMap *meta) {
        if (created >= query->before || created < query->not_until)
                return 0;
        for (size_t i = 0; i < query->meta.n; i++)
                if (!str_equal(str_map_get(meta, query->meta.items[i].key), query->meta.items[i].value))
                        return 0;
        return query->has_name ? pinsvc_match_name(&query->name, name) : 1;
}
