#pragma once

/*
 * How content is added (POST /add): read from the parameters of a query, and written into one. The options
 * of the pins that come of it are those of pin-options.h, in the same query.
 */

#include "daemon/types/error.h"
#include "daemon/types/pin-options.h"

#define ADD_CHUNKER_DEFAULT "size-262144"
#define ADD_HASH_DEFAULT "sha2-256"

typedef struct AddOptions {
        char *layout;  /* NULL: "", which is balanced */
        char *chunker; /* as Kubo takes it */
        char *hash;
        char *format; /* "unixfs", "car" */
        int64_t cid_version;
        bool raw_leaves, wrap, local, progress, stream, no_pin, nocopy, shard;
        bool recursive, hidden; /* of who sends: nothing is done about them where they are read */
} AddOptions;

/* Fill the zeroed OPTIONS from N parameters, of which the first of a key counts; defaults are filled in. On
 * failure nothing is owned. Errors: ERROR_INVALID, with the words of the recordings ("layout parameter is
 * invalid", "parameter shard invalid"). */
int add_options_read(AddOptions *options, const PinOption *parameters, size_t n, Error *reterr);
void add_options_done(AddOptions *options);
bool add_options_is_car(const AddOptions *options);

/* Append "key=value&…" for all of them, and those of PIN, sorted by key, as the Go client sends them. The
 * first is preceded by '&' unless TO is empty or ends with '?'. */
int add_options_write(const AddOptions *options, const Pin *pin, Str *to);
