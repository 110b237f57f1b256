#include "daemon/service-join.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/config/addresses.h"
#include "daemon/config/peerstore.h"
#include "daemon/join/folder.h"
#include "daemon/notify.h"
#include "daemon/service-listen.h"
#include "daemon/types/multiaddr.h"

/* ---- whom to join */

static int add_list(StrList *to, const char *list, Error *reterr) {
        _cleanup_(str_list_done) StrList parts = {};
        int r = list ? str_list_split(&parts, list, ',') : 0;

        for (size_t i = 0; r >= 0 && i < parts.n; i++) {
                const char *why = "out of memory";
                char *address;

                r = multiaddr_parse(parts.items[i], &address, &why);
                if (r == -EINVAL)
                        return error_set(
                                        reterr,
                                        ERROR_INVALID,
                                        "error parsing bootstrap multiaddress (%s): %s",
                                        parts.items[i],
                                        why);
                if (r >= 0)
                        r = str_list_append_take(to, address);
        }
        return r < 0 ? error_set_errno(reterr, r, "bootstrap: %m") : 0;
}

int service_join_check(const char *list, Error *reterr) {
        _cleanup_(str_list_done) StrList addresses = {};

        return add_list(&addresses, list, reterr);
}

static int add_configured(ServiceJoin *join, const char *bootstrap, Error *reterr) {
        const StrList *configured = &join->config->cluster.bootstrap;
        int r = add_list(&join->addresses, bootstrap, reterr);

        for (size_t i = 0; r >= 0 && i < configured->n; i++) {
                r = str_list_append(&join->addresses, configured->items[i]);
                if (r < 0)
                        (void) error_set_errno(reterr, r, "bootstrap: %m");
        }
        return r;
}

static int find_founders(ServiceJoin *join, Error *reterr) {
        int r;

        join->is_alone = join_folder_left_is(join->state_folder);
        r = join->is_alone ? peer_id_list_append(&join->founders, &join->identity->id)
                           : config_founders(&join->config->raft, &join->identity->id, &join->founders);
        return r < 0 ? error_set_errno(reterr, r, "consensus.raft.init_peerset: %m") : 0;
}

static int find_raft_folder(ServiceJoin *join, Error *reterr) {
        const char *folder = join->config->raft.data_folder;
        int r = file_join(&join->raft_folder, join->state_folder, str_is_empty(folder) ? "raft" : folder);

        return r < 0 ? error_set_errno(reterr, r, "consensus.raft.data_folder: %m") : 0;
}

int service_join_init(
                ServiceJoin *join,
                const Config *config,
                const ConfigIdentity *identity,
                const char *state_folder,
                const char *bootstrap,
                Error *reterr) {
        int belongs, r;

        *join = (ServiceJoin){ .config = config, .identity = identity, .state_folder = state_folder };
        r = find_raft_folder(join, reterr);
        if (r < 0)
                return r;
        belongs = join_folder_belongs(join->raft_folder, reterr);
        if (belongs < 0)
                return belongs;

        r = find_founders(join, reterr);
        if (r >= 0)
                r = join_folder_file_read(state_folder, &join->addresses, reterr);
        if (r >= 0 && join->founders.n == 1)
                r = add_configured(join, bootstrap, reterr);
        if (r < 0)
                return r;
        return !belongs && (join->addresses.n > 0 || join->founders.n > 1);
}

void service_join_deinit(ServiceJoin *join) {
        service_join_stop(join);
        join_request_joined_done(&join->joined);
        str_list_done(&join->addresses);
        str_list_done(&join->own_addresses);
        str_list_done(&join->known);
        peer_id_list_done(&join->founders);
        sd_event_unref(join->event);
        free(join->raft_folder);
        free(join->words);
}

/* ---- before the cluster is opened */

static void tell_status(const char *words) {
        char state[LOG_FIELD_MAX];

        (void) snprintf(state, sizeof(state), "STATUS=Joining a cluster: %s", words);
        (void) notify_try(state);
}

static void on_waiting(const char *words, void *userdata) {
        char field[LOG_FIELD_MAX];
        ServiceJoin *join = userdata;

        tell_status(words);
        if (str_equal(words, join->words))
                return;
        (void) str_copy(&join->words, words);
        log_struct(LOG_WARNING,
                   LOG_FIELDS(MESSAGE_ID_JOIN_WAITS, log_field(field, "CLUSTER_ERROR", words)),
                   "Joining a cluster, trying again: %s",
                   words);
}

