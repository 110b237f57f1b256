#pragma once

/*
 * Http1Body: where the body of a message ends (RFC 9112 section 6 and 7), and what of it is data. An engine:
 * it is shown the bytes as they come, keeps none of them, and calls nobody.
 *
 * Of chunked bodies every byte is checked: sizes of at most 16 hexadecimal digits without signs and spaces,
 * CRLF alone ends a line, bounded extensions and trailers.
 */

#include "daemon/wire/http1.h"

#define HTTP1_EXTENSION_MAX 256        /* bytes behind a chunk's size */
#define HTTP1_TRAILERS_MAX (16 * 1024) /* bytes of all trailer fields */

typedef struct Http1Body {
        Http1BodyKind kind;
        unsigned state; /* within a chunked body */
        uint64_t left;  /* data bytes of the body, or of the chunk */
        size_t n;       /* characters of the line or the trailers so far */
} Http1Body;

typedef enum Http1PartKind {
        HTTP1_PART_MORE,    /* all bytes are looked at, the body goes on */
        HTTP1_PART_DATA,    /* of the body */
        HTTP1_PART_TRAILER, /* bytes of trailer fields as they are, with their line ends */
        HTTP1_PART_END,
} Http1PartKind;

typedef struct Http1Part {
        const char *at; /* DATA, TRAILER */
        size_t n;
        size_t used; /* bytes that are done with, from the beginning to the end of this part */
} Http1Part;

void http1_body_init(Http1Body *body, Http1BodyKind kind, uint64_t length);
bool http1_body_is_ended(const Http1Body *body); /* HTTP1_BODY_CLOSE: never */

/* The next part within the N bytes at BYTES, which follow those that were used before. Errors: -EBADMSG. */
int http1_body_next(Http1Body *body, const char *bytes, size_t n, Http1Part *ret);

/* Look at N bytes: *RET_USED of them belong to the body. Answers 1 when it has ended, else 0. Errors:
 * -EBADMSG; *RET_USED is not set. */
int http1_body_scan(Http1Body *body, const char *bytes, size_t n, size_t *ret_used);

/* How many bytes follow that are data, whatever they are; and that N of them went by unseen. */
uint64_t http1_body_data_left(const Http1Body *body);
void http1_body_skip(Http1Body *body, uint64_t n);
