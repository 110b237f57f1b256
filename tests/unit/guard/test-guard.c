#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/guard/guard.h"
#include "daemon/net/listener.h"
#include "tests/lib/fault.h"

#define PATIENCE_USEC (20 * G_USEC_PER_SEC)

/* A server that tells what the guard says of each request, and no more. */
typedef struct Fixture {
        char *folder, *socket_address, *log_path;
        sd_event *event;
        Config config;
        Guard *guard;
        HttpServer *server;
} Fixture;

static void on_request(HttpRequest *request, void *userdata) {
        g_autoptr(GString) body = g_string_new(NULL);
        Fixture *fixture = userdata;
        GuardVisit visit;

        guard_visit(fixture->guard, request, &visit);
        g_string_append_printf(
                        body,
                        "%d %s %s",
                        (int) visit.verdict,
                        visit.user ? visit.user : "-",
                        guard_verdict_words(visit.verdict));
        (void) http_request_reply(
                        request,
                        &(HttpReply){
                                        .status = 200,
                                        .headers = visit.headers,
                                        .n_headers = visit.n_headers,
                                        .body = body->str,
                                        .size = body->len,
                        });
}

static void on_finished(HttpRequest *request, unsigned status, uint64_t n_bytes, void *userdata) {
        guard_log(((Fixture *) userdata)->guard, request, status, n_bytes);
}

static void fixture_open(Fixture *fixture, bool has_credentials) {
        ConfigHttpApi *api = &fixture->config.rest;
        HttpServerOptions options = {
                .handle = on_request,
                .finished = on_finished,
                .userdata = fixture,
        };

        *fixture = (Fixture){ .folder = g_dir_make_tmp("guard-XXXXXX", NULL) };
        fixture->socket_address = g_strdup_printf("/unix%s/socket", fixture->folder);
        fixture->log_path = g_build_filename(fixture->folder, "log", NULL);
        fixture->config.folder = fixture->folder;
        api->http_log_file = (char *) "log";
        api->headers = (char *) "{\"X-One\":[\"a\",\"b\"],\"X-None\":[],\"X-Two\":[\"\"]}";
        api->max_header_bytes = 5000;
        api->read_timeout = 1;
        api->read_header_timeout = 2;
        api->write_timeout = 3;
        api->idle_timeout = 4;
        api->credentials.is_set = has_credentials;
        if (has_credentials)
                (void) str_map_set(&api->credentials, "alice", "secret1");
        g_assert_cmpint(sd_event_new(&fixture->event), ==, 0);
        g_assert_cmpint(guard_new(&fixture->guard,
                                  &(GuardOptions){ .event = fixture->event,
                                                   .config = &fixture->config,
                                                   .api = api,
                                                   .section = "api.x" },
                                  NULL),
                        ==,
                        0);
        g_assert_cmpint(listener_open(fixture->socket_address, &options.fd, NULL), ==, 0);
        g_assert_cmpint(http_server_new(&fixture->server, fixture->event, &options), ==, 0);
}

static void fixture_close(Fixture *fixture) {
        http_server_free(fixture->server);
        guard_unref(fixture->guard);
        sd_event_unref(fixture->event);
        str_map_done(&fixture->config.rest.credentials);
        (void) g_unlink(fixture->log_path);
        (void) g_unlink(fixture->socket_address + strlen("/unix"));
        (void) g_rmdir(fixture->folder);
        g_free(fixture->folder);
        g_free(fixture->socket_address);
        g_free(fixture->log_path);
}

