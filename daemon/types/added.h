#pragma once

/* A line of the answer of POST /add: AddedOutput of the Go program. */

#include "daemon/base/json.h"
#include "daemon/types/cid.h"
#include "daemon/types/peer-id.h"

typedef struct Added {
        char *name;     /* "dir/a.txt"; NULL: "", also of what wraps the rest */
        Cid cid;        /* undefined: a line of progress, or what had no CID yet */
        uint64_t bytes; /* so far; of a CAR: of all blocks */
        uint64_t size;  /* of the whole graph; of a CAR: of the file, if it is one */
        PeerIdList allocations;
} Added;

extern const JsonShape added_shape;
void added_done(Added *added);
