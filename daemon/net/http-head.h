#pragma once

/*
 * What is wrong with the head of a request, beyond what libmicrohttpd finds: all that two readers of one
 * byte stream may take for different things.
 */

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

/* Answers 0, or the status to refuse it with: 431 (more than MAX_BYTES), 400, 501 (a transfer coding other
 * than chunked). */
unsigned http_head_check(
                struct MHD_Connection *mhd,
                const char *target,
                const char *version,
                size_t max_bytes,
                bool *ret_has_body);
