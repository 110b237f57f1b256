#pragma once

/*
 * Where a peer's HTTP API is: what --host gives, a comma-separated list of multiaddresses, asked in this
 * order. Understood are /ip4, /ip6, /dns* with /tcp (80 or 443 when it is left out) and perhaps /https, and
 * /unix; also the "host:port" of the first release of the Go program.
 */

#include <stdbool.h>

#include "daemon/types/error.h"

#define CTL_HOSTS_MAX 64

typedef struct CtlHost {
        char *url;         /* "http://127.0.0.1:9094": paths are appended to it */
        char *dial;        /* "127.0.0.1:9094", or the path of the socket: for messages */
        char *socket_path; /* NULL: TCP */
} CtlHost;

typedef struct CtlHosts {
        CtlHost *items;
        size_t n;
} CtlHosts;

/* HTTPS: speak TLS to all of them. Errors: ERROR_INVALID, ERROR_UNSUPPORTED (an address of the peers' own
 * protocol), -ENOMEM. */
int ctl_hosts_parse(const char *text, bool https, CtlHosts *ret, Error *reterr);
void ctl_hosts_done(CtlHosts *hosts);
