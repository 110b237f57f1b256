#include "daemon/net/http-client.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include "daemon/base/turn.h"
#include "daemon/net/http-call.h"

#define HTTP_CLIENT_POOL 16     /* easy handles kept for the next calls */
#define HTTP_CLIENT_TURN_MAX 64 /* calls attended to in one turn of the loop */
#define HTTP_CLIENT_ACCURACY_USEC (1 * USEC_PER_MSEC)

/*
 *        loop ──► on_socket, on_timer ──► drive (libcurl) ──► on_data … of calls
 *        loop ──► on_turn: attend to the calls in the turn list, drive if libcurl asked for it,
 *                          end one finished transfer
 *
 * Whatever would have to call libcurl from inside libcurl, or call an owner from inside one of his calls, is
 * put into the turn list instead.
 */
struct HttpClient {
        sd_event *event;
        CURLM *multi;
        sd_event_source *turn_source; /* defer */
        sd_event_source *timer;
        List calls; /* all */
        List turn;  /* those to be attended to */
        size_t n_calls;
        CURL *pool[HTTP_CLIENT_POOL];
        size_t n_pool;
        bool is_driving;    /* libcurl is on the stack */
        bool drive_now;     /* libcurl wants to be called at once … */
        uint64_t curl_due;  /* … or then; UINT64_MAX: not at all */
        uint64_t stall_due; /* when stalls are to be looked for */
        uint64_t armed;     /* what the timer is set to */
};

static void request_turn(HttpClient *client) {
        (void) sd_event_source_set_enabled(client->turn_source, SD_EVENT_ONESHOT);
}

static void queue_turn(HttpCall *call) {
        list_remove(&call->turn);
        list_append(&call->client->turn, &call->turn);
        request_turn(call->client);
}

