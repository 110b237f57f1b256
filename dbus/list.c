/*
 * Lists in replies: all peers, or one page of the pins.
 *
 * A page is gathered in slices. The list behind the pages of a reader (a cursor) is one view of the pinset:
 * it waits for the next page for a minute, and each page can be asked for once.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/variant.h"
#include "dbus/internal.h"

#define ROW_BYTES_MAX (CID_TEXT_MAX + PIN_NAME_MAX + 128)
#define PAGE_TEXT_MAX 48 /* "<cursor>.<page>" */

struct BusCursor {
        List link;
        Bus *bus;
        BusSender *sender;
        uint64_t number;
        uint64_t page; /* the one that comes next */
        ClusterList *list;
        sd_event_source *expiry;
        BusCall *call; /* that reads from it just now */
        bool is_at_end;
};

/* ---- gathering */

static void gather_fail(BusCall *call, int r, const Error *error) {
        BusCursor *cursor = call->cursor;

        bus_call_fail(call, r, error);
        bus_cursor_free(cursor);
}

static int append_peer(BusCall *call, const void *item) {
        return variant_append(call->reply, &peer_info_shape, item, &call->left);
}

static const char *status_of(const GlobalPinInfo *info) {
        const PinInfo *known = info->peer_map.items;

        return pin_status_to_string(info->peer_map.n > 0 ? (PinStatus) known->status : PIN_STATUS_UNDEFINED);
}

static int append_row(BusCall *call, const void *item) {
        const GlobalPinInfo *info = item;
        const char *name = info->name ? info->name : "";
        char cid[CID_TEXT_MAX];
        int r;

        (void) cid_format(&info->cid, cid);
        call->left -= MIN(call->left, strlen(cid) + strlen(name) + 64);
        r = sd_bus_message_open_container(call->reply, 'r', "ssst");
        if (r >= 0)
                r = sd_bus_message_append(call->reply, "s", cid);
        if (r >= 0)
                r = variant_append_text(call->reply, name);
        if (r >= 0)
                r = sd_bus_message_append(call->reply, "st", status_of(info), info->created);
        return r < 0 ? r : sd_bus_message_close_container(call->reply);
}

static bool page_is_full(const BusCall *call) {
        return call->cursor && (call->n_rows == call->limit || call->left < ROW_BYTES_MAX);
}

/* Answers what the list said last; 0 too when the page is full. */
static int gather_slice(BusCall *call, Error *reterr) {
        const void *item;
        int r = 1;

        for (size_t i = 0; i < BUS_SLICE_ROWS; i++) {
                if (page_is_full(call))
                        return 0;
                r = cluster_list_next(call->list, &item, reterr);
                if (r == 0 && call->cursor)
                        call->cursor->is_at_end = true;
                if (r != 1)
                        return r;
                r = call->cursor ? append_row(call, item) : append_peer(call, item);
                if (r < 0)
                        return r;
                call->n_rows++;
        }
        return 1;
}

/* The name of the page behind this one, and the cursor is free for it. */
static int page_end(BusCall *call) {
        BusCursor *cursor = call->cursor;
        char text[PAGE_TEXT_MAX] = "";
        int r;

        if (!cursor->is_at_end)
                (void) snprintf(text, sizeof(text), "%" PRIu64 ".%" PRIu64, cursor->number, cursor->page);
        r = sd_bus_message_append(call->reply, "s", text);
        if (r < 0)
                return r;

        cursor->call = NULL;
        if (cursor->is_at_end) {
                call->list = NULL;
                bus_cursor_free(cursor);
                return 0;
        }
        r = sd_event_source_set_time_relative(cursor->expiry, cursor->bus->patience.cursor_usec);
        return r < 0 ? r : sd_event_source_set_enabled(cursor->expiry, SD_EVENT_ONESHOT);
}

static void gather_end(BusCall *call) {
        int r;

        cluster_list_on_wake(call->list, NULL, NULL);
        r = sd_bus_message_close_container(call->reply);
        if (r >= 0 && call->cursor)
                r = page_end(call);
        if (r < 0)
                gather_fail(call, r, NULL);
        else
                bus_call_reply_message(call, TAKE_PTR(call->reply));
}

static void gather(BusCall *call) {
        _cleanup_(error_done) Error error = {};
        int r;

        r = gather_slice(call, &error);
        if (r == 1)
                r = sd_event_source_set_enabled(call->turn, SD_EVENT_ONESHOT);
        else if (r == 0) {
                gather_end(call);
                return;
        }
        if (r < 0)
                gather_fail(call, r, &error);
}

static int gather_on_turn(sd_event_source *source _unused_, void *userdata) {
        gather(userdata);
        return 0;
}