static char *ask(Fixture *fixture, const char *method, const char *target, const char *headers) {
        g_autofree char *request = g_strdup_printf(
                        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, target, headers);
        gint64 deadline = g_get_monotonic_time() + PATIENCE_USEC;
        GString *answer = g_string_new(NULL);
        struct sockaddr_un {
                sa_family_t family;
                char path[108];
        } name = { .family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char block[4096];

        g_strlcpy(name.path, fixture->socket_address + strlen("/unix"), sizeof(name.path));
        g_assert_cmpint(connect(fd, (struct sockaddr *) &name, sizeof(name)), ==, 0);
        g_assert_cmpint(send(fd, request, strlen(request), 0), ==, (ssize_t) strlen(request));
        for (ssize_t n; (n = recv(fd, block, sizeof(block), MSG_DONTWAIT)) != 0;) {
                g_assert_cmpint(n > 0 || errno == EAGAIN, ==, true);
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                if (n > 0)
                        g_string_append_len(answer, block, n);
                else
                        g_assert_cmpint(sd_event_run(fixture->event, 2000), >=, 0);
        }
        close(fd);
        return g_string_free(answer, FALSE);
}

#define ALICE "Authorization: Basic YWxpY2U6c2VjcmV0MQ==\r\n"
#define WRONG "Authorization: Basic YWxpY2U6bm9wZQ==\r\n"
#define PREFLIGHT "Origin: http://x.org\r\nAccess-Control-Request-Method: GET\r\n"
#define BOTH                                                                                                \
        "Www-Authenticate: Bearer realm=\"Restricted IPFS Cluster API\"\r\n"                                \
        "Www-Authenticate: Basic realm=\"Restricted IPFS Cluster API\"\r\n"

static const struct {
        const char *method, *target, *headers, *body, *has, *lacks;
} cases[] = {
        { "GET", "/id", ALICE, "0 alice ", "Vary: Origin\r\n", "Authenticate" },
        { "GET", "/id", "", "2 - unauthorized: no auth provided", BOTH, "Vary" },
        { "GET", "/id", PREFLIGHT, "2 - unauthorized: no auth provided", BOTH, "Access-Control" },
        { "GET",
          "/id",
          WRONG,
          "3 - unauthorized: access denied",
          "Www-Authenticate: Basic realm=\"Restricted IPFS Cluster API\"\r\n",
          "Bearer" },
        { "GET",
          "/id",
          "Authorization: Bearer x\r\n",
          "4 - unauthorized: invalid token",
          "Www-Authenticate: Bearer realm=\"Restricted IPFS Cluster API\", error=\"invalid_token\"\r\n",
          "Basic" },
        { "GET", "/id", WRONG ALICE, "3 - unauthorized: access denied", "", "Vary" }, /* the first counts */
        { "GET", "/health", "", "0 - ", "Vary: Origin\r\n", "Authenticate" },
        { "GET", "/health?x", WRONG, "0 - ", "Vary: Origin\r\n", "Authenticate" },
        { "GET", "/health/", "", "2 - unauthorized: no auth provided", BOTH, "Vary" },
        { "GET", "//health", "", "2 - unauthorized: no auth provided", BOTH, "Vary" },
        { "GET", "/healthy", "", "2 - unauthorized: no auth provided", BOTH, "Vary" },
        { "POST", "/health", "", "2 - unauthorized: no auth provided", BOTH, "Vary" },
        { "HEAD", "/health", "", "", BOTH, "Vary" },
        { "OPTIONS", "/id", "", "0 - ", "Vary: Origin\r\n", "Authenticate" },
        { "OPTIONS", "/id", PREFLIGHT, "1 - ", "Access-Control-Allow-Methods: GET\r\n", "Authenticate" },
        { "options", "/id", "", "2 - unauthorized: no auth provided", BOTH, "Vary" },
};

static void test_visits(void) {
        Fixture fixture;

        fixture_open(&fixture, true);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *answer = ask(&fixture, cases[i].method, cases[i].target, cases[i].headers);
                g_autofree char *end = g_strconcat("\r\n\r\n", cases[i].body, NULL);

                if (!g_str_has_suffix(answer, end) || !strstr(answer, cases[i].has) ||
                    strstr(answer, cases[i].lacks))
                        g_error("%s %s %s: %s", cases[i].method, cases[i].target, cases[i].headers, answer);
        }
        fixture_close(&fixture);
}

static void test_without_credentials(void) {
        g_autofree char *plain = NULL, *with = NULL;
        Fixture fixture;

        fixture_open(&fixture, false);
        plain = ask(&fixture, "GET", "/id", "");
        g_assert_cmpint(g_str_has_suffix(plain, "\r\n\r\n0 - "), ==, true);
        with = ask(&fixture, "GET", "/id", WRONG);
        g_assert_cmpint(g_str_has_suffix(with, "\r\n\r\n0 - "), ==, true);
        fixture_close(&fixture);
}