static uint64_t now(HttpClient *client) {
        uint64_t usec = 0;

        (void) sd_event_now(client->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

/* Each earlier time costs a timerfd_settime(2); a later one costs nothing: the timer fires too early once,
 * and looks again. */
static void arm(HttpClient *client) {
        uint64_t due = MIN(client->curl_due, client->stall_due);

        if (due == UINT64_MAX || client->armed <= due)
                return;

        client->armed = due;
        (void) sd_event_source_set_time(client->timer, due);
        (void) sd_event_source_set_enabled(client->timer, SD_EVENT_ONESHOT);
}

/* ---- the ends of calls */

static void leave_multi(HttpCall *call) {
        if (call->state == HTTP_CALL_RUNNING || call->state == HTTP_CALL_ORPHANED)
                (void) curl_multi_remove_handle(call->client->multi, call->easy);
}

static void keep_easy(HttpClient *client, CURL *easy) {
        if (client->n_pool < HTTP_CLIENT_POOL)
                client->pool[client->n_pool++] = easy;
        else
                curl_easy_cleanup(easy);
}

static void release(HttpCall *call) {
        HttpClient *client = call->client;

        list_remove(&call->turn);
        list_remove(&call->link);
        client->n_calls--;
        leave_multi(call);
        http_call_deinit(call);
        if (call->easy)
                keep_easy(client, call->easy);
        free(call);
}

static void end(HttpCall *call, CURLcode code) {
        _cleanup_(error_done) Error error = {};
        int r;

        r = http_call_result(call, code, &error);
        leave_multi(call);
        list_remove(&call->turn);
        call->state = HTTP_CALL_ENDED;
        call->handler.on_done(call, r, &error, call->userdata); /* may have freed the call */
}

/* One transfer a turn: its on_done may do anything, to other finished ones as well. */
static void end_one(HttpClient *client) {
        CURLMsg *message;
        HttpCall *call;
        CURLcode code;
        int n_left = 0;

        message = curl_multi_info_read(client->multi, &n_left);
        if (!message)
                return;
        if (n_left > 0)
                request_turn(client);

        (void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        code = message->data.result;
        if (call->state == HTTP_CALL_ORPHANED)
                release(call);
        else
                end(call, code);
}

/* ---- libcurl */

static void drive(HttpClient *client, curl_socket_t fd, int events) {
        int n_running;

        client->is_driving = true;
        (void) curl_multi_socket_action(client->multi, fd, events, &n_running);
        client->is_driving = false;
}

static int on_socket(sd_event_source *source _unused_, int fd, uint32_t revents, void *userdata) {
        HttpClient *client = userdata;
        int events = 0;

        if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
                events |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                events |= CURL_CSELECT_OUT;
        if (revents & EPOLLERR)
                events |= CURL_CSELECT_ERR;

        drive(client, fd, events);
        end_one(client);
        arm(client);
        return 0;
}

static int watch(HttpClient *client, curl_socket_t fd, sd_event_source *source, uint32_t events) {
        int r;

        if (source)
                return sd_event_source_set_io_events(source, events);

        r = sd_event_add_io(client->event, &source, fd, events, on_socket, client);
        if (r < 0)
                return r;

        (void) curl_multi_assign(client->multi, fd, source);
        return 0;
}

/* SOURCE is ours of that socket: by now the descriptor may be closed, or be another one's. A failure must
 * not be told to libcurl, which would give up all its transfers: the one that asked is ended. */
static int on_watch(CURL *easy, curl_socket_t fd, int what, void *userdata, void *source) {
        HttpClient *client = userdata;
        HttpCall *call = NULL;
        uint32_t events = 0;

        (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
        if (call)
                call->fd = what == CURL_POLL_REMOVE ? -1 : fd;
        if (what == CURL_POLL_REMOVE) {
                sd_event_source_disable_unref(source);
                (void) curl_multi_assign(client->multi, fd, NULL);
                return 0;
        }

        if (what & CURL_POLL_IN)
                events |= EPOLLIN;
        if (what & CURL_POLL_OUT)
                events |= EPOLLOUT;

        if (watch(client, fd, source, events) >= 0)
                return 0;
        if (call && call->state == HTTP_CALL_RUNNING) {
                call->failure = -ENOMEM;
                queue_turn(call);
        }
        return 0;
}

static int on_curl_timer(CURLM *multi _unused_, long msec, void *userdata) {
        HttpClient *client = userdata;

        client->drive_now = msec == 0;
        client->curl_due = msec > 0 ? now(client) + (uint64_t) msec * USEC_PER_MSEC : UINT64_MAX;
        if (client->drive_now)
                request_turn(client);
        else if (!client->is_driving)
                arm(client);
        return 0;
}

/* ---- the end of a connection */

static int on_end(sd_event_source *source, int fd _unused_, uint32_t revents _unused_, void *userdata) {
        HttpCall *call = userdata;

        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        call->is_cut = true;
        http_call_resume(call); /* what was answered before is read first */
        return 0;
}

/* Of a duplicate: the descriptor itself is watched for libcurl. Without it the end is found when there is
 * something to send. */
void http_client_watch_end(HttpCall *call) {
        int fd;

        if (call->end || call->fd < 0)
                return;
        fd = fcntl(call->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return;
        if (sd_event_add_io(call->client->event, &call->end, fd, EPOLLRDHUP, on_end, call) < 0 ||
            sd_event_source_set_io_fd_own(call->end, 1) < 0) {
                call->end = sd_event_source_disable_unref(call->end);
                close(fd);
        }
}

/* ---- the timer */

static void look_for_stall(HttpCall *call, uint64_t now_usec) {
        uint64_t bytes = http_call_bytes(call);

        if (bytes != call->moved_bytes || call->is_paused) {
                call->moved_bytes = bytes;
                call->moved_usec = now_usec;
        } else if (now_usec - call->moved_usec >= call->stall_usec) {
                call->failure = -ETIMEDOUT;
                queue_turn(call);
        }

        /* Twice in its time: the end comes at most half of it late. */
        call->client->stall_due = MIN(call->client->stall_due, now_usec + call->stall_usec / 2 + 1);
}

static void look_for_stalls(HttpClient *client, uint64_t now_usec) {
        client->stall_due = UINT64_MAX;
        LIST_FOREACH (call, &client->calls, HttpCall, link)
                if (call->state == HTTP_CALL_RUNNING && call->stall_usec != UINT64_MAX)
                        look_for_stall(call, now_usec);
}

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        HttpClient *client = userdata;
        uint64_t now_usec = now(client);

        client->armed = UINT64_MAX;

        if (client->stall_due <= now_usec)
                look_for_stalls(client, now_usec);
        if (client->curl_due <= now_usec) {
                client->curl_due = UINT64_MAX;
                drive(client, CURL_SOCKET_TIMEOUT, 0);
                end_one(client);
        }

        arm(client);
        return 0;
}

/* ---- the turn */

static void start(HttpCall *call) {
        HttpClient *client = call->client;

        call->state = HTTP_CALL_RUNNING;
        call->moved_usec = now(client);
        if (call->stall_usec != UINT64_MAX)
                client->stall_due = MIN(client->stall_due, call->moved_usec + call->stall_usec / 2 + 1);

        if (curl_multi_add_handle(client->multi, call->easy) == CURLM_OK)
                return;

        call->state = HTTP_CALL_QUEUED; /* libcurl does not have it */
        call->failure = -ENOMEM;
        queue_turn(call);
}

static void resume(HttpCall *call) {
        call->resume = call->is_paused = false;
        call->client->is_driving = true; /* hands over what had arrived */
        (void) curl_easy_pause(call->easy, CURLPAUSE_CONT);
        call->client->is_driving = false;
}

static void attend(HttpCall *call) {
        list_remove(&call->turn);

        if (call->state == HTTP_CALL_ORPHANED)
                release(call);
        else if (call->failure < 0)
                end(call, CURLE_OK);
        else if (call->state == HTTP_CALL_QUEUED)
                start(call);
        else if (call->resume)
                resume(call);
}

static int on_turn(sd_event_source *source _unused_, void *userdata) {
        HttpClient *client = userdata;

        turn_renew(client->event, &client->turn_source, on_turn, client);

        for (unsigned i = 0; i < HTTP_CLIENT_TURN_MAX && !list_is_empty(&client->turn); i++)
                attend(LIST_FIRST(&client->turn, HttpCall, turn));
        if (!list_is_empty(&client->turn))
                request_turn(client);

        if (client->drive_now) {
                client->drive_now = false;
                drive(client, CURL_SOCKET_TIMEOUT, 0);
        }

        end_one(client);
        arm(client);
        return 0;
}

/* ---- the object */

static int open_multi(HttpClient *client) {
        long most = HTTP_CONNECTIONS_MAX;

        /* Counted by libcurl: once for each client; never undone, since that would free what others use. */
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;

        client->multi = curl_multi_init();
        if (!client->multi)
                return -ENOMEM;

        if (curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_watch) != CURLM_OK ||
            curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client) != CURLM_OK ||
            curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer) != CURLM_OK ||
            curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client) != CURLM_OK ||
            curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, most) != CURLM_OK ||
            /* With less kept than may be open, a busy client would close and open one for each call. */
            curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, most) != CURLM_OK)
                return -EINVAL;
        return 0;
}

