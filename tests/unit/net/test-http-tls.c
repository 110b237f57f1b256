/* The HTTP server behind TLS: what is written past libmicrohttpd, and what waits, has to go through it too.
 */

#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/forge.h"
#include "tests/unit/net/serving.h"

#define REQUEST(method, path) method " " path " HTTP/1.1\r\nHost: x\r\n"
#define LAST "Connection: close\r\n\r\n"
#define BIG 5000000

static Serving serving;
static gnutls_datum_t certificate, key;

static void open_server(HttpServerOptions options) {
        options.certificate = (const char *) certificate.data;
        options.key = (const char *) key.data;
        serving_open(&serving, &options);
}

static void turn(gint64 deadline) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_assert_cmpint(sd_event_run(serving.event, 2000), >=, 0);
}

static void client_open(ForgeSession *client, const char *priority) {
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;
        int r;

        forge_session_open(
                        client,
                        wire_connect(serving.port),
                        &(ForgeOptions){ .priority = priority, .protocol = "" });
        while ((r = forge_session_handshake(client)) == 0)
                turn(deadline);
        g_assert_cmpint(r, ==, 1);
}

static void client_send(ForgeSession *client, const char *data, size_t n) {
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;

        while (n > 0) {
                ssize_t sent = forge_session_write(client, data, n);

                if (sent > 0) {
                        data += sent;
                        n -= (size_t) sent;
                } else if (sent == GNUTLS_E_AGAIN || sent == 0)
                        turn(deadline);
                else
                        return; /* closed: what it said is read later */
        }
}

/* Until TEXT has come, or, with NULL, to the end. IS_CLEAN tells whether the end was said inside of TLS. */
static GString *client_read(ForgeSession *client, const char *text, bool *ret_is_clean) {
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;
        GString *all = g_string_new(NULL);
        char block[16384];

        for (;;) {
                ssize_t n = forge_session_read(client, block, sizeof(block));

                if (n > 0)
                        g_string_append_len(all, block, n);
                else if (n == GNUTLS_E_AGAIN)
                        turn(deadline);
                else if (ret_is_clean)
                        *ret_is_clean = n == 0;
                if ((n <= 0 && n != GNUTLS_E_AGAIN) || (text && strstr(all->str, text)))
                        return all;
        }
}

static GString *exchange(const char *request, bool *ret_is_clean) {
        ForgeSession client;
        GString *answer;

        client_open(&client, NULL);
        client_send(&client, request, strlen(request));
        answer = client_read(&client, NULL, ret_is_clean);
        forge_session_close(&client);
        return answer;
}

static void test_answers(void) {
        static const struct {
                const char *wire, *head, *end;
        } cases[] = {
                { REQUEST("GET", "/hello") LAST, "HTTP/1.1 200", "\r\n\r\nhello" },
                { REQUEST("GET", "/later") LAST, "HTTP/1.1 200", "\r\n\r\nlater" },
                { REQUEST("GET", "/hello") "\r\n" REQUEST("GET", "/later") LAST, "HTTP/1.1 200", "later" },
                { REQUEST("POST", "/echo") "Content-Length: 3\r\n" LAST "abc",
                  "HTTP/1.1 200",
                  "\r\n\r\nabc" },
                { REQUEST("POST", "/echo?3") "Content-Length: 4\r\n" LAST "abcd", "HTTP/1.1 413", "Large" },
                { REQUEST("POST", "/early") "Content-Length: 9\r\n" LAST "abc",
                  "HTTP/1.1 401",
                  "\r\n\r\nno" },
                { REQUEST("POST", "/middle") "Content-Length: 9\r\n" LAST "abc",
                  "HTTP/1.1 403",
                  "\r\n\r\nno" },
                { REQUEST("GET", "/lines?2") LAST, "HTTP/1.1 200", "X-Test: a b\r\n\r\n" },
                { REQUEST("GET", "/later-lines") LAST, "HTTP/1.1 200", "X-Test: a b\r\n\r\n" },
                { REQUEST("POST", "/echo") "Content-Length: x\r\n" LAST, "HTTP/1.1 400", "400 Bad Request" },
                { "GET /hello HTTP/1.1\r\n\r\n", "HTTP/1.1 400", "400 Bad Request" },
        };

        open_server((HttpServerOptions){});
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                bool is_clean = false;
                g_autoptr(GString) answer = exchange(cases[i].wire, &is_clean);

                if (!g_str_has_prefix(answer->str, cases[i].head) ||
                    !g_str_has_suffix(answer->str, cases[i].end) || !is_clean)
                        g_error("%s: (%d) %s", cases[i].wire, is_clean, answer->str);
        }
        serving_close(&serving);
}

static void test_versions(void) {
        static const char *const priorities[] = { "NORMAL:-VERS-ALL:+VERS-TLS1.3",
                                                  "NORMAL:-VERS-ALL:+VERS-TLS1.2" };
        gint64 deadline = g_get_monotonic_time() + WIRE_DEADLINE_USEC;
        ForgeSession client;
        int r;

        open_server((HttpServerOptions){});
        for (size_t i = 0; i < G_N_ELEMENTS(priorities); i++) {
                g_autoptr(GString) answer = NULL;

                client_open(&client, priorities[i]);
                client_send(&client, REQUEST("GET", "/hello") LAST, strlen(REQUEST("GET", "/hello") LAST));
                answer = client_read(&client, NULL, NULL);
                g_assert_cmpint(g_str_has_suffix(answer->str, "hello"), ==, true);
                forge_session_close(&client);
        }

        forge_session_open(
                        &client,
                        wire_connect(serving.port),
                        &(ForgeOptions){ .priority = "NORMAL:-VERS-ALL:+VERS-TLS1.1", .protocol = "" });
        while ((r = forge_session_handshake(&client)) == 0)
                turn(deadline);
        g_assert_cmpint(r, <, 0);
        forge_session_close(&client);
        serving_close(&serving);
}

