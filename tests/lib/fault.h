#pragma once

/*
 * Fault injection: make the Nth allocation of the code under test fail.
 *
 * Link the test with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup. FOREACH_FAULT runs its
 * body again and again, failing the first allocation, then the second, and so on, until a run meets no
 * failure.
 */

#include <stdbool.h>

void fault_arm(int countdown);
bool fault_fired(void);

#define FOREACH_FAULT                                                                                       \
        for (int _n = 0, _go = 1; _go; _n++)                                                                \
                for (int _o = (fault_arm(_n), 1); _o; _o = 0, _go = fault_fired(), fault_arm(-1))
