#include "daemon/ipfs/call.h"

#include <json-c/json.h>
#include <string.h>

#include "daemon/base/json.h"
#include "daemon/base/time.h"
#include "daemon/ipfs/node.h"

typedef struct KuboError {
        char *message;
} KuboError;

static const JsonShape kubo_error_shape = {
        .name = "error",
        .size = sizeof(KuboError),
        .fields =
                        (const JsonField[]){
                                        { "Message",
                                          JSON_STRING,
                                          offsetof(KuboError, message),
                                          JSON_REQUIRED },
                                        JSON_END,
                        },
};

static int call_on_run(sd_event_source *source, void *userdata);

int ipfs_call_new(
                IpfsCall **ret,
                Ipfs *ipfs,
                const IpfsCallClass *class,
                uint64_t timeout_usec,
                void *userdata) {
        IpfsCall *call;
        int r;

        call = calloc(1, sizeof(IpfsCall));
        if (!call)
                return -ENOMEM;

        *call = (IpfsCall){
                .ipfs = ipfs,
                .class = class,
                .client = class->is_work ? ipfs->work : ipfs->client,
                .timeout_usec = timeout_usec,
                .userdata = userdata,
        };
        list_append(&ipfs->calls, &call->link);

        r = sd_event_add_defer(ipfs->event, &call->run, call_on_run, call);
        if (r >= 0)
                r = sd_event_source_set_enabled(call->run, SD_EVENT_OFF);
        if (r < 0) {
                ipfs_call_unref(call);
                return r;
        }

        *ret = call;
        return 0;
}

IpfsCall *ipfs_call_unref(IpfsCall *call) {
        if (!call)
                return NULL;

        if (call->gone)
                *call->gone = true;
        list_remove(&call->link);
        http_call_unref(call->http);
        sd_event_source_disable_unref(call->run);
        sd_event_source_disable_unref(call->stall);
        free(call->arguments);
        free(call->text);
        free(call->content_type);
        str_done(&call->buffer);
        error_done(&call->error);
        ipfs_id_done(&call->id);
        peer_id_list_done(&call->peers);
        free(call);
        return NULL;
}

bool ipfs_call_is_down(const IpfsCall *call) {
        return call->is_down;
}

static void call_run_later(IpfsCall *call) {
        (void) sd_event_source_set_enabled(call->run, SD_EVENT_ONESHOT);
}

void ipfs_call_fail(IpfsCall *call, int r) {
        call->http = http_call_unref(call->http);
        call->paused = false;
        call->http_ended = true;
        call->http_result = r;
        str_reset(&call->buffer);
        call->at = 0;
        call_run_later(call);
}

void ipfs_call_resume_upload(IpfsCall *call) {
        if (call->http && !call->http_ended)
                http_call_resume(call->http);
}

void ipfs_call_resume(IpfsCall *call) {
        if (!call->paused)
                return;
        call->paused = false;
        call_run_later(call);
}

/* Kubo's words in the form of the Go program: "IPFS error (<request>). Code: <status>. Message: <words>". */
static int call_set_refusal(IpfsCall *call, const char *message) {
        if (call->class->has_plain_words)
                return error_set(&call->error, ERROR_IPFS, "%s", message);
        return error_set(
                        &call->error,
                        ERROR_IPFS,
                        "IPFS error (%s%s%s). Code: %u. Message: %s",
                        call->class->command,
                        str_is_empty(call->arguments) ? "" : "?",
                        str_is_empty(call->arguments) ? "" : call->arguments,
                        call->status,
                        message);
}

static int call_refused(IpfsCall *call, const char *message) {
        if (call->class->on_refusal && call->class->on_refusal(call, message) == 0)
                return 0;
        return call_set_refusal(call, message);
}

static int call_bad_answer(IpfsCall *call, const char *what) {
        if (call->error.code != ERROR_NONE) /* a stream that was cut, too: the first fault is told */
                return -error_errno(call->error.code);
        return error_set(
                        &call->error,
                        ERROR_IPFS,
                        "IPFS gave an answer to %s that cannot be used: %s",
                        call->class->command,
                        what);
}

/* One JSON object of the answer. Answers 1 when the call was paused by it. CALL may be gone after. */
static int call_take_object(IpfsCall *call, const char *text, size_t n) {
        _cleanup_(json_object_putp) json_object *object = NULL;
        int r;

        r = json_parse(text, n, &object, NULL);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !json_object_is_type(object, json_type_object))
                return call_bad_answer(call, "it is no JSON object");

        r = call->class->on_object(call, object);
        if (r < 0 && r != -ENOMEM)
                return call_bad_answer(call, "a field is missing or has the wrong type");
        if (r < 0 || !call->class->on_item)
                return r;
        return call->class->on_item(call);
}

