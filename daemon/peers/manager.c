/*
 * Manager: changes of the members.
 *
 *   managed (whoever asks) ──► job (here, when this peer leads) or "change" at the leader
 *
 * The leader works its jobs off one at a time, each in steps that the engine allows: a voter is made a
 * standby before it is removed, a peer that is added again is removed first, and one who is to remove itself
 * hands the leadership over, after which the next leader is asked. Without a job it sees to the roles.
 * Each step is told by the members as they are applied; nothing is remembered but what is wanted.
 */

#include <string.h>

#include "daemon/base/le.h"
#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/peers/internal.h"
#include "daemon/peers/roles.h"

#define MANAGER_JOBS_MAX 64
#define MANAGER_MANAGED_MAX 256
#define MANAGER_TICK_USEC (250 * USEC_PER_MSEC)
#define CHANGE_METHOD "change"
#define CHANGE_ANSWER 16 /* Raft id, index */

typedef void (*JobDone)(int r, const Error *error, uint64_t raft_id, uint64_t index, void *userdata);

typedef struct Job {
        List link;
        PeersChangeKind kind;
        PeerId peer;
        uint64_t raft_id; /* of one to be added */
        uint64_t deadline;
        JobDone done; /* NULL: nobody waits any more */
        void *userdata;
} Job;

struct PeersManager {
        List jobs, managed;
        size_t n_jobs, n_managed;
        sd_event_source *tick;
};

struct PeersManaged {
        List link;
        Peers *peers;
        PeersChangeKind kind;
        PeerId peer;
        uint64_t deadline;
        Job *job;
        RpcCall *call;
        PeerId sent_to;
        PeersManagedDone done;
        void *userdata;
};

