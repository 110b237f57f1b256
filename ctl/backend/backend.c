#include "ctl/backend/backend.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/types/connect-graph.h"
#include "daemon/types/metric.h"
#include "daemon/types/peer-info.h"
#include "daemon/types/pin-info.h"
#include "daemon/types/repo-gc.h"

#define VALUE_HEAD "{\"" CTL_VALUE_KEY "\":"
#define VALUE_TAIL "}"

static const JsonField version_fields[] = {
        { "version", JSON_STRING, offsetof(CtlVersion, version), JSON_REQUIRED },
        JSON_END,
};

static const JsonShape version_shape = { "version", sizeof(CtlVersion), version_fields };

static const JsonField names_fields[] = {
        { CTL_VALUE_KEY, JSON_STRINGS, offsetof(CtlNames, names) },
        JSON_END,
};

static const JsonShape names_shape = { "names", sizeof(CtlNames), names_fields };

static const JsonField metrics_fields[] = {
        { CTL_VALUE_KEY, JSON_ARRAY, offsetof(CtlValues, items), .shape = &metric_shape },
        JSON_END,
};

static const JsonShape metrics_shape = { "metrics", sizeof(CtlValues), metrics_fields };

static const JsonField alerts_fields[] = {
        { CTL_VALUE_KEY, JSON_ARRAY, offsetof(CtlValues, items), .shape = &alert_shape },
        JSON_END,
};

static const JsonShape alerts_shape = { "alerts", sizeof(CtlValues), alerts_fields };

static const JsonField bandwidth_fields[] = {
        { "", JSON_KEY, offsetof(CtlBandwidth, protocol) },
        { "total_in", JSON_INT, offsetof(CtlBandwidth, total_in) },
        { "total_out", JSON_INT, offsetof(CtlBandwidth, total_out) },
        { "rate_in", JSON_DOUBLE, offsetof(CtlBandwidth, rate_in) },
        { "rate_out", JSON_DOUBLE, offsetof(CtlBandwidth, rate_out) },
        JSON_END,
};

static const JsonShape bandwidth_shape = { "bandwidth", sizeof(CtlBandwidth), bandwidth_fields };

static const JsonField bandwidths_fields[] = {
        { CTL_VALUE_KEY, JSON_OBJECTS, offsetof(CtlValues, items), .shape = &bandwidth_shape },
        JSON_END,
};

static const JsonShape bandwidths_shape = { "bandwidths", sizeof(CtlValues), bandwidths_fields };

static const JsonField event_fields[] = {
        { "time", JSON_TIME, offsetof(CtlEvent, time) },
        { "event", JSON_STRING, offsetof(CtlEvent, event), JSON_REQUIRED },
        { "cid", JSON_STRING, offsetof(CtlEvent, cid), JSON_OMIT_EMPTY },
        { "name", JSON_STRING, offsetof(CtlEvent, name), JSON_OMIT_EMPTY },
        { "status", JSON_STRING, offsetof(CtlEvent, status), JSON_OMIT_EMPTY },
        { "peer", JSON_STRING, offsetof(CtlEvent, peer), JSON_OMIT_EMPTY },
        { "error", JSON_STRING, offsetof(CtlEvent, error), JSON_OMIT_EMPTY },
        { "alert", JSON_RAW, offsetof(CtlEvent, alert), JSON_OMIT_EMPTY },
        JSON_END,
};

static const JsonShape event_shape = { "event", sizeof(CtlEvent), event_fields };

static const struct {
        CtlForm form;
        const JsonShape *shape;
} calls[_CTL_CALL_N] = {
        [CTL_CALL_ID] = { CTL_FORM_ONE, &peer_info_shape },
        [CTL_CALL_VERSION] = { CTL_FORM_ONE, &version_shape },
        [CTL_CALL_ADD] = { CTL_FORM_STREAM, &added_shape },
        [CTL_CALL_PEERS] = { CTL_FORM_STREAM, &peer_info_shape },
        [CTL_CALL_PEER_ADD] = { CTL_FORM_ONE, &peer_info_shape },
        [CTL_CALL_PEER_REMOVE] = { CTL_FORM_NONE, NULL },
        [CTL_CALL_PIN] = { CTL_FORM_ONE, &pin_shape },
        [CTL_CALL_UNPIN] = { CTL_FORM_ONE, &pin_shape },
        [CTL_CALL_ALLOCATION] = { CTL_FORM_ONE, &pin_shape },
        [CTL_CALL_ALLOCATIONS] = { CTL_FORM_STREAM, &pin_shape },
        [CTL_CALL_STATUS] = { CTL_FORM_ONE, &global_pin_info_shape },
        [CTL_CALL_STATUS_LIST] = { CTL_FORM_STREAM, &global_pin_info_shape },
        [CTL_CALL_SYNC] = { CTL_FORM_ONE, &global_pin_info_shape },
        [CTL_CALL_SYNC_ALL] = { CTL_FORM_STREAM, &global_pin_info_shape },
        [CTL_CALL_RECOVER] = { CTL_FORM_ONE, &global_pin_info_shape },
        [CTL_CALL_RECOVER_ALL] = { CTL_FORM_STREAM, &global_pin_info_shape },
        [CTL_CALL_GC] = { CTL_FORM_ONE, &global_repo_gc_shape },
        [CTL_CALL_GRAPH] = { CTL_FORM_ONE, &connect_graph_shape },
        [CTL_CALL_ALERTS] = { CTL_FORM_VALUE, &alerts_shape },
        [CTL_CALL_BANDWIDTH] = { CTL_FORM_VALUE, &bandwidths_shape },
        [CTL_CALL_METRIC_NAMES] = { CTL_FORM_VALUE, &names_shape },
        [CTL_CALL_METRICS] = { CTL_FORM_VALUE, &metrics_shape },
        [CTL_CALL_EVENTS] = { CTL_FORM_STREAM, &event_shape },
};

