#pragma once

/* What two configurations differ in, and which of that a running peer takes over (CONFIG_LIVE in table.c).
 */

#include "daemon/config/config.h"

/* Paths such as "cluster.secret"; of a section that comes or goes, its own. Zeroed at first. */
typedef struct ConfigDiff {
        StrList live;    /* may change while the peer runs */
        StrList restart; /* may not */
} ConfigDiff;

/* Only keys that this program uses are looked at. Errors: -ENOMEM. */
int config_diff(const Config *a, const Config *b, ConfigDiff *ret);
void config_diff_done(ConfigDiff *diff);

/* Exchange the values of all keys that may change while the peer runs; doing it again takes it back. */
void config_exchange_live(Config *a, Config *b);
