#pragma once

/* What the tests of this folder share: a temporary folder, keys and a pinset in it. */

#include <fcntl.h>
#include <glib.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/state/pinset.h"

typedef struct Fixture {
        char *folder;
} Fixture;

static const uint8_t fixture_cluster[STATE_CLUSTER_ID_SIZE] = "the test cluster";

static inline void fixture_set_up(Fixture *f, gconstpointer data) {
        (void) data;
        f->folder = g_dir_make_tmp("state-XXXXXX", NULL);
        g_assert_nonnull(f->folder);
}

static inline void fixture_tear_down(Fixture *f, gconstpointer data) {
        (void) data;
        g_assert_cmpint(file_remove_tree(AT_FDCWD, f->folder), ==, 0);
        g_free(f->folder);
}

static inline StatePinset *fixture_open(const Fixture *f, int expect) {
        StatePinset *pinset = NULL;

        g_assert_cmpint(state_pinset_open(&pinset, f->folder, fixture_cluster, NULL), ==, expect);
        return pinset;
}

static inline Cid fixture_key(uint32_t number) {
        Cid cid;

        cid_of_bytes(CID_CODEC_RAW, &number, sizeof(number), &cid);
        return cid;
}

static inline int fixture_put(StatePinset *pinset, uint32_t number, const char *value) {
        Cid key = fixture_key(number);

        return state_pinset_put(pinset, &key, value, strlen(value));
}

static inline int fixture_remove(StatePinset *pinset, uint32_t number) {
        Cid key = fixture_key(number);

        return state_pinset_remove(pinset, &key);
}

static inline void fixture_assert_value(StatePinset *pinset, uint32_t number, const char *expect) {
        Cid key = fixture_key(number);
        _cleanup_(str_done) Str value = {};

        g_assert_cmpint(state_pinset_has(pinset, &key), ==, expect ? 1 : 0);
        g_assert_cmpint(state_pinset_get_bytes(pinset, &key, &value), ==, expect ? 1 : 0);
        g_assert_cmpstr(value.data, ==, expect);
}
