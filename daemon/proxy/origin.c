#include <stdio.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/proxy/call.h"
#include "daemon/types/version.h"

#define ORIGIN_PATH "/api/v0/version"
#define ORIGIN_TIMEOUT (2 * USEC_PER_SEC)
#define ORIGIN_RETRY (10 * USEC_PER_SEC) /* after Kubo did not answer: until then what was known is used */

typedef enum OriginGuard {
        ORIGIN_UNKNOWN, /* Kubo has not said so far: nobody is let in */
        ORIGIN_OPEN,
        ORIGIN_GUARDED, /* it asks for credentials */
} OriginGuard;

/*
 * Answers of the proxy's own carry the headers that Kubo's would: Vary from an OPTIONS request, the exposed
 * headers and those of extract_headers_extra from a POST request to extract_headers_path. Both are asked for
 * when they are needed and older than extract_headers_ttl.
 *
 * Where Kubo asks for credentials each client has to show his own, by an OPTIONS request for the very call:
 * those that the daemon has are not for everybody who reaches the proxy. As long as Kubo has not said
 * whether it does, each request asks it anew, and is refused when there is no answer.
 *
 * Whether a browser may ask is Kubo's decision, made anew for each request by such a POST with what the
 * browser sent. Where Kubo cannot be asked it may not.
 */
struct ProxyOrigins {
        Proxy *proxy;
        Str vary, extra; /* header lines */
        uint64_t until;
        OriginGuard guard;
        Error error; /* why it is unknown */
        ProxyAsk *options, *post;
        List waiting; /* ProxyCall.origins */
};

/* ---- a browser's request ---- */

static bool is_browser(const ProxyCall *call) {
        return call->origin || call->referer || (call->agent && strncmp(call->agent, "Mozilla", 7) == 0);
}

static const char *origin_path(const Proxy *proxy) {
        return proxy->config->proxy.extract_headers_path;
}

static void copy_header(Str *to, const ProxyAsk *ask, const char *name) {
        const char *value = proxy_ask_header(ask, name);

        if (value)
                (void) str_appendf(to, "%s: %s\r\n", name, value);
}

static void on_browser(
                ProxyAsk *ask,
                int r,
                const Error *error _unused_,
                const char *body _unused_,
                void *userdata) {
        ProxyCall *call = userdata;
        unsigned status = r < 0 ? 0 : proxy_ask_status(ask);

        if (status != 200) {
                call->is_over = true;
                if (status == 403)
                        proxy_answer_text(call->client, 403, "Vary: Origin\r\n", "403 - Forbidden\n");
                else
                        proxy_call_fail(call, 502, "IPFS cannot be asked whether this browser may do that");
        } else {
                copy_header(&call->headers, ask, "Access-Control-Allow-Origin");
                copy_header(&call->headers, ask, "Access-Control-Allow-Credentials");
                call->ask = proxy_ask_unref(call->ask);
                call->rule->begin(call);
        }
        proxy_client_go_on(call->client);
}

static void add_header(Str *line, const char **headers, size_t *n, const char *name, const char *value) {
        if (!value)
                return;
        (void) str_appendf(line, "%s: %s", name, value);
        headers[(*n)++] = line->data;
}

static int ask_for_browser(ProxyCall *call) {
        _cleanup_(str_done) Str origin = {}, referer = {}, agent = {}, authorization = {};
        const char *headers[5] = {};
        size_t n = 0;

        add_header(&origin, headers, &n, "Origin", call->origin);
        add_header(&referer, headers, &n, "Referer", call->referer);
        add_header(&agent, headers, &n, "User-Agent", call->agent);
        add_header(&authorization, headers, &n, "Authorization", call->authorization);
        if (str_error(&origin) < 0 || str_error(&referer) < 0 || str_error(&agent) < 0)
                return -ENOMEM;
        return proxy_ask(
                        call->proxy,
                        &call->ask,
                        &(ProxyQuestion){ .target = ORIGIN_PATH,
                                          .headers = headers,
                                          .as_client = call->authorization },
                        on_browser,
                        call);
}

