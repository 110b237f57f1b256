/*
 * http-echo PORT: the HTTP server alone, for load by wrk, curl and the like on 127.0.0.1. Ends on SIGTERM.
 *
 *   /hello       a small reply at once          /later     the same from the loop
 *   /echo        the body                       /lines?N   a stream of N lines of 300 bytes
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/net/http-server.h"

#define LINE_SIZE 300

static void reply(HttpRequest *request, const char *body, size_t n) {
        (void) http_request_reply(
                        request,
                        &(HttpReply){
                                        .status = 200,
                                        .content_type = "application/json",
                                        .body = body,
                                        .size = n,
                        });
}

static void echo(HttpRequest *request, char *body, size_t n, void *userdata _unused_) {
        reply(request, body, n);
}

static int on_later(sd_event_source *source, void *userdata) {
        reply(userdata, "later\n", 6);
        sd_event_source_unref(source);
        return 0;
}

static void on_gone(HttpRequest *request _unused_, void *source) {
        sd_event_source_disable_unref(source);
}

static void reply_later(HttpRequest *request, sd_event *event) {
        sd_event_source *source;

        if (sd_event_add_defer(event, &source, on_later, request) < 0)
                abort();
        http_request_on_closed(request, on_gone, source);
}

static ssize_t pull(HttpRequest *request _unused_, char *buffer, size_t max, void *userdata) {
        size_t *n_left = userdata, n = 0;

        for (; *n_left > 0 && max - n >= LINE_SIZE; (*n_left)--, n += LINE_SIZE) {
                memset(buffer + n, 'x', LINE_SIZE);
                buffer[n + LINE_SIZE - 1] = '\n';
        }

        return n > 0 ? (ssize_t) n : HTTP_SOURCE_END;
}

static void closed(HttpRequest *request _unused_, bool complete _unused_, void *userdata) {
        free(userdata);
}

static void stream(HttpRequest *request, size_t n_lines) {
        static const HttpSource source = { .pull = pull, .closed = closed };
        size_t *n_left = malloc(sizeof(*n_left));

        if (!n_left)
                abort();
        *n_left = n_lines;
        (void) http_request_stream(request, &(HttpReply){ .status = 200 }, &source, n_left);
}

static void handle(HttpRequest *request, void *event) {
        const Query *query = http_request_query(request);

        if (strcmp(query->path, "/echo") == 0)
                (void) http_request_read_body(request, HTTP_BODY_MAX, echo, NULL);
        else if (strcmp(query->path, "/lines") == 0)
                stream(request, query->n_parameters > 0 ? strtoull(query->parameters[0].key, NULL, 10) : 1);
        else if (strcmp(query->path, "/later") == 0)
                reply_later(request, event);
        else
                reply(request, "hello\n", 6);
}

static int listen_at(unsigned port) {
        struct sockaddr_in name = {
                .sin_family = AF_INET,
                .sin_port = htons((uint16_t) port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
        if (bind(fd, (struct sockaddr *) &name, sizeof(name)) < 0 || listen(fd, SOMAXCONN) < 0) {
                perror("listen");
                exit(EXIT_FAILURE);
        }

        return fd;
}

int main(int argc, char **argv) {
        HttpServerOptions options = { .max_connections = 20000, .handle = handle };
        HttpServer *server;
        sigset_t mask;
        sd_event *event;

        if (argc != 2) {
                fputs("usage: http-echo PORT\n", stderr);
                return EXIT_FAILURE;
        }

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigprocmask(SIG_BLOCK, &mask, NULL);

        if (sd_event_new(&event) < 0 || sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL) < 0)
                return EXIT_FAILURE;

        options.fd = listen_at((unsigned) strtoul(argv[1], NULL, 10));
        options.userdata = event;
        if (http_server_new(&server, event, &options) < 0)
                return EXIT_FAILURE;

        (void) sd_event_loop(event);
        http_server_free(server);
        sd_event_unref(event);
        return EXIT_SUCCESS;
}
