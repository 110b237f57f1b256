#include "ctl/add/tree.h"

#include <fts.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/backend/backend.h"
#include "daemon/base/str.h"

struct CtlTree {
        FTS *fts;
        char *path; /* cleaned */
        char *base; /* its last part, or that of the folder it stands for */
        bool hidden;
        Str name;
};

static int fail(Error *reterr, const char *what, const char *path, int error) {
        char text[CTL_ERRNO_WORDS_MAX];

        return error_set(reterr, ERROR_IO, "%s %s: %s", what, path, ctl_errno_words(error, text));
}

/* Without slashes at the end. */
static char *clean(const char *path) {
        size_t n = strlen(path);

        while (n > 1 && path[n - 1] == '/')
                n--;
        return strndup(path, n);
}

/* "." and ".." have a name of their own. */
static char *base_of(const char *path) {
        const char *slash = strrchr(path, '/'), *base = slash && slash[1] ? slash + 1 : path;
        _cleanup_free_ char *real = NULL;

        if (strcmp(base, ".") != 0 && strcmp(base, "..") != 0)
                return strdup(base);
        real = realpath(path, NULL);
        if (!real)
                return NULL;
        return strdup(strrchr(real, '/') + 1);
}

static int compare(const FTSENT **a, const FTSENT **b) {
        return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int tree_check(const CtlTree *tree, bool recursive, Error *reterr) {
        struct stat info;

        if (lstat(tree->path, &info) < 0)
                return fail(reterr, "lstat", tree->path, errno);
        if (S_ISDIR(info.st_mode) && !recursive)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "%s is a directory, but Recursive option is not set",
                                tree->path);
        return 0;
}

int ctl_tree_open(CtlTree **ret, const char *path, bool recursive, bool hidden, Error *reterr) {
        _cleanup_(ctl_tree_closep) CtlTree *tree = calloc(1, sizeof(*tree));
        int r;

        if (!tree)
                return error_set_errno(reterr, -ENOMEM, "%m");
        tree->hidden = hidden;
        tree->path = clean(path);
        if (!tree->path)
                return error_set_errno(reterr, -ENOMEM, "%m");

        r = tree_check(tree, recursive, reterr);
        if (r < 0)
                return r;
        tree->base = base_of(tree->path);
        if (!tree->base)
                return error_set_errno(reterr, -ENOMEM, "%m");

        *ret = TAKE_PTR(tree);
        return 0;
}

/* Not before something is to be read: fts_close(3) of glibc loses what was opened only. */
static int tree_begin(CtlTree *tree, Error *reterr) {
        char *paths[] = { tree->path, NULL };

        if (tree->fts)
                return 0;
        tree->fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, compare);
        return tree->fts ? 0 : fail(reterr, "open", tree->path, errno);
}

CtlTree *ctl_tree_close(CtlTree *tree) {
        if (!tree)
                return NULL;

        if (tree->fts)
                fts_close(tree->fts);
        str_done(&tree->name);
        free(tree->path);
        free(tree->base);
        free(tree);
        return NULL;
}

/* ---- walking */

static bool is_skipped(const CtlTree *tree, const FTSENT *found) {
        return !tree->hidden && found->fts_level > FTS_ROOTLEVEL && found->fts_name[0] == '.';
}

/* Answers 1 when FOUND is an entry, 0 when not. */
static int classify(const FTSENT *found, CtlEntryType *ret, Error *reterr) {
        switch (found->fts_info) {
        case FTS_D:
                *ret = CTL_ENTRY_FOLDER;
                return 1;
        case FTS_F:
                *ret = CTL_ENTRY_FILE;
                return 1;
        case FTS_SL:
        case FTS_SLNONE:
                *ret = CTL_ENTRY_SYMLINK;
                return 1;
        case FTS_DP:
                return 0;
        case FTS_DNR:
        case FTS_ERR:
                return fail(reterr, "open", found->fts_path, found->fts_errno);
        case FTS_NS:
                return fail(reterr, "lstat", found->fts_path, found->fts_errno);
        default:
                return error_set(reterr, ERROR_IO, "unrecognized file type for %s", found->fts_path);
        }
}

static int tree_tell(CtlTree *tree, const FTSENT *found, CtlEntryType type, CtlEntry *ret) {
        str_reset(&tree->name);
        (void) str_append(&tree->name, tree->base);
        if (str_append(&tree->name, found->fts_path + strlen(tree->path)) < 0)
                return -ENOMEM;
        *ret = (CtlEntry){
                .type = type,
                .name = tree->name.data,
                .path = found->fts_path,
                .size = type == CTL_ENTRY_FILE ? (uint64_t) found->fts_statp->st_size : 0,
        };
        return 1;
}

int ctl_tree_next(CtlTree *tree, CtlEntry *ret, Error *reterr) {
        CtlEntryType type;
        FTSENT *found;
        int r;

        r = tree_begin(tree, reterr);
        if (r < 0)
                return r;
        for (;;) {
                errno = 0;
                found = fts_read(tree->fts);
                if (!found)
                        return errno != 0 ? fail(reterr, "open", tree->path, errno) : 0;
                if (is_skipped(tree, found)) {
                        (void) fts_set(tree->fts, found, FTS_SKIP);
                        continue;
                }
                r = classify(found, &type, reterr);
                if (r < 0)
                        return r;
                if (r > 0)
                        break;
        }
        r = tree_tell(tree, found, type, ret);
        return r < 0 ? error_set_errno(reterr, r, "%m") : r;
}
