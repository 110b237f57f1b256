#include "daemon/proxy/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/json.h"
#include "daemon/proxy/watch.h"

#define TRAILER "X-Stream-Error"

/* ---- begin ---- */

/* Kubo refuses a browser that does not say from where, and asks the others' origins. */
static int call_take_browser(ProxyCall *call, const Http1Head *head) {
        int r;

        r = http1_copy(head, "Origin", &call->origin);
        if (r >= 0)
                r = http1_copy(head, "Referer", &call->referer);
        if (r >= 0)
                r = http1_copy(head, "User-Agent", &call->agent);
        if (r >= 0)
                r = http1_copy(head, "Authorization", &call->authorization);
        return r;
}

static int call_new(ProxyClient *client, const ProxyRule *rule, const Http1Head *head) {
        ProxyCall *call;

        call = calloc(1, sizeof(ProxyCall));
        if (!call)
                return -ENOMEM;
        *call = (ProxyCall){ .client = client, .proxy = client->proxy, .rule = rule };
        list_init(&call->origins);
        client->call = call;
        return call_take_browser(call, head);
}

/* As Kubo says it. */
static int call_refuse_method(ProxyClient *client, const Http1Head *head) {
        client->closes = client->closes || head->body != HTTP1_BODY_NONE;
        proxy_end_take(&client->end, head->size);
        proxy_answer_text(
                        client,
                        405,
                        "Allow: OPTIONS, POST\r\nVary: Origin\r\n",
                        http1_equals(head->method, "HEAD") ? "" : "405 - Method Not Allowed\n");
        return 1;
}

static int call_start_upload(
                ProxyClient *client, const ProxyRule *rule, const Http1Head *head, Query *query) {
        _cleanup_(error_done) Error error = {};
        _cleanup_(str_done) Str words = {};
        ProxyWatch *watch;
        int r;

        if (!proxy_rule_is_pinning(rule->upload, query))
                return 0;
        r = proxy_watch_new(&watch, client, rule->upload, head, query, &error);
        if (r >= 0)
                return proxy_relay_start(client, head, watch);

        client->closes = true;
        (void) str_appendf(&words, "error parsing options:%s", error_message(&error));
        proxy_answer_error(client, 500, NULL, words.data ? words.data : "");
        return 1;
}

int proxy_call_start(ProxyClient *client, const Http1Head *head, Query *query) {
        const Http1Field *expect = http1_find(head, "Expect");
        const char *element = NULL;
        const ProxyRule *rule;
        int r;

        rule = proxy_rule_find(query->path, &element);
        if (!rule || http1_equals(head->method, "OPTIONS"))
                return 0;
        if (!http1_equals(head->method, "POST"))
                return call_refuse_method(client, head);
        if (rule->upload)
                return call_start_upload(client, rule, head, query);

        r = call_new(client, rule, head);
        if (r < 0)
                return r;
        client->call->query = *query;
        client->call->element = element; /* lies in the query's path */
        *query = (Query){};
        if (head->body != HTTP1_BODY_NONE && expect && http1_is(expect->value, "100-continue"))
                (void) str_append(&client->end.out, "HTTP/1.1 100 Continue\r\n\r\n");
        http1_body_init(&client->body, head->body, head->length);
        proxy_end_take(&client->end, head->size);
        client->state = PROXY_BODY;
        return 1;
}

void proxy_call_begin(ProxyCall *call) {
        proxy_origins_check(call);
}

ProxyCall *proxy_call_free(ProxyCall *call) {
        if (!call)
                return NULL;

        list_remove(&call->origins);
        proxy_ask_unref(call->ask);
        cluster_call_unref(call->cluster);
        cluster_list_free(call->list);
        for (size_t i = 0; i < call->n_paths; i++)
                proxy_path_done(call->paths + i);
        free(call->paths);
        query_done(&call->query);
        free(call->origin);
        free(call->referer);
        free(call->agent);
        free(call->authorization);
        str_done(&call->headers);
        str_done(&call->body);
        str_done(&call->words);
        free(call);
        return NULL;
}

