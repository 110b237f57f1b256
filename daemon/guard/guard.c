#include "daemon/guard/guard.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/base/json.h"
#include "daemon/base/log.h"
#include "daemon/base/time.h"
#include "daemon/guard/access-log.h"
#include "daemon/guard/certificate.h"
#include "daemon/guard/token.h"
#include "daemon/types/multiaddr.h"

#define GUARD_REALM "realm=\"Restricted IPFS Cluster API\""
#define GUARD_HEALTH_PATH "/health" /* open to whom watches over the service */

struct Guard {
        unsigned n_refs;
        GuardOptions options;
        GuardCertificate certificate;
        StrMap credentials;
        GuardAuth *auth; /* NULL: whoever asks may */
        GuardCors *cors;
        GuardAccessLog *log; /* NULL: no file */
        struct json_object *headers_text;
        HttpHeader *headers; /* whose texts those of HEADERS_TEXT are */
        size_t n_headers;
};

/* ---- the parts */

static size_t count_headers(struct json_object *object) {
        size_t n = 0;

        json_object_object_foreach(object, name, values) {
                (void) name;
                n += json_object_array_length(values);
        }
        return n;
}

static void add_header(Guard *guard, const char *name, struct json_object *value) {
        guard->headers[guard->n_headers++] = (HttpHeader){ name, json_object_get_string(value) };
}

/* The configuration has checked what they are made of. */
static int read_headers(Guard *guard) {
        const char *text = guard->options.api->headers;
        size_t n;
        int r;

        if (str_is_empty(text))
                return 0;
        r = json_parse(text, strlen(text), &guard->headers_text, NULL);
        if (r < 0)
                return r;
        n = count_headers(guard->headers_text);
        guard->headers = calloc(MAX(n, 1U), sizeof(*guard->headers));
        if (!guard->headers)
                return -ENOMEM;

        json_object_object_foreach(guard->headers_text, name, values) {
                for (size_t i = 0; i < json_object_array_length(values); i++)
                        add_header(guard, name, json_object_array_get_idx(values, i));
        }
        return 0;
}

static int open_log(Guard *guard, Error *reterr) {
        const ConfigHttpApi *api = guard->options.api;
        _cleanup_free_ char *path = NULL;
        char setting[128];
        int r;

        if (str_is_empty(api->http_log_file))
                return 0;
        (void) snprintf(setting, sizeof(setting), "%s.http_log_file", guard->options.section);
        r = file_join(&path, guard->options.config->folder, api->http_log_file);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", setting);
        return guard_access_log_new(&guard->log, guard->options.event, path, setting, reterr);
}

static int open_auth(Guard *guard) {
        int r = str_map_copy(&guard->credentials, &guard->options.api->credentials);

        return r < 0 ? r : guard_auth_new(&guard->auth, &guard->credentials);
}

static int open_parts(Guard *guard, Error *reterr) {
        const ConfigHttpApi *api = guard->options.api;
        int r;

        r = guard_cors_new(&guard->cors, &api->cors);
        if (r >= 0)
                r = read_headers(guard);
        if (r >= 0 && api->credentials.is_set)
                r = open_auth(guard);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", guard->options.section);

        if (!str_is_empty(api->ssl_cert_file)) {
                r = guard_certificate_load(
                                &guard->certificate,
                                guard->options.config->folder,
                                api->ssl_cert_file,
                                api->ssl_key_file,
                                guard->options.section,
                                reterr);
                if (r < 0)
                        return r;
        }
        return open_log(guard, reterr);
}

int guard_new(Guard **ret, const GuardOptions *options, Error *reterr) {
        _cleanup_(guard_unrefp) Guard *guard = calloc(1, sizeof(*guard));
        int r;

        if (!guard)
                return error_set_errno(reterr, -ENOMEM, "%s: %m", options->section);
        *guard = (Guard){ .n_refs = 1, .options = *options };
        sd_event_ref(options->event);

        r = open_parts(guard, reterr);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(guard);
        return 0;
}

static void forget_credentials(StrMap *credentials) {
        for (size_t i = 0; i < credentials->n; i++)
                explicit_bzero(credentials->items[i].value, strlen(credentials->items[i].value));
        str_map_done(credentials);
}

Guard *guard_ref(Guard *guard) {
        guard->n_refs++;
        return guard;
}

Guard *guard_unref(Guard *guard) {
        if (!guard || --guard->n_refs > 0)
                return NULL;
        guard_certificate_done(&guard->certificate);
        guard_auth_free(guard->auth);
        forget_credentials(&guard->credentials);
        guard_cors_free(guard->cors);
        guard_access_log_free(guard->log);
        json_object_put(guard->headers_text);
        free(guard->headers);
        sd_event_unref(guard->options.event);
        free(guard);
        return NULL;
}

bool guard_has_tls(const Guard *guard) {
        return guard->certificate.chain != NULL;
}

bool guard_has_same_certificate(const Guard *a, const Guard *b) {
        return str_equal(a->certificate.chain, b->certificate.chain) &&
               str_equal(a->certificate.key, b->certificate.key);
}

