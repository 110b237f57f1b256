#include <glib.h>
#include <string.h>

#include "daemon/guard/cors.h"
#include "tests/lib/fault.h"

#define ORIGIN "http://example.com"
#define PREFLIGHT_VARY "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\n"
#define ALLOWED                                                                                             \
        "Vary: Origin\nAccess-Control-Allow-Origin: *\nAccess-Control-Allow-Credentials: true\n"            \
        "Access-Control-Expose-Headers: Content-Type, X-Stream-Output\n"
#define PREFLIGHT_ALLOWED                                                                                   \
        PREFLIGHT_VARY "Access-Control-Allow-Origin: *\nAccess-Control-Allow-Credentials: true\n"           \
                       "Access-Control-Allow-Methods: GET\n"

/* The configuration as lists with commas, and the headers as lines. */
typedef struct Case {
        const char *origins, *methods, *headers, *exposed;
        bool credentials;
        int64_t max_age;
        GuardCorsQuestion question;
        const char *answer;
} Case;

#define INIT "*", "GET", "", "content-type,X-STREAM-output", true, 0

static const Case cases[] = {
        { INIT, { "GET", NULL, NULL, NULL }, "Vary: Origin\n" },
        { INIT, { "GET", ORIGIN, NULL, NULL }, ALLOWED },
        { INIT, { "POST", ORIGIN, NULL, NULL }, "Vary: Origin\n" },
        { INIT, { "OPTIONS", ORIGIN, NULL, NULL }, ALLOWED },
        { INIT, { "OPTIONS", ORIGIN, "", NULL }, ALLOWED },
        { INIT, { "OPTIONS", ORIGIN, "GET", NULL }, PREFLIGHT_ALLOWED },
        { INIT, { "OPTIONS", NULL, "GET", NULL }, PREFLIGHT_VARY },
        { INIT, { "OPTIONS", ORIGIN, "POST", NULL }, PREFLIGHT_VARY },
        { INIT, { "OPTIONS", ORIGIN, "get", NULL }, PREFLIGHT_VARY },
        { INIT, { "OPTIONS", ORIGIN, "HEAD", NULL }, PREFLIGHT_VARY },
        { INIT,
          { "OPTIONS", ORIGIN, "GET", "content-type" },
          PREFLIGHT_ALLOWED "Access-Control-Allow-Headers: content-type\n" },
        { INIT,
          { "OPTIONS", ORIGIN, "GET", "accept, content-type ,x-requested-with" },
          PREFLIGHT_ALLOWED "Access-Control-Allow-Headers: accept, content-type ,x-requested-with\n" },
        { INIT, { "OPTIONS", ORIGIN, "GET", "Content-Type" }, PREFLIGHT_VARY },
        { INIT, { "OPTIONS", ORIGIN, "GET", "authorization" }, PREFLIGHT_VARY },
        { INIT, { "OPTIONS", ORIGIN, "GET", "accept,authorization" }, PREFLIGHT_VARY },
        /* lists of one's own */
        { "",
          "",
          "",
          "",
          false,
          0,
          { "POST", ORIGIN, NULL, NULL },
          "Vary: Origin\nAccess-Control-Allow-Origin: *\n" },
        { "", "", "", "", false, 0, { "DELETE", ORIGIN, NULL, NULL }, "Vary: Origin\n" },
        { "http://a.org,HTTP://Example.com",
          "DELETE,PUT",
          "",
          "",
          false,
          0,
          { "DELETE", ORIGIN, NULL, NULL },
          "Vary: Origin\nAccess-Control-Allow-Origin: " ORIGIN "\n" },
        { "http://a.org", "", "", "", true, 0, { "GET", ORIGIN, NULL, NULL }, "Vary: Origin\n" },
        { "http://a.org", "", "", "", true, 0, { "OPTIONS", ORIGIN, "GET", NULL }, PREFLIGHT_VARY },
        { "http://*.com",
          "",
          "",
          "",
          false,
          0,
          { "GET", ORIGIN, NULL, NULL },
          "Vary: Origin\nAccess-Control-Allow-Origin: " ORIGIN "\n" },
        { "http://*.com", "", "", "", false, 0, { "GET", "http://x.org", NULL, NULL }, "Vary: Origin\n" },
        { "http://ex*example.com", "", "", "", false, 0, { "GET", ORIGIN, NULL, NULL }, "Vary: Origin\n" },
        { "*",
          "GET",
          "*",
          "",
          false,
          0,
          { "OPTIONS", ORIGIN, "GET", "x-any" },
          PREFLIGHT_VARY "Access-Control-Allow-Origin: *\nAccess-Control-Allow-Methods: GET\n"
                         "Access-Control-Allow-Headers: x-any\n" },
        { "*",
          "GET",
          "Authorization",
          "",
          false,
          90500000,
          { "OPTIONS", ORIGIN, "GET", "authorization" },
          PREFLIGHT_VARY "Access-Control-Allow-Origin: *\nAccess-Control-Allow-Methods: GET\n"
                         "Access-Control-Allow-Headers: authorization\nAccess-Control-Max-Age: 90\n" },
        { "*",
          "GET",
          "Authorization",
          "",
          false,
          0,
          { "OPTIONS", ORIGIN, "GET", "accept" },
          PREFLIGHT_VARY },
};

static void make_config(const Case *c, ConfigCors *config) {
        *config = (ConfigCors){ .allow_credentials = c->credentials, .max_age = c->max_age };
        (void) str_list_split(&config->allowed_origins, c->origins, ',');
        (void) str_list_split(&config->allowed_methods, c->methods, ',');
        (void) str_list_split(&config->allowed_headers, c->headers, ',');
        (void) str_list_split(&config->exposed_headers, c->exposed, ',');
}

static void config_done(ConfigCors *config) {
        str_list_done(&config->allowed_origins);
        str_list_done(&config->allowed_methods);
        str_list_done(&config->allowed_headers);
        str_list_done(&config->exposed_headers);
}

static void test_answers(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GString) lines = g_string_new(NULL);
                HttpHeader headers[GUARD_CORS_HEADERS_MAX];
                GuardCors *cors = NULL;
                ConfigCors config;
                size_t n;

                make_config(&cases[i], &config);
                g_assert_cmpint(guard_cors_new(&cors, &config), ==, 0);
                n = guard_cors_headers(cors, &cases[i].question, headers);
                for (size_t k = 0; k < n; k++)
                        g_string_append_printf(lines, "%s: %s\n", headers[k].name, headers[k].value);
                if (strcmp(lines->str, cases[i].answer) != 0)
                        g_error("case %zu: %s", i, lines->str);
                guard_cors_free(cors);
                config_done(&config);
        }
}

static void test_out_of_memory(void) {
        ConfigCors config;

        make_config(&cases[0], &config);
        FOREACH_FAULT {
                GuardCors *cors = NULL;
                int r = guard_cors_new(&cors, &config);

                g_assert_cmpint(r == 0 || r == -ENOMEM, ==, true);
                guard_cors_free(cors);
        }
        config_done(&config);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/guard/cors/answers", test_answers);
        g_test_add_func("/guard/cors/out-of-memory", test_out_of_memory);
        return g_test_run();
}
