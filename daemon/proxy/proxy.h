#pragma once

/*
 * Proxy: the IPFS proxy on 9095: Kubo's RPC API, of which the calls that pin are answered by the cluster
 * (rule.h has the table). All else is handed on as it is, in both directions, byte by byte as it comes: any
 * method, headers, framing, 1xx answers, trailers, answers that begin before the request has ended. Bodies
 * may have any size and take as much memory as a buffer has; who does not read makes the other one wait;
 * when one side goes the other one is told.
 *
 * What a reader of HTTP might take for different things is refused (daemon/wire/http1.h), never handed on.
 */

#include <systemd/sd-event.h>

#include "daemon/cluster/cluster.h"
#include "daemon/config/config.h"

#define PROXY_LISTENERS_MAX 16

typedef struct Proxy Proxy;

/* FDS: listening sockets, taken also on failure; when there are none it listens on
 * config->proxy.listen_multiaddress. */
int proxy_new(Proxy **ret,
              sd_event *event,
              Cluster *cluster,
              const Config *config,
              const int *fds,
              size_t n_fds,
              Error *reterr);
Proxy *proxy_free(Proxy *proxy); /* connections are cut */
DEFINE_CLEANUP(Proxy *, proxy_free);

void proxy_stop_accepting(Proxy *proxy);
bool proxy_is_idle(const Proxy *proxy); /* no request is under way */
