#include "daemon/proxy/watch.h"

#include <json-c/json.h>
#include <string.h>

#include "daemon/base/json.h"
#include "daemon/base/time.h"
#include "daemon/net/mime.h"
#include "daemon/proxy/call.h"
#include "daemon/types/pin-options.h"

/*
 *   READING ──► PINNING ──► done        the answer has ended; each root was committed
 */
struct ProxyWatch {
        ProxyClient *client;
        const ProxyUpload *upload;
        char *target;
        char *ending; /* of the form; NULL: Kubo will say what it thinks of it */
        ProxyTail tail;
        bool wraps, is_silent;
        Pin pin;         /* the options */
        Str head;        /* until something is told */
        Str line, held;  /* what of a line has come; a root's line that waits for its pin */
        Str trailers;    /* of Kubo's answer */
        bool has_failed; /* Kubo says so in them */
        Cid *roots;
        size_t n_roots, n_pinned;
        bool is_pinning;
        ClusterCall *call;
        Error error;
};

/* ---- the request ---- */

/* The JSON text of a line is what is read, so no other form may be asked for; Kubo tells of a pin's name
 * only with a pin, and says nothing at all when it is to be silent. */
static bool is_ours(const ProxyUpload *upload, const char *key) {
        static const char *const keys[] = { "pin-name", "silent", "encoding", "enc" };

        if (!upload->keeps_pin && strcmp(key, upload->pin) == 0)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (strcmp(key, keys[i]) == 0)
                        return true;
        return false;
}

/* PART is "key=value" as it came. */
static int append_part(const ProxyUpload *upload, const char *part, size_t n, Str *to) {
        _cleanup_(query_done) Query query = {};
        _cleanup_(str_done) Str target = {};
        int r;

        (void) str_append(&target, "/?");
        if (str_append_bytes(&target, part, n) < 0)
                return -ENOMEM;
        r = query_parse(target.data, &query);
        if (r < 0)
                return r;
        if (query.n_parameters > 0 && is_ours(upload, query.parameters[0].key))
                return 0;
        (void) str_append_char(to, strchr(to->data, '?') ? '&' : '?');
        return str_append_bytes(to, part, n);
}

char *proxy_watch_rewrite(const ProxyUpload *upload, const char *target) {
        const char *part = target + strcspn(target, "?");
        _cleanup_(str_done) Str to = {};

        if (str_append_bytes(&to, target, (size_t) (part - target)) < 0)
                return NULL;
        while (*part) {
                size_t n = strcspn(++part, "&");

                if (n > 0 && append_part(upload, part, n, &to) < 0)
                        return NULL;
                part += n;
        }
        if (!upload->keeps_pin)
                (void) str_appendf(&to, "%c%s=false", strchr(to.data, '?') ? '&' : '?', upload->pin);
        return str_take(&to);
}

/* The options of the pin, as the REST API takes them. "mode" is the mode of files for Kubo, "name" is also
 * Kubo's own "pin-name". */
static int watch_read_options(ProxyWatch *watch, const Query *query, Error *reterr) {
        const char *name = query_get(query, "pin-name");
        PinOption *options;
        size_t n = 0;
        int r;

        options = calloc(query->n_parameters + 1, sizeof(PinOption));
        if (!options)
                return error_set_errno(reterr, -ENOMEM, "%m");
        if (name)
                options[n++] = (PinOption){ "name", name };
        for (size_t i = 0; i < query->n_parameters; i++) {
                const char *key = query->parameters[i].key;

                if (strcmp(key, "mode") != 0 && strcmp(key, "pin-update") != 0)
                        options[n++] = (PinOption){ key, query->parameters[i].value };
        }
        r = pin_options_read(&watch->pin, options, n, time_now(), reterr);
        free(options);
        if (r >= 0)
                watch->pin.type = PIN_TYPE_DATA;
        return r;
}

/* Kubo takes a form that breaks off for one that has ended. */
int proxy_watch_ending(const char *content_type, char **ret, Error *reterr) {
        static const char multipart[] = "multipart/";
        _cleanup_free_ char *type = NULL, *boundary = NULL;
        Str ending = {};
        int r;

        *ret = NULL;
        if (strncasecmp(content_type, multipart, strlen(multipart)) != 0)
                return 0;
        r = mime_parse(content_type, "boundary", &type, &boundary);
        if (r == -EINVAL || (r >= 0 && !boundary))
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "Content-Type '%s': expected multipart/form-data; boundary=…",
                                content_type);
        if (r < 0)
                return error_set_errno(reterr, r, "%m");
        (void) str_appendf(&ending, "--%s--", boundary);
        *ret = str_take(&ending);
        return *ret ? 0 : error_set_errno(reterr, -ENOMEM, "%m");
}

