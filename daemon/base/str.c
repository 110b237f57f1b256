#include "daemon/base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define STR_CAPACITY_MIN 64

void str_done(Str *s) {
        free(s->data);
        *s = (Str){};
}

void str_reset(Str *s) {
        s->len = 0;
        s->failed = false;
        if (s->data)
                s->data[0] = '\0';
}

static int str_fail(Str *s) {
        s->failed = true;
        return -ENOMEM;
}

static int str_grow(Str *s, size_t n) {
        size_t capacity;
        char *data;

        if (n > SIZE_MAX / 4 - s->len)
                return str_fail(s);

        capacity = MAX(MAX(s->capacity * 2, s->len + n + 1), STR_CAPACITY_MIN);
        data = realloc(s->data, capacity);
        if (!data)
                return str_fail(s);

        s->data = data;
        s->capacity = capacity;
        s->data[s->len] = '\0';
        return 0;
}

int str_reserve(Str *s, size_t n) {
        if (s->failed)
                return -ENOMEM;
        if (n < s->capacity - s->len) /* one byte stays for the NUL; 0 < 0 is false for the empty Str */
                return 0;

        return str_grow(s, n);
}

int str_append_bytes(Str *s, const void *bytes, size_t n) {
        int r;

        r = str_reserve(s, n);
        if (r < 0)
                return r;

        if (n > 0)
                memcpy(s->data + s->len, bytes, n);
        s->len += n;
        s->data[s->len] = '\0';
        return 0;
}

int str_append(Str *s, const char *text) {
        return str_append_bytes(s, text, strlen(text));
}

int str_append_char(Str *s, char c) {
        return str_append_bytes(s, &c, 1);
}

int str_append_uint(Str *s, uint64_t value) {
        char digits[20];
        size_t at = sizeof(digits);

        do {
                digits[--at] = (char) ('0' + value % 10);
                value /= 10;
        } while (value > 0);

        return str_append_bytes(s, digits + at, sizeof(digits) - at);
}

int str_append_int(Str *s, int64_t value) {
        if (value >= 0)
                return str_append_uint(s, (uint64_t) value);

        (void) str_append_char(s, '-');
        return str_append_uint(s, -(uint64_t) value);
}

int str_appendv(Str *s, const char *format, va_list ap) {
        va_list again;
        int n, r;

        r = str_reserve(s, STR_CAPACITY_MIN);
        if (r < 0)
                return r;

        va_copy(again, ap);
        n = vsnprintf(s->data + s->len, s->capacity - s->len, format, ap);
        if (n >= 0 && (size_t) n >= s->capacity - s->len) {
                r = str_reserve(s, (size_t) n);
                if (r >= 0)
                        n = vsnprintf(s->data + s->len, s->capacity - s->len, format, again);
        }
        va_end(again);

        if (n < 0 || r < 0) {
                s->data[s->len] = '\0';
                return str_fail(s);
        }

        s->len += (size_t) n;
        return 0;
}

int str_appendf(Str *s, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = str_appendv(s, format, ap);
        va_end(ap);

        return r;
}

int str_error(const Str *s) {
        return s->failed ? -ENOMEM : 0;
}

char *str_take(Str *s) {
        char *text;

        (void) str_reserve(s, 0);
        if (s->failed) {
                str_done(s);
                return NULL;
        }

        text = TAKE_PTR(s->data);
        *s = (Str){};
        return text;
}

bool str_equal(const char *a, const char *b) {
        return a == b || (a && b && !strcmp(a, b));
}

bool str_equal_n(const char *text, const char *bytes, size_t n) {
        return strlen(text) == n && !memcmp(text, bytes, n);
}

