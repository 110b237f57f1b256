#pragma once

/* What the tests of this folder share: a Kubo of the test's own, the connector, and one call at a time whose
 * end is kept. */

#include <glib.h>

#include "daemon/ipfs/ipfs.h"
#include "tests/lib/fake-kubo.h"

#define CID_A "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmma"
#define CID_B "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmb"

typedef struct Fixture {
        sd_event *event;
        FakeKubo *kubo;
        HttpClient *client;
        Ipfs *ipfs;
        IpfsCall *call;
        unsigned n_reachable, n_unreachable; /* changes told */

        int r;
        char *error;
        bool is_down;
        Cid cid;
        uint64_t repo_size, storage_max;
        PeerIdList peers;
        StrList items;
} Fixture;

static inline void fixture_on_reachable(bool reachable, void *userdata) {
        Fixture *f = userdata;

        if (reachable)
                f->n_reachable++;
        else
                f->n_unreachable++;
}

static inline void fixture_open_with(
                Fixture *f, const char *address, const char *authorization, uint64_t timeout_usec) {
        f->ipfs = ipfs_free(f->ipfs);
        g_assert_cmpint(ipfs_new(&f->ipfs,
                                 f->event,
                                 f->client,
                                 &(IpfsOptions){
                                                 .node_multiaddress = address,
                                                 .authorization = authorization,
                                                 .request_timeout_usec = timeout_usec,
                                                 .pin_timeout_usec = 10 * USEC_PER_SEC,
                                                 .unpin_timeout_usec = timeout_usec,
                                                 .reachable_changed = fixture_on_reachable,
                                                 .userdata = f,
                                 },
                                 NULL),
                        ==,
                        0);
}

static inline void fixture_set_up(Fixture *f, gconstpointer data) {
        (void) data;
        g_assert_cmpint(sd_event_new(&f->event), >=, 0);
        g_assert_cmpint(fake_kubo_new(&f->kubo, f->event), ==, 0);
        g_assert_cmpint(http_client_new(&f->client, f->event), ==, 0);
        fixture_open_with(f, fake_kubo_multiaddr(f->kubo), NULL, 10 * USEC_PER_SEC);
}

static inline void fixture_tear_down(Fixture *f, gconstpointer data) {
        (void) data;
        ipfs_call_unref(f->call);
        ipfs_free(f->ipfs);
        http_client_free(f->client);
        fake_kubo_free(f->kubo);
        sd_event_unref(f->event);
        g_free(f->error);
        peer_id_list_done(&f->peers);
        str_list_done(&f->items);
}

static inline Cid fixture_cid(const char *text) {
        Cid cid;

        g_assert_cmpint(cid_parse(text, &cid, NULL), ==, 0);
        return cid;
}

/* Every handler of a test ends here. */
static inline void fixture_heard(Fixture *f, int r, const Error *error) {
        f->r = r;
        f->is_down = r < 0 && ipfs_call_is_down(f->call);
        g_free(f->error);
        f->error = g_strdup(r < 0 ? error_message(error) : NULL);
        f->call = ipfs_call_unref(f->call);
}

static inline void fixture_wait(Fixture *f) {
        while (f->call)
                g_assert_cmpint(sd_event_run(f->event, UINT64_MAX), >=, 0);
}

static inline void fixture_on_id(
                IpfsCall *call, int r, const Error *error, const IpfsId *id, void *userdata) {
        (void) call;
        (void) id;
        fixture_heard(userdata, r, error);
}

static inline void fixture_ask_id(Fixture *f) {
        g_assert_cmpint(ipfs_id(f->ipfs, &f->call, fixture_on_id, f), ==, 0);
        fixture_wait(f);
}

#define fixture_assert_words(f, words)                                                                      \
        do {                                                                                                \
                g_assert_cmpint((f)->r, <, 0);                                                              \
                if (!strstr((f)->error, (words)))                                                           \
                        g_error("'%s' is not in '%s'", (words), (f)->error);                                \
        } while (0)
