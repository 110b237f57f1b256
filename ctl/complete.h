#pragma once

/*
 * What a shell may offer for a word of a command line: `ipfs-cluster-ctl complete WORD…` writes it for the
 * last WORD, a candidate a line, perhaps with a tab and words about it. The tables of verbs and flags say
 * what there is; CIDs, peers and metrics are asked of the peer that the global flags before them lead to.
 */

#include "ctl/verb.h"

#define CTL_COMPLETE "complete"
#define CTL_COMPLETE_MAX 200 /* candidates that a peer is asked for */
#define CTL_COMPLETE_USEC (2 * USEC_PER_SEC)
#define CTL_COMPLETE_FILES ":files" /* stands for the files that the shell knows to offer */

/* Answers the exit status. Nothing to offer, for whatever reason, is no failure. */
int ctl_complete_run(Ctl *ctl, const CtlArguments *words);
