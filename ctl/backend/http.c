#include "ctl/backend/http.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "ctl/backend/curl.h"
#include "ctl/backend/stream.h"
#include "daemon/base/percent.h"
#include "daemon/base/time.h"
#include "daemon/types/add-options.h"
#include "daemon/types/pin-options.h"
#include "daemon/types/version.h"

#define STATUS_IS_ERROR 300
#define STREAM_ERROR_HEADER "X-Stream-Error:"
#define UPLOAD_BUFFER 65536L

/* ---- the road and one exchange on it */

typedef struct BackendHttp {
        CtlBackend backend;
        const CtlCurl *curl;
        CURL *handle;
        CtlHttpOptions options;
        char *user;
        char *password;
} BackendHttp;

typedef struct Transfer {
        BackendHttp *http;
        const CtlRequest *request;
        CtlItemFunc on_item;
        void *userdata;
        Str target; /* path and query */
        Str body;   /* of the request */
        Str url;
        unsigned status; /* 0: no response yet */
        CtlStream stream;
        Str answer; /* unless it is a stream */
        Str stream_error;
        JsonProblem problem;
        struct curl_slist *headers;
        uint64_t n_sent; /* of an upload */
        bool is_upload_broken;
        int r; /* why our own callbacks ended the transfer */
        char text[CURL_ERROR_SIZE];
} Transfer;

/* ---- what is asked */

enum {
        ROUTE_SUBJECT = 1 << 0, /* the subject is one segment of the path */
        ROUTE_PATH = 1 << 1,    /* the subject is a path */
        ROUTE_LOCAL = 1 << 2,
        ROUTE_FILTER = 1 << 3,
        ROUTE_CIDS = 1 << 4, /* the subject is a list of CIDs in the query */
        ROUTE_OPTIONS = 1 << 5,
        ROUTE_ADDRESS = 1 << 6, /* the subject is the address in the body */
        ROUTE_UPLOAD = 1 << 7,  /* the body is produced while it is sent */
};

static const struct {
        const char *method;
        const char *path;
        const char *tail; /* behind the subject */
        unsigned flags;
} routes[_CTL_CALL_N] = {
        [CTL_CALL_ID] = { "GET", "/id", "", 0 },
        [CTL_CALL_VERSION] = { "GET", "/version", "", 0 },
        [CTL_CALL_PEERS] = { "GET", "/peers", "", 0 },
        [CTL_CALL_ADD] = { "POST", "/add", "", ROUTE_UPLOAD },
        [CTL_CALL_PEER_ADD] = { "POST", "/peers", "", ROUTE_ADDRESS },
        [CTL_CALL_PEER_REMOVE] = { "DELETE", "/peers/", "", ROUTE_SUBJECT },
        [CTL_CALL_PIN] = { "POST", "/pins", "", ROUTE_PATH | ROUTE_OPTIONS },
        [CTL_CALL_UNPIN] = { "DELETE", "/pins", "", ROUTE_PATH },
        [CTL_CALL_ALLOCATION] = { "GET", "/allocations/", "", ROUTE_SUBJECT },
        [CTL_CALL_ALLOCATIONS] = { "GET", "/allocations", "", ROUTE_FILTER },
        [CTL_CALL_STATUS] = { "GET", "/pins/", "", ROUTE_SUBJECT | ROUTE_LOCAL },
        [CTL_CALL_STATUS_LIST] = { "GET", "/pins", "", ROUTE_LOCAL | ROUTE_FILTER | ROUTE_CIDS },
        [CTL_CALL_SYNC] = { "POST", "/pins/", "/sync", ROUTE_SUBJECT },
        [CTL_CALL_SYNC_ALL] = { "POST", "/pins/sync", "", 0 },
        [CTL_CALL_RECOVER] = { "POST", "/pins/", "/recover", ROUTE_SUBJECT | ROUTE_LOCAL },
        [CTL_CALL_RECOVER_ALL] = { "POST", "/pins/recover", "", ROUTE_LOCAL },
        [CTL_CALL_GC] = { "POST", "/ipfs/gc", "", ROUTE_LOCAL },
        [CTL_CALL_GRAPH] = { "GET", "/health/graph", "", 0 },
        [CTL_CALL_ALERTS] = { "GET", "/health/alerts", "", 0 },
        [CTL_CALL_BANDWIDTH] = { "GET", "/health/bandwidth", "", 0 },
        [CTL_CALL_METRIC_NAMES] = { "GET", "/monitor/metrics", "", 0 },
        [CTL_CALL_METRICS] = { "GET", "/monitor/metrics/", "", ROUTE_SUBJECT },
};

