#include "daemon/offline/peer.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "daemon/config/lock.h"
#include "daemon/offline/say.h"

#define PEER_STATE_MODE 0700

void offline_peer_done(OfflinePeer *peer) {
        config_free(peer->config);
        config_identity_done(&peer->identity);
        free(peer->state_folder);
        free(peer->raft_folder);
        closep(&peer->lock_fd);
        *peer = (OfflinePeer) OFFLINE_PEER_NULL;
}

static int peer_find_folders(OfflinePeer *peer, const char *folder, Error *reterr) {
        const char *raft = peer->config->raft.data_folder;
        int r;

        r = config_state_folder(folder, &peer->state_folder);
        if (r >= 0)
                r = file_join(&peer->raft_folder, peer->state_folder, str_is_empty(raft) ? "raft" : raft);
        if (r >= 0)
                r = file_make_dirs(peer->state_folder, PEER_STATE_MODE);
        return r < 0 ? error_set_errno(reterr, r, "%s: %m", folder) : 0;
}

/* A file that is not there is no wrong configuration. */
static int peer_fail_config(Error *error) {
        return offline_say_error(
                        "loading configurations",
                        error,
                        error->code == ERROR_NOT_FOUND ? EXIT_FAILURE : EX_CONFIG);
}

int offline_peer_open(OfflinePeer *peer, const char *folder) {
        Error error = {};

        if (config_load(&peer->config, folder, &error) < 0)
                return peer_fail_config(&error);
        if (peer_find_folders(peer, folder, &error) < 0)
                return offline_say_error("making the state folder", &error, EXIT_FAILURE);
        if (config_lock(peer->state_folder, &peer->lock_fd, &error) < 0)
                return offline_say_error("obtaining execution lock", &error, EXIT_FAILURE);
        if (config_identity_load(&peer->identity, folder, &error) < 0)
                return peer_fail_config(&error);
        return 0;
}

int offline_peer_drop_caches(const OfflinePeer *peer) {
        static const char *const names[] = { "pins.gdbm", "pins.dirty", "tracker.gdbm", "tracker.dirty" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *path = NULL;
                int r = file_join(&path, peer->state_folder, names[i]);

                if (r < 0)
                        return r;
                if (unlink(path) < 0 && errno != ENOENT)
                        return -errno;
        }
        return 0;
}

int offline_peer_back_up(const OfflinePeer *peer, const char *from) {
        int r = file_put_aside(from, peer->raft_folder, (uint64_t) peer->config->raft.backups_rotate);

        return MIN(r, 0);
}
