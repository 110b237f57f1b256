#include "tests/unit/types/pin-sample.h"

#include <glib.h>
#include <string.h>

static const char sample[] =
                "{\"replication_factor_min\":1,\"replication_factor_max\":2,\"name\":\"a näme \\u003cb\\u003e\","
                "\"mode\":\"recursive\",\"shard_size\":100,"
                "\"user_allocations\":[\"12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM\"],"
                "\"expire_at\":\"2030-01-02T03:04:05Z\",\"metadata\":{\"aa\":\"two\",\"zz\":\"1\"},"
                "\"pin_update\":\"QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq\","
                "\"origins\":[\"/ip4/127.0.0.1/tcp/20011/p2p/QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc\"],"
                "\"cid\":\"" SAMPLE_CID "\",\"type\":\"pin\","
                "\"allocations\":[\"12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM\","
                "\"QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc\"],\"max_depth\":-1,"
                "\"reference\":\"QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX\","
                "\"timestamp\":\"2026-11-22T15:28:22Z\"}";

static const char requests[] =
                ",\"requests\":[{\"created\":\"2026-11-22T15:28:22.123456Z\",\"random\":4294967295},"
                "{\"created\":\"2026-11-22T15:28:23Z\",\"random\":0,\"name\":\"mine\",\"meta\":{\"k\":\"v\"},"
                "\"origins\":[\"/ip4/127.0.0.1/tcp/20011\"]}],\"requests_only\":true}";

void pin_sample_with_requests(Pin *pin) {
        g_autofree char *text = g_strdup_printf("%.*s%s", (int) strlen(sample) - 1, sample, requests);
        JsonProblem problem = {};

        *pin = (Pin){};
        if (json_read_text(&pin_shape, text, strlen(text), pin, &problem) < 0)
                g_error("%s", problem.field);
}

void pin_sample(Pin *pin) {
        JsonProblem problem = {};

        *pin = (Pin){};
        if (json_read_text(&pin_shape, sample, strlen(sample), pin, &problem) < 0)
                g_error("%s", problem.field);
}
