#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/json.h"
#include "daemon/base/macro.h"
#include "daemon/base/time.h"

typedef struct KindWriter {
        int (*write)(const JsonField *field, const void *member, Str *to);
        bool (*is_empty)(const void *member); /* NULL: never */
} KindWriter;

/* ---- strings */

/* Bytes that need a look: control characters, what Go escapes for the sake of HTML, and all beyond ASCII. */
static const bool is_special[256] = {
        [0x00 ... 0x1f] = true, ['"'] = true, ['\\'] = true,          ['<'] = true,
        ['>'] = true,           ['&'] = true, [0x80 ... 0xff] = true,
};

static int write_escaped(Str *to, unsigned code) {
        static const char hex[] = "0123456789abcdef";
        static const char names[256] = {
                ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
        };
        char text[] = "\\u0000";

        if (code < ELEMENTSOF(names) && names[code] != '\0') {
                text[1] = names[code];
                return str_append_bytes(to, text, 2);
        }

        for (int i = 5; i >= 2; i--, code >>= 4)
                text[i] = hex[code & 0xf];
        return str_append_bytes(to, text, 6);
}

/* One special character at TEXT; answers how many bytes it takes there. */
static size_t write_special(Str *to, const char *text, size_t n) {
        size_t size;

        if ((uint8_t) text[0] < 0x80) {
                (void) write_escaped(to, (uint8_t) text[0]);
                return 1;
        }

        size = str_utf8_rune(text, n);
        if (size == 0) {
                (void) write_escaped(to, 0xfffd);
                return 1;
        }

        /* U+2028 and U+2029 end a line in JavaScript, so Go escapes them. */
        if (size == 3 && !memcmp(text, "\xe2\x80", 2) && ((uint8_t) text[2] & 0xfe) == 0xa8)
                (void) write_escaped(to, 0x2000 | ((uint8_t) text[2] & 0x3f));
        else
                (void) str_append_bytes(to, text, size);
        return size;
}

int json_write_string_n(Str *to, const char *text, size_t n) {
        size_t at = 0, run;
        int r;

        r = str_reserve(to, n + 2);
        if (r < 0)
                return r;

        (void) str_append_char(to, '"');
        while (at < n) {
                for (run = at; run < n && !is_special[(uint8_t) text[run]]; run++)
                        ;
                (void) str_append_bytes(to, text + at, run - at);
                at = run;
                if (at < n)
                        at += write_special(to, text + at, n - at);
        }
        return str_append_char(to, '"');
}

int json_write_string(Str *to, const char *text) {
        return text ? json_write_string_n(to, text, strlen(text)) : str_append_bytes(to, "\"\"", 2);
}

/* ---- kinds of one value */

static int string_write(const JsonField *field _unused_, const void *member, Str *to) {
        return json_write_string(to, *(char *const *) member);
}

static bool string_is_empty(const void *member) {
        return str_is_empty(*(char *const *) member);
}

static int bool_write(const JsonField *field _unused_, const void *member, Str *to) {
        return *(const bool *) member ? str_append_bytes(to, "true", 4) : str_append_bytes(to, "false", 5);
}

static bool bool_is_empty(const void *member) {
        return !*(const bool *) member;
}

static int int_write(const JsonField *field _unused_, const void *member, Str *to) {
        return str_append_int(to, *(const int64_t *) member);
}

static int uint_write(const JsonField *field _unused_, const void *member, Str *to) {
        return str_append_uint(to, *(const uint64_t *) member);
}

static bool uint_is_empty(const void *member) {
        return *(const uint64_t *) member == 0;
}

/* The fewest significant digits that read back as VALUE; answers how many, and the exponent of the first.
 * The decimal point is one character, since nothing here calls setlocale(3). */
static int shortest_digits(double value, char digits[static 32], int *ret_exponent) {
        char text[32];
        int n = 0;

        do
                (void) snprintf(text, sizeof(text), "%.*e", n++, value);
        while (strtod(text, NULL) != value);

        digits[0] = text[0];
        memcpy(digits + 1, text + 2, (size_t) n - 1);
        *ret_exponent = atoi(strchr(text, 'e') + 1);
        return n;
}

static int write_zeros(Str *to, int n) {
        while (n-- > 0)
                (void) str_append_char(to, '0');

        return str_error(to);
}

/* As Go, which takes an exponent below 1e-6 and from 1e21 on; here already from 1e18 on, since a whole
 * number beyond 64 bits is not for every reader. */
