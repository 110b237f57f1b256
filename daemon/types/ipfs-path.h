#pragma once

/*
 * IPFS path: /ipfs/<cid>[/…], /ipld/<cid>[/…], /ipns/<name>[/…]. It is resolved by Kubo, unless it is a CID
 * alone.
 */

#include <stdbool.h>

#include "daemon/types/cid.h"

typedef struct IpfsPath {
        Cid root;     /* of /ipfs and /ipld; undefined for /ipns */
        bool is_bare; /* nothing behind the root: it needs no resolving */
} IpfsPath;

/* One trailing slash is allowed. Errors: -EINVAL, and *RETERR (may be NULL) is a static text in the words of
 * the Go program, to stand behind "invalid path \"…\": ". */
int ipfs_path_parse(const char *text, IpfsPath *ret, const char **reterr);
