#include "tests/unit/cluster/set.h"

#include <string.h>

#include "daemon/cluster/import.h"
#include "daemon/cluster/internal.h"

#define LINK_USEC (50 * USEC_PER_MSEC)

const FakeAnswer set_refusal = { .status = 500,
                                 .body = "{\"Message\":\"no\",\"Code\":0,\"Type\":\"error\"}" };

/* ---- life */

static void hurry(Set *set) {
        for (unsigned i = 0; i < SET_N; i++)
                if (set->peers[i].cluster)
                        set->peers[i].cluster->gather_link_usec = LINK_USEC;
}

void set_set_up(Set *set, gconstpointer data G_GNUC_UNUSED) {
        peer_set_init(set->peers, SET_N);
        peer_set_start(set->peers, SET_N);
        hurry(set);
}

void set_tear_down(Set *set, gconstpointer data G_GNUC_UNUSED) {
        rpc_free(set->impostor.rpc);
        peer_set_close(set->peers, SET_N);
}

void set_stop_third(Set *set) {
        peer_stop(&set->peers[2]);
        PEER_UNTIL(&set->peers[0],
                   !cluster_peer_is_up(set->peers[0].cluster, &set->peers[2].identity.id) &&
                                   !cluster_peer_is_up(set->peers[1].cluster, &set->peers[2].identity.id));
}

/* ---- the impostor */

static void on_closed(RpcRequest *request G_GNUC_UNUSED, void *userdata G_GNUC_UNUSED) {
}

static void answer(Impostor *impostor, RpcRequest *request, const char *method) {
        _cleanup_(error_done) Error error = {};

        impostor->n_asked++;
        if (impostor->method && strcmp(impostor->method, method) != 0) {
                (void) error_set(&error, ERROR_REFUSED, "no such thing");
                (void) rpc_request_fail(request, &error);
        } else if (impostor->is_silent)
                rpc_request_on_closed(request, on_closed, impostor);
        else
                (void) rpc_request_reply(request, impostor->answer, impostor->size);
}

