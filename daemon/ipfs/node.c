#include "daemon/ipfs/node.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/ipfs/call.h"
#include "daemon/types/multiaddr.h"

/* ---- where Kubo is ---- */

static int node_set_tcp(Ipfs *ipfs, const MultiaddrEndpoint *endpoint) {
        bool is_ip6 = endpoint->family == AF_INET6 && !endpoint->is_name;
        Str url = {};

        (void) str_appendf(
                        &url,
                        "%s://%s%s%s:%u/api/v0/",
                        endpoint->tls ? "https" : "http",
                        is_ip6 ? "[" : "",
                        endpoint->host,
                        is_ip6 ? "]" : "",
                        endpoint->port);
        ipfs->url = str_take(&url);
        return ipfs->url ? 0 : -ENOMEM;
}

static int node_set_unix(Ipfs *ipfs, const MultiaddrEndpoint *endpoint) {
        int r;

        r = str_copy(&ipfs->unix_path, endpoint->path);
        if (r < 0)
                return r;
        return str_copy(&ipfs->url, "http://localhost/api/v0/");
}

static int node_set_address(Ipfs *ipfs, const char *address, Error *reterr) {
        _cleanup_free_ char *canonical = NULL;
        MultiaddrEndpoint endpoint;
        const char *why = NULL;
        int r;

        r = multiaddr_parse(address, &canonical, &why);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "Kubo's address: %m");
        if (r < 0 || multiaddr_endpoint(canonical, &endpoint) <= 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "ipfs_connector.ipfshttp.node_multiaddress: '%s' is not usable, expected a tcp or unix address like /ip4/127.0.0.1/tcp/5001%s%s",
                                address,
                                why ? ": " : "",
                                why ? why : "");

        r = endpoint.transport == MULTIADDR_UNIX ? node_set_unix(ipfs, &endpoint)
                                                 : node_set_tcp(ipfs, &endpoint);
        return r < 0 ? error_set_errno(reterr, r, "Kubo's address: %m") : 0;
}

static void node_forget(char *secret) {
        if (secret)
                explicit_bzero(secret, strlen(secret));
        free(secret);
}

static void node_store_authorization(Ipfs *ipfs, char *header, char *userpwd) {
        node_forget(ipfs->header);
        ipfs->header = header;
        node_forget(ipfs->userpwd);
        ipfs->userpwd = userpwd;
}

/* "bearer:TOKEN", "basic:USER:PASSWORD": the spelling of Kubo's API.Authorizations. */
static int node_set_authorization(Ipfs *ipfs, const char *text, Error *reterr) {
        Str header = {};
        char *taken;

        if (str_is_empty(text)) {
                node_store_authorization(ipfs, NULL, NULL);
                return 0;
        }
        if (strncmp(text, "basic:", 6) == 0 && strchr(text + 6, ':')) {
                taken = strdup(text + 6);
                if (!taken)
                        return error_set_errno(reterr, -ENOMEM, "Kubo's authorization: %m");
                node_store_authorization(ipfs, NULL, taken);
                return 0;
        }
        if (strncmp(text, "bearer:", 7) != 0 || !text[7] || strpbrk(text, "\r\n"))
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "ipfs_connector.ipfshttp.authorization: expected 'bearer:TOKEN' or 'basic:USER:PASSWORD'");

        (void) str_appendf(&header, "Authorization: Bearer %s", text + 7);
        taken = str_take(&header);
        if (!taken)
                return error_set_errno(reterr, -ENOMEM, "Kubo's authorization: %m");
        node_store_authorization(ipfs, taken, NULL);
        return 0;
}

int ipfs_set_options(Ipfs *ipfs, const IpfsOptions *options, Error *reterr) {
        int r;

        r = node_set_authorization(ipfs, options->authorization, reterr);
        if (r < 0)
                return r;
        ipfs->request_timeout_usec = options->request_timeout_usec;
        ipfs->pin_timeout_usec = options->pin_timeout_usec;
        ipfs->unpin_timeout_usec = options->unpin_timeout_usec;
        ipfs->repo_gc_timeout_usec = options->repo_gc_timeout_usec;
        ipfs->unpin_disable = options->unpin_disable;
        return 0;
}

