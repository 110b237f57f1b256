#pragma once

/*
 * Str: a growing byte buffer for text and for wire formats.
 *
 * Zero-initialise it ("Str s = {}"). The first failed append sticks: later appends do nothing, and
 * str_error() or the next checked call tells -ENOMEM, so that a writer may append many times and look once.
 * DATA is NUL terminated after every append, and NULL while nothing was appended.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/macro.h"

typedef struct Str {
        char *data;
        size_t len;
        size_t capacity;
        bool failed;
} Str;

void str_done(Str *s);  /* frees the content; the Str can be used again */
void str_reset(Str *s); /* length 0, memory kept, failure forgotten */

/* Each answers 0 or -ENOMEM. */
int str_append(Str *s, const char *text);
int str_append_bytes(Str *s, const void *bytes, size_t n);
int str_append_char(Str *s, char c);
int str_append_uint(Str *s, uint64_t value);
int str_append_int(Str *s, int64_t value);
int str_appendf(Str *s, const char *format, ...) _printf_(2, 3);
int str_appendv(Str *s, const char *format, va_list ap) _printf_(2, 0);
int str_reserve(Str *s, size_t n); /* room for N more bytes without another allocation */

int str_error(const Str *s);
char *str_take(Str *s); /* the text, "" if nothing was appended; NULL when an append had failed */

/* One string per element; NULL-terminated array, owned, grown by str_list_append() alone (how much room it
 * has is derived from N). Equality looks at the elements only. */
typedef struct StrList {
        char **items;
        size_t n;
        bool is_set; /* tells an empty list ([]) from an absent one (null) */
} StrList;

int str_list_append(StrList *list, const char *item);
int str_list_append_take(StrList *list, char *item); /* takes ITEM, also on failure; NULL is -ENOMEM */
int str_list_copy(StrList *to, const StrList *from);
bool str_list_equal(const StrList *a, const StrList *b);
bool str_list_contains(const StrList *list, const char *item);
/* Split TEXT at SEPARATOR; empty parts are dropped, spaces around a part too. */
int str_list_split(StrList *list, const char *text, char separator);
void str_list_done(StrList *list);

/* Sorted string to string map, grown by str_map_set() alone. Adding in the order of the keys is fast,
 * otherwise it is for small maps. */
typedef struct StrMap {
        struct {
                char *key;
                char *value;
        } * items;
        size_t n;
        bool is_set; /* tells {} from null */
} StrMap;

/* Replaces; keeps the order of keys (bytewise). */
int str_map_set(StrMap *map, const char *key, const char *value);
const char *str_map_get(const StrMap *map, const char *key); /* NULL: not there */
int str_map_copy(StrMap *to, const StrMap *from);
bool str_map_equal(const StrMap *a, const StrMap *b);
void str_map_done(StrMap *map);

static inline bool str_is_empty(const char *text) {
        return !text || !*text;
}

bool str_equal(const char *a, const char *b);                    /* NULL equals NULL only */
bool str_equal_n(const char *text, const char *bytes, size_t n); /* TEXT is the N bytes at BYTES */
int str_copy(char **to, const char *from);                       /* frees what *TO held; FROM may be NULL */
/* As the Go program reads flags and variables: strconv.ParseBool(); a whole number, also 0x… and 0…, with
 * nothing around it. Errors: -EINVAL, -ERANGE. */
int str_parse_bool(const char *text, bool *ret);
int str_parse_int(const char *text, int64_t *ret);
/* Cut TEXT to at most MAX bytes on a UTF-8 boundary; answers the length kept. */
size_t str_utf8_cut(const char *text, size_t max);
bool str_is_utf8(const char *bytes, size_t n);
/* The size (1 to 4) of the UTF-8 character at BYTES; 0 when there is none (no surrogates, shortest form). */
size_t str_utf8_rune(const char *bytes, size_t n);