#define IMPOSTOR_METHOD(name)                                                                               \
        static void impostor_on_##name(                                                                     \
                        RpcRequest *request,                                                                \
                        const void *body G_GNUC_UNUSED,                                                     \
                        size_t size G_GNUC_UNUSED,                                                          \
                        void *userdata) {                                                                   \
                answer(userdata, request, #name);                                                           \
        }

IMPOSTOR_METHOD(id)
IMPOSTOR_METHOD(status)
IMPOSTOR_METHOD(records)
IMPOSTOR_METHOD(check)
IMPOSTOR_METHOD(gc)
IMPOSTOR_METHOD(repo)
IMPOSTOR_METHOD(graph)

static bool is_member(const PeerId *peer G_GNUC_UNUSED, void *userdata G_GNUC_UNUSED) {
        return true;
}

static void on_note(
                const PeerId *from G_GNUC_UNUSED,
                const void *bytes G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata G_GNUC_UNUSED) {
}

void set_set_up_impostor(Set *set, gconstpointer data G_GNUC_UNUSED) {
        static const RpcMethod methods[] = {
                { "id", RPC_OPEN, impostor_on_id },           { "status", RPC_OPEN, impostor_on_status },
                { "records", RPC_OPEN, impostor_on_records }, { "check", RPC_OPEN, impostor_on_check },
                { "gc", RPC_OPEN, impostor_on_gc },           { "repo", RPC_OPEN, impostor_on_repo },
                { "graph", RPC_OPEN, impostor_on_graph },     {},
        };
        static const RpcEvents events = { .is_member = is_member, .note = on_note };
        Peer *third = &set->peers[2];
        int fd;

        peer_set_init(set->peers, SET_N);
        fd = TAKE_FD(third->fd);
        g_assert_cmpint(rpc_new(&set->impostor.rpc,
                                third->event,
                                &(RpcOptions){
                                                .private_key = third->identity.private_key,
                                                .fds = &fd,
                                                .n_fds = 1,
                                                .dial_timeout_usec = USEC_PER_SEC,
                                                .methods = methods,
                                                .events = &events,
                                                .userdata = &set->impostor,
                                },
                                NULL),
                        ==,
                        0);
        peer_begin(&set->peers[0]);
        peer_begin(&set->peers[1]);
        peer_set_until_linked(set->peers, SET_N);
        hurry(set);
}

/* ---- pins */

typedef struct Import {
        bool is_done;
} Import;

static void on_wake(void *userdata G_GNUC_UNUSED) {
}

static void on_imported(
                int r,
                const Error *error G_GNUC_UNUSED,
                uint64_t n_committed G_GNUC_UNUSED,
                void *userdata) {
        g_assert_cmpint(r, ==, 0);
        ((Import *) userdata)->is_done = true;
}

static bool has(const Peer *peer, uint64_t number) {
        const Cid cid = peer_cid(number);
        Pin pin = {};
        int r;

        r = peer->cluster ? cluster_pin_get(peer->cluster, &cid, &pin) : 1;
        pin_done(&pin);
        return r > 0;
}

void set_until_applied(Set *set, uint64_t number) {
        for (unsigned i = 0; i < SET_N; i++)
                PEER_UNTIL(&set->peers[0], has(&set->peers[i], number));
}

void set_pin(Set *set, uint64_t number, const char *at) {
        Pin pin = asked_pin_of(number);
        ClusterImport *imported;
        Import import = {};

        for (; *at; at++)
                g_assert_cmpint(peer_id_list_append(&pin.allocations, &set->peers[*at - '0'].identity.id),
                                ==,
                                0);
        if (pin.allocations.n > 0)
                pin.replication_factor_min = pin.replication_factor_max = (int64_t) pin.allocations.n;
        pin.timestamp = 1000000 + number;
        g_assert_cmpint(cluster_import_new(
                                        set->peers[0].cluster,
                                        &imported,
                                        NULL,
                                        on_wake,
                                        on_imported,
                                        &import),
                        ==,
                        0);
        g_assert_cmpint(cluster_import_add(imported, &pin, NULL), ==, 1);
        cluster_import_finish(imported);
        PEER_UNTIL(&set->peers[0], import.is_done);
        cluster_import_free(imported);
        pin_done(&pin);
        set_until_applied(set, number);
}

static bool is_complete(const Peer *peer) {
        ClusterSummary summary;

        cluster_summary(peer->cluster, &summary);
        return summary.is_complete;
}

void set_until_complete(Set *set, unsigned peer) {
        PEER_UNTIL(&set->peers[0], is_complete(&set->peers[peer]));
}

void set_pin_three(Set *set) {
        set_pin(set, 1, "");
        set_pin(set, 2, "02");
        set_pin(set, 3, "1");
        for (unsigned i = 0; i < SET_N; i++)
                set_until_status(set, 1, i, PIN_STATUS_PINNED);
        set_until_status(set, 2, 0, PIN_STATUS_PINNED);
        set_until_status(set, 2, 2, PIN_STATUS_PINNED);
        set_until_status(set, 3, 1, PIN_STATUS_PINNED);
}

/* ---- lists in few words */

void set_assert_told(char *text, const char *expected) {
        g_autofree char *owned = text;

        g_assert_cmpstr(owned, ==, expected);
}

unsigned set_count(const char *text, const char *part) {
        unsigned n = 0;

        for (; (text = strstr(text, part)); text += strlen(part))
                n++;
        return n;
}

static uint64_t number_of(const Cid *cid) {
        for (uint64_t i = 0; i < SET_NUMBERS; i++) {
                Cid other = peer_cid(i);

                if (cid_equal(cid, &other))
                        return i;
        }
        return SET_NUMBERS;
}

static const PinInfo *find_peer(const GlobalPinInfo *info, const PeerId *peer) {
        const PinInfo *items = info->peer_map.items;
        char id[PEER_ID_TEXT_MAX];

        (void) peer_id_format(peer, id);
        for (size_t i = 0; i < info->peer_map.n; i++)
                if (strcmp(items[i].peer, id) == 0)
                        return &items[i];
        return NULL;
}

/* Whatever it is about, the map is that of peers that exist, in their order. */
static void check(const GlobalPinInfo *info) {
        const PinInfo *items = info->peer_map.items;

        for (size_t i = 0; i < info->peer_map.n; i++) {
                g_assert_cmpuint(items[i].timestamp, >, 0);
                if (i > 0)
                        g_assert_cmpstr(items[i - 1].peer, <, items[i].peer);
        }
}

/* Of an answer of Kubo, its message. */
static const char *short_words(const char *words) {
        const char *message = strstr(words, ". Message: ");

        return message ? message + strlen(". Message: ") : words;
}

static char *describe(const Set *set, const GlobalPinInfo *info) {
        GString *text = g_string_new(NULL);

        check(info);
        g_string_append_printf(text, "%" G_GUINT64_FORMAT, number_of(&info->cid));
        for (unsigned i = 0; i < SET_N; i++) {
                const PinInfo *item = find_peer(info, &set->peers[i].identity.id);

                if (!item)
                        continue;
                g_string_append_printf(text, " %u=%s", i, pin_status_to_string((PinStatus) item->status));
                if (item->error && *item->error)
                        g_string_append_printf(text, "(%s)", short_words(item->error));
        }
        return g_string_free(text, FALSE);
}

static int compare(gconstpointer a, gconstpointer b) {
        const char *const *x = a, *const *y = b;

        return (int) (atoi(*x) - atoi(*y));
}

static void on_list_wake(void *userdata) {
        *(bool *) userdata = true;
}

char *set_told(Set *set, ClusterList *list) {
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
        Error error = {};
        bool woken = false;
        const void *item;
        int r;

        cluster_list_on_wake(list, on_list_wake, &woken);
        while ((r = cluster_list_next(list, &item, &error)) > 0) {
                if (r == 1)
                        g_ptr_array_add(lines, describe(set, item));
                else
                        PEER_UNTIL(&set->peers[0], woken);
                woken = false;
        }
        g_ptr_array_sort(lines, compare);
        if (r < 0)
                g_ptr_array_add(lines, g_strdup_printf("error: %s", error_message(&error)));
        error_done(&error);
        cluster_list_free(list);
        g_ptr_array_add(lines, NULL);
        return g_strjoinv("\n", (char **) lines->pdata);
}

char *set_statuses(Set *set, unsigned peer, PinStatus filter) {
        const ClusterStatusQuery query = { .filter = filter };
        ClusterList *list;

        g_assert_cmpint(cluster_list_statuses(set->peers[peer].cluster, &list, &query, NULL), ==, 0);
        return set_told(set, list);
}

/* ---- one status */

typedef struct Status {
        const Set *set;
        char *text;
} Status;

static void on_status(
                ClusterCall *call G_GNUC_UNUSED,
                int r,
                const Error *error,
                const GlobalPinInfo *info,
                void *userdata) {
        Status *status = userdata;

        status->text = r < 0 ? g_strdup_printf("error: %s", error_message(error))
                             : describe(status->set, info);
}

static char *wait_for_status(Set *set, int r, ClusterCall *call, const Status *status) {
        g_assert_cmpint(r, ==, 0);
        PEER_UNTIL(&set->peers[0], status->text);
        cluster_call_unref(call);
        return status->text;
}

char *set_status(Set *set, unsigned peer, uint64_t number) {
        const Cid cid = peer_cid(number);
        Status status = { set };
        ClusterCall *call;
        int r;

        r = cluster_status(set->peers[peer].cluster, &call, &cid, false, on_status, &status);
        return wait_for_status(set, r, call, &status);
}

char *set_recover(Set *set, unsigned peer, uint64_t number) {
        const Cid cid = peer_cid(number);
        Status status = { set };
        ClusterCall *call;
        int r;

        r = cluster_recover(set->peers[peer].cluster, &call, &cid, false, on_status, &status);
        return wait_for_status(set, r, call, &status);
}

static void on_local_status(
                ClusterCall *call G_GNUC_UNUSED,
                int r,
                const Error *error G_GNUC_UNUSED,
                const GlobalPinInfo *info,
                void *userdata) {
        const PinInfo *items = r < 0 ? NULL : info->peer_map.items;

        *(int *) userdata = items ? items->status : r;
}

/* What has time, as the check of Kubo's pins, gets its turn only when nobody asks. */
static void rest(const Set *set) {
        for (unsigned i = 0; i < 100 && sd_event_run(set->peers[0].event, 1000) > 0; i++)
                ;
}

void set_until_status(Set *set, uint64_t number, unsigned peer, PinStatus status) {
        const Cid cid = peer_cid(number);
        gint64 deadline = g_get_monotonic_time() + PEER_PATIENCE_USEC;
        int found = 0;

        if (!set->peers[peer].cluster)
                return;
        while (found != (int) status) {
                ClusterCall *call;

                found = 0;
                rest(set);
                g_assert_cmpint(cluster_status(set->peers[peer].cluster,
                                               &call,
                                               &cid,
                                               /* local= */ true,
                                               on_local_status,
                                               &found),
                                ==,
                                0);
                PEER_UNTIL(&set->peers[0], found != 0);
                cluster_call_unref(call);
                if (g_get_monotonic_time() > deadline)
                        g_assert_cmpstr(pin_status_to_string((PinStatus) found),
                                        ==,
                                        pin_status_to_string(status));
        }
}
