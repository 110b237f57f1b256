#include "daemon/net/http-call.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HTTP_CALL_CONNECT_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define HTTP_CALL_UPLOAD_BUFFER 16384L /* libcurl's least; its default is four times that */
/* libcurl reads up to a hundred of them in one go: that is how long the loop waits for an answer that comes
 * as fast as it can be read, such as the list of a million pins. */
#define HTTP_CALL_BUFFER 2048L
#define HTTP_CALL_HEAD_MAX (8 * HTTP_CALL_HEADER_MAX) /* all header and trailer lines of one answer */

/* For a function that answers an errno. Setting an option fails for want of memory alone: the values that
 * could be wrong were looked at before. */
#define SET(call, option, value)                                                                            \
        ({                                                                                                  \
                if (curl_easy_setopt((call)->easy, option, value) != CURLE_OK)                              \
                        return -ENOMEM;                                                                     \
        })

/* ---- what libcurl calls; the call may be orphaned by any of its owner's callbacks, but it stays in memory
 */

static size_t on_data(char *data, size_t size _unused_, size_t n, void *userdata) {
        HttpCall *call = userdata;
        ssize_t taken;

        if (call->state != HTTP_CALL_RUNNING)
                return 0;
        if (!call->handler.on_data || n == 0)
                return n;

        taken = call->handler.on_data(call, data, n, call->userdata);
        if (taken == HTTP_PAUSE) {
                call->is_paused = true;
                return CURL_WRITEFUNC_PAUSE;
        }

        return taken < 0 ? 0 : (size_t) taken;
}

static void finish_head(HttpCall *call) {
        long status = 0;

        (void) curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        if (status / 100 == 1) /* the real head follows */
                return;

        call->status = (unsigned) status;
        if (call->handler.on_head)
                call->handler.on_head(call, call->status, call->userdata);
}

/* Once for each line of a head, the empty one included, and for each trailer. libcurl keeps the fields. */
static size_t on_header(char *line, size_t size _unused_, size_t n, void *userdata) {
        HttpCall *call = userdata;

        if (call->state != HTTP_CALL_RUNNING)
                return 0;

        call->header_bytes += n;
        if (n > HTTP_CALL_HEADER_MAX)
                call->refused = "a header line is too long";
        else if (call->header_bytes > HTTP_CALL_HEAD_MAX)
                call->refused = "too many header lines";
        if (call->refused)
                return 0;

        if (call->status == 0 && (line[0] == '\r' || line[0] == '\n'))
                finish_head(call);
        return n;
}

static size_t on_read(char *buffer, size_t size, size_t n, void *userdata) {
        HttpCall *call = userdata;
        ssize_t r;

        if (call->state != HTTP_CALL_RUNNING || call->is_cut)
                return CURL_READFUNC_ABORT;

        r = call->read_body(call, buffer, size * n, call->userdata);
        if (r == HTTP_PAUSE) {
                call->is_paused = true;
                http_client_watch_end(call);
                return CURL_READFUNC_PAUSE;
        }

        return r < 0 ? CURL_READFUNC_ABORT : (size_t) r;
}

/* ---- set-up */

static long to_msec(uint64_t usec) {
        return (long) MIN(MAX(usec / USEC_PER_MSEC, UINT64_C(1)), (uint64_t) INT_MAX);
}

static int set_callbacks(HttpCall *call) {
        SET(call, CURLOPT_PRIVATE, call);
        SET(call, CURLOPT_ERRORBUFFER, call->words);
        SET(call, CURLOPT_WRITEFUNCTION, on_data);
        SET(call, CURLOPT_WRITEDATA, call);
        SET(call, CURLOPT_HEADERFUNCTION, on_header);
        SET(call, CURLOPT_HEADERDATA, call);
        return 0;
}