static void append_parameter(Str *to, const char *key, const char *value, unsigned *n) {
        (void) str_append_char(to, (*n)++ ? '&' : '?');
        (void) str_append(to, key);
        (void) str_append_char(to, '=');
        (void) percent_encode(to, value, strlen(value), ",");
}

static int write_target(const CtlRequest *request, Str *to) {
        unsigned flags = routes[request->call].flags, n = 0;
        const char *subject = request->subject ? request->subject : "";

        (void) str_append(to, routes[request->call].path);
        if (flags & (ROUTE_SUBJECT | ROUTE_PATH))
                (void) percent_encode(
                                to, subject, strlen(subject), flags & ROUTE_PATH ? "/:@!$&'()*+,;=" : ":@");
        (void) str_append(to, routes[request->call].tail);
        if (flags & ROUTE_LOCAL)
                append_parameter(to, "local", request->local ? "true" : "false", &n);
        if (flags & ROUTE_FILTER)
                append_parameter(to, "filter", request->filter ? request->filter : "", &n);
        if (flags & ROUTE_CIDS)
                append_parameter(to, "cids", subject, &n);
        if (flags & (ROUTE_OPTIONS | ROUTE_UPLOAD))
                (void) str_append_char(to, '?');
        if (flags & ROUTE_OPTIONS)
                (void) pin_options_write(request->pin, to);
        if (flags & ROUTE_UPLOAD)
                (void) add_options_write(request->add, request->pin, to);
        return str_error(to);
}

static int write_body(const CtlRequest *request, Str *to) {
        if (!(routes[request->call].flags & ROUTE_ADDRESS))
                return 0;
        (void) str_append(to, "{\"peer_multiaddress\":");
        (void) json_write_string(to, request->subject);
        return str_append(to, "}");
}

/* ---- what comes back */

static int transfer_take_objects(Transfer *t, const char *bytes, size_t n) {
        const char *text;
        size_t length;
        int r;

        ctl_stream_feed(&t->stream, bytes, n);
        while ((r = ctl_stream_next(&t->stream, &text, &length)) > 0) {
                r = ctl_call_deliver(t->request->call, text, length, t->on_item, t->userdata, &t->problem);
                if (r < 0)
                        return r;
        }
        return r;
}

static int transfer_take(Transfer *t, const char *bytes, size_t n) {
        bool is_error = t->status >= STATUS_IS_ERROR;
        size_t max = is_error ? CTL_HTTP_ERROR_MAX : CTL_HTTP_BODY_MAX;

        if (!is_error && ctl_call_form(t->request->call) == CTL_FORM_STREAM)
                return transfer_take_objects(t, bytes, n);
        if (t->answer.len + n > max) {
                if (!is_error)
                        return -E2BIG;
                n = max - t->answer.len;
        }
        return str_append_bytes(&t->answer, bytes, n);
}

static size_t transfer_on_body(char *bytes, size_t size, size_t n, void *userdata) {
        Transfer *t = userdata;

        ctl_debug(t->http->options.debug, "Response body", bytes, size * n);
        t->r = transfer_take(t, bytes, size * n);
        return t->r < 0 ? 0 : size * n;
}

