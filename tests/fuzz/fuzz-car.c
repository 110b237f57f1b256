#include "daemon/adder/car.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_car(const char *data, size_t size, size_t step, AdderCar *car) {
        int r = 0;

        for (size_t at = 0; at < size && r == 0; at += step)
                r = adder_car_feed(car, data + at, MIN(step, size - at), NULL);
        return r;
}

/* However it comes, it has the same root. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        AdderCar whole = {}, pieces = {};
        int r, k;

        r = read_car((const char *) data, size, size + 1, &whole);
        k = read_car((const char *) data, size, 3, &pieces);
        if (r != k || !cid_equal(&whole.root, &pieces.root))
                abort();
        adder_car_done(&whole);
        adder_car_done(&pieces);
        return 0;
}
