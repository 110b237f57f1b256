/* Lists: JSON lines out of a pipe, of which the last says how many they were, or what went wrong. */

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/backend/bus-call.h"
#include "ctl/backend/stream.h"
#include "daemon/base/time.h"

#define READ_SIZE (64 * 1024)
#define END_HEAD "{\"end\":"
#define ERROR_HEAD "{\"error\":{"

/* ---- the last line */

typedef struct PipeError {
        int64_t code;
        char *message;
} PipeError;

typedef struct PipeEnd {
        PipeError error;
} PipeEnd;

static const JsonField error_fields[] = {
        { "code", JSON_INT, offsetof(PipeError, code), JSON_REQUIRED },
        { "message", JSON_STRING, offsetof(PipeError, message), JSON_REQUIRED },
        JSON_END,
};

static const JsonShape error_shape = { "error", sizeof(PipeError), error_fields };

static const JsonField end_fields[] = {
        { "error", JSON_OBJECT, offsetof(PipeEnd, error), JSON_REQUIRED, .shape = &error_shape },
        JSON_END,
};

static const JsonShape end_shape = { "end", sizeof(PipeEnd), end_fields };

static bool begins_with(const char *text, size_t n, const char *head) {
        return n >= strlen(head) && memcmp(text, head, strlen(head)) == 0;
}

static int fail_cut(CtlBusCall *call) {
        return ctl_bus_fail_words(call, "unexpected EOF");
}

static int take_end(CtlBusCall *call, const char *text) {
        uint64_t n = strtoull(text + strlen(END_HEAD), NULL, 10);

        return n == call->n_items ? 1 : fail_cut(call);
}

static int take_error(CtlBusCall *call, const char *text, size_t n) {
        JsonProblem problem = {};
        PipeEnd end = {};
        int r;

        r = json_read_text(&end_shape, text, n, &end, &problem);
        if (r < 0)
                return ctl_bus_fail_answer(call, r == -ENOMEM ? r : -EBADMSG, &problem);
        r = ctl_bus_fail_code(call, (unsigned) end.error.code, end.error.message);
        json_done(&end_shape, &end);
        return r;
}

/* ---- lines */

static int deliver(void *item, void *userdata) {
        return ctl_bus_deliver(userdata, item);
}

/* Answers 1 for the last line. */
static int take_line(CtlBusCall *call, const char *text, size_t n) {
        JsonProblem problem = {};
        int r;

        if (begins_with(text, n, END_HEAD))
                return take_end(call, text);
        if (begins_with(text, n, ERROR_HEAD))
                return take_error(call, text, n);
        r = ctl_call_deliver(call->request->call, text, n, deliver, call, &problem);
        return r < 0 ? ctl_bus_fail_answer(call, r, &problem) : 0;
}

static int take_bytes(CtlBusCall *call, CtlStream *stream, const char *bytes, size_t n) {
        const char *text;
        size_t length;
        int r;

        ctl_stream_feed(stream, bytes, n);
        while ((r = ctl_stream_next(stream, &text, &length)) > 0) {
                r = take_line(call, text, length);
                if (r != 0)
                        return r;
        }
        return r < 0 ? ctl_bus_fail_answer(call, r, &(JsonProblem){}) : 0;
}

/* ---- the pipe */

/* Until there is something to read, or nothing ever will be. */
static int wait_for_bytes(CtlBusCall *call, int fd) {
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

        for (;;) {
                uint64_t usec;
                int r;

                r = ctl_bus_patience(call, &usec);
                if (r < 0)
                        return ctl_bus_fail(call, r);
                r = poll(&poll_fd,
                         1,
                         usec == UINT64_MAX ? -1 : (int) MIN(usec / USEC_PER_MSEC + 1, INT32_MAX));
                if (r < 0 && errno != EINTR)
                        return ctl_bus_fail(call, -errno);
                if (r > 0)
                        return 0;
        }
}

static int read_lines(CtlBusCall *call, int fd, CtlStream *stream) {
        char bytes[READ_SIZE];
        int r;

        do {
                ssize_t n;

                r = wait_for_bytes(call, fd);
                if (r < 0)
                        return r;
                n = read(fd, bytes, sizeof(bytes));
                if (n < 0)
                        return ctl_bus_fail(call, -errno);
                if (n == 0)
                        return fail_cut(call);
                r = take_bytes(call, stream, bytes, (size_t) n);
        } while (r == 0);
        return r < 0 ? r : 0;
}

int ctl_bus_pipe_read(CtlBusCall *call) {
        CtlStream stream = {};
        int fd, r;

        r = sd_bus_message_read(call->reply, "h", &fd); /* which the message owns */
        if (r <= 0)
                return ctl_bus_fail_answer(call, -EBADMSG, &(JsonProblem){});
        r = read_lines(call, fd, &stream);
        ctl_stream_done(&stream);
        return r;
}
