#include "daemon/base/json.h"

#include <ctype.h>
#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#include "daemon/base/macro.h"

static void json_tokener_freep(json_tokener **tokener) {
        if (*tokener)
                json_tokener_free(*tokener);
}

void json_object_putp(struct json_object **p) {
        if (*p)
                json_object_put(*p);
}

/* ---- the grammar (RFC 8259), checked by us: even in its strict mode json-c takes 'a' for "a", NaN for a
 * number, raw control characters in strings, and bends whole numbers that do not fit in 64 bits */

typedef struct Scan {
        const char *at;
        const char *end;
} Scan;

static bool scan_value(Scan *scan, unsigned depth);

static void scan_white_space(Scan *scan) {
        while (scan->at < scan->end && memchr(" \t\r\n", *scan->at, 4))
                scan->at++;
}

static bool scan_char(Scan *scan, char c) {
        if (scan->at == scan->end || *scan->at != c)
                return false;

        scan->at++;
        return true;
}

static bool scan_word(Scan *scan, const char *word) {
        for (; *word; word++)
                if (!scan_char(scan, *word))
                        return false;

        return true;
}

static bool scan_escape(Scan *scan) {
        if (scan->at == scan->end)
                return false;

        if (*scan->at != 'u') {
                if (!memchr("\"\\/bfnrt", *scan->at, 8))
                        return false;
                scan->at++;
                return true;
        }

        scan->at++;
        for (int i = 0; i < 4; i++, scan->at++)
                if (scan->at == scan->end || !isxdigit((unsigned char) *scan->at))
                        return false;
        return true;
}

static bool scan_string(Scan *scan) {
        if (!scan_char(scan, '"'))
                return false;

        while (scan->at < scan->end && *scan->at != '"') {
                if ((unsigned char) *scan->at < ' ')
                        return false;
                if (*scan->at++ == '\\' && !scan_escape(scan))
                        return false;
        }

        return scan_char(scan, '"');
}

/* Answers how many there were. */
static size_t scan_digits(Scan *scan) {
        const char *start = scan->at;

        while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
                scan->at++;

        return (size_t) (scan->at - start);
}

static bool fits_in_64_bits(const char *digits, size_t n, bool negative) {
        static const char limits[2][20 + 1] = { "18446744073709551615", "09223372036854775808" };
        char padded[20];

        if (n > sizeof(padded))
                return false;

        memset(padded, '0', sizeof(padded));
        memcpy(padded + sizeof(padded) - n, digits, n);
        return memcmp(padded, limits[negative], sizeof(padded)) <= 0;
}

static bool scan_number(Scan *scan) {
        bool negative = scan_char(scan, '-'), whole = true;
        const char *digits = scan->at;
        size_t n = scan_digits(scan);

        if (n == 0 || (n > 1 && *digits == '0'))
                return false;

        if (scan_char(scan, '.')) {
                whole = false;
                if (scan_digits(scan) == 0)
                        return false;
        }
        if (scan_char(scan, 'e') || scan_char(scan, 'E')) {
                whole = false;
                if (!scan_char(scan, '+'))
                        (void) scan_char(scan, '-');
                if (scan_digits(scan) == 0)
                        return false;
        }

        return !whole || fits_in_64_bits(digits, n, negative);
}

static bool scan_member(Scan *scan, unsigned depth) {
        scan_white_space(scan);
        if (!scan_string(scan))
                return false;
        scan_white_space(scan);
        return scan_char(scan, ':') && scan_value(scan, depth);
}

/* What stands between OPEN, which has been read, and CLOSE. */
static bool scan_elements(Scan *scan, char close, bool (*scan_element)(Scan *, unsigned), unsigned depth) {
        if (depth > JSON_DEPTH_MAX)
                return false;

        scan_white_space(scan);
        if (scan_char(scan, close))
                return true;

        do
                if (!scan_element(scan, depth))
                        return false;
        while (scan_char(scan, ','));

        return scan_char(scan, close);
}

static bool scan_value_at(Scan *scan, unsigned depth) {
        switch (scan->at < scan->end ? *scan->at : '\0') {
        case '{':
                scan->at++;
                return scan_elements(scan, '}', scan_member, depth + 1);
        case '[':
                scan->at++;
                return scan_elements(scan, ']', scan_value, depth + 1);
        case '"':
                return scan_string(scan);
        case 't':
                return scan_word(scan, "true");
        case 'f':
                return scan_word(scan, "false");
        case 'n':
                return scan_word(scan, "null");
        default:
                return scan_number(scan);
        }
}

/* With the white space around it. */
static bool scan_value(Scan *scan, unsigned depth) {
        scan_white_space(scan);
        if (!scan_value_at(scan, depth))
                return false;
        scan_white_space(scan);
        return true;
}

int json_parse(const char *text, size_t n, struct json_object **ret, size_t *ret_offset) {
        _cleanup_(json_tokener_freep) json_tokener *tokener = NULL;
        _cleanup_(json_object_putp) json_object *o = NULL;
        Scan scan = { text, text + n };

        /* What is no UTF-8 could not be handed on to anybody. */
        if (!scan_value(&scan, 0) || scan.at != scan.end || n > INT_MAX || !str_is_utf8(text, n)) {
                if (ret_offset)
                        *ret_offset = (size_t) (scan.at - text);
                return -EBADMSG;
        }

        tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
        if (!tokener)
                return -ENOMEM;

        o = json_tokener_parse_ex(tokener, text, (int) n);
        if (json_tokener_get_error(tokener) == json_tokener_continue) /* a number ends with the text */
                o = json_tokener_parse_ex(tokener, "", 1);
        if (json_tokener_get_error(tokener) != json_tokener_success) /* of what it refuses, memory is left */
                return -ENOMEM;

        *ret = TAKE_PTR(o);
        return 0;
}

/* ---- what the kinds own */

static void string_done(const JsonField *field _unused_, void *member) {
        freep(member);
        *(char **) member = NULL;
}

static void strings_done(const JsonField *field _unused_, void *member) {
        str_list_done(member);
}

static void map_done(const JsonField *field _unused_, void *member) {
        str_map_done(member);
}

static void object_done(const JsonField *field, void *member) {
        json_done(field->shape, member);
}

static void array_done(const JsonField *field, void *member) {
        JsonArray *array = member;

        for (size_t i = 0; i < array->n; i++)
                json_done(field->shape, (char *) array->items + i * field->shape->size);
        free(array->items);
        *array = (JsonArray){};
}

static void type_done(const JsonField *field, void *member) {
        if (field->type->done)
                field->type->done(member);
}

static void (*const kind_done[_JSON_KIND_N])(const JsonField *field, void *member) = {
        [JSON_STRING] = string_done, [JSON_STRINGS] = strings_done, [JSON_ONE_OR_MORE] = strings_done,
        [JSON_MAP] = map_done,       [JSON_OBJECT] = object_done,   [JSON_ARRAY] = array_done,
        [JSON_OBJECTS] = array_done, [JSON_KEY] = string_done,      [JSON_RAW] = string_done,
        [JSON_TYPE] = type_done,
};

void json_done_field(const JsonField *field, void *value) {
        if (kind_done[field->kind])
                kind_done[field->kind](field, (char *) value + field->offset);
}

void json_done(const JsonShape *shape, void *value) {
        for (const JsonField *field = shape->fields; field->key; field++)
                json_done_field(field, value);
}
