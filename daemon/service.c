#include "daemon/service.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <systemd/sd-event.h>

#include "daemon/base/file.h"
#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/base/time.h"
#include "daemon/cluster/cluster.h"
#include "daemon/cluster/host.h"
#include "daemon/config/config.h"
#include "daemon/config/identity.h"
#include "daemon/config/lock.h"
#include "daemon/config/unused.h"
#include "daemon/net/listener.h"
#include "daemon/notify.h"
#include "daemon/offline/say.h"
#include "daemon/pinsvc/surface.h"
#include "daemon/prometheus/server.h"
#include "daemon/proxy/proxy.h"
#include "daemon/rest/api.h"
#include "daemon/service-join.h"
#include "daemon/service-listen.h"
#include "daemon/service-reload.h"
#include "daemon/service-say.h"
#include "daemon/service-status.h"
#include "dbus/bus.h"

#define SERVICE_STATE_MODE 0700

/* Opening may load a snapshot and blocks; then the log is replayed in the loop, which asks for time as it
 * goes. */
#define SERVICE_OPEN_MESSAGE "EXTEND_TIMEOUT_USEC=600000000\nSTATUS=Opening the state"
#define SERVICE_EXTEND_USEC (20 * USEC_PER_SEC)
#define SERVICE_EXTEND_MESSAGE "EXTEND_TIMEOUT_USEC=60000000"

/* An orderly end: requests under way have so long, then they are told that the peer ends. New ones that were
 * accepted already show up within the quiet time. */
#define SERVICE_DRAIN_USEC (3 * USEC_PER_SEC)
#define SERVICE_QUIET_USEC (50 * USEC_PER_MSEC)
#define SERVICE_CANCEL_USEC (500 * USEC_PER_MSEC)

/* The APIs over HTTP. */
typedef enum ServiceApi {
        SERVICE_API_REST,
        SERVICE_API_PINSVC,
        _SERVICE_API_N,
} ServiceApi;

static const struct {
        const RestSurface *surface;
        const char *sockets; /* under this name systemd hands them over */
        size_t enabled;      /* offset in Config: its section is there */
        const char *doing;
} service_apis[_SERVICE_API_N] = {
        [SERVICE_API_REST] = { &rest_surface,
                               "api",
                               offsetof(Config, rest_enabled),
                               "creating REST API component" },
        [SERVICE_API_PINSVC] = { &pinsvc_surface,
                                 "pinsvc",
                                 offsetof(Config, pinsvc_enabled),
                                 "creating Pinning Service API component" },
};

typedef struct Service {
        const Arguments *arguments;
        const char *folder;
        char *state_folder;
        Config *config;
        ConfigIdentity identity;
        int lock_fd;
        sd_event *event;
        Notify notify;
        sd_event_source *extend;                  /* until the peer serves */
        int peer_fds[SERVICE_PEER_LISTENERS_MAX]; /* until the cluster has them */
        size_t n_peer_fds;
        bool is_listening;
        ServiceJoin join;
        Cluster *cluster;
        RestApi *apis[_SERVICE_API_N]; /* NULL: it is off */
        PrometheusServer *prometheus;
        Proxy *proxy;
        Bus *bus;
        ServiceStatus status;
        ClusterCall *leave; /* leave_on_shutdown */
        bool serving, stopping, handing_over, was_idle;
        sd_event_source *drain; /* looks whether the requests under way have ended */
        uint64_t drain_until, cancel_until;
} Service;

static void service_close_apis(Service *service) {
        for (size_t i = 0; i < _SERVICE_API_N; i++)
                service->apis[i] = rest_api_free(service->apis[i]);
}

static void service_done(Service *service) {
        service_status_deinit(&service->status);
        bus_free(service->bus);
        proxy_free(service->proxy);
        service_close_apis(service);
        prometheus_server_free(service->prometheus);
        cluster_call_unref(service->leave);
        cluster_free(service->cluster);
        service_join_deinit(&service->join);
        while (service->n_peer_fds > 0)
                (void) close(service->peer_fds[--service->n_peer_fds]);
        sd_event_source_disable_unref(service->drain);
        sd_event_source_disable_unref(service->extend);
        notify_deinit(&service->notify);
        sd_event_unref(service->event);
        config_identity_done(&service->identity);
        config_free(service->config);
        free(service->state_folder);
        closep(&service->lock_fd); /* last: only now another daemon may start */
}

