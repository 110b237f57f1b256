#pragma once

/* Snapshot files of the tests: in memory, with a way to write one of a pinset. */

#include <sys/mman.h>

#include "daemon/base/file.h"
#include "daemon/state/snapshot.h"
#include "tests/unit/state/fixture.h"

static const StateSnapshotHead snapshot_file_head = {
        .cluster_id = "the test cluster",
        .index = UINT64_C(0x0102030405060708),
        .term = 9,
};

static inline int snapshot_file_of_bytes(const void *bytes, size_t n) {
        int fd = memfd_create("snapshot", MFD_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(file_write_all(fd, bytes, n), ==, 0);
        return fd;
}

/* Append the whole file to BYTES. */
static inline int snapshot_file_write(StatePinset *pinset, Str *bytes) {
        _cleanup_(state_snapshot_writer_freep) StateSnapshotWriter *writer = NULL;
        _cleanup_(str_done) Str block = {};
        StateScan *scan = NULL;
        int r;

        r = state_scan_new(&scan, pinset);
        if (r < 0)
                return r;
        r = state_snapshot_writer_new(&writer, scan, &snapshot_file_head);
        if (r < 0)
                return r;

        while ((r = state_snapshot_writer_step(writer, &block)) > 0) {
                r = str_append_bytes(bytes, block.data, block.len);
                if (r < 0)
                        return r;
        }
        return r;
}

static inline void snapshot_file_fill(StatePinset *pinset, uint32_t n) {
        static const char *const values[] = { "one", "", "a longer value" };

        for (uint32_t i = 0; i < n; i++)
                g_assert_cmpint(fixture_put(pinset, i, values[i % ELEMENTSOF(values)]), ==, 0);
        g_assert_cmpint(state_pinset_commit(pinset, n), ==, 0);
}
