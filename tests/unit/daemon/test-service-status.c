#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/service-status.h"
#include "tests/lib/peer.h"

static void test_format(void) {
        static const struct {
                ClusterSummary summary;
                const char *text;
        } cases[] = {
                { {}, "Not ready yet: 0 pins, 0 queued, 0 in error; IPFS does not answer" },
                { { .is_serving = true, .ipfs_is_reachable = true },
                  "Serving, without a leader: 0 pins, 0 queued, 0 in error; IPFS answers" },
                { { .is_serving = true,
                    .is_leader = true,
                    .is_complete = true,
                    .n_pins = 12,
                    .n_queued = 3,
                    .n_errors = 4 },
                  "Serving as leader: 12 pins, 3 queued, 4 in error; IPFS does not answer" },
                { { .is_serving = true, .is_leader = true, .n_pins = 12, .n_queued = 3, .n_errors = 4 },
                  "Serving as leader: 12 pins, 3 queued, 4 in error, others not known yet; IPFS does not answer" },
                { { .is_serving = true,
                    .ipfs_is_reachable = true,
                    .n_pins = UINT64_MAX,
                    .n_queued = UINT64_MAX,
                    .n_errors = UINT64_MAX },
                  "Serving, without a leader: 18446744073709551615 pins, 18446744073709551615 queued, "
                  "18446744073709551615 in error, others not known yet; IPFS answers" },
        };
        char text[SERVICE_STATUS_MAX];

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                g_assert_cmpstr(service_status_format(&cases[i].summary, text), ==, cases[i].text);
}

static void test_format_names_the_leader(void) {
        static const char id[] = "12D3KooWFAhJxa957WdJcufKtMjs9CRCR6eRkxjNSQK1oPtUDevv";
        ClusterSummary summary = { .is_serving = true };
        char text[SERVICE_STATUS_MAX];

        g_assert_cmpint(peer_id_parse(id, &summary.leader), ==, 0);
        service_status_format(&summary, text);
        g_assert_true(g_str_has_prefix(
                        text,
                        "Serving, led by 12D3KooWFAhJxa957WdJcufKtMjs9CRCR6eRkxjNSQK1oPtUDevv: 0 pins"));
}

/* ---- what is told, and how often */

typedef struct Manager {
        Peer peer;
        ServiceStatus status;
        int fd;
        char *path;
} Manager;

static void manager_open(Manager *manager) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };

        peer_open(&manager->peer);
        manager->path = g_build_filename(manager->peer.folder, "notify", NULL);
        g_strlcpy(name.sun_path, manager->path, sizeof(name.sun_path));
        manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        g_assert_cmpint(bind(manager->fd, (struct sockaddr *) &name, sizeof(name)), ==, 0);
        g_setenv("NOTIFY_SOCKET", manager->path, TRUE);
        g_assert_cmpint(service_status_init(&manager->status, manager->peer.event, manager->peer.cluster),
                        ==,
                        0);
}

static void manager_close(Manager *manager) {
        service_status_deinit(&manager->status);
        g_unsetenv("NOTIFY_SOCKET");
        close(manager->fd);
        g_unlink(manager->path);
        g_free(manager->path);
        peer_close(&manager->peer);
}

/* The next message, or "" when there is none. */
static const char *manager_told(Manager *manager) {
        static char text[SERVICE_STATUS_MAX + 16];
        ssize_t n = recv(manager->fd, text, sizeof(text) - 1, 0);

        text[MAX(n, 0)] = '\0';
        return text;
}

static bool peer_is_complete(const Peer *peer) {
        ClusterSummary summary;

        cluster_summary(peer->cluster, &summary);
        return summary.is_complete;
}

static bool status_is_due(Manager *manager) {
        int enabled;

        g_assert_cmpint(sd_event_source_get_enabled(manager->status.timer, &enabled), >=, 0);
        return enabled != SD_EVENT_OFF;
}

static void test_tells_changes_only(void) {
        Manager manager;

        manager_open(&manager);
        service_status_tell(&manager.status);
        g_assert_cmpstr(manager_told(&manager),
                        ==,
                        "STATUS=Serving as leader: 0 pins, 0 queued, 0 in error; IPFS answers");
        service_status_tell(&manager.status);
        g_assert_cmpstr(manager_told(&manager), ==, "");
        manager_close(&manager);
}

static void test_waits_for_the_interval(void) {
        uint64_t due, again;
        Manager manager;

        manager_open(&manager);
        PEER_UNTIL(&manager.peer, peer_is_complete(&manager.peer));
        service_status_tell(&manager.status);
        manager_told(&manager);

        peer_fill(&manager.peer, 1, 5, NULL);
        service_status_changed(&manager.status);
        g_assert_cmpint(sd_event_source_get_time(manager.status.timer, &due), >=, 0);
        g_assert_cmpuint(due, ==, manager.status.told_usec + SERVICE_STATUS_INTERVAL);
        service_status_changed(&manager.status); /* one timer for all changes */
        g_assert_cmpint(sd_event_source_get_time(manager.status.timer, &again), >=, 0);
        g_assert_cmpuint(again, ==, due);

        PEER_UNTIL(&manager.peer, !status_is_due(&manager));
        g_assert_nonnull(strstr(manager_told(&manager), "leader: 5 pins,"));
        manager_close(&manager);
}

/* The comparison with Kubo after an unclean stop ends without a change to tell of. */
static void test_looks_again_until_all_is_known(void) {
        Manager manager;

        manager_open(&manager);
        if (!peer_is_complete(&manager.peer)) {
                service_status_tell(&manager.status);
                g_assert_true(status_is_due(&manager));
        }
        PEER_UNTIL(&manager.peer, peer_is_complete(&manager.peer));
        service_status_tell(&manager.status);
        g_assert_false(status_is_due(&manager));
        manager_close(&manager);
}

static void test_says_nothing_when_it_is_over(void) {
        Manager manager;

        manager_open(&manager);
        service_status_deinit(&manager.status);
        service_status_changed(&manager.status);
        service_status_tell(&manager.status);
        g_assert_cmpstr(manager_told(&manager), ==, "");
        manager_close(&manager);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/daemon/service-status/format", test_format);
        g_test_add_func("/daemon/service-status/format-names-the-leader", test_format_names_the_leader);
        g_test_add_func("/daemon/service-status/tells-changes-only", test_tells_changes_only);
        g_test_add_func("/daemon/service-status/waits-for-the-interval", test_waits_for_the_interval);
        g_test_add_func("/daemon/service-status/looks-again-until-all-is-known",
                        test_looks_again_until_all_is_known);
        g_test_add_func("/daemon/service-status/says-nothing-when-it-is-over",
                        test_says_nothing_when_it_is_over);
        return g_test_run();
}
