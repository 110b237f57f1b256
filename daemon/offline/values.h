#pragma once

/* Splits a stream of JSON objects, with any white space between them, into one text an object: an engine
 * that is fed bytes. What is in an object is not looked at, but for where it ends. */

#include <stdbool.h>

#include "daemon/base/str.h"
#include "daemon/types/error.h"

#define OFFLINE_VALUE_MAX (1024 * 1024) /* bytes of one object */

typedef struct OfflineValues {
        Str text; /* of the object that is being read */
        unsigned depth;
        bool in_string, escaped;
        uint64_t n; /* objects that have ended */
} OfflineValues;

/* Take bytes up to the end of an object. Answers 1 and values->text is the whole object, until the next
 * call; 0: all is taken, go on with more. *USED is how many bytes were taken. Errors: ERROR_INVALID
 * (something else than an object), ERROR_TOO_BIG. */
int offline_values_feed(OfflineValues *values, const char *bytes, size_t n, size_t *used, Error *reterr);
/* The input has ended. Errors: ERROR_INVALID (in the middle of an object). */
int offline_values_end(const OfflineValues *values, Error *reterr);
void offline_values_done(OfflineValues *values);
