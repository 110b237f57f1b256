#include "daemon/types/add-options.h"

#include <string.h>

#include "daemon/base/percent.h"

static const struct {
        const char *key;
        size_t offset;
} add_flags[] = {
        { "hidden", offsetof(AddOptions, hidden) },
        { "local", offsetof(AddOptions, local) },
        { "no-pin", offsetof(AddOptions, no_pin) },
        { "nocopy", offsetof(AddOptions, nocopy) },
        { "progress", offsetof(AddOptions, progress) },
        { "raw-leaves", offsetof(AddOptions, raw_leaves) },
        { "recursive", offsetof(AddOptions, recursive) },
        { "shard", offsetof(AddOptions, shard) },
        { "stream-channels", offsetof(AddOptions, stream) },
        { "wrap-with-directory", offsetof(AddOptions, wrap) },
};

/* What a text may be; NULL: Kubo says. The first one stands for "". */
static const struct {
        const char *key;
        size_t offset;
        const char *preset;
        const char *allowed[3];
} add_texts[] = {
        { "chunker", offsetof(AddOptions, chunker), ADD_CHUNKER_DEFAULT, {} },
        { "format", offsetof(AddOptions, format), "unixfs", { "unixfs", "car" } },
        { "hash", offsetof(AddOptions, hash), ADD_HASH_DEFAULT, {} },
        { "layout", offsetof(AddOptions, layout), "", { "", "balanced", "trickle" } },
};

static bool *flag_of(const AddOptions *options, size_t i) {
        return (bool *) ((char *) options + add_flags[i].offset);
}

static char **text_of(const AddOptions *options, size_t i) {
        return (char **) ((char *) options + add_texts[i].offset);
}

void add_options_done(AddOptions *options) {
        for (size_t i = 0; i < ELEMENTSOF(add_texts); i++)
                free(*text_of(options, i));
        *options = (AddOptions){};
}

bool add_options_is_car(const AddOptions *options) {
        return options->format && strcmp(options->format, "car") == 0;
}

/* ---- reading ---- */

/* The first value of KEY, "" when it is not there. */
static const char *find(const PinOption *parameters, size_t n, const char *key) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(parameters[i].key, key) == 0)
                        return parameters[i].value ?: "";
        return "";
}

static bool is_allowed(size_t i, const char *value) {
        bool any = true;

        for (size_t k = 0; k < ELEMENTSOF(add_texts[i].allowed) && add_texts[i].allowed[k]; k++) {
                any = false;
                if (strcmp(add_texts[i].allowed[k], value) == 0)
                        return true;
        }
        return any;
}

static int read_text(AddOptions *options, size_t i, const char *value, Error *reterr) {
        if (!*value)
                value = add_texts[i].preset;
        if (!is_allowed(i, value))
                return error_set(reterr, ERROR_INVALID, "%s parameter is invalid", add_texts[i].key);
        if (str_copy(text_of(options, i), value) < 0)
                return error_set_errno(reterr, -ENOMEM, "%m");
        return 0;
}

static int read_parameters(AddOptions *options, const PinOption *parameters, size_t n, Error *reterr) {
        const char *version = find(parameters, n, "cid-version");
        int r = 0;

        options->stream = true;
        for (size_t i = 0; i < ELEMENTSOF(add_texts) && r >= 0; i++)
                r = read_text(options, i, find(parameters, n, add_texts[i].key), reterr);
        if (r < 0)
                return r;

        if (*version && str_parse_int(version, &options->cid_version) < 0)
                return error_set(reterr, ERROR_INVALID, "parameter cid-version invalid");
        options->raw_leaves = options->cid_version > 0;

        for (size_t i = 0; i < ELEMENTSOF(add_flags); i++) {
                const char *value = find(parameters, n, add_flags[i].key);

                if (*value && str_parse_bool(value, flag_of(options, i)) < 0)
                        return error_set(reterr, ERROR_INVALID, "parameter %s invalid", add_flags[i].key);
        }
        return 0;
}

int add_options_read(AddOptions *options, const PinOption *parameters, size_t n, Error *reterr) {
        int r;

        r = read_parameters(options, parameters, n, reterr);
        if (r < 0)
                add_options_done(options);
        return r;
}

/* ---- writing ---- */

static void write_parameter(Str *to, const char *key, const char *value) {
        (void) str_appendf(to, "&%s=", key);
        (void) percent_encode_query(to, value, strlen(value));
}

static int write_parameters(const AddOptions *options, const Pin *pin, Str *to) {
        int r;

        r = pin_options_write(pin, to);
        if (r < 0)
                return r;

        (void) str_appendf(to, "&cid-version=%lld", (long long) options->cid_version);
        for (size_t i = 0; i < ELEMENTSOF(add_texts); i++)
                write_parameter(to, add_texts[i].key, *text_of(options, i) ?: "");
        for (size_t i = 0; i < ELEMENTSOF(add_flags); i++)
                write_parameter(to, add_flags[i].key, *flag_of(options, i) ? "true" : "false");
        return str_error(to);
}

/* By key: the '=' behind it counts for nothing. */
static int compare_parameters(const void *a, const void *b) {
        const char *left = *(char *const *) a, *right = *(char *const *) b;
        size_t n = strcspn(left, "="), m = strcspn(right, "=");
        int r = memcmp(left, right, MIN(n, m));

        return r != 0 ? r : (n > m) - (n < m);
}

int add_options_write(const AddOptions *options, const Pin *pin, Str *to) {
        _cleanup_(str_list_done) StrList parameters = {};
        _cleanup_(str_done) Str text = {};
        bool is_first = to->len == 0 || to->data[to->len - 1] == '?';
        int r;

        r = write_parameters(options, pin, &text);
        if (r >= 0)
                r = str_list_split(&parameters, text.data, '&');
        if (r < 0)
                return r;

        qsort(parameters.items, parameters.n, sizeof(char *), compare_parameters);
        for (size_t i = 0; i < parameters.n; i++) {
                (void) str_append(to, i == 0 && is_first ? "" : "&");
                (void) str_append(to, parameters.items[i]);
        }
        return str_error(to);
}