int ipfs_new(Ipfs **ret, sd_event *event, HttpClient *client, const IpfsOptions *options, Error *reterr) {
        _cleanup_(ipfs_freep) Ipfs *ipfs = NULL;
        int r;

        ipfs = calloc(1, sizeof(Ipfs));
        if (!ipfs)
                return error_set_errno(reterr, -ENOMEM, "Kubo's connector: %m");

        *ipfs = (Ipfs){
                .event = sd_event_ref(event),
                .client = client,
                .work = options->work ? options->work : client,
                .reachable_changed = options->reachable_changed,
                .userdata = options->userdata,
                .probe_usec = IPFS_PROBE_MIN,
        };
        list_init(&ipfs->calls);

        r = node_set_address(ipfs, options->node_multiaddress, reterr);
        if (r < 0)
                return r;
        r = ipfs_set_options(ipfs, options, reterr);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(ipfs);
        return 0;
}

Ipfs *ipfs_free(Ipfs *ipfs) {
        if (!ipfs)
                return NULL;

        ipfs->probe = ipfs_call_unref(ipfs->probe);
        sd_event_source_disable_unref(ipfs->probe_timer);
        assert(!ipfs->calls.next || list_is_empty(&ipfs->calls));
        ipfs_id_done(&ipfs->last_id);
        free(ipfs->url);
        free(ipfs->unix_path);
        node_store_authorization(ipfs, NULL, NULL);
        sd_event_unref(ipfs->event);
        free(ipfs);
        return NULL;
}

const IpfsCounters *ipfs_counters(const Ipfs *ipfs) {
        return &ipfs->counters;
}

bool ipfs_is_reachable(const Ipfs *ipfs) {
        return ipfs->reachable;
}

const IpfsId *ipfs_last_id(const Ipfs *ipfs) {
        return &ipfs->last_id;
}

/* ---- whether it answers ---- */

static void node_set_reachable(Ipfs *ipfs, bool reachable) {
        if (ipfs->reachable == reachable)
                return;
        ipfs->reachable = reachable;
        if (ipfs->reachable_changed)
                ipfs->reachable_changed(reachable, ipfs->userdata);
}

static void node_on_probed(
                IpfsCall *call _unused_,
                int r,
                const Error *error,
                const IpfsId *id _unused_,
                void *userdata) {
        Ipfs *ipfs = userdata;

        ipfs->probe = ipfs_call_unref(ipfs->probe);
        if (r < 0)
                log_debug("Kubo does not answer: %s", error_message(error));
}

static int node_on_probe_time(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Ipfs *ipfs = userdata;
        int r;

        ipfs->probe_usec = MIN(ipfs->probe_usec * 2, IPFS_PROBE_MAX);
        ipfs->probe = ipfs_call_unref(ipfs->probe);
        r = ipfs_id(ipfs, &ipfs->probe, node_on_probed, ipfs);
        if (r < 0) {
                log_warning_errno(r, "Failed to ask Kubo whether it is there, trying again: %m");
                (void) sd_event_source_set_time_relative(ipfs->probe_timer, ipfs->probe_usec);
                (void) sd_event_source_set_enabled(ipfs->probe_timer, SD_EVENT_ONESHOT);
        }
        return 0;
}

static int node_arm_probe(Ipfs *ipfs) {
        uint64_t usec = random_jitter(ipfs->probe_usec);
        int enabled, r;

        if (!ipfs->probe_timer)
                return sd_event_add_time_relative(
                                ipfs->event,
                                &ipfs->probe_timer,
                                CLOCK_MONOTONIC,
                                usec,
                                0,
                                node_on_probe_time,
                                ipfs);

        r = sd_event_source_get_enabled(ipfs->probe_timer, &enabled);
        if (r < 0 || enabled != SD_EVENT_OFF)
                return r;
        r = sd_event_source_set_time_relative(ipfs->probe_timer, usec);
        return r < 0 ? r : sd_event_source_set_enabled(ipfs->probe_timer, SD_EVENT_ONESHOT);
}

