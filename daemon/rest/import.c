#include "daemon/rest/import.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/rest/reply.h"
#include "daemon/types/pin.h"

struct RestImport {
        RestRequest *request;
        ClusterImport *import;
        Str buffer; /* what was not yet taken: at most a line and what came with it */
        size_t at;
        uint64_t n_lines;
        bool body_ended, answered;
};

struct RestImport *rest_import_free(struct RestImport *import) {
        if (!import)
                return NULL;
        cluster_import_free(import->import);
        str_done(&import->buffer);
        free(import);
        return NULL;
}

static void import_refuse(struct RestImport *import, int r, const Error *error) {
        import->answered = true;
        rest_reply_error(import->request, r, error);
}

/* One line: 1 taken, 0 wait. Negative: answered, and gone. */
static int import_take(struct RestImport *import, const char *line, size_t n) {
        _cleanup_(error_done) Error error = {};
        Pin pin = {};
        int r;

        r = pin_import_read(line, n, &pin, &error);
        if (r >= 0)
                r = cluster_import_add(import->import, &pin, &error);
        pin_done(&pin);
        if (r < 0) {
                _cleanup_(error_done) Error at = {};

                (void) error_set(
                                &at,
                                error.code,
                                "line %" PRIu64 ": %s",
                                import->n_lines + 1,
                                error_message(&error));
                import_refuse(import, r, &at);
        }
        return r;
}

static size_t import_line_end(const struct RestImport *import) {
        const char *from = import->buffer.data + import->at;
        size_t rest = import->buffer.len - import->at;
        const char *end = rest > 0 ? memchr(from, '\n', rest) : NULL;

        if (end)
                return import->at + (size_t) (end - from) + 1;
        return import->body_ended && rest > 0 ? import->buffer.len : 0;
}

/* Hand on whole lines: 1 all that is there, 0 wait. Negative: answered, and gone. */
static int import_step(struct RestImport *import) {
        size_t end;

        while ((end = import_line_end(import)) > 0) {
                const char *line = import->buffer.data + import->at;
                size_t n = end - import->at;
                int r = 1;

                if (strspn(line, " \t\r\n") < n)
                        r = import_take(import, line, n);
                if (r <= 0)
                        return r;
                import->n_lines++;
                import->at = end;
        }
        if (import->at > 0) {
                memmove(import->buffer.data,
                        import->buffer.data + import->at,
                        import->buffer.len - import->at);
                import->buffer.len -= import->at;
                import->at = 0;
        }
        return 1;
}

static void import_finish(struct RestImport *import) {
        int r = cluster_import_finish(import->import);

        if (r < 0)
                import_refuse(import, r, NULL);
}

static void import_on_wake(void *userdata) {
        struct RestImport *import = userdata;
        int r;

        r = import_step(import);
        if (r <= 0)
                return;
        if (import->body_ended)
                import_finish(import);
        else
                http_request_resume(import->request->http);
}

static void import_on_done(int r, const Error *error, uint64_t n_committed, void *userdata) {
        struct RestImport *import = userdata;
        Str body = {};

        if (r < 0) {
                import_refuse(import, r, error);
                return;
        }
        if (str_appendf(&body, "{\"imported\":%" PRIu64 "}", n_committed) < 0) {
                str_done(&body);
                import_refuse(import, -ENOMEM, NULL);
                return;
        }
        rest_reply_text(import->request, 200, &body);
}

static size_t import_feed(HttpRequest *http _unused_, const char *data, size_t n, void *userdata) {
        RestRequest *request = userdata;
        struct RestImport *import = request->import;

        if (import->at > 0 || import_line_end(import) > 0)
                return 0; /* lines wait for room: import_on_wake() resumes */
        if (import->buffer.len + n > REST_LINE_MAX) {
                const Error error = { .code = ERROR_TOO_BIG,
                                      .message = (char *) "a line is longer than 256 KiB" };

                import_refuse(import, -E2BIG, &error);
                return n;
        }
        if (str_append_bytes(&import->buffer, data, n) < 0) {
                import_refuse(import, -ENOMEM, NULL);
                return n;
        }
        (void) import_step(import);
        return n;
}

static void import_on_body_end(HttpRequest *http _unused_, void *userdata) {
        RestRequest *request = userdata;
        struct RestImport *import = request->import;

        import->body_ended = true;
        if (import_step(import) > 0)
                import_finish(import);
}

static const HttpSink import_sink = { .feed = import_feed, .end = import_on_body_end };

void rest_import_start(RestRequest *request) {
        struct RestImport *import;
        int r;

        import = request->import = calloc(1, sizeof(struct RestImport));
        if (!import) {
                rest_reply_error(request, -ENOMEM, NULL);
                return;
        }
        import->request = request;
        r = cluster_import_new(
                        request->api->cluster,
                        &import->import,
                        NULL,
                        import_on_wake,
                        import_on_done,
                        import);
        if (r >= 0)
                r = http_request_receive(request->http, &import_sink, request);
        if (r < 0)
                rest_reply_error(request, r, NULL);
}
