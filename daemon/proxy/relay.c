#include <string.h>

#include "daemon/proxy/head.h"
#include "daemon/proxy/internal.h"
#include "daemon/proxy/watch.h"

/*
 *   connecting ──► request ──► ended (or given up: Kubo takes no more)
 *          └─────► heads of the answer ──► its body ──► ended        both at the same time
 */

/* ---- how it may end ---- */

int proxy_relay_refuse(ProxyRelay *relay, unsigned status, const char *words) {
        ProxyClient *client = relay->client;

        if (relay->has_begun) {
                /* What ends with the connection must not look whole. */
                if (relay->answer.body.kind == HTTP1_BODY_CLOSE)
                        stream_break(&client->end.stream);
                return -EPIPE;
        }
        client->closes = client->closes || !relay->request_ended || relay->is_head_request;
        relay->link = proxy_link_free(relay->link);
        proxy_answer_error(client, status, NULL, words); /* behind 1xx answers, perhaps */
        return 1;
}

static int relay_refuse_take(ProxyRelay *relay, Error *error) {
        int r;

        r = proxy_relay_refuse(relay, 502, error_message(error));
        error_done(error);
        return r;
}

int proxy_relay_end(ProxyRelay *relay) {
        ProxyClient *client = relay->client;
        ProxyLink *link = relay->link;
        bool is_clean = relay->request_ended && !relay->is_given_up;

        client->closes = client->closes || !is_clean;
        if (is_clean && !relay->link_closes && !relay->was_mirrored && link->end.start == link->end.end) {
                relay->link = NULL;
                proxy_link_keep(link);
        }
        client->state = PROXY_ANSWER;
        return 1;
}

/* ---- the request ---- */

static int write_request(ProxyRelay *relay, const Http1Head *head) {
        ProxyClient *client = relay->client;
        ProxyHead options = { .address = client->address };
        ProxyLink *link = relay->link;
        Http1Head copy;

        if (relay->watch) {
                options.target = proxy_watch_target(relay->watch);
                if (head->is_http10) { /* trailers tell how it ended */
                        copy = *head;
                        copy.is_http10 = false;
                        return proxy_head_write_request(&copy, &options, &link->end.out);
                }
        }
        relay->link_closes = head->is_http10;
        return proxy_head_write_request(head, &options, &link->end.out);
}

static bool has_body(const Http1Head *head) {
        return head->body == HTTP1_BODY_CHUNKED || (head->body == HTTP1_BODY_LENGTH && head->length > 0);
}

/* RFC 9110 section 9.2.2, of what a Kubo knows. */
static bool is_idempotent(const Http1Head *head) {
        static const char *const methods[] = { "GET", "HEAD", "OPTIONS", "TRACE" };

        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (http1_equals(head->method, methods[i]))
                        return true;
        return false;
}

/* A link that waited may be closed by Kubo at this very moment. */
static int keep_for_again(ProxyRelay *relay, const Http1Head *head) {
        if (!relay->link->was_used)
                return 0;
        relay->is_idempotent = is_idempotent(head);
        relay->again = strndup(relay->link->end.out.data, relay->link->end.out.len);
        return relay->again ? 0 : -ENOMEM;
}

int proxy_relay_start(ProxyClient *client, const Http1Head *head, ProxyWatch *watch) {
        Error error = {};
        ProxyRelay *relay;
        int r;

        relay = calloc(1, sizeof(ProxyRelay));
        if (!relay) {
                proxy_watch_free(watch);
                return -ENOMEM;
        }
        *relay = (ProxyRelay){
                .client = client,
                .watch = watch,
                .is_head_request = http1_equals(head->method, "HEAD"),
                .request.from = &client->end,
        };
        if (watch)
                relay->request.tail = proxy_watch_tail(watch);
        client->relay = relay;
        client->state = PROXY_RELAY;
        http1_body_init(&relay->request.body, head->body, head->length);

        /* What has a body cannot be sent again: for that no link that may just be closing. */
        r = proxy_node_link(client->proxy->node, relay, has_body(head), &relay->link, &error);
        if (r >= 0) {
                relay->request.to = &relay->link->end;
                r = write_request(relay, head);
        }
        if (r >= 0)
                r = keep_for_again(relay, head);
        proxy_end_take(&client->end, head->size);
        proxy_end_release(&client->end); /* Kubo may think for long */
        if (r < 0) {
                relay->request_ended = head->body == HTTP1_BODY_NONE;
                (void) relay_refuse_take(relay, &error);
        }
        return 1;
}