static void arm(Peers *peers) {
        int enabled = SD_EVENT_OFF;

        if (sd_event_source_get_enabled(peers->manager->tick, &enabled) >= 0 && enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(peers->manager->tick, MANAGER_TICK_USEC);
        (void) sd_event_source_set_enabled(peers->manager->tick, SD_EVENT_ONESHOT);
}

/* ---- the leader's jobs */

static int job_new(
                Peers *peers,
                Job **ret,
                PeersChangeKind kind,
                const PeerId *peer,
                JobDone done,
                void *userdata,
                Error *reterr) {
        PeersManager *manager = peers->manager;
        Job *job;

        if (manager->n_jobs >= MANAGER_JOBS_MAX)
                return error_set(reterr, ERROR_BUSY, "too many changes of the members wait; try again");
        job = calloc(1, sizeof(*job));
        if (!job)
                return error_set_errno(reterr, -ENOMEM, "members: %m");
        *job = (Job){
                .kind = kind,
                .peer = *peer,
                .deadline = time_monotonic() + PEERS_MEMBERSHIP_TIMEOUT,
                .done = done,
                .userdata = userdata,
        };
        list_append(&manager->jobs, &job->link);
        manager->n_jobs++;
        arm(peers);
        *ret = job;
        return 0;
}

static void job_end(Peers *peers, Job *job, int r, const Error *error) {
        ConsensusStatus status;

        list_remove(&job->link);
        peers->manager->n_jobs--;
        consensus_status(peers->consensus, &status);
        if (job->done)
                job->done(r, error, job->raft_id, status.applied_index, job->userdata);
        free(job);
}

static void end_all_jobs(Peers *peers, ErrorCode code, const char *words) {
        _cleanup_(error_done) Error error = {};
        int r;

        r = error_set(&error, code, "%s", words);
        LIST_FOREACH (job, &peers->manager->jobs, Job, link)
                job_end(peers, job, r, &error);
}

static const ConsensusMember *find_member(const Peers *peers, const PeerId *peer) {
        const ConsensusMembers *members = consensus_member_table(peers->consensus);

        for (size_t i = 0; i < members->n; i++)
                if (peer_id_equal(&members->items[i].peer, peer))
                        return &members->items[i];
        return NULL;
}

/* Answers 0 when a step was begun, or has to wait. */
static int change(Peers *peers, ConsensusChangeKind kind, const ConsensusMember *member, Error *reterr) {
        _cleanup_(error_done) Error error = {};
        const ConsensusChange change = { .kind = kind, .member = *member };
        int r;

        r = consensus_change(peers->consensus, &change, &error);
        if (r >= 0 || error.code == ERROR_BUSY)
                return 0;
        error_move(reterr, &error);
        return r;
}

/* This peer leads and is to go: another voter leads, and is asked again. */
static int hand_over(Peers *peers, Error *reterr) {
        _cleanup_(error_done) Error error = {};
        int r;

        r = consensus_transfer(peers->consensus, 0, &error);
        if (r >= 0 || error.code == ERROR_BUSY || error.code == ERROR_REFUSED)
                return 0; /* nobody is up to date yet: tried again */
        error_move(reterr, &error);
        return r;
}

/* Answers 1 when it is gone. */
static int step_remove(Peers *peers, const ConsensusMember *member, Error *reterr) {
        ConsensusMember standby;

        if (!member)
                return 1;
        if (consensus_member_table(peers->consensus)->n == 1)
                return error_set(reterr, ERROR_REFUSED, "cannot remove ourselves from a 1-peer cluster");
        if (peer_id_equal(&member->peer, &peers->self))
                return hand_over(peers, reterr);
        if (member->role != CONSENSUS_VOTER)
                return change(peers, CONSENSUS_CHANGE_REMOVE, member, reterr);
        standby = *member;
        standby.role = CONSENSUS_STANDBY;
        return change(peers, CONSENSUS_CHANGE_ROLE, &standby, reterr);
}

static uint64_t fresh_raft_id(const Peers *peers) {
        uint64_t id;

        do
                random_bytes(&id, sizeof(id));
        while (id == 0 || consensus_members_find(consensus_member_table(peers->consensus), id));
        return id;
}

/* Answers 1 when it is there. */
static int step_add(Peers *peers, Job *job, const ConsensusMember *member, Error *reterr) {
        ConsensusMember fresh = { .peer = job->peer, .role = CONSENSUS_STANDBY };

        if (peer_id_equal(&job->peer, &peers->self))
                return error_set(reterr, ERROR_REFUSED, "the peer that leads the cluster is a member of it");
        if (member && member->raft_id == job->raft_id)
                return 1;
        if (member) /* what it was before: its log is gone, and with it the votes that it gave */
                return step_remove(peers, member, reterr);
        if (job->raft_id == 0)
                job->raft_id = fresh_raft_id(peers);
        fresh.raft_id = job->raft_id;
        return change(peers, CONSENSUS_CHANGE_ADD, &fresh, reterr);
}

static int step(Peers *peers, Job *job, Error *reterr) {
        const ConsensusMember *member = find_member(peers, &job->peer);

        if (time_monotonic() >= job->deadline)
                return error_set(
                                reterr,
                                ERROR_TIMEOUT,
                                "the change of the members takes too long: too few peers answer");
        return job->kind == PEERS_ADD ? step_add(peers, job, member, reterr)
                                      : step_remove(peers, member, reterr);
}

static void work_jobs(Peers *peers) {
        Job *job;

        while ((job = LIST_FIRST(&peers->manager->jobs, Job, link))) {
                _cleanup_(error_done) Error error = {};
                int r = step(peers, job, &error);

                if (r == 0) {
                        arm(peers);
                        return;
                }
                job_end(peers, job, MIN(r, 0), &error);
        }
}

/* ---- the leader's view of the roles */

/* One that was added has a link before it has a consensus, and could not acknowledge that it votes: a
 * standby is up when it has spoken as the member that it is. */
static bool is_heard(const Peers *peers, const ConsensusMember *member) {
        const PeersEntry *entry = peers_book_find(peers, &member->peer);

        return member->role == CONSENSUS_VOTER || (entry && entry->raft_id == member->raft_id);
}

static uint64_t down_usec(const Peers *peers, const ConsensusMember *member) {
        const PeersEntry *entry = peers_book_find(peers, &member->peer);
        uint64_t now = time_monotonic();

        if (peers_is_up(peers, &member->peer))
                return is_heard(peers, member) ? 0 : 1;
        return entry && entry->lost_usec < now ? now - entry->lost_usec : 1;
}

static const char *domain(const Peers *peers, const ConsensusMember *member) {
        return peers->options.domain ? peers->options.domain(&member->peer, peers->options.userdata) : NULL;
}

static void tell_role(const Peers *peers, const ConsensusChange *change) {
        const ConsensusMember *member = consensus_members_find(
                        consensus_member_table(peers->consensus), change->member.raft_id);
        char text[PEER_ID_TEXT_MAX];

        if (member)
                log_info("Peer %s becomes a %s.",
                         peer_id_format(&member->peer, text),
                         change->member.role == CONSENSUS_VOTER ? "voter" : "standby");
}

static void see_to_roles(Peers *peers, uint64_t self) {
        const ConsensusMembers *members = consensus_member_table(peers->consensus);
        _cleanup_free_ PeersRole *roles = NULL;
        _cleanup_(error_done) Error error = {};
        ConsensusChange change;

        roles = calloc(members->n + 1, sizeof(*roles));
        if (!roles)
                return;
        for (size_t i = 0; i < members->n; i++)
                roles[i] = (PeersRole){
                        .raft_id = members->items[i].raft_id,
                        .role = members->items[i].role,
                        .down_usec = down_usec(peers, &members->items[i]),
                        .domain = domain(peers, &members->items[i]),
                };
        if (!peers_roles_next(roles, members->n, self, &change))
                return;
        if (consensus_change(peers->consensus, &change, &error) >= 0)
                tell_role(peers, &change);
        arm(peers);
}

/* ---- whoever asks */

static void managed_finish(
                PeersManaged *managed, int r, const Error *error, uint64_t raft_id, uint64_t index) {
        PeersManagedDone done = managed->done;

        list_remove(&managed->link);
        list_init(&managed->link);
        managed->done = NULL;
        managed->job = NULL;
        if (done)
                done(r, error, raft_id, index, managed->userdata);
}

static void managed_on_job(int r, const Error *error, uint64_t raft_id, uint64_t index, void *userdata) {
        PeersManaged *managed = userdata;

        managed->job = NULL;
        if (r < 0 && peers_is_passing(error->code) && peers_check_running(managed->peers, NULL) >= 0)
                arm(managed->peers);
        else
                managed_finish(managed, r, error, raft_id, index);
}

static void managed_on_answer(
                RpcCall *call _unused_,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        PeersManaged *managed = userdata;
        _cleanup_(rpc_call_unrefp) RpcCall *keep _unused_ = TAKE_PTR(managed->call);

        if ((r < 0 && peers_is_passing(error->code)) || (r >= 0 && size != CHANGE_ANSWER))
                arm(managed->peers);
        else if (r < 0)
                managed_finish(managed, r, error, 0, 0);
        else
                managed_finish(managed, 0, NULL, le_get64(body), le_get64((const uint8_t *) body + 8));
}

static int managed_send(PeersManaged *managed, const PeerId *leader) {
        static const RpcCallHandler handler = { .on_done = managed_on_answer };
        uint8_t body[1 + PEER_ID_BYTES_MAX] = { (uint8_t) managed->kind };

        managed->sent_to = *leader;
        memcpy(body + 1, managed->peer.bytes, managed->peer.size);
        return rpc_call(managed->peers->rpc,
                        &managed->call,
                        &(RpcCallOptions){
                                        .peer = leader,
                                        .method = CHANGE_METHOD,
                                        .body = body,
                                        .size = 1 + managed->peer.size,
                                        .timeout_usec = PEERS_MEMBERSHIP_TIMEOUT,
                                        .handler = &handler,
                                        .userdata = managed,
                        });
}

static int managed_begin(PeersManaged *managed, const ConsensusStatus *status, Error *reterr) {
        Peers *peers = managed->peers;
        int r;

        if (time_monotonic() >= managed->deadline)
                return error_set(
                                reterr,
                                ERROR_TIMEOUT,
                                "the change of the members takes too long: there is no leader, or too few peers answer");
        arm(peers);
        if (status->is_leader)
                return job_new(peers,
                               &managed->job,
                               managed->kind,
                               &managed->peer,
                               managed_on_job,
                               managed,
                               reterr);
        if (!peer_id_is_set(&status->leader) || peer_id_equal(&status->leader, &peers->self))
                return 0;
        r = managed_send(managed, &status->leader);
        return r < 0 ? error_set_errno(reterr, r, "members: %m") : 0;
}

static bool is_deposed(const PeersManaged *managed, const ConsensusStatus *status) {
        return peer_id_is_set(&status->leader) && !peer_id_equal(&managed->sent_to, &status->leader);
}

static void go_on_managed(Peers *peers, const ConsensusStatus *status) {
        LIST_FOREACH (managed, &peers->manager->managed, PeersManaged, link) {
                _cleanup_(error_done) Error error = {};
                int r;

                if (managed->call && is_deposed(managed, status))
                        managed->call = rpc_call_unref(managed->call); /* it may not answer for long */
                if (managed->job || managed->call)
                        continue;
                r = managed_begin(managed, status, &error);
                if (r < 0)
                        managed_finish(managed, r, &error, 0, 0);
        }
}

int peers_manage(
                Peers *peers,
                PeersManaged **ret,
                PeersChangeKind kind,
                const PeerId *peer,
                PeersManagedDone done,
                void *userdata) {
        PeersManaged *managed;

        if (peers->manager->n_managed >= MANAGER_MANAGED_MAX)
                return -EBUSY;
        managed = calloc(1, sizeof(*managed));
        if (!managed)
                return -ENOMEM;
        *managed = (PeersManaged){
                .peers = peers,
                .kind = kind,
                .peer = *peer,
                .deadline = time_monotonic() + PEERS_MEMBERSHIP_TIMEOUT,
                .done = done,
                .userdata = userdata,
        };
        list_append(&peers->manager->managed, &managed->link);
        peers->manager->n_managed++;
        peers_manager_go_on(peers);
        *ret = managed;
        return 0;
}

PeersManaged *peers_managed_unref(PeersManaged *managed) {
        if (!managed)
                return NULL;
        if (managed->job)
                managed->job->done = NULL;
        rpc_call_unref(managed->call);
        list_remove(&managed->link);
        managed->peers->manager->n_managed--;
        free(managed);
        return NULL;
}

/* ---- a member asks the leader */

typedef struct ChangeServed {
        RpcRequest *request; /* NULL: gone */
        Job *job;
} ChangeServed;

static void served_on_job(int r, const Error *error, uint64_t raft_id, uint64_t index, void *userdata) {
        ChangeServed *served = userdata;
        uint8_t answer[CHANGE_ANSWER];

        if (r < 0)
                (void) rpc_request_fail(served->request, error);
        else {
                le_put64(answer, raft_id);
                le_put64(answer + 8, index);
                (void) rpc_request_reply(served->request, answer, sizeof(answer));
        }
        free(served);
}

static void served_on_closed(RpcRequest *request _unused_, void *userdata) {
        ChangeServed *served = userdata;

        served->job->done = NULL;
        free(served);
}

static int read_change(
                const uint8_t *body,
                size_t size,
                PeersChangeKind *ret_kind,
                PeerId *ret_peer,
                Error *reterr) {
        if (size < 2 || body[0] > PEERS_REMOVE || peer_id_from_bytes(body + 1, size - 1, ret_peer) < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "change: %zu bytes that are no change of the members",
                                size);
        *ret_kind = (PeersChangeKind) body[0];
        return 0;
}

void peers_manager_on_request(RpcRequest *request, const void *body, size_t size, void *userdata) {
        _cleanup_(error_done) Error error = {};
        _cleanup_free_ ChangeServed *served = NULL;
        Peers *peers = userdata;
        PeersChangeKind kind = PEERS_ADD;
        PeerId peer;
        int r;

        r = read_change(body, size, &kind, &peer, &error);
        if (r >= 0 && (peers_check_running(peers, NULL) < 0 || !peers_leads(peers)))
                r = error_set(&error, ERROR_NO_LEADER, "this peer is not the leader");
        if (r >= 0 && !(served = calloc(1, sizeof(*served))))
                r = error_set_errno(&error, -ENOMEM, "change: %m");
        if (r >= 0)
                r = job_new(peers, &served->job, kind, &peer, served_on_job, served, &error);
        if (r < 0) {
                (void) rpc_request_fail(request, &error);
                return;
        }
        served->request = request;
        rpc_request_on_closed(request, served_on_closed, served);
        TAKE_PTR(served);
}

/* ---- life */

void peers_manager_stop(Peers *peers) {
        _cleanup_(error_done) Error error = {};
        int r;

        end_all_jobs(peers, ERROR_CANCELED, "the peer is shutting down");
        r = error_set(&error, ERROR_CANCELED, "the peer is shutting down");
        LIST_FOREACH (managed, &peers->manager->managed, PeersManaged, link)
                managed_finish(managed, r, &error, 0, 0);
}

bool peers_manager_is_busy(const Peers *peers) {
        return peers->manager->n_jobs > 0 || !list_is_empty(&peers->manager->managed);
}

static void go_on(Peers *peers) {
        ConsensusStatus status;

        if (!peers->consensus || peers->is_stopping)
                return;
        if (peers->is_leaving) { /* who is taken in now would be left behind */
                peers_manager_stop(peers);
                return;
        }
        consensus_status(peers->consensus, &status);
        if (!status.is_leader)
                end_all_jobs(peers, ERROR_NO_LEADER, "another peer leads now");
        go_on_managed(peers, &status);
        if (!status.is_leader)
                return;
        work_jobs(peers);
        if (list_is_empty(&peers->manager->jobs))
                see_to_roles(peers, status.raft_id);
}

static int on_tick(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        go_on(userdata);
        return 0;
}

/* Not from inside the consensus' events. */
void peers_manager_go_on(Peers *peers) {
        (void) sd_event_source_set_time_relative(peers->manager->tick, 0);
        (void) sd_event_source_set_enabled(peers->manager->tick, SD_EVENT_ONESHOT);
}

int peers_manager_new(Peers *peers) {
        PeersManager *manager = calloc(1, sizeof(*manager));
        int r;

        if (!manager)
                return -ENOMEM;
        list_init(&manager->jobs);
        list_init(&manager->managed);
        r = sd_event_add_time(peers->event, &manager->tick, CLOCK_MONOTONIC, 0, 0, on_tick, peers);
        if (r >= 0)
                r = sd_event_source_set_enabled(manager->tick, SD_EVENT_OFF);
        if (r < 0) {
                sd_event_source_disable_unref(manager->tick);
                free(manager);
                return r;
        }
        peers->manager = manager;
        return 0;
}

void peers_manager_free(Peers *peers) {
        if (!peers->manager)
                return;
        assert(list_is_empty(&peers->manager->jobs));
        assert(peers->manager->n_managed == 0);
        sd_event_source_disable_unref(peers->manager->tick);
        free(peers->manager);
        peers->manager = NULL;
}
