#include "daemon/peers/note.h"

#include <errno.h>

int peers_note_begin(Str *to, PeersNoteKind kind, const uint8_t cluster_id[static STATE_CLUSTER_ID_SIZE]) {
        const uint8_t head[8] = { (uint8_t) kind };

        (void) str_append_bytes(to, head, sizeof(head));
        return str_append_bytes(to, cluster_id, STATE_CLUSTER_ID_SIZE);
}
