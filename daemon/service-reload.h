#pragma once

/*
 * The configuration of a running peer, read again: service.json, identity.json and the credentials.
 *
 * What may change while the peer runs (CONFIG_LIVE) is applied, and named in the log; so is what needs a
 * restart. When anything is wrong, nothing changes. Files are read at once: they are small.
 */

#include "daemon/arguments.h"
#include "daemon/cluster/cluster.h"
#include "daemon/rest/api.h"

typedef struct ServiceReload {
        const Arguments *arguments;
        const char *folder;
        Config *config; /* the one in use; it changes in place */
        Cluster *cluster;
        RestApi *const *apis; /* an element may be NULL */
        size_t n_apis;
} ServiceReload;

/* Errors: those of service_reload_read(), those of the identity; the words name the key. */
int service_reload(const ServiceReload *reload, Error *reterr);

/* What a start and a reload read: the configuration of FOLDER and what ARGUMENTS make of it. Errors: those
 * of config_load(). */
int service_reload_read(Config **ret, const char *folder, const Arguments *arguments, Error *reterr);

/* Set the log levels that CONFIG names, if any; the command line wins. */
void service_reload_log_level(const Config *config, const Arguments *arguments);
