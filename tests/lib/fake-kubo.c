#include "tests/lib/fake-kubo.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/base/list.h"
#include "daemon/net/http-server.h"

#define PLANS_MAX 32

typedef struct Plan {
        const char *command, *argument;
        FakeAnswer answer;
} Plan;

struct FakeKubo {
        sd_event *event;
        HttpServer *server;
        uint16_t port;
        char multiaddr[128];
        List hanging; /* Answer */
        StrMap pins;  /* CID → type */
        StrList requests;
        char *authorization;
        Str body; /* of the last upload that came whole */
        Plan plans[PLANS_MAX];
        size_t n_plans;
};

/* ---- an answer on its way ---- */

typedef struct Answer {
        List link; /* of those that hang */
        HttpRequest *request;
        Str body;
        size_t at;
        char *trailer;
        FakeFault fault;
} Answer;

static ssize_t answer_pull(HttpRequest *request, char *buffer, size_t max, void *userdata) {
        Answer *answer = userdata;
        size_t n = MIN(max, answer->body.len - answer->at);

        if (n > 0) {
                memcpy(buffer, answer->body.data + answer->at, n);
                answer->at += n;
                return (ssize_t) n;
        }
        if (answer->fault == FAKE_CUT)
                return HTTP_SOURCE_CUT;
        if (answer->fault == FAKE_HANG)
                return HTTP_SOURCE_WAIT;
        if (answer->trailer)
                (void) http_request_trailer(request, "X-Stream-Error", answer->trailer);
        return HTTP_SOURCE_END;
}

static void answer_closed(HttpRequest *request _unused_, bool complete _unused_, void *userdata) {
        Answer *answer = userdata;

        list_remove(&answer->link);
        str_done(&answer->body);
        free(answer->trailer);
        free(answer);
}

static const HttpSource answer_source = { .pull = answer_pull, .closed = answer_closed };

static void answer_send(FakeKubo *kubo, HttpRequest *request, const FakeAnswer *plan) {
        static const HttpHeader headers[] = { { "Trailer", "X-Stream-Error" } };
        unsigned status = plan->status ? plan->status : 200;
        const char *body = plan->body ? plan->body : "";
        HttpReply reply = {
                .status = status,
                .content_type = "application/json",
                .headers = headers,
                .n_headers = 1,
                .body = body,
                .size = strlen(body),
        };
        Answer *answer;

        if (plan->fault == FAKE_SILENCE)
                return;
        if (status != 200) {
                (void) http_request_reply(request, &reply);
                return;
        }
        answer = calloc(1, sizeof(Answer));
        if (!answer) {
                (void) http_request_reply(request, &(HttpReply){ .status = 503 });
                return;
        }
        answer->fault = plan->fault;
        answer->request = request;
        list_init(&answer->link);
        if (plan->fault == FAKE_HANG)
                list_append(&kubo->hanging, &answer->link);
        (void) str_append(&answer->body, body);
        (void) str_copy(&answer->trailer, plan->trailer);
        (void) http_request_stream(request, &reply, &answer_source, answer);
}

static void answer_sendf(FakeKubo *kubo, HttpRequest *request, unsigned status, const char *format, ...)
                _printf_(4, 5);
static void answer_sendf(FakeKubo *kubo, HttpRequest *request, unsigned status, const char *format, ...) {
        _cleanup_(str_done) Str body = {};
        va_list ap;

        va_start(ap, format);
        (void) str_appendv(&body, format, ap);
        va_end(ap);
        answer_send(kubo, request, &(FakeAnswer){ .status = status, .body = body.data });
}

static void refuse(FakeKubo *kubo, HttpRequest *request, const char *words, const char *argument) {
        answer_sendf(kubo,
                     request,
                     500,
                     "{\"Message\":\"%s%s%s\",\"Code\":0,\"Type\":\"error\"}\n",
                     argument ? "path '" : "",
                     argument ? argument : "",
                     words);
}

/* ---- the commands ---- */

static void on_id(FakeKubo *kubo, HttpRequest *request, const char *arg _unused_) {
        answer_sendf(kubo,
                     request,
                     200,
                     "{\"ID\":\"" FAKE_KUBO_ID
                     "\",\"PublicKey\":\"\",\"Addresses\":[\"/ip4/127.0.0.1/tcp/4001/p2p/" FAKE_KUBO_ID
                     "\"],\"AgentVersion\":\"kubo/0.42.0\",\"Protocols\":[]}\n");
}