/* Whoever takes the items does not want more of them. */
static int call_stopped(IpfsCall *call, int r) {
        if (r == -ENOMEM || call->error.code != ERROR_NONE)
                return r;
        return error_set_errno(&call->error, r, "the answer to %s was not taken: %m", call->class->command);
}

/* Hand on the whole lines that are buffered. Answers 1 when paused, 0 when more is needed. CALL may be gone
 * after. */
static int call_split_lines(IpfsCall *call, bool *gone) {
        while (!call->paused) {
                const char *line = call->buffer.data + call->at, *end;
                int r;

                end = call->buffer.len > call->at ? memchr(line, '\n', call->buffer.len - call->at) : NULL;
                if (!end)
                        break;
                call->at += (size_t) (end - line) + 1;
                if (end == line)
                        continue;

                r = call_take_object(call, line, (size_t) (end - line));
                if (*gone)
                        return 0;
                if (r < 0)
                        return call_stopped(call, r);
                if (r > 0)
                        call->paused = true;
        }
        return call->paused;
}

static void call_compact(IpfsCall *call) {
        size_t rest = call->buffer.len - call->at;

        if (call->at == 0)
                return;
        if (rest > 0)
                memmove(call->buffer.data, call->buffer.data + call->at, rest);
        call->buffer.len = rest;
        call->at = 0;
}

static bool call_streams(const IpfsCall *call) {
        return call->class->is_stream && call->status == 200;
}

static void call_on_head(HttpCall *http _unused_, unsigned status, void *userdata) {
        IpfsCall *call = userdata;

        call->status = status;
}

static ssize_t call_on_data(HttpCall *http _unused_, const void *data, size_t n, void *userdata) {
        IpfsCall *call = userdata;
        bool gone = false;
        size_t max;
        int r;

        if (call->paused)
                return HTTP_PAUSE;

        r = str_append_bytes(&call->buffer, data, n);
        if (r >= 0 && call_streams(call)) {
                call->gone = &gone;
                r = call_split_lines(call, &gone);
                if (gone)
                        return (ssize_t) n;
                call->gone = NULL;
                if (r >= 0)
                        call_compact(call);
        }

        max = call_streams(call) ? IPFS_LINE_MAX : IPFS_ANSWER_MAX;
        if (r == 0 && call->buffer.len > max)
                r = call_bad_answer(call, "it is too long");
        if (r < 0) {
                ipfs_call_fail(call, r);
                return 0;
        }
        return (ssize_t) n;
}

/* No connection, or one that broke before an answer. A Kubo that takes longer than the call may last is
 * there; only "id" it has to answer at once. */
static bool call_is_lost(const IpfsCall *call, int r) {
        uint64_t limit = MIN(call->timeout_usec, call->stall_usec > 0 ? call->stall_usec : UINT64_MAX);

        if (call->status > 0)
                return false;
        return r != -ETIMEDOUT || time_monotonic() - call->started < limit ||
               strcmp(call->class->command, "id") == 0;
}

static void call_on_done(HttpCall *http, int r, const Error *error, void *userdata) {
        IpfsCall *call = userdata;

        call->http_ended = true;
        call->http_result = r;
        if (r < 0) {
                const char *trailer = http_call_trailer(http, "X-Stream-Error");

                call->is_down = call_is_lost(call, r);
                /* An upload that Kubo did not want to the end. */
                if (call->error.code == ERROR_NONE && !str_is_empty(trailer))
                        (void) call_set_refusal(call, trailer);
                if (call->error.code == ERROR_NONE)
                        (void) error_set(
                                        &call->error,
                                        r == -ETIMEDOUT ? ERROR_TIMEOUT : ERROR_IPFS,
                                        "IPFS request failed (%s): %s",
                                        call->class->command,
                                        error_message(error));
        }
        if (!call->paused)
                call_run_later(call);
}

static ssize_t call_read(HttpCall *http _unused_, void *buffer, size_t max, void *userdata) {
        IpfsCall *call = userdata;

        return call->read(call, buffer, max, call->userdata);
}

static const HttpCallHandler call_handler = {
        .on_head = call_on_head,
        .on_data = call_on_data,
        .on_done = call_on_done,
};

