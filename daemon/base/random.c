#include "daemon/base/random.h"

#include <sys/random.h>

#include "daemon/base/macro.h"

void random_bytes(void *bytes, size_t n) {
        uint8_t *at = bytes;

        while (n > 0) {
                ssize_t k = getrandom(at, n, 0);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        abort();
                at += k;
                n -= (size_t) k;
        }
}

uint64_t random_below(uint64_t bound) {
        uint64_t value, skip;

        assert(bound > 0);

        /* The lowest 2^64 mod BOUND values are drawn again, so that every rest is equally likely. */
        skip = -bound % bound;
        do
                random_bytes(&value, sizeof(value));
        while (value < skip);

        return value % bound;
}

uint64_t random_jitter(uint64_t usec) {
        uint64_t spread = usec / 4;

        if (usec > UINT64_MAX - spread) /* "never" stays never */
                return usec;

        return usec - spread + random_below(2 * spread + 1);
}