static void on_version(FakeKubo *kubo, HttpRequest *request, const char *arg _unused_) {
        answer_sendf(kubo,
                     request,
                     200,
                     "{\"Version\":\"0.42.0\",\"Commit\":\"\",\"Repo\":\"18\",\"System\":\"amd64/linux\",\"Golang\":\"go1.26.8\"}\n");
}

static void on_config(FakeKubo *kubo, HttpRequest *request, const char *arg _unused_) {
        answer_sendf(kubo, request, 200, "{\"Datastore\":{\"StorageMax\":\"10GB\"}}\n");
}

static void on_pin_add(FakeKubo *kubo, HttpRequest *request, const char *arg) {
        const char *recursive = query_get(http_request_query(request), "recursive");

        fake_kubo_pin(kubo, arg, recursive && strcmp(recursive, "false") == 0 ? "direct" : "recursive");
        answer_sendf(kubo, request, 200, "{\"Progress\":1,\"Bytes\":22}\n{\"Pins\":[\"%s\"]}\n", arg);
}

static void on_pin_rm(FakeKubo *kubo, HttpRequest *request, const char *arg) {
        if (!fake_kubo_pinned(kubo, arg)) {
                refuse(kubo, request, "not pinned or pinned indirectly", NULL);
                return;
        }
        fake_kubo_pin(kubo, arg, NULL);
        answer_sendf(kubo, request, 200, "{\"Pins\":[\"%s\"]}\n", arg);
}

static void on_pin_update(FakeKubo *kubo, HttpRequest *request, const char *arg) {
        const Query *query = http_request_query(request);
        const char *to = "";

        for (size_t i = 0; i < query->n_parameters; i++)
                if (strcmp(query->parameters[i].key, "arg") == 0)
                        to = query->parameters[i].value;
        if (!str_equal(fake_kubo_pinned(kubo, arg), "recursive")) {
                refuse(kubo, request, "'from' cid was not recursively pinned already", NULL);
                return;
        }
        fake_kubo_pin(kubo, to, "recursive");
        answer_sendf(kubo, request, 200, "{\"Pins\":[\"%s\",\"%s\"]}\n", arg, to);
}

static void on_pin_ls(FakeKubo *kubo, HttpRequest *request, const char *arg) {
        const char *type = query_get(http_request_query(request), "type");
        _cleanup_(str_done) Str body = {};

        if (arg && !str_equal(fake_kubo_pinned(kubo, arg), type)) {
                refuse(kubo, request, "' is not pinned", arg);
                return;
        }
        for (size_t i = 0; i < kubo->pins.n; i++)
                if (str_equal(kubo->pins.items[i].value, type) &&
                    (!arg || strcmp(arg, kubo->pins.items[i].key) == 0))
                        (void) str_appendf(
                                        &body,
                                        "{\"Cid\":\"%s\",\"Type\":\"%s\"}\n",
                                        kubo->pins.items[i].key,
                                        type);
        answer_send(kubo, request, &(FakeAnswer){ .body = body.data });
}

static void on_repo_stat(FakeKubo *kubo, HttpRequest *request, const char *arg _unused_) {
        answer_sendf(kubo,
                     request,
                     200,
                     "{\"RepoSize\":1000,\"StorageMax\":10000,\"NumObjects\":0,\"RepoPath\":\"\",\"Version\":\"\"}\n");
}

static void on_repo_gc(FakeKubo *kubo, HttpRequest *request, const char *arg _unused_) {
        answer_sendf(kubo,
                     request,
                     200,
                     "{\"Key\":{\"/\":\"QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq\"}}\n{\"Key\":null,\"Error\":\"no link by that name\"}\n");
}

static void on_resolve(FakeKubo *kubo, HttpRequest *request, const char *arg _unused_) {
        answer_sendf(kubo,
                     request,
                     200,
                     "{\"Path\":\"/ipfs/QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmma\"}\n");
}

static void on_swarm_peers(FakeKubo *kubo, HttpRequest *request, const char *arg _unused_) {
        answer_sendf(kubo,
                     request,
                     200,
                     "{\"Peers\":[{\"Addr\":\"/ip4/127.0.0.1/tcp/1\",\"Peer\":\"12D3KooWFAhJxa957WdJcufKtMjs9CRCR6eRkxjNSQK1oPtUDevv\"}]}\n");
}

static void on_swarm_connect(FakeKubo *kubo, HttpRequest *request, const char *arg) {
        answer_sendf(kubo, request, 200, "{\"Strings\":[\"connect %s success\"]}\n", arg);
}

/* ---- uploads: each part becomes the raw block that it is ---- */

