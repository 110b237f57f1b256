#pragma once

/*
 * Peers inside: the object, and what its files ask of each other.
 *
 *   peers.c           the object, notes and events handed on
 *   transport.c       Raft's messages on the links
 *   book.c            who is known, by which name, at which addresses; the peerstore; hello
 *   submit.c          changes of the pinset, forwarded to the leader
 *   forwarded.c       those that others forward to this one
 *   snapshot.c        a snapshot for one who lacks too much of the log (daemon/transfer)
 *   digest.c          do we have the same pinset?
 *   disks.c           has a member lost its disk?
 *   metrics.c         metrics on their way
 *   roles.c           who should vote: a pure function
 *   manager.c         the leader's side of changes of the members, and the way there
 *   change.c          adding and removing, as this peer is asked to
 *   taking.c          taking in who knows the cluster secret
 *   invitation.c      this peer goes to join others
 *   membership.c      this peer was removed
 *
 * What these say to each other, and the way in before there is a consensus: daemon/join.
 *
 * Methods on the links (trust): "submit", "change", "snapshot" (members); "join", "invite", "removed",
 * "membership", "founding" (open: each says what it asks for).
 */

#include "daemon/base/list.h"
#include "daemon/base/map.h"
#include "daemon/peers/note.h"
#include "daemon/peers/peers.h"
#include "daemon/transfer/transfer.h"

typedef struct PeersDigests PeersDigests;
typedef struct PeersDisks PeersDisks;
typedef struct PeersForwarded PeersForwarded;
typedef struct PeersManager PeersManager;
typedef struct PeersManaged PeersManaged;
typedef struct PeersInvitation PeersInvitation;
typedef struct PeersMembership PeersMembership;
typedef struct PeersTaking PeersTaking;

#define PEERS_ORIGIN_SIZE 8
#define PEERS_IS_STOPPING "the peer is being stopped"

typedef enum PeersVerdict {
        PEERS_IS_UNKNOWN,
        PEERS_IS_MEMBER,
        PEERS_IS_REMOVED,
        _PEERS_VERDICT_N,
} PeersVerdict;

typedef struct PeersEntry {
        PeerId id;
        uint64_t raft_id; /* that its last message came with; 0: none */
        char *name;
        StrList addresses;     /* canonical, with /p2p/ */
        uint64_t lost_usec;    /* monotonic: since when it has no link; 0: it has one */
        uint64_t refused_usec; /* monotonic: when it was last logged that it is not listened to */
        uint64_t told_index;   /* what its last hello was true for */
        PeerIdList told_members;
        PeersVerdict verdict; /* on this peer, as it said last: membership.c */
} PeersEntry;

struct Peers {
        sd_event *event;
        PeersOptions options; /* texts and lists are borrowed */
        PeerId self;
        Rpc *rpc;
        Consensus *consensus; /* NULL before attach and after detach */
        bool is_leaving;      /* events.leave was called */
        bool is_stopping;     /* detached: nothing is sent or taken any more */

        Map *book;              /* bytes of the ID → PeersEntry */
        sd_event_source *save;  /* the peerstore is written a moment after it has changed */
        sd_event_source *watch; /* each watch_usec: links, whether this peer was removed */
        sd_event_source *check; /* the links of who is no member any more are closed, a moment later */

        List submits;                      /* PeersSubmit: on their way */
        List applying;                     /* PeersSubmit: committed, and not shown here yet */
        Map *tagged;                       /* number of the tag → PeersSubmit, of both */
        uint8_t origin[PEERS_ORIGIN_SIZE]; /* of the tags of this process */
        uint64_t last_number;
        uint64_t awaited_term; /* some wait until an entry of it is applied; 0: none does */
        size_t n_submits, submit_bytes;
        uint64_t submit_timeout_usec; /* PEERS_SUBMIT_TIMEOUT */
        PeersForwarded *forwarded;    /* NULL: this peer has not led lately */
        size_t forwarded_max;         /* PEERS_FORWARDED_MAX */
        PeersCounters counters;
        sd_event_source *retry;
        sd_event_source *suspicion; /* a moment after the leader's link was lost */
        uint64_t leaderless_usec;   /* monotonic: since when there is no leader; 0: there is one */
        uint64_t applied_index;

