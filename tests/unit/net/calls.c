#include "tests/unit/net/calls.h"

#include <string.h>

static void on_head(HttpCall *call, unsigned status, void *userdata) {
        Recorder *recorder = userdata;

        g_assert_cmpuint(recorder->n_dones, ==, 0);
        g_assert_cmpuint(http_call_status(call), ==, status);
        recorder->n_heads++;
        recorder->status = status;
        recorder->moved = true;
        if (recorder->drops_in_head)
                recorder->call = http_call_unref(recorder->call);
}

static ssize_t on_data(HttpCall *call G_GNUC_UNUSED, const void *data, size_t n, void *userdata) {
        Recorder *recorder = userdata;

        g_assert_cmpuint(recorder->n_heads, ==, 1);
        g_assert_cmpuint(recorder->n_dones, ==, 0);
        recorder->moved = true;

        if (recorder->n_pauses > 0) {
                recorder->n_pauses--;
                return HTTP_PAUSE;
        }
        if (recorder->gives_up)
                return 0;

        g_string_append_len(recorder->body, data, (gssize) n);
        if (recorder->drops_in_data)
                recorder->call = http_call_unref(recorder->call);
        return (ssize_t) n;
}

static void on_done(HttpCall *call, int r, const Error *error, void *userdata) {
        Recorder *recorder = userdata;

        recorder->n_dones++;
        recorder->result = r;
        recorder->done = true;
        recorder->header = g_strdup(http_call_header(call, "x-test"));
        recorder->trailer = g_strdup(http_call_trailer(call, "X-Stream-Error"));
        if (r < 0)
                g_string_assign(recorder->words, error_message(error));
        if (recorder->drops_in_done)
                recorder->call = http_call_unref(recorder->call);
}

ssize_t recorder_read_body(HttpCall *call G_GNUC_UNUSED, void *buffer, size_t max, void *userdata) {
        Recorder *recorder = userdata;
        size_t n = MIN(MIN(strlen(recorder->send), max), (size_t) 3);

        if (recorder->n_read_pauses > 0) {
                recorder->n_read_pauses--;
                recorder->moved = true;
                return HTTP_PAUSE;
        }

        memcpy(buffer, recorder->send, n);
        recorder->send += n;
        return (ssize_t) n;
}

void recorder_open(Recorder *recorder, sd_event *event, HttpClient *client) {
        *recorder = (Recorder){
                .event = event,
                .client = client,
                .body = g_string_new(NULL),
                .words = g_string_new(NULL),
        };
}

void recorder_close(Recorder *recorder) {
        http_call_unref(recorder->call);
        g_string_free(recorder->body, TRUE);
        g_string_free(recorder->words, TRUE);
        g_free(recorder->header);
        g_free(recorder->trailer);
}

int recorder_start(Recorder *recorder, HttpCallOptions options) {
        static const HttpCallHandler handler = {
                .on_head = on_head,
                .on_data = on_data,
                .on_done = on_done,
        };

        options.method = options.method ?: "GET";
        return http_client_call(recorder->client, &recorder->call, &options, &handler, recorder);
}

void recorder_run(Recorder *recorder, HttpCallOptions options) {
        g_assert_cmpint(recorder_start(recorder, options), ==, 0);
        g_assert_cmpuint(recorder->n_dones, ==, 0);
        wire_wait(recorder->event, &recorder->done);
        g_assert_cmpuint(recorder->n_dones, ==, 1);
}
