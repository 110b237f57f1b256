#include <arpa/inet.h>
#include <glib.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#include "daemon/wire/stream.h"

typedef struct Pair {
        sd_event *event;
        Poller *poller;
        Stream stream;
        int other; /* the other end */
        unsigned n_events;
} Pair;

static void on_ready(PollerWatch *watch, uint32_t events) {
        Pair *pair = CONTAINER_OF(watch, Pair, stream.watch);

        stream_on_events(&pair->stream, events);
        pair->n_events++;
}

static void pair_begin(Pair *pair) {
        *pair = (Pair){ .stream.watch.ready = on_ready, .stream.fd = -1, .other = -1 };
        g_assert_cmpint(sd_event_new(&pair->event), ==, 0);
        g_assert_cmpint(poller_new(&pair->poller, pair->event), ==, 0);
}

static void pair_open(Pair *pair) {
        int fds[2];

        pair_begin(pair);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
        pair->other = fds[1];
        g_assert_cmpint(stream_init(&pair->stream, pair->poller, fds[0]), ==, 0);
}

static void pair_close(Pair *pair) {
        stream_deinit(&pair->stream);
        stream_deinit(&pair->stream);
        poller_free(pair->poller);
        sd_event_unref(pair->event);
        if (pair->other >= 0)
                close(pair->other);
}

static void wait_event(Pair *pair) {
        unsigned n = pair->n_events;

        while (pair->n_events == n)
                g_assert_cmpint(sd_event_run(pair->event, 5 * G_USEC_PER_SEC), >, 0);
}

static ssize_t put(Stream *stream, const char *a, const char *b) {
        const struct iovec parts[] = { { (void *) a, strlen(a) }, { (void *) b, strlen(b) } };

        return stream_write(stream, parts, 2);
}

static void test_both_ways(void) {
        char buffer[16] = {};
        Pair pair;

        pair_open(&pair);
        g_assert_cmpint(put(&pair.stream, "abc", "de"), ==, 5);
        g_assert_cmpint(read(pair.other, buffer, sizeof(buffer)), ==, 5);
        g_assert_cmpstr(buffer, ==, "abcde");

        g_assert_cmpint(stream_read(&pair.stream, buffer, sizeof(buffer)), ==, -EAGAIN);
        g_assert_false(pair.stream.is_readable);
        g_assert_cmpint(write(pair.other, "xyz", 3), ==, 3);
        while (!pair.stream.is_readable)
                wait_event(&pair);
        g_assert_cmpint(stream_read(&pair.stream, buffer, 2), ==, 2);
        g_assert_true(pair.stream.is_readable);
        g_assert_cmpint(stream_read(&pair.stream, buffer, 2), ==, 1);
        g_assert_false(pair.stream.is_readable); /* fewer than asked for */
        pair_close(&pair);
}

static void test_end(void) {
        char buffer[16];
        Pair pair;

        pair_open(&pair);
        g_assert_cmpint(write(pair.other, "x", 1), ==, 1);
        g_assert_cmpint(shutdown(pair.other, SHUT_WR), ==, 0);
        while (!pair.stream.is_hung_up)
                wait_event(&pair);
        g_assert_cmpint(stream_read(&pair.stream, buffer, sizeof(buffer)), ==, 1);
        g_assert_cmpint(stream_read(&pair.stream, buffer, sizeof(buffer)), ==, 0);
        g_assert_false(pair.stream.is_broken);

        stream_end(&pair.stream);
        g_assert_cmpint(read(pair.other, buffer, sizeof(buffer)), ==, 0);
        while (!pair.stream.is_broken)
                wait_event(&pair);
        pair_close(&pair);
}

/* What is known without an event. */
static void test_looks(void) {
        char buffer[16];
        Pair pair;

        pair_open(&pair);
        g_assert_true(stream_is_quiet(&pair.stream));
        g_assert_cmpuint(stream_unsent(&pair.stream), ==, 0);
        g_assert_cmpint(put(&pair.stream, "abc", "de"), ==, 5);
        g_assert_cmpuint(stream_unsent(&pair.stream), >, 0); /* of a Unix socket: was read */
        g_assert_cmpint(read(pair.other, buffer, sizeof(buffer)), ==, 5);
        g_assert_cmpuint(stream_unsent(&pair.stream), ==, 0);

        g_assert_cmpint(write(pair.other, "x", 1), ==, 1);
        g_assert_false(stream_is_quiet(&pair.stream));
        g_assert_false(stream_is_over(&pair.stream));
        g_assert_cmpint(stream_read(&pair.stream, buffer, sizeof(buffer)), ==, 1);
        g_assert_true(stream_is_quiet(&pair.stream));
        g_assert_false(stream_is_over(&pair.stream));
        g_assert_cmpint(shutdown(pair.other, SHUT_WR), ==, 0);
        g_assert_false(stream_is_quiet(&pair.stream));
        g_assert_true(stream_is_over(&pair.stream));
        pair_close(&pair);
}

