#include "daemon/base/log.h"
#include "daemon/offline/offline.h"
#include "daemon/offline/peer.h"
#include "daemon/offline/say.h"

int offline_cleanup(const char *folder, bool force) {
        _cleanup_(offline_peer_done) OfflinePeer peer = OFFLINE_PEER_NULL;
        Error error = {};
        int r;

        r = offline_peer_open(&peer, folder);
        if (r > 0)
                return r;
        if (!force && !offline_say_confirm("The peer state will be removed.  Existing pins may be lost."))
                return 0;

        r = offline_peer_drop_caches(&peer);
        if (r >= 0)
                r = offline_peer_back_up(&peer, peer.raft_folder);
        if (r < 0) {
                (void) error_set_errno(&error, r, "%s: %m", peer.raft_folder);
                return offline_say_error("cleaning up consensus data", &error, EXIT_FAILURE);
        }

        log_info("data correctly cleaned up");
        return 0;
}
