#pragma once

/*
 * Command line flags, by the rules of Go's flag package, which users of the Go program know: "-x" and "--x"
 * are the same, a value follows as "--x=v" or as the next argument, "--" ends the flags, short flags do not
 * combine.
 *
 * A table row names a flag, what it takes, and the member of the options struct it fills. Every table knows
 * --help besides its own rows.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/str.h"
#include "daemon/types/error.h"

#define CTL_FLAG_NAMES_MAX 2 /* a long and a short one */

typedef enum CtlFlagKind {
        CTL_FLAG_BOOL,     /* bool */
        CTL_FLAG_STRING,   /* const char *, borrowed from the arguments */
        CTL_FLAG_INT,      /* int64_t */
        CTL_FLAG_DURATION, /* int64_t µs, Go text */
        CTL_FLAG_LIST,     /* StrList; the flag may be given again and again */
} CtlFlagKind;

/* What a shell offers for a value or an argument. */
typedef enum CtlOffer {
        CTL_OFFER_NOTHING,
        CTL_OFFER_WORDS, /* fixed ones */
        CTL_OFFER_LIST,  /* the same, several with commas between */
        CTL_OFFER_FILES,
        CTL_OFFER_CIDS, /* of pins */
        CTL_OFFER_PEERS,
        CTL_OFFER_PEER_LIST,
        CTL_OFFER_METRICS,
        _CTL_OFFER_N,
} CtlOffer;

typedef struct CtlFlag {
        const char *names[CTL_FLAG_NAMES_MAX]; /* without dashes, the long one first; NULL: no short one */
        CtlFlagKind kind;
        size_t offset;      /* in CtlOptions */
        const char *usage;  /* NULL: help does not show the flag, nor those behind it */
        const char *preset; /* as help shows it after "default: "; NULL: nothing is shown */
        const char *env;    /* the variable that stands in for an absent flag, or NULL */
        CtlOffer offer;
        const char *words; /* of CTL_OFFER_WORDS and _LIST, with blanks between */
} CtlFlag;

/* What every flag of every verb fills; a verb looks at its own. */
typedef struct CtlOptions {
        bool help;

        bool version;
        bool https;
        bool no_check_certificate;
        bool debug;
        bool force_http;
        bool bus;
        bool user_bus;
        const char *host;     /* NULL: the default */
        const char *instance; /* NULL: the only one */
        const char *secret;
        const char *encoding;
        const char *basic_auth;
        int64_t timeout_sec;

        bool local;
        bool no_status;
        bool wait;
        bool all_ipfs_peers;
        const char *name;
        const char *mode;
        const char *allocations;
        const char *expire_in;
        const char *filter;
        const char *file;
        int64_t replication;
        int64_t replication_min;
        int64_t replication_max;
        int64_t wait_limit;
        int64_t wait_timeout_usec;
        StrList metadata;

        bool recursive;
        bool quiet;
        bool quieter;
        bool no_stream;
        bool no_pin;
        bool wrap;
        bool hidden;
        bool raw_leaves;
        bool nocopy;
        const char *format;
        const char *layout;
        const char *chunker;
        const char *hash;
        int64_t cid_version;
} CtlOptions;

/* Positional arguments, borrowed. */
typedef struct CtlArguments {
        char **items;
        size_t n;
} CtlArguments;

void ctl_options_done(CtlOptions *options);

/* Read ARGS into OPTIONS. With PERMUTE, flags may stand after arguments, and ARGS->items is reordered in
 * place so that what is left are the arguments; without it reading ends at the first argument. FLAGS ends
 * with an empty row; NULL is an empty table. Errors: ERROR_INVALID, with Go's words ("flag provided but not
 * defined: -x"); -ENOMEM. */
int ctl_flag_parse(
                const CtlFlag *flags, CtlArguments *args, bool permute, CtlOptions *options, Error *reterr);

/* The flag with this name, of N bytes; NULL: there is none. */
const CtlFlag *ctl_flag_find(const CtlFlag *flags, const char *name, size_t n);

/* Fill what was not given from the variables that the table names. */
void ctl_flag_read_environment(const CtlFlag *flags, CtlOptions *options);