static void on_joined(int r, const Error *error, Joined *joined, void *userdata) {
        ServiceJoin *join = userdata;

        if (r >= 0) {
                join->joined = *joined;
                log_struct(LOG_NOTICE,
                           LOG_FIELDS(MESSAGE_ID_JOINED),
                           "This peer was taken in by its cluster.");
        }
        join->done(r, error, join->userdata);
}

static int begin_joining(ServiceJoin *join, Error *reterr) {
        const ConfigCluster *config = &join->config->cluster;
        int r;

        r = config_addresses(config, &join->identity->id, &join->own_addresses);
        if (r < 0)
                return error_set_errno(reterr, r, "cluster.listen_multiaddress: %m");
        tell_status("asking to be taken in");
        log_info("Joining the cluster of the peer at %s.", join->addresses.items[0]);
        return join_request_new(
                        &join->join,
                        join->event,
                        &(JoinRequestOptions){
                                        .private_key = join->identity->private_key,
                                        .secret = config->secret,
                                        .peername = config->peername,
                                        .own_addresses = &join->own_addresses,
                                        .addresses = &join->addresses,
                                        .dial_timeout_usec = (uint64_t) config->dial_peer_timeout,
                                        .done = on_joined,
                                        .waiting = on_waiting,
                                        .userdata = join,
                        },
                        reterr);
}

/* ---- before it founds a cluster with others */

bool service_join_founds(const ServiceJoin *join) {
        return join->addresses.n == 0 && join->founders.n > 1;
}

static void log_silent(const ServiceJoin *join, const PeerIdList *silent) {
        _cleanup_(str_done) Str list = {};
        char text[PEER_ID_TEXT_MAX];

        for (size_t i = 0; i < silent->n; i++)
                (void) str_appendf(
                                &list, "%s%s", i > 0 ? ", " : "", peer_id_format(&silent->items[i], text));
        if (silent->n > 0)
                log_warning("Founding the cluster of init_peerset without an answer of %zu of the %zu others (%s). "
                            "Should this peer have been a member before, and lost its disk, then stop it until "
                            "they are there.",
                            silent->n,
                            join->founders.n - 1,
                            list.data ?: "");
}

/* As after an invitation: it does not ask again whether to, whoever is there when it starts next. */
static int begin_anew(ServiceJoin *join, Error *reterr) {
        int r = join_folder_file_write(join->state_folder, &join->addresses, reterr);

        if (r < 0)
                return r;
        log_notice("The cluster of init_peerset exists, and this peer is a member of it that has lost its disk: "
                   "joining it anew.");
        return begin_joining(join, reterr);
}

static void on_founding(bool exists, const StrList *addresses, const PeerIdList *silent, void *userdata) {
        _cleanup_(error_done) Error error = {};
        ServiceJoin *join = userdata;
        int r = 0;

        if (!exists)
                log_silent(join, silent);
        for (size_t i = 0; exists && r >= 0 && i < addresses->n; i++)
                r = str_list_append(&join->addresses, addresses->items[i]);
        join->founding = join_founding_free(join->founding); /* and ADDRESSES with it */
        for (size_t i = 0; exists && r >= 0 && i < join->known.n; i++)
                if (!str_list_contains(&join->addresses, join->known.items[i]))
                        r = str_list_append(&join->addresses, join->known.items[i]);
        if (r < 0)
                (void) error_set_errno(&error, r, "init_peerset: %m");
        else if (exists)
                r = begin_anew(join, &error);
        if (r < 0 || !exists)
                join->done(r, &error, join->userdata);
}

/* Where the others are: peer_addresses, and the peerstore, which is not where the log is. */
static int find_known(ServiceJoin *join, Error *reterr) {
        const StrList *configured = &join->config->cluster.peer_addresses;
        _cleanup_free_ char *peerstore = NULL;
        int r;

        r = config_peerstore_path(join->config, &peerstore);
        if (r < 0)
                return error_set_errno(reterr, r, "cluster.peerstore_file: %m");
        r = config_peerstore_load(peerstore, &join->known, reterr);
        for (size_t i = 0; r >= 0 && i < configured->n; i++)
                if (!str_list_contains(&join->known, configured->items[i])) {
                        r = str_list_append(&join->known, configured->items[i]);
                        if (r < 0)
                                (void) error_set_errno(reterr, r, "cluster.peer_addresses: %m");
                }
        return r;
}