/* PROXY: the environment of a daemon must not send its calls elsewhere. */
static int set_transport(HttpCall *call, const HttpCallOptions *options) {
        SET(call, CURLOPT_NOSIGNAL, 1L);
        SET(call, CURLOPT_BUFFERSIZE, HTTP_CALL_BUFFER);
        SET(call, CURLOPT_PROTOCOLS_STR, "http,https");
        SET(call, CURLOPT_PROXY, "");
        SET(call, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
        SET(call, CURLOPT_TCP_KEEPALIVE, 1L);
        SET(call,
            CURLOPT_CONNECTTIMEOUT_MS,
            to_msec(options->connect_timeout_usec ?: HTTP_CALL_CONNECT_TIMEOUT_USEC));
        if (options->timeout_usec > 0 && options->timeout_usec != UINT64_MAX)
                SET(call, CURLOPT_TIMEOUT_MS, to_msec(options->timeout_usec));
        if (options->unix_path)
                SET(call, CURLOPT_UNIX_SOCKET_PATH, options->unix_path);
        if (options->no_verify) {
                SET(call, CURLOPT_SSL_VERIFYPEER, 0L);
                SET(call, CURLOPT_SSL_VERIFYHOST, 0L);
        }
        return 0;
}

static bool has_header(const HttpCallOptions *options, const char *name) {
        size_t n = strlen(name);

        for (const char *const *h = options->headers; h && *h; h++)
                if (strncasecmp(*h, name, n) == 0 && (*h)[n] == ':')
                        return true;
        return false;
}

static int add_header(HttpCall *call, const char *line) {
        struct curl_slist *longer = curl_slist_append(call->headers, line);

        if (!longer)
                return -ENOMEM;

        call->headers = longer;
        return 0;
}

/* "Name:" keeps libcurl from adding its own: a form's Content-Type, and an Expect that would cost a round
 * trip. */
static int set_headers(HttpCall *call, const HttpCallOptions *options) {
        int r;

        for (const char *const *h = options->headers; h && *h; h++) {
                r = strpbrk(*h, "\r\n") ? -EINVAL : add_header(call, *h);
                if (r < 0)
                        return r;
        }

        if (!has_header(options, "Expect")) {
                r = add_header(call, "Expect:");
                if (r < 0)
                        return r;
        }

        if (!has_header(options, "Content-Type")) {
                r = add_header(call, "Content-Type:");
                if (r < 0)
                        return r;
        }

        SET(call, CURLOPT_HTTPHEADER, call->headers);
        if (options->userpwd)
                SET(call, CURLOPT_USERPWD, options->userpwd);
        return 0;
}

/* A connection that was idle may turn out to be closed when it is used again; libcurl then sends the request
 * anew, which it cannot do with a body that is produced while it is sent: that one gets a fresh connection.
 */
static int set_streamed_body(HttpCall *call, const HttpCallOptions *options) {
        call->read_body = options->read_body;
        SET(call, CURLOPT_UPLOAD, 1L);
        SET(call, CURLOPT_UPLOAD_BUFFERSIZE, HTTP_CALL_UPLOAD_BUFFER);
        SET(call, CURLOPT_READFUNCTION, on_read);
        SET(call, CURLOPT_READDATA, call);
        SET(call, CURLOPT_FRESH_CONNECT, 1L);
        SET(call, CURLOPT_CUSTOMREQUEST, options->method);
        return 0;
}

static int set_method(HttpCall *call, const HttpCallOptions *options) {
        bool has_body = options->body || strcmp(options->method, "POST") == 0;

        if (options->read_body)
                return set_streamed_body(call, options);

        if (has_body) {
                SET(call,
                    CURLOPT_POSTFIELDSIZE_LARGE,
                    (curl_off_t) (options->body ? options->body_size : 0));
                SET(call, CURLOPT_COPYPOSTFIELDS, options->body ?: "");
                SET(call, CURLOPT_UPLOAD_BUFFERSIZE, HTTP_CALL_UPLOAD_BUFFER);
        }

        if (strcmp(options->method, "HEAD") == 0)
                SET(call, CURLOPT_NOBODY, 1L);
        else
                SET(call, CURLOPT_CUSTOMREQUEST, options->method);
        return 0;
}

static void curl_urlp(CURLU **url) {
        curl_url_cleanup(*url);
}

static void curl_textp(char **text) {
        curl_free(*text);
}

static int set_peer(HttpCall *call, CURLU *url, const char *unix_path) {
        _cleanup_(curl_textp) char *host = NULL, *port = NULL;

        if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
            curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
                return -EINVAL;

        if (unix_path)
                call->peer = strdup(unix_path);
        else if (asprintf(&call->peer, "%s:%s", host, port) < 0)
                call->peer = NULL;
        return call->peer ? 0 : -ENOMEM;
}

static int set_url(HttpCall *call, const HttpCallOptions *options) {
        _cleanup_(curl_urlp) CURLU *url = curl_url();
        int r;

        if (!url)
                return -ENOMEM;
        if (strncasecmp(options->url, "http://", 7) != 0 && strncasecmp(options->url, "https://", 8) != 0)
                return -EINVAL;
        if (curl_url_set(url, CURLUPART_URL, options->url, CURLU_PATH_AS_IS) != CURLUE_OK)
                return -EINVAL;

        r = set_peer(call, url, options->unix_path);
        if (r < 0)
                return r;

        SET(call, CURLOPT_PATH_AS_IS, 1L);
        SET(call, CURLOPT_URL, options->url);
        return 0;
}

static bool is_token(const char *text) {
        size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

        return n > 0 && !text[n];
}

int http_call_init(HttpCall *call, const HttpCallOptions *options) {
        int r;

        if (!is_token(options->method))
                return -EINVAL;

        r = set_url(call, options);
        if (r < 0)
                return r;

        r = set_callbacks(call);
        if (r < 0)
                return r;

        r = set_transport(call, options);
        if (r < 0)
                return r;

        r = set_headers(call, options);
        if (r < 0)
                return r;

        call->stall_usec = options->stall_usec ?: UINT64_MAX;
        return set_method(call, options);
}

void http_call_deinit(HttpCall *call) {
        sd_event_source_disable_unref(call->end);
        if (call->easy)
                curl_easy_reset(call->easy);
        curl_slist_free_all(call->headers);
        free(call->peer);
}

/* ---- what is asked of a call */

unsigned http_call_status(const HttpCall *call) {
        return call->status;
}

/* libcurl leaves the line break of a field that has no value. */
static const char *find_field(const HttpCall *call, const char *name, unsigned origin) {
        struct curl_header *field;

        if (curl_easy_header(call->easy, name, 0, origin, -1, &field) != CURLHE_OK)
                return NULL;

        return field->value[0] == '\r' || field->value[0] == '\n' ? "" : field->value;
}

const char *http_call_header(const HttpCall *call, const char *name) {
        return find_field(call, name, CURLH_HEADER);
}

const char *http_call_trailer(const HttpCall *call, const char *name) {
        return find_field(call, name, CURLH_TRAILER);
}

uint64_t http_call_bytes(const HttpCall *call) {
        curl_off_t down = 0, up = 0;
        long head = 0, request = 0;

        (void) curl_easy_getinfo(call->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
        (void) curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &up);
        (void) curl_easy_getinfo(call->easy, CURLINFO_HEADER_SIZE, &head);
        (void) curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &request);
        return (uint64_t) down + (uint64_t) up + (uint64_t) head + (uint64_t) request;
}