        Transfer transfer; /* of snapshots */
        PeersDigests *digests;
        PeersDisks *disks;         /* NULL before attach */
        uint64_t repair_from_usec; /* monotonic: not before */
        PeersManager *manager;
        List changes, takings;
        size_t n_takings;
        PeersInvitation *invitation;
        PeersMembership *membership;
};

/* peers.c: what FROM tells is not taken; logged once a minute. WHY: "a metric that cannot be read". */
void peers_refuse(Peers *peers, const PeerId *from, const char *why);

bool peers_leads(const Peers *peers); /* this one is the leader */

/* book.c. Addresses are multiaddrs with /p2p/; those of this peer, and what is no such, are passed over. */
int peers_book_open(Peers *peers, Error *reterr);
void peers_book_save(Peers *peers); /* what is not written yet; for the end */
void peers_book_close(Peers *peers);
PeersEntry *peers_book_find(const Peers *peers, const PeerId *peer);
int peers_book_get(Peers *peers, const PeerId *peer, PeersEntry **ret);
int peers_book_learn(Peers *peers, const StrList *addresses); /* replaces those of each peer named */
int peers_book_addresses(Peers *peers, StrList *ret);         /* of this peer and all members */
void peers_hello_send(Peers *peers, const PeerId *to);        /* NULL: all members that are linked */
void peers_hello_receive(Peers *peers, const PeerId *from, const void *bytes, size_t size);

/* transport.c */
void peers_transport_receive(Peers *peers, const PeerId *from, const void *bytes, size_t size);

/* submit.c. The body of a "submit" is the term in which it is to be appended, the index up to which its
 * sender has seen every entry and not this one, and the entry, which begins with a tag. */
#define PEERS_SUBMIT_METHOD "submit"
#define PEERS_SUBMIT_HEAD 16  /* term, index */
#define PEERS_SUBMIT_ANSWER 8 /* the index */
int peers_submits_new(Peers *peers);
void peers_submits_go_on(Peers *peers);       /* there is a leader, or a moment has passed */
void peers_submits_on_progress(Peers *peers); /* peers->applied_index has changed */
void peers_submits_on_tag(Peers *peers, uint64_t index, const ConsensusOp *op);
void peers_submits_on_watch(Peers *peers);
void peers_submits_stop(Peers *peers);
void peers_submits_free(Peers *peers);
/* The operations of an entry, in an array of CONSENSUS_OPS_MAX + 1. Answers their number. Errors: -EBADMSG.
 */
int peers_submit_read(const void *entry, size_t size, ConsensusOp *ops);
/* What another leader, or the same one a moment later, may answer otherwise. */
bool peers_is_passing(ErrorCode code);

/* forwarded.c */
void peers_forwarded_on_request(RpcRequest *request, const void *body, size_t size, void *userdata);
void peers_forwarded_on_leader(Peers *peers);
void peers_forwarded_forget(Peers *peers); /* who waits is told */

/* metrics.c */
void peers_metrics_receive(Peers *peers, const PeerId *from, const void *bytes, size_t size);

/* snapshot.c: as the functions of transfer.h, with the links and the consensus that there are. */
void peers_snapshot_on_request(RpcRequest *request, const void *body, size_t size, void *userdata);
void peers_fetch_begin(Peers *peers, const PeerId *from, ConsensusMessage *install);
int peers_fetch_repair(Peers *peers, const PeerId *from, uint64_t least);
void peers_fetch_on_progress(Peers *peers, uint64_t applied_index);
void peers_fetch_link_changed(Peers *peers, const PeerId *peer, bool up); /* resume */
void peers_fetch_stop(Peers *peers);                                      /* waits for the disk */

/* digest.c: do all have the same pinset? A difference is told (PeersEvents.diverged) once until it has gone.
 * A peer that differs from the leader, and not together with most, takes over the leader's pinset
 * (consensus_repair()); a leader that differs from most hands the leadership over before. It does so only
 * some time after its start: what a start does not mend is not mended by many of them. */
