#include "tests/unit/rest/web.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- the server */

static void listen_at(ConfigHttpApi *api, const char *address) {
        str_list_done(&api->http_listen_multiaddress);
        g_assert_cmpint(str_list_append(&api->http_listen_multiaddress, address), ==, 0);
}

void web_init(Web *web) {
        _cleanup_(str_done) Str address = {};

        *web = (Web){};
        peer_init(&web->peer);
        web->path = g_build_filename(web->peer.folder, "api", NULL);
        (void) str_appendf(&address, "/unix%s", web->path);
        listen_at(&web->peer.config->rest, address.data);
        listen_at(&web->peer.config->pinsvc, address.data);
}

void web_begin(Web *web) {
        Error error = {};

        peer_start(&web->peer);
        g_assert_cmpint(rest_api_new(&web->api,
                                     &(RestApiOptions){
                                                     .surface = web->surface ? web->surface : &rest_surface,
                                                     .event = web->peer.event,
                                                     .cluster = web->peer.cluster,
                                                     .config = web->peer.config,
                                     },
                                     &error),
                        ==,
                        0);
}

void web_open(Web *web) {
        web_init(web);
        web_begin(web);
}

void web_close(Web *web) {
        rest_api_free(web->api);
        peer_close(&web->peer);
        g_free(web->path);
}

/* ---- the client */

int web_connect(Web *web) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        g_assert_cmpuint(
                        g_strlcpy(name.sun_path, web->path, sizeof(name.sun_path)),
                        <,
                        sizeof(name.sun_path));
        while (connect(fd, (struct sockaddr *) &name, sizeof(name)) < 0) {
                g_assert_cmpint(errno, ==, EAGAIN); /* the backlog is full */
                peer_turn(&web->peer, G_MAXINT64);
        }
        return fd;
}

void web_send(Web *web, int fd, const char *data, size_t n) {
        gint64 deadline = g_get_monotonic_time() + PEER_PATIENCE_USEC;

        while (n > 0) {
                ssize_t k = send(fd, data, n, MSG_NOSIGNAL);

                if (k < 0 && errno != EAGAIN)
                        return; /* it has answered and closed: what it said is read later */
                if (k > 0) {
                        data += k;
                        n -= (size_t) k;
                } else
                        peer_turn(&web->peer, deadline);
        }
}

static GString *read_all(Web *web, int fd) {
        gint64 deadline = g_get_monotonic_time() + PEER_PATIENCE_USEC;
        GString *all = g_string_new(NULL);
        char block[16384];

        for (;;) {
                ssize_t n = recv(fd, block, sizeof(block), 0);

                if (n == 0 || (n < 0 && errno != EAGAIN))
                        return all;
                if (n > 0)
                        g_string_append_len(all, block, n);
                else
                        peer_turn(&web->peer, deadline);
        }
}

/* Move the content of the chunks together; answers whether the last one was there. */
static bool unchunk(char *body, char **ret_trailers) {
        char *from = body, *to = body;

        for (;;) {
                char *end;
                size_t n = strtoul(from, &end, 16);

                if (end == from || strncmp(end, "\r\n", 2) != 0) {
                        *to = 0;
                        return false;
                }
                from = end + 2;
                if (n == 0)
                        break;
                if (strlen(from) < n + 2) {
                        *to = 0;
                        return false;
                }
                memmove(to, from, n);
                to += n;
                from += n + 2;
        }
        *ret_trailers = from;
        *to = 0;
        return true;
}

static void parse(WebAnswer *answer) {
        char *head_end = strstr(answer->raw, "\r\n\r\n");
        const char *length;
        char *trailers = NULL;

        if (!head_end || sscanf(answer->raw, "HTTP/1.%*c %u", &answer->status) != 1)
                return;
        answer->body = head_end + 4;
        length = strstr(answer->raw, "Content-Length: ");
        if (strstr(answer->raw, "Transfer-Encoding: chunked"))
                answer->is_whole = unchunk(answer->body, &trailers);
        else
                answer->is_whole = !length || strtoul(length + 16, NULL, 10) == strlen(answer->body);
        if (trailers && g_str_has_prefix(trailers, "X-Stream-Error: ")) {
                answer->trailer = trailers + strlen("X-Stream-Error: ");
                *strchr(answer->trailer, '\r') = 0;
                g_strchug(answer->trailer);
        }
}

void web_read(Web *web, int fd, WebAnswer *ret) {
        GString *all = read_all(web, fd);

        close(fd);
        g_free(ret->raw);
        *ret = (WebAnswer){ .raw = g_string_free(all, FALSE) };
        parse(ret);
}

void web_answer_done(WebAnswer *answer) {
        g_free(answer->raw);
        *answer = (WebAnswer){};
}

bool web_answer_has(const WebAnswer *answer, const char *text) {
        return strstr(answer->raw, text) || (answer->body && strstr(answer->body, text));
}

void web_ask(Web *web, const char *method, const char *target, const char *body, WebAnswer *ret) {
        g_autofree char *head = NULL;
        int fd = web_connect(web);

        head = body ? g_strdup_printf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
                                      "%zu\r\n\r\n",
                                      method,
                                      target,
                                      strlen(body))
                    : g_strdup_printf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                                      method,
                                      target);
        web_send(web, fd, head, strlen(head));
        if (body)
                web_send(web, fd, body, strlen(body));
        web_read(web, fd, ret);
}

void web_check(Web *web, const char *method, const char *target, const char *body, unsigned status) {
        WebAnswer answer = {};

        WEB_EXPECT(web, method, target, body, status, &answer);
        web_answer_done(&answer);
}

void web_pin(Web *web, uint64_t n) {
        char text[CID_TEXT_MAX];
        g_autofree char *target = g_strdup_printf("/pins/%s", peer_cid_text(n, text));

        web_check(web, "POST", target, NULL, 200);
}

void web_until(Web *web, uint64_t n, const char *status) {
        char text[CID_TEXT_MAX];
        g_autofree char *target = g_strdup_printf("/pins/%s", peer_cid_text(n, text));
        g_autofree char *wanted = g_strdup_printf("\"status\":\"%s\"", status);
        gint64 deadline = g_get_monotonic_time() + PEER_PATIENCE_USEC;
        WebAnswer answer = {};

        do {
                web_ask(web, "GET", target, NULL, &answer);
                peer_turn(&web->peer, deadline);
        } while (!web_answer_has(&answer, wanted));
        web_answer_done(&answer);
}
