#pragma once

/*
 * Bus inside. A call is parsed, then (if its row names an action) authorised, then run; it answers at once
 * or when the cluster does. What is under way for a sender is counted, and has bounds.
 */

#include "daemon/base/json.h"
#include "daemon/base/list.h"
#include "daemon/base/map.h"
#include "dbus/bus.h"
#include "dbus/host.h"
#include "dbus/names.h"

#define BUS_CONNECT_DELAY_MIN (1 * USEC_PER_SEC)
#define BUS_CONNECT_DELAY_MAX (30 * USEC_PER_SEC)

#define BUS_AUTHZ_TIMEOUT (1 * 60 * USEC_PER_SEC)
#define BUS_AUTHZ_INTERACTIVE_TIMEOUT (10 * 60 * USEC_PER_SEC) /* somebody looks for a password */

#define BUS_SUBSCRIBERS_MAX 256
#define BUS_SIGNALS_QUEUED_MAX 4096 /* messages not yet taken by the bus; beyond, none are added */
#define BUS_CHANGES_USEC (250 * USEC_PER_MSEC) /* between two PropertiesChanged */

#define BUS_MEMBERS_USEC (15 * USEC_PER_SEC) /* between two looks at who is there */
#define BUS_MEMBER_NAMES_MAX 8               /* properties that change, and NULL */

#define BUS_PAGE_MAX 10000                       /* rows that may be asked for */
#define BUS_PAGE_BYTES_MAX (512 * 1024)          /* about; a page may be shorter than asked for */
#define BUS_CURSOR_USEC (60 * USEC_PER_SEC)      /* a list waits so long to be read on */
#define BUS_PIPE_STALL_USEC (120 * USEC_PER_SEC) /* a reader that takes nothing for so long is cut off */

#define BUS_SLICE_ROWS 500          /* of a page in one go: the loop goes on in between */
#define BUS_SLICE_BYTES (64 * 1024) /* the same of a pipe */

/* What a sender may have under way; the bounds are in sender.c. */
typedef enum BusKind {
        BUS_KIND_CALL,
        BUS_KIND_PIPE,
        BUS_KIND_CURSOR,
        _BUS_KIND_N,
} BusKind;

typedef struct BusSender BusSender;
typedef struct BusCall BusCall;
typedef struct BusCursor BusCursor;
typedef struct BusPipe BusPipe;
typedef struct BusMethod BusMethod;

/* How long is waited: constants, but for tests. */
typedef struct BusPatience {
        uint64_t authz_usec, authz_interactive_usec, cursor_usec, pipe_usec, host_usec;
} BusPatience;

struct Bus {
        sd_event *event;
        BusPatience patience;
        BusOptions options;
        Cluster *cluster;
        char *name;

        sd_bus *connection; /* NULL: there is none */
        bool has_name;
        sd_event_source *retry;
        uint64_t delay; /* until the next try */
        bool is_absence_told;

        BusHost host;

        Map *senders; /* unique name → BusSender */
        size_t n[_BUS_KIND_N];
        List calls, pipes, cursors;
        uint64_t last_cursor;

        ClusterWatch watch;
        List subscribers;
        size_t n_subscribers;
        uint64_t n_lost_signals;
        sd_event_source *changes;
        ClusterSummary told; /* what the last PropertiesChanged left readers with */

        List members; /* BusMember; this peer first */
        bool members_are_known;
        ClusterList *peers; /* is being read */
        bool peers_again;
        sd_event_source *members_timer;
};

/* A member of the cluster, as it was last heard of. */
typedef struct BusMember {
        List link;
        PeerId id;
        char *path;
        char *name;
        PeerId ipfs;
        StrList addresses;
        bool is_reachable;
        bool has_answered; /* in the list that was read last */
        bool has_told;     /* name and addresses are of its own answer */
} BusMember;

struct BusSender {
        Bus *bus;
        char *name;
        size_t n[_BUS_KIND_N];
};

struct BusMethod {
        const char *interface;
        const char *member;
        const char *action; /* NULL: everybody may */
        /* Reads the arguments into the call; NULL: there are none. */
        int (*parse)(BusCall *call, Error *reterr);
        /* Ends the call, now or later: bus_call_reply…(), bus_call_fail(). */
        void (*run)(BusCall *call);
};

struct BusCall {
        List link;
        Bus *bus;
        BusSender *sender;
        sd_bus_message *message;
        const BusMethod *method;
        sd_bus_slot *slot; /* of what the bus or polkit is asked */

        /* the arguments; texts lie in the message */
        Pin pin;
        Cid *cids;
        size_t n_cids;
        const char *text; /* a path, a name, a filter, an address, a level */
        PeerId peer;
        bool flag;
        uint32_t limit;

        ClusterCall *asked;
        ClusterList *list; /* to be gathered into REPLY */
        BusCursor *cursor; /* whose list it is; NULL: of the call */
        sd_bus_message *reply;
        sd_event_source *turn;
        size_t left; /* bytes that may go into REPLY */
        uint32_t n_rows;
};

/* sender.c. Count one more of KIND for NAME, or answer ERROR_BUSY with words. */
int bus_sender_take(Bus *bus, const char *name, BusKind kind, BusSender **ret, Error *reterr);
void bus_sender_give_back(BusSender *sender, BusKind kind); /* may free it */