static int open_sources(HttpClient *client) {
        int r;

        r = sd_event_add_defer(client->event, &client->turn_source, on_turn, client);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(client->turn_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        r = sd_event_add_time(
                        client->event,
                        &client->timer,
                        CLOCK_MONOTONIC,
                        UINT64_MAX,
                        HTTP_CLIENT_ACCURACY_USEC,
                        on_timer,
                        client);
        if (r < 0)
                return r;

        return sd_event_source_set_enabled(client->timer, SD_EVENT_OFF);
}

int http_client_new(HttpClient **ret, sd_event *event) {
        _cleanup_(http_client_freep) HttpClient *client = calloc(1, sizeof(*client));
        int r;

        if (!client)
                return -ENOMEM;

        *client = (HttpClient){
                .event = sd_event_ref(event),
                .curl_due = UINT64_MAX,
                .stall_due = UINT64_MAX,
                .armed = UINT64_MAX,
        };
        list_init(&client->calls);
        list_init(&client->turn);

        r = open_sources(client);
        if (r < 0)
                return r;

        r = open_multi(client);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(client);
        return 0;
}

HttpClient *http_client_free(HttpClient *client) {
        if (!client)
                return NULL;

        LIST_FOREACH (call, &client->calls, HttpCall, link) {
                assert(call->state == HTTP_CALL_ORPHANED);
                release(call);
        }

        while (client->n_pool > 0)
                curl_easy_cleanup(client->pool[--client->n_pool]);
        if (client->multi)
                (void) curl_multi_cleanup(client->multi); /* drops the sources of its sockets */

        sd_event_source_disable_unref(client->turn_source);
        sd_event_source_disable_unref(client->timer);
        sd_event_unref(client->event);
        free(client);
        return NULL;
}

/* ---- calls */

static CURL *take_easy(HttpClient *client) {
        return client->n_pool > 0 ? client->pool[--client->n_pool] : curl_easy_init();
}

int http_client_call(
                HttpClient *client,
                HttpCall **ret,
                const HttpCallOptions *options,
                const HttpCallHandler *handler,
                void *userdata) {
        HttpCall *call;
        int r;

        assert(handler->on_done);

        if (client->n_calls >= HTTP_CALLS_MAX)
                return -EBUSY;

        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;

        *call = (HttpCall){
                .client = client,
                .easy = take_easy(client),
                .fd = -1,
                .handler = *handler,
                .userdata = userdata,
        };
        list_init(&call->turn);
        list_append(&client->calls, &call->link);
        client->n_calls++;

        r = call->easy ? http_call_init(call, options) : -ENOMEM;
        if (r < 0) {
                release(call);
                return r;
        }

        queue_turn(call);
        *ret = call;
        return 0;
}

HttpCall *http_call_unref(HttpCall *call) {
        if (!call)
                return NULL;

        if (call->client->is_driving && call->state == HTTP_CALL_RUNNING) {
                call->state = HTTP_CALL_ORPHANED;
                queue_turn(call);
        } else
                release(call);
        return NULL;
}

void http_call_resume(HttpCall *call) {
        if (call->state != HTTP_CALL_RUNNING)
                return;

        call->resume = true;
        queue_turn(call);
}
