#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "daemon/config/config.h"
#include "daemon/config/flat.h"
#include "daemon/config/read.h"
#include "daemon/config/unused.h"
#include "daemon/config/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As config_load() reads a file, without a disk. */
static int load(const char *text, size_t n, Config **ret) {
        _cleanup_(json_object_putp) struct json_object *file = NULL, *flat = NULL;
        _cleanup_(config_freep) Config *config = calloc(1, sizeof(*config));
        int r;

        r = config ? json_parse(text, n, &file, NULL) : -ENOMEM;
        if (r < 0 || !json_object_is_type(file, json_type_object))
                return r < 0 ? r : -EINVAL;

        if (config_flat_is(file)) {
                r = config_flat_convert(file, &flat, NULL);
                if (r < 0)
                        return r;
        }
        r = config_read(config, flat ? flat : file, NULL);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(config);
        return 0;
}

/* What was read, written and read again, is written the same. */
static void check_again(const Config *config) {
        _cleanup_(config_freep) Config *again = NULL;
        _cleanup_(str_done) Str first = {}, second = {};

        if (config_write_text(config, &first) < 0 || load(first.data, first.len, &again) < 0 ||
            config_write_text(again, &second) < 0 || strcmp(first.data, second.data) != 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_(str_done) Str names = {};

        if (load((const char *) data, size, &config) < 0)
                return 0;

        (void) config_check(config, NULL);
        if (config_unused_names(config, &names) < 0)
                abort();
        check_again(config);
        return 0;
}
