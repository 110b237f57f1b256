#include "daemon/config/value.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/base/log.h"
#include "daemon/base/time.h"
#include "daemon/types/multiaddr.h"
#include "daemon/types/peer-id.h"

typedef struct ValueKind {
        const char *expected;
        size_t size; /* of the member */
        int (*parse)(const ConfigRow *row, const char *text, ConfigValue *ret);
} ValueKind;

typedef struct ValueRule {
        const char *expected;
        const char *expected_duration;                          /* when it differs */
        int (*holds)(const ConfigRow *row, ConfigValue *value); /* 1, 0, or an error */
} ValueRule;

/* ---- from text */

static int value_parse_string(const ConfigRow *row _unused_, const char *text, ConfigValue *ret) {
        return str_copy(&ret->string, text);
}

static int value_parse_bool(const ConfigRow *row _unused_, const char *text, ConfigValue *ret) {
        return str_parse_bool(text, &ret->boolean);
}

static int value_parse_int(const ConfigRow *row _unused_, const char *text, ConfigValue *ret) {
        return str_parse_int(text, &ret->number);
}

static int value_parse_double(const ConfigRow *row _unused_, const char *text, ConfigValue *ret) {
        char *end = NULL;

        errno = 0;
        ret->real = strtod(text, &end);
        return errno || end == text || *end || isspace((unsigned char) *text) ? -EINVAL : 0;
}

static int value_parse_duration(const ConfigRow *row, const char *text, ConfigValue *ret) {
        if (str_is_empty(text) && !str_is_empty(row->preset) && !(row->flags & CONFIG_REQUIRED))
                text = row->preset;
        return duration_parse(text, &ret->number);
}

static int value_parse_list(const ConfigRow *row _unused_, const char *text, ConfigValue *ret) {
        ret->list.is_set = true;
        return str_list_split(&ret->list, text, ',');
}

static int value_parse_map(const ConfigRow *row _unused_, const char *text, ConfigValue *ret) {
        _cleanup_(str_list_done) StrList pairs = {};
        int r;

        if (str_equal(text, "null"))
                return 0;

        ret->map.is_set = true;
        r = str_list_split(&pairs, text, ',');
        for (size_t i = 0; r >= 0 && i < pairs.n; i++) {
                char *colon = strchr(pairs.items[i], ':');

                if (!colon || strchr(colon + 1, ':'))
                        return -EINVAL;
                *colon = '\0';
                r = str_map_set(&ret->map, pairs.items[i], colon + 1);
        }
        return r;
}

static int value_parse_object(const ConfigRow *row, const char *text, ConfigValue *ret) {
        if (!str_equal(text, row->preset))
                return -EINVAL;
        return str_copy(&ret->string, text);
}

static int value_parse_type(const ConfigRow *row, const char *text, ConfigValue *ret) {
        _cleanup_(json_object_putp) struct json_object *from = json_object_new_string(text);

        return from ? row->type->read(from, ret) : -ENOMEM;
}

static const ValueKind value_kinds[_JSON_KIND_N] = {
        [JSON_STRING] = { "a string", sizeof(char *), value_parse_string },
        [JSON_BOOL] = { "true or false", sizeof(bool), value_parse_bool },
        [JSON_INT] = { "a whole number", sizeof(int64_t), value_parse_int },
        [JSON_DOUBLE] = { "a number", sizeof(double), value_parse_double },
        [JSON_DURATION] = { "a duration such as \"1m30s\"", sizeof(int64_t), value_parse_duration },
        [JSON_STRINGS] = { "a list of strings", sizeof(StrList), value_parse_list },
        [JSON_ONE_OR_MORE] = { "a string or a list of strings", sizeof(StrList), value_parse_list },
        [JSON_MAP] = { "names and values, both strings", sizeof(StrMap), value_parse_map },
        [JSON_OBJECT] = { "an object, in the file only", sizeof(char *), value_parse_object },
        [JSON_TYPE] = { NULL, sizeof(bool), value_parse_type },
};

/* ---- rules */

static int rule_positive(const ConfigRow *row _unused_, ConfigValue *value) {
        return value->number > 0;
}

static int rule_not_negative(const ConfigRow *row _unused_, ConfigValue *value) {
        return value->number >= 0;
}

static int rule_not_zero(const ConfigRow *row _unused_, ConfigValue *value) {
        return value->number != 0;
}

static int rule_header_bytes(const ConfigRow *row _unused_, ConfigValue *value) {
        return value->number >= 4096 && value->number <= INT32_MAX;
}