#define PEERS_DIGEST_INTERVAL (30 * USEC_PER_SEC)
#define PEERS_REPAIR_UPTIME (600 * USEC_PER_SEC)
int peers_digests_new(Peers *peers);
void peers_digests_tick(Peers *peers); /* each PEERS_DIGEST_INTERVAL: settle what was heard, and tell */
void peers_digests_free(Peers *peers);
void peers_digests_on_progress(Peers *peers, uint64_t applied_index);
void peers_digests_receive(Peers *peers, const PeerId *from, const void *bytes, size_t size);

/* disks.c. What FROM says of itself: the member RAFT_ID, and the disk that its log is on. Answers true when
 * it is the one that it was always seen with; the first one is written down, which blocks shortly. */
int peers_disks_open(Peers *peers, Error *reterr);
void peers_disks_free(Peers *peers);
bool peers_disks_check(
                Peers *peers,
                const PeerId *from,
                uint64_t raft_id,
                const uint8_t id[static CONSENSUS_DISK_ID_SIZE]);
const uint8_t *peers_disks_find(const Peers *peers, uint64_t raft_id); /* NULL: not seen yet */

/* manager.c. Do a change of the members wherever the leader is, step by step, asking again when that is
 * lost; DONE comes within PEERS_MEMBERSHIP_TIMEOUT, from the loop. RAFT_ID is that of a peer that was added,
 * always a fresh one: a member that asks again is removed first. INDEX is that of the entry. */
typedef enum PeersChangeKind {
        PEERS_ADD,
        PEERS_REMOVE,
} PeersChangeKind;
typedef void (*PeersManagedDone)(
                int r, const Error *error, uint64_t raft_id, uint64_t index, void *userdata);
int peers_manager_new(Peers *peers);
void peers_manager_stop(Peers *peers); /* those who wait are told */
void peers_manager_free(Peers *peers);
void peers_manager_go_on(Peers *peers); /* a leader, a member, a link or what is applied has changed */
bool peers_manager_is_busy(const Peers *peers); /* a change is asked for, or under way */
void peers_manager_on_request(RpcRequest *request, const void *body, size_t size, void *userdata);
int peers_manage(
                Peers *peers,
                PeersManaged **ret,
                PeersChangeKind kind,
                const PeerId *peer,
                PeersManagedDone done,
                void *userdata);
PeersManaged *peers_managed_unref(PeersManaged *managed);

/* change.c */
void peers_changes_on_progress(Peers *peers); /* what is applied, or the members, have changed */
void peers_changes_on_left(Peers *peers);     /* this peer is no member any more */
void peers_changes_stop(Peers *peers);

/* taking.c */
void peers_join_on_request(RpcRequest *request, const void *body, size_t size, void *userdata);
void peers_takings_stop(Peers *peers);

/* invitation.c */
int peers_invitation_new(Peers *peers, Error *reterr);
void peers_invitation_stop(Peers *peers);
void peers_invitation_free(Peers *peers);
void peers_invite_on_request(RpcRequest *request, const void *body, size_t size, void *userdata);
void peers_invitation_on_watch(Peers *peers);
/* It is alone, without pins, and has the addresses of others. */
bool peers_would_join(const Peers *peers);
/* BY knows this peer with a disk that it has lost: it leaves and joins its cluster again, as somebody new,
 * if it has begun with nothing. */
void peers_join_anew(Peers *peers, const PeerId *by);

/* membership.c */
int peers_membership_new(Peers *peers, Error *reterr);
void peers_membership_stop(Peers *peers);
void peers_membership_free(Peers *peers);
void peers_removed_on_request(RpcRequest *request, const void *body, size_t size, void *userdata);
void peers_membership_on_request(RpcRequest *request, const void *body, size_t size, void *userdata);
void peers_founding_on_request(RpcRequest *request, const void *body, size_t size, void *userdata);
void peers_membership_on_watch(Peers *peers);
void peers_membership_on_progress(Peers *peers); /* as above */
/* Has the owner end the process, once; nothing is submitted any more. */
void peers_leave(Peers *peers, int exit_status, const char *words);
/* Errors: ERROR_CANCELED (it is ending), ERROR_BUSY (there is no consensus yet). */
int peers_check_running(const Peers *peers, Error *reterr);
bool peers_is_alone(const Peers *peers); /* of a cluster of its own */
bool peers_is_cluster(const Peers *peers, const uint8_t *cluster_id);
void peers_reply(RpcRequest *request, const JsonShape *shape, const void *body);
