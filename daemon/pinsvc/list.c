/*
 * GET /pins. All requests that the query takes are counted, the newest few are kept (results.h), and nothing
 * is answered before the end of the count:
 *
 *   counting ──► telling ──► end
 *
 * Peers are asked for statuses of those pins alone that pass the other filters. What is kept is a few dozen
 * bytes a request; names and the rest are looked up again when they are told. A request that has gone
 * meanwhile is neither told nor counted, hence `count` comes behind `results`.
 */

#include <inttypes.h>
#include <string.h>

#include "daemon/base/turn.h"
#include "daemon/pinsvc/query.h"
#include "daemon/pinsvc/results.h"
#include "daemon/pinsvc/routes.h"
#include "daemon/rest/reply.h"

#define LIST_TURN 256    /* items that are looked at in one turn of the loop */
#define LIST_BATCH 16384 /* bytes of results made in one go */

typedef struct PinsvcList {
        RestRequest *request;
        PinsvcQuery query;
        ClusterList *list; /* NULL: it has ended */
        sd_event_source *turn;
        int failure; /* of wants(), which cannot tell */
        PinsvcResults results;
        size_t told; /* of the results */
        Str buffer;
        size_t at;
        bool has_ended;
} PinsvcList;

static void list_free(void *state) {
        PinsvcList *list = state;

        cluster_list_free(list->list);
        sd_event_source_disable_unref(list->turn);
        pinsvc_query_done(&list->query);
        pinsvc_results_done(&list->results);
        str_done(&list->buffer);
        free(list);
}

/* ---- telling */

/* Answers 1, or 0 when it has gone. */
static int tell(PinsvcList *list, const PinsvcResult *result) {
        Str *to = &list->buffer;
        size_t before = to->len;
        int r;

        if (list->told > 0)
                (void) str_append_char(to, ',');
        r = pinsvc_write_status(
                        list->request->api->cluster, &result->id, result->status, result->details, to);
        if (r == 0 && to->data) {
                to->len = before;
                to->data[before] = '\0';
        }
        return r;
}

static int tell_next(PinsvcList *list) {
        PinsvcResults *results = &list->results;
        int r;

        r = tell(list, &results->items[list->told]);
        if (r == 0) {
                results->count--;
                results->n--;
                free(results->items[list->told].details);
                memmove(results->items + list->told,
                        results->items + list->told + 1,
                        (results->n - list->told) * sizeof(PinsvcResult));
                results->items[results->n] = (PinsvcResult){};
        }
        if (r > 0)
                list->told++;
        return r;
}

static int tell_batch(PinsvcList *list) {
        Str *to = &list->buffer;
        int r = 0;

        while (r >= 0 && to->len < LIST_BATCH && list->told < list->results.n)
                r = tell_next(list);
        if (r < 0 || list->told < list->results.n)
                return r < 0 ? r : 0;
        list->has_ended = true;
        return str_appendf(to, "],\"count\":%" PRIu64 "}", list->results.count);
}

static ssize_t list_pull(HttpRequest *http _unused_, char *buffer, size_t max, void *userdata) {
        PinsvcList *list = ((RestRequest *) userdata)->state;
        size_t n;

        if (list->at == list->buffer.len) {
                if (list->has_ended)
                        return HTTP_SOURCE_END;
                str_reset(&list->buffer);
                list->at = 0;
                if (tell_batch(list) < 0)
                        return HTTP_SOURCE_CUT;
        }
        n = MIN(max, list->buffer.len - list->at);
        memcpy(buffer, list->buffer.data + list->at, n);
        list->at += n;
        return (ssize_t) n;
}

static void list_on_closed(HttpRequest *http _unused_, bool complete _unused_, void *userdata) {
        rest_request_free(userdata);
}

static void list_stream(PinsvcList *list) {
        static const HttpSource source = { .pull = list_pull, .closed = list_on_closed };
        RestRequest *request = list->request;
        _cleanup_free_ HttpHeader *headers = NULL;
        HttpReply reply = { .status = 200, .content_type = "application/json" };

        headers = rest_reply_headers(request, NULL, 0, /* has_type= */ true, &reply.n_headers);
        if (!headers) {
                rest_reply_error(request, -ENOMEM, NULL);
                return;
        }
        reply.headers = headers;
        (void) http_request_stream(request->http, &reply, &source, request);
}

/* A short answer has a length, a long one is streamed. */
static void list_answer(PinsvcList *list) {
        Str whole;
        int r;

        pinsvc_results_finish(&list->results);
        (void) str_append(&list->buffer, "{\"results\":[");
        r = tell_batch(list);
        if (r < 0)
                rest_reply_error(list->request, r, NULL);
        else if (!list->has_ended)
                list_stream(list);
        else {
                whole = list->buffer;
                list->buffer = (Str){};
                rest_reply_text(list->request, 200, &whole);
        }
}

