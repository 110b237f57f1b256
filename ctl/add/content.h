#pragma once

/*
 * CtlContent: files, folders, links, what comes on standard input, and what http(s) addresses give, as one
 * form (multipart/form-data) that is made while it is read. Everything blocks; memory is one piece.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/types/error.h"

#define CTL_CONTENT_STDIN "-"

typedef struct CtlContent CtlContent;

typedef struct CtlContentOptions {
        char *const *paths; /* borrowed, as what they point to */
        size_t n_paths;
        bool recursive, hidden;
        bool nocopy; /* addresses are told to the other side; nothing else is allowed */
} CtlContentOptions;

/* Each path is looked at, so that what is not there is told before anything is sent. */
int ctl_content_open(CtlContent **ret, const CtlContentOptions *options, Error *reterr);
CtlContent *ctl_content_close(CtlContent *content);
DEFINE_CLEANUP(CtlContent *, ctl_content_close);

const char *ctl_content_header(const CtlContent *content); /* "Content-Type: …" */
/* Answers the bytes put into BUFFER, 0 at the end, negative: ctl_content_words() says why. */
ssize_t ctl_content_read(CtlContent *content, char *buffer, size_t max);
const char *ctl_content_words(const CtlContent *content);

/* The bytes of content that went out. */
uint64_t ctl_content_sent(const CtlContent *content);
/* All there are, by looking at each file; 0: not known (standard input, addresses). */
uint64_t ctl_content_total(const CtlContent *content);