static int rule_fraction(const ConfigRow *row _unused_, ConfigValue *value) {
        return value->real > 0 && value->real < 1;
}

static int rule_filled(const ConfigRow *row, ConfigValue *value) {
        if (row->kind == JSON_STRING)
                return !str_is_empty(value->string);
        if (row->kind == JSON_MAP)
                return !value->map.is_set || value->map.n > 0;
        return value->list.n > 0 && !str_list_contains(&value->list, "");
}

static int rule_secret(const ConfigRow *row _unused_, ConfigValue *value) {
        size_t n = strlen(value->string);

        for (char *p = value->string; *p; p++) {
                if (!isxdigit((unsigned char) *p))
                        return 0;
                *p = (char) tolower((unsigned char) *p);
        }
        return n == 0 || n == 64;
}

static int rule_one_address(char **address, bool endpoint) {
        _cleanup_free_ char *canonical = NULL;
        MultiaddrEndpoint where;
        int r;

        r = multiaddr_parse(*address, &canonical, NULL);
        if (r == -EINVAL)
                return 0;
        if (r < 0)
                return r;
        if (endpoint && multiaddr_endpoint(canonical, &where) <= 0)
                return 0;

        free(*address);
        *address = TAKE_PTR(canonical);
        return 1;
}

static int rule_addresses_of(const ConfigRow *row, ConfigValue *value, bool endpoint, bool filled) {
        int r = 1;

        if (row->kind == JSON_STRING)
                return rule_one_address(&value->string, endpoint);
        if (filled && value->list.n == 0)
                return 0;

        for (size_t i = 0; r > 0 && i < value->list.n; i++)
                r = rule_one_address(&value->list.items[i], endpoint);
        return r;
}

static int rule_address(const ConfigRow *row, ConfigValue *value) {
        return rule_addresses_of(row, value, false, false);
}

static int rule_addresses(const ConfigRow *row, ConfigValue *value) {
        return rule_addresses_of(row, value, false, true);
}

static int rule_endpoint(const ConfigRow *row, ConfigValue *value) {
        return rule_addresses_of(row, value, true, true);
}

static int rule_peers_or_star(ConfigValue *value, bool star) {
        char text[PEER_ID_TEXT_MAX];
        PeerId id;
        int r;

        for (size_t i = 0; i < value->list.n; i++) {
                if (star && str_equal(value->list.items[i], "*"))
                        continue;
                if (peer_id_parse(value->list.items[i], &id) < 0)
                        return 0;
                r = str_copy(&value->list.items[i], peer_id_format(&id, text));
                if (r < 0)
                        return r;
        }
        return 1;
}

static int rule_peers(const ConfigRow *row _unused_, ConfigValue *value) {
        return rule_peers_or_star(value, false);
}

static int rule_trusted_peers(const ConfigRow *row _unused_, ConfigValue *value) {
        return rule_peers_or_star(value, true);
}

static int rule_authorization(const ConfigRow *row _unused_, ConfigValue *value) {
        const char *text = value->string;

        for (const char *p = text; *p; p++) /* it becomes a header line */
                if (iscntrl((unsigned char) *p))
                        return 0;
        if (strncmp(text, "bearer:", 7) == 0)
                return text[7] != '\0';
        if (strncmp(text, "basic:", 6) == 0)
                return text[6] != ':' && strchr(text + 6, ':') != NULL;
        return *text == '\0';
}

/* RFC 9110 5.6.2 and 5.5; what frames an answer is the server's. */
static bool header_is_allowed(const char *name) {
        static const char *const framing[] = { "Connection", "Content-Length",    "Date",
                                               "Trailer",    "Transfer-Encoding", "Upgrade" };

        for (const char *p = name; *p; p++)
                if (!isalnum((unsigned char) *p) && !strchr("!#$%&'*+-.^_`|~", *p))
                        return false;
        for (size_t i = 0; i < ELEMENTSOF(framing); i++)
                if (strcasecmp(name, framing[i]) == 0)
                        return false;
        return *name != '\0';
}

static bool header_has_values(struct json_object *values) {
        if (!json_object_is_type(values, json_type_array))
                return false;
        for (size_t i = 0; i < json_object_array_length(values); i++) {
                struct json_object *value = json_object_array_get_idx(values, i);

                if (!json_object_is_type(value, json_type_string))
                        return false;
                for (const char *p = json_object_get_string(value); *p; p++)
                        if (iscntrl((unsigned char) *p))
                                return false;
        }
        return true;
}

