#include "daemon/types/pin-options.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/macro.h"
#include "daemon/base/percent.h"
#include "daemon/base/time.h"

#define PIN_OPTION_META "meta-"
#define PIN_EXPIRE_IN_MAX (INT64_MAX / 1000) /* µs: what Go holds in nanoseconds */

/* ---- reading: the words are those of the Go program */

typedef struct PinOptionList {
        const PinOption *items;
        size_t n;
        uint64_t now;
} PinOptionList;

/* The first value of KEY, or NULL; an empty one is as good as none. */
static const char *pin_option_get(const PinOptionList *options, const char *key) {
        for (size_t i = 0; i < options->n; i++)
                if (!strcmp(options->items[i].key, key))
                        return str_is_empty(options->items[i].value) ? NULL : options->items[i].value;
        return NULL;
}

/* strtoll(3) and strtoull(3) take blanks in front, the latter a sign too. */
static bool pin_option_is_number(const char *text, bool with_sign) {
        if (with_sign && (*text == '-' || *text == '+'))
                text++;
        return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static int pin_option_int(const PinOptionList *options, const char *key, int64_t *to, Error *reterr) {
        const char *value = pin_option_get(options, "replication"); /* overrides both */

        if (!value)
                value = pin_option_get(options, key);
        if (!value)
                return 0;

        errno = 0;
        *to = strtoll(value, NULL, 10);
        if (errno != 0 || !pin_option_is_number(value, true))
                return error_set(reterr, ERROR_INVALID, "parameter %s invalid", key);
        return 0;
}

static int pin_options_read_factors(Pin *pin, const PinOptionList *options, Error *reterr) {
        int r;

        r = pin_option_int(options, "replication-min", &pin->replication_factor_min, reterr);
        if (r < 0)
                return r;
        return pin_option_int(options, "replication-max", &pin->replication_factor_max, reterr);
}

static int pin_options_read_name(Pin *pin, const PinOptionList *options, Error *reterr) {
        const char *name = pin_option_get(options, "name"), *mode = pin_option_get(options, "mode");

        if (name && strlen(name) > PIN_NAME_MAX)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "parameter name is longer than %d bytes",
                                PIN_NAME_MAX);

        pin->mode = mode ? pin_mode_from_string(mode) : PIN_MODE_RECURSIVE;
        pin->max_depth = pin->mode == PIN_MODE_DIRECT ? PIN_DEPTH_DIRECT : PIN_DEPTH_RECURSIVE;
        if (name && str_copy(&pin->name, name) < 0)
                return error_set_errno(reterr, -ENOMEM, "%m");
        return 0;
}

static int pin_options_read_shard_size(Pin *pin, const PinOptionList *options, Error *reterr) {
        const char *value = pin_option_get(options, "shard-size");

        if (!value)
                return 0;

        errno = 0;
        pin->shard_size = strtoull(value, NULL, 10);
        if (errno != 0 || !pin_option_is_number(value, false))
                return error_set(reterr, ERROR_INVALID, "parameter shard_size is invalid");
        return 0;
}

/* Entries that are no peer ID are dropped; the list is there all the same. */
static int pin_options_read_allocations(Pin *pin, const PinOptionList *options, Error *reterr) {
        _cleanup_(str_list_done) StrList parts = {};
        const char *value = pin_option_get(options, "user-allocations");
        PeerId id;

        if (!value)
                return 0;
        if (str_list_split(&parts, value, ',') < 0)
                return error_set_errno(reterr, -ENOMEM, "%m");

        for (size_t i = 0; i < parts.n; i++)
                if (peer_id_parse(parts.items[i], &id) >= 0 &&
                    peer_id_list_append(&pin->user_allocations, &id) < 0)
                        return error_set_errno(reterr, -ENOMEM, "%m");

        pin->user_allocations.is_set = true;
        return 0;
}

/* Go's words: where TEXT leaves the layout 2006-01-02T15:04:05Z07:00. */
static int pin_options_fail_time(const char *text, Error *reterr) {
        static const struct {
                const char *element;
                const char *shape; /* '0' is a digit */
        } layout[] = {
                { "2006", "0000" }, { "-", "-" }, { "01", "00" }, { "-", "-" }, { "02", "00" }, { "T", "T" },
                { "15", "00" },     { ":", ":" }, { "04", "00" }, { ":", ":" }, { "05", "00" },
        };
        const char *at = text, *element = "Z07:00";

        for (size_t i = 0; i < ELEMENTSOF(layout); i++) {
                const char *shape = layout[i].shape, *end = at;

                while (*shape && (*shape == '0' ? *end >= '0' && *end <= '9' : *end == *shape))
                        shape++, end++;
                if (*shape) {
                        element = layout[i].element;
                        break;
                }
                at = end;
        }

        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "expire-at cannot be parsed: parsing time \"%s\" as \"2006-01-02T15:04:05Z07:00\": "
                        "cannot parse \"%s\" as \"%s\"",
                        text,
                        at,
                        element);
}

