#include "daemon/base/time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/base/macro.h"

#define NSEC_PER_USEC 1000
#define NSEC_PER_SEC 1000000000
#define SECONDS_PER_DAY 86400
#define YEAR_MAX 9999
#define DAYS_FROM_YEAR_MINUS_399 (719162 + 146097) /* to year 1, and the 400 years before it */

static uint64_t time_of_clock(clockid_t clock) {
        struct timespec ts;
        int r;

        r = clock_gettime(clock, &ts);
        assert(r == 0);

        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / NSEC_PER_USEC;
}

uint64_t time_now(void) {
        return time_of_clock(CLOCK_REALTIME);
}

uint64_t time_monotonic(void) {
        return time_of_clock(CLOCK_MONOTONIC);
}

/* ---- RFC 3339 */

static char *put_number(char *at, unsigned value, unsigned width) {
        for (unsigned i = width; i-- > 0; value /= 10)
                at[i] = (char) ('0' + value % 10);

        return at + width;
}

/* ".5" for 500000 of six digits; nothing for 0. */
static char *put_fraction(char *at, uint64_t value, unsigned width) {
        if (value == 0)
                return at;

        for (; value % 10 == 0; value /= 10)
                width--;
        *at++ = '.';
        return put_number(at, (unsigned) value, width);
}

static char *put_zone(char *at, long offset_seconds) {
        long minutes = offset_seconds / 60;

        if (minutes == 0) {
                *at++ = 'Z';
                return at;
        }

        *at++ = minutes < 0 ? '-' : '+';
        if (minutes < 0)
                minutes = -minutes;
        at = put_number(at, (unsigned) (minutes / 60), 2);
        *at++ = ':';
        return put_number(at, (unsigned) (minutes % 60), 2);
}

static char *format_in(
                struct tm *(*zone)(const time_t *, struct tm *),
                uint64_t usec,
                char text[static TIME_TEXT_MAX]) {
        static const char separators[] = "--T::";
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        struct tm tm;
        char *at = text;

        if (usec == 0 || !zone(&seconds, &tm) || tm.tm_year + 1900 > YEAR_MAX)
                return strcpy(text, "0001-01-01T00:00:00Z");

        at = put_number(at, (unsigned) tm.tm_year + 1900, 4);
        for (size_t i = 0; separators[i]; i++) {
                int parts[] = { tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec };

                *at++ = separators[i];
                at = put_number(at, (unsigned) parts[i], 2);
        }
        at = put_fraction(at, usec % USEC_PER_SEC, 6);
        at = put_zone(at, tm.tm_gmtoff);
        *at = '\0';

        return text;
}

char *time_format(uint64_t usec, char text[static TIME_TEXT_MAX]) {
        return format_in(localtime_r, usec, text);
}

char *time_format_utc(uint64_t usec, char text[static TIME_TEXT_MAX]) {
        return format_in(gmtime_r, usec, text);
}

/* Exactly WIDTH digits, in [low, high]; -1 if there is no such number. */
static int take_number(const char **at, unsigned width, int low, int high) {
        int value = 0;

        for (unsigned i = 0; i < width; i++) {
                if (**at < '0' || **at > '9')
                        return -1;
                value = value * 10 + *(*at)++ - '0';
        }

        return value >= low && value <= high ? value : -1;
}

static bool take_char(const char **at, char c) {
        if (**at != c)
                return false;

        (*at)++;
        return true;
}

static bool is_leap_year(int year) {
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month) {
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

        return days[month - 1] + (month == 2 && is_leap_year(year));
}

/* Days since 1970-01-01; counted from year -399, so that no division meets a negative number. */
static int64_t days_of_date(int year, int month, int day) {
        int64_t before = year + 399, days = before * 365 + before / 4 - before / 100 + before / 400;

        for (int m = 1; m < month; m++)
                days += days_of_month(year, m);

        return days + day - 1 - DAYS_FROM_YEAR_MINUS_399;
}