static int double_write(const JsonField *field _unused_, const void *member, Str *to) {
        double value = *(const double *) member;
        char digits[32];
        int n, n_whole, exponent;

        if (!isfinite(value)) /* has no text in JSON */
                return str_append(to, "null");
        if (value == 0)
                return str_append_char(to, '0');
        if (value < 0)
                (void) str_append_char(to, '-');

        n = shortest_digits(fabs(value), digits, &exponent);
        if (exponent < -6 || exponent >= 18) {
                (void) str_appendf(to, "%.1s%s%.*s", digits, n > 1 ? "." : "", n - 1, digits + 1);
                return str_appendf(to, "e%c%d", exponent < 0 ? '-' : '+', abs(exponent));
        }

        if (exponent < 0) {
                (void) str_append_bytes(to, "0.", 2);
                (void) write_zeros(to, -exponent - 1);
                return str_append_bytes(to, digits, (size_t) n);
        }

        n_whole = MIN(n, exponent + 1);
        (void) str_append_bytes(to, digits, (size_t) n_whole);
        (void) write_zeros(to, exponent + 1 - n);
        if (n > n_whole)
                (void) str_append_char(to, '.');
        return str_append_bytes(to, digits + n_whole, (size_t) (n - n_whole));
}

static bool double_is_empty(const void *member) {
        return *(const double *) member == 0;
}

static int enum_write(const JsonField *field, const void *member, Str *to) {
        int value = *(const int *) member;

        assert(value >= 0);
        return json_write_string(to, field->names[value]);
}

static bool enum_is_empty(const void *member) {
        return *(const int *) member == 0;
}

static int time_write(const JsonField *field _unused_, const void *member, Str *to) {
        char text[TIME_TEXT_MAX];

        return json_write_string(to, time_format(*(const uint64_t *) member, text));
}

static int duration_write(const JsonField *field _unused_, const void *member, Str *to) {
        char text[TIME_TEXT_MAX];

        return json_write_string(to, duration_format(*(const int64_t *) member, text));
}

static int raw_write(const JsonField *field _unused_, const void *member, Str *to) {
        const char *text = *(char *const *) member;

        return str_append(to, text ? text : "null");
}

static int type_write(const JsonField *field, const void *member, Str *to) {
        return field->type->write(member, to);
}

/* ---- kinds of several values */

int json_write_strings(Str *to, const StrList *list) {
        if (list->n == 0)
                return str_append(to, list->is_set ? "[]" : "null");

        for (size_t i = 0; i < list->n; i++) {
                (void) str_append_char(to, i == 0 ? '[' : ',');
                (void) json_write_string(to, list->items[i]);
        }
        return str_append_char(to, ']');
}

static int strings_write(const JsonField *field _unused_, const void *member, Str *to) {
        return json_write_strings(to, member);
}

static bool strings_is_empty(const void *member) {
        return ((const StrList *) member)->n == 0;
}

static int one_or_more_write(const JsonField *field, const void *member, Str *to) {
        const StrList *list = member;

        return list->n == 1 ? json_write_string(to, list->items[0]) : strings_write(field, member, to);
}

static int map_write(const JsonField *field _unused_, const void *member, Str *to) {
        const StrMap *map = member;

        if (map->n == 0)
                return str_append(to, map->is_set ? "{}" : "null");

        for (size_t i = 0; i < map->n; i++) {
                (void) str_append_char(to, i == 0 ? '{' : ',');
                (void) json_write_string(to, map->items[i].key);
                (void) str_append_char(to, ':');
                (void) json_write_string(to, map->items[i].value);
        }
        return str_append_char(to, '}');
}

static bool map_is_empty(const void *member) {
        return ((const StrMap *) member)->n == 0;
}

static int object_write(const JsonField *field, const void *member, Str *to) {
        return json_write(field->shape, member, to);
}

static bool array_is_empty(const void *member) {
        return ((const JsonArray *) member)->n == 0;
}

static int array_write(const JsonField *field, const void *member, Str *to) {
        const JsonArray *array = member;

        if (array->n == 0)
                return str_append(to, array->is_set ? "[]" : "null");

        for (size_t i = 0; i < array->n; i++) {
                (void) str_append_char(to, i == 0 ? '[' : ',');
                (void) json_write(field->shape, (const char *) array->items + i * field->shape->size, to);
        }
        return str_append_char(to, ']');
}

