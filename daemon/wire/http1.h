#pragma once

/*
 * Http1: heads of HTTP/1.1 messages (RFC 9112), read strictly: whatever two readers of one byte stream might
 * take for different things is refused. For what hands messages on byte by byte; everything in a Http1Head
 * points into the bytes that were read.
 *
 * Refused: line ends other than CRLF, folded lines, white space before a colon, control characters, two
 * lengths, a length beside a transfer coding, codings other than chunked, other versions, no Host or two.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/str.h"

#define HTTP1_FIELDS_MAX 128

typedef enum Http1BodyKind {
        HTTP1_BODY_NONE,
        HTTP1_BODY_LENGTH,
        HTTP1_BODY_CHUNKED,
        HTTP1_BODY_CLOSE, /* of answers: until the connection ends */
} Http1BodyKind;

typedef struct Http1Text {
        const char *at;
        size_t n;
} Http1Text;

typedef struct Http1Field {
        Http1Text name, value;
} Http1Field;

typedef struct Http1Head {
        Http1Text method, target; /* of a request */
        unsigned status;          /* of an answer */
        Http1Text reason;
        bool is_http10;
        bool closes; /* the connection ends with this message */
        Http1BodyKind body;
        uint64_t length; /* HTTP1_BODY_LENGTH */
        Http1Field fields[HTTP1_FIELDS_MAX];
        size_t n_fields;
        size_t size; /* with the empty line, and those before a request */
} Http1Head;

#define HTTP1_MORE 0
#define HTTP1_WHOLE 1

/* Read a head from the N bytes at BYTES. Answers HTTP1_WHOLE; HTTP1_MORE when there is no end of it yet; or
 * the status to refuse it with: 400, 431 (more than MAX bytes, or too many fields), 501, 505; *RET_WHY says
 * it in a static text. */
int http1_read_request(const char *bytes, size_t n, size_t max, Http1Head *ret, const char **ret_why);
/* The same for an answer; what is refused answers 502. IS_HEAD: to a HEAD request. */
int http1_read_answer(
                const char *bytes, size_t n, size_t max, bool is_head, Http1Head *ret, const char **ret_why);

bool http1_equals(Http1Text text, const char *other);                  /* bytewise */
bool http1_is(Http1Text text, const char *other);                      /* ASCII letters of any case */
const Http1Field *http1_find(const Http1Head *head, const char *name); /* the first; NULL: not there */
/* A copy of the first field's value, owned; NULL in *RET: not there. */
int http1_copy(const Http1Head *head, const char *name, char **ret);

/* Whether FIELD is for the next hop only, and is not handed on. What Connection names is, but for fields
 * that say where a message ends, who asks and from where. */
bool http1_is_for_hop(const Http1Head *head, const Http1Field *field);

/* Append "Name: value\r\n". */
int http1_write(Str *to, const Http1Field *field);
