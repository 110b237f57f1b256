#pragma once

/*
 * AdderMultipart: reads multipart bodies (RFC 2046) as they arrive. An engine: it is fed bytes, and tells
 * what they are, piece by piece; memory is one part's head.
 *
 *   while (n > 0) {
 *           r = adder_multipart_next(&form, data, n, &event, &error);
 *           data += r, n -= r;
 *           switch (event.type) …
 *   }
 *
 * What stands before the first boundary and behind the last one is skipped. Lines end with CRLF.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/base/str.h"
#include "daemon/types/error.h"

#define ADDER_BOUNDARY_MAX 70           /* RFC 2046 */
#define ADDER_PART_HEAD_MAX (16 * 1024) /* a path of 4096 bytes, all of them escaped */
#define ADDER_DELIMITER_MAX (ADDER_BOUNDARY_MAX + 4)

typedef enum AdderPartType {
        ADDER_PART_FILE,
        ADDER_PART_FOLDER,
        ADDER_PART_SYMLINK,
} AdderPartType;

typedef struct AdderPart {
        AdderPartType type;
        char *disposition; /* the value of Content-Disposition, as it came; NULL: none */
        char *filename;    /* of it, as it came (it is escaped once more); NULL: none */
        char *abspath;     /* of the header abspath-encoded, or NULL */
} AdderPart;

typedef enum AdderEventType {
        ADDER_EVENT_NONE, /* what was consumed is no news */
        ADDER_EVENT_PART, /* a part begins: form->part */
        ADDER_EVENT_DATA, /* of the part */
        ADDER_EVENT_PART_END,
        ADDER_EVENT_END, /* the closing boundary: the form is whole */
} AdderEventType;

typedef struct AdderEvent {
        AdderEventType type;
        const char *data; /* in what was fed, or in the form; valid until the next call */
        size_t n;
} AdderEvent;

typedef enum AdderPlace {
        ADDER_PLACE_PREAMBLE,
        ADDER_PLACE_DATA,
        ADDER_PLACE_DELIMITER, /* just behind one */
        ADDER_PLACE_PADDING,   /* blanks behind one */
        ADDER_PLACE_LINE_END,  /* CR was seen behind one */
        ADDER_PLACE_DASH,      /* one was seen */
        ADDER_PLACE_HEAD,
        ADDER_PLACE_EPILOGUE,
        _ADDER_PLACE_N,
} AdderPlace;

typedef struct AdderMultipart {
        char delimiter[ADDER_DELIMITER_MAX + 1]; /* "\r\n--" and the boundary */
        size_t delimiter_size;
        AdderPlace place;
        size_t held;  /* so many bytes of the delimiter have been seen … */
        size_t skip;  /* … but for these, which are taken as seen where a line begins */
        bool in_part; /* the data are of a part, not of the preamble */
        Str head;
        AdderPart part;
        size_t n_parts;
} AdderMultipart;

/* The boundary is a parameter of CONTENT_TYPE (NULL: there is none), which may be any multipart. Errors:
 * ERROR_INVALID, in the words of the Go program. */
int adder_multipart_init(AdderMultipart *form, const char *content_type, Error *reterr);
void adder_multipart_done(AdderMultipart *form);
/* Consumes some of N bytes and answers their number; 0 only together with news. Errors: ERROR_INVALID,
 * ERROR_TOO_BIG, -ENOMEM. */
ssize_t adder_multipart_next(
                AdderMultipart *form, const char *data, size_t n, AdderEvent *ret, Error *reterr);
bool adder_multipart_is_whole(const AdderMultipart *form);