static int rule_headers(const ConfigRow *row _unused_, ConfigValue *value) {
        _cleanup_(json_object_putp) struct json_object *object = NULL;
        int r;

        r = json_parse(value->string, strlen(value->string), &object, NULL);
        if (r < 0)
                return r;

        json_object_object_foreach(object, name, values) {
                if (!header_is_allowed(name) || !header_has_values(values))
                        return 0;
        }
        return 1;
}

static int rule_log_levels(const ConfigRow *row _unused_, ConfigValue *value) {
        int r = log_check_levels(value->string);

        return r == -EINVAL ? 0 : r < 0 ? r : 1;
}

static const ValueRule value_rules[_CONFIG_RULE_N] = {
        [CONFIG_RULE_POSITIVE] = { "a number above 0", "a duration above 0", rule_positive },
        [CONFIG_RULE_NOT_NEGATIVE] = { "0 or a number above it",
                                       "0 or a duration above it",
                                       rule_not_negative },
        [CONFIG_RULE_NOT_ZERO] = { "a number other than 0", "a duration other than 0", rule_not_zero },
        [CONFIG_RULE_HEADER_BYTES] = { "a number from 4096 to 2147483647", NULL, rule_header_bytes },
        [CONFIG_RULE_FRACTION] = { "a number above 0 and below 1", NULL, rule_fraction },
        [CONFIG_RULE_FILLED] = { "something that is not empty", NULL, rule_filled },
        [CONFIG_RULE_SECRET] = { "64 hexadecimal digits, or nothing for an open cluster",
                                 NULL,
                                 rule_secret },
        [CONFIG_RULE_ADDRESS] = { "a multiaddr such as /ip4/127.0.0.1/tcp/9096", NULL, rule_address },
        [CONFIG_RULE_ADDRESSES] = { "one or more multiaddrs such as /ip4/0.0.0.0/tcp/9096",
                                    NULL,
                                    rule_addresses },
        [CONFIG_RULE_ENDPOINT] = { "a multiaddr with tcp or unix, such as /ip4/127.0.0.1/tcp/5001",
                                   NULL,
                                   rule_endpoint },
        [CONFIG_RULE_ENDPOINTS] = { "one or more multiaddrs with tcp or unix, such as /ip4/127.0.0.1/tcp/9094",
                                    NULL,
                                    rule_endpoint },
        [CONFIG_RULE_PEERS] = { "peer IDs", NULL, rule_peers },
        [CONFIG_RULE_TRUSTED_PEERS] = { "peer IDs or \"*\"", NULL, rule_trusted_peers },
        [CONFIG_RULE_AUTHORIZATION] = { "bearer:TOKEN or basic:USER:PASSWORD", NULL, rule_authorization },
        [CONFIG_RULE_HEADERS] = { "names of HTTP headers (none that frame the answer), each with a list of values",
                                  NULL,
                                  rule_headers },
        [CONFIG_RULE_LOG_LEVELS] = { "levels such as info,tracker:debug", NULL, rule_log_levels },
};

/* ---- a row as a JSON shape of one field */

typedef struct ValueShape {
        JsonField fields[2];
        JsonShape shape;
} ValueShape;

static const JsonShape *value_shape(const ConfigRow *row, unsigned flags, ValueShape *shape) {
        shape->fields[0] = (JsonField){
                .key = row->key,
                .kind = row->kind == JSON_OBJECT ? JSON_RAW : row->kind,
                .flags = flags,
                .type = row->type,
        };
        shape->fields[1] = (JsonField) JSON_END;
        shape->shape = (JsonShape){ "", sizeof(ConfigValue), shape->fields };
        return &shape->shape;
}

static int value_fail(const ConfigRow *row, ConfigProblem *reterr, const char *text, const char *expected) {
        if (row->flags & CONFIG_SECRET)
                text = "";
        snprintf(reterr->value,
                 sizeof(reterr->value),
                 "%.*s",
                 (int) str_utf8_cut(text, sizeof(reterr->value) - 1),
                 text);
        reterr->expected = expected;
        return -EINVAL;
}

static const char *value_expected(const ConfigRow *row) {
        return row->kind == JSON_TYPE ? row->type->expected : value_kinds[row->kind].expected;
}

int config_value_read(
                const ConfigRow *row, struct json_object *object, ConfigValue *ret, ConfigProblem *reterr) {
        struct json_object *value = NULL;
        JsonProblem problem = {};
        ValueShape shape;
        int r;

        *ret = (ConfigValue){};
        (void) json_object_object_get_ex(object, row->key, &value);
        if (row->kind == JSON_OBJECT && !json_object_is_type(value, json_type_object))
                return value_fail(
                                row,
                                reterr,
                                json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN),
                                value_expected(row));

        r = json_read(value_shape(row, 0, &shape), object, ret, &problem);
        if (r == -ENOMEM || r >= 0)
                return r;

        *ret = (ConfigValue){};
        return value_fail(row, reterr, problem.value, value_expected(row));
}

