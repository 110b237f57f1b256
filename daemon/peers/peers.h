#pragma once

/*
 * Peers: this peer's place among the others: the links (daemon/rpc), Raft's messages on them, whose address
 * is what, who is a member and in which role, ways in and out, and changes of the pinset from any peer.
 *
 * Rpc is owned, Consensus is lent: peers_new() listens, consensus_open() is given peers_send() as its way
 * out, and peers_attach() joins the two. Other folders add their own methods to the links (RpcMethod), and
 * ask by peers_rpc().
 *
 * Notes on a link begin with a kind and the sender's cluster id (note.h); what comes from another cluster is
 * dropped and logged once per source and minute.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "daemon/base/histogram.h"
#include "daemon/consensus/consensus.h"
#include "daemon/consensus/engine.h"
#include "daemon/rpc/rpc.h"
#include "daemon/types/metric.h"

#define PEERS_SUBMITS_MAX 8192 /* of this peer's callers, under way; ERROR_BUSY beyond */
#define PEERS_SUBMIT_BYTES_MAX (64 * 1024 * 1024)
#define PEERS_RETRY_USEC (100 * USEC_PER_MSEC)       /* a leader that refused or was lost is asked again */
#define PEERS_SUBMIT_TIMEOUT (60 * USEC_PER_SEC)     /* of a submit that has to go through another peer */
#define PEERS_FORWARDED_MAX 16384                    /* entries of others that a leader knows again */
#define PEERS_ADDRESSES_MAX 32                       /* of one peer */
#define PEERS_MEMBERSHIP_TIMEOUT (30 * USEC_PER_SEC) /* to add or to remove a peer */

typedef struct Peers Peers;
typedef struct PeersSubmit PeersSubmit;
typedef struct PeersChange PeersChange;

typedef struct PeersEvents {
        /* Of a member, from the loop; METRIC is borrowed, its expiry is by this peer's clock. */
        void (*metric)(const Metric *metric, void *userdata);
        /* The members, or what is known of them (names, addresses), have changed. */
        void (*changed)(void *userdata);
        /* A member's link came up, or was lost. */
        void (*link_changed)(const PeerId *peer, bool up, void *userdata);
        /* The process has to end with EXIT_STATUS, and to move the raft folder aside after it has closed the
         * consensus (join_folder_put_aside()): 0 when this peer was removed from its cluster, 75 to start
         * again and join another one. WORDS say which. */
        void (*leave)(int exit_status, const char *words, void *userdata);
        /* The pinset of PEER and this one differ at INDEX (digests of STATE_DIGEST_SIZE bytes): told once
         * until they agree again. May be NULL. */
        void (*diverged)(
                        const PeerId *peer,
                        uint64_t index,
                        const uint8_t *ours,
                        const uint8_t *theirs,
                        void *userdata);
} PeersEvents;

typedef struct PeersOptions {
        const char *state_folder;
        const char *private_key; /* base64, as identity.json has it */
        const char *secret;      /* cluster.secret; "": an open cluster */
        const char *peername;    /* borrowed, like all text here */
        const char *peerstore;   /* path of the file */
        const StrList *known;    /* multiaddrs with /p2p/ of other peers: peer_addresses, of a join */
        const int *fds;          /* listening, taken also on failure */
        size_t n_fds;
        const StrList *addresses; /* this peer's own, announced, with /p2p/ */
        const StrList *bootstrap; /* whom to join when this peer turns out to be alone and empty */
        uint64_t dial_timeout_usec;
        uint64_t wait_for_leader_usec; /* a submit fails with ERROR_NO_LEADER after so long without */
        uint64_t network_timeout_usec; /* of a call to the leader */
        uint64_t watch_usec;           /* peer_watch_interval */
        const RpcMethod *methods;      /* of the owner; may be NULL; ends with an empty row; must outlive */
        void *methods_userdata;
        /* What MEMBER shares with those that fail together with it, for the choice of voters (roles.h);
         * borrowed until the loop goes on, NULL: not known. The function may be NULL. */
        const char *(*domain)(const PeerId *member, void *userdata);
        const PeersEvents *events; /* must outlive */
        void *userdata;
} PeersOptions;

