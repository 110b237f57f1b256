#pragma once

/* Help texts, laid out as the Go program's command line library (urfave/cli 1) lays them out. */

#include "ctl/verb.h"

/* PATH is the full name of VERB ("ipfs-cluster-ctl pin add"). */
void ctl_help_verb(FILE *to, const CtlVerb *verb, const char *path);

/* A group as the verb "help" shows it: without its verbs. */
void ctl_help_topic(FILE *to, const CtlVerb *verb, const char *path);

/* The names of all verbs, one a line. */
void ctl_help_commands(FILE *to, const CtlVerb *root);
