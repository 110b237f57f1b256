#pragma once

/*
 * The road to a cluster peer: what may be asked, and who asks it.
 *
 * A verb fills a CtlRequest; an implementation sends it over its transport and hands each item of the answer
 * to a function, as the struct that the call's shape describes, one after another as they arrive: nothing is
 * collected. Everything blocks.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/types/add-options.h"
#include "daemon/types/added.h"
#include "daemon/types/pin.h"

typedef enum CtlCall {
        CTL_CALL_ID,
        CTL_CALL_VERSION,
        CTL_CALL_ADD, /* add: how; pin: its options; upload: what */
        CTL_CALL_PEERS,
        CTL_CALL_PEER_ADD,    /* subject: multiaddress */
        CTL_CALL_PEER_REMOVE, /* subject: peer ID */
        CTL_CALL_PIN,         /* subject: path; pin: its options */
        CTL_CALL_UNPIN,       /* subject: path */
        CTL_CALL_ALLOCATION,  /* subject: CID */
        CTL_CALL_ALLOCATIONS, /* filter: pin types */
        CTL_CALL_STATUS,      /* subject: CID; local */
        CTL_CALL_STATUS_LIST, /* filter: statuses; subject: CIDs, comma-separated; local */
        CTL_CALL_SYNC,        /* subject: CID */
        CTL_CALL_SYNC_ALL,
        CTL_CALL_RECOVER,     /* subject: CID; local */
        CTL_CALL_RECOVER_ALL, /* local */
        CTL_CALL_GC,          /* local */
        CTL_CALL_GRAPH,
        CTL_CALL_ALERTS,
        CTL_CALL_BANDWIDTH,
        CTL_CALL_METRIC_NAMES,
        CTL_CALL_METRICS, /* subject: name */
        CTL_CALL_EVENTS,  /* no end but cancel, which is none of a failure; over the bus alone */
        _CTL_CALL_N,
} CtlCall;

typedef enum CtlForm {
        CTL_FORM_NONE,   /* no item */
        CTL_FORM_ONE,    /* exactly one item, a JSON object */
        CTL_FORM_STREAM, /* any number of items, each a JSON object */
        CTL_FORM_VALUE,  /* exactly one item that is another JSON value: the member CTL_VALUE_KEY of the
                            struct */
} CtlForm;

#define CTL_VALUE_KEY "value"
#define CTL_ERRNO_WORDS_MAX 128

/* A body that is produced while it is sent. */
typedef struct CtlUpload {
        const char *header; /* "Content-Type: …" */
        /* Answers the bytes put into BUFFER, 0 at the end, negative when it cannot be produced. */
        ssize_t (*read)(void *userdata, char *buffer, size_t max);
        const char *(*words)(void *userdata); /* why not */
        void *userdata;
} CtlUpload;

typedef struct CtlRequest {
        CtlCall call;
        const char *subject; /* NULL: "" */
        const char *filter;  /* NULL: "" */
        const Pin *pin;
        const AddOptions *add;
        const CtlUpload *upload;
        bool local;
        uint64_t deadline_usec; /* CLOCK_MONOTONIC; 0: none */
        const volatile sig_atomic_t
                        *cancel; /* looked at during the call, which ends when it is set; or NULL */
} CtlRequest;

/* Why a call failed: CODE is an HTTP status when a peer answered, 0 when none did. */
typedef struct CtlFailure {
        unsigned code;
        char *message; /* owned; NULL when memory was short */
} CtlFailure;

/* Borrows ITEM. A negative answer ends the call, which passes it on. */
typedef int (*CtlItemFunc)(void *item, void *userdata);

typedef struct CtlBackend CtlBackend;

typedef struct CtlBackendOps {
        /* Answers 0, or a negative errno with *RETERR filled: -ETIME the deadline passed, -ECANCELED
         * cancel was set. Items that came before the failure have been handed out. */
        int (*call)(CtlBackend *backend,
                    const CtlRequest *request,
                    CtlItemFunc on_item,
                    void *userdata,
                    CtlFailure *reterr);
        CtlBackend *(*free)(CtlBackend *backend); /* answers NULL */
} CtlBackendOps;

struct CtlBackend {
        const CtlBackendOps *ops;
};

static inline int ctl_backend_call(
                CtlBackend *backend,
                const CtlRequest *request,
                CtlItemFunc on_item,
                void *userdata,
                CtlFailure *reterr) {
        return backend->ops->call(backend, request, on_item, userdata, reterr);
}

static inline CtlBackend *ctl_backend_free(CtlBackend *backend) {
        return backend ? backend->ops->free(backend) : NULL;
}

DEFINE_CLEANUP(CtlBackend *, ctl_backend_free);

const JsonShape *ctl_call_shape(CtlCall call); /* NULL for CTL_FORM_NONE */
CtlForm ctl_call_form(CtlCall call);

/* The JSON text of an item, as the answer had it. Errors: -ENOMEM. */
int ctl_call_write(CtlCall call, const void *item, Str *to);
/* Read the JSON text of an item into the zeroed ITEM and hand it to ON_ITEM. Answers 0, or what ON_ITEM
 * answered. Errors: -EBADMSG, with *RETERR filled; -ENOMEM. */
int ctl_call_deliver(
                CtlCall call,
                const char *text,
                size_t n,
                CtlItemFunc on_item,
                void *userdata,
                JsonProblem *reterr);

/* Each answers R. */
int ctl_failure_set(CtlFailure *failure, int r, unsigned code, const char *format, ...) _printf_(4, 5);
/* For an answer that is none: why it cannot be read or handed out. CODE is what the peer gave with it. */
int ctl_failure_set_answer(CtlFailure *failure, int r, unsigned code, const JsonProblem *problem);
void ctl_failure_done(CtlFailure *failure);

/* "connection refused": the texts of Go are those of the C library, but for the capital. */
const char *ctl_errno_words(int error, char text[static CTL_ERRNO_WORDS_MAX]);

/* A line for --debug; TO may be NULL. */
void ctl_debug(FILE *to, const char *word, const char *text, size_t n);

/* Items that only this program knows as structs. */

typedef struct CtlVersion {
        char *version;
} CtlVersion;

typedef struct CtlNames { /* CTL_CALL_METRIC_NAMES */
        StrList names;
} CtlNames;

typedef struct CtlValues { /* CTL_CALL_ALERTS: Alert; CTL_CALL_METRICS: Metric; CTL_CALL_BANDWIDTH:
                              CtlBandwidth */
        JsonArray items;
} CtlValues;

typedef struct CtlBandwidth {
        char *protocol;
        int64_t total_in;
        int64_t total_out;
        double rate_in;
        double rate_out;
} CtlBandwidth;

typedef struct CtlEvent { /* CTL_CALL_EVENTS. Texts that an event has nothing to say in are NULL */
        uint64_t time;
        char *event; /* "pin_added", "service_down" */
        char *cid;
        char *name;
        char *status;
        char *peer;
        char *error;
        char *alert; /* JSON text */
} CtlEvent;
