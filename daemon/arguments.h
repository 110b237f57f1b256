#pragma once

/*
 * The command line of ipfs-cluster-service: one table of commands and options, from which it is parsed and
 * from which the help texts are made, in the form of the Go program (tests/golden/service).
 *
 * As there, options may be written with one dash or two, with "=" or with a word of their own; they end at
 * "--". Other than there they may also stand after arguments, and bad ones end with status 1.
 */

#include "daemon/base/str.h"

typedef enum ArgumentsVerb {
        ARGUMENTS_DAEMON,
        ARGUMENTS_INIT,
        ARGUMENTS_EXPORT,
        ARGUMENTS_IMPORT,
        ARGUMENTS_CLEANUP,
        ARGUMENTS_RECOVER_QUORUM,
        ARGUMENTS_VERSION,
        ARGUMENTS_NONE, /* the text is to be shown, and that is all */
} ArgumentsVerb;

/* Texts are borrowed from argv and the environment. */
typedef struct Arguments {
        ArgumentsVerb verb;

        char **argv;        /* all of it */
        const char *folder; /* NULL: the default */
        const char *loglevel;
        bool debug, force, init, help, version;

        const char *consensus, *datastore, *peers; /* init */
        bool custom_secret, random_ports, missing;

        const char *bootstrap; /* daemon */
        bool upgrade, leave, stats, tracing, no_trust;
        bool user;            /* on the session bus */
        const char *instance; /* its name on the bus; NULL: without */

        const char *file;                     /* state export, state import */
        const char *allocations, *basic_auth; /* state import */
        bool merge, dry_run, no_check_certificate;
        int64_t replication_factor_min, replication_factor_max;

        /* NONE: what to show, where, and the exit status */
        Str text;
        bool text_is_error; /* on standard error */
        int status;
} Arguments;

/* ARGUMENTS is zeroed. Errors: -ENOMEM. */
int arguments_parse(int argc, char **argv, Arguments *arguments);
void arguments_done(Arguments *arguments);