static void add_part(const char *head, const char *data, size_t n, Str *to) {
        const char *name = strstr(head, "filename=\""), *end = name ? strchr(name + 10, '"') : NULL;
        char text[CID_TEXT_MAX];
        Cid cid;

        cid_of_bytes(CID_CODEC_RAW, data, n, &cid);
        (void) cid_format(&cid, text);
        (void) str_append(to, "{\"Name\":\"");
        if (end && end > name + 10)
                (void) str_append_bytes(to, name + 10, (size_t) (end - name - 10));
        else
                (void) str_append(to, text);
        (void) str_appendf(to, "\",\"Hash\":\"%s\",\"Size\":\"%zu\"}\n", text, n);
}

static void on_added(HttpRequest *request, char *body, size_t n, void *userdata) {
        FakeKubo *kubo = userdata;
        _cleanup_(str_done) Str answer = {};
        char *end = strstr(body, "\r\n"), *p = body, *head, *data;
        _cleanup_free_ char *delimiter = NULL;

        str_reset(&kubo->body);
        (void) str_append_bytes(&kubo->body, body, n);
        if (!end || asprintf(&delimiter, "\r\n%.*s", (int) (end - body), body) < 0) {
                refuse(kubo, request, "multipart: NextPart: EOF", NULL);
                return;
        }
        while ((head = strstr(p, "\r\n")) && (data = strstr(head, "\r\n\r\n"))) {
                data += 4;
                p = memmem(data, n - (size_t) (data - body), delimiter, strlen(delimiter));
                if (!p)
                        break;
                data[-1] = 0;
                add_part(head, data, (size_t) (p - data), &answer);
                p += strlen(delimiter);
        }
        answer_send(kubo, request, &(FakeAnswer){ .body = answer.data });
}

static void on_add(FakeKubo *kubo, HttpRequest *request, const char *arg _unused_) {
        (void) http_request_read_body(request, FAKE_KUBO_BODY_MAX, on_added, kubo);
}

static void on_imported(HttpRequest *request, char *body, size_t n, void *userdata) {
        FakeKubo *kubo = userdata;

        str_reset(&kubo->body);
        (void) str_append_bytes(&kubo->body, body, n);
        answer_sendf(kubo, request, 200, "{\"Stats\":{\"BlockCount\":5,\"BlockBytesCount\":223}}\n");
}

static void on_import(FakeKubo *kubo, HttpRequest *request, const char *arg _unused_) {
        (void) http_request_read_body(request, FAKE_KUBO_BODY_MAX, on_imported, kubo);
}

static void on_stat(FakeKubo *kubo, HttpRequest *request, const char *arg _unused_) {
        answer_sendf(kubo,
                     request,
                     200,
                     "{\"Hash\":\"\",\"Size\":14,\"CumulativeSize\":22,\"Blocks\":0,\"Type\":\"file\"}\n");
}

static const struct {
        const char *command;
        void (*handle)(FakeKubo *kubo, HttpRequest *request, const char *arg);
} commands[] = {
        { "add", on_add },         { "dag/import", on_import },       { "files/stat", on_stat },
        { "id", on_id },           { "version", on_version },         { "config/show", on_config },
        { "pin/add", on_pin_add }, { "pin/rm", on_pin_rm },           { "pin/update", on_pin_update },
        { "pin/ls", on_pin_ls },   { "repo/stat", on_repo_stat },     { "repo/gc", on_repo_gc },
        { "resolve", on_resolve }, { "swarm/peers", on_swarm_peers }, { "swarm/connect", on_swarm_connect },
};

/* ---- dispatch ---- */

static bool take_plan(FakeKubo *kubo, const char *command, const char *target, FakeAnswer *ret) {
        for (size_t i = kubo->n_plans; i-- > 0;) {
                Plan *plan = &kubo->plans[i];

                if (strcmp(plan->command, command) != 0 ||
                    (plan->argument && !strstr(target, plan->argument)))
                        continue;
                *ret = plan->answer;
                if (plan->answer.times > 0 && --plan->answer.times == 0) {
                        memmove(plan, plan + 1, (kubo->n_plans - i - 1) * sizeof(Plan));
                        kubo->n_plans--;
                }
                return true;
        }
        return false;
}

