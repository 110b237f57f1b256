#pragma once

/* Percent-encoding (RFC 3986): bytes in paths and queries as %XX. */

#include "daemon/base/str.h"

/* Append N bytes: letters, digits, "-", ".", "_", "~" and what is in KEEP as they are, all else as %XX.
 * Errors: -ENOMEM. */
int percent_encode(Str *to, const void *bytes, size_t n, const char *keep);
/* The same for a query, as Go's url.QueryEscape does: a space is '+'. */
int percent_encode_query(Str *to, const void *bytes, size_t n);

/* The byte that the "%XX" stands for with which the N characters at TEXT begin. Errors: -EINVAL. */
int percent_decode(const char *text, size_t n);