int ipfs_call_request(IpfsCall *call, char *arguments) {
        Ipfs *ipfs = call->ipfs;
        _cleanup_(str_done) Str url = {};
        const char *headers[3] = {};
        size_t n = 0;
        int r;

        free(call->arguments);
        call->arguments = arguments;
        call->http = http_call_unref(call->http);
        call->http_ended = false;
        call->status = 0;
        call->started = time_monotonic();
        str_reset(&call->buffer);
        call->at = 0;
        if (!arguments)
                return -ENOMEM;

        (void) str_append(&url, ipfs->url);
        (void) str_append(&url, call->class->command);
        if (*arguments)
                (void) str_appendf(&url, "?%s", arguments);
        r = str_error(&url);
        if (r < 0)
                return r;

        if (ipfs->header)
                headers[n++] = ipfs->header;
        if (call->content_type)
                headers[n++] = call->content_type;

        return http_client_call(
                        call->client,
                        &call->http,
                        &(HttpCallOptions){
                                        .method = "POST",
                                        .url = url.data,
                                        .unix_path = ipfs->unix_path,
                                        .headers = headers,
                                        .userpwd = ipfs->userpwd,
                                        .timeout_usec = call->timeout_usec,
                                        .stall_usec = call->stall_usec,
                                        .read_body = call->read ? call_read : NULL,
                        },
                        &call_handler,
                        call);
}

int ipfs_call_start(IpfsCall *call, char *arguments, IpfsCall **ret) {
        int r = ipfs_call_request(call, arguments);

        if (r < 0) {
                ipfs_call_unref(call);
                return r;
        }
        *ret = call;
        return 0;
}

/* A status other than 200: Kubo's own error object, or any text (403 of API.Authorizations, a proxy's page).
 */
static int call_read_refusal(IpfsCall *call) {
        KuboError error = {};
        int r;

        r = json_read_text(&kubo_error_shape, call->buffer.data, call->buffer.len, &error, NULL);
        if (r == -ENOMEM)
                return r;
        if (r >= 0) {
                r = call_refused(call, error.message);
                json_done(&kubo_error_shape, &error);
                return r;
        }

        while (call->buffer.len > 0 && strchr("\r\n ", call->buffer.data[call->buffer.len - 1]))
                call->buffer.data[--call->buffer.len] = 0;
        return error_set(
                        &call->error,
                        ERROR_IPFS,
                        "IPFS request failed (is it running?) (%s). Code %u: %.*s",
                        call->class->command,
                        call->status,
                        (int) MIN(call->buffer.len, (size_t) 512),
                        call->buffer.len > 0 ? call->buffer.data : "");
}

/* The request has ended and everything buffered was handed on: was it whole and good? */
static int call_judge(IpfsCall *call) {
        const char *trailer;

        if (call->http_result < 0)
                return call->http_result;
        if (call->status != 200)
                return call_read_refusal(call);

        trailer = http_call_trailer(call->http, "X-Stream-Error");
        if (!str_is_empty(trailer))
                return call_refused(call, trailer);
        if (!call->class->is_stream)
                return call_take_object(call, call->buffer.data ? call->buffer.data : "", call->buffer.len);
        if (call->buffer.len > call->at)
                return call_bad_answer(call, "its last line is cut off");
        return 0;
}

/* A proxy's word for a Kubo that it does not reach. */
static bool call_is_from_gateway(const IpfsCall *call) {
        return call->status == 502 || call->status == 503 || call->status == 504;
}

static void call_note_contact(IpfsCall *call, int r) {
        if (call_is_from_gateway(call) ||
            (r < 0 && (call->ipfs->is_changing || call->started <= call->ipfs->changed_usec)))
                call->is_down = true;
        if (call->is_down)
                ipfs_node_lost(call->ipfs, &call->error);
        else if (call->status > 0)
                ipfs_node_heard(call->ipfs);
}

static void call_finish(IpfsCall *call) {
        bool gone = false;
        int r;

        call->gone = &gone;
        r = call->http ? call_judge(call) : call->http_result;
        ipfs_counters_add(
                        &call->ipfs->counters,
                        call->class->command,
                        time_monotonic() - call->started,
                        r < 0);
        call_note_contact(call, r);
        if (gone)
                return;
        call->gone = NULL;

        if (r >= 0 && call->class->on_end) {
                r = call->class->on_end(call);
                if (r > 0)
                        return;
        }
        if (r < 0 && call->error.code == ERROR_NONE)
                (void) error_set_errno(
                                &call->error, r, "IPFS request failed (%s): %m", call->class->command);
        call->class->finish(call, MIN(r, 0));
}

static int call_on_run(sd_event_source *source _unused_, void *userdata) {
        IpfsCall *call = userdata;
        bool gone = false;
        int r = 0;

        if (call->http && call_streams(call)) {
                call->gone = &gone;
                r = call_split_lines(call, &gone);
                if (gone)
                        return 0;
                call->gone = NULL;
                call_compact(call);
        }
        if (r < 0) {
                ipfs_call_fail(call, r);
                return 0;
        }
        if (call->paused)
                return 0;
        if (call->http_ended)
                call_finish(call);
        else if (call->http)
                http_call_resume(call->http);
        return 0;
}
