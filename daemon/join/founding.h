#pragma once

/*
 * JoinFounding: before a peer founds a cluster with others, it asks all of them whether they have it
 * already. One that has lost its disk would else begin again as the same member, without what it has
 * acknowledged and whom it voted for.
 *
 *   "founding" to all ──► nobody has it, or JOIN_FOUNDING_TIMEOUT ──► found it
 *        ▲      │   └────► somebody has entries of it, and this peer as a member ──► join it
 *        └──────┘ no answer yet
 *
 * Meanwhile it answers the same question, so that peers that all begin at once do not wait for each other:
 * it has nothing.
 */

#include <systemd/sd-event.h>

#include "daemon/base/time.h"
#include "daemon/types/error.h"
#include "daemon/types/peer-id.h"

#define JOIN_FOUNDING_TIMEOUT (10 * USEC_PER_SEC)
#define JOIN_FOUNDING_METHOD "founding"

typedef struct JoinFounding JoinFounding;

typedef struct JoinFoundingOptions { /* all borrowed */
        const char *private_key;
        const PeerIdList *members; /* that found together, this peer among them */
        const StrList *addresses;  /* where they are, with /p2p/ */
        const int *fds;            /* listening, taken also on failure */
        size_t n_fds;
        uint64_t dial_timeout_usec;
        uint64_t timeout_usec; /* 0: JOIN_FOUNDING_TIMEOUT */
        /* From the loop, once; the founding may be freed. EXISTS: the cluster has this peer as a member, and
         * is reached at ADDRESSES, which are borrowed. Else SILENT are those that have not answered. */
        void (*done)(bool exists, const StrList *addresses, const PeerIdList *silent, void *userdata);
        void *userdata;
} JoinFoundingOptions;

/* Errors: ERROR_INVALID (the members, the key), … */
int join_founding_new(
                JoinFounding **ret, sd_event *event, const JoinFoundingOptions *options, Error *reterr);
JoinFounding *join_founding_free(JoinFounding *founding);
DEFINE_CLEANUP(JoinFounding *, join_founding_free);
