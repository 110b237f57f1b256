#pragma once

/*
 * The HTTP servers of the API, one for each listening socket. They can be replaced while they work: the new
 * ones take over the sockets, the old ones answer what they were asked, and go when their connections have.
 * That may happen several times while one request is under way.
 */

#include <systemd/sd-event.h>

#include "daemon/net/http-server.h"

#define REST_LISTENERS_MAX 16
/* Servers that were replaced and have connections still: of more, the oldest are closed. */
#define REST_RETIRED_MAX (8 * REST_LISTENERS_MAX)

typedef struct RestServers {
        sd_event *event;
        HttpServer *items[REST_LISTENERS_MAX];
        size_t n;
        HttpServer *retired[REST_RETIRED_MAX]; /* the oldest first */
        size_t n_retired;
        sd_event_source *sweep; /* looks whether those have ended */
} RestServers;

void rest_servers_init(RestServers *servers, sd_event *event);
/* Requests under way are closed, by callbacks from inside. */
void rest_servers_done(RestServers *servers);

/* OPTIONS->fd is taken, also on failure. Errors: -EMFILE beyond REST_LISTENERS_MAX. */
int rest_servers_add(RestServers *servers, const HttpServerOptions *options);
/* All of them anew, with OPTIONS but its fd. On failure nothing has changed. What is closed beyond
 * REST_RETIRED_MAX is told by callbacks from inside. */
int rest_servers_replace(RestServers *servers, const HttpServerOptions *options);
void rest_servers_set_timeouts(RestServers *servers, const HttpServerOptions *options);
void rest_servers_stop_accepting(RestServers *servers);