/* Who asked is in the log, unless the name was not theirs to use. */
static void test_log(void) {
        static const char *const headers[] = { ALICE, WRONG, "" };
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        Fixture fixture;

        fixture_open(&fixture, true);
        for (size_t i = 0; i < G_N_ELEMENTS(headers); i++)
                g_free(ask(&fixture, "GET", "/id?x=%22", headers[i]));
        fixture.guard = (fixture.server = http_server_free(fixture.server), guard_unref(fixture.guard));
        g_assert_cmpint(g_file_get_contents(fixture.log_path, &text, NULL, NULL), ==, true);
        lines = g_strsplit(text, "\n", -1);
        g_assert_cmpuint(g_strv_length(lines), ==, G_N_ELEMENTS(headers) + 1);
        for (size_t i = 0; i < G_N_ELEMENTS(headers); i++) {
                g_assert_cmpint(g_str_has_prefix(lines[i], i == 0 ? "unix - alice [" : "unix - - ["),
                                ==,
                                true);
                g_assert_nonnull(strstr(lines[i], "] \"GET /id?x=%22 HTTP/1.1\" 200 "));
        }
        fixture_close(&fixture);
}

static void test_configuration(void) {
        HttpServerOptions options = { .fd = 7 };
        const HttpHeader *headers;
        Fixture fixture;
        size_t n;

        fixture_open(&fixture, true);
        guard_fill_options(fixture.guard, &options);
        g_assert_cmpint(options.fd, ==, 7);
        g_assert_cmpuint(options.max_header_bytes, ==, 5000);
        g_assert_cmpuint(options.read_timeout_usec, ==, 1);
        g_assert_cmpuint(options.header_timeout_usec, ==, 2);
        g_assert_cmpuint(options.write_timeout_usec, ==, 3);
        g_assert_cmpuint(options.idle_timeout_usec, ==, 4);
        g_assert_null(options.certificate);
        g_assert_cmpint(guard_has_tls(fixture.guard), ==, false);

        headers = guard_headers(fixture.guard, &n);
        g_assert_cmpuint(n, ==, 3);
        g_assert_cmpstr(headers[1].name, ==, "X-One");
        g_assert_cmpstr(headers[1].value, ==, "b");
        g_assert_cmpstr(headers[2].name, ==, "X-Two");
        fixture_close(&fixture);
}

/* What was asked under one guard goes on under it, when the configuration is another and its owner has let
 * it go. */
static void test_stands_for_itself(void) {
        ConfigHttpApi *api;
        const HttpHeader *headers;
        Fixture fixture;
        Guard *guard;
        char *token;
        size_t n;

        fixture_open(&fixture, true);
        api = &fixture.config.rest;
        (void) str_list_append(&api->cors.allowed_origins, "http://x.org");
        (void) str_list_append(&api->cors.exposed_headers, "x-a");
        g_assert_cmpint(guard_new(&guard,
                                  &(GuardOptions){ .event = fixture.event,
                                                   .config = &fixture.config,
                                                   .api = api,
                                                   .section = "api.x" },
                                  NULL),
                        ==,
                        0);
        g_assert_true(guard_has_same_certificate(guard, fixture.guard));
        g_assert_true(guard_ref(guard) == guard);
        g_assert_null(guard_unref(guard));
        str_list_done(&api->cors.allowed_origins);
        str_list_done(&api->cors.exposed_headers);
        str_map_done(&api->credentials);
        headers = guard_headers(guard, &n);
        g_assert_cmpuint(n, ==, 3);
        g_assert_cmpstr(headers[0].name, ==, "X-One");
        g_assert_cmpint(guard_make_token(guard, "alice", &token), ==, 0);
        free(token);
        guard_unref(guard);
        fixture_close(&fixture);
}

static void test_out_of_memory(void) {
        Fixture fixture;

        fixture_open(&fixture, true);
        FOREACH_FAULT {
                Guard *guard = NULL;
                Error error = {};
                int r = guard_new(
                                &guard,
                                &(GuardOptions){ .event = fixture.event,
                                                 .config = &fixture.config,
                                                 .api = &fixture.config.rest,
                                                 .section = "api.x" },
                                &error);

                g_assert_cmpint(r == 0 || error.code == ERROR_NO_MEMORY, ==, true);
                error_done(&error);
                guard_unref(guard);
        }
        fixture_close(&fixture);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/guard/guard/visits", test_visits);
        g_test_add_func("/guard/guard/without-credentials", test_without_credentials);
        g_test_add_func("/guard/guard/log", test_log);
        g_test_add_func("/guard/guard/configuration", test_configuration);
        g_test_add_func("/guard/guard/stands-for-itself", test_stands_for_itself);
        g_test_add_func("/guard/guard/out-of-memory", test_out_of_memory);
        return g_test_run();
}