static void test_full(void) {
        g_autofree char *bytes = g_malloc0(1 << 20);
        const struct iovec part = { bytes, 1 << 20 };
        ssize_t n = 0;
        Pair pair;

        pair_open(&pair);
        while ((n = stream_write(&pair.stream, &part, 1)) > 0)
                ;
        g_assert_cmpint(n, ==, -EAGAIN);
        g_assert_false(pair.stream.is_writable);
        while (read(pair.other, bytes, 1 << 20) > 0)
                ;
        while (!pair.stream.is_writable)
                wait_event(&pair);
        g_assert_cmpint(stream_write(&pair.stream, &part, 1), >, 0);
        close(pair.other);
        pair.other = -1;
        g_assert_cmpint(stream_write(&pair.stream, &part, 1), ==, -EPIPE);
        pair_close(&pair);
}

/* ---- connecting ---- */

static int establish(Pair *pair, Error *error) {
        int r;

        while ((r = stream_establish(&pair->stream, error)) == 0)
                wait_event(pair);
        return r;
}

static int tcp(Pair *pair,
               unsigned port,
               const char *tls_host,
               gnutls_certificate_credentials_t credentials) {
        struct sockaddr_in in = {
                .sin_family = AF_INET,
                .sin_port = htons((uint16_t) port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };

        return stream_connect(
                        &pair->stream,
                        pair->poller,
                        &(StreamTarget){ (struct sockaddr *) &in, sizeof(in), tls_host, credentials });
}

/* A port that nobody listens at, since this process has it. */
static unsigned closed_port(int *ret_fd) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

        *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_assert_cmpint(bind(*ret_fd, (struct sockaddr *) &in, sizeof(in)), ==, 0);
        g_assert_cmpint(getsockname(*ret_fd, (struct sockaddr *) &in, &(socklen_t){ sizeof(in) }), ==, 0);
        return ntohs(in.sin_port);
}

static void test_refused(void) {
        struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/nowhere/at/all" };
        _cleanup_(error_done) Error error = {};
        Pair pair;
        int fd, r;

        pair_begin(&pair);
        r = tcp(&pair, closed_port(&fd), NULL, NULL);
        if (r >= 0)
                r = establish(&pair, &error);
        g_assert_cmpint(r, ==, -ECONNREFUSED);
        close(fd);
        stream_deinit(&pair.stream);

        r = stream_connect(
                        &pair.stream,
                        pair.poller,
                        &(StreamTarget){ (struct sockaddr *) &un, sizeof(un), NULL, NULL });
        g_assert_cmpint(r, ==, -ENOENT);
        pair_close(&pair);
}

static void test_connected(void) {
        _cleanup_(error_done) Error error = {};
        Pair pair;
        unsigned port;
        int listening;

        pair_begin(&pair);
        port = closed_port(&listening);
        g_assert_cmpint(listen(listening, 1), ==, 0);
        g_assert_cmpint(tcp(&pair, port, NULL, NULL), ==, 0);
        g_assert_cmpint(establish(&pair, &error), ==, 1);
        g_assert_cmpint(put(&pair.stream, "x", ""), ==, 1);
        close(listening);
        pair_close(&pair);
}

/* ---- TLS ---- */

#define OK(call) g_assert_cmpint(call, >=, 0)

/* A server that answers one byte with itself plus one, with a certificate of its own making. */
typedef struct Server {
        int fd;
        unsigned port;
        gnutls_certificate_credentials_t credentials;
        gnutls_x509_crt_t crt;
        GThread *thread;
} Server;