int config_value_parse(const ConfigRow *row, const char *text, ConfigValue *ret, ConfigProblem *reterr) {
        int r;

        *ret = (ConfigValue){};
        r = value_kinds[row->kind].parse(row, text, ret);
        if (r >= 0)
                return 0;

        config_value_done(row, ret);
        if (r == -ENOMEM)
                return r;
        return value_fail(row, reterr, text, value_expected(row));
}

static const char *value_rule_expected(const ConfigRow *row) {
        const ValueRule *rule = &value_rules[row->rule];

        return row->kind == JSON_DURATION && rule->expected_duration ? rule->expected_duration
                                                                     : rule->expected;
}

int config_value_check(const ConfigRow *row, ConfigValue *value, ConfigProblem *reterr) {
        _cleanup_(str_done) Str text = {};
        int r = 1;

        if (value_rules[row->rule].holds)
                r = value_rules[row->rule].holds(row, value);
        if (r > 0)
                return 0;

        if (r == 0)
                r = config_value_write(row, value, 0, &text);
        config_value_done(row, value);
        if (r < 0)
                return r;
        return value_fail(
                        row,
                        reterr,
                        text.data + strlen(row->key) + strlen("\"\":"),
                        value_rule_expected(row));
}

static void value_done_text(Str *text) {
        if (text->data)
                explicit_bzero(text->data, text->len); /* it may be a secret */
        str_done(text);
}

int config_value_is_equal(const ConfigRow *row, const void *a, const void *b) {
        _cleanup_(value_done_text) Str text = {}, other = {};
        int r;

        r = config_value_write(row, a, 0, &text);
        if (r >= 0)
                r = config_value_write(row, b, 0, &other);
        return r < 0 ? r : str_equal(text.data, other.data);
}

int config_value_is_preset(const ConfigRow *row, const void *member) {
        ConfigProblem problem;
        ConfigValue preset;
        int r;

        if (!row->preset)
                return config_value_is_zero(row, member);

        r = config_value_parse(row, row->preset, &preset, &problem);
        if (r < 0)
                return r;
        r = config_value_is_equal(row, member, &preset);
        config_value_done(row, &preset);
        return r;
}

bool config_value_is_zero(const ConfigRow *row, const void *member) {
        switch (row->kind) { /* by the member's own type: it lies where its struct has room for it */
        case JSON_STRING:
                return str_is_empty(*(char *const *) member);
        case JSON_BOOL:
                return !*(const bool *) member;
        case JSON_INT:
        case JSON_DURATION:
                return *(const int64_t *) member == 0;
        case JSON_STRINGS:
        case JSON_ONE_OR_MORE:
                return ((const StrList *) member)->n == 0;
        case JSON_MAP:
                return ((const StrMap *) member)->n == 0;
        default:
                return false;
        }
}

void config_value_store(const ConfigRow *row, ConfigValue *value, void *member) {
        config_value_done(row, member);
        memcpy(member, value, value_kinds[row->kind].size);
        *value = (ConfigValue){};
}

void config_value_exchange(const ConfigRow *row, void *a, void *b) {
        ConfigValue kept;
        size_t size = value_kinds[row->kind].size;

        memcpy(&kept, a, size);
        memcpy(a, b, size);
        memcpy(b, &kept, size);
}

void config_value_done(const ConfigRow *row, void *member) {
        ValueShape shape;

        if (row->flags & CONFIG_SECRET && row->kind == JSON_STRING && *(char **) member)
                explicit_bzero(*(char **) member, strlen(*(char **) member));
        if (row->flags & CONFIG_SECRET && row->kind == JSON_MAP)
                for (size_t i = 0; i < ((StrMap *) member)->n; i++)
                        explicit_bzero(((StrMap *) member)->items[i].value,
                                       strlen(((StrMap *) member)->items[i].value));
        json_done(value_shape(row, 0, &shape), member);
}

int config_value_write(const ConfigRow *row, const void *member, unsigned flags, Str *to) {
        _cleanup_(str_done) Str object = {};
        ValueShape shape;
        int r;

        r = json_write(value_shape(row, flags, &shape), member, &object);
        if (r < 0)
                return r;
        return str_append_bytes(to, object.data + 1, object.len - 2); /* without the braces */
}
