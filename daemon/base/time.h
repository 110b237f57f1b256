#pragma once

/*
 * Times are microseconds in a uint64_t. A point in time counts since 1970 (CLOCK_REALTIME) and is 0 when
 * there is none; Go's zero time 0001-01-01T00:00:00Z reads as 0 and is written for 0. A duration that never
 * ends is UINT64_MAX.
 */

#include <stdint.h>

#include "daemon/base/str.h"

#define TIME_TEXT_MAX 40

uint64_t time_now(void);       /* CLOCK_REALTIME */
uint64_t time_monotonic(void); /* CLOCK_MONOTONIC */

/* RFC 3339 as Go writes it: zone offset of this host ("Z" when it is UTC), up to six fractional digits,
 * trailing zeros dropped. What lies after 9999 is written like 0. */
char *time_format(uint64_t usec, char text[static TIME_TEXT_MAX]);
/* The same in UTC, whatever the zone of this host: without a '+', which a query would have to escape. */
char *time_format_utc(uint64_t usec, char text[static TIME_TEXT_MAX]);

/* RFC 3339, any zone, 0 to 9 fractional digits. Errors: -EINVAL; -ERANGE before 1970 (except Go's zero time)
 * or after 9999. */
int time_parse(const char *text, uint64_t *ret);

/* A Go duration: "300ms", "1h2m0s", "-1.5h", units ns us µs ms s m h; "0" needs no unit. Fractions below 1
 * µs are cut. The written form carries all lower units: "2m0s", "1h0m0s", "0s", "500ms". Errors: -EINVAL,
 * -ERANGE. */
int duration_parse(const char *text, int64_t *ret_usec);
char *duration_format(int64_t usec, char text[static TIME_TEXT_MAX]);
