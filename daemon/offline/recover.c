#include <fcntl.h>
#include <stdio.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/consensus/consensus.h"
#include "daemon/offline/offline.h"
#include "daemon/offline/peer.h"
#include "daemon/offline/say.h"

#define RECOVER_FILE "recover.json" /* the pins, on their way from the old log to the new one */
#define RECOVER_QUESTION                                                                                            \
        "This peer is one of %zu, and is to go on alone with the pins that it has. Changes that the others "        \
        "acknowledged\nand this peer has not received are lost; changes that nobody acknowledged may become true. " \
        "The others must not\nrun any more as they are: clean up their state (state cleanup), then add them again.\n"

/* Answers the number of peers, or an exit status as a negative number after saying why. */
static int recover_look(const OfflinePeer *peer) {
        PeerIdList members = {};
        Error error = {};
        int n;

        if (access(peer->raft_folder, F_OK) < 0) {
                offline_say("error recovering: %s is not there: this peer never was a member\n",
                            peer->raft_folder);
                return -EXIT_FAILURE;
        }
        if (consensus_peek_members(peer->raft_folder, &members, &error) < 0)
                return -offline_say_error("recovering", &error, EXIT_FAILURE);
        n = (int) members.n;
        peer_id_list_done(&members);
        return n;
}

static bool recover_confirm(size_t n) {
        char question[sizeof(RECOVER_QUESTION) + 32];

        (void) snprintf(question, sizeof(question), RECOVER_QUESTION, n);
        return offline_say_confirm(question);
}

/* By way of an export and an import, which check everything, keep the old log, and exchange the two at once.
 */
static int recover_run(const char *folder, const char *file) {
        int r;

        r = offline_export(folder, file);
        if (r == 0)
                r = offline_import(&(OfflineImportOptions){ .folder = folder, .file = file, .force = true });
        return r;
}

int offline_recover_quorum(const char *folder, bool force) {
        _cleanup_(offline_peer_done) OfflinePeer peer = OFFLINE_PEER_NULL;
        _cleanup_free_ char *file = NULL;
        int n, r;

        r = offline_peer_open(&peer, folder);
        if (r > 0)
                return r;
        n = recover_look(&peer);
        if (n < 0)
                return -n;
        if (n == 1) {
                log_info("this peer is the only one of its cluster: nothing is to be recovered");
                return 0;
        }
        if (!force && !recover_confirm((size_t) n))
                return 0;
        if (file_join(&file, peer.state_folder, RECOVER_FILE) < 0)
                return EXIT_FAILURE;
        offline_peer_done(&peer); /* its lock, too */

        r = recover_run(folder, file);
        (void) file_remove_tree(AT_FDCWD, file);
        if (r == 0)
                log_info("this peer goes on alone; its former log is kept as raft.old.0");
        return r;
}
