#pragma once

/* Paths: of requests, and those that are arguments. */

#include "daemon/net/query.h"
#include "daemon/types/cid.h"
#include "daemon/types/error.h"

/* Where Kubo (and the recorded program) sends a client whose PATH (decoded) has "//", "/./" or "/../": 1 and
 * the location, with the query of TARGET, owned; 0 when it is clean. */
int proxy_path_clean(const char *target, const char *path, char **ret);

/* An argument as Kubo takes it: a CID, or a path with or without "/ipfs/". */
typedef struct ProxyPath {
        Cid cid;          /* undefined: what PATH names has to be found out */
        char *path;       /* owned; NULL: a CID alone */
        const char *text; /* as it was given; borrowed */
} ProxyPath;

int proxy_path_parse(const char *text, ProxyPath *ret, Error *reterr); /* in the words of the recordings */
void proxy_path_done(ProxyPath *path);
