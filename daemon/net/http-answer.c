#include "daemon/net/http-answer.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "daemon/base/str.h"

/* Longer bodies are handed over in blocks, so that it is seen that they move. libmicrohttpd cuts blocks of
 * chunked bodies to what its memory for the connection leaves. */
#define ANSWER_BLOCK 16384

typedef struct LongBody {
        void (*moved)(void *userdata);
        void *userdata;
        size_t size;
        char bytes[];
} LongBody;

static ssize_t read_long_body(void *userdata, uint64_t position, char *buffer, size_t max) {
        LongBody *body = userdata;
        size_t n = MIN(max, body->size - (size_t) position);

        body->moved(body->userdata);
        memcpy(buffer, body->bytes + position, n);
        return (ssize_t) n;
}

static struct MHD_Response *long_answer(
                const HttpReply *reply, void (*moved)(void *userdata), void *userdata) {
        struct MHD_Response *response;
        LongBody *body = malloc(sizeof(*body) + reply->size);

        if (!body)
                return NULL;

        *body = (LongBody){ .moved = moved, .userdata = userdata, .size = reply->size };
        memcpy(body->bytes, reply->body, reply->size);

        response = MHD_create_response_from_callback(reply->size, ANSWER_BLOCK, read_long_body, body, free);
        if (!response)
                free(body);
        return response;
}

/* libmicrohttpd refuses an empty value, and bytes that would end the line: a space is read as nothing. */
static int add_field(
                struct MHD_Response *response,
                const char *name,
                const char *value,
                enum MHD_Result (*add)(struct MHD_Response *response, const char *name, const char *value)) {
        _cleanup_free_ char *clean = NULL;

        if (!*value)
                value = " ";

        if (strpbrk(value, "\t\r\n")) {
                clean = strdup(value);
                if (!clean)
                        return -ENOMEM;
                for (char *p = clean; (p = strpbrk(p, "\t\r\n"));)
                        *p = ' ';
                value = clean;
        }

        return add(response, name, value) == MHD_YES ? 0 : -ENOMEM;
}

static struct MHD_Response *add_headers(struct MHD_Response *response, const HttpReply *reply) {
        int r = 0;

        if (!response)
                return NULL;

        if (reply->content_type)
                r = add_field(response, "Content-Type", reply->content_type, MHD_add_response_header);
        for (size_t i = 0; i < reply->n_headers && r >= 0; i++)
                r = add_field(response,
                              reply->headers[i].name,
                              reply->headers[i].value,
                              MHD_add_response_header);

        if (r < 0) {
                MHD_destroy_response(response);
                return NULL;
        }

        return response;
}

struct MHD_Response *http_answer_new(const HttpReply *reply, void (*moved)(void *userdata), void *userdata) {
        struct MHD_Response *response;

        if (reply->size > ANSWER_BLOCK)
                response = long_answer(reply, moved, userdata);
        else
                response = MHD_create_response_from_buffer(
                                reply->size, (void *) reply->body, MHD_RESPMEM_MUST_COPY);
        return add_headers(response, reply);
}

struct MHD_Response *http_answer_new_streamed(
                const HttpReply *reply, MHD_ContentReaderCallback reader, void *userdata) {
        return add_headers(
                        MHD_create_response_from_callback(
                                        MHD_SIZE_UNKNOWN, ANSWER_BLOCK, reader, userdata, /* crfc= */ NULL),
                        reply);
}

int http_answer_add_trailer(struct MHD_Response *response, const char *name, const char *value) {
        return add_field(response, name, value, MHD_add_response_footer);
}

HttpReply http_answer_refusal(unsigned status) {
        static const struct {
                unsigned status;
                const char *text;
        } refusals[] = {
                { MHD_HTTP_BAD_REQUEST, "400 Bad Request" },
                { MHD_HTTP_CONTENT_TOO_LARGE, "413 Request Entity Too Large" },
                { MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "431 Request Header Fields Too Large" },
                { MHD_HTTP_NOT_IMPLEMENTED, "501 Not Implemented" },
        };
        const char *text = "";

        for (size_t i = 0; i < ELEMENTSOF(refusals); i++)
                if (refusals[i].status == status)
                        text = refusals[i].text;

        return (HttpReply){
                .status = status,
                .content_type = "text/plain; charset=utf-8",
                .body = text,
                .size = strlen(text),
        };
}

void http_answer_append_field(Str *text, const char *name, const char *value) {
        (void) str_appendf(text, "%s: ", name);
        for (; *value; value++)
                (void) str_append_char(text, strchr("\t\r\n", *value) ? ' ' : *value);
        (void) str_append(text, "\r\n");
}

void http_answer_append_head(Str *text, const HttpReply *reply) {
        (void) str_appendf(
                        text, "HTTP/1.1 %u %s\r\n", reply->status, MHD_get_reason_phrase_for(reply->status));
        if (reply->content_type)
                http_answer_append_field(text, "Content-Type", reply->content_type);
        for (size_t i = 0; i < reply->n_headers; i++)
                if (strcasecmp(reply->headers[i].name, "Connection") != 0)
                        http_answer_append_field(text, reply->headers[i].name, reply->headers[i].value);
        http_answer_append_field(text, "Connection", "close");
}

void http_answer_end(int fd, gnutls_session_t tls) {
        if (tls)
                (void) gnutls_bye(tls, GNUTLS_SHUT_WR);
        (void) shutdown(fd, SHUT_WR);
}

/* A fresh answer of this size fits into the socket's buffer: nothing was sent on it before. */
static void write_text(const Str *text, int fd, gnutls_session_t tls) {
        if (tls)
                (void) gnutls_record_send(tls, text->data, text->len);
        else
                (void) send(fd, text->data, text->len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void http_answer_write(const HttpReply *reply, int fd, gnutls_session_t tls) {
        _cleanup_(str_done) Str text = {};

        http_answer_append_head(&text, reply);
        (void) str_appendf(&text, "Content-Length: %zu\r\n\r\n", reply->size);
        (void) str_append_bytes(&text, reply->body, reply->size);

        if (str_error(&text) >= 0)
                write_text(&text, fd, tls);
        http_answer_end(fd, tls);
}
