#pragma once

/*
 * Adder: content on its way into Kubo. A form (multipart/form-data) is fed as it arrives, read, and sent on
 * part by part to Kubo's "add", or, for a CAR, to its "dag/import"; what Kubo says is told line by line
 * meanwhile. Nothing is collected: at most ADDER_BUFFER bytes wait for Kubo, and adder_feed() takes no more
 * until they move. Nothing is pinned here.
 *
 * All is well only when the form came whole and Kubo took it whole: then the roots are told. Dropping the
 * adder ends the upload in its middle, and Kubo makes nothing of it.
 *
 * Callbacks come from the loop, never from inside a call, and may free the adder.
 */

#include "daemon/ipfs/ipfs.h"
#include "daemon/types/add-options.h"
#include "daemon/types/added.h"

#define ADDER_BUFFER (128 * 1024)
#define ADDER_ROOTS_MAX 10000 /* entries of the form that are in no folder of it */

typedef struct Adder Adder;

typedef struct AdderEvents {
        void (*wanted)(void *userdata); /* adder_feed() takes again */
        /* A line: what was added, or progress. Without allocations. Answers 0, or 1: no more until
         * adder_resume(). */
        int (*added)(const Added *added, void *userdata);
        /* The end, once: R negative with words, or 0. */
        void (*done)(int r, const Error *error, void *userdata);
} AdderEvents;

typedef struct AdderInput {
        Ipfs *ipfs;                /* must outlive the adder */
        const AddOptions *options; /* copied */
        const char *content_type;  /* of the form, as it came; NULL: none */
} AdderInput;

/* Errors: ERROR_INVALID (no form), ERROR_UNSUPPORTED (sharding). */
int adder_new(Adder **ret,
              sd_event *event,
              const AdderInput *input,
              const AdderEvents *events,
              void *userdata,
              Error *reterr);
Adder *adder_free(Adder *adder);
DEFINE_CLEANUP(Adder *, adder_free);

/* Answers how many of the N bytes were taken; fewer: wait for WANTED. After a failure all are. */
size_t adder_feed(Adder *adder, const char *data, size_t n);
/* The body has ended. */
void adder_finish(Adder *adder);
void adder_resume(Adder *adder);
/* End it with words, from the loop. */
void adder_fail(Adder *adder, int r, const Error *error);

/* A part has begun: from here on there is something to say. */
bool adder_has_begun(const Adder *adder);
/* What was added beside each other, in order; after the end. Borrowed. */
const Cid *adder_roots(const Adder *adder, size_t *ret_n);