/* More than any buffer in between, both ways. */
static void test_long_bodies(void) {
        g_autofree char *head = g_strdup_printf(REQUEST("POST", "/sink") "Content-Length: %d\r\n" LAST, BIG);
        g_autofree char *body = g_malloc(BIG);
        g_autofree char *wanted = g_strdup_printf("got %d", BIG);
        g_autoptr(GString) answer = NULL, big = NULL, lines = NULL;
        ForgeSession client;

        open_server((HttpServerOptions){});
        memset(body, 'x', BIG);
        client_open(&client, NULL);
        client_send(&client, head, strlen(head));
        client_send(&client, body, BIG);
        answer = client_read(&client, NULL, NULL);
        g_assert_cmpint(g_str_has_suffix(answer->str, wanted), ==, true);
        forge_session_close(&client);

        big = exchange(REQUEST("GET", "/big?5000000") LAST, NULL);
        g_assert_cmpuint(big->len, >, BIG);
        lines = exchange(REQUEST("GET", "/lines?100000") LAST, NULL);
        g_assert_cmpint(g_str_has_suffix(lines->str, "X-Test: a b\r\n\r\n"), ==, true);
        serving_close(&serving);
}

/* A body that is there already is in the buffers of TLS, not in the socket, while the owner waits. */
static void test_waiting_sink(void) {
        static const char request[] = REQUEST("POST", "/sink") "Content-Length: 9\r\n" LAST "123456789";
        g_autoptr(GString) answer = NULL;
        ForgeSession client;

        open_server((HttpServerOptions){});
        serving.sink_takes = 1;
        client_open(&client, NULL);
        client_send(&client, request, strlen(request));
        serving_until(&serving, &serving.n_fed, 1);
        wire_turns(serving.event, 20);
        for (unsigned i = 0; i < 8; i++) {
                unsigned n_fed = serving.n_fed;

                serving.sink_takes = 1;
                http_request_resume(serving.kept);
                serving_until(&serving, &serving.n_fed, n_fed + 1);
        }
        answer = client_read(&client, NULL, NULL);
        g_assert_cmpint(g_str_has_suffix(answer->str, "got 9"), ==, true);
        forge_session_close(&client);
        serving_close(&serving);
}

static void test_client_goes_away(void) {
        static const char *const requests[] = { REQUEST("GET", "/keep") "\r\n",
                                                REQUEST("GET", "/wait") "\r\n" };
        ForgeSession client;

        open_server((HttpServerOptions){});
        for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
                serving.kept = NULL;
                client_open(&client, NULL);
                client_send(&client, requests[i], strlen(requests[i]));
                serving_until(&serving, &serving.n_handled, (unsigned) i + 1);
                wire_turns(serving.event, 20);
                forge_session_close(&client);
                serving_until(&serving, i == 0 ? &serving.n_closed : &serving.n_source_closed, 1);
        }
        serving_close(&serving);
}

/* What is no TLS is closed, with an alert or without; so is a client that does not go on. */
static void test_no_handshake(void) {
        static const char *const wires[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01", "" };
        g_autoptr(GString) answer = NULL;

        open_server((HttpServerOptions){ .header_timeout_usec = 50 * 1000 });
        for (size_t i = 0; i < G_N_ELEMENTS(wires); i++) {
                g_autofree char *got = wire_exchange(serving.event, serving.port, wires[i]);

                g_assert_null(strstr(got, "HTTP"));
        }
        g_assert_cmpuint(serving.n_handled, ==, 0);
        serving_close(&serving);

        open_server((HttpServerOptions){});
        answer = exchange(REQUEST("GET", "/hello") LAST, NULL);
        g_assert_cmpint(g_str_has_suffix(answer->str, "hello"), ==, true);
        serving_close(&serving);
}

int main(int argc, char **argv) {
        Forge forge;
        int r;

        g_test_init(&argc, &argv, NULL);
        forge_open(&forge, FORGE_NONE);
        gnutls_x509_crt_export2(forge.crt, GNUTLS_X509_FMT_PEM, &certificate);
        gnutls_x509_privkey_export2(forge.key, GNUTLS_X509_FMT_PEM, &key);
        g_test_add_func("/net/http-tls/answers", test_answers);
        g_test_add_func("/net/http-tls/versions", test_versions);
        g_test_add_func("/net/http-tls/long-bodies", test_long_bodies);
        g_test_add_func("/net/http-tls/waiting-sink", test_waiting_sink);
        g_test_add_func("/net/http-tls/client-goes-away", test_client_goes_away);
        g_test_add_func("/net/http-tls/no-handshake", test_no_handshake);
        r = g_test_run();
        gnutls_free(certificate.data);
        gnutls_free(key.data);
        forge_close(&forge);
        return r;
}
