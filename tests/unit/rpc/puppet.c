#include "tests/unit/rpc/puppet.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

static int connect_to(unsigned port) {
        const struct sockaddr_in name = { .sin_family = AF_INET,
                                          .sin_port = htons((uint16_t) port),
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_assert_cmpint(connect(fd, (const struct sockaddr *) &name, sizeof(name)), ==, 0);
        g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
        return fd;
}

void puppet_connect(
                Puppet *puppet,
                sd_event *event,
                unsigned port,
                const ForgeOptions *options,
                ForgeFlaw flaw) {
        const H2Options h2_options = { .is_dialler = true, .streams_max = 1000, .header_max = 65536 };
        ForgeOptions all = *options;

        *puppet = (Puppet){ .event = event, .data = g_string_new(NULL) };
        forge_open(&puppet->forge, flaw);
        all.forge = &puppet->forge;
        forge_session_open(&puppet->tls, connect_to(port), &all);
        g_assert_cmpint(h2_new(&puppet->h2, &h2_options), ==, 0);
}

void puppet_open(Puppet *puppet, sd_event *event, unsigned port) {
        puppet_connect(puppet, event, port, &(ForgeOptions){}, FORGE_NONE);
        puppet_until(puppet, &puppet->n_settings, 1);
}

void puppet_close(Puppet *puppet) {
        h2_free(puppet->h2);
        forge_session_close(&puppet->tls);
        forge_close(&puppet->forge);
        g_string_free(puppet->data, TRUE);
}

static void on_head(Puppet *puppet, H2Stream *stream) {
        puppet->n_heads++;
        puppet->n_oks += h2_stream_status(stream) == 200;
        puppet->n_errors += h2_stream_status(stream) != 200;
        g_strlcpy(puppet->code, h2_stream_code(stream), sizeof(puppet->code));
}

static void dispatch(Puppet *puppet) {
        H2Event event;

        while (h2_next(puppet->h2, &event))
                switch (event.type) {
                case H2_SETTINGS:
                        puppet->n_settings++;
                        break;
                case H2_HEAD:
                        on_head(puppet, event.stream);
                        break;
                case H2_DATA:
                        g_string_append_len(puppet->data, (const char *) event.data, (gssize) event.size);
                        h2_consume(puppet->h2, event.stream, event.size);
                        break;
                case H2_END:
                        puppet->n_ends++;
                        break;
                case H2_CLOSED:
                        puppet->n_closed++;
                        break;
                case H2_PONG:
                        puppet->n_pongs++;
                        break;
                case H2_WRITABLE:
                case H2_GOAWAY:
                        break;
                }
}

static void read_all(Puppet *puppet) {
        uint8_t buffer[16384];
        ssize_t n;

        while ((n = forge_session_read(&puppet->tls, buffer, sizeof(buffer))) > 0) {
                (void) h2_feed(puppet->h2, buffer, (size_t) n);
                dispatch(puppet);
        }
        puppet->is_closed = n != GNUTLS_E_AGAIN;
}

void puppet_send(Puppet *puppet, const void *bytes, size_t n) {
        g_assert_cmpint(forge_session_write(&puppet->tls, bytes, n), ==, (gssize) n);
}

static void write_all(Puppet *puppet) {
        uint8_t buffer[16384];
        ssize_t n;

        while ((n = h2_produce(puppet->h2, buffer, sizeof(buffer))) > 0) {
                dispatch(puppet);
                if (forge_session_write(&puppet->tls, buffer, (size_t) n) != n)
                        puppet->is_closed = true; /* the tests send less than a socket holds */
        }
}

void puppet_turn(Puppet *puppet) {
        if (!puppet->is_connected && !puppet->is_closed) {
                int r = forge_session_handshake(&puppet->tls);

                puppet->is_connected = r == 1;
                puppet->is_closed = r < 0;
        }
        if (puppet->is_connected && !puppet->is_closed)
                write_all(puppet);
        g_assert_cmpint(sd_event_run(puppet->event, 1000), >=, 0);
        if (puppet->is_connected && !puppet->is_closed && !puppet->is_deaf)
                read_all(puppet);
}

void puppet_until(Puppet *puppet, const unsigned *counter, unsigned n) {
        gint64 deadline = g_get_monotonic_time() + NODE_DEADLINE_USEC;

        while (*counter < n) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(puppet->is_closed, ==, false);
                puppet_turn(puppet);
        }
}

void puppet_until_closed(Puppet *puppet) {
        gint64 deadline = g_get_monotonic_time() + NODE_DEADLINE_USEC;

        while (!puppet->is_closed) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                puppet_turn(puppet);
        }
}

H2Stream *puppet_ask(Puppet *puppet, const char *path, const char *body) {
        H2Stream *stream;

        g_assert_cmpint(h2_request(puppet->h2, &stream, path, puppet), ==, 0);
        if (body)
                g_assert_cmpint(h2_write(puppet->h2, stream, body, strlen(body), true), ==, 0);
        return stream;
}
