#pragma once

/*
 * RestApi: an API over HTTP; which one, its surface says. That of this folder is the REST API on 9094
 * (v1.1.6's, plus what only the 2017 program has, and POST /allocations). A translator: parse, call
 * cluster_*(), format by the JSON tables.
 */

#include <systemd/sd-event.h>

#include "daemon/cluster/cluster.h"
#include "daemon/config/config.h"
#include "daemon/rest/servers.h"
#include "daemon/rest/surface.h"

typedef struct RestApi RestApi;

typedef struct RestApiOptions {
        const RestSurface *surface;
        sd_event *event;
        Cluster *cluster;     /* must outlive the API */
        const Config *config; /* the same */
        const int *fds; /* listening sockets, taken also on failure; none: it listens on the addresses */
        size_t n_fds;   /* of the configuration */
} RestApiOptions;

int rest_api_new(RestApi **ret, const RestApiOptions *options, Error *reterr);
RestApi *rest_api_free(RestApi *api);
DEFINE_CLEANUP(RestApi *, rest_api_free);
/* What of the configuration is CONFIG_LIVE counts from now on, also a certificate that was renewed in its
 * file. On failure nothing has changed; the words name the setting. */
int rest_api_reload(RestApi *api, Error *reterr);
void rest_api_stop_accepting(RestApi *api);
bool rest_api_is_idle(const RestApi *api); /* every request was answered */