static int pin_options_read_expire_at(Pin *pin, const char *value, Error *reterr) {
        int r;

        r = time_parse(value, &pin->expire_at);
        if (r == -ERANGE &&
            value[0] < '2') { /* before 1970, and as much in the past as the first moment of it */
                pin->expire_at = 1;
                return 0;
        }
        return r < 0 ? pin_options_fail_time(value, reterr) : 0;
}

static int pin_options_read_expire_in(Pin *pin, const char *value, uint64_t now, Error *reterr) {
        int64_t usec;

        if (duration_parse(value, &usec) < 0 || usec > PIN_EXPIRE_IN_MAX)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "expire-in cannot be parsed: time: invalid duration \"%s\"",
                                value);
        if (usec < (int64_t) USEC_PER_SEC)
                return error_set(reterr, ERROR_INVALID, "expire-in duration too short");

        pin->expire_at = now + (uint64_t) usec;
        return 0;
}

static int pin_options_read_expiry(Pin *pin, const PinOptionList *options, Error *reterr) {
        const char *at = pin_option_get(options, "expire-at"), *in = pin_option_get(options, "expire-in");

        if (at)
                return pin_options_read_expire_at(pin, at, reterr);
        return in ? pin_options_read_expire_in(pin, in, options->now, reterr) : 0;
}

static int pin_options_read_metadata(Pin *pin, const PinOptionList *options, Error *reterr) {
        pin->metadata.is_set = true;

        for (size_t i = 0; i < options->n; i++) {
                const PinOption *option = &options->items[i];
                const char *key = option->key + strlen(PIN_OPTION_META);

                if (strncmp(option->key, PIN_OPTION_META, strlen(PIN_OPTION_META)) != 0 || !*key ||
                    str_map_get(&pin->metadata, key))
                        continue;
                if (pin->metadata.n == PIN_METADATA_MAX)
                        return error_set(
                                        reterr,
                                        ERROR_INVALID,
                                        "metadata has more than %d entries",
                                        PIN_METADATA_MAX);
                if (str_map_set(&pin->metadata, key, option->value ? option->value : "") < 0)
                        return error_set_errno(reterr, -ENOMEM, "%m");
        }
        return 0;
}

static int pin_options_read_update(Pin *pin, const PinOptionList *options, Error *reterr) {
        const char *value = pin_option_get(options, "pin-update"), *problem;

        if (value && cid_parse(value, &pin->pin_update, &problem) < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "error decoding update option parameter: invalid cid: %s",
                                problem);
        return 0;
}

static int pin_options_add_origin(Pin *pin, const char *text, Error *reterr) {
        char *origin;
        const char *problem;
        PeerId id;
        int r;

        if (pin->origins.n == PIN_ORIGINS_MAX)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "parameter origins has more than %d",
                                PIN_ORIGINS_MAX);

        r = multiaddr_parse(text, &origin, &problem);
        if (r == -EINVAL)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "error decoding multiaddress: failed to parse multiaddr \"%s\": %s",
                                text,
                                problem);
        if (r >= 0)
                r = str_list_append_take(&pin->origins, origin);
        if (r < 0)
                return error_set_errno(reterr, r, "%m");

        if (multiaddr_peer_id(pin->origins.items[pin->origins.n - 1], &id) <= 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "multiaddress does not contain peer ID: protocol not found in multiaddr");
        return 0;
}