const JsonShape *ctl_call_shape(CtlCall call) {
        return calls[call].shape;
}

CtlForm ctl_call_form(CtlCall call) {
        return calls[call].form;
}

int ctl_call_write(CtlCall call, const void *item, Str *to) {
        _cleanup_(str_done) Str text = {};
        int r;

        if (calls[call].form != CTL_FORM_VALUE)
                return json_write(calls[call].shape, item, to);

        r = json_write(calls[call].shape, item, &text);
        if (r < 0)
                return r;
        return str_append_bytes(
                        to,
                        text.data + strlen(VALUE_HEAD),
                        text.len - strlen(VALUE_HEAD) - strlen(VALUE_TAIL));
}

static int call_read(CtlCall call, const char *text, size_t n, void *item, JsonProblem *reterr) {
        _cleanup_(str_done) Str wrapped = {};

        if (calls[call].form != CTL_FORM_VALUE)
                return json_read_text(calls[call].shape, text, n, item, reterr);

        /* A codec that starts at an object reads any value as the one member of an object. */
        (void) str_append(&wrapped, VALUE_HEAD);
        (void) str_append_bytes(&wrapped, text, n);
        if (str_append(&wrapped, VALUE_TAIL) < 0)
                return -ENOMEM;
        return json_read_text(calls[call].shape, wrapped.data, wrapped.len, item, reterr);
}

int ctl_call_deliver(
                CtlCall call,
                const char *text,
                size_t n,
                CtlItemFunc on_item,
                void *userdata,
                JsonProblem *reterr) {
        const JsonShape *shape = calls[call].shape;
        _cleanup_free_ void *item = calloc(1, shape->size);
        int r;

        if (!item)
                return -ENOMEM;
        r = call_read(call, text, n, item, reterr);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return -EBADMSG;
        r = on_item(item, userdata);
        json_done(shape, item);
        return r;
}

int ctl_failure_set(CtlFailure *failure, int r, unsigned code, const char *format, ...) {
        va_list ap;

        ctl_failure_done(failure);
        failure->code = code;
        va_start(ap, format);
        if (vasprintf(&failure->message, format, ap) < 0)
                failure->message = NULL;
        va_end(ap);
        return r;
}

int ctl_failure_set_answer(CtlFailure *failure, int r, unsigned code, const JsonProblem *problem) {
        char text[CTL_ERRNO_WORDS_MAX];

        if (r == -E2BIG)
                return ctl_failure_set(failure, r, code, "the answer is larger than this program takes");
        if (r == -ENOMEM)
                return ctl_failure_set(failure, r, 0, "out of memory");
        if (problem->field[0])
                return ctl_failure_set(
                                failure,
                                r,
                                code,
                                "cannot read the answer: %s is %s, expected %s",
                                problem->field,
                                problem->value[0] ? problem->value : "absent",
                                problem->expected);
        if (r == -EBADMSG)
                return ctl_failure_set(failure, r, code, "cannot read the answer: not the JSON expected");
        return ctl_failure_set(failure, r, 0, "%s", ctl_errno_words(-r, text));
}

void ctl_failure_done(CtlFailure *failure) {
        free(failure->message);
        *failure = (CtlFailure){};
}

const char *ctl_errno_words(int error, char text[static CTL_ERRNO_WORDS_MAX]) {
        const char *words = strerror_r(error, text, CTL_ERRNO_WORDS_MAX);

        if (words != text)
                (void) snprintf(text, CTL_ERRNO_WORDS_MAX, "%s", words);
        text[0] = (char) tolower((unsigned char) text[0]);
        return text;
}

void ctl_debug(FILE *to, const char *word, const char *text, size_t n) {
        struct timespec now;
        char stamp[32];
        struct tm tm;

        if (!to)
                return;
        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &tm);
        strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
        fprintf(to,
                "%s.%03ldZ\tDEBUG\tapiclient\t%s: %.*s\n",
                stamp,
                now.tv_nsec / 1000000,
                word,
                (int) MIN(n, INT32_MAX),
                text);
}
