#include <string.h>

#include "daemon/base/json.h"
#include "tests/lib/json-sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written as text that reads and writes the same, with and without line breaks. */
static void check_again(const Sample *sample) {
        _cleanup_(str_done) Str text = {}, again = {}, pretty = {};
        Sample second = {};

        if (json_write(&sample_shape, sample, &text) < 0 || json_indent(text.data, text.len, 2, &pretty) < 0)
                abort();
        if (json_read_text(&sample_shape, pretty.data, pretty.len, &second, NULL) < 0)
                abort();
        if (json_write(&sample_shape, &second, &again) < 0 || strcmp(text.data, again.data) != 0)
                abort();
        json_done(&sample_shape, &second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        JsonProblem problem;
        Sample sample = {};

        if (json_read_text(&sample_shape, (const char *) data, size, &sample, &problem) < 0) {
                if (problem.expected[0] == '\0' || sample.name || sample.tags.items || sample.peers.items)
                        abort();
                return 0;
        }

        check_again(&sample);
        json_done(&sample_shape, &sample);
        return 0;
}
