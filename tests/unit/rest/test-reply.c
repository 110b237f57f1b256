#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/rest/reply.h"
#include "tests/lib/fault.h"
#include "tests/unit/rest/web.h"

/* A server whose requests are answered by what is tested. */
typedef struct Replying {
        sd_event *event;
        HttpServer *server;
        RestApi api;
        char *folder;
        void (*answer)(RestRequest *request);
        bool with_faults;
        unsigned n;
        Config config;
} Replying;

static Web client;

static void on_request(HttpRequest *http, void *userdata) {
        Replying *replying = userdata;
        RestRequest *request = calloc(1, sizeof(RestRequest));

        *request = (RestRequest){ .api = &replying->api,
                                  .http = http,
                                  .guard = guard_ref(replying->api.guard) };
        guard_visit(replying->api.guard, http, &request->visit);
        list_append(&replying->api.requests, &request->link);
        replying->n++;
        if (replying->with_faults)
                fault_arm((int) replying->n - 1);
        replying->answer(request);
        g_assert_true(list_is_empty(&replying->api.requests)); /* it is gone */
}

static void open_server(Replying *replying, void (*answer)(RestRequest *request)) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        *replying = (Replying){ .answer = answer, .folder = g_dir_make_tmp("reply-XXXXXX", NULL) };
        replying->api.surface = &rest_surface;
        list_init(&replying->api.requests);
        client.path = g_build_filename(replying->folder, "s", NULL);
        (void) g_strlcpy(name.sun_path, client.path, sizeof(name.sun_path));
        g_assert_cmpint(sd_event_new(&replying->event), >=, 0);
        replying->config.rest.headers = (char *) "{\"X-Configured\":[\"1\"]}";
        g_assert_cmpint(guard_new(&replying->api.guard,
                                  &(GuardOptions){ .event = replying->event,
                                                   .config = &replying->config,
                                                   .api = &replying->config.rest,
                                                   .section = "api.x" },
                                  NULL),
                        ==,
                        0);
        g_assert_cmpint(bind(fd, (struct sockaddr *) &name, sizeof(name)), ==, 0);
        g_assert_cmpint(listen(fd, SOMAXCONN), ==, 0);
        g_assert_cmpint(http_server_new(&replying->server,
                                        replying->event,
                                        &(HttpServerOptions){ .fd = fd,
                                                              .handle = on_request,
                                                              .userdata = replying }),
                        ==,
                        0);
        client.peer.event = replying->event;
}

static void close_server(Replying *replying) {
        http_server_free(replying->server);
        guard_unref(replying->api.guard);
        sd_event_unref(replying->event);
        (void) unlink(client.path);
        (void) rmdir(replying->folder);
        g_free(client.path);
        g_free(replying->folder);
}

static void answer_text(RestRequest *request) {
        Str body = {};

        (void) str_append(&body, "[1]");
        rest_reply_text(request, 200, &body);
}

static void answer_empty(RestRequest *request) {
        rest_reply_empty(request, 204);
}

static void answer_bare(RestRequest *request) {
        rest_reply_bare(request, 405);
}

static void answer_failure(RestRequest *request) {
        rest_reply_failure(request, ERROR_INVALID, "field \"%s\": <%d>", "a\n", 5);
}

static void answer_words_of_errno(RestRequest *request) {
        rest_reply_error(request, -EBUSY, NULL);
}

static void answer_words(RestRequest *request) {
        rest_reply_error(
                        request,
                        -ENOENT,
                        &(Error){ .code = ERROR_NOT_FOUND, .message = (char *) "not here" });
}

static void answer_no_words(RestRequest *request) {
        rest_reply_error(request, -EIO, &(Error){});
}

static void answer_redirect(RestRequest *request) {
        rest_reply_redirect(request, 307, "/a?b=1&c=\"");
}

static const struct {
        const char *name;
        void (*answer)(RestRequest *request);
        unsigned status;
        bool has_type;
        const char *body;
} cases[] = {
        { "text", answer_text, 200, true, "[1]\n" },
        { "empty", answer_empty, 204, true, "" },
        { "bare", answer_bare, 405, false, "" },
        { "failure",
          answer_failure,
          400,
          true,
          "{\"code\":400,\"message\":\"field \\\"a\\n\\\": \\u003c5\\u003e\"}\n" },
        { "errno",
          answer_words_of_errno,
          503,
          true,
          "{\"code\":503,\"message\":\"busy, try again later\"}\n" },
        { "words", answer_words, 404, true, "{\"code\":404,\"message\":\"not here\"}\n" },
        { "no words", answer_no_words, 500, true, "{\"code\":500,\"message\":\"a disk failed\"}\n" },
        { "redirect",
          answer_redirect,
          307,
          true,
          "<a href=\"/a?b=1&#38;c=&#34;\">Temporary Redirect</a>.\n\n" },
};

static void test_answers(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                WebAnswer answer = {};
                Replying replying;

                g_test_message("%s", cases[i].name);
                open_server(&replying, cases[i].answer);
                WEB_EXPECT(&client, "GET", "/", NULL, cases[i].status, &answer);
                g_assert_cmpstr(answer.body, ==, cases[i].body);
                g_assert_true(web_answer_has(&answer, "Content-Type") == cases[i].has_type);
                g_assert_true(web_answer_has(&answer, "\r\nVary: Origin\r\n"));
                web_answer_done(&answer);
                close_server(&replying);
        }
}

/* Whatever allocation fails: an answer, or the connection is cut; the request is gone in any case. */
static void test_out_of_memory(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                bool fired = true;
                Replying replying;

                open_server(&replying, cases[i].answer);
                replying.with_faults = true;
                while (fired) {
                        WebAnswer answer = {};
                        unsigned n = replying.n;
                        int fd = web_connect(&client);
                        static const char ask[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

                        web_send(&client, fd, ask, strlen(ask));
                        PEER_UNTIL(&client.peer, replying.n > n);
                        fired = fault_fired();
                        fault_arm(-1);
                        web_read(&client, fd, &answer);
                        g_assert_true(answer.status == 0 || answer.status == 500 ||
                                      answer.status == cases[i].status);
                        web_answer_done(&answer);
                }
                close_server(&replying);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/rest/reply/answers", test_answers);
        g_test_add_func("/rest/reply/out-of-memory", test_out_of_memory);
        return g_test_run();
}