/* ---- credentials ---- */

static void begin(ProxyCall *call) {
        int r;

        if (!is_browser(call)) {
                call->rule->begin(call);
                return;
        }
        r = ask_for_browser(call);
        if (r < 0)
                proxy_call_fail_error(call, r, NULL);
}

static void on_credentials(ProxyAsk *ask, int r, const Error *error, const char *body, void *userdata) {
        ProxyCall *call = userdata;
        unsigned status = r < 0 ? 0 : proxy_ask_status(ask);

        if (r < 0)
                proxy_call_fail(call, 502, "%s", error_message(error));
        else if (status == 401 || status == 403) {
                call->is_over = true;
                proxy_answer_text(call->client, status, NULL, body);
        } else if (status != 200 && status != 204 && status != 405) {
                /* somebody before Kubo: a login page, an overload */
                proxy_call_fail(call,
                                502,
                                "IPFS cannot be asked whether this client may do that: it answers %u",
                                status);
        } else {
                call->ask = proxy_ask_unref(call->ask);
                begin(call);
        }
        proxy_client_go_on(call->client);
}

static int ask_for_credentials(ProxyCall *call) {
        _cleanup_(str_done) Str target = {}, authorization = {};
        const char *headers[2] = {};
        size_t n = 0;

        (void) str_appendf(&target, "/api/v0/%s", call->rule->command);
        add_header(&authorization, headers, &n, "Authorization", call->authorization);
        if (str_error(&target) < 0 || str_error(&authorization) < 0)
                return -ENOMEM;
        return proxy_ask(
                        call->proxy,
                        &call->ask,
                        &(ProxyQuestion){
                                        .method = "OPTIONS",
                                        .target = target.data,
                                        .headers = headers,
                                        .as_client = true,
                        },
                        on_credentials,
                        call);
}

/* ---- headers ---- */

static void check_client(ProxyOrigins *origins, ProxyCall *call) {
        int r;

        switch (origins->guard) {
        case ORIGIN_UNKNOWN:
                proxy_call_fail(call,
                                502,
                                "IPFS cannot be asked whether this client may do that: %s",
                                error_message(&origins->error));
                break;
        case ORIGIN_OPEN:
                begin(call);
                break;
        case ORIGIN_GUARDED:
                r = ask_for_credentials(call);
                if (r < 0)
                        proxy_call_fail_error(call, r, NULL);
                break;
        }
}

/* The headers are as good as they will be. */
static void go_on(ProxyOrigins *origins, ProxyCall *call) {
        if (origins->vary.len > 0)
                (void) str_append(&call->headers, origins->vary.data);
        if (origins->extra.len > 0)
                (void) str_append(&call->headers, origins->extra.data);
        (void) str_appendf(&call->headers, "Server: ipfs-cluster/ipfsproxy/%s\r\n", VERSION_API);
        check_client(origins, call);
}

static void origins_settle(ProxyOrigins *origins) {
        if (origins->options || origins->post)
                return;
        while (!list_is_empty(&origins->waiting)) {
                ProxyCall *call = LIST_FIRST(&origins->waiting, ProxyCall, origins);

                list_remove(&call->origins);
                go_on(origins, call);
                proxy_client_go_on(call->client);
        }
}

static uint64_t origins_ttl(const ProxyOrigins *origins) {
        return (uint64_t) origins->proxy->config->proxy.extract_headers_ttl;
}

/* What could not be asked for stays as it was, for a while. */
static bool is_answered(ProxyOrigins *origins, int r) {
        uint64_t now = proxy_now(origins->proxy);

        if (r < 0)
                origins->until = origins->guard == ORIGIN_UNKNOWN ? 0
                                                                  : MIN(origins->until, now + ORIGIN_RETRY);
        return r >= 0;
}

