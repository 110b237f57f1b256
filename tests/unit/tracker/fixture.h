#pragma once

/* What the tests of the queue and of the spill share: a temporary folder, items by number. */

#include <fcntl.h>
#include <glib.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/tracker/record.h"
#include "daemon/types/cid.h"

typedef struct Folder {
        char *path;
} Folder;

static const uint8_t folder_digest[] = "sixteen bytes...";

static inline void folder_set_up(Folder *f, gconstpointer data) {
        (void) data;
        f->path = g_dir_make_tmp("tracker-XXXXXX", NULL);
        g_assert_nonnull(f->path);
}

static inline void folder_tear_down(Folder *f, gconstpointer data) {
        (void) data;
        g_assert_cmpint(file_remove_tree(AT_FDCWD, f->path), ==, 0);
        g_free(f->path);
}

static inline Cid item_cid(uint32_t number) {
        Cid cid;

        cid_of_bytes(CID_CODEC_RAW, &number, sizeof(number), &cid);
        return cid;
}