int str_parse_bool(const char *text, bool *ret) {
        static const char *const words[][2] = {
                { "0", "1" },        { "f", "t" },        { "F", "T" },
                { "false", "true" }, { "False", "True" }, { "FALSE", "TRUE" },
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                for (int value = 0; value < 2; value++)
                        if (!strcmp(text, words[i][value])) {
                                *ret = value;
                                return 0;
                        }
        return -EINVAL;
}

int str_parse_int(const char *text, int64_t *ret) {
        long long value;
        char *end;

        errno = 0;
        value = strtoll(text, &end, 0);
        if (errno == ERANGE)
                return -ERANGE;
        if (end == text || *end || isspace((unsigned char) *text))
                return -EINVAL;

        *ret = value;
        return 0;
}

int str_copy(char **to, const char *from) {
        char *copy = NULL;

        if (from) {
                copy = strdup(from);
                if (!copy)
                        return -ENOMEM;
        }

        free(*to);
        *to = copy;
        return 0;
}

/* What may follow a first byte (Unicode 15, table 3-7): the second byte lies in [low, high], the others in
 * [0x80, 0xbf]. */
static const struct {
        uint8_t first, last, size, low, high;
} utf8_table[] = {
        { 0x00, 0x7f, 1, 0x00, 0x00 }, { 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
        { 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
        { 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

size_t str_utf8_rune(const char *bytes, size_t n) {
        const uint8_t *u = (const uint8_t *) bytes;
        size_t i;

        if (n == 0)
                return 0;

        for (i = 0; i < ELEMENTSOF(utf8_table); i++)
                if (u[0] >= utf8_table[i].first && u[0] <= utf8_table[i].last)
                        break;
        if (i == ELEMENTSOF(utf8_table) || n < utf8_table[i].size)
                return 0;

        if (utf8_table[i].size > 1 && (u[1] < utf8_table[i].low || u[1] > utf8_table[i].high))
                return 0;
        for (size_t k = 2; k < utf8_table[i].size; k++)
                if ((u[k] & 0xc0) != 0x80)
                        return 0;

        return utf8_table[i].size;
}

/* Whether the eight bytes at BYTES are ASCII: most text is, and need not be looked at one by one. */
static bool is_ascii8(const char *bytes) {
        uint64_t word;

        memcpy(&word, bytes, sizeof(word));
        return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool str_is_utf8(const char *bytes, size_t n) {
        for (size_t at = 0, size; at < n; at += size) {
                size = n - at >= 8 && is_ascii8(bytes + at) ? 8 : str_utf8_rune(bytes + at, n - at);
                if (size == 0)
                        return false;
        }

        return true;
}

size_t str_utf8_cut(const char *text, size_t max) {
        size_t n = strnlen(text, max), back;

        if (text[n] == '\0')
                return n;

        /* Not more than three steps back, so that bytes which are no UTF-8 at all are merely cut. */
        for (back = 0; back < 3 && back < n && ((uint8_t) text[n - back] & 0xc0) == 0x80; back++)
                ;
        return ((uint8_t) text[n - back] & 0xc0) == 0x80 ? n : n - back;
}

/* ---- list: room is known from the number of elements, which is a power of two minus one when it is used up
 * (one slot is for the NULL at the end) */

#define COLLECTION_SLOTS_MIN 4

static bool slots_are_used_up(size_t n_slots) {
        return n_slots >= COLLECTION_SLOTS_MIN && (n_slots & (n_slots - 1)) == 0;
}

int str_list_append_take(StrList *list, char *item) {
        _cleanup_free_ char *taken = item;

        if (!taken)
                return -ENOMEM;

        if (!list->items || slots_are_used_up(list->n + 1)) {
                size_t n_slots = MAX((list->n + 1) * 2, (size_t) COLLECTION_SLOTS_MIN);
                char **items;

                items = realloc(list->items, n_slots * sizeof(*items));
                if (!items)
                        return -ENOMEM;
                list->items = items;
        }

        list->items[list->n++] = TAKE_PTR(taken);
        list->items[list->n] = NULL;
        list->is_set = true;
        return 0;
}

int str_list_append(StrList *list, const char *item) {
        return str_list_append_take(list, strdup(item));
}

int str_list_copy(StrList *to, const StrList *from) {
        _cleanup_(str_list_done) StrList copy = { .is_set = from->is_set };
        int r;

        for (size_t i = 0; i < from->n; i++) {
                r = str_list_append(&copy, from->items[i]);
                if (r < 0)
                        return r;
        }

        str_list_done(to);
        *to = copy;
        copy = (StrList){};
        return 0;
}

bool str_list_equal(const StrList *a, const StrList *b) {
        if (a->n != b->n)
                return false;

        for (size_t i = 0; i < a->n; i++)
                if (strcmp(a->items[i], b->items[i]) != 0)
                        return false;

        return true;
}

bool str_list_contains(const StrList *list, const char *item) {
        for (size_t i = 0; i < list->n; i++)
                if (!strcmp(list->items[i], item))
                        return true;

        return false;
}

/* A part without the spaces around it; nothing is appended when nothing is left. */
static int str_list_append_part(StrList *list, const char *part, size_t n) {
        char *item;

        while (n > 0 && *part == ' ')
                part++, n--;
        while (n > 0 && part[n - 1] == ' ')
                n--;
        if (n == 0)
                return 0;

        item = malloc(n + 1);
        if (!item)
                return -ENOMEM;
        memcpy(item, part, n);
        item[n] = '\0';

        return str_list_append_take(list, item);
}

int str_list_split(StrList *list, const char *text, char separator) {
        assert(separator != '\0');

        for (const char *end;; text = end + 1) {
                int r;

                end = strchrnul(text, separator);
                r = str_list_append_part(list, text, (size_t) (end - text));
                if (r < 0)
                        return r;
                if (*end == '\0')
                        return 0;
        }
}

void str_list_done(StrList *list) {
        for (size_t i = 0; i < list->n; i++)
                free(list->items[i]);
        free(list->items);
        *list = (StrList){};
}

/* ---- map */

/* Where KEY is, or where it belongs; keys mostly arrive in order, so the end is looked at first. */
static size_t str_map_find(const StrMap *map, const char *key, bool *ret_found) {
        size_t low = 0, high = map->n;
        int order = 1;

        if (map->n > 0 && strcmp(map->items[map->n - 1].key, key) < 0)
                low = high;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                order = strcmp(map->items[middle].key, key);
                if (order == 0) {
                        low = middle;
                        break;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }

        *ret_found = order == 0;
        return low;
}

static int str_map_insert(StrMap *map, size_t at, const char *key, const char *value) {
        _cleanup_free_ char *key_copy = strdup(key), *value_copy = strdup(value);

        if (!key_copy || !value_copy)
                return -ENOMEM;

        if (!map->items || slots_are_used_up(map->n)) {
                size_t n_slots = MAX(map->n * 2, (size_t) COLLECTION_SLOTS_MIN);
                void *items;

                items = realloc(map->items, n_slots * sizeof(*map->items));
                if (!items)
                        return -ENOMEM;
                map->items = items;
        }

        memmove(map->items + at + 1, map->items + at, (map->n - at) * sizeof(*map->items));
        map->items[at].key = TAKE_PTR(key_copy);
        map->items[at].value = TAKE_PTR(value_copy);
        map->n++;
        map->is_set = true;
        return 0;
}

int str_map_set(StrMap *map, const char *key, const char *value) {
        bool found;
        size_t at;

        at = str_map_find(map, key, &found);
        if (found)
                return str_copy(&map->items[at].value, value);

        return str_map_insert(map, at, key, value);
}

const char *str_map_get(const StrMap *map, const char *key) {
        bool found;
        size_t at;

        at = str_map_find(map, key, &found);
        return found ? map->items[at].value : NULL;
}

int str_map_copy(StrMap *to, const StrMap *from) {
        _cleanup_(str_map_done) StrMap copy = { .is_set = from->is_set };
        int r;

        for (size_t i = 0; i < from->n; i++) {
                r = str_map_set(&copy, from->items[i].key, from->items[i].value);
                if (r < 0)
                        return r;
        }

        str_map_done(to);
        *to = copy;
        copy = (StrMap){};
        return 0;
}

bool str_map_equal(const StrMap *a, const StrMap *b) {
        if (a->n != b->n)
                return false;

        for (size_t i = 0; i < a->n; i++)
                if (strcmp(a->items[i].key, b->items[i].key) != 0 ||
                    strcmp(a->items[i].value, b->items[i].value) != 0)
                        return false;

        return true;
}

void str_map_done(StrMap *map) {
        for (size_t i = 0; i < map->n; i++) {
                free(map->items[i].key);
                free(map->items[i].value);
        }
        free(map->items);
        *map = (StrMap){};
}