/* ---- how it ended */

static const struct {
        CURLcode code;
        int error;
} curl_errors[] = {
        { CURLE_UNSUPPORTED_PROTOCOL, EPROTO }, /* also: an answer that is no HTTP/1 */
        { CURLE_COULDNT_RESOLVE_HOST, EHOSTUNREACH },
        { CURLE_WEIRD_SERVER_REPLY, EPROTO },
        { CURLE_PARTIAL_FILE, EPIPE },
        { CURLE_WRITE_ERROR, ECANCELED },
        { CURLE_OUT_OF_MEMORY, ENOMEM },
        { CURLE_OPERATION_TIMEDOUT, ETIMEDOUT },
        { CURLE_SSL_CONNECT_ERROR, EPROTO },
        { CURLE_ABORTED_BY_CALLBACK, ECANCELED },
        { CURLE_GOT_NOTHING, EPIPE },
        { CURLE_SEND_ERROR, EPIPE },
        { CURLE_RECV_ERROR, EPIPE },
        { CURLE_PEER_FAILED_VERIFICATION, EPROTO },
        { CURLE_SEND_FAIL_REWIND, EPIPE },
};

static int code_to_errno(CURLcode code) {
        for (size_t i = 0; i < ELEMENTSOF(curl_errors); i++)
                if (curl_errors[i].code == code)
                        return curl_errors[i].error;
        return EPROTO;
}

/* The kernel's reason goes into the words; to the caller a socket file that is not there (ENOENT) or not
 * ours (EACCES) is the same as a refusal. */
static int connect_result(const HttpCall *call, Error *reterr) {
        long error = 0;
        int r;

        (void) curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &error);
        switch (error) {
        case ETIMEDOUT:
        case EHOSTUNREACH:
        case ENETUNREACH:
                r = (int) -error;
                break;
        default:
                r = -ECONNREFUSED;
        }

        return error_set_errno(
                        reterr, r, "connect to %s: %s", call->peer, strerror(error > 0 ? (int) error : -r));
}

static bool is_connected(const HttpCall *call) {
        curl_off_t usec = 0;

        (void) curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &usec);
        return usec > 0;
}

int http_call_result(const HttpCall *call, CURLcode code, Error *reterr) {
        if (call->failure < 0)
                return error_set_errno(
                                reterr, call->failure, "%s: no byte came or went in time", call->peer);
        if (call->is_cut && code == CURLE_ABORTED_BY_CALLBACK)
                return error_set_errno(reterr, -EPIPE, "%s: closed before all was sent", call->peer);
        if (call->refused)
                return error_set_errno(reterr, -EPROTO, "%s: %s", call->peer, call->refused);

        switch (code) {
        case CURLE_OK: /* libcurl's opinion also when it was closed within the head */
                return call->status > 0 ? 0
                                        : error_set_errno(reterr,
                                                          -EPIPE,
                                                          "%s: closed within the head",
                                                          call->peer);
        case CURLE_COULDNT_CONNECT:
                return connect_result(call, reterr);
        case CURLE_OPERATION_TIMEDOUT:
                if (!is_connected(call))
                        return error_set_errno(reterr, -ETIMEDOUT, "connect to %s: %m", call->peer);
                return error_set_errno(reterr, -ETIMEDOUT, "%s: no whole answer in time", call->peer);
        case CURLE_WRITE_ERROR:
        case CURLE_ABORTED_BY_CALLBACK:
                return error_set_errno(reterr, -ECANCELED, "%s: given up", call->peer);
        default:
                return error_set_errno(
                                reterr,
                                -code_to_errno(code),
                                "%s: %s",
                                call->peer,
                                call->words[0] ? call->words : curl_easy_strerror(code));
        }
}
