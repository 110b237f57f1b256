#pragma once

/* AdderRing: a ring of bytes of a fixed size. */

#include <stdbool.h>
#include <stddef.h>

typedef struct AdderRing {
        char *bytes;
        size_t size, at, n;
} AdderRing;

int adder_ring_init(AdderRing *ring, size_t size); /* Errors: -ENOMEM */
void adder_ring_done(AdderRing *ring);
size_t adder_ring_room(const AdderRing *ring);
void adder_ring_put(AdderRing *ring, const void *bytes, size_t n); /* N is at most the room */
size_t adder_ring_get(AdderRing *ring, void *bytes, size_t max);   /* answers how many there were */
