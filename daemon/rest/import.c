#include "daemon/rest/import.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/cluster/import.h"
#include "daemon/rest/reply.h"
#include "daemon/types/pin.h"

/*
 * Lines are handed on as they come. A line that cannot be taken ends the taking; the lines before it are
 * committed all the same, and the answer names the line and how many pins were.
 */
struct RestImport {
        RestRequest *request;
        ClusterImport *import;
        Str buffer; /* what was not yet taken: at most a line and what came with it */
        size_t at;
        uint64_t n_lines;
        bool body_ended;
        bool finishing;
        Error refusal; /* of a line */
};

static void import_free(void *state) {
        struct RestImport *import = state;

        cluster_import_free(import->import);
        str_done(&import->buffer);
        error_done(&import->refusal);
        free(import);
}

/* ---- lines ---- */

static void import_finish(struct RestImport *import) {
        import->finishing = true;
        cluster_import_finish(import->import);
}

static void import_refuse_line(struct RestImport *import, const Error *error) {
        (void) error_set(
                        &import->refusal,
                        error->code,
                        "line %" PRIu64 ": %s",
                        import->n_lines + 1,
                        error_message(error));
        import_finish(import);
}

/* Answers 1 when it was taken, 0 when it has to wait, or was refused. */
static int import_take(struct RestImport *import, const char *line, size_t n) {
        _cleanup_(error_done) Error error = {};
        _cleanup_(pin_done) Pin pin = {};
        int r;

        r = pin_import_read(line, n, &pin, &error);
        if (r >= 0)
                r = cluster_import_add(import->import, &pin, &error);
        if (r < 0)
                import_refuse_line(import, &error);
        return MAX(r, 0);
}

/* Where the next line ends (its newline included), 0 when it has not come whole. */
static size_t import_line_end(const struct RestImport *import) {
        const char *from = import->buffer.data + import->at;
        size_t rest = import->buffer.len - import->at;
        const char *end = rest > 0 ? memchr(from, '\n', rest) : NULL;

        if (end)
                return import->at + (size_t) (end - from) + 1;
        return import->body_ended && rest > 0 ? import->buffer.len : 0;
}

static void import_compact(struct RestImport *import) {
        if (import->at == 0)
                return;
        memmove(import->buffer.data, import->buffer.data + import->at, import->buffer.len - import->at);
        import->buffer.len -= import->at;
        import->at = 0;
}

static bool import_is_blank(const char *line, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!strchr(" \t\r\n", line[i]) || line[i] == 0)
                        return false;
        return true;
}

/* Hand on whole lines: answers whether all that are there were taken. */
static bool import_step(struct RestImport *import) {
        static const Error too_long = { .code = ERROR_TOO_BIG,
                                        .message = (char *) "expected at most 256 KiB, found more" };
        size_t end;

        while ((end = import_line_end(import)) > 0) {
                const char *line = import->buffer.data + import->at;
                size_t n = end - import->at;

                if (!import_is_blank(line, n) && import_take(import, line, n) == 0)
                        return false;
                import->n_lines++;
                import->at = end;
        }
        import_compact(import);
        if (import->buffer.len > REST_LINE_MAX) {
                import_refuse_line(import, &too_long);
                return false;
        }
        return true;
}

/* ---- the body ---- */

static size_t import_feed(HttpRequest *http _unused_, const char *data, size_t n, void *userdata) {
        RestRequest *request = userdata;
        struct RestImport *import = request->state;

        if (import->finishing || import_line_end(import) > 0)
                return 0; /* the answer is on its way, or lines wait for room */
        if (str_append_bytes(&import->buffer, data, n) < 0) {
                rest_reply_error(request, -ENOMEM, NULL);
                return n;
        }
        (void) import_step(import);
        return n;
}

static void import_on_body_end(HttpRequest *http _unused_, void *userdata) {
        RestRequest *request = userdata;
        struct RestImport *import = request->state;

        import->body_ended = true;
        if (!import->finishing && import_step(import))
                import_finish(import);
}

static const HttpSink import_sink = { .feed = import_feed, .end = import_on_body_end };

static void import_on_wake(void *userdata) {
        struct RestImport *import = userdata;

        if (!import_step(import))
                return;
        if (import->body_ended)
                import_finish(import);
        else
                http_request_resume(import->request->http);
}

/* ---- the answer ---- */

static void import_answer_failure(struct RestImport *import, const Error *why, uint64_t n_committed) {
        rest_reply_failure(
                        import->request,
                        why->code,
                        "%s; %" PRIu64 " pins were imported",
                        error_message(why),
                        n_committed);
}

static void import_on_done(int r, const Error *error, uint64_t n_committed, void *userdata) {
        struct RestImport *import = userdata;
        Str body = {};

        if (r < 0 || import->refusal.code != ERROR_NONE) {
                import_answer_failure(import, r < 0 ? error : &import->refusal, n_committed);
                return;
        }
        (void) str_appendf(&body, "{\"imported\":%" PRIu64 "}", n_committed);
        rest_reply_text(import->request, 200, &body);
}

void rest_import_start(RestRequest *request) {
        struct RestImport *import;
        int r;

        import = request->state = calloc(1, sizeof(struct RestImport));
        if (!import) {
                rest_reply_error(request, -ENOMEM, NULL);
                return;
        }
        request->free_state = import_free;
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