/* ---- counting */

static int query_takes(PinsvcQuery *query, const PinsvcRequest *shown) {
        return pinsvc_query_takes(query, shown->created, shown->name, shown->meta);
}

/* Is any request of PIN asked for, but for its status? Answers 1 or 0. */
static int list_takes(PinsvcList *list, const Pin *pin) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < pinsvc_request_count(pin); i++) {
                PinsvcRequest shown;

                pinsvc_request_at(pin, i, &shown);
                r = query_takes(&list->query, &shown);
        }
        return r;
}

static bool list_wants(const Pin *pin, void *userdata) {
        PinsvcList *list = userdata;
        int r = list_takes(list, pin);

        if (r < 0)
                list->failure = r;
        return r > 0;
}

static int list_count_request(
                PinsvcList *list, const PinsvcRequest *shown, PinsvcStatus status, const char *details) {
        const PinsvcResult result = { .id = shown->id, .created = shown->created, .status = status };
        int r;

        r = query_takes(&list->query, shown);
        return r <= 0 ? r : pinsvc_results_add(&list->results, &result, details);
}

static int list_count(PinsvcList *list, const GlobalPinInfo *info) {
        _cleanup_(pin_done) Pin pin = {};
        const char *details = NULL;
        PinsvcStatus status;
        int r;

        r = cluster_pin_get(list->request->api->cluster, &info->cid, &pin);
        if (r <= 0) /* it is being unpinned, or has gone */
                return r;
        status = pinsvc_status_of(&pin, info);
        if (!(list->query.statuses & 1U << status))
                return 0;
        if (status == PINSVC_STATUS_FAILED)
                details = pinsvc_status_why(info);
        for (size_t i = 0; r >= 0 && i < pinsvc_request_count(&pin); i++) {
                PinsvcRequest shown;

                pinsvc_request_at(&pin, i, &shown);
                r = list_count_request(list, &shown, status, details);
        }
        return r;
}

/* Answers 1 when an item was counted, else as cluster_list_next() does. */
static int list_take(PinsvcList *list, Error *reterr) {
        const void *item;
        int r;

        r = cluster_list_next(list->list, &item, reterr);
        if (r == 1) {
                r = list_count(list, item);
                r = r < 0 ? r : 1;
        }
        return r >= 0 && list->failure < 0 ? list->failure : r;
}

static void list_go_on(PinsvcList *list) {
        _cleanup_(error_done) Error error = {};
        int r = 1;

        for (unsigned n = 0; r == 1 && n < LIST_TURN; n++)
                r = list_take(list, &error);
        if (r == 1) {
                (void) sd_event_source_set_enabled(list->turn, SD_EVENT_ONESHOT);
                return;
        }
        if (r == CLUSTER_LIST_WAIT)
                return;
        if (r < 0) {
                rest_reply_error(list->request, r, &error);
                return;
        }
        list->list = cluster_list_free(list->list);
        list_answer(list);
}

static int list_on_turn(sd_event_source *source _unused_, void *userdata) {
        PinsvcList *list = userdata;

        turn_renew(list->request->api->event, &list->turn, list_on_turn, list);
        list_go_on(list);
        return 0;
}

static void list_on_wake(void *userdata) {
        list_go_on(userdata);
}

/* ---- the request */

static int list_open(RestRequest *request, Error *reterr) {
        PinsvcList *list = calloc(1, sizeof(PinsvcList));
        int r;

        if (!list)
                return -ENOMEM;
        list->request = request;
        request->state = list;
        request->free_state = list_free;
        r = pinsvc_query_read(http_request_query(request->http), &list->query, reterr);
        if (r >= 0)
                r = pinsvc_results_init(&list->results, list->query.limit);
        if (r >= 0)
                r = sd_event_add_defer(request->api->event, &list->turn, list_on_turn, list);
        if (r >= 0)
                r = sd_event_source_set_enabled(list->turn, SD_EVENT_OFF);
        if (r < 0)
                return r;
        return cluster_list_statuses(
                        request->api->cluster,
                        &list->list,
                        &(ClusterStatusQuery){
                                        .cids = list->query.cids,
                                        .n_cids = list->query.n_cids,
                                        .wants = list_wants,
                                        .userdata = list,
                        },
                        reterr);
}

void pinsvc_get_pins(RestRequest *request) {
        _cleanup_(error_done) Error error = {};
        PinsvcList *list;
        int r;

        r = list_open(request, &error);
        if (r < 0) {
                rest_reply_error(request, r, &error);
                return;
        }
        list = request->state;
        cluster_list_on_wake(list->list, list_on_wake, list);
        list_go_on(list);
}