/* Trailers come through here too, after the body. */
static size_t transfer_on_header(char *line, size_t size, size_t n, void *userdata) {
        static const char error_header[] = STREAM_ERROR_HEADER;
        Transfer *t = userdata;
        const char *end = line + size * n, *value = line + strlen(error_header);
        long status = 0;

        if (size * n > 5 && strncmp(line, "HTTP/", 5) == 0) {
                t->http->curl->easy_getinfo(t->http->handle, CURLINFO_RESPONSE_CODE, &status);
                t->status = status;
                return size * n;
        }
        if (size * n <= strlen(error_header) || strncasecmp(line, error_header, strlen(error_header)) != 0)
                return size * n;
        while (value < end && isspace((unsigned char) *value))
                value++;
        while (end > value && isspace((unsigned char) end[-1]))
                end--;
        if (end > value && t->stream_error.len > 0)
                (void) str_append(&t->stream_error, "; ");
        (void) str_append_bytes(&t->stream_error, value, end - value);
        return size * n;
}

static int transfer_on_progress(
                void *userdata,
                _unused_ curl_off_t down_total,
                _unused_ curl_off_t down,
                _unused_ curl_off_t up_total,
                _unused_ curl_off_t up) {
        Transfer *t = userdata;

        return *t->request->cancel;
}

/* ---- what goes up */

static size_t transfer_on_read(char *buffer, size_t size, size_t n, void *userdata) {
        Transfer *t = userdata;
        ssize_t k;

        k = t->request->upload->read(t->request->upload->userdata, buffer, size * n);
        if (k < 0) {
                t->is_upload_broken = true;
                return CURL_READFUNC_ABORT;
        }
        t->n_sent += (uint64_t) k;
        return (size_t) k;
}

/* Without "Expect:" libcurl would wait for a second before it sends anything. */
static int transfer_prepare_upload(Transfer *t) {
        const CtlCurl *curl = t->http->curl;
        const char *const lines[] = { "Transfer-Encoding: chunked", "Expect:", t->request->upload->header };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                struct curl_slist *longer = curl->slist_append(t->headers, lines[i]);

                if (!longer)
                        return -ENOMEM;
                t->headers = longer;
        }
        curl->easy_setopt(t->http->handle, CURLOPT_POST, 1L);
        curl->easy_setopt(t->http->handle, CURLOPT_HTTPHEADER, t->headers);
        curl->easy_setopt(t->http->handle, CURLOPT_READFUNCTION, transfer_on_read);
        curl->easy_setopt(t->http->handle, CURLOPT_READDATA, t);
        curl->easy_setopt(t->http->handle, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
        return 0;
}

/* ---- how it failed */

static int fail_connect(Transfer *t, const CtlHost *host, Str *to) {
        long error = 0;
        char text[CTL_ERRNO_WORDS_MAX];

        t->http->curl->easy_getinfo(t->http->handle, CURLINFO_OS_ERRNO, &error);
        (void) str_appendf(to, "dial %s %s: connect: ", host->socket_path ? "unix" : "tcp", host->dial);
        return str_append(to, error ? ctl_errno_words((int) error, text) : t->text);
}

static int fail_tls(Transfer *t, Str *to) {
        if (strstr(t->text, "unexpected TLS packet"))
                return str_append(to, "http: server gave HTTP response to HTTPS client");
        return str_append(to, t->text);
}

/* In the words of Go's net/http where there are some. */
static int describe(Transfer *t, const CtlHost *host, CURLcode code, Str *to) {
        switch (code) {
        case CURLE_COULDNT_CONNECT:
                return fail_connect(t, host, to);
        case CURLE_COULDNT_RESOLVE_HOST:
                return str_appendf(to, "dial tcp: lookup %s: no such host", host->dial);
        case CURLE_OPERATION_TIMEDOUT:
                return str_append(to, "context deadline exceeded");
        case CURLE_ABORTED_BY_CALLBACK:
                if (t->is_upload_broken)
                        return str_append(to, t->request->upload->words(t->request->upload->userdata));
                return str_append(to, "context canceled");
        case CURLE_GOT_NOTHING:
                return str_append(to, "EOF");
        case CURLE_PARTIAL_FILE:
        case CURLE_RECV_ERROR:
                return str_append(to, "unexpected EOF");
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_WEIRD_SERVER_REPLY:
                return str_append(
                                to,
                                "net/http: HTTP/1.x transport connection broken: malformed HTTP response");
        case CURLE_SSL_CONNECT_ERROR:
                return fail_tls(t, to);
        case CURLE_PEER_FAILED_VERIFICATION:
                return str_appendf(to, "tls: failed to verify certificate: %s", t->text);
        default:
                return str_append(to, t->text[0] ? t->text : t->http->curl->easy_strerror(code));
        }
}