static const char *node_where(const Ipfs *ipfs) {
        return ipfs->unix_path ? ipfs->unix_path : ipfs->url;
}

/* The failures since the last answer are counted, not told one by one. */
static void node_log_heard(const Ipfs *ipfs) {
        uint64_t n = ipfs->n_failures - ipfs->n_failures_told;
        char where[LOG_FIELD_MAX];

        log_field(where, "CLUSTER_IPFS", node_where(ipfs));
        if (n == 0)
                log_struct(LOG_NOTICE,
                           LOG_FIELDS(MESSAGE_ID_IPFS_BACK, where),
                           "Kubo answers at %s.",
                           node_where(ipfs));
        else
                log_struct(LOG_NOTICE,
                           LOG_FIELDS(MESSAGE_ID_IPFS_BACK, where),
                           "Kubo answers at %s; %" PRIu64 " calls had not reached it.",
                           node_where(ipfs),
                           n);
}

static void node_log_lost(const Ipfs *ipfs, const Error *error) {
        char where[LOG_FIELD_MAX], words[LOG_FIELD_MAX];

        log_struct(LOG_WARNING,
                   LOG_FIELDS(MESSAGE_ID_IPFS_AWAY,
                              log_field(where, "CLUSTER_IPFS", node_where(ipfs)),
                              log_field(words, "CLUSTER_ERROR", error_message(error))),
                   "Kubo does not answer, asking again until it does: %s",
                   error_message(error));
}

static void node_probe_now(Ipfs *ipfs) {
        int r;

        ipfs->probe_usec = IPFS_PROBE_MIN;
        r = node_arm_probe(ipfs);
        if (r >= 0)
                r = sd_event_source_set_time_relative(ipfs->probe_timer, 0);
        if (r < 0)
                log_warning_errno(r, "Failed to ask Kubo whether it is there: %m");
}

void ipfs_hint(Ipfs *ipfs, IpfsHint hint) {
        bool was_changing = ipfs->is_changing;

        ipfs->is_changing = hint == IPFS_HINT_CHANGING;
        if (hint == IPFS_HINT_CHANGING || hint == IPFS_HINT_AWAY)
                ipfs->changed_usec = time_monotonic();
        switch (hint) {
        case IPFS_HINT_NONE:
                if (was_changing && !ipfs->reachable)
                        node_probe_now(ipfs);
                break;
        case IPFS_HINT_THERE:
                if (!ipfs->reachable)
                        node_probe_now(ipfs);
                break;
        case IPFS_HINT_AWAY:
        case IPFS_HINT_CHANGING:
                if (!ipfs->reachable)
                        break;
                log_notice("Kubo is stopped or started by others; nothing is asked of it meanwhile.");
                ipfs->probe_usec = IPFS_PROBE_MIN;
                (void) node_arm_probe(ipfs);
                node_set_reachable(ipfs, false);
                break;
        }
}

void ipfs_node_heard(Ipfs *ipfs) {
        if (ipfs->is_changing) {
                (void) node_arm_probe(ipfs); /* what is said now does not count */
                return;
        }
        ipfs->probe_usec = IPFS_PROBE_MIN;
        if (ipfs->probe_timer)
                (void) sd_event_source_set_enabled(ipfs->probe_timer, SD_EVENT_OFF);
        if (!ipfs->reachable) {
                node_log_heard(ipfs);
                ipfs->n_failures_told = ipfs->n_failures;
        }
        node_set_reachable(ipfs, true);
}

void ipfs_node_lost(Ipfs *ipfs, const Error *error) {
        int r;

        if (ipfs->n_failures++ == 0 || ipfs->reachable)
                node_log_lost(ipfs, error);

        r = node_arm_probe(ipfs);
        if (r < 0)
                log_warning_errno(r, "Failed to plan the next question to Kubo: %m");
        node_set_reachable(ipfs, false);
}
