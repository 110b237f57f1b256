#pragma once

/*
 * The road over D-Bus: the methods of org.ipfs.Cluster on the system bus or the user's own. What only some
 * may do is decided by polkit, which may ask the user. Answers are those of HTTP, whose statuses also stand
 * for the errors of the bus; lists come through pipes.
 */

#include "ctl/backend/backend.h"

typedef struct CtlBusOptions {
        bool user;            /* the bus of the user, not that of the system */
        const char *instance; /* of the template's peers; NULL: the only one */
        uint64_t timeout_sec; /* of one call; 0: none */
        FILE *debug;          /* where calls are told, or NULL */
} CtlBusOptions;

/* Connects to the bus; what OPTIONS point to must outlive the backend. Errors: ERROR_INVALID (no name of an
 * instance), ERROR_IO (no bus), -ENOMEM. */
int ctl_backend_bus_new(CtlBackend **ret, const CtlBusOptions *options, Error *reterr);

/* Answers 1 when a peer is there, or when the bus started one, or tried to; else 0. */
int ctl_backend_bus_find_peer(CtlBackend *backend);
