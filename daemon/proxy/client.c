#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/base/log.h"
#include "daemon/proxy/call.h"
#include "daemon/proxy/internal.h"
#include "daemon/proxy/path.h"

/*
 *   HEAD ──► RELAY ─────────────────────► ANSWER ──► HEAD, or LINGER
 *     ├────► CALL (BODY) ──► CALL ──────────▲
 *     └────► refused ───────────────────────┘
 */

uint64_t proxy_now(const Proxy *proxy) {
        uint64_t usec = 0;

        (void) sd_event_now(proxy->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

static uint64_t deadline_in(const ProxyClient *client, int64_t usec) {
        return usec > 0 ? proxy_now(client->proxy) + (uint64_t) usec : UINT64_MAX;
}

/* ---- a request ---- */

static int client_refuse(ProxyClient *client, unsigned status, const char *why) {
        Str words = {};

        client->closes = true;
        client->call = proxy_call_free(client->call); /* of which the body was still to come */
        (void) str_appendf(&words, "%u %s", status, proxy_status_text(status));
        if (status != 431) /* recorded without more */
                (void) str_appendf(&words, ": %s\n", why);
        proxy_answer_text(client, status, NULL, words.data ? words.data : "");
        str_done(&words);
        return 1;
}

static int client_redirect(ProxyClient *client, const char *location) {
        Str headers = {};

        client->closes = client->closes || client->end.start < client->end.end;
        (void) str_appendf(&headers, "Location: %s\r\n", location);
        proxy_answer(client, 301, NULL, headers.data, "", 0);
        str_done(&headers);
        return 1;
}

/* What a target may be: a path, a whole URL, or * for all. */
static bool is_target(const Http1Head *head) {
        Http1Text target = head->target;

        if (http1_equals(target, "*"))
                return http1_equals(head->method, "OPTIONS");
        return target.at[0] == '/' || (target.n > 7 && strncasecmp(target.at, "http://", 7) == 0) ||
               (target.n > 8 && strncasecmp(target.at, "https://", 8) == 0);
}

static int client_route(ProxyClient *client, const Http1Head *head, Query *query) {
        _cleanup_free_ char *target = strndup(head->target.at, head->target.n), *clean = NULL;
        int r;

        r = target ? query_parse(target, query) : -ENOMEM;
        if (r == -ENOMEM)
                return r;
        /* "http://host?/api/…" has an empty path: who reads it otherwise would see another call */
        if (r < 0 || (query->path[0] != '/' && strcmp(query->path, "*") != 0))
                return client_refuse(client, 400, "bad request target");

        r = proxy_path_clean(target, query->path, &clean);
        if (r < 0)
                return r;
        if (r > 0) {
                client->closes = client->closes || head->body != HTTP1_BODY_NONE;
                proxy_end_take(&client->end, head->size);
                return client_redirect(client, clean);
        }
        return proxy_call_start(client, head, query);
}

static int client_on_head(ProxyClient *client, const Http1Head *head) {
        _cleanup_(query_done) Query query = {};
        int r;

        client->is_http10 = head->is_http10;
        client->closes = head->closes || head->is_http10 || client->proxy->is_stopping;
        client->deadline = deadline_in(client, client->proxy->config->proxy.write_timeout);
        client->read_deadline = deadline_in(client, client->proxy->config->proxy.read_timeout);
        if (!is_target(head) || http1_equals(head->method, "CONNECT"))
                return client_refuse(client, 400, "bad request target");

        r = client_route(client, head, &query);
        return r != 0 ? r : proxy_relay_start(client, head, NULL);
}

/* ---- states ---- */

static void client_wake(ProxyClient *client) {
        if (!client->is_idle)
                return;
        client->is_idle = false;
        client->moved_at = proxy_now(client->proxy);
        client->deadline = deadline_in(client, client->proxy->config->proxy.read_header_timeout);
        list_remove(&client->link);
        list_append(&client->proxy->clients, &client->link);
}

static int client_on_head_bytes(ProxyClient *client) {
        const ProxyEnd *end = &client->end;
        const char *why = NULL;
        Http1Head head;
        int r;

        if (end->start == end->end)
                return 0;
        client_wake(client);
        r = http1_read_request(
                        end->in->data + end->start,
                        end->end - end->start,
                        client->proxy->max_head,
                        &head,
                        &why);
        if (r > HTTP1_WHOLE)
                return client_refuse(client, (unsigned) r, why);
        return r == HTTP1_WHOLE ? client_on_head(client, &head) : 0;
}

static int client_step_head(ProxyClient *client) {
        ssize_t n;
        int r;

        for (;;) {
                r = client_on_head_bytes(client);
                if (r != 0)
                        return r;
                n = proxy_end_read(&client->end);
                if (n == -EAGAIN) {
                        proxy_end_release(&client->end);
                        return 0;
                }
                if (n <= 0)
                        return -ECONNRESET;
        }
}

/* Throw away what comes. Answers 1 when BODY (NULL: until the connection ends) is over. */
static int client_throw(ProxyClient *client, Http1Body *body, size_t max) {
        ProxyEnd *end = &client->end;
        ssize_t n = 1;

        while (n > 0) {
                size_t used = end->end - end->start;

                if (body && used > 0 && http1_body_scan(body, end->in->data + end->start, used, &used) < 0)
                        return client_refuse(
                                        client, 400, "the request's body is not chunked as it should be");
                client->n_thrown += used;
                if (used > 0)
                        proxy_end_take(end, used);
                if (client->n_thrown > max)
                        return body ? client_refuse(client, 413, "this call takes no body") : -EMSGSIZE;
                if (body && http1_body_is_ended(body))
                        return 1;
                n = proxy_end_read(end);
        }
        proxy_end_release(end);
        return n == -EAGAIN ? 0 : -ECONNRESET;
}

static int client_step_body(ProxyClient *client) {
        size_t sent;
        int r;

        r = proxy_end_send(&client->end, NULL, &sent); /* 100 Continue */
        if (r < 0 && r != -EAGAIN)
                return r;
        r = client_throw(client, &client->body, PROXY_BODY_MAX);
        if (r > 0 && client->state == PROXY_BODY) {
                proxy_end_release(&client->end);
                client->state = PROXY_CALL;
                proxy_call_begin(client->call);
        }
        return r;
}

static int client_step_call(ProxyClient *client _unused_) {
        return 0;
}

static int client_step_relay(ProxyClient *client) {
        return proxy_relay_run(client->relay);
}

/* The answer has gone out: what is next on this connection? */
static int client_finish(ProxyClient *client) {
        const ConfigProxy *config = &client->proxy->config->proxy;

        client->read_deadline = UINT64_MAX;
        client->n_thrown = 0;
        if (client->closes) {
                stream_end(&client->end.stream);
                client->deadline = proxy_now(client->proxy) + PROXY_LINGER_USEC;
                client->state = PROXY_LINGER;
                return 1;
        }
        client->state = PROXY_HEAD;
        client->is_idle = true;
        client->deadline = deadline_in(client, config->idle_timeout ?: config->read_timeout);
        list_remove(&client->link);
        list_append(&client->proxy->idle, &client->link);
        return 1;
}

static int client_step_answer(ProxyClient *client) {
        size_t sent;
        int r;

        r = proxy_end_send(&client->end, NULL, &sent);
        if (r < 0)
                return r == -EAGAIN ? 0 : r;
        if (client->call) {
                r = proxy_call_more(client->call);
                if (r != 0)
                        return r;
                if (client->call->is_waiting)
                        return 0;
        }
        client->relay = proxy_relay_free(client->relay);
        client->call = proxy_call_free(client->call);
        return client_finish(client);
}

static int client_step_linger(ProxyClient *client) {
        int r;

        r = client_throw(client, NULL, PROXY_LINGER_BYTES);
        return r > 0 ? -ECONNRESET : r;
}

void proxy_client_go_on(ProxyClient *client) {
        static int (*const steps[])(ProxyClient * client) = {
                [PROXY_HEAD] = client_step_head,     [PROXY_BODY] = client_step_body,
                [PROXY_CALL] = client_step_call,     [PROXY_RELAY] = client_step_relay,
                [PROXY_ANSWER] = client_step_answer, [PROXY_LINGER] = client_step_linger,
        };
        int r = 1;

        for (int i = 0; i < PROXY_TURN_STEPS && r > 0; i++)
                r = steps[client->state](client);
        if (r > 0)
                poller_again(&client->end.stream.watch);
        else if (r < 0)
                proxy_client_free(client);
}

/* ---- life ---- */

static void client_on_ready(PollerWatch *watch, uint32_t events) {
        ProxyClient *client = CONTAINER_OF(watch, ProxyClient, end.stream.watch);

        stream_on_events(&client->end.stream, events);
        if (client->end.stream.is_broken)
                proxy_client_free(client);
        else
                proxy_client_go_on(client);
}

static char *address_of(int fd) {
        union {
                struct sockaddr any;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
        } name = {};
        char text[INET6_ADDRSTRLEN] = "";

        if (getpeername(fd, &name.any, &(socklen_t){ sizeof(name) }) < 0)
                return NULL;
        if (name.any.sa_family == AF_INET)
                (void) inet_ntop(AF_INET, &name.in.sin_addr, text, sizeof(text));
        else if (name.any.sa_family == AF_INET6)
                (void) inet_ntop(AF_INET6, &name.in6.sin6_addr, text, sizeof(text));
        return *text ? strdup(text) : NULL;
}

static int client_open(Proxy *proxy, int fd, ProxyClient **ret) {
        ProxyClient *client;
        int r;

        client = calloc(1, sizeof(ProxyClient));
        if (!client) {
                close(fd);
                return -ENOMEM;
        }
        *client = (ProxyClient){
                .proxy = proxy,
                .end.proxy = proxy,
                .end.stream.watch.ready = client_on_ready,
                .is_idle = true,
                .read_deadline = UINT64_MAX,
                .moved_at = proxy_now(proxy),
        };
        list_append(&proxy->idle, &client->link);
        proxy->n_clients++;
        client->deadline = deadline_in(client, proxy->config->proxy.read_header_timeout);
        client->address = address_of(fd);

        r = stream_init(&client->end.stream, proxy->poller, fd);
        if (r < 0)
                proxy_client_free(client);
        else
                *ret = client;
        return r;
}

int proxy_client_new(Proxy *proxy, int fd) {
        ProxyClient *client;
        int r;

        r = client_open(proxy, fd, &client);
        if (r >= 0)
                proxy_client_go_on(client);
        return r;
}

void proxy_client_refuse(Proxy *proxy, int fd) {
        ProxyClient *client;

        if (proxy_is_news(proxy))
                log_warning("The IPFS proxy has %u clients, of which none is idle: more are refused.",
                            proxy->n_clients);
        if (proxy->n_clients >= PROXY_CLIENTS_MAX + PROXY_REFUSED_MAX ||
            client_open(proxy, fd, &client) < 0) {
                close(fd);
                return;
        }
        client_wake(client);
        client->closes = true;
        client->deadline = proxy_now(proxy) + PROXY_LINGER_USEC;
        proxy_answer_error(
                        client,
                        503,
                        NULL,
                        "the IPFS proxy has no place for another client: try again later");
        proxy_client_go_on(client);
}

ProxyClient *proxy_client_free(ProxyClient *client) {
        if (!client)
                return NULL;

        list_remove(&client->link);
        client->proxy->n_clients--;
        proxy_call_free(client->call);
        proxy_relay_free(client->relay);
        proxy_end_deinit(&client->end);
        free(client->address);
        free(client);
        return NULL;
}

/* ---- those that nothing comes of ---- */

/* It is up to the client that things go on. */
static bool is_waited_for(const ProxyClient *client) {
        switch (client->state) {
        case PROXY_HEAD:
        case PROXY_BODY:
        case PROXY_LINGER:
                return true;
        case PROXY_CALL:
                return false;
        case PROXY_RELAY:
                return !client->end.stream.is_writable || proxy_relay_wants(client->relay);
        case PROXY_ANSWER:
                return proxy_end_pending(&client->end) > 0;
        }
        return false;
}

/* What the kernel still holds counts: of a slow reader's it takes long to make room for more. */
static bool has_stalled(ProxyClient *client, uint64_t now) {
        uint64_t progress = client->end.n_moved - stream_unsent(&client->end.stream);

        if (progress != client->progress || !is_waited_for(client)) {
                client->progress = progress;
                client->moved_at = now;
        }
        return now >= client->moved_at + PROXY_STALL_USEC;
}

void proxy_client_sweep(ProxyClient *client, uint64_t now) {
        ProxyLink *link = client->relay ? client->relay->link : NULL;

        if (client->state == PROXY_RELAY && link && now >= link->deadline) {
                link->deadline = UINT64_MAX;
                link->failure = -ETIMEDOUT;
                proxy_client_go_on(client);
        } else if (now >= client->deadline || (!client->is_idle && has_stalled(client, now)) ||
                   (now >= client->read_deadline && !(client->relay && client->relay->request_ended)))
                proxy_client_free(client);
}

bool proxy_client_drop_idle(Proxy *proxy) {
        ProxyClient *oldest = LIST_FIRST(&proxy->idle, ProxyClient, link);

        proxy_client_free(oldest);
        return oldest;
}

/* All are looked at, so when nobody was found it is not tried again before the next look at them. */
static ProxyClient *find_idlest(Proxy *proxy) {
        uint64_t now = proxy_now(proxy), latest = now - MIN(now, PROXY_IDLEST_USEC);
        ProxyClient *idlest = NULL;

        if (now < proxy->full_until)
                return NULL;
        LIST_FOREACH (client, &proxy->clients, ProxyClient, link)
                if (client->moved_at <= latest) {
                        latest = client->moved_at;
                        idlest = client;
                }
        if (!idlest)
                proxy->full_until = now + USEC_PER_SEC;
        return idlest;
}

bool proxy_client_make_room(Proxy *proxy) {
        ProxyClient *idlest;

        if (proxy_client_drop_idle(proxy))
                return true;
        idlest = find_idlest(proxy);
        proxy_client_free(idlest);
        return idlest;
}
