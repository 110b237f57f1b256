#include "daemon/offline/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <systemd/sd-event.h>

#include "daemon/base/json.h"
#include "daemon/net/http-client.h"

#define FETCH_STALL_USEC (5 * 60 * USEC_PER_SEC) /* a long list may be long in coming */
#define FETCH_WORDS_MAX 4096                     /* of an answer that is no list */
#define FETCH_PATH "/allocations"
#define FETCH_TRAILER "X-Stream-Error"

typedef struct Fetch {
        const OfflineFetchOptions *options;
        sd_event *event;
        HttpClient *client;
        HttpCall *call;
        char *url;
        Str words;     /* of an answer that is no list */
        Error refused; /* by FEED */
        Error *reterr;
        bool is_done;
        int result;
} Fetch;

static void fetch_done(Fetch *fetch) {
        http_call_unref(fetch->call);
        http_client_free(fetch->client);
        sd_event_unref(fetch->event);
        str_done(&fetch->words);
        error_done(&fetch->refused);
        free(fetch->url);
}

/* ---- the URL */

static bool begins_with(const char *text, const char *prefix) {
        return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

bool offline_fetch_is_url(const char *text) {
        return text && (begins_with(text, "http://") || begins_with(text, "https://"));
}

/* Without a path it is that of the API: the list is a resource of it. */
static int fetch_set_url(Fetch *fetch) {
        const char *text = fetch->options->url, *host = strstr(text, "://") + 3;
        size_t n = strcspn(host, "/?#");
        const char *rest = host + n;

        if (n == 0 || strpbrk(text, " \t\r\n"))
                return -EINVAL;
        if (str_equal(rest, "") || str_equal(rest, "/"))
                return asprintf(&fetch->url, "%.*s" FETCH_PATH, (int) (rest - text), text) < 0 ? -ENOMEM : 0;
        return str_copy(&fetch->url, text);
}

/* ---- the answer */

static ssize_t fetch_on_data(HttpCall *call, const void *data, size_t n, void *userdata) {
        Fetch *fetch = userdata;
        size_t room = FETCH_WORDS_MAX - MIN(fetch->words.len, (size_t) FETCH_WORDS_MAX);

        if (http_call_status(call) == 200)
                return fetch->options->feed(data, n, &fetch->refused, fetch->options->userdata) < 0
                                       ? 0
                                       : (ssize_t) n;
        (void) str_append_bytes(&fetch->words, data, MIN(n, room));
        return (ssize_t) n;
}

/* Both programs tell errors as {"code":…,"message":…}; what stands between may say something else. */
typedef struct FetchRefusal {
        char *message;
} FetchRefusal;

static const JsonField refusal_fields[] = {
        { "message", JSON_STRING, offsetof(FetchRefusal, message), .flags = JSON_REQUIRED },
        JSON_END,
};
static const JsonShape refusal_shape = { "refusal", sizeof(FetchRefusal), refusal_fields };

static int fetch_refuse(Fetch *fetch, unsigned status) {
        FetchRefusal refusal = {};
        int r;

        (void) json_read_text(&refusal_shape, fetch->words.data ?: "", fetch->words.len, &refusal, NULL);
        r = error_set(fetch->reterr,
                      ERROR_REFUSED,
                      "the other peer answers with status %u%s%s, expected its list of pins",
                      status,
                      refusal.message ? ": " : "",
                      refusal.message ?: "");
        json_done(&refusal_shape, &refusal);
        return r;
}

/* A list that ends with its connection looks whole wherever it ends. */
static int fetch_check_end(Fetch *fetch, const HttpCall *call) {
        const char *trailer = http_call_trailer(call, FETCH_TRAILER);

        if (!str_is_empty(trailer))
                return error_set(
                                fetch->reterr,
                                ERROR_REFUSED,
                                "the other peer broke its list off: %s",
                                trailer);
        if (!http_call_header(call, "Transfer-Encoding") && !http_call_header(call, "Content-Length"))
                return error_set(
                                fetch->reterr,
                                ERROR_REFUSED,
                                "the answer does not say where it ends, expected one that does");
        return trailer != NULL;
}

static int fetch_check(Fetch *fetch, const HttpCall *call, int r, const Error *error) {
        unsigned status = http_call_status(call);

        if (fetch->refused.code != ERROR_NONE) {
                r = -error_errno(fetch->refused.code);
                if (fetch->reterr)
                        error_move(fetch->reterr, &fetch->refused);
                return r;
        }
        if (r < 0)
                return fetch->reterr ? error_copy(fetch->reterr, error) : r;
        if (status == 204) /* a list without items */
                return 1;
        return status == 200 ? fetch_check_end(fetch, call) : fetch_refuse(fetch, status);
}

static void fetch_on_done(HttpCall *call, int r, const Error *error, void *userdata) {
        Fetch *fetch = userdata;

        fetch->result = fetch_check(fetch, call, r, error);
        fetch->is_done = true;
}

/* ---- the question */

static int fetch_start(Fetch *fetch) {
        static const HttpCallHandler handler = { .on_data = fetch_on_data, .on_done = fetch_on_done };
        int r;

        r = sd_event_new(&fetch->event);
        if (r >= 0)
                r = http_client_new(&fetch->client, fetch->event);
        if (r < 0)
                return r;
        return http_client_call(
                        fetch->client,
                        &fetch->call,
                        &(HttpCallOptions){
                                        .method = "GET",
                                        .url = fetch->url,
                                        .userpwd = fetch->options->userpwd,
                                        .no_verify = fetch->options->no_verify,
                                        .stall_usec = FETCH_STALL_USEC,
                        },
                        &handler,
                        fetch);
}

int offline_fetch(const OfflineFetchOptions *options, Error *reterr) {
        _cleanup_(fetch_done) Fetch fetch = { .options = options, .reterr = reterr };
        int r;

        r = fetch_set_url(&fetch);
        if (r >= 0)
                r = fetch_start(&fetch);
        if (r == -EINVAL)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "the URL cannot be used, expected one such as http://10.0.0.1:9094");
        while (r >= 0 && !fetch.is_done)
                r = sd_event_run(fetch.event, UINT64_MAX);
        return r < 0 ? error_set_errno(reterr, r, "%m") : fetch.result;
}