static void on_request(HttpRequest *request, void *userdata) {
        static const char root[] = "/api/v0/";
        FakeKubo *kubo = userdata;
        const Query *query = http_request_query(request);
        const char *target = http_request_target(request), *command;
        FakeAnswer answer;

        if (strncmp(query->path, root, strlen(root)) != 0 ||
            strcmp(http_request_method(request), "POST") != 0) {
                answer_sendf(kubo, request, 405, "405 - Method Not Allowed\n");
                return;
        }
        command = query->path + strlen(root);
        (void) str_copy(&kubo->authorization, http_request_header(request, "Authorization"));
        (void) str_list_append(&kubo->requests, target + strlen(root));
        if (take_plan(kubo, command, target, &answer)) {
                answer_send(kubo, request, &answer);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (strcmp(commands[i].command, command) == 0) {
                        commands[i].handle(kubo, request, query_get(query, "arg"));
                        return;
                }
        answer_sendf(kubo, request, 404, "404 page not found\n");
}

/* ---- life ---- */

static int serve(FakeKubo *kubo, int fd) {
        return http_server_new(
                        &kubo->server,
                        kubo->event,
                        &(HttpServerOptions){ .fd = fd, .handle = on_request, .userdata = kubo });
}

int fake_kubo_start(FakeKubo *kubo) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(kubo->port) };
        socklen_t size = sizeof(address);
        int one = 1, fd;

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 128) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &size) < 0) {
                int r = -errno;

                close(fd);
                return r;
        }
        kubo->port = ntohs(address.sin_port);
        (void) snprintf(kubo->multiaddr, sizeof(kubo->multiaddr), "/ip4/127.0.0.1/tcp/%u", kubo->port);
        return serve(kubo, fd);
}

int fake_kubo_move_to_unix(FakeKubo *kubo, const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd, r;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 128) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        fake_kubo_stop(kubo);
        (void) snprintf(kubo->multiaddr, sizeof(kubo->multiaddr), "/unix%s", path);
        return serve(kubo, fd);
}

void fake_kubo_stop(FakeKubo *kubo) {
        kubo->server = http_server_free(kubo->server);
}

int fake_kubo_new(FakeKubo **ret, sd_event *event) {
        FakeKubo *kubo = calloc(1, sizeof(FakeKubo));
        int r;

        if (!kubo)
                return -ENOMEM;
        kubo->event = sd_event_ref(event);
        list_init(&kubo->hanging);
        r = fake_kubo_start(kubo);
        if (r < 0) {
                fake_kubo_free(kubo);
                return r;
        }
        *ret = kubo;
        return 0;
}

FakeKubo *fake_kubo_free(FakeKubo *kubo) {
        if (!kubo)
                return NULL;
        http_server_free(kubo->server);
        str_map_done(&kubo->pins);
        str_list_done(&kubo->requests);
        free(kubo->authorization);
        str_done(&kubo->body);
        sd_event_unref(kubo->event);
        free(kubo);
        return NULL;
}

const char *fake_kubo_multiaddr(const FakeKubo *kubo) {
        return kubo->multiaddr;
}

void fake_kubo_plan(FakeKubo *kubo, const char *command, const char *argument, const FakeAnswer *answer) {
        assert(kubo->n_plans < PLANS_MAX);
        kubo->plans[kubo->n_plans++] = (Plan){ command, argument, *answer };
}

void fake_kubo_forget_plans(FakeKubo *kubo) {
        kubo->n_plans = 0;
}

void fake_kubo_release(FakeKubo *kubo) {
        LIST_FOREACH (answer, &kubo->hanging, Answer, link) {
                list_remove(&answer->link);
                answer->fault = FAKE_NONE;
                http_request_resume(answer->request);
        }
}

/* Not pinned is kept as an empty type: StrMap has no removal. */
void fake_kubo_pin(FakeKubo *kubo, const char *cid, const char *type) {
        (void) str_map_set(&kubo->pins, cid, type ? type : "");
}

const char *fake_kubo_pinned(const FakeKubo *kubo, const char *cid) {
        const char *type = str_map_get(&kubo->pins, cid);

        return str_is_empty(type) ? NULL : type;
}

const StrList *fake_kubo_requests(const FakeKubo *kubo) {
        return &kubo->requests;
}

void fake_kubo_forget_requests(FakeKubo *kubo) {
        str_list_done(&kubo->requests);
        kubo->requests = (StrList){};
}

const char *fake_kubo_body(const FakeKubo *kubo) {
        return kubo->body.data ?: "";
}

const char *fake_kubo_authorization(const FakeKubo *kubo) {
        return kubo->authorization;
}

size_t fake_kubo_count(const FakeKubo *kubo, const char *prefix) {
        size_t n = 0;

        for (size_t i = 0; i < kubo->requests.n; i++)
                n += strncmp(kubo->requests.items[i], prefix, strlen(prefix)) == 0;
        return n;
}
