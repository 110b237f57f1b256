#include "daemon/rest/reply.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/rest/stream.h"

#define JSON_TYPE_TEXT "application/json"

static size_t append(HttpHeader *to, size_t at, const HttpHeader *headers, size_t n) {
        if (n > 0)
                memcpy(to + at, headers, n * sizeof(*headers));
        return at + n;
}

HttpHeader *rest_reply_headers(
                const RestRequest *request, const HttpHeader *own, size_t n, bool has_type, size_t *ret_n) {
        const GuardVisit *visit = &request->visit;
        HttpHeader *headers;
        const HttpHeader *configured;
        size_t n_configured;

        configured = guard_headers(request->guard, &n_configured);
        if (!has_type)
                n_configured = 0;
        headers = calloc(n + visit->n_headers + n_configured + 1, sizeof(*headers));
        if (!headers)
                return NULL;

        *ret_n = append(headers, 0, own, n);
        *ret_n = append(headers, *ret_n, visit->headers, visit->n_headers);
        *ret_n = append(headers, *ret_n, configured, n_configured);
        return headers;
}

static void reply(RestRequest *request, const HttpReply *bare) {
        _cleanup_free_ HttpHeader *headers = NULL;
        HttpReply whole = *bare;

        headers = rest_reply_headers(
                        request, bare->headers, bare->n_headers, bare->content_type, &whole.n_headers);
        if (headers)
                whole.headers = headers;
        if (http_request_reply(request->http, &whole) < 0 || !headers)
                log_warning("Not enough memory to answer a request.");
        rest_request_free(request);
}

void rest_reply_text(RestRequest *request, unsigned status, Str *body) {
        if (str_append_char(body, '\n') < 0) {
                str_done(body);
                rest_reply_error(request, -ENOMEM, NULL);
                return;
        }
        reply(request,
              &(HttpReply){
                              .status = status,
                              .content_type = JSON_TYPE_TEXT,
                              .body = body->data,
                              .size = body->len,
              });
        str_done(body);
}

void rest_reply_json(RestRequest *request, const JsonShape *shape, const void *value) {
        Str body = {};

        if (json_write(shape, value, &body) < 0) {
                str_done(&body);
                rest_reply_error(request, -ENOMEM, NULL);
                return;
        }
        rest_reply_text(request, 200, &body);
}

void rest_reply_empty(RestRequest *request, unsigned status) {
        reply(request, &(HttpReply){ .status = status, .content_type = JSON_TYPE_TEXT });
}

void rest_reply_bare(RestRequest *request, unsigned status) {
        reply(request, &(HttpReply){ .status = status });
}

void rest_reply_redirect(RestRequest *request, unsigned status, const char *location) {
        bool has_page = status == 307 && strcmp(http_request_method(request->http), "GET") == 0;
        const HttpHeader header = { "Location", location };
        _cleanup_(str_done) Str page = {};

        if (has_page) {
                (void) str_append(&page, "<a href=\"");
                for (const char *p = location; *p; p++)
                        (void) (strchr("<>&\"'", *p) ? str_appendf(&page, "&#%d;", *p)
                                                     : str_append_char(&page, *p));
                (void) str_append(&page, "\">Temporary Redirect</a>.\n\n");
        }
        reply(request,
              &(HttpReply){
                              .status = status,
                              .content_type = has_page ? "text/html; charset=utf-8" : NULL,
                              .headers = &header,
                              .n_headers = 1,
                              .body = page.data,
                              .size = page.len,
              });
}

void rest_reply_error(RestRequest *request, int r, const Error *error) {
        const RestSurface *surface = request->api->surface;
        ErrorCode code = error && error->code != ERROR_NONE ? error->code : error_from_errno(r);
        const Error plain = { .code = code };
        _cleanup_(str_done) Str body = {};
        unsigned status;
        bool good;

        status = surface->write_error(
                        code, error_message(error && error->code != ERROR_NONE ? error : &plain), &body);
        good = str_append_char(&body, '\n') >= 0;
        reply(request,
              &(HttpReply){
                              .status = good ? status : 500,
                              .content_type = JSON_TYPE_TEXT,
                              .body = good ? body.data : surface->no_memory,
                              .size = good ? body.len : strlen(surface->no_memory),
              });
}

void rest_reply_failure(RestRequest *request, ErrorCode code, const char *format, ...) {
        _cleanup_(error_done) Error error = { .code = code };
        Str words = {};
        va_list ap;

        va_start(ap, format);
        (void) str_appendv(&words, format, ap);
        va_end(ap);
        error.message = str_take(&words);
        rest_reply_error(request, -error_errno(code), &error);
}

void rest_reply_list(RestRequest *request, ClusterList *list) {
        rest_stream_start(request, list, NULL);
}

void rest_reply_array(RestRequest *request, ClusterList *list, int (*write)(const void *item, Str *to)) {
        rest_stream_start(request, list, write);
}
