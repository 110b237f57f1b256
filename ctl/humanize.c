#include "ctl/humanize.h"

#include <stdio.h>

#include "daemon/base/macro.h"

#define SECOND USEC_PER_SEC
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define WEEK (7 * DAY)
#define MONTH (30 * DAY)
#define YEAR (12 * MONTH)
#define LONG_TIME (37 * YEAR)

char *ctl_humanize_bytes(uint64_t bytes, char text[static CTL_HUMANIZE_MAX]) {
        static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
        double value = bytes;
        size_t unit = 0;

        if (bytes < 10) {
                (void) snprintf(text, CTL_HUMANIZE_MAX, "%u B", (unsigned) bytes);
                return text;
        }
        while (value >= 1000 && unit + 1 < ELEMENTSOF(units)) {
                value /= 1000;
                unit++;
        }
        /* One digit, rounded half up, before it is decided whether there is room for it: 9.99 is "10". */
        value = (double) (uint64_t) (value * 10 + 0.5) / 10;
        (void) snprintf(text, CTL_HUMANIZE_MAX, value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
        return text;
}

/* The first row whose BELOW is larger than the difference; UNIT 0: the words have no number. */
static const struct {
        uint64_t below;
        uint64_t unit;
        const char *words;
} steps[] = {
        { 2 * SECOND, 0, "1 second" },     { MINUTE, SECOND, "seconds" }, { 2 * MINUTE, 0, "1 minute" },
        { HOUR, MINUTE, "minutes" },       { 2 * HOUR, 0, "1 hour" },     { DAY, HOUR, "hours" },
        { 2 * DAY, 0, "1 day" },           { WEEK, DAY, "days" },         { 2 * WEEK, 0, "1 week" },
        { MONTH, WEEK, "weeks" },          { 2 * MONTH, 0, "1 month" },   { YEAR, MONTH, "months" },
        { 18 * MONTH, 0, "1 year" },       { 2 * YEAR, 0, "2 years" },    { LONG_TIME, YEAR, "years" },
        { UINT64_MAX, 0, "a long while" },
};

char *ctl_humanize_time(uint64_t then_usec, uint64_t now_usec, char text[static CTL_HUMANIZE_MAX]) {
        uint64_t difference = then_usec > now_usec ? then_usec - now_usec : now_usec - then_usec;
        const char *side = then_usec > now_usec ? "from now" : "ago";
        size_t i = 0;

        if (difference < SECOND) {
                (void) snprintf(text, CTL_HUMANIZE_MAX, "now");
                return text;
        }
        while (difference >= steps[i].below && i + 1 < ELEMENTSOF(steps))
                i++;
        if (steps[i].unit == 0)
                (void) snprintf(text, CTL_HUMANIZE_MAX, "%s %s", steps[i].words, side);
        else
                (void) snprintf(text,
                                CTL_HUMANIZE_MAX,
                                "%u %s %s",
                                (unsigned) (difference / steps[i].unit),
                                steps[i].words,
                                side);
        return text;
}
