#include "daemon/adder/ring.h"

#include <string.h>

#include "daemon/base/macro.h"

int adder_ring_init(AdderRing *ring, size_t size) {
        *ring = (AdderRing){ .bytes = malloc(size), .size = size };
        return ring->bytes ? 0 : -ENOMEM;
}

void adder_ring_done(AdderRing *ring) {
        free(ring->bytes);
        *ring = (AdderRing){};
}

size_t adder_ring_room(const AdderRing *ring) {
        return ring->size - ring->n;
}

void adder_ring_put(AdderRing *ring, const void *bytes, size_t n) {
        size_t end = (ring->at + ring->n) % ring->size, first = MIN(n, ring->size - end);

        assert(n <= adder_ring_room(ring));
        memcpy(ring->bytes + end, bytes, first);
        memcpy(ring->bytes, (const char *) bytes + first, n - first);
        ring->n += n;
}

size_t adder_ring_get(AdderRing *ring, void *bytes, size_t max) {
        size_t n = MIN(max, ring->n), first = MIN(n, ring->size - ring->at);

        memcpy(bytes, ring->bytes + ring->at, first);
        memcpy((char *) bytes + first, ring->bytes, n - first);
        ring->n -= n;
        ring->at = ring->n > 0 ? (ring->at + n) % ring->size : 0;
        return n;
}