/* ---- arguments ---- */

static int call_read_path(ProxyCall *call, const char *text, const char *prefix) {
        _cleanup_(error_done) Error error = {};
        int r;

        r = proxy_path_parse(text, call->paths + call->n_paths, &error);
        if (r >= 0)
                call->n_paths++;
        else
                proxy_call_fail(call, 500, "%s%s", prefix, error_message(&error));
        return r;
}

int proxy_call_read_paths(ProxyCall *call, const char *prefix) {
        const Query *query = &call->query;
        int r = 0;

        call->paths = calloc(query->n_parameters + 1, sizeof(ProxyPath));
        if (!call->paths) {
                proxy_call_fail_error(call, -ENOMEM, NULL);
                return -ENOMEM;
        }
        if (call->element)
                r = call_read_path(call, call->element, prefix);
        for (size_t i = 0; r >= 0 && i < query->n_parameters; i++)
                if (strcmp(query->parameters[i].key, "arg") == 0)
                        r = call_read_path(call, query->parameters[i].value, prefix);
        return r;
}

/* ---- paths that Kubo has to look up ---- */

typedef struct Resolved {
        char *path;
} Resolved;

static const JsonField resolved_fields[] = {
        { "Path", JSON_STRING, offsetof(Resolved, path), .flags = JSON_REQUIRED },
        JSON_END,
};
static const JsonShape resolved_shape = { "resolve", sizeof(Resolved), resolved_fields };

static int read_answer(ProxyAsk *ask, const char *body, Cid *ret) {
        Resolved resolved = {};
        int r = -EBADMSG;

        if (proxy_ask_status(ask) == 200 &&
            json_read_text(&resolved_shape, body, strlen(body), &resolved, NULL) >= 0 &&
            strncmp(resolved.path, "/ipfs/", 6) == 0)
                r = cid_parse(resolved.path + 6, ret, NULL);
        json_done(&resolved_shape, &resolved);
        return r;
}

static void resolve_next(ProxyCall *call);

static void on_resolved(ProxyAsk *ask, int r, const Error *error, const char *body, void *userdata) {
        ProxyCall *call = userdata;
        ProxyPath *path = call->paths + call->at;

        if (r < 0)
                proxy_call_fail_error(call, r, error);
        else if (read_answer(ask, body, &path->cid) < 0) {
                _cleanup_free_ char *words = proxy_ask_message(ask, body);

                proxy_call_fail(call, 500, "%s", words ? words : strerror(ENOMEM));
        } else {
                call->ask = proxy_ask_unref(call->ask);
                call->at++;
                resolve_next(call);
        }
        proxy_client_go_on(call->client);
}

static int resolve_path(ProxyCall *call, const char *path) {
        _cleanup_(str_done) Str target = {};

        (void) str_append(&target, "/api/v0/resolve?arg=");
        if (query_escape(&target, path) < 0)
                return -ENOMEM;
        return proxy_ask(
                        call->proxy,
                        &call->ask,
                        &(ProxyQuestion){ .target = target.data },
                        on_resolved,
                        call);
}

static void resolve_next(ProxyCall *call) {
        int r;

        while (call->at < call->n_resolve && !call->paths[call->at].path)
                call->at++;
        if (call->at == call->n_resolve) {
                call->at = 0;
                call->resolved(call);
                return;
        }
        r = resolve_path(call, call->paths[call->at].path);
        if (r < 0)
                proxy_call_fail_error(call, r, NULL);
}

void proxy_call_resolve(ProxyCall *call, size_t n, void (*then)(ProxyCall *call)) {
        call->at = 0;
        call->n_resolve = n;
        call->resolved = then;
        resolve_next(call);
}

/* ---- whole answers ---- */

static const char *call_headers(ProxyCall *call) {
        return call->headers.data;
}

