#include "daemon/service-join.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/config/addresses.h"
#include "daemon/join/folder.h"
#include "daemon/notify.h"
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

static bool founds_with_others(const ServiceJoin *join) {
        const StrList *peerset = &join->config->raft.init_peerset;
        char self[PEER_ID_TEXT_MAX];

        (void) peer_id_format(&join->identity->id, self);
        for (size_t i = 0; i < peerset->n; i++)
                if (!str_equal(peerset->items[i], self))
                        return !join->is_alone;
        return false;
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

        join->is_alone = join_folder_left_is(state_folder);
        r = join_folder_file_read(state_folder, &join->addresses, reterr);
        if (r >= 0 && !founds_with_others(join))
                r = add_configured(join, bootstrap, reterr);
        if (r < 0)
                return r;
        return !belongs && join->addresses.n > 0;
}

void service_join_deinit(ServiceJoin *join) {
        service_join_stop(join);
        join_request_joined_done(&join->joined);
        str_list_done(&join->addresses);
        str_list_done(&join->own_addresses);
        free(join->raft_folder);
        free(join->words);
}

/* ---- before the cluster is opened */

static void on_waiting(const char *words, void *userdata) {
        char state[LOG_FIELD_MAX], field[LOG_FIELD_MAX];
        ServiceJoin *join = userdata;

        (void) snprintf(state, sizeof(state), "STATUS=Joining a cluster: %s", words);
        (void) notify_try(state);
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

int service_join_start(
                ServiceJoin *join,
                sd_event *event,
                void (*done)(int r, const Error *error, void *userdata),
                void *userdata,
                Error *reterr) {
        const ConfigCluster *config = &join->config->cluster;
        int r;

        join->done = done;
        join->userdata = userdata;
        r = config_addresses(config, &join->identity->id, &join->own_addresses);
        if (r < 0)
                return error_set_errno(reterr, r, "cluster.listen_multiaddress: %m");
        log_info("Joining the cluster of the peer at %s.", join->addresses.items[0]);
        return join_request_new(
                        &join->join,
                        event,
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

void service_join_stop(ServiceJoin *join) {
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
 * once it has decided to. */
static bool may_go(ServiceJoin *join, const ClusterSummary *last) {
        if (join->leave_status != EX_TEMPFAIL || (last->n_pins == 0 && last->n_peers <= 1))
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
