#include <string.h>

#include "daemon/net/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read, escaped and read again, is the same. */
static void check_again(const Query *query) {
        _cleanup_(query_done) Query again = {};
        _cleanup_(str_done) Str target = {};

        (void) str_append_char(&target, '/');
        (void) query_escape_path(&target, query->path);
        for (size_t i = 0; i < query->n_parameters; i++) {
                (void) str_append_char(&target, i == 0 ? '?' : '&');
                (void) query_escape(&target, query->parameters[i].key);
                (void) str_append_char(&target, '=');
                (void) query_escape(&target, query->parameters[i].value);
        }

        if (str_error(&target) < 0 || query_parse(target.data, &again) < 0)
                abort();
        if (strcmp(again.path + 1, query->path) != 0 || again.n_parameters != query->n_parameters)
                abort();
        for (size_t i = 0; i < again.n_parameters; i++)
                if (strcmp(again.parameters[i].key, query->parameters[i].key) != 0 ||
                    strcmp(again.parameters[i].value, query->parameters[i].value) != 0)
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(query_done) Query query = {};
        _cleanup_free_ char *target = strndup((const char *) data, size);

        if (target && query_parse(target, &query) >= 0)
                check_again(&query);
        return 0;
}