static const char *method_words(const char *method) {
        switch (method[0]) {
        case 'P':
                return "Post";
        case 'D':
                return "Delete";
        default:
                return "Get";
        }
}

static int transport_errno(const Transfer *t, CURLcode code) {
        uint64_t deadline = t->request->deadline_usec;

        if (code == CURLE_OPERATION_TIMEDOUT && deadline && time_monotonic() >= deadline)
                return -ETIME;
        if (t->is_upload_broken)
                return -EPIPE;
        return code == CURLE_ABORTED_BY_CALLBACK ? -ECANCELED : -EIO;
}

static int fail_transport(Transfer *t, const CtlHost *host, CURLcode code, CtlFailure *reterr) {
        const char *base = host->socket_path ? "http+unix://restapi" : host->url;
        _cleanup_(str_done) Str text = {};

        (void) str_appendf(
                        &text,
                        "%s \"%s%s\": ",
                        method_words(routes[t->request->call].method),
                        base,
                        t->target.data);
        if (describe(t, host, code, &text) < 0)
                return ctl_failure_set(reterr, -ENOMEM, 0, "out of memory");
        return ctl_failure_set(reterr, transport_errno(t, code), 0, "%s", text.data);
}

typedef struct ErrorBody {
        int64_t code;
        char *message;
} ErrorBody;

static const JsonField error_fields[] = {
        { "code", JSON_INT, offsetof(ErrorBody, code), JSON_REQUIRED },
        { "message", JSON_STRING, offsetof(ErrorBody, message), JSON_REQUIRED },
        JSON_END,
};

static const JsonShape error_shape = { "error", sizeof(ErrorBody), error_fields };

static int fail_status(Transfer *t, CtlFailure *reterr) {
        ErrorBody body = {};
        int r;

        r = json_read_text(&error_shape, t->answer.data ? t->answer.data : "", t->answer.len, &body, NULL);
        if (r >= 0) {
                unsigned code = body.code >= STATUS_IS_ERROR && body.code < 1000 ? body.code : t->status;

                (void) ctl_failure_set(reterr, 0, code, "%s", body.message);
                json_done(&error_shape, &body);
        } else if (t->answer.len > 0)
                (void) ctl_failure_set(reterr, 0, t->status, "%s", t->answer.data);
        else
                (void) ctl_failure_set(reterr, 0, t->status, "HTTP status %u", t->status);
        return -EREMOTEIO;
}

static int fail_answer(Transfer *t, int r, CtlFailure *reterr) {
        return ctl_failure_set_answer(reterr, r, t->status, &t->problem);
}

/* ---- one exchange */

static long transfer_timeout_msec(const Transfer *t) {
        uint64_t timeout = t->http->options.timeout_sec * 1000, now = time_monotonic(), left;

        if (!t->request->deadline_usec)
                return timeout;
        left = t->request->deadline_usec > now ? (t->request->deadline_usec - now) / USEC_PER_MSEC + 1 : 1;
        return timeout ? MIN(timeout, left) : left;
}