static int relay_again(ProxyRelay *relay) {
        Error error = {};
        int r;

        relay->link = proxy_link_free(relay->link);
        r = proxy_node_link(relay->client->proxy->node, relay, true, &relay->link, &error);
        if (r < 0)
                return relay_refuse_take(relay, &error);
        relay->request.to = &relay->link->end;
        relay->request_ended = false;
        (void) str_append(&relay->link->end.out, relay->again);
        free(TAKE_PTR(relay->again));
        return proxy_relay_run(relay);
}

/* The client has ended its sending, and this was its last request: Kubo is told the same, and decides what
 * that means. */
static void mirror_end(ProxyRelay *relay) {
        const ProxyEnd *end = &relay->client->end;

        if (relay->was_mirrored || !relay->request_ended || !end->stream.is_hung_up ||
            end->start < end->end || !stream_is_over(&end->stream))
                return;
        relay->was_mirrored = relay->client->closes = true;
        stream_end(&relay->link->end.stream);
}

static int run_request(ProxyRelay *relay) {
        if (relay->request_ended || relay->is_given_up)
                return 0;

        switch (proxy_flow_run(&relay->request)) {
        case PROXY_FLOW_WAIT:
                break;
        case PROXY_FLOW_AGAIN:
                poller_again(&relay->client->end.stream.watch);
                break;
        case PROXY_FLOW_ENDED:
                relay->request_ended = true;
                break;
        case PROXY_FLOW_CUT:
                return -ECONNRESET;
        case PROXY_FLOW_BAD:
                return proxy_relay_refuse(relay, 400, "the request's body is not chunked as it should be");
        case PROXY_FLOW_STUCK: /* perhaps with an answer that says why */
                relay->is_given_up = true;
                break;
        }
        return 0;
}

/* ---- the answer ---- */

static int take_answer_head(ProxyRelay *relay, const Http1Head *head) {
        ProxyClient *client = relay->client;
        ProxyHead options = {};
        int r;

        if (head->status == 101) /* nothing was asked for that could be switched to */
                return proxy_relay_refuse(relay, 502, "IPFS switches protocols");
        relay->has_head = head->status >= 200;
        if (!relay->has_head && ++relay->n_hints > PROXY_HINTS_MAX)
                return proxy_relay_refuse(relay, 502, "IPFS answers 1xx without an end");
        if (relay->has_head) {
                relay->link_closes = relay->link_closes || head->closes;
                client->closes = client->closes || head->body == HTTP1_BODY_CLOSE ||
                                 client->proxy->is_stopping;
                http1_body_init(&relay->answer.body, head->body, head->length);
                options.closes = client->closes;
        }
        if (relay->has_head && head->status != 200) /* nothing was added */
                relay->watch = proxy_watch_free(relay->watch);
        relay->has_begun = relay->has_head && !relay->watch;
        if (relay->has_head && relay->watch)
                r = proxy_watch_on_head(relay->watch, head, &options);
        else
                r = proxy_head_write_answer(head, &options, &client->end.out);
        proxy_end_take(&relay->link->end, head->size);
        relay->answer.from = &relay->link->end;
        relay->answer.to = &client->end;
        return r;
}