void proxy_call_reply(ProxyCall *call, const Str *body) {
        call->is_over = true;
        if (str_error(body) < 0)
                proxy_answer_error(call->client, 500, NULL, strerror(ENOMEM));
        else
                proxy_answer(call->client,
                             200,
                             "application/json",
                             call_headers(call),
                             body->data,
                             body->len);
}

void proxy_call_fail(ProxyCall *call, unsigned status, const char *format, ...) {
        _cleanup_(str_done) Str words = {};
        va_list ap;

        va_start(ap, format);
        (void) str_appendv(&words, format, ap);
        va_end(ap);
        call->is_over = true;
        proxy_answer_error(call->client, status, call_headers(call), words.data ? words.data : "");
}

void proxy_call_fail_error(ProxyCall *call, int r, const Error *error) {
        proxy_call_fail(call, 500, "%s", error ? error_message(error) : strerror(-r));
}

/* ---- streamed answers ---- */

void proxy_call_stream(ProxyCall *call, int (*more)(ProxyCall *call, Error *reterr), bool is_stream) {
        call->more = more;
        call->is_stream = is_stream;
        call->client->state = PROXY_ANSWER;
}

static void call_write_head(ProxyCall *call) {
        ProxyClient *client = call->client;
        Str *out = &client->end.out;

        call->has_begun = true;
        proxy_answer_head(client, 200, "application/json", call_headers(call));
        if (call->is_stream)
                (void) str_append(out, "X-Chunked-Output: 1\r\n");
        if (!client->is_http10 && call->is_stream)
                (void) str_append(out, "Trailer: " TRAILER "\r\n");
        (void) str_append(out, client->is_http10 ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n");
}

static void call_write_chunk(ProxyCall *call) {
        Str *out = &call->client->end.out, *body = &call->body;

        if (!call->has_begun)
                call_write_head(call);
        if (body->len == 0)
                return;
        if (!call->client->is_http10)
                (void) str_appendf(out, "%zx\r\n", body->len);
        (void) str_append_bytes(out, body->data, body->len);
        if (!call->client->is_http10)
                (void) str_append(out, "\r\n");
        str_reset(body);
}

void proxy_call_begin_stream(ProxyCall *call) {
        call_write_chunk(call);
}

void proxy_write_trailer(Str *to, const char *words) {
        (void) str_append(to, TRAILER ": ");
        for (; *words; words++)
                (void) str_append_char(to, (unsigned char) *words < ' ' || *words == 0x7f ? ' ' : *words);
        (void) str_append(to, "\r\n");
}

/* The end, or the error that it is. Negative: the connection has to show it. */
static int call_write_end(ProxyCall *call, int r, const Error *error) {
        ProxyClient *client = call->client;

        call->is_over = true;
        if (!call->has_begun && r < 0) {
                proxy_call_fail_error(call, r, error);
                return 1;
        }
        if (!call->has_begun && !call->is_stream) {
                proxy_call_reply(call, &call->body);
                return 1;
        }
        call_write_chunk(call);
        if (r < 0 && (client->is_http10 || !call->is_stream)) {
                stream_break(&client->end.stream);
                return -EPIPE;
        }
        if (client->is_http10)
                return 1;
        (void) str_append(&client->end.out, "0\r\n");
        if (r < 0)
                proxy_write_trailer(&client->end.out, error_message(error));
        (void) str_append(&client->end.out, "\r\n");
        return 1;
}

int proxy_call_more(ProxyCall *call) {
        _cleanup_(error_done) Error error = {};
        int r = 1;

        call->is_waiting = false;
        if (call->is_over)
                return 0;
        /* What fits into one batch is sent with its length. */
        while (r == 1 && call->body.len < PROXY_STREAM_BATCH)
                r = call->more(call, &error);
        if (r <= 0)
                return call_write_end(call, r, &error);

        call->is_waiting = r == CLUSTER_LIST_WAIT;
        if (call->body.len == 0 || (call->is_waiting && !call->is_stream))
                return 0;
        call_write_chunk(call);
        return 1;
}