static int transfer_prepare_method(Transfer *t) {
        const CtlCurl *curl = t->http->curl;
        CURL *handle = t->http->handle;
        const char *method = routes[t->request->call].method;

        if (t->request->upload)
                return transfer_prepare_upload(t);
        if (strcmp(method, "POST") == 0) {
                curl->easy_setopt(handle, CURLOPT_POST, 1L);
                curl->easy_setopt(handle, CURLOPT_POSTFIELDS, t->body.data ? t->body.data : "");
                curl->easy_setopt(handle, CURLOPT_POSTFIELDSIZE, (long) t->body.len);
        } else if (strcmp(method, "GET") != 0)
                curl->easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method);
        return 0;
}

/* Whom to believe: as the Go program's library, what these two name in place of the system's authorities. */
static void transfer_prepare_tls(Transfer *t) {
        const CtlCurl *curl = t->http->curl;
        const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");

        if (!str_is_empty(file))
                curl->easy_setopt(t->http->handle, CURLOPT_CAINFO, file);
        if (!str_is_empty(folder))
                curl->easy_setopt(t->http->handle, CURLOPT_CAPATH, folder);
        if (t->http->options.skip_verify) {
                curl->easy_setopt(t->http->handle, CURLOPT_SSL_VERIFYPEER, 0L);
                curl->easy_setopt(t->http->handle, CURLOPT_SSL_VERIFYHOST, 0L);
        }
}

static int transfer_prepare(Transfer *t, const CtlHost *host) {
        const CtlCurl *curl = t->http->curl;
        CURL *handle = t->http->handle;

        curl->easy_reset(handle); /* connections stay */
        curl->easy_setopt(handle, CURLOPT_URL, t->url.data);
        curl->easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
        curl->easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, host->socket_path);
        curl->easy_setopt(handle, CURLOPT_PROXY, "");
        curl->easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
        curl->easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
        curl->easy_setopt(handle, CURLOPT_MAXREDIRS, 10L);
        curl->easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
        curl->easy_setopt(handle, CURLOPT_USERAGENT, "ipfs-cluster-ctl/" VERSION_API);
        curl->easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, (long) CTL_HTTP_CONNECT_TIMEOUT_SEC);
        curl->easy_setopt(handle, CURLOPT_TIMEOUT_MS, transfer_timeout_msec(t));
        curl->easy_setopt(handle, CURLOPT_ERRORBUFFER, t->text);
        curl->easy_setopt(handle, CURLOPT_WRITEFUNCTION, transfer_on_body);
        curl->easy_setopt(handle, CURLOPT_WRITEDATA, t);
        curl->easy_setopt(handle, CURLOPT_HEADERFUNCTION, transfer_on_header);
        curl->easy_setopt(handle, CURLOPT_HEADERDATA, t);
        transfer_prepare_tls(t);
        if (t->http->user) {
                curl->easy_setopt(handle, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
                curl->easy_setopt(handle, CURLOPT_USERNAME, t->http->user);
                curl->easy_setopt(handle, CURLOPT_PASSWORD, t->http->password);
        }
        if (t->request->cancel) {
                curl->easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
                curl->easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, transfer_on_progress);
                curl->easy_setopt(handle, CURLOPT_XFERINFODATA, t);
        }
        return transfer_prepare_method(t);
}

static int transfer_finish(Transfer *t, CtlFailure *reterr) {
        CtlCall call = t->request->call;
        int r = 0;

        if (t->status >= STATUS_IS_ERROR)
                return fail_status(t, reterr);
        if (t->stream_error.len > 0)
                return ctl_failure_set(reterr, -EREMOTEIO, 500, "%s", t->stream_error.data);
        if (ctl_call_form(call) == CTL_FORM_STREAM && !ctl_stream_is_whole(&t->stream))
                r = -EBADMSG;
        if (ctl_call_form(call) == CTL_FORM_ONE || ctl_call_form(call) == CTL_FORM_VALUE)
                r = ctl_call_deliver(
                                call,
                                t->answer.data ? t->answer.data : "",
                                t->answer.len,
                                t->on_item,
                                t->userdata,
                                &t->problem);
        return r < 0 ? fail_answer(t, r, reterr) : 0;
}

