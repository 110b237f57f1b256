#include "daemon/service-status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/base/time.h"
#include "daemon/notify.h"

static void status_format_role(const ClusterSummary *summary, char *text, size_t max) {
        char leader[PEER_ID_TEXT_MAX];

        if (!summary->is_serving)
                (void) snprintf(text, max, "Not ready yet");
        else if (summary->is_leader)
                (void) snprintf(text, max, "Serving as leader");
        else if (peer_id_is_set(&summary->leader))
                (void) snprintf(text, max, "Serving, led by %s", peer_id_format(&summary->leader, leader));
        else
                (void) snprintf(text, max, "Serving, without a leader");
}

const char *service_status_format(const ClusterSummary *summary, char text[static SERVICE_STATUS_MAX]) {
        char role[PEER_ID_TEXT_MAX + 32];

        status_format_role(summary, role, sizeof(role));
        (void) snprintf(text,
                        SERVICE_STATUS_MAX,
                        "%s: %" PRIu64 " pins, %" PRIu64 " queued, %" PRIu64 " in error%s; IPFS %s",
                        role,
                        summary->n_pins,
                        summary->n_queued,
                        summary->n_errors,
                        !summary->is_complete && summary->n_pins > 0 ? ", others not known yet" : "",
                        summary->ipfs_is_reachable ? "answers" : "does not answer");
        return text;
}

static void status_arm(ServiceStatus *status, uint64_t usec) {
        (void) sd_event_source_set_time(status->timer, usec);
        (void) sd_event_source_set_enabled(status->timer, SD_EVENT_ONESHOT);
}

void service_status_tell(ServiceStatus *status) {
        char text[SERVICE_STATUS_MAX], state[SERVICE_STATUS_MAX + 8];
        ClusterSummary summary;

        if (!status->cluster)
                return;

        (void) sd_event_source_set_enabled(status->timer, SD_EVENT_OFF);
        cluster_summary(status->cluster, &summary);
        if (!summary.is_complete && summary.ipfs_is_reachable) /* the end of the comparison is not told */
                status_arm(status, time_monotonic() + SERVICE_STATUS_INTERVAL);
        if (strcmp(service_status_format(&summary, text), status->text) == 0)
                return;

        memcpy(status->text, text, sizeof(text));
        status->told_usec = time_monotonic();
        (void) snprintf(state, sizeof(state), "STATUS=%s", text);
        (void) notify_try(state); /* the next change tells again */
}

static int status_on_time(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        service_status_tell(userdata);
        return 0;
}

/* Through the timer also when it is time: a turn of the loop may have many changes. */
void service_status_changed(ServiceStatus *status) {
        int enabled = SD_EVENT_OFF;

        if (!status->cluster)
                return;

        (void) sd_event_source_get_enabled(status->timer, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        status_arm(status, status->told_usec + SERVICE_STATUS_INTERVAL);
}

int service_status_init(ServiceStatus *status, sd_event *event, const Cluster *cluster) {
        int r;

        *status = (ServiceStatus){};
        r = sd_event_add_time(event, &status->timer, CLOCK_MONOTONIC, 0, 0, status_on_time, status);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(status->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;

        status->cluster = cluster;
        return 0;
}

void service_status_deinit(ServiceStatus *status) {
        status->timer = sd_event_source_disable_unref(status->timer);
        status->cluster = NULL;
}