/* Names are looked up in vain here: what is not known to be this host is taken for the network. */
static bool is_local(const char *address) {
        MultiaddrEndpoint endpoint;

        return multiaddr_endpoint(address, &endpoint) > 0 &&
               (endpoint.transport == MULTIADDR_UNIX || strncmp(endpoint.host, "127.", 4) == 0 ||
                strcmp(endpoint.host, "::1") == 0 || strcmp(endpoint.host, "localhost") == 0);
}

void guard_warn(const Guard *guard, const char *address) {
        const char *section = guard->options.section;

        if (is_local(address))
                return;
        if (!guard->auth)
                log_warning("%s: %s takes requests from whoever reaches it: basic_auth_credentials is not set.",
                            section,
                            address);
        else if (!guard_has_tls(guard))
                log_warning("%s: at %s passwords cross the network as they are: ssl_cert_file is not set.",
                            section,
                            address);
}

void guard_fill_options(const Guard *guard, HttpServerOptions *options) {
        const ConfigHttpApi *api = guard->options.api;

        options->max_header_bytes = (size_t) api->max_header_bytes;
        options->header_timeout_usec = (uint64_t) api->read_header_timeout;
        options->idle_timeout_usec = (uint64_t) api->idle_timeout;
        options->read_timeout_usec = (uint64_t) api->read_timeout;
        options->write_timeout_usec = (uint64_t) api->write_timeout;
        options->certificate = guard->certificate.chain;
        options->key = guard->certificate.key;
}

/* ---- a request */

static bool is_open(const HttpRequest *request, const char *method) {
        return strcmp(method, "OPTIONS") == 0 ||
               (strcmp(method, "GET") == 0 &&
                strcmp(http_request_query(request)->path, GUARD_HEALTH_PATH) == 0);
}

static GuardVerdict check_credentials(
                const Guard *guard, const HttpRequest *request, const char **ret_user) {
        if (!guard->auth)
                return GUARD_PASS;
        return guard_auth_check(
                        guard->auth, http_request_header(request, "Authorization"), time_now(), ret_user);
}

static void add_challenge(GuardVisit *visit, const char *challenge) {
        visit->headers[visit->n_headers++] = (HttpHeader){ "Www-Authenticate", challenge };
}

static void challenge(GuardVisit *visit) {
        switch (visit->verdict) {
        case GUARD_NO_AUTH:
                add_challenge(visit, "Bearer " GUARD_REALM);
                add_challenge(visit, "Basic " GUARD_REALM);
                break;
        case GUARD_DENIED:
                add_challenge(visit, "Basic " GUARD_REALM);
                break;
        case GUARD_BAD_TOKEN:
                add_challenge(visit, "Bearer " GUARD_REALM ", error=\"invalid_token\"");
                break;
        case GUARD_PASS:
        case GUARD_PREFLIGHT:
        case GUARD_NO_MEMORY:
        case _GUARD_VERDICT_N:
                break;
        }
}

void guard_visit(const Guard *guard, const HttpRequest *request, GuardVisit *ret) {
        GuardCorsQuestion question = {
                .method = http_request_method(request),
                .origin = http_request_header(request, "Origin"),
                .asked_method = http_request_header(request, "Access-Control-Request-Method"),
                .asked_headers = http_request_header(request, "Access-Control-Request-Headers"),
        };

        *ret = (GuardVisit){};
        if (!is_open(request, question.method))
                ret->verdict = check_credentials(guard, request, &ret->user);
        if (ret->verdict != GUARD_PASS) {
                challenge(ret);
                return;
        }

        if (guard_cors_is_preflight(&question))
                ret->verdict = GUARD_PREFLIGHT;
        ret->n_headers = guard_cors_headers(guard->cors, &question, ret->headers);
}

const char *guard_verdict_words(GuardVerdict verdict) {
        static const char *const words[_GUARD_VERDICT_N] = {
                [GUARD_NO_AUTH] = "unauthorized: no auth provided",
                [GUARD_DENIED] = "unauthorized: access denied",
                [GUARD_BAD_TOKEN] = "unauthorized: invalid token",
        };

        return words[verdict] ? words[verdict] : "";
}

const HttpHeader *guard_headers(const Guard *guard, size_t *ret_n) {
        *ret_n = guard->n_headers;
        return guard->headers;
}

int guard_make_token(const Guard *guard, const char *user, char **ret) {
        return guard_token_make(&guard->credentials, user, ret);
}

/* The request's answer is over, and with it what was known of who asked. */
void guard_log(Guard *guard, HttpRequest *request, unsigned status, uint64_t n_bytes) {
        GuardAccess access = {
                .method = http_request_method(request),
                .target = http_request_target(request),
                .is_http10 = http_request_is_http10(request),
                .status = status,
                .n_bytes = n_bytes,
                .at_usec = time_now(),
        };
        char peer[64];

        if (!guard->log && !log_enabled(LOG_DEBUG, __FILE__))
                return;

        access.peer = http_request_peer(request, peer);
        (void) check_credentials(guard, request, &access.user);
        if (guard->log)
                guard_access_log_write(guard->log, &access);
        else
                log_debug("%s: %s '%s' %u %ju",
                          access.peer,
                          access.method,
                          access.target,
                          access.status,
                          (uintmax_t) access.n_bytes);
}