/* ---- signals */

/* From the second signal on. Closing may wait for a disk, so this does not go through the loop. */
static void service_on_impatience(int signal_number _unused_) {
        static const char words[] =
                        "Shutdown is taking long: it waits for the disk. One more signal ends the "
                        "process at once; what was acknowledged is safe.\n";
        static volatile sig_atomic_t seen;

        if (seen++ > 0)
                _exit(EXIT_FAILURE);
        if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
                return;
}

static const int service_signals[] = { SIGINT, SIGTERM, SIGHUP };

static void service_watch_impatience(void) {
        const struct sigaction action = { .sa_handler = service_on_impatience };
        sigset_t set;

        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(service_signals); i++) {
                (void) sigaction(service_signals[i], &action, NULL);
                (void) sigaddset(&set, service_signals[i]);
        }
        (void) sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* The surfaces go first: they hold calls of the cluster. */
static int service_close(Service *service) {
        int status = EXIT_SUCCESS, r;
        ClusterSummary summary;

        service->bus = bus_free(service->bus);
        service->proxy = proxy_free(service->proxy);
        service_close_apis(service);
        service->prometheus = prometheus_server_free(service->prometheus);
        service->leave = cluster_call_unref(service->leave);
        cluster_summary(service->cluster, &summary);
        r = cluster_close(TAKE_PTR(service->cluster));
        if (r < 0) {
                log_error_errno(r, "Failed to close the cluster: %m");
                return sd_event_exit(service->event, EXIT_FAILURE);
        }
        if (service->join.is_leaving)
                status = service_join_leave(&service->join, &summary);
        log_struct(LOG_INFO, LOG_FIELDS(MESSAGE_ID_STOPPED), "Stopped.");
        return sd_event_exit(service->event, status);
}