/* call.c */
int bus_call_begin(
                sd_bus_message *message, void *userdata, sd_bus_error *reterr); /* handler of all methods */
int bus_call_start(Bus *bus, sd_bus_message *message, const BusMethod *method); /* the same of a known one */
void bus_call_run(BusCall *call);                                               /* it is authorised */
BusCall *bus_call_free(BusCall *call);

/* Each ends the call: it is gone afterwards. */
void bus_call_reply(BusCall *call, const char *types, ...);
void bus_call_reply_message(BusCall *call, sd_bus_message *reply); /* REPLY is taken */
void bus_call_reply_dict(BusCall *call, const JsonShape *shape, const void *value);
void bus_call_fail(BusCall *call, int r, const Error *error); /* for a negative R without words too */
void bus_call_deny(BusCall *call, const char *name, const char *words);

/* Handlers of the cluster's answers: USERDATA is the call. */
void bus_call_on_pin(ClusterCall *asked, int r, const Error *error, const Pin *pin, void *userdata);
void bus_call_on_status(
                ClusterCall *asked, int r, const Error *error, const GlobalPinInfo *info, void *userdata);
void bus_call_on_peer(ClusterCall *asked, int r, const Error *error, const PeerInfo *peer, void *userdata);
void bus_call_on_graph(
                ClusterCall *asked, int r, const Error *error, const ConnectGraph *graph, void *userdata);
void bus_call_on_gc(ClusterCall *asked, int r, const Error *error, const GlobalRepoGc *gc, void *userdata);

/* authz.c. Ask who the sender is, then polkit for the action of the method; bus_call_run() or an error. */
void bus_authz_start(BusCall *call);

/* list.c */
void bus_list_reply_peers(BusCall *call);
void bus_list_reply_page(BusCall *call); /* text: the page, limit */
BusCursor *bus_cursor_free(BusCursor *cursor);

/* pipe.c. Answer the call with the reading end of a pipe, and write LIST (taken) into the other. */
void bus_pipe_start(BusCall *call, ClusterList *list);
/* The same for one value, which may be too big for a reply. */
void bus_pipe_start_value(BusCall *call, const JsonShape *shape, const void *value);
BusPipe *bus_pipe_free(BusPipe *pipe);
void bus_pipe_free_all(Bus *bus);
void bus_cursor_free_all(Bus *bus);

/* manager-object.c, peers-object.c, log-object.c: put the objects on a new connection. */
int bus_manager_add(Bus *bus);
int bus_peers_add(Bus *bus);
int bus_log_add(Bus *bus);
const BusMethod *bus_method_find(const char *interface, const char *member); /* NULL: there is none */

/* members.c */
int bus_members_new(Bus *bus);
void bus_members_disconnect(Bus *bus);
void bus_members_free(Bus *bus);
void bus_members_learn(Bus *bus);   /* who they are, as it is known here, and tell what is new */
void bus_members_refresh(Bus *bus); /* that, and ask them */
void bus_members_tell_roles(Bus *bus);
BusMember *bus_member_find(Bus *bus, const char *path); /* NULL: there is none */
/* manager-object.c: "starting", "leader", "follower", "no-leader". */
const char *bus_manager_state(const ClusterSummary *summary);

/* signals.c */
int bus_signals_new(Bus *bus);
void bus_signals_disconnect(Bus *bus);
void bus_signals_free(Bus *bus);
void bus_signals_subscribe(BusCall *call);
void bus_signals_unsubscribe(BusCall *call);

/* pins-object.c and peers-object.c: the methods of the manager. */
int bus_parse_cid(BusCall *call, Error *reterr);
int bus_parse_cid_flag(BusCall *call, Error *reterr);
int bus_parse_cids_flag(BusCall *call, Error *reterr);
int bus_parse_flag(BusCall *call, Error *reterr);
int bus_parse_text(BusCall *call, Error *reterr);
int bus_parse_text_flag(BusCall *call, Error *reterr);
int bus_parse_page(BusCall *call, Error *reterr);
int bus_parse_pin(BusCall *call, Error *reterr);
int bus_parse_unpin(BusCall *call, Error *reterr);
int bus_parse_update(BusCall *call, Error *reterr);
void bus_pin(BusCall *call);
void bus_unpin(BusCall *call);
void bus_get_pin(BusCall *call);
void bus_stream_pins(BusCall *call);
void bus_get_status(BusCall *call);
void bus_stream_status(BusCall *call);
void bus_stream_status_of(BusCall *call);
void bus_sync(BusCall *call);
void bus_sync_all(BusCall *call);
void bus_recover(BusCall *call);
void bus_recover_all(BusCall *call);
int bus_parse_peer_address(BusCall *call, Error *reterr);
int bus_parse_peer_id(BusCall *call, Error *reterr);
int bus_parse_peer_object(BusCall *call, Error *reterr);
void bus_id(BusCall *call);
void bus_add_peer(BusCall *call);
void bus_remove_peer(BusCall *call);
void bus_leave(BusCall *call);
void bus_reload(BusCall *call);
void bus_collect_garbage(BusCall *call);
void bus_stream_garbage(BusCall *call);
void bus_list_alerts(BusCall *call);
void bus_list_metrics(BusCall *call);
void bus_get_metrics(BusCall *call);
void bus_get_graph(BusCall *call);