static int watch_read_form(ProxyWatch *watch, const Http1Head *head, Error *reterr) {
        _cleanup_free_ char *type = NULL;
        int r;

        r = http1_copy(head, "Content-Type", &type);
        if (r < 0)
                return error_set_errno(reterr, r, "%m");
        return type ? proxy_watch_ending(type, &watch->ending, reterr) : 0;
}

int proxy_watch_new(
                ProxyWatch **ret,
                ProxyClient *client,
                const ProxyUpload *upload,
                const Http1Head *head,
                const Query *query,
                Error *reterr) {
        _cleanup_free_ char *target = strndup(head->target.at, head->target.n);
        const char *path = target ? strchr(target, '/') : NULL;
        ProxyWatch *watch;
        int r;

        if (path && target[0] != '/') /* http://host/path */
                path = strchr(path + 2, '/');
        watch = path ? calloc(1, sizeof(ProxyWatch)) : NULL;
        if (!watch)
                return error_set_errno(reterr, -ENOMEM, "%m");
        *watch = (ProxyWatch){
                .client = client,
                .upload = upload,
                .target = proxy_watch_rewrite(upload, path),
        };
        (void) proxy_rule_flag(query, "wrap-with-directory", "w", false, &watch->wraps);
        (void) proxy_rule_flag(query, "silent", NULL, false, &watch->is_silent);
        r = watch->target ? watch_read_form(watch, head, reterr) : error_set_errno(reterr, -ENOMEM, "%m");
        if (r >= 0)
                r = watch_read_options(watch, query, reterr);
        if (r < 0) {
                proxy_watch_free(watch);
                return r;
        }
        *ret = watch;
        return 0;
}

ProxyWatch *proxy_watch_free(ProxyWatch *watch) {
        if (!watch)
                return NULL;

        cluster_call_unref(watch->call);
        free(watch->target);
        free(watch->ending);
        free(watch->roots);
        pin_done(&watch->pin);
        str_done(&watch->head);
        str_done(&watch->line);
        str_done(&watch->held);
        str_done(&watch->trailers);
        error_done(&watch->error);
        free(watch);
        return NULL;
}

ProxyTail *proxy_watch_tail(ProxyWatch *watch) {
        return &watch->tail;
}

const char *proxy_watch_target(const ProxyWatch *watch) {
        return watch->target;
}

/* ---- lines ---- */

static const char *text_of(struct json_object *object, const char *key) {
        struct json_object *value;

        if (!json_object_is_type(object, json_type_object) ||
            !json_object_object_get_ex(object, key, &value))
                return NULL;
        return json_object_get_string(value);
}

/* Of what lies in a folder only the folder itself is a root. */
static bool is_top(const char *name, bool wraps) {
        if (!name)
                return true;
        return wraps ? !*name : !strchr(name, '/');
}

static int find_root(const ProxyUpload *upload, bool wraps, struct json_object *object, Cid *ret) {
        struct json_object *inner = object;
        const char *words, *text;
        size_t i = 0;

        for (; upload->root[i + 1]; i++) {
                if (!json_object_object_get_ex(inner, upload->root[i], &inner) ||
                    !json_object_is_type(inner, json_type_object))
                        return 0;
                words = upload->error ? text_of(inner, upload->error) : NULL;
                if (!str_is_empty(words))
                        return 0;
        }
        text = text_of(inner, upload->root[i]);
        if (!text || (upload == &proxy_upload_add && !is_top(text_of(object, "Name"), wraps)))
                return 0;
        return cid_parse(text, ret, NULL) < 0 ? -EBADMSG : 1;
}

int proxy_watch_read_line(const ProxyUpload *upload, bool wraps, const char *line, size_t n, Cid *ret) {
        _cleanup_(json_object_putp) struct json_object *object = NULL;

        if (json_parse(line, n, &object, NULL) < 0 || !json_object_is_type(object, json_type_object))
                return -EBADMSG;
        return find_root(upload, wraps, object, ret);
}