static void gather_on_wake(void *userdata) {
        gather(userdata);
}

static int gather_open(BusCall *call, const char *type) {
        int r;

        call->left = BUS_PAGE_BYTES_MAX;
        r = sd_bus_message_new_method_return(call->message, &call->reply);
        if (r >= 0)
                r = sd_bus_message_open_container(call->reply, 'a', type);
        if (r >= 0)
                r = sd_event_add_defer(call->bus->event, &call->turn, gather_on_turn, call);
        if (r >= 0)
                cluster_list_on_wake(call->list, gather_on_wake, call);
        return r;
}

/* The first slice is made at the next turn of the loop. */
static void gather_start(BusCall *call, const char *type) {
        int r;

        r = gather_open(call, type);
        if (r < 0)
                gather_fail(call, r, NULL);
}

/* ---- peers */

void bus_list_reply_peers(BusCall *call) {
        _cleanup_(error_done) Error error = {};
        int r;

        r = cluster_list_peers(call->bus->cluster, &call->list, &error);
        if (r < 0)
                bus_call_fail(call, r, &error);
        else
                gather_start(call, "a{sv}");
}

/* ---- pages */

BusCursor *bus_cursor_free(BusCursor *cursor) {
        if (!cursor)
                return NULL;

        list_remove(&cursor->link);
        bus_sender_give_back(cursor->sender, BUS_KIND_CURSOR);
        sd_event_source_disable_unref(cursor->expiry);
        cluster_list_free(cursor->list);
        free(cursor);
        return NULL;
}

void bus_cursor_free_all(Bus *bus) {
        LIST_FOREACH (cursor, &bus->cursors, BusCursor, link)
                bus_cursor_free(cursor);
}

static int cursor_on_expiry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        bus_cursor_free(userdata);
        return 0;
}

static int cursor_open(BusCursor *cursor, Error *reterr) {
        const ClusterStatusQuery query = { .local = true };
        Bus *bus = cursor->bus;
        int r;

        r = cluster_list_statuses(bus->cluster, &cursor->list, &query, reterr);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(
                        bus->event,
                        &cursor->expiry,
                        CLOCK_MONOTONIC,
                        bus->patience.cursor_usec,
                        0,
                        cursor_on_expiry,
                        cursor);
        return r < 0 ? error_set_errno(reterr, r, "%m") : 0;
}

static int cursor_new(BusCursor **ret, BusCall *call, Error *reterr) {
        Bus *bus = call->bus;
        BusCursor *cursor;
        BusSender *sender;
        int r;

        r = bus_sender_take(bus, call->sender->name, BUS_KIND_CURSOR, &sender, reterr);
        if (r < 0)
                return r;
        cursor = calloc(1, sizeof(BusCursor));
        if (!cursor) {
                bus_sender_give_back(sender, BUS_KIND_CURSOR);
                return error_set_errno(reterr, -ENOMEM, "%m");
        }
        *cursor = (BusCursor){ .bus = bus, .sender = sender, .number = ++bus->last_cursor };
        list_append(&bus->cursors, &cursor->link);

        r = cursor_open(cursor, reterr);
        if (r < 0) {
                bus_cursor_free(cursor);
                return r;
        }
        *ret = cursor;
        return 0;
}

/* The cursor that waits to be read on by this very sender with this very page. */
static int cursor_find(BusCursor **ret, BusCall *call, Error *reterr) {
        char text[PAGE_TEXT_MAX];

        LIST_FOREACH (cursor, &call->bus->cursors, BusCursor, link) {
                (void) snprintf(text, sizeof(text), "%" PRIu64 ".%" PRIu64, cursor->number, cursor->page);
                if (cursor->sender == call->sender && !cursor->call && strcmp(text, call->text) == 0) {
                        *ret = cursor;
                        return 0;
                }
        }
        return error_set(
                        reterr,
                        ERROR_NOT_FOUND,
                        "after: '%.40s' is no page that waits for you (pages wait for 60 seconds); begin with ''",
                        call->text);
}

void bus_list_reply_page(BusCall *call) {
        _cleanup_(error_done) Error error = {};
        BusCursor *cursor = NULL;
        int r;

        r = *call->text ? cursor_find(&cursor, call, &error) : cursor_new(&cursor, call, &error);
        if (r < 0) {
                bus_call_fail(call, r, &error);
                return;
        }
        (void) sd_event_source_set_enabled(cursor->expiry, SD_EVENT_OFF);
        cursor->call = call;
        cursor->page++;
        call->cursor = cursor;
        call->list = cursor->list;
        gather_start(call, "(ssst)");
}