static void make_certificate(Server *server) {
        gnutls_x509_privkey_t key;

        OK(gnutls_x509_privkey_init(&key));
        OK(gnutls_x509_privkey_generate(
                        key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
        OK(gnutls_x509_crt_init(&server->crt));
        OK(gnutls_x509_crt_set_version(server->crt, 3));
        OK(gnutls_x509_crt_set_key(server->crt, key));
        OK(gnutls_x509_crt_set_serial(server->crt, "\1", 1));
        OK(gnutls_x509_crt_set_subject_alt_name(
                        server->crt, GNUTLS_SAN_DNSNAME, "localhost", 9, GNUTLS_FSAN_SET));
        OK(gnutls_x509_crt_set_activation_time(server->crt, time(NULL) - 3600));
        OK(gnutls_x509_crt_set_expiration_time(server->crt, time(NULL) + 3600));
        OK(gnutls_x509_crt_sign2(server->crt, server->crt, key, GNUTLS_DIG_SHA256, 0));
        OK(gnutls_certificate_allocate_credentials(&server->credentials));
        OK(gnutls_certificate_set_x509_key(server->credentials, &server->crt, 1, key));
        gnutls_x509_privkey_deinit(key);
}

static void *serve(void *userdata) {
        Server *server = userdata;
        gnutls_session_t session;
        char byte;
        int fd = accept(server->fd, NULL, NULL);

        OK(gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NO_SIGNAL));
        OK(gnutls_set_default_priority(session));
        OK(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, server->credentials));
        gnutls_transport_set_int(session, fd);
        if (gnutls_handshake(session) >= 0 && gnutls_record_recv(session, &byte, 1) == 1) {
                byte++;
                (void) gnutls_record_send(session, &byte, 1);
                (void) gnutls_bye(session, GNUTLS_SHUT_WR);
        }
        gnutls_deinit(session);
        close(fd);
        return NULL;
}

static void server_start(Server *server) {
        *server = (Server){};
        server->port = closed_port(&server->fd);
        g_assert_cmpint(listen(server->fd, 1), ==, 0);
        make_certificate(server);
        server->thread = g_thread_new("server", serve, server);
}

static void server_stop(Server *server) {
        g_thread_join(server->thread);
        gnutls_certificate_free_credentials(server->credentials);
        gnutls_x509_crt_deinit(server->crt);
        close(server->fd);
}

static ssize_t read_or_wait(Pair *pair, char *byte) {
        ssize_t n;

        while ((n = stream_read(&pair->stream, byte, 1)) == -EAGAIN)
                wait_event(pair);
        return n;
}

static void test_tls(void) {
        static const struct {
                const char *host;
                bool trusted;
                const char *words;
        } cases[] = {
                { "localhost", true, NULL },
                { "localhost", false, "certificate is NOT trusted" },
                { "elsewhere", true, "name in the certificate does not match" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                gnutls_certificate_credentials_t credentials;
                _cleanup_(error_done) Error error = {};
                Server server;
                Pair pair;
                char byte;

                g_test_message("%s, %d", cases[i].host, cases[i].trusted);
                server_start(&server);
                OK(gnutls_certificate_allocate_credentials(&credentials));
                if (cases[i].trusted)
                        OK(gnutls_certificate_set_x509_trust(credentials, &server.crt, 1));
                pair_begin(&pair);
                g_assert_cmpint(tcp(&pair, server.port, cases[i].host, credentials), ==, 0);
                if (cases[i].words) {
                        g_assert_cmpint(establish(&pair, &error), ==, -EPROTO);
                        g_assert_nonnull(strstr(error_message(&error), cases[i].words));
                } else {
                        g_assert_cmpint(establish(&pair, &error), ==, 1);
                        g_assert_cmpint(put(&pair.stream, "a", "b"), ==, 1); /* one part at a time */
                        g_assert_cmpint(read_or_wait(&pair, &byte), ==, 1);
                        g_assert_cmpint(byte, ==, 'b');
                        g_assert_cmpint(read_or_wait(&pair, &byte), ==, 0);
                        stream_end(&pair.stream);
                }
                pair_close(&pair);
                server_stop(&server);
                gnutls_certificate_free_credentials(credentials);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/wire/stream/both-ways", test_both_ways);
        g_test_add_func("/wire/stream/end", test_end);
        g_test_add_func("/wire/stream/looks", test_looks);
        g_test_add_func("/wire/stream/full", test_full);
        g_test_add_func("/wire/stream/refused", test_refused);
        g_test_add_func("/wire/stream/connected", test_connected);
        g_test_add_func("/wire/stream/tls", test_tls);
        return g_test_run();
}
