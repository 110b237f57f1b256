/*
 * Long lists through a pipe: JSON lines as the REST API streams them, then {"end":<count>} or {"error":{…}};
 * one without such a line was cut. As much is made as the reader takes, a slice at a time.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/base/log.h"
#include "dbus/internal.h"

#define PIPE_SIZE (1024 * 1024)

struct BusPipe {
        List link;
        Bus *bus;
        BusSender *sender;
        int fd; /* our end */
        ClusterList *list;
        Str buffer;
        size_t at;
        uint64_t n_items;
        bool is_ended; /* what is in the buffer is the last of it */
        sd_event_source *io, *stall;
        uint64_t n_written, n_written_before; /* at the last look of STALL */
};

BusPipe *bus_pipe_free(BusPipe *pipe) {
        if (!pipe)
                return NULL;

        list_remove(&pipe->link);
        bus_sender_give_back(pipe->sender, BUS_KIND_PIPE);
        sd_event_source_disable_unref(pipe->io);
        sd_event_source_disable_unref(pipe->stall);
        cluster_list_free(pipe->list);
        str_done(&pipe->buffer);
        closep(&pipe->fd);
        free(pipe);
        return NULL;
}

void bus_pipe_free_all(Bus *bus) {
        LIST_FOREACH (pipe, &bus->pipes, BusPipe, link)
                bus_pipe_free(pipe);
}

/* ---- writing */

static int write_end(BusPipe *pipe) {
        pipe->is_ended = true;
        return str_appendf(&pipe->buffer, "{\"end\":%llu}\n", (unsigned long long) pipe->n_items);
}

static int write_error(BusPipe *pipe, const Error *error) {
        pipe->is_ended = true;
        (void) str_appendf(
                        &pipe->buffer,
                        "{\"error\":{\"code\":%u,\"name\":\"%s\",\"message\":",
                        error_http_status(error->code),
                        error_bus_name(error->code));
        (void) json_write_string(&pipe->buffer, error_message(error));
        return str_append(&pipe->buffer, "}}\n");
}

static int write_item(BusPipe *pipe, const void *item) {
        pipe->n_items++;
        (void) json_write(cluster_list_shape(pipe->list), item, &pipe->buffer);
        return str_append_char(&pipe->buffer, '\n');
}

/* Make lines until there is a slice of them. Answers 0, or -ENOMEM: the reader will miss the end. */
static int pipe_fill(BusPipe *pipe) {
        _cleanup_(error_done) Error error = {};
        const void *item;
        int r = 1;

        str_reset(&pipe->buffer);
        pipe->at = 0;
        while (r == 1 && pipe->buffer.len < BUS_SLICE_BYTES) {
                r = cluster_list_next(pipe->list, &item, &error);
                if (r == 1 && write_item(pipe, item) < 0)
                        return -ENOMEM;
        }
        if (r == 0)
                return write_end(pipe);
        return r < 0 ? write_error(pipe, &error) : 0;
}

/* One slice. Answers 1 to go on when there is room, 0 to wait for the list, negative at the end. */
static int pipe_write(BusPipe *pipe) {
        ssize_t n;

        if (pipe->at == pipe->buffer.len) {
                if (pipe->is_ended || pipe_fill(pipe) < 0)
                        return -EPIPE;
                if (pipe->buffer.len == 0)
                        return 0;
        }

        n = write(pipe->fd, pipe->buffer.data + pipe->at, pipe->buffer.len - pipe->at);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 1 : -errno;
        pipe->at += (size_t) n;
        pipe->n_written += (uint64_t) n;
        return 1;
}

static int pipe_on_io(sd_event_source *source, int fd _unused_, uint32_t revents, void *userdata) {
        BusPipe *pipe = userdata;
        int r;

        r = revents & (EPOLLERR | EPOLLHUP) ? -EPIPE : pipe_write(pipe);
        if (r == 0)
                r = sd_event_source_set_io_events(source, 0); /* a reader that leaves is told all the same */
        if (r < 0)
                bus_pipe_free(pipe);
        return 0;
}

static void pipe_on_wake(void *userdata) {
        BusPipe *pipe = userdata;

        if (sd_event_source_set_io_events(pipe->io, EPOLLOUT) < 0)
                bus_pipe_free(pipe);
}

