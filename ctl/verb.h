#pragma once

/*
 * A verb of ipfs-cluster-ctl: its name, what help says of it, its flags, and the function that does it. A
 * verb with verbs of its own is a group.
 *
 * RUN answers the exit status of the program. It finds its flags in ctl->options and has said on ctl->err,
 * or on ctl->out by ctl_output_failure(), what went wrong.
 */

#include <stdio.h>

#include "ctl/backend/backend.h"
#include "ctl/flag.h"

#define CTL_NAME "ipfs-cluster-ctl"
#define CTL_HOST_DEFAULT "/ip4/127.0.0.1/tcp/9094"

#define CTL_EXIT_FAILURE 1 /* a local error, bad usage, or no answer at all */
#define CTL_EXIT_NO_VERB 3 /* no such verb */

typedef struct Ctl Ctl;
typedef struct CtlVerb CtlVerb;

struct Ctl {
        const CtlVerb *root;
        CtlOptions options;
        CtlBackend *backend; /* opened by the first call */
        FILE *out;
        FILE *err;
        bool json;
};

struct CtlVerb {
        const char *name;
        const char *usage;           /* one line */
        const char *arguments;       /* "<CID>"; NULL is shown as "[arguments...]" */
        const char *description;     /* NULL: none */
        CtlOffer offer;              /* for its arguments */
        const CtlFlag *flags;        /* ends with an empty row; NULL: none */
        const CtlVerb *const *verbs; /* of a group; ends with NULL */
        int (*run)(Ctl *ctl, const CtlArguments *args);
        bool hidden; /* not listed by help */
        bool local;  /* does without a backend */
        bool http;   /* needs the HTTP API, whatever road else is taken */
        bool raw;    /* flags are not read, so that any are taken */
};

extern const CtlVerb ctl_verb_root;

extern const CtlVerb ctl_verb_add;
extern const CtlVerb ctl_verb_health;
extern const CtlVerb ctl_verb_id;
extern const CtlVerb ctl_verb_ipfs;
extern const CtlVerb ctl_verb_monitor;
extern const CtlVerb ctl_verb_peers;
extern const CtlVerb ctl_verb_pin;
extern const CtlVerb ctl_verb_recover;
extern const CtlVerb ctl_verb_status;
extern const CtlVerb ctl_verb_sync;
extern const CtlVerb ctl_verb_version;

const CtlVerb *ctl_verb_find(const CtlVerb *group, const char *name); /* NULL: there is none */

/* "error DOING: …" on ctl->err; answers CTL_EXIT_FAILURE. */
int ctl_verb_fail(Ctl *ctl, const char *doing, const char *format, ...) _printf_(3, 4);

/* Print FAILURE, with which a call ended that answered R, and drop it. Answers the exit status. */
int ctl_verb_failed(Ctl *ctl, CtlFailure *failure, int r);

/* verb-pin.c: what the flags say of a pin, into the zeroed PIN. Answers the exit status. */
int ctl_verb_read_pin_options(Ctl *ctl, Pin *pin);

/* Ask the backend, print each item, then the failure if there is one. Answers the exit status. */
int ctl_verb_show(Ctl *ctl, const CtlRequest *request);

/* Ask for one item: fill the zeroed struct at RET, which the caller frees by the shape of the call. On
 * failure print it and answer the exit status, else 0. */
int ctl_verb_fetch(Ctl *ctl, const CtlRequest *request, void *ret);

/* Read the argument N as CID, in its canonical text form; an absent one is "". Answers the exit status. */
int ctl_verb_read_cid(Ctl *ctl, const char *doing, const char *text, char ret[static CID_TEXT_MAX]);

/* Argument N, "" when there are not so many. */
static inline const char *ctl_argument(const CtlArguments *args, size_t n) {
        return n < args->n ? args->items[n] : "";
}
