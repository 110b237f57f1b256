#pragma once

/* The stopped peer that an offline verb works on: its configuration, identity and folders, under its lock.
 */

#include "daemon/config/config.h"
#include "daemon/config/identity.h"

typedef struct OfflinePeer {
        Config *config;
        ConfigIdentity identity;
        char *state_folder;
        char *raft_folder;
        int lock_fd;
} OfflinePeer;

#define OFFLINE_PEER_NULL                                                                                   \
        { .lock_fd = -1 }

/* FOLDER: of the configuration. Answers 0, or an exit status after saying why. */
int offline_peer_open(OfflinePeer *peer, const char *folder);
void offline_peer_done(OfflinePeer *peer);

/* Forget what can be rebuilt from the log: pins.gdbm, tracker.gdbm. */
int offline_peer_drop_caches(const OfflinePeer *peer);

/* Move FROM to <raft folder>.old.0; what is there moves up, and the last of KEEP goes. Nothing happens when
 * FROM is not there. */
int offline_peer_back_up(const OfflinePeer *peer, const char *from);