static int pin_options_read_origins(Pin *pin, const PinOptionList *options, Error *reterr) {
        const char *value = pin_option_get(options, "origins");
        _cleanup_free_ char *copy = NULL;
        char *at, *part;
        int r;

        if (!value)
                return 0;
        if (str_copy(&copy, value) < 0)
                return error_set_errno(reterr, -ENOMEM, "%m");

        for (at = copy; (part = strsep(&at, ","));) { /* an empty part is an error, not nothing */
                r = pin_options_add_origin(pin, part, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* In the order of the Go program, whose first complaint is the one that is told. */
static int (*const pin_option_readers[])(Pin *pin, const PinOptionList *options, Error *reterr) = {
        pin_options_read_name,        pin_options_read_factors, pin_options_read_shard_size,
        pin_options_read_allocations, pin_options_read_expiry,  pin_options_read_metadata,
        pin_options_read_update,      pin_options_read_origins,
};

/* What options do not touch stays with PIN; the rest is taken over. */
static void pin_options_take(Pin *pin, Pin *options) {
        options->cid = pin->cid;
        options->type = pin->type;
        options->reference = pin->reference;
        options->timestamp = pin->timestamp;
        options->allocations = pin->allocations;
        pin->allocations = (PeerIdList){};

        pin_done(pin);
        *pin = *options;
        *options = (Pin){};
}

int pin_options_read(Pin *pin, const PinOption *options, size_t n, uint64_t now, Error *reterr) {
        PinOptionList list = { .items = options, .n = n, .now = now };
        _cleanup_(pin_done) Pin read = {};
        int r;

        for (size_t i = 0; i < ELEMENTSOF(pin_option_readers); i++) {
                r = pin_option_readers[i](&read, &list, reterr);
                if (r < 0)
                        return r;
        }

        pin_options_take(pin, &read);
        return 0;
}

/* ---- writing */

static int pin_option_write(const char *key, const char *value, Str *to) {
        if (to->len > 0 && to->data[to->len - 1] != '?')
                (void) str_append_char(to, '&');
        (void) percent_encode(to, key, strlen(key), "");
        (void) str_append_char(to, '=');
        return percent_encode(to, value ? value : "", value ? strlen(value) : 0, "");
}

static int pin_option_write_int(const char *key, int64_t value, Str *to) {
        char text[32];

        (void) snprintf(text, sizeof(text), "%lld", (long long) value);
        return pin_option_write(key, text, to);
}

static int pin_option_write_metadata(const Pin *pin, Str *to) {
        _cleanup_(str_done) Str key = {};

        for (size_t i = 0; i < pin->metadata.n; i++) {
                str_reset(&key);
                (void) str_append(&key, PIN_OPTION_META);
                if (str_append(&key, pin->metadata.items[i].key) < 0)
                        return -ENOMEM;
                (void) pin_option_write(key.data, pin->metadata.items[i].value, to);
        }
        return str_error(to);
}

static int pin_option_write_origins(const Pin *pin, Str *to) {
        _cleanup_(str_done) Str list = {};

        if (pin->origins.n == 0)
                return 0;

        for (size_t i = 0; i < pin->origins.n; i++) {
                if (i > 0)
                        (void) str_append_char(&list, ',');
                (void) str_append(&list, pin->origins.items[i]);
        }
        return str_error(&list) < 0 ? -ENOMEM : pin_option_write("origins", list.data, to);
}

static int pin_option_write_allocations(const Pin *pin, Str *to) {
        _cleanup_(str_done) Str list = {};
        char text[PEER_ID_TEXT_MAX];

        for (size_t i = 0; i < pin->user_allocations.n; i++) {
                if (i > 0)
                        (void) str_append_char(&list, ',');
                (void) str_append(&list, peer_id_format(&pin->user_allocations.items[i], text));
        }
        return str_error(&list) < 0 ? -ENOMEM : pin_option_write("user-allocations", list.data, to);
}

int pin_options_write(const Pin *pin, Str *to) {
        char time[TIME_TEXT_MAX], cid[CID_TEXT_MAX], size[32];
        int r;

        if (pin->expire_at > 0)
                (void) pin_option_write("expire-at", time_format(pin->expire_at, time), to);
        r = pin_option_write_metadata(pin, to);
        if (r < 0)
                return r;
        (void) pin_option_write("mode", pin_mode_to_string((PinMode) pin->mode), to);
        (void) pin_option_write("name", pin->name, to);
        r = pin_option_write_origins(pin, to);
        if (r < 0)
                return r;
        if (cid_is_defined(&pin->pin_update))
                (void) pin_option_write("pin-update", cid_format(&pin->pin_update, cid), to);
        (void) pin_option_write_int("replication-max", pin->replication_factor_max, to);
        (void) pin_option_write_int("replication-min", pin->replication_factor_min, to);
        (void) snprintf(size, sizeof(size), "%llu", (unsigned long long) pin->shard_size);
        (void) pin_option_write("shard-size", size, to);
        return pin_option_write_allocations(pin, to);
}
