#include "daemon/guard/cors.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct GuardCors {
        ConfigCors config;
        bool any_origin;
        char *exposed; /* the list; NULL: none */
        char max_age[24];
};

static const char *const default_methods[] = { "GET", "POST", "HEAD" };
static const char *const default_headers[] = { "accept", "content-type", "x-requested-with" };

/* "x-stream-output" as "X-Stream-Output", as Go writes header names. */
static void append_canonical(Str *to, const char *name) {
        bool begins = true;

        for (; *name; name++) {
                (void) str_append_char(
                                to,
                                (char) (begins ? toupper((unsigned char) *name)
                                               : tolower((unsigned char) *name)));
                begins = *name == '-';
        }
}

static int join_exposed(GuardCors *cors) {
        const StrList *names = &cors->config.exposed_headers;
        Str text = {};

        if (names->n == 0)
                return 0;
        for (size_t i = 0; i < names->n; i++) {
                (void) str_append(&text, i > 0 ? ", " : "");
                append_canonical(&text, names->items[i]);
        }
        cors->exposed = str_take(&text);
        return cors->exposed ? 0 : -ENOMEM;
}

static int copy_config(ConfigCors *to, const ConfigCors *from) {
        int r;

        to->allow_credentials = from->allow_credentials;
        to->max_age = from->max_age;
        r = str_list_copy(&to->allowed_origins, &from->allowed_origins);
        if (r >= 0)
                r = str_list_copy(&to->allowed_methods, &from->allowed_methods);
        if (r >= 0)
                r = str_list_copy(&to->allowed_headers, &from->allowed_headers);
        if (r >= 0)
                r = str_list_copy(&to->exposed_headers, &from->exposed_headers);
        return r;
}

int guard_cors_new(GuardCors **ret, const ConfigCors *config) {
        _cleanup_(guard_cors_freep) GuardCors *cors = calloc(1, sizeof(*cors));
        int r;

        if (!cors)
                return -ENOMEM;
        cors->any_origin = config->allowed_origins.n == 0 ||
                           str_list_contains(&config->allowed_origins, "*");
        (void) snprintf(cors->max_age,
                        sizeof(cors->max_age),
                        "%jd",
                        (intmax_t) config->max_age / (intmax_t) USEC_PER_SEC);
        r = copy_config(&cors->config, config);
        if (r >= 0)
                r = join_exposed(cors);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(cors);
        return 0;
}

GuardCors *guard_cors_free(GuardCors *cors) {
        if (!cors)
                return NULL;
        str_list_done(&cors->config.allowed_origins);
        str_list_done(&cors->config.allowed_methods);
        str_list_done(&cors->config.allowed_headers);
        str_list_done(&cors->config.exposed_headers);
        free(cors->exposed);
        free(cors);
        return NULL;
}

/* ---- what is allowed */

/* At most one star in PATTERN counts. */
static bool fits(const char *pattern, const char *origin) {
        const char *star = strchr(pattern, '*');
        size_t n = strlen(origin), head, tail;

        if (!star)
                return strcasecmp(pattern, origin) == 0;
        head = (size_t) (star - pattern);
        tail = strlen(star + 1);
        return n >= head + tail && strncasecmp(pattern, origin, head) == 0 &&
               strcasecmp(star + 1, origin + n - tail) == 0;
}

static bool allows_origin(const GuardCors *cors, const char *origin) {
        const StrList *origins = &cors->config.allowed_origins;

        if (cors->any_origin)
                return true;
        for (size_t i = 0; i < origins->n; i++)
                if (fits(origins->items[i], origin))
                        return true;
        return false;
}

static bool allows_method(const GuardCors *cors, const char *method) {
        if (strcmp(method, "OPTIONS") == 0)
                return true;
        if (cors->config.allowed_methods.n > 0)
                return str_list_contains(&cors->config.allowed_methods, method);
        for (size_t i = 0; i < ELEMENTSOF(default_methods); i++)
                if (strcmp(default_methods[i], method) == 0)
                        return true;
        return false;
}

/* NAME is asked for in lower case, as browsers do. */
static bool is_name(const char *configured, const char *name, size_t n) {
        if (strlen(configured) != n)
                return false;
        for (size_t i = 0; i < n; i++)
                if (tolower((unsigned char) configured[i]) != name[i])
                        return false;
        return true;
}

static bool allows_header(const StrList *names, const char *name, size_t n) {
        if (names->n == 0) {
                for (size_t i = 0; i < ELEMENTSOF(default_headers); i++)
                        if (is_name(default_headers[i], name, n))
                                return true;
                return false;
        }
        for (size_t i = 0; i < names->n; i++)
                if (str_equal(names->items[i], "*") || is_name(names->items[i], name, n))
                        return true;
        return false;
}

static bool allows_headers(const GuardCors *cors, const char *list) {
        while (list && *list) {
                size_t n = strcspn(list, ","), begin = strspn(list, " \t"), end = n;

                while (end > begin && strchr(" \t", list[end - 1]))
                        end--;
                if (begin < end && !allows_header(&cors->config.allowed_headers, list + begin, end - begin))
                        return false;
                list += n + (list[n] == ',');
        }
        return true;
}

/* ---- the headers */

bool guard_cors_is_preflight(const GuardCorsQuestion *question) {
        return strcmp(question->method, "OPTIONS") == 0 && !str_is_empty(question->asked_method);
}

static size_t add(HttpHeader *headers, size_t n, const char *name, const char *value) {
        headers[n] = (HttpHeader){ name, value };
        return n + 1;
}

static size_t add_origin(const GuardCors *cors, const char *origin, HttpHeader *headers, size_t n) {
        n = add(headers, n, "Access-Control-Allow-Origin", cors->any_origin ? "*" : origin);
        if (cors->config.allow_credentials)
                n = add(headers, n, "Access-Control-Allow-Credentials", "true");
        return n;
}

static size_t preflight_headers(
                const GuardCors *cors, const GuardCorsQuestion *question, HttpHeader *headers, size_t n) {
        n = add_origin(cors, question->origin, headers, n);
        n = add(headers, n, "Access-Control-Allow-Methods", question->asked_method);
        if (!str_is_empty(question->asked_headers))
                n = add(headers, n, "Access-Control-Allow-Headers", question->asked_headers);
        if (cors->config.max_age > 0)
                n = add(headers, n, "Access-Control-Max-Age", cors->max_age);
        return n;
}

static bool allows(const GuardCors *cors, const GuardCorsQuestion *question, bool is_preflight) {
        if (str_is_empty(question->origin) || !allows_origin(cors, question->origin))
                return false;
        if (!is_preflight)
                return allows_method(cors, question->method);
        return allows_method(cors, question->asked_method) && allows_headers(cors, question->asked_headers);
}

size_t guard_cors_headers(
                const GuardCors *cors,
                const GuardCorsQuestion *question,
                HttpHeader headers[static GUARD_CORS_HEADERS_MAX]) {
        bool is_preflight = guard_cors_is_preflight(question);
        size_t n = add(headers,
                       0,
                       "Vary",
                       is_preflight ? "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
                                    : "Origin");

        if (!allows(cors, question, is_preflight))
                return n;
        if (is_preflight)
                return preflight_headers(cors, question, headers, n);

        n = add_origin(cors, question->origin, headers, n);
        if (cors->exposed)
                n = add(headers, n, "Access-Control-Expose-Headers", cors->exposed);
        return n;
}