static int watch_add_root(ProxyWatch *watch, const Cid *cid) {
        Cid *roots;

        if (watch->n_roots == PROXY_ROOTS_MAX)
                return error_set(
                                &watch->error,
                                ERROR_TOO_BIG,
                                "more than %d roots in one upload",
                                PROXY_ROOTS_MAX);
        if ((watch->n_roots & (watch->n_roots - 1)) == 0) { /* full: 0, 1, 2, 4, … */
                roots = reallocarray(watch->roots, watch->n_roots > 0 ? watch->n_roots * 2 : 1, sizeof(Cid));
                if (!roots)
                        return error_set_errno(&watch->error, -ENOMEM, "%m");
                watch->roots = roots;
        }
        watch->roots[watch->n_roots++] = *cid;
        return 0;
}

static void watch_tell(ProxyWatch *watch, ProxyRelay *relay, const Str *text) {
        Str *out = &watch->client->end.out;

        if (!relay->has_begun)
                (void) str_append_bytes(out, watch->head.data, watch->head.len);
        relay->has_begun = true;
        if (text->len == 0 || watch->is_silent)
                return;
        if (!watch->client->is_http10)
                (void) str_appendf(out, "%zx\r\n", text->len);
        (void) str_append_bytes(out, text->data, text->len);
        if (!watch->client->is_http10)
                (void) str_append(out, "\r\n");
}

/* A line is whole. */
static int watch_on_line(ProxyWatch *watch, ProxyRelay *relay) {
        Str *line = &watch->line, *held = &watch->held;
        Cid cid;
        int r;

        if (line->len == 1) /* Kubo ends some answers with an empty one */
                r = 0;
        else
                r = proxy_watch_read_line(watch->upload, watch->wraps, line->data, line->len - 1, &cid);
        if (r < 0)
                return error_set(
                                &watch->error,
                                ERROR_IPFS,
                                "IPFS answered with something that is no JSON object");
        if (held->len > 0)
                watch_tell(watch, relay, held);
        str_reset(held);
        if (r > 0) {
                (void) str_append_bytes(held, line->data, line->len);
                r = watch_add_root(watch, &cid);
        } else
                watch_tell(watch, relay, line);
        str_reset(line);
        return r;
}

static int watch_on_data(ProxyWatch *watch, ProxyRelay *relay, const Http1Part *part) {
        const char *at = part->at, *end = part->at + part->n;

        while (at < end) {
                const char *lf = memchr(at, '\n', (size_t) (end - at));
                size_t n = (size_t) ((lf ? lf + 1 : end) - at);

                if (watch->line.len + n > PROXY_LINE_MAX)
                        return error_set(
                                        &watch->error,
                                        ERROR_IPFS,
                                        "IPFS answered with a line that is too long");
                if (str_append_bytes(&watch->line, at, n) < 0)
                        return error_set_errno(&watch->error, -ENOMEM, "%m");
                if (lf && watch_on_line(watch, relay) < 0)
                        return -EBADMSG;
                at += n;
        }
        return 0;
}

/* ---- the end ---- */

/* Pinning failed, or what Kubo said could not be read. */
static int watch_fail(ProxyWatch *watch, ProxyRelay *relay) {
        Str *out = &watch->client->end.out;

        if (!relay->has_begun)
                return proxy_relay_refuse(relay, 500, error_message(&watch->error));
        relay->is_given_up = relay->is_given_up || !http1_body_is_ended(&relay->answer.body);
        if (watch->client->is_http10)
                return proxy_relay_refuse(relay, 500, NULL);
        (void) str_append(out, "0\r\n");
        proxy_write_trailer(out, error_message(&watch->error));
        (void) str_append(out, "\r\n");
        return proxy_relay_end(relay);
}

static int watch_finish(ProxyWatch *watch, ProxyRelay *relay) {
        Str *out = &watch->client->end.out;

        if (watch->has_failed && watch->client->is_http10)
                return proxy_relay_refuse(relay, 502, "IPFS broke off");
        watch_tell(watch, relay, &watch->held);
        if (watch->line.len > 0)
                watch_tell(watch, relay, &watch->line);
        if (!watch->client->is_http10) {
                (void) str_append(out, "0\r\n");
                (void) str_append_bytes(out, watch->trailers.data, watch->trailers.len);
                (void) str_append(out, "\r\n");
        }
        return proxy_relay_end(relay);
}

static void on_pinned(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const Pin *pin _unused_,
                void *userdata) {
        ProxyWatch *watch = userdata;

        if (r < 0)
                (void) error_copy(&watch->error, error);
        else
                watch->n_pinned++;
        watch->call = cluster_call_unref(watch->call);
        proxy_client_go_on(watch->client);
}

