#pragma once

/* Random numbers from the kernel (getrandom(2)). */

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *bytes, size_t n); /* cannot fail: ends the process when the kernel refuses */
uint64_t random_below(uint64_t bound);    /* uniform in [0, BOUND); BOUND is not 0 */
uint64_t random_jitter(uint64_t usec);    /* USEC ± 25 % */
