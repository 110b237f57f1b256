#pragma once

/*
 * What lies at a path: the file, the symbolic link, or the folder and all that is in it, each folder before
 * its content, in the order of the names. Links are not followed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/types/error.h"

typedef enum CtlEntryType {
        CTL_ENTRY_FILE,
        CTL_ENTRY_FOLDER,
        CTL_ENTRY_SYMLINK,
} CtlEntryType;

/* Borrowed until the next one is asked for. */
typedef struct CtlEntry {
        CtlEntryType type;
        const char *name; /* "dir/sub/c.txt": from the last part of the path that was given */
        const char *path; /* to be opened */
        uint64_t size;    /* of a file */
} CtlEntry;

typedef struct CtlTree CtlTree;

/* HIDDEN: also what begins with a dot inside of a folder. Errors: ERROR_IO ("lstat x: no such file or
 * directory"), ERROR_INVALID: a folder, and not RECURSIVE. */
int ctl_tree_open(CtlTree **ret, const char *path, bool recursive, bool hidden, Error *reterr);
CtlTree *ctl_tree_close(CtlTree *tree);
DEFINE_CLEANUP(CtlTree *, ctl_tree_close);
/* Answers 1 and an entry, 0 at the end. Errors: ERROR_IO: one that cannot be read, or is none of these. */
int ctl_tree_next(CtlTree *tree, CtlEntry *ret, Error *reterr);