/* A timer that is looked at when it fires, not moved with every write. */
static int pipe_on_stall(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        BusPipe *pipe = userdata;
        bool is_stuck = pipe->at < pipe->buffer.len && pipe->n_written == pipe->n_written_before;

        pipe->n_written_before = pipe->n_written;
        if (is_stuck || sd_event_source_set_time_relative(source, pipe->bus->patience.pipe_usec) < 0 ||
            sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) < 0) {
                log_debug("A pipe of %s was given up: nothing is read from it.", pipe->sender->name);
                bus_pipe_free(pipe);
        }
        return 0;
}

/* ---- opening */

/* Only our end may be non-blocking: the other is the client's, which may want to wait. The bigger pipe saves
 * turns of the loop and is no must. */
static int pipe_open(BusPipe *pipe, int *ret_reading) {
        _cleanup_close_ int reading = -1;
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        reading = fds[0];
        pipe->fd = fds[1];
        if (fcntl(pipe->fd, F_SETFL, O_WRONLY | O_NONBLOCK) < 0)
                return -errno;
        (void) fcntl(pipe->fd, F_SETPIPE_SZ, PIPE_SIZE);
        *ret_reading = TAKE_FD(reading);
        return 0;
}

static int pipe_watch(BusPipe *pipe) {
        sd_event *event = pipe->bus->event;
        int r;

        r = sd_event_add_io(event, &pipe->io, pipe->fd, EPOLLOUT, pipe_on_io, pipe);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                event,
                                &pipe->stall,
                                CLOCK_MONOTONIC,
                                pipe->bus->patience.pipe_usec,
                                0,
                                pipe_on_stall,
                                pipe);
        if (r >= 0 && pipe->list)
                cluster_list_on_wake(pipe->list, pipe_on_wake, pipe);
        return r;
}

/* Takes LIST, also on failure. */
static int pipe_new(BusPipe **ret, BusCall *call, ClusterList *list, int *ret_reading, Error *reterr) {
        BusSender *sender;
        BusPipe *pipe;
        int r;

        r = bus_sender_take(call->bus, call->sender->name, BUS_KIND_PIPE, &sender, reterr);
        if (r < 0) {
                cluster_list_free(list);
                return r;
        }
        pipe = calloc(1, sizeof(BusPipe));
        if (!pipe) {
                bus_sender_give_back(sender, BUS_KIND_PIPE);
                cluster_list_free(list);
                return error_set_errno(reterr, -ENOMEM, "%m");
        }
        *pipe = (BusPipe){ .bus = call->bus, .sender = sender, .fd = -1, .list = list };
        list_append(&call->bus->pipes, &pipe->link);

        r = pipe_open(pipe, ret_reading);
        if (r >= 0)
                r = pipe_watch(pipe);
        if (r < 0) {
                bus_pipe_free(pipe);
                return error_set_errno(reterr, r, "the pipe could not be opened: %m");
        }
        *ret = pipe;
        return 0;
}

void bus_pipe_start(BusCall *call, ClusterList *list) {
        _cleanup_(error_done) Error error = {};
        _cleanup_close_ int reading = -1;
        BusPipe *pipe;
        int r;

        r = pipe_new(&pipe, call, list, &reading, &error);
        if (r < 0)
                bus_call_fail(call, r, &error);
        else
                bus_call_reply(call, "h", reading); /* which is duplicated */
}

/* One line and the end, which are there from the start. */
void bus_pipe_start_value(BusCall *call, const JsonShape *shape, const void *value) {
        _cleanup_(error_done) Error error = {};
        _cleanup_close_ int reading = -1;
        BusPipe *pipe;
        int r;

        r = pipe_new(&pipe, call, NULL, &reading, &error);
        if (r < 0) {
                bus_call_fail(call, r, &error);
                return;
        }
        pipe->n_items = 1;
        (void) json_write(shape, value, &pipe->buffer);
        (void) str_append_char(&pipe->buffer, '\n');
        r = write_end(pipe);
        if (r < 0) {
                bus_pipe_free(pipe);
                bus_call_fail(call, r, NULL);
                return;
        }
        bus_call_reply(call, "h", reading);
}
