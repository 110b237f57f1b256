#pragma once

/* The peerstore: one multiaddr with /p2p/<id> a line; others are skipped, as by the Go program. */

#include "daemon/base/str.h"
#include "daemon/config/config.h"
#include "daemon/types/error.h"

int config_peerstore_path(const Config *config, char **ret);
int config_peerstore_load(const char *path, StrList *ret, Error *reterr); /* no file: an empty list */
int config_peerstore_write(const char *path, const StrList *addresses, Error *reterr);
