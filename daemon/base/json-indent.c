#include <string.h>

#include "daemon/base/json.h"

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
