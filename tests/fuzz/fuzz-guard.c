/* What a stranger says of himself: the lines are Authorization, method, Origin, and the two headers of a
 * preflight. */

#include <string.h>

#include "daemon/guard/auth.h"
#include "daemon/guard/cors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES 5
#define NOW (1800000000 * USEC_PER_SEC)

static void check_auth(const char *header) {
        static const char secret[] = "correct horse battery staple";
        _cleanup_(guard_auth_freep) GuardAuth *auth = NULL;
        const char *user = NULL;
        StrMap credentials = {};
        GuardVerdict verdict;

        if (str_map_set(&credentials, "alice", secret) < 0 || str_map_set(&credentials, "", secret) < 0 ||
            str_map_set(&credentials, "bob", "") < 0 || guard_auth_new(&auth, &credentials) < 0)
                abort();
        verdict = guard_auth_check(auth, header, NOW, &user);
        if ((verdict == GUARD_PASS) != (user != NULL) || (user && strcmp(user, "alice") != 0))
                abort();
        str_map_done(&credentials);
}

static void check_cors(const char *const *lines) {
        _cleanup_(guard_cors_freep) GuardCors *cors = NULL;
        GuardCorsQuestion question = { lines[1], lines[2], lines[3], lines[4] };
        HttpHeader headers[GUARD_CORS_HEADERS_MAX];
        ConfigCors config = { .max_age = 1, .allow_credentials = true };
        size_t n;

        if (str_list_split(&config.allowed_origins, "http://*.example.org,https://a", ',') < 0 ||
            str_list_split(&config.allowed_headers, "X-A,Content-Type", ',') < 0 ||
            str_list_split(&config.exposed_headers, "x-b", ',') < 0 || guard_cors_new(&cors, &config) < 0)
                abort();
        n = guard_cors_headers(cors, &question, headers);
        if (n == 0 || n > GUARD_CORS_HEADERS_MAX || strcmp(headers[0].name, "Vary") != 0)
                abort();
        for (size_t i = 1; i < n; i++) /* nothing is allowed to nobody */
                if (str_is_empty(question.origin) || !headers[i].value)
                        abort();
        str_list_done(&config.allowed_origins);
        str_list_done(&config.allowed_headers);
        str_list_done(&config.exposed_headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size);
        const char *lines[LINES] = {};
        char *rest = text;

        if (!text)
                return 0;
        for (size_t i = 0; i < LINES && rest; i++)
                lines[i] = strsep(&rest, "\n");
        check_auth(lines[0]);
        if (lines[1])
                check_cors(lines);
        return 0;
}