static bool take_date(const char **at, int64_t *ret_days) {
        int year, month, day;

        year = take_number(at, 4, 0, YEAR_MAX);
        if (year < 0 || !take_char(at, '-'))
                return false;
        month = take_number(at, 2, 1, 12);
        if (month < 0 || !take_char(at, '-'))
                return false;
        day = take_number(at, 2, 1, days_of_month(year, month));
        if (day < 0)
                return false;

        *ret_days = days_of_date(year, month, day);
        return true;
}

static bool take_clock(const char **at, int64_t *ret_seconds) {
        int hour, minute, second;

        hour = take_number(at, 2, 0, 23);
        if (hour < 0 || !take_char(at, ':'))
                return false;
        minute = take_number(at, 2, 0, 59);
        if (minute < 0 || !take_char(at, ':'))
                return false;
        second = take_number(at, 2, 0, 59);
        if (second < 0)
                return false;

        *ret_seconds = hour * 3600 + minute * 60 + second;
        return true;
}

static bool take_fraction(const char **at, int64_t *ret_usec) {
        unsigned n = 0;

        *ret_usec = 0;
        if (!take_char(at, '.'))
                return true;

        for (; **at >= '0' && **at <= '9'; (*at)++, n++)
                if (n < 6)
                        *ret_usec = *ret_usec * 10 + **at - '0';
        for (unsigned i = n; i < 6; i++)
                *ret_usec *= 10;

        return n >= 1 && n <= 9;
}

static bool take_zone(const char **at, int64_t *ret_seconds) {
        int hours, minutes, sign;

        *ret_seconds = 0;
        if (take_char(at, 'Z'))
                return true;

        sign = **at == '-' ? -1 : 1;
        if (!take_char(at, '-') && !take_char(at, '+'))
                return false;
        hours = take_number(at, 2, 0, 23);
        if (hours < 0 || !take_char(at, ':'))
                return false;
        minutes = take_number(at, 2, 0, 59);
        if (minutes < 0)
                return false;

        *ret_seconds = sign * (hours * 3600 + minutes * 60);
        return true;
}

int time_parse(const char *text, uint64_t *ret) {
        int64_t days, clock, fraction, zone, seconds;
        const char *at = text;

        if (!take_date(&at, &days) || !take_char(&at, 'T') || !take_clock(&at, &clock) ||
            !take_fraction(&at, &fraction) || !take_zone(&at, &zone) || *at)
                return -EINVAL;

        seconds = days * SECONDS_PER_DAY + clock - zone;
        if (seconds == days_of_date(1, 1, 1) * SECONDS_PER_DAY && fraction == 0) {
                *ret = 0;
                return 0;
        }
        if (seconds < 0 || days_of_date(YEAR_MAX + 1, 1, 1) * SECONDS_PER_DAY <= seconds)
                return -ERANGE;

        *ret = (uint64_t) seconds * USEC_PER_SEC + (uint64_t) fraction;
        return 0;
}

/* ---- Go durations (time.ParseDuration, Duration.String) */

typedef struct DurationUnit {
        const char *name;
        uint64_t nsec;
} DurationUnit;

/* Longer names before those they begin with. */
static const DurationUnit duration_units[] = {
        { "ns", 1 },
        { "us", NSEC_PER_USEC },
        { "\u00b5s", NSEC_PER_USEC }, /* micro sign */
        { "\u03bcs", NSEC_PER_USEC }, /* Greek mu */
        { "ms", 1000 * NSEC_PER_USEC },
        { "s", NSEC_PER_SEC },
        { "m", UINT64_C(60) * NSEC_PER_SEC },
        { "h", UINT64_C(3600) * NSEC_PER_SEC },
};

static const DurationUnit *take_unit(const char **at) {
        for (size_t i = 0; i < ELEMENTSOF(duration_units); i++) {
                size_t n = strlen(duration_units[i].name);

                if (!strncmp(*at, duration_units[i].name, n)) {
                        *at += n;
                        return &duration_units[i];
                }
        }

        return NULL;
}

