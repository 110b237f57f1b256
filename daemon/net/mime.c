#include "daemon/net/mime.h"

#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *p) {
        return p + strspn(p, " \t");
}

static bool is_special(char c) {
        return c && strchr("()<>@,;:\\\"/[]?=", c);
}

static bool is_token(char c) {
        return c > ' ' && c < 0x7f && !is_special(c);
}

/* A backslash escapes what would otherwise mean something; the paths of some browsers have bare ones. */
static int read_quoted(const char **p, Str *to) {
        for ((*p)++; **p && **p != '"'; (*p)++) {
                if (**p == '\\' && is_special((*p)[1]))
                        (*p)++;
                (void) str_append_char(to, **p);
        }
        if (**p != '"')
                return -EINVAL;
        (*p)++;
        return 0;
}

static int read_value(const char **p, Str *to) {
        (void) str_append(to, "");
        if (**p == '"')
                return read_quoted(p, to);
        if (!is_token(**p))
                return -EINVAL;
        while (is_token(**p))
                (void) str_append_char(to, *(*p)++);
        return 0;
}

/* One "; key=value" at *P: answers 1, or 0 at the end. */
static int read_parameter(const char **p, const char *name, char **ret) {
        _cleanup_(str_done) Str value = {};
        const char *key;
        size_t n;
        int r;

        *p = skip_blanks(*p);
        if (!**p)
                return 0;
        if (**p != ';')
                return -EINVAL;
        key = *p = skip_blanks(*p + 1);
        if (!*key)
                return 0;
        while (is_token(**p))
                (*p)++;
        n = (size_t) (*p - key);
        if (n == 0 || **p != '=')
                return -EINVAL;
        (*p)++;

        r = read_value(p, &value);
        if (r >= 0)
                r = str_error(&value);
        if (r < 0)
                return r;
        if (n != strlen(name) || strncasecmp(key, name, n) != 0 || *ret)
                return 1;
        *ret = str_take(&value);
        return *ret ? 1 : -ENOMEM;
}

int mime_parse(const char *field, const char *name, char **ret, char **ret_parameter) {
        _cleanup_free_ char *value = NULL, *parameter = NULL;
        const char *p = skip_blanks(field);
        size_t n = strcspn(p, ";"), end = n;
        int r;

        while (end > 0 && strchr(" \t", p[end - 1]))
                end--;
        value = strndup(p, end);
        if (!value)
                return -ENOMEM;

        p += n;
        do
                r = read_parameter(&p, name, &parameter);
        while (r > 0);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(value);
        *ret_parameter = TAKE_PTR(parameter);
        return 0;
}
