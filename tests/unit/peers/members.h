#pragma once

/* Members of one cluster for the tests of peers: each with links on 127.0.0.1 and a consensus in a folder of
 * its own, all on one loop. */

#include <glib.h>

#include "daemon/join/request.h"
#include "daemon/peers/internal.h"

#define MEMBERS_MAX 3
#define MEMBERS_PATIENCE_USEC (30 * G_USEC_PER_SEC)

typedef struct Members Members;

typedef struct Member {
        sd_event *event;
        Members *members;
        bool is_starved; /* no entries, commits and snapshots reach it; heartbeats do */
        bool is_deaf;    /* nothing of Raft reaches it */
        char *key, *folder, *peerstore, *name;
        PeerId id;
        unsigned port;
        StrList addresses; /* its own */
        StrList known;     /* of all */
        PeerIdList first;  /* members */
        StrList bootstrap;
        const char *secret; /* "" */
        Joined joined;      /* raft_id 0: it founds */
        Peers *peers;
        Consensus *consensus;
        ConsensusEvents consensus_events;
        unsigned n_ready, n_failed, n_changed, n_ups, n_downs, n_metrics, n_applied, n_unpins, n_diverged;
        Metric metric; /* the last that came */
        int failed_status;
        PeerId diverged;   /* the last that was told of */
        unsigned n_leaves; /* and how, since it was started */
        int leave_status;
        char *leave_words;
} Member;

struct Members {
        sd_event *event;
        Member member[MEMBERS_MAX];
        size_t n;
};

void members_prepare(Members *members, size_t n); /* folders, keys, ports */
void members_open(Members *members, size_t n);    /* all of one cluster, and ready */
void members_apart(Members *members, size_t n);   /* each of a cluster of its own, and ready */
void members_close(Members *members);
void member_start(Member *member);
void member_stop(Member *member); /* in order; also after its consensus has failed */
/* What the service does when it was told to leave: stop, put the log aside, and start again, having joined
 * if that was the reason. */
void member_leave(Member *member);
bool member_leads(const Member *member);
Member *members_leader(Members *members); /* until there is one, that all others follow */
Member *members_follower(Members *members);

void members_turn(sd_event *event, gint64 deadline);
#define MEMBERS_UNTIL(event_, condition)                                                                    \
        do {                                                                                                \
                gint64 _deadline = g_get_monotonic_time() + MEMBERS_PATIENCE_USEC;                          \
                                                                                                            \
                while (!(condition))                                                                        \
                        members_turn((event_), _deadline);                                                  \
        } while (0)

/* A submit and how it ended. */
typedef struct Submitted {
        PeersSubmit *submit;
        unsigned n_done;
        int result;
        ErrorCode code;
        char *words;
} Submitted;

void member_cid(uint64_t n, Cid *ret);
int member_pin(Member *member, Submitted *submitted, uint64_t n); /* pin number N */
int member_unpin(Member *member, Submitted *submitted, uint64_t n);
void member_pin_wait(Member *member, uint64_t n); /* with success */
ConsensusStatus member_status(const Member *member);
bool member_has(Member *member, uint64_t n);
void submitted_done(Submitted *submitted);