/* Kubo cannot have begun with the request, or it does no harm to begin twice. N: how the link ended. */
static bool may_ask_again(const ProxyRelay *relay, ssize_t n) {
        const ProxyEnd *end = &relay->link->end;

        return relay->again && end->start == end->end &&
               (relay->is_idempotent || proxy_end_pending(end) > 0 ||
                (n == 0 && stream_unsent(&end->stream) > 0));
}

/* The link has ended before its answer began. */
static int on_no_answer(ProxyRelay *relay, ssize_t n) {
        Error error = {};

        if (may_ask_again(relay, n))
                return relay_again(relay);
        (void) error_set(
                        &error,
                        ERROR_IPFS,
                        "IPFS at %s closed the connection without an answer",
                        proxy_node_name(relay->link->node));
        return relay_refuse_take(relay, &error);
}

/* Answers 1 when there is a head (or the relay is over), 0 to wait. */
static int read_answer_head(ProxyRelay *relay) {
        ProxyEnd *end = &relay->link->end;
        const char *why;
        Http1Head head;
        ssize_t n;
        int r;

        for (;;) {
                r = HTTP1_MORE;
                if (end->start < end->end)
                        r = http1_read_answer(
                                        end->in->data + end->start,
                                        end->end - end->start,
                                        PROXY_ANSWER_HEAD_MAX,
                                        relay->is_head_request,
                                        &head,
                                        &why);
                if (r > HTTP1_WHOLE)
                        return proxy_relay_refuse(relay, 502, "IPFS does not answer in HTTP");
                if (r == HTTP1_WHOLE) {
                        r = take_answer_head(relay, &head);
                        if (r != 0 || relay->has_head)
                                return r < 0 ? r : 1;
                        continue;
                }
                n = proxy_end_read(end);
                if (n == -EAGAIN) {
                        proxy_end_release(end);
                        return 0;
                }
                if (n <= 0)
                        return on_no_answer(relay, n);
        }
}

static int on_flow(ProxyRelay *relay, ProxyFlowResult result) {
        switch (result) {
        case PROXY_FLOW_WAIT:
                return 0;
        case PROXY_FLOW_AGAIN:
                poller_again(&relay->client->end.stream.watch);
                return 0;
        case PROXY_FLOW_ENDED:
                return proxy_relay_end(relay);
        case PROXY_FLOW_CUT:
        case PROXY_FLOW_BAD:
                return proxy_relay_refuse(relay, 502, NULL);
        case PROXY_FLOW_STUCK:
                break;
        }
        return -ECONNRESET;
}

static int run_answer(ProxyRelay *relay) {
        size_t sent;
        int r;

        if (!relay->has_head) {
                r = read_answer_head(relay);
                if (r < 0 || relay->client->state != PROXY_RELAY)
                        return r;
                if (!relay->has_head) { /* 100 Continue may be on its way */
                        r = proxy_end_send(&relay->client->end, NULL, &sent);
                        return r == -EAGAIN || r > 0 ? 0 : r;
                }
        }
        if (relay->watch)
                return proxy_watch_run(relay->watch, relay);
        return on_flow(relay, proxy_flow_run(&relay->answer));
}

int proxy_relay_run(ProxyRelay *relay) {
        Error error = {};
        int r;

        r = proxy_link_establish(relay->link, &error);
        if (r == 0)
                return 0;
        if (r < 0)
                return relay_refuse_take(relay, &error);

        r = run_request(relay);
        if (r == 0) {
                mirror_end(relay);
                r = run_answer(relay);
        }
        return r;
}

bool proxy_relay_wants(const ProxyRelay *relay) {
        const ProxyEnd *from = relay->request.from;

        return !relay->request_ended && !relay->is_given_up && relay->link &&
               proxy_end_pending(&relay->link->end) == 0 && from->start == from->end;
}

ProxyRelay *proxy_relay_free(ProxyRelay *relay) {
        if (!relay)
                return NULL;

        proxy_watch_free(relay->watch);
        proxy_link_free(relay->link);
        free(relay->again);
        free(relay);
        return NULL;
}
