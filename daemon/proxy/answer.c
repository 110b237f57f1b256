#include <string.h>

#include "daemon/base/json.h"
#include "daemon/proxy/internal.h"

static const struct {
        unsigned status;
        const char *text;
} status_texts[] = {
        { 200, "OK" },
        { 301, "Moved Permanently" },
        { 400, "Bad Request" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 413, "Request Entity Too Large" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 505, "HTTP Version Not Supported" },
};

const char *proxy_status_text(unsigned status) {
        for (size_t i = 0; i < ELEMENTSOF(status_texts); i++)
                if (status_texts[i].status == status)
                        return status_texts[i].text;
        return "Error";
}

void proxy_answer_head(ProxyClient *client, unsigned status, const char *type, const char *headers) {
        Str *out = &client->end.out;

        (void) str_appendf(out, "HTTP/1.1 %u %s\r\n", status, proxy_status_text(status));
        (void) str_append(out, headers ? headers : "");
        if (type)
                (void) str_appendf(out, "Content-Type: %s\r\n", type);
        if (client->closes)
                (void) str_append(out, "Connection: close\r\n");
        client->state = PROXY_ANSWER;
}

void proxy_answer(
                ProxyClient *client,
                unsigned status,
                const char *type,
                const char *headers,
                const char *body,
                size_t n) {
        Str *out = &client->end.out;

        proxy_answer_head(client, status, type, headers);
        (void) str_appendf(out, "Content-Length: %zu\r\n\r\n", n);
        (void) str_append_bytes(out, body, n);
}

void proxy_answer_text(ProxyClient *client, unsigned status, const char *headers, const char *text) {
        Str all = {};

        (void) str_append(&all, headers ? headers : "");
        (void) str_append(&all, "X-Content-Type-Options: nosniff\r\n");
        proxy_answer(client,
                     status,
                     "text/plain; charset=utf-8",
                     str_error(&all) < 0 ? NULL : all.data,
                     text,
                     strlen(text));
        str_done(&all);
}

void proxy_answer_error(ProxyClient *client, unsigned status, const char *headers, const char *message) {
        Str body = {};

        (void) str_append(&body, "{\"Message\":");
        (void) json_write_string(&body, message);
        (void) str_append(&body, ",\"Code\":0,\"Type\":\"error\"}");
        proxy_answer(client, status, "application/json", headers, body.data, body.len);
        str_done(&body);
}
