#include "daemon/proxy/ask.h"

#include <string.h>

#include "daemon/base/json.h"

#define ASK_TIMEOUT (60 * USEC_PER_SEC) /* a name is looked up in the network by some */
#define ASK_HEADERS_MAX 6
#define ASK_CONNECT (5 * USEC_PER_SEC)

struct ProxyAsk {
        HttpCall *http;
        Str body;
        ProxyAskDone done;
        void *userdata;
};

typedef struct AskError {
        char *message;
} AskError;

static const JsonField ask_error_fields[] = {
        { "Message", JSON_STRING, offsetof(AskError, message), .flags = JSON_REQUIRED },
        JSON_END,
};
static const JsonShape ask_error_shape = { "error", sizeof(AskError), ask_error_fields };

static ssize_t ask_on_data(HttpCall *http _unused_, const void *data, size_t n, void *userdata) {
        ProxyAsk *ask = userdata;

        if (ask->body.len + n > PROXY_ASK_MAX || str_append_bytes(&ask->body, data, n) < 0)
                return 0;
        return (ssize_t) n;
}

static void ask_on_done(HttpCall *http _unused_, int r, const Error *error, void *userdata) {
        ProxyAsk *ask = userdata;

        ask->done(ask, r, error, ask->body.data ? ask->body.data : "", ask->userdata);
}

static const HttpCallHandler ask_handler = { .on_data = ask_on_data, .on_done = ask_on_done };

/* Kubo's credentials, if it is the same Kubo that the daemon itself uses. */
static const char *authorization_of(const Proxy *proxy, const char *scheme) {
        const ConfigIpfs *ipfs = &proxy->config->ipfs;
        size_t n = strlen(scheme);

        if (str_is_empty(ipfs->authorization) ||
            !str_equal(ipfs->node_multiaddress, proxy->config->proxy.node_multiaddress))
                return NULL;
        return strncmp(ipfs->authorization, scheme, n) == 0 ? ipfs->authorization + n : NULL;
}

static int ask_start(ProxyAsk *ask, Proxy *proxy, const ProxyQuestion *question) {
        const char *const *headers = question->headers;
        const char *token = question->as_client ? NULL : authorization_of(proxy, "bearer:"),
                   *all[ASK_HEADERS_MAX + 2] = {};
        _cleanup_(str_done) Str url = {}, bearer = {};
        size_t n = 0;

        while (headers && headers[n] && n < ASK_HEADERS_MAX) {
                all[n] = headers[n];
                n++;
        }
        if (token) {
                (void) str_appendf(&bearer, "Authorization: Bearer %s", token);
                all[n] = bearer.data;
        }
        if (str_append(&url, proxy_node_url(proxy->node)) < 0 || str_append(&url, question->target) < 0 ||
            str_error(&bearer) < 0)
                return -ENOMEM;
        return http_client_call(
                        proxy->http,
                        &ask->http,
                        &(HttpCallOptions){
                                        .method = question->method ? question->method : "POST",
                                        .url = url.data,
                                        .unix_path = proxy_node_unix(proxy->node),
                                        .headers = all,
                                        .userpwd = question->as_client ? NULL
                                                                       : authorization_of(proxy, "basic:"),
                                        .connect_timeout_usec = ASK_CONNECT,
                                        .timeout_usec = question->timeout_usec ? question->timeout_usec
                                                                               : ASK_TIMEOUT,
                        },
                        &ask_handler,
                        ask);
}

int proxy_ask(Proxy *proxy,
              ProxyAsk **ret,
              const ProxyQuestion *question,
              ProxyAskDone done,
              void *userdata) {
        ProxyAsk *ask;
        int r;

        ask = calloc(1, sizeof(ProxyAsk));
        if (!ask)
                return -ENOMEM;
        *ask = (ProxyAsk){ .done = done, .userdata = userdata };
        r = ask_start(ask, proxy, question);
        if (r < 0) {
                proxy_ask_unref(ask);
                return r;
        }
        *ret = ask;
        return 0;
}

ProxyAsk *proxy_ask_unref(ProxyAsk *ask) {
        if (!ask)
                return NULL;

        http_call_unref(ask->http);
        str_done(&ask->body);
        free(ask);
        return NULL;
}

bool proxy_ask_has_credentials(const Proxy *proxy) {
        return authorization_of(proxy, "");
}

unsigned proxy_ask_status(const ProxyAsk *ask) {
        return http_call_status(ask->http);
}

const char *proxy_ask_header(const ProxyAsk *ask, const char *name) {
        return http_call_header(ask->http, name);
}

char *proxy_ask_message(const ProxyAsk *ask, const char *body) {
        AskError error = {};
        Str words = {};

        if (json_read_text(&ask_error_shape, body, strlen(body), &error, NULL) >= 0)
                return error.message;
        (void) str_appendf(
                        &words,
                        "IPFS answered %u: %.*s",
                        proxy_ask_status(ask),
                        (int) strcspn(body, "\r\n"),
                        body);
        return str_take(&words);
}