static int objects_write(const JsonField *field, const void *member, Str *to) {
        const JsonField *key = &field->shape->fields[0];
        const JsonArray *array = member;

        assert(key->kind == JSON_KEY);

        if (array->n == 0)
                return str_append(to, array->is_set ? "{}" : "null");

        for (size_t i = 0; i < array->n; i++) {
                const char *item = (const char *) array->items + i * field->shape->size;

                (void) str_append_char(to, i == 0 ? '{' : ',');
                (void) string_write(key, item + key->offset, to);
                (void) str_append_char(to, ':');
                (void) json_write(field->shape, item, to);
        }
        return str_append_char(to, '}');
}

static const KindWriter kind_writers[_JSON_KIND_N] = {
        [JSON_STRING] = { string_write, string_is_empty },
        [JSON_BOOL] = { bool_write, bool_is_empty },
        [JSON_INT] = { int_write, uint_is_empty },
        [JSON_UINT] = { uint_write, uint_is_empty },
        [JSON_DOUBLE] = { double_write, double_is_empty },
        [JSON_ENUM] = { enum_write, enum_is_empty },
        [JSON_TIME] = { time_write, uint_is_empty },
        [JSON_DURATION] = { duration_write, uint_is_empty },
        [JSON_STRINGS] = { strings_write, strings_is_empty },
        [JSON_ONE_OR_MORE] = { one_or_more_write, strings_is_empty },
        [JSON_MAP] = { map_write, map_is_empty },
        [JSON_OBJECT] = { object_write, NULL },
        [JSON_ARRAY] = { array_write, array_is_empty },
        [JSON_OBJECTS] = { objects_write, array_is_empty },
        [JSON_RAW] = { raw_write, string_is_empty },
        [JSON_TYPE] = { type_write, NULL },
};

static bool json_field_is_written(const JsonField *field, const void *member) {
        if (field->kind == JSON_KEY || field->flags & JSON_NO_WRITE)
                return false;
        if (!(field->flags & JSON_OMIT_EMPTY))
                return true;
        if (field->kind == JSON_TYPE)
                return !field->type->is_empty || !field->type->is_empty(member);

        return !kind_writers[field->kind].is_empty || !kind_writers[field->kind].is_empty(member);
}

/* "key": in one go; keys are constants of ours that need no escapes. */
static void write_key(Str *to, const char *key, char before) {
        size_t n = strlen(key);

        if (str_reserve(to, n + 4) < 0)
                return;

        to->data[to->len++] = before;
        to->data[to->len++] = '"';
        memcpy(to->data + to->len, key, n);
        to->len += n;
        to->data[to->len++] = '"';
        to->data[to->len++] = ':';
        to->data[to->len] = '\0';
}

int json_write(const JsonShape *shape, const void *from, Str *to) {
        char before = '{';

        for (const JsonField *field = shape->fields; field->key; field++) {
                const void *member = (const char *) from + field->offset;
                int r;

                if (!json_field_is_written(field, member))
                        continue;

                write_key(to, field->key, before);
                before = ',';
                r = kind_writers[field->kind].write(field, member, to);
                if (r < 0)
                        return r;
        }

        return before == '{' ? str_append_bytes(to, "{}", 2) : str_append_char(to, '}');
}

/* ---- line breaks */

static void write_line_break(Str *to, size_t n_spaces) {
        (void) str_append_char(to, '\n');
        for (size_t i = 0; i < n_spaces; i++)
                (void) str_append_char(to, ' ');
}

/* The end of the string that starts at FROM[AT]. */
static size_t skip_string(const char *from, size_t n, size_t at) {
        for (at++; at < n && from[at] != '"'; at++)
                if (from[at] == '\\')
                        at++;

        return at < n ? at + 1 : n;
}

static size_t skip_white_space(const char *from, size_t n, size_t at) {
        while (at < n && memchr(" \t\r\n", from[at], 4))
                at++;

        return at;
}

int json_indent(const char *from, size_t n, unsigned indent, Str *to) {
        size_t depth = 0, at = 0, next;

        while ((at = skip_white_space(from, n, at)) < n) {
                char c = from[at];

                next = c == '"' ? skip_string(from, n, at) : at + 1;
                if ((c == '}' || c == ']') && depth > 0)
                        write_line_break(to, --depth * indent);
                (void) str_append_bytes(to, from + at, next - at);

                if (c == '{' || c == '[') {
                        next = skip_white_space(from, n, next);
                        if (next < n && (from[next] == '}' || from[next] == ']'))
                                (void) str_append_char(to, from[next++]);
                        else
                                write_line_break(to, ++depth * indent);
                } else if (c == ',')
                        write_line_break(to, depth * indent);
                else if (c == ':')
                        (void) str_append_char(to, ' ');
                at = next;
        }

        return str_error(to);
}
