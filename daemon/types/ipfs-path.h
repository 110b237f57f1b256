#pragma once

/*
 * IPFS path: /ipfs/<cid>[/…], /ipld/<cid>[/…], /ipns/<name>[/…]. It is resolved by Kubo, unless it is a CID
 * alone.
 */

#include <stdbool.h>

#include "daemon/types/cid.h"
#include "daemon/types/error.h"

typedef struct IpfsPath {
        Cid root;     /* of /ipfs and /ipld; undefined for /ipns */
        bool is_bare; /* nothing behind the root: it needs no resolving */
} IpfsPath;

/* One trailing slash is allowed. Errors: ERROR_INVALID, in the words of the Go program: invalid path "…": ….
 */
int ipfs_path_parse(const char *text, IpfsPath *ret, Error *reterr);
