#pragma once

/*
 * Cuts a body of JSON objects into single objects, as the bytes arrive. The objects stand one after another
 * (one a line, as H sends them), or are the elements of one array (as S did).
 *
 *   ctl_stream_feed(&stream, bytes, n);
 *   while ((r = ctl_stream_next(&stream, &text, &length)) > 0)
 *           …
 *
 * It looks at braces and quotes only; whoever reads the text finds what else is wrong with it. Memory is one
 * object.
 */

#include "daemon/base/str.h"

#define CTL_STREAM_OBJECT_MAX (64 * 1024 * 1024)

typedef enum CtlStreamPlace {
        CTL_STREAM_START,   /* nothing seen yet */
        CTL_STREAM_LINES,   /* between objects */
        CTL_STREAM_ELEMENT, /* in the array, between elements */
        CTL_STREAM_OBJECT,
        CTL_STREAM_STRING,
        CTL_STREAM_ESCAPE,
        CTL_STREAM_END, /* behind the array */
} CtlStreamPlace;

typedef struct CtlStream {
        CtlStreamPlace place;
        bool is_array;
        bool is_complete; /* OBJECT has been handed out */
        unsigned depth;
        Str object;
        const char *bytes; /* what was fed, borrowed until ctl_stream_next() answers 0 or an error */
        size_t n;
} CtlStream;

/* All that was fed before must have been taken out. */
void ctl_stream_feed(CtlStream *stream, const char *bytes, size_t n);
/* Answers 1 and an object, valid until the next call; 0 when more bytes are needed. Errors: -EBADMSG (no
 * JSON object where one must stand), -E2BIG, -ENOMEM. */
int ctl_stream_next(CtlStream *stream, const char **ret_text, size_t *ret_n);
bool ctl_stream_is_whole(const CtlStream *stream); /* the body may end here */
void ctl_stream_done(CtlStream *stream);
