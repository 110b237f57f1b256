#include "daemon/rest/servers.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#define SERVERS_SWEEP_USEC (1 * USEC_PER_SEC)
/* Of a connection to a server that was replaced, and that nothing is asked on any more. */
#define SERVERS_RETIRED_IDLE_USEC (2 * USEC_PER_SEC)

void rest_servers_init(RestServers *servers, sd_event *event) {
        *servers = (RestServers){ .event = sd_event_ref(event) };
}

static void free_oldest(RestServers *servers, size_t n) {
        for (size_t i = 0; i < n; i++)
                http_server_free(servers->retired[i]);
        servers->n_retired -= n;
        memmove(servers->retired, servers->retired + n, servers->n_retired * sizeof(*servers->retired));
}

void rest_servers_done(RestServers *servers) {
        free_oldest(servers, servers->n_retired);
        servers->sweep = sd_event_source_disable_unref(servers->sweep);
        for (size_t i = 0; i < servers->n; i++)
                http_server_free(servers->items[i]);
        servers->n = 0;
        servers->event = sd_event_unref(servers->event);
}

int rest_servers_add(RestServers *servers, const HttpServerOptions *options) {
        int r;

        if (servers->n == REST_LISTENERS_MAX) {
                close(options->fd);
                return -EMFILE;
        }
        r = http_server_new(&servers->items[servers->n], servers->event, options);
        if (r < 0)
                return r;
        servers->n++;
        return 0;
}

static int on_sweep(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        RestServers *servers = userdata;
        size_t n = 0;

        for (size_t i = 0; i < servers->n_retired; i++)
                if (http_server_connections(servers->retired[i]) > 0)
                        servers->retired[n++] = servers->retired[i];
                else
                        http_server_free(servers->retired[i]);
        servers->n_retired = n;
        if (n == 0)
                return 0;
        (void) sd_event_source_set_time_relative(source, SERVERS_SWEEP_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Made when it is needed first, and enabled whenever somebody was retired. */
static int add_sweep(RestServers *servers) {
        if (servers->sweep)
                return 0;
        return sd_event_add_time_relative(
                        servers->event,
                        &servers->sweep,
                        CLOCK_MONOTONIC,
                        SERVERS_SWEEP_USEC,
                        0,
                        on_sweep,
                        servers);
}

static int open_again(RestServers *servers, size_t i, const HttpServerOptions *options, HttpServer **ret) {
        HttpServerOptions own = *options;

        own.fd = fcntl(http_server_fd(servers->items[i]), F_DUPFD_CLOEXEC, 3);
        return own.fd < 0 ? -errno : http_server_new(ret, servers->event, &own);
}

static void retire(RestServers *servers, const HttpServerOptions *options) {
        HttpServerOptions last = *options;

        last.idle_timeout_usec = SERVERS_RETIRED_IDLE_USEC;
        if (servers->n_retired + servers->n > REST_RETIRED_MAX)
                free_oldest(servers, servers->n_retired + servers->n - REST_RETIRED_MAX);
        for (size_t i = 0; i < servers->n; i++) {
                http_server_stop_accepting(servers->items[i]);
                http_server_set_timeouts(servers->items[i], &last);
                servers->retired[servers->n_retired++] = servers->items[i];
        }
        (void) sd_event_source_set_time_relative(servers->sweep, SERVERS_SWEEP_USEC);
        (void) sd_event_source_set_enabled(servers->sweep, SD_EVENT_ONESHOT);
}

int rest_servers_replace(RestServers *servers, const HttpServerOptions *options) {
        HttpServer *fresh[REST_LISTENERS_MAX] = {};
        int r;

        r = add_sweep(servers);
        for (size_t i = 0; r >= 0 && i < servers->n; i++)
                r = open_again(servers, i, options, &fresh[i]);
        if (r < 0) {
                for (size_t i = 0; i < servers->n; i++)
                        http_server_free(fresh[i]);
                return r;
        }

        retire(servers, options);
        for (size_t i = 0; i < servers->n; i++)
                servers->items[i] = fresh[i];
        return 0;
}

void rest_servers_set_timeouts(RestServers *servers, const HttpServerOptions *options) {
        for (size_t i = 0; i < servers->n; i++)
                http_server_set_timeouts(servers->items[i], options);
}

void rest_servers_stop_accepting(RestServers *servers) {
        for (size_t i = 0; i < servers->n; i++)
                http_server_stop_accepting(servers->items[i]);
}
