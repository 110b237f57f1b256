#pragma once

/* What ipfs-cluster-service does on a stopped peer: init, state export | import | cleanup |
 * recover-quorum.
 * Words go to standard error, asks on standard output, as recorded in tests/golden/service. Each answers 0
 * or an exit status. All take the lock of the state folder where there is one. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/types/error.h"

typedef struct OfflineInitOptions {
        const char *folder;
        const char *consensus; /* "raft" or NULL; "crdt" is refused with words */
        const char *datastore; /* of crdt only, so refused with words; NULL: not given */
        bool custom_secret;    /* ask for it */
        const char *peers;     /* comma list of multiaddrs with /p2p/<id>, or NULL */
        bool force;            /* overwrite without asking */
        bool missing; /* write what is not there, and only that; what the environment has stays there */
        bool random_ports;
} OfflineInitOptions;
int offline_init(const OfflineInitOptions *options);

int offline_export(const char *folder, const char *file); /* NULL: standard output */

typedef struct OfflineImportOptions {
        const char *folder;
        const char *file;          /* or the URL of a running peer's API; NULL: standard input */
        const char *basic_auth;    /* "user:password" for that one, or NULL */
        bool no_check_certificate; /* of that one */
        bool force;                /* no question */
        bool merge;                /* keep what is there; else it is replaced */
        bool dry_run;              /* say what would come of it, change nothing */
        int64_t replication_factor_min, replication_factor_max;
        const char *allocations; /* comma list of peer IDs, or NULL */
} OfflineImportOptions;
int offline_import(const OfflineImportOptions *options);

int offline_cleanup(const char *folder, bool force);

/* The peers that are left are too few to decide anything: this one goes on alone. Asks first unless FORCE.
 */
int offline_recover_quorum(const char *folder, bool force);