static void on_options(
                ProxyAsk *ask,
                int r,
                const Error *error _unused_,
                const char *body _unused_,
                void *userdata) {
        ProxyOrigins *origins = userdata;

        if (is_answered(origins, r)) {
                str_reset(&origins->vary);
                copy_header(&origins->vary, ask, "Vary");
        }
        origins->options = proxy_ask_unref(origins->options);
        origins_settle(origins);
}

static void blame(ProxyOrigins *origins, ErrorCode code, const char *words) {
        error_done(&origins->error);
        (void) error_set(&origins->error, code, "%s", words);
}

/* Answers false when it was somebody before Kubo who answered. */
static bool origins_learn(ProxyOrigins *origins, unsigned status) {
        if (status > 500) {
                blame(origins, ERROR_IPFS, "somebody before it answers that it cannot");
                return false;
        }
        origins->guard = proxy_ask_has_credentials(origins->proxy) || (status >= 300 && status < 400) ||
                                                         status == 401 || status == 403 || status == 407
                                         ? ORIGIN_GUARDED
                                         : ORIGIN_OPEN;
        return true;
}

static void on_post(ProxyAsk *ask, int r, const Error *error, const char *body _unused_, void *userdata) {
        ProxyOrigins *origins = userdata;
        const StrList *extra = &origins->proxy->config->proxy.extract_headers_extra;

        if (r < 0)
                blame(origins, error->code, error_message(error));
        else if (!origins_learn(origins, proxy_ask_status(ask)))
                r = -EAGAIN;
        if (is_answered(origins, r)) {
                str_reset(&origins->extra);
                copy_header(&origins->extra, ask, "Access-Control-Expose-Headers");
                for (size_t i = 0; i < extra->n; i++)
                        copy_header(&origins->extra, ask, extra->items[i]);
        }
        origins->post = proxy_ask_unref(origins->post);
        origins_settle(origins);
}

static void origins_ask(ProxyOrigins *origins) {
        static const char *const preflight[] = { "Access-Control-Request-Method: POST", NULL };
        const char *path = origin_path(origins->proxy);
        const ProxyQuestion post = { .target = path, .timeout_usec = ORIGIN_TIMEOUT };
        const ProxyQuestion options = {
                .method = "OPTIONS",
                .target = path,
                .headers = preflight,
                .timeout_usec = ORIGIN_TIMEOUT,
        };
        int r;

        origins->until = proxy_now(origins->proxy) + origins_ttl(origins);
        r = proxy_ask(origins->proxy, &origins->options, &options, on_options, origins);
        if (r >= 0)
                r = proxy_ask(origins->proxy, &origins->post, &post, on_post, origins);
        if (r < 0)
                blame(origins, error_from_errno(r), strerror(-r));
        (void) is_answered(origins, r);
}

void proxy_origins_check(ProxyCall *call) {
        ProxyOrigins *origins = call->proxy->origins;

        if (!origins->options && !origins->post && proxy_now(call->proxy) >= origins->until)
                origins_ask(origins);
        if (origins->options || origins->post)
                list_append(&origins->waiting, &call->origins);
        else
                go_on(origins, call);
}

/* ---- life ---- */

int proxy_origins_new(ProxyOrigins **ret, Proxy *proxy) {
        ProxyOrigins *origins;

        origins = calloc(1, sizeof(ProxyOrigins));
        if (!origins)
                return -ENOMEM;
        origins->proxy = proxy;
        origins->guard = proxy_ask_has_credentials(proxy) ? ORIGIN_GUARDED : ORIGIN_UNKNOWN;
        list_init(&origins->waiting);
        *ret = origins;
        return 0;
}

ProxyOrigins *proxy_origins_free(ProxyOrigins *origins) {
        if (!origins)
                return NULL;

        assert(list_is_empty(&origins->waiting));
        proxy_ask_unref(origins->options);
        proxy_ask_unref(origins->post);
        str_done(&origins->vary);
        str_done(&origins->extra);
        error_done(&origins->error);
        free(origins);
        return NULL;
}
