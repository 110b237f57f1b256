#include "tests/unit/cluster/asked.h"

#include <string.h>

/* ---- answers */

static void keep(Asked *asked, int r, const Error *error, const JsonShape *shape, const void *value) {
        Str json = {};

        asked->n++;
        asked->r = r;
        if (r < 0) {
                g_assert_cmpint(error->code, !=, ERROR_NONE);
                asked->code = error->code;
                asked->words = g_strdup(error_message(error));
                return;
        }
        g_assert_cmpint(json_write(shape, value, &json), ==, 0);
        asked->json = str_take(&json);
}

void asked_on_pin(
                ClusterCall *call G_GNUC_UNUSED, int r, const Error *error, const Pin *pin, void *userdata) {
        keep(userdata, r, error, &pin_shape, pin);
}

void asked_on_status(
                ClusterCall *call G_GNUC_UNUSED,
                int r,
                const Error *error,
                const GlobalPinInfo *info,
                void *userdata) {
        keep(userdata, r, error, &global_pin_info_shape, info);
}

void asked_on_peer(
                ClusterCall *call G_GNUC_UNUSED,
                int r,
                const Error *error,
                const PeerInfo *peer,
                void *userdata) {
        keep(userdata, r, error, &peer_info_shape, peer);
}

void asked_on_graph(
                ClusterCall *call G_GNUC_UNUSED,
                int r,
                const Error *error,
                const ConnectGraph *graph,
                void *userdata) {
        keep(userdata, r, error, &connect_graph_shape, graph);
}

void asked_on_repo(
                ClusterCall *call G_GNUC_UNUSED,
                int r,
                const Error *error,
                const ClusterRepo *repo,
                void *userdata) {
        keep(userdata, r, error, &cluster_repo_shape, repo);
}

void asked_on_gc(
                ClusterCall *call G_GNUC_UNUSED,
                int r,
                const Error *error,
                const GlobalRepoGc *gc,
                void *userdata) {
        keep(userdata, r, error, &global_repo_gc_shape, gc);
}

void asked_done(Asked *asked) {
        cluster_call_unref(asked->call);
        g_free(asked->words);
        free(asked->json);
        *asked = (Asked){};
}

void asked_wait(Peer *peer, Asked *asked) {
        PEER_UNTIL(peer, asked->n > 0);
}

/* ---- questions */

Pin asked_pin_of(uint64_t n) {
        return (Pin){
                .cid = peer_cid(n),
                .replication_factor_min = -1,
                .replication_factor_max = -1,
                .type = PIN_TYPE_DATA,
                .max_depth = PIN_DEPTH_RECURSIVE,
        };
}

void asked_pin(Peer *peer, uint64_t n, const Pin *options) {
        Pin pin = options ? *options : asked_pin_of(n);
        Asked asked = {};

        pin.cid = peer_cid(n);
        g_assert_cmpint(cluster_pin(peer->cluster, &asked.call, &pin, NULL, asked_on_pin, &asked), ==, 0);
        asked_wait(peer, &asked);
        g_assert_cmpint(asked.r, ==, 0);
        asked_done(&asked);
}

char *asked_status(Peer *peer, uint64_t n) {
        Cid cid = peer_cid(n);
        Asked asked = {};
        char *json;

        g_assert_cmpint(cluster_status(peer->cluster, &asked.call, &cid, false, asked_on_status, &asked),
                        ==,
                        0);
        asked_wait(peer, &asked);
        json = asked.json ? g_strdup(asked.json) : g_strdup_printf("error: %s", asked.words);
        asked_done(&asked);
        return json;
}

/* ---- lists */

static void on_wake(void *userdata) {
        *(bool *) userdata = true;
}

char *asked_list(Peer *peer, ClusterList *list) {
        Error error = {};
        bool woken = false;
        const void *item;
        Str text = {};
        int r;

        cluster_list_on_wake(list, on_wake, &woken);
        while ((r = cluster_list_next(list, &item, &error)) > 0) {
                if (r == CLUSTER_LIST_WAIT) {
                        PEER_UNTIL(peer, woken);
                        woken = false;
                        continue;
                }
                (void) json_write(cluster_list_shape(list), item, &text);
                (void) str_append_char(&text, '\n');
        }
        if (r < 0)
                (void) str_appendf(&text, "error: %s", error_message(&error));
        error_done(&error);
        cluster_list_free(list);
        return str_take(&text);
}
