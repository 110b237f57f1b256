#pragma once

/*
 * RestApi: the REST API on 9094 (that of v1.1.6, plus what only the 2017 program has, and POST
 * /allocations). A translator: parse, call cluster_*(), format by the JSON tables.
 */

#include <systemd/sd-event.h>

#include "daemon/cluster/cluster.h"
#include "daemon/config/config.h"
#include "daemon/rest/servers.h"

typedef struct RestApi RestApi;

/* FDS: listening sockets, taken also on failure; when there are none it listens on
 * config->rest.http_listen_multiaddress. */
int rest_api_new(
                RestApi **ret,
                sd_event *event,
                Cluster *cluster,
                const Config *config,
                const int *fds,
                size_t n_fds,
                Error *reterr);
RestApi *rest_api_free(RestApi *api);
DEFINE_CLEANUP(RestApi *, rest_api_free);
/* What of the configuration is CONFIG_LIVE counts from now on, also a certificate that was renewed in its
 * file. On failure nothing has changed; the words name the setting. */
int rest_api_reload(RestApi *api, Error *reterr);
void rest_api_stop_accepting(RestApi *api);
bool rest_api_is_idle(const RestApi *api); /* every request was answered */