/* Digits; answers 1 when there were any. */
static int take_whole(const char **at, uint64_t *ret) {
        const char *start = *at;

        for (*ret = 0; **at >= '0' && **at <= '9'; (*at)++) {
                if (*ret > (UINT64_MAX - 9) / 10)
                        return -ERANGE;
                *ret = *ret * 10 + (uint64_t) (**at - '0');
        }

        return *at != start;
}

/* The same behind the point; *RET_SCALE is what to divide by. Digits beyond the eighteenth do not matter. */
static int take_decimals(const char **at, uint64_t *ret, uint64_t *ret_scale) {
        const char *start = *at;

        *ret = 0;
        *ret_scale = 1;
        for (; **at >= '0' && **at <= '9'; (*at)++)
                if (*at - start < 18) {
                        *ret = *ret * 10 + (uint64_t) (**at - '0');
                        *ret_scale *= 10;
                }

        return *at != start;
}

/* One "12.5h", added to *NSEC. */
static int take_duration_part(const char **at, uint64_t *nsec) {
        uint64_t whole, fraction = 0, scale = 1;
        const DurationUnit *unit;
        unsigned __int128 sum;
        int has_whole, has_fraction = 0;

        has_whole = take_whole(at, &whole);
        if (has_whole < 0)
                return has_whole;
        if (take_char(at, '.'))
                has_fraction = take_decimals(at, &fraction, &scale);
        if (has_whole == 0 && has_fraction == 0)
                return -EINVAL;

        unit = take_unit(at);
        if (!unit)
                return -EINVAL;

        sum = (unsigned __int128) whole * unit->nsec;
        sum += (unsigned __int128) fraction * unit->nsec / scale;
        sum += *nsec;
        if (sum > (uint64_t) INT64_MAX + 1)
                return -ERANGE;

        *nsec = (uint64_t) sum;
        return 0;
}

int duration_parse(const char *text, int64_t *ret_usec) {
        const char *at = text;
        uint64_t nsec = 0;
        bool negative;

        negative = *at == '-';
        if (*at == '-' || *at == '+')
                at++;

        if (*at == '\0')
                return -EINVAL;
        if (!strcmp(at, "0"))
                at++;

        while (*at) {
                int r;

                r = take_duration_part(&at, &nsec);
                if (r < 0)
                        return r;
        }
        if (nsec > INT64_MAX && !negative)
                return -ERANGE;

        *ret_usec = (int64_t) (nsec / NSEC_PER_USEC) * (negative ? -1 : 1);
        return 0;
}

/* Below one second: one unit, the largest that gives a whole part. */
static char *put_short_duration(char *at, uint64_t usec) {
        if (usec < USEC_PER_MSEC)
                return at + sprintf(at, "%u\u00b5s", (unsigned) usec);

        at += sprintf(at, "%u", (unsigned) (usec / USEC_PER_MSEC));
        at = put_fraction(at, usec % USEC_PER_MSEC, 3);
        return stpcpy(at, "ms");
}

static char *put_long_duration(char *at, uint64_t usec) {
        uint64_t seconds = usec / USEC_PER_SEC;

        if (seconds >= 3600)
                at += sprintf(at, "%lluh", (unsigned long long) seconds / 3600);
        if (seconds >= 60)
                at += sprintf(at, "%um", (unsigned) (seconds / 60 % 60));
        at += sprintf(at, "%u", (unsigned) (seconds % 60));
        at = put_fraction(at, usec % USEC_PER_SEC, 6);
        return stpcpy(at, "s");
}

char *duration_format(int64_t usec, char text[static TIME_TEXT_MAX]) {
        uint64_t magnitude = usec < 0 ? -(uint64_t) usec : (uint64_t) usec;
        char *at = text;

        if (usec == 0)
                return strcpy(text, "0s");

        if (usec < 0)
                *at++ = '-';
        at = magnitude < USEC_PER_SEC ? put_short_duration(at, magnitude) : put_long_duration(at, magnitude);
        *at = '\0';

        return text;
}
