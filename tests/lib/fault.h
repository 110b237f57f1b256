#pragma once

/*
 * Fault injection: make the Nth allocation of the code under test fail.
 *
 * The linker sends the calls of our own objects here (see meson.build); shared libraries are not touched.
 * FOREACH_FAULT runs its body again and again, failing the first allocation, then the second, and so on,
 * until a run meets no failure. The allocations of other threads are counted too: stop them first.
 */

#include <stdbool.h>

void fault_arm(int countdown);
bool fault_fired(void);

#define FOREACH_FAULT                                                                                       \
        for (int _n = 0, _go = 1; _go; _n++)                                                                \
                for (int _o = (fault_arm(_n), 1); _o; _o = 0, _go = fault_fired(), fault_arm(-1))
