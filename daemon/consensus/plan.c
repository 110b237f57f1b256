#include "daemon/consensus/plan.h"

#include <inttypes.h>

#include "daemon/base/file.h"

static int plan_fail(const ConsensusLogPlan *plan, uint64_t first, uint32_t offset, int r, Error *reterr) {
        char name[CONSENSUS_SEGMENT_NAME_MAX];

        return error_set_errno(
                        reterr,
                        r,
                        "%s/%s: offset %" PRIu32 ": cannot write: %m",
                        plan->folder,
                        consensus_segment_name(first, name),
                        offset);
}

static int remove_segments(const ConsensusLogPlan *plan, const uint64_t *firsts, size_t n, Error *reterr) {
        char name[CONSENSUS_SEGMENT_NAME_MAX];
        int r;

        for (size_t i = 0; i < n; i++) {
                if (unlinkat(plan->dir_fd, consensus_segment_name(firsts[i], name), 0) < 0)
                        return error_set_errno(
                                        reterr, -errno, "%s/%s: cannot remove: %m", plan->folder, name);

                /* One by one: their order on the disk is what leaves no gap after a crash. */
                r = file_sync_dir(plan->dir_fd);
                if (r < 0)
                        return error_set_errno(reterr, r, "%s: cannot sync: %m", plan->folder);
        }
        return 0;
}

static int make_file(const ConsensusLogPlan *plan, ConsensusLogPart *part) {
        const ConsensusSegment segment = {
                .first = part->first,
                .previous_term = part->previous_term,
                .size = part->size,
        };
        int fd;

        fd = consensus_segment_create(plan->dir_fd, &segment, plan->cluster_id, part->from_fd, part->keep);
        if (fd < 0)
                return fd;
        part->fd = fd;
        return 0;
}

static size_t part_bytes(const ConsensusLogPlan *plan, const ConsensusLogPart *part) {
        size_t n = 0;

        for (size_t i = 0; i < part->n; i++)
                n += consensus_record_size(plan->entries[part->from + i].payload->size);
        return n;
}

static int write_all_at(int fd, const uint8_t *bytes, size_t n, off_t offset) {
        while (n > 0) {
                ssize_t w = pwrite(fd, bytes, n, offset);

                if (w < 0 && errno == EINTR)
                        continue;
                if (w <= 0) /* a write of nothing would go on for ever */
                        return w < 0 ? -errno : -EIO;
                bytes += w;
                offset += w;
                n -= (size_t) w;
        }
        return 0;
}

static int write_records(const ConsensusLogPlan *plan, const ConsensusLogPart *part) {
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n = part_bytes(plan, part), at = 0;
        int r;

        bytes = malloc(n);
        if (!bytes)
                return -ENOMEM;

        for (size_t i = 0; i < part->n; i++) {
                const ConsensusEntry *entry = &plan->entries[part->from + i];

                consensus_record_encode(entry, plan->entries[part->from].index, bytes + at);
                at += consensus_record_size(entry->payload->size);
        }

        r = write_all_at(part->fd, bytes, n, part->offset);
        if (r < 0)
                return r;
        return fdatasync(part->fd) < 0 ? -errno : 0;
}

int consensus_log_plan_run(ConsensusLogPlan *plan, Error *reterr) {
        int r;

        r = remove_segments(plan, plan->cut, plan->n_cut, reterr);
        if (r < 0)
                return r;

        for (size_t i = 0; i < plan->n_parts; i++) {
                ConsensusLogPart *part = &plan->parts[i];

                if (part->create)
                        r = make_file(plan, part);
                if (r == 0 && part->n > 0)
                        r = write_records(plan, part);
                if (r < 0)
                        return plan_fail(plan, part->first, part->offset, r, reterr);
        }

        return remove_segments(plan, plan->obsolete, plan->n_obsolete, reterr);
}

ConsensusLogPlan *consensus_log_plan_free(ConsensusLogPlan *plan) {
        if (!plan)
                return NULL;

        for (size_t i = 0; i < plan->n_entries; i++)
                consensus_payload_unref(plan->entries[i].payload);
        for (size_t i = 0; i < plan->n_parts; i++) {
                if (plan->parts[i].create)
                        closep(&plan->parts[i].fd);
                closep(&plan->parts[i].dropped_fd);
        }
        free(plan->cut);
        free(plan->obsolete);
        free(plan->entries);
        free(plan->parts);
        free(plan);
        return NULL;
}