int peers_new(Peers **ret, sd_event *event, const PeersOptions *options, Error *reterr);
/* CONSENSUS is lent until peers_detach() or peers_free(), also on failure. Errors: ERROR_IO, with the file.
 */
int peers_attach(Peers *peers, Consensus *consensus, Error *reterr);
/* Before the consensus is closed: what is under way ends with ERROR_CANCELED, from inside. */
void peers_detach(Peers *peers);
Peers *peers_free(Peers *peers);
DEFINE_CLEANUP(Peers *, peers_free);

Rpc *peers_rpc(Peers *peers);

/* ---- events of the consensus, handed on by whoever owns it */

void peers_send(Peers *peers, const ConsensusMessage *message);
void peers_on_leader(Peers *peers);
void peers_on_progress(Peers *peers, uint64_t applied_index);
void peers_on_members(Peers *peers);
void peers_on_applied(Peers *peers, uint64_t index, const ConsensusOp *op); /* of tags, at least */

/* ---- what is known of the others */

/* Those of the consensus, as of what is applied here. */
bool peers_is_member(const Peers *peers, const PeerId *peer);
bool peers_is_up(const Peers *peers, const PeerId *peer);       /* linked, or this peer itself */
const char *peers_name(const Peers *peers, const PeerId *peer); /* "" when not known; borrowed */
/* Borrowed until the loop goes on; NULL: none known. */
const StrList *peers_addresses(const Peers *peers, const PeerId *peer);

/* METRIC is this peer's own: told to the member TO, or to all members (NULL) that are linked, or can be. */
void peers_publish(Peers *peers, const Metric *metric, const PeerId *to);

/* ---- changes of the pinset */

/* As consensus_submit(), on any peer: what this one cannot append goes to the leader, and to the next one
 * when that is lost, but gets into the log once at most (architecture.md). DONE with 0 comes after the entry
 * was applied here. What is not done after PEERS_SUBMIT_TIMEOUT, or when there was no leader for
 * wait_for_leader_usec, fails: ERROR_TIMEOUT, ERROR_NO_LEADER when no leader has taken it; ERROR_IN_DOUBT
 * when one may have. The latter also when this peer has lagged so much that it was sent a snapshot in the
 * place of the entries that would have told. Dropping the slot silences DONE; what was sent may still be
 * committed. */
typedef void (*PeersDone)(int r, const Error *error, void *userdata);
int peers_submit(
                Peers *peers,
                PeersSubmit **ret,
                const ConsensusOp *ops,
                size_t n,
                PeersDone done,
                void *userdata,
                Error *reterr);
PeersSubmit *peers_submit_unref(PeersSubmit *submit);
DEFINE_CLEANUP(PeersSubmit *, peers_submit_unref);
/* The submits under way that this peer sent to the log itself, or to the leader. */
size_t peers_n_submits(const Peers *peers);
typedef struct PeersCounters {
        Histogram commits; /* from peers_submit() to DONE, of those that were applied here */
        uint64_t n_failures;
} PeersCounters;
const PeersCounters *peers_counters(const Peers *peers);

/* ---- membership; any member may be asked */

/* Fetch the peer at ADDRESS (canonical; NULL: where PEER is known to be) into this cluster: it is asked to
 * join, puts its own (empty) state aside, and comes back as a member. PEER may be unset when ADDRESS says
 * who is there. DONE with 0 comes when it is a member here. Errors, by DONE: ERROR_REFUSED (it has pins of
 * its own, is in another cluster, says no), ERROR_FORBIDDEN (the secrets differ), ERROR_TIMEOUT. */
typedef void (*PeersChangeDone)(
                PeersChange *change, int r, const Error *error, const PeerId *peer, void *userdata);
int peers_add(Peers *peers,
              PeersChange **ret,
              const PeerId *peer,
              const char *address,
              PeersChangeDone done,
              void *userdata);
/* DONE with 0 comes when it is no member here any more; it is told, if it can be reached. PEER may be this
 * peer: it leaves. Errors, by DONE: ERROR_NOT_FOUND (no member), ERROR_REFUSED (the last one). */
int peers_remove(Peers *peers, PeersChange **ret, const PeerId *peer, PeersChangeDone done, void *userdata);
PeersChange *peers_change_unref(PeersChange *change);
DEFINE_CLEANUP(PeersChange *, peers_change_unref);