static uint64_t service_now(const Service *service) {
        uint64_t usec = 0;

        (void) sd_event_now(service->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

static bool service_is_handing_over(Service *service) {
        ClusterSummary summary;

        if (service->handing_over) {
                cluster_summary(service->cluster, &summary);
                service->handing_over = summary.is_leader;
        }
        return service->handing_over;
}

static bool service_apis_are_idle(const Service *service) {
        for (size_t i = 0; i < _SERVICE_API_N; i++)
                if (service->apis[i] && !rest_api_is_idle(service->apis[i]))
                        return false;
        return true;
}

/* What is still under way after the drain is cancelled, which tells the clients; a client that does not even
 * take that is cut off. */
static int service_on_drain(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        Service *service = userdata;
        uint64_t now = service_now(service);
        bool is_idle = service_apis_are_idle(service) &&
                       (!service->proxy || proxy_is_idle(service->proxy)) && bus_is_idle(service->bus) &&
                       !service_is_handing_over(service);

        /* twice: the last answer may still be on its way to the kernel */
        if ((is_idle && service->was_idle) || now >= service->cancel_until)
                return service_close(service);
        service->was_idle = is_idle;

        if (now >= service->drain_until)
                cluster_stop(service->cluster);
        (void) sd_event_source_set_time_relative(source, SERVICE_QUIET_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int service_drain(Service *service) {
        uint64_t now = service_now(service);
        bool serves = false;
        int r;

        for (size_t i = 0; i < _SERVICE_API_N; i++)
                if (service->apis[i]) {
                        rest_api_stop_accepting(service->apis[i]);
                        serves = true;
                }
        if (service->proxy) {
                proxy_stop_accepting(service->proxy);
                serves = true;
        }
        service->handing_over = cluster_hand_over(service->cluster) > 0;
        service->drain_until = now + SERVICE_DRAIN_USEC;
        service->cancel_until = service->drain_until + SERVICE_CANCEL_USEC;
        r = sd_event_add_time_relative(
                        service->event,
                        &service->drain,
                        CLOCK_MONOTONIC,
                        serves ? SERVICE_QUIET_USEC : 0,
                        0,
                        service_on_drain,
                        service);
        return r < 0 ? sd_event_exit(service->event, EXIT_FAILURE) : 0;
}

static int service_stop(Service *service) {
        service->stopping = true;
        service_status_deinit(&service->status);
        if (service_join_goes_on(&service->join))
                notify_send(&service->notify, "STATUS=Starting again, to join another cluster");
        else
                notify_send(&service->notify,
                            "STOPPING=1\nSTATUS=Stopping: requests under way are answered");
        return service_drain(service);
}

/* It was removed, or goes to join another cluster. */
static void service_on_leave(int exit_status, const char *words, void *userdata) {
        Service *service = userdata;
        char field[LOG_FIELD_MAX];

        service->join.is_leaving = true;
        service->join.leave_status = exit_status;
        log_struct(LOG_NOTICE,
                   LOG_FIELDS(MESSAGE_ID_LEFT, log_field(field, "CLUSTER_ERROR", words)),
                   "Stopping: %s.",
                   words);
        if (!service->stopping)
                (void) service_stop(service);
}

static void service_on_left(
                ClusterCall *call _unused_,
                int r,
                const Error *error,
                const PeerInfo *peer _unused_,
                void *userdata) {
        Service *service = userdata;

        if (r < 0)
                log_warning("Failed to leave the cluster, stopping as a member: %s", error_message(error));
        if (r < 0 && !service->stopping)
                (void) service_stop(service);
}

/* leave_on_shutdown. Answers false when there is nothing to leave, or no time for it. */
static bool service_leave(Service *service) {
        ClusterSummary summary;

        if (!service->config->cluster.leave_on_shutdown || !service->cluster || service->leave)
                return false;
        cluster_summary(service->cluster, &summary);
        if (!summary.is_serving || summary.n_peers < 2)
                return false;

        (void) notify_try("STATUS=Leaving the cluster");
        return cluster_peer_remove(
                               service->cluster,
                               &service->leave,
                               cluster_self(service->cluster),
                               service_on_left,
                               service) >= 0;
}

static int service_on_signal(
                sd_event_source *source _unused_, const struct signalfd_siginfo *si, void *userdata) {
        Service *service = userdata;

        service->join.is_cancelled = true;
        if (service->stopping)
                return 0;

        log_info("Stopping on %s.", strsignal((int) si->ssi_signo));
        if (!service->cluster)
                return sd_event_exit(service->event, EXIT_SUCCESS);
        if (service_leave(service))
                return 0;
        service_watch_impatience();
        return service_stop(service);
}

static int service_watch_signals(Service *service) {
        sigset_t set;
        int r = 0;

        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(service_signals); i++)
                (void) sigaddset(&set, service_signals[i]);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(service_signals); i++)
                r = sd_event_add_signal(
                                service->event, NULL, service_signals[i], service_on_signal, service);
        return r;
}

/* ---- the cluster's news */

static int service_on_extend(sd_event_source *source, uint64_t usec _unused_, void *userdata _unused_) {
        int r;

        (void) notify_try(SERVICE_EXTEND_MESSAGE);
        r = sd_event_source_set_time_relative(source, SERVICE_EXTEND_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void service_on_serving(void *userdata) {
        Service *service = userdata;

        service->extend = sd_event_source_disable_unref(service->extend);
        service->serving = true;
        if (service->stopping)
                return;
        notify_send(&service->notify, "READY=1");
        service_status_tell(&service->status);
}

static void service_on_ready(void *userdata) {
        char id[PEER_ID_TEXT_MAX], peer[LOG_FIELD_MAX];
        Service *service = userdata;

        log_field(peer, "CLUSTER_PEER", peer_id_format(&service->identity.id, id));
        log_struct(LOG_INFO, LOG_FIELDS(MESSAGE_ID_READY, peer), "** IPFS Cluster is READY **");
        service_status_tell(&service->status);
}

static void service_on_changed(void *userdata) {
        service_status_changed(&((Service *) userdata)->status);
}

static void service_on_failed(int exit_status, void *userdata) {
        Service *service = userdata;
        char state[64];

        (void) snprintf(state, sizeof(state), "STATUS=Failed, ending with status %d", exit_status);
        (void) notify_try(state);
        (void) sd_event_exit(service->event, exit_status);
}

/* ---- start */

static int service_check_bootstrap(const char *list) {
        Error error = {};

        if (service_join_check(list, &error) >= 0)
                return 0;
        offline_say("%s\n", error_message(&error));
        error_done(&error);
        return EXIT_FAILURE;
}

static int service_check_arguments(const Arguments *arguments) {
        if (arguments->tracing)
                return service_say_refusal("--tracing: tracing is not offered yet");
        return arguments->bootstrap ? service_check_bootstrap(arguments->bootstrap) : 0;
}

/* A file that is not there is no wrong configuration. */
static int service_fail_config(Error *error) {
        return service_say_failure(
                        "loading configurations",
                        error,
                        error->code == ERROR_NOT_FOUND ? EXIT_FAILURE : EX_CONFIG,
                        MESSAGE_ID_REFUSED);
}

static int service_load(Service *service) {
        Error error = {};
        int r;

        if (service_reload_read(&service->config, service->folder, service->arguments, &error) < 0)
                return service_fail_config(&error);
        service_reload_log_level(service->config, service->arguments);

        r = config_state_folder(service->folder, &service->state_folder);
        if (r >= 0)
                r = file_make_dirs(service->state_folder, SERVICE_STATE_MODE);
        if (r < 0)
                return service_say_errno(
                                "making the state folder",
                                r,
                                service->state_folder ? service->state_folder : service->folder);
        if (config_lock(service->state_folder, &service->lock_fd, &error) < 0)
                return service_say_failure("obtaining execution lock", &error, EXIT_FAILURE, NULL);

        if (config_identity_load(&service->identity, service->folder, &error) < 0)
                return service_fail_config(&error);

        config_unused_tell(service->config);
        if (str_is_empty(service->config->cluster.secret))
                log_warning("cluster.secret is empty: any peer may join this cluster.");
        return 0;
}

/* The sockets that systemd has for NAME. Answers how many, or negative when that is told. */
static int service_inherit(const char *name, bool enabled, int *fds, size_t max) {
        int n = listener_inherited(name, fds, max);

        for (int i = 0; !enabled && i < n; i++)
                close(fds[i]);
        return enabled ? n : MIN(n, 0);
}

static void service_log_inherited(const char *what, const char *setting, const int *fds, int n) {
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *address = NULL;

                if (listener_address(fds[i], &address) >= 0)
                        log_info("%s at %s, a socket of systemd: %s does not count.",
                                 what,
                                 address,
                                 setting);
        }
}

static int service_fail_surface(const char *doing, Error *error) {
        if (error->code == ERROR_IO) /* an address that is in use is no failed disk */
                error->code = ERROR_INTERNAL;
        return service_say_failure(
                        doing,
                        error,
                        error->code == ERROR_INVALID ? EX_CONFIG : EXIT_FAILURE,
                        error->code == ERROR_INVALID ? MESSAGE_ID_REFUSED : NULL);
}

static int service_open_api(Service *service, ServiceApi i) {
        const RestSurface *surface = service_apis[i].surface;
        bool enabled = *(const bool *) ((const char *) service->config + service_apis[i].enabled);
        char setting[128];
        int fds[REST_LISTENERS_MAX], n;
        Error error = {};

        n = service_inherit(service_apis[i].sockets, enabled, fds, REST_LISTENERS_MAX);
        if (n < 0)
                return service_say_errno(service_apis[i].doing, n, "inherited sockets");
        if (!enabled) {
                log_notice("The %s is off: %s has no section %s.",
                           surface->name,
                           CONFIG_FILE,
                           surface->section);
                return 0;
        }

        (void) snprintf(setting, sizeof(setting), "%s.http_listen_multiaddress", surface->section);
        service_log_inherited(surface->name, setting, fds, n);
        if (rest_api_new(&service->apis[i],
                         &(RestApiOptions){
                                         .surface = surface,
                                         .event = service->event,
                                         .cluster = service->cluster,
                                         .config = service->config,
                                         .fds = fds,
                                         .n_fds = (size_t) n,
                         },
                         &error) < 0)
                return service_fail_surface(service_apis[i].doing, &error);
        return 0;
}

static int service_open_apis(Service *service) {
        int r = 0;

        for (ServiceApi i = 0; r == 0 && i < _SERVICE_API_N; i++)
                r = service_open_api(service, i);
        return r;
}

static int service_open_proxy(Service *service) {
        const Config *config = service->config;
        int fds[PROXY_LISTENERS_MAX], n;
        Error error = {};

        n = service_inherit("proxy", config->proxy_enabled, fds, PROXY_LISTENERS_MAX);
        if (n < 0)
                return service_say_errno("creating IPFS Proxy component", n, "inherited sockets");
        if (!config->proxy_enabled)
                return 0;

        service_log_inherited("IPFS proxy", "api.ipfsproxy.listen_multiaddress", fds, n);
        if (proxy_new(&service->proxy, service->event, service->cluster, config, fds, (size_t) n, &error) <
            0)
                return service_fail_surface("creating IPFS Proxy component", &error);
        return 0;
}

static int service_open_prometheus(Service *service) {
        const ConfigMetrics *metrics = &service->config->metrics;
        Error error = {};

        if (!metrics->enable_stats || prometheus_server_new(
                                                      &service->prometheus,
                                                      service->event,
                                                      service->cluster,
                                                      metrics->prometheus_endpoint,
                                                      &error) >= 0)
                return 0;

        if (error.code == ERROR_IO)
                error.code = ERROR_INTERNAL;
        return service_say_failure("setting up metrics", &error, EXIT_FAILURE, NULL);
}

static int service_on_reload(void *userdata, Error *reterr) {
        Service *service = userdata;
        char state[64], words[LOG_FIELD_MAX];
        int r;

        if (service->stopping)
                return error_set(reterr, ERROR_CANCELED, "the peer is being stopped");
        (void) snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, time_monotonic());
        if (service->serving) /* else READY=1 below would come too early */
                notify_send(&service->notify, state);
        r = service_reload(
                        &(ServiceReload){
                                        .arguments = service->arguments,
                                        .folder = service->folder,
                                        .config = service->config,
                                        .cluster = service->cluster,
                                        .apis = service->apis,
                                        .n_apis = _SERVICE_API_N,
                        },
                        reterr);
        if (service->serving)
                notify_send(&service->notify, "READY=1");
        if (r < 0)
                log_struct(LOG_ERR,
                           LOG_FIELDS(MESSAGE_ID_RELOAD_REFUSED,
                                      log_field(words, "CLUSTER_ERROR", error_message(reterr))),
                           "The configuration is refused, nothing has changed: %s",
                           error_message(reterr));
        return r;
}

/* That there is no bus is no error: it is waited for. */
static int service_open_bus(Service *service) {
        Error error = {};

        if (bus_new(&service->bus,
                    service->event,
                    &(BusOptions){
                                    .cluster = service->cluster,
                                    .is_user = service->arguments->user,
                                    .instance = service->arguments->instance,
                                    .reload = service_on_reload,
                                    .userdata = service,
                    },
                    &error) >= 0)
                return 0;
        return service_say_failure("creating D-Bus component", &error, EXIT_FAILURE, NULL);
}

static int service_listen(Service *service) {
        int r = 0;

        if (!service->is_listening)
                r = service_listen_for_peers(service->config, service->peer_fds, &service->n_peer_fds);
        service->is_listening = r == 0;
        return r;
}

static size_t service_hand_over_fds(Service *service) {
        size_t n = service->n_peer_fds;

        service->n_peer_fds = 0;
        return n;
}

static int service_open_cluster(Service *service) {
        Error error = {};
        int r;

        (void) notify_try(SERVICE_OPEN_MESSAGE);
        r = service_listen(service);
        if (r != 0)
                return r;
        if (cluster_new(&service->cluster,
                        service->event,
                        &(ClusterOptions){
                                        .config = service->config,
                                        .identity = &service->identity,
                                        .state_folder = service->state_folder,
                                        .peer_fds = service->peer_fds,
                                        .n_peer_fds = service_hand_over_fds(service),
                                        .joined = service->join.joined.raft_id > 0 ? &service->join.joined
                                                                                   : NULL,
                                        .is_alone = service->join.is_alone,
                                        .bootstrap = &service->join.addresses,
                                        .serving = service_on_serving,
                                        .ready = service_on_ready,
                                        .changed = service_on_changed,
                                        .failed = service_on_failed,
                                        .leave = service_on_leave,
                                        .userdata = service,
                        },
                        &error) < 0)
                return service_say_failure(
                                "starting cluster",
                                &error,
                                EXIT_FAILURE,
                                error.code == ERROR_IO ? MESSAGE_ID_STATE_DAMAGED : NULL);

        service_join_opened(&service->join);
        r = service_status_init(&service->status, service->event, service->cluster);
        if (r < 0)
                return service_say_errno("starting", r, "event loop");
        r = service_open_apis(service);
        if (r == 0)
                r = service_open_prometheus(service);
        if (r == 0)
                r = service_open_proxy(service);
        return r == 0 ? service_open_bus(service) : r;
}

static void service_on_joined(int r, const Error *error, void *userdata) {
        Service *service = userdata;
        Error copy = {};
        int status;

        if (r < 0) {
                (void) error_copy(&copy, error);
                status = service_say_failure("bootstrapping", &copy, EXIT_FAILURE, NULL);
        } else
                status = service_open_cluster(service);
        service_join_stop(&service->join);
        if (status != 0)
                (void) sd_event_exit(service->event, status);
}

/* As a member of a cluster, or of one of its own; or, first, on the way into one. */
static int service_open_or_join(Service *service) {
        Error error = {};
        int status = 0, r;

        r = service_join_init(
                        &service->join,
                        service->config,
                        &service->identity,
                        service->state_folder,
                        service->arguments->bootstrap,
                        &error);
        if (r == 0)
                return service_open_cluster(service);
        if (r > 0 && service_join_founds(&service->join))
                status = service_listen(service);
        if (status != 0)
                return status;
        if (r > 0)
                r = service_join_start(
                                &service->join,
                                service->event,
                                service->peer_fds,
                                service->n_peer_fds,
                                service_on_joined,
                                service,
                                &error);
        return r < 0 ? service_say_failure("bootstrapping", &error, EXIT_FAILURE, NULL) : 0;
}

static int service_open(Service *service) {
        int r;

        r = sd_event_default(&service->event);
        if (r >= 0)
                r = notify_init(&service->notify, service->event);
        if (r >= 0)
                r = service_watch_signals(service);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                service->event,
                                &service->extend,
                                CLOCK_MONOTONIC,
                                0,
                                0,
                                service_on_extend,
                                service);
        if (r < 0)
                return service_say_errno("starting", r, "event loop");
        return service_open_or_join(service);
}

/* Nothing here uses select(2), for which the soft limit is low. */
static void service_raise_limits(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static int service_run_once(const char *folder, const Arguments *arguments, bool *ret_again) {
        _cleanup_(service_done) Service service = {
                .arguments = arguments,
                .folder = folder,
                .lock_fd = -1,
        };
        char id[PEER_ID_TEXT_MAX];
        int r;

        log_info("Initializing. For verbose output run with \"-l debug\". Please wait...");
        service_raise_limits();
        r = service_check_arguments(arguments);
        if (r == 0)
                r = service_load(&service);
        if (r == 0)
                r = service_open(&service);
        if (r > 0)
                return r;

        log_info("IPFS Cluster peer %s, state in %s.",
                 peer_id_format(&service.identity.id, id),
                 service.state_folder);
        r = sd_event_loop(service.event);
        if (r < 0)
                log_error_errno(r, "The event loop failed: %m");
        *ret_again = r == EX_TEMPFAIL && !service.join.is_cancelled;
        if (r == EX_TEMPFAIL && service.join.is_cancelled)
                return EXIT_SUCCESS;
        return r < 0 ? EXIT_FAILURE : r;
}

int service_run(const char *folder, const Arguments *arguments) {
        bool again = false;
        int r;

        r = service_run_once(folder, arguments, &again);
        return again ? service_join_restart(arguments) : r;
}
