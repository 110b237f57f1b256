#include "daemon/consensus/engine.h"
#include "daemon/consensus/snapshot-store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The members in an entry of the log, and the file "members" of a snapshot. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        ConsensusPayload *payload, *again;
        ConsensusSnapshotHead head;
        ConsensusMembers members;

        if (consensus_snapshot_decode(data, size, &head, cluster_id) == 0)
                consensus_snapshot_head_done(&head);

        if (consensus_payload_new(&payload, data, size) < 0)
                return 0;
        if (consensus_members_decode(payload, &members) == 0) {
                if (consensus_members_encode(&members, &again) == 0)
                        consensus_payload_unref(again);
                consensus_members_done(&members);
        }
        consensus_payload_unref(payload);
        return 0;
}