/* Ask one host. Answers 1 when it gave no response at all, so that another may be asked. */
static int transfer_run(Transfer *t, const CtlHost *host, CtlFailure *reterr) {
        CURLcode code;
        int r;

        str_reset(&t->url);
        (void) str_append(&t->url, host->url);
        r = str_append(&t->url, t->target.data);
        if (r < 0)
                return fail_answer(t, r, reterr);
        ctl_debug(t->http->options.debug, routes[t->request->call].method, t->url.data, t->url.len);

        t->text[0] = '\0';
        r = transfer_prepare(t, host);
        if (r < 0)
                return fail_answer(t, r, reterr);
        code = t->http->curl->easy_perform(t->http->handle);
        if (t->r < 0)
                return fail_answer(t, t->r, reterr);
        if (code != CURLE_OK) {
                r = fail_transport(t, host, code, reterr);
                /* What was sent of an upload is gone. */
                return t->status == 0 && r == -EIO && t->n_sent == 0 ? 1 : r;
        }
        return transfer_finish(t, reterr);
}

static int http_call(
                CtlBackend *backend,
                const CtlRequest *request,
                CtlItemFunc on_item,
                void *userdata,
                CtlFailure *reterr) {
        BackendHttp *http = CONTAINER_OF(backend, BackendHttp, backend);
        Transfer t = { .http = http, .request = request, .on_item = on_item, .userdata = userdata };
        int r;

        if (!routes[request->call].method)
                return ctl_failure_set(
                                reterr,
                                -ENOSYS,
                                0,
                                "HTTP does not tell what happens: ask the peer of this host, over the bus");
        r = write_target(request, &t.target);
        if (r >= 0)
                r = write_body(request, &t.body);
        if (r < 0)
                (void) fail_answer(&t, r, reterr);
        for (size_t i = 0; r >= 0 && i < http->options.hosts.n; i++) {
                r = transfer_run(&t, &http->options.hosts.items[i], reterr);
                if (r == 0)
                        break;
        }
        str_done(&t.target);
        str_done(&t.body);
        str_done(&t.url);
        str_done(&t.answer);
        str_done(&t.stream_error);
        http->curl->slist_free_all(t.headers);
        ctl_stream_done(&t.stream);
        if (r == 0)
                ctl_failure_done(reterr); /* of the hosts before the one that answered */
        return r > 0 ? -EIO : r;
}

static CtlBackend *http_free(CtlBackend *backend) {
        BackendHttp *http = CONTAINER_OF(backend, BackendHttp, backend);

        if (http->handle)
                http->curl->easy_cleanup(http->handle);
        ctl_hosts_done(&http->options.hosts);
        free(http->user);
        free(http->password);
        free(http);
        return NULL;
}

static const CtlBackendOps http_ops = { .call = http_call, .free = http_free };

static int http_set_credentials(BackendHttp *http, const char *text) {
        const char *colon;

        if (str_is_empty(text))
                return 0;
        colon = strchrnul(text, ':');
        http->user = strndup(text, colon - text);
        http->password = strdup(*colon ? colon + 1 : "");
        return http->user && http->password ? 0 : -ENOMEM;
}

int ctl_backend_http_new(CtlBackend **ret, CtlHttpOptions *options, Error *reterr) {
        BackendHttp *http = calloc(1, sizeof(*http));
        _cleanup_(ctl_backend_freep) CtlBackend *backend = http ? &http->backend : NULL;
        int r;

        if (!http) {
                ctl_hosts_done(&options->hosts);
                return -ENOMEM;
        }
        *http = (BackendHttp){ .backend.ops = &http_ops, .options = *options };
        options->hosts = (CtlHosts){};
        r = http_set_credentials(http, options->credentials);
        if (r < 0)
                return r;
        r = ctl_curl_load(&http->curl, reterr);
        if (r < 0)
                return r;
        http->handle = http->curl->easy_init();
        if (!http->handle)
                return -ENOMEM;
        *ret = TAKE_PTR(backend);
        return 0;
}
