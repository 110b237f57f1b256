#include "daemon/proxy/head.h"

#include <string.h>

/* "http://host/path" asks for the path. A target that is handed on begins with a slash, or is "*". */
static Http1Text path_of(Http1Text target) {
        const char *scheme = memmem(target.at, target.n, "://", 3), *path;

        if (target.at[0] == '/' || target.at[0] == '*' || !scheme)
                return target;
        scheme += 3;
        path = memchr(scheme, '/', target.n - (size_t) (scheme - target.at));
        return path ? (Http1Text){ path, target.n - (size_t) (path - target.at) } : (Http1Text){ "/", 1 };
}

static bool is_framing(const Http1Field *field) {
        return http1_is(field->name, "Content-Length") || http1_is(field->name, "Transfer-Encoding");
}

/* As the reverse proxy of Go's library does: one list with this client at its end. */
static void write_forwarded(const Http1Head *head, const char *address, Str *to) {
        if (!address)
                return;
        (void) str_append(to, "X-Forwarded-For: ");
        for (size_t i = 0; i < head->n_fields; i++)
                if (http1_is(head->fields[i].name, "X-Forwarded-For")) {
                        (void) str_append_bytes(to, head->fields[i].value.at, head->fields[i].value.n);
                        (void) str_append(to, ", ");
                }
        (void) str_append(to, address);
        (void) str_append(to, "\r\n");
}

static void write_fields(const Http1Head *head, const ProxyHead *options, Str *to) {
        bool reframed = options->is_rechunked || options->is_unchunked;

        for (size_t i = 0; i < head->n_fields; i++) {
                const Http1Field *field = head->fields + i;

                if (http1_is_for_hop(head, field) || (reframed && is_framing(field)) ||
                    (options->address && http1_is(field->name, "X-Forwarded-For")) ||
                    (options->is_unchunked && http1_is(field->name, "Trailer")))
                        continue;
                (void) http1_write(to, field);
        }
        write_forwarded(head, options->address, to);
        if (options->is_rechunked)
                (void) str_append(to, "Transfer-Encoding: chunked\r\n");
        if (options->closes)
                (void) str_append(to, "Connection: close\r\n");
        (void) str_append(to, "\r\n");
}

int proxy_head_write_request(const Http1Head *head, const ProxyHead *options, Str *to) {
        Http1Text target = path_of(head->target);

        (void) str_append_bytes(to, head->method.at, head->method.n);
        (void) str_append_char(to, ' ');
        if (options->target)
                (void) str_append(to, options->target);
        else
                (void) str_append_bytes(to, target.at, target.n);
        (void) str_append(to, head->is_http10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
        write_fields(head, options, to);
        return str_error(to);
}

int proxy_head_write_answer(const Http1Head *head, const ProxyHead *options, Str *to) {
        (void) str_appendf(to, "HTTP/1.%c %03u ", head->is_http10 ? '0' : '1', head->status);
        (void) str_append_bytes(to, head->reason.at, head->reason.n);
        (void) str_append(to, "\r\n");
        write_fields(head, options, to);
        return str_error(to);
}
