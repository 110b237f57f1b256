#include "tests/unit/net/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WIRE_TICK_USEC 2000

static void run_until(sd_event *event, gint64 deadline) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_assert_cmpint(sd_event_run(event, WIRE_TICK_USEC), >=, 0);
}

void wire_wait(sd_event *event, const bool *done) {
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;

        while (!*done)
                run_until(event, deadline);
}

void wire_turns(sd_event *event, unsigned n) {
        while (n-- > 0 && sd_event_run(event, 0) > 0)
                ;
}

int wire_listen(unsigned *ret_port) {
        struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(name);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        g_assert_cmpint(bind(fd, (struct sockaddr *) &name, sizeof(name)), ==, 0);
        g_assert_cmpint(listen(fd, SOMAXCONN), ==, 0);
        g_assert_cmpint(getsockname(fd, (struct sockaddr *) &name, &size), ==, 0);
        *ret_port = ntohs(name.sin_port);
        return fd;
}

static struct sockaddr_un unix_name(const char *path) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };

        g_assert_cmpuint(g_strlcpy(name.sun_path, path, sizeof(name.sun_path)), <, sizeof(name.sun_path));
        return name;
}

int wire_listen_unix(const char *path) {
        struct sockaddr_un name = unix_name(path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        g_assert_cmpint(bind(fd, (struct sockaddr *) &name, sizeof(name)), ==, 0);
        g_assert_cmpint(listen(fd, SOMAXCONN), ==, 0);
        return fd;
}

static int connected(int fd, const struct sockaddr *name, socklen_t size) {
        g_assert_cmpint(connect(fd, name, size), ==, 0);
        g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
        return fd;
}

int wire_connect(unsigned port) {
        struct sockaddr_in name = {
                .sin_family = AF_INET,
                .sin_port = htons((uint16_t) port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };

        return connected(
                        socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                        (struct sockaddr *) &name,
                        sizeof(name));
}

int wire_connect_unix(const char *path) {
        struct sockaddr_un name = unix_name(path);

        return connected(
                        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                        (struct sockaddr *) &name,
                        sizeof(name));
}

unsigned wire_dead_port(void) {
        unsigned port;

        close(wire_listen(&port));
        return port;
}

bool wire_send(sd_event *event, int fd, const char *data, size_t n) {
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;

        while (n > 0) {
                ssize_t sent = send(fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (sent > 0) {
                        data += sent;
                        n -= (size_t) sent;
                } else if (errno == EAGAIN)
                        run_until(event, deadline);
                else
                        return false; /* the other side has closed; what it said is read by the test */
        }

        return true;
}

bool wire_send_text(sd_event *event, int fd, const char *text) {
        return wire_send(event, fd, text, strlen(text));
}

char *wire_read(sd_event *event, int fd, const char *text) {
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;
        g_autoptr(GString) all = g_string_new(NULL);

        for (;;) {
                char block[16384];
                ssize_t n;

                if (text && strstr(all->str, text))
                        break;

                n = recv(fd, block, sizeof(block), MSG_DONTWAIT);
                if (n > 0)
                        g_string_append_len(all, block, n);
                else if (n < 0 && errno == EAGAIN)
                        run_until(event, deadline);
                else if (text)
                        return NULL;
                else
                        break;
        }

        return g_strdup(all->str);
}

char *wire_exchange(sd_event *event, unsigned port, const char *text) {
        int fd = wire_connect(port);
        char *answer;

        wire_send_text(event, fd, text);
        answer = wire_read(event, fd, NULL);
        close(fd);
        return answer;
}

static void drop_connection(void *source) {
        sd_event_source_disable_unref(source);
}

static int on_request(sd_event_source *source, int fd, uint32_t revents G_GNUC_UNUSED, void *userdata) {
        WireServer *server = userdata;
        char block[16384];
        ssize_t n = recv(fd, block, sizeof(block), MSG_DONTWAIT);
        gsize seen = server->received->len;

        if (n <= 0) {
                if (n == 0 || errno != EAGAIN)
                        g_ptr_array_remove(server->connections, source);
                return 0;
        }

        g_string_append_len(server->received, block, n);
        seen = seen > 3 ? seen - 3 : 0;
        if (!strstr(server->received->str + seen, server->after ?: "\r\n\r\n"))
                return 0;

        server->n_requests++;
        if (server->reply)
                wire_send_text(server->event, fd, server->reply);
        if (server->closes)
                g_ptr_array_remove(server->connections, source);
        return 0;
}

static int on_connection(
                sd_event_source *source G_GNUC_UNUSED,
                int fd,
                uint32_t revents G_GNUC_UNUSED,
                void *userdata) {
        WireServer *server = userdata;
        int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        sd_event_source *connection;

        if (peer < 0)
                return 0;

        server->n_connections++;
        g_assert_cmpint(sd_event_add_io(server->event, &connection, peer, EPOLLIN, on_request, server),
                        >=,
                        0);
        g_assert_cmpint(sd_event_source_set_io_fd_own(connection, 1), >=, 0);
        g_ptr_array_add(server->connections, connection);
        return 0;
}

void wire_server_open(WireServer *server, sd_event *event) {
        int fd;

        *server = (WireServer){
                .event = event,
                .connections = g_ptr_array_new_with_free_func(drop_connection),
                .received = g_string_new(NULL),
        };
        fd = wire_listen(&server->port);
        g_snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u/", server->port);
        g_assert_cmpint(sd_event_add_io(event, &server->source, fd, EPOLLIN, on_connection, server), >=, 0);
        g_assert_cmpint(sd_event_source_set_io_fd_own(server->source, 1), >=, 0);
}

void wire_server_close(WireServer *server) {
        sd_event_source_disable_unref(server->source);
        g_ptr_array_unref(server->connections);
        g_string_free(server->received, TRUE);
}

void wire_server_send(WireServer *server, const char *text) {
        sd_event_source *last = g_ptr_array_index(server->connections, server->connections->len - 1);

        wire_send_text(server->event, sd_event_source_get_io_fd(last), text);
}

void wire_server_hang_up(WireServer *server) {
        g_ptr_array_set_size(server->connections, 0);
}