static int begin_founding(ServiceJoin *join, const int *fds, size_t n_fds, Error *reterr) {
        int own[SERVICE_PEER_LISTENERS_MAX], r;
        size_t n = 0;

        r = find_known(join, reterr);
        if (r < 0)
                return r;
        for (; n < n_fds; n++) {
                own[n] = fcntl(fds[n], F_DUPFD_CLOEXEC, 3);
                if (own[n] < 0) {
                        r = error_set_errno(reterr, -errno, "cluster.listen_multiaddress: %m");
                        while (n > 0)
                                (void) close(own[--n]);
                        return r;
                }
        }
        (void) notify_try("STATUS=Founding a cluster: asking the others whether it exists already");
        log_info("Asking the %zu other peers of init_peerset whether their cluster exists already.",
                 join->founders.n - 1);
        return join_founding_new(
                        &join->founding,
                        join->event,
                        &(JoinFoundingOptions){
                                        .private_key = join->identity->private_key,
                                        .members = &join->founders,
                                        .addresses = &join->known,
                                        .fds = own,
                                        .n_fds = n,
                                        .dial_timeout_usec = (uint64_t) join->config->cluster
                                                                             .dial_peer_timeout,
                                        .done = on_founding,
                                        .userdata = join,
                        },
                        reterr);
}

int service_join_start(
                ServiceJoin *join,
                sd_event *event,
                const int *fds,
                size_t n_fds,
                void (*done)(int r, const Error *error, void *userdata),
                void *userdata,
                Error *reterr) {
        join->event = sd_event_ref(event);
        join->done = done;
        join->userdata = userdata;
        return service_join_founds(join) ? begin_founding(join, fds, n_fds, reterr)
                                         : begin_joining(join, reterr);
}

void service_join_stop(ServiceJoin *join) {
        join->founding = join_founding_free(join->founding);
        join->join = join_request_free(join->join);
}

static void forget_invitation(ServiceJoin *join) {
        _cleanup_(error_done) Error error = {};

        if (join_folder_file_remove(join->state_folder, &error) < 0)
                log_warning("Ignoring: %s", error_message(&error));
}

void service_join_opened(ServiceJoin *join) {
        _cleanup_(error_done) Error error = {};

        forget_invitation(join);
        if (join_folder_left_remove(join->state_folder, &error) < 0)
                log_warning("Ignoring: %s", error_message(&error));
}

/* ---- after it was closed */

/* The log says so itself: a peer that goes to join others is alone and empty, and takes nothing any more
 * once it has decided to. One that has lost its disk has others, and no more than its founding. */
static bool may_go(ServiceJoin *join, const ClusterSummary *last) {
        bool is_alone = last->n_peers <= 1 || last->applied_index <= 1;

        if (join->leave_status != EX_TEMPFAIL || (last->n_pins == 0 && is_alone))
                return true;

        log_error("Not joining another cluster: this peer has %" PRIu64 " pins and %zu members now.",
                  last->n_pins,
                  last->n_peers);
        forget_invitation(join);
        return false;
}

int service_join_leave(ServiceJoin *join, const ClusterSummary *last) {
        _cleanup_(error_done) Error error = {};

        if (!may_go(join, last))
                return join->leave_status;
        if ((join->leave_status == EXIT_SUCCESS && join_folder_left_write(join->state_folder, &error) < 0) ||
            join_folder_put_aside(join->raft_folder, (uint64_t) join->config->raft.backups_rotate, &error) <
                            0) {
                log_error("%s", error_message(&error));
                return EX_IOERR;
        }
        log_info("What this peer was until now is kept in %s.old.0.", join->raft_folder);
        return join->leave_status;
}

/* Sockets of systemd go with the surfaces that have them: it has to hand them out again. A negative answer
 * is that they are closed by now. */
static bool has_sockets(void) {
        return sd_listen_fds(/* unset_environment= */ 0) != 0;
}

bool service_join_goes_on(const ServiceJoin *join) {
        return join->is_leaving && join->leave_status == EX_TEMPFAIL && !join->is_cancelled &&
               !has_sockets();
}

int service_join_restart(const Arguments *arguments) {
        if (has_sockets() || !arguments->argv)
                return EX_TEMPFAIL;

        (void) execv("/proc/self/exe", arguments->argv);
        return log_error_errno(errno, "Failed to run the program again: %m"), EX_TEMPFAIL;
}