/* Answers 0 while a root is being pinned, else as proxy_relay_run(). */
static int watch_pin(ProxyWatch *watch, ProxyRelay *relay) {
        int r;

        if (watch->call)
                return 0;
        if (watch->error.code != ERROR_NONE)
                return watch_fail(watch, relay);
        if (watch->n_pinned == watch->n_roots)
                return watch_finish(watch, relay);

        watch->pin.cid = watch->roots[watch->n_pinned];
        r = cluster_pin(watch->client->proxy->cluster, &watch->call, &watch->pin, NULL, on_pinned, watch);
        if (r >= 0)
                return 0;
        (void) error_set_errno(&watch->error, r, "%s could not be pinned: %m", "what was added");
        return watch_fail(watch, relay);
}

/* Kubo's answer is whole. If it tells of an error nothing is pinned. */
static int watch_on_end(ProxyWatch *watch, ProxyRelay *relay) {
        static const char name[] = "X-Stream-Error:";

        if (watch->line.len > 0 &&
            (str_append_char(&watch->line, '\n') < 0 || watch_on_line(watch, relay) < 0))
                return watch_fail(watch, relay);
        watch->has_failed = watch->trailers.data && strcasestr(watch->trailers.data, name);
        if (watch->has_failed)
                return watch_finish(watch, relay);
        if (watch->ending &&
            !memmem(watch->tail.bytes, watch->tail.n, watch->ending, strlen(watch->ending))) {
                (void) error_set(
                                &watch->error,
                                ERROR_INVALID,
                                "the upload has no end: '%s' is missing",
                                watch->ending);
                return watch_fail(watch, relay);
        }
        watch->is_pinning = true;
        return watch_pin(watch, relay);
}

/* ---- reading ---- */

int proxy_watch_on_head(ProxyWatch *watch, const Http1Head *head, const ProxyHead *options) {
        ProxyHead own = *options;

        own.is_unchunked = watch->client->is_http10;
        own.is_rechunked = !own.is_unchunked;
        return proxy_head_write_answer(head, &own, &watch->head);
}

/* What is in the buffer. Answers 1 when the answer has ended, 0 when there has to be more. */
static int watch_take(ProxyWatch *watch, ProxyRelay *relay) {
        ProxyEnd *from = relay->answer.from;
        Http1Part part;
        int r = 0;

        while (from->start < from->end || http1_body_is_ended(&relay->answer.body)) {
                r = http1_body_next(
                                &relay->answer.body,
                                from->in ? from->in->data + from->start : NULL,
                                from->end - from->start,
                                &part);
                if (r == HTTP1_PART_END) {
                        proxy_end_take(from, part.used);
                        return 1;
                }
                if (r == HTTP1_PART_DATA)
                        r = watch_on_data(watch, relay, &part);
                else if (r == HTTP1_PART_TRAILER)
                        r = str_append_bytes(&watch->trailers, part.at, part.n);
                if (r < 0)
                        return r;
                proxy_end_take(from, part.used);
        }
        return 0;
}

/* The link has ended. Where that is the body's end it is its end, else the upload broke. */
static int watch_on_cut(ProxyWatch *watch, ProxyRelay *relay, ssize_t n) {
        if (n == 0 && relay->answer.body.kind == HTTP1_BODY_CLOSE)
                return watch_on_end(watch, relay);
        return proxy_relay_refuse(relay, 502, "IPFS broke off its answer");
}

int proxy_watch_run(ProxyWatch *watch, ProxyRelay *relay) {
        ProxyEnd *from = relay->answer.from;
        size_t sent, taken = 0;
        ssize_t n;
        int r;

        if (watch->is_pinning)
                return watch_pin(watch, relay);
        while (taken < PROXY_TURN_BYTES) {
                r = watch_take(watch, relay);
                if (r > 0)
                        return watch_on_end(watch, relay);
                if (r < 0 && watch->error.code != ERROR_NONE)
                        return watch_fail(watch, relay);
                if (r < 0)
                        return watch_on_cut(watch, relay, r);

                r = proxy_end_send(&watch->client->end, NULL, &sent);
                if (r < 0)
                        return r == -EAGAIN ? 0 : r;
                n = proxy_end_read(from);
                if (n == -EAGAIN) {
                        proxy_end_release(from);
                        return 0;
                }
                if (n <= 0)
                        return watch_on_cut(watch, relay, n);
                taken += (size_t) n;
        }
        poller_again(&watch->client->end.stream.watch);
        return 0;
}
