#pragma once

/*
 * AdderCar: finds the root of a CAR file (version 1 or 2) in its first bytes, as they arrive. An engine.
 */

#include "daemon/base/str.h"
#include "daemon/types/cid.h"
#include "daemon/types/error.h"

#define ADDER_CAR_HEADER_MAX 4096 /* of a header with one root some 60 bytes */

typedef struct AdderCar {
        Str bytes;
        uint64_t skip; /* of version 2: what stands before the inner file, and has not come yet */
        bool is_inner; /* that was version 2's frame; the inner file follows */
        bool is_done;
        Cid root;
} AdderCar;

/* Look at more bytes. Answers 1 when the root is known (nothing more is looked at then), 0 when not yet.
 * Errors: ERROR_INVALID: no CAR, or one with another number of roots; -ENOMEM. */
int adder_car_feed(AdderCar *car, const char *data, size_t n, Error *reterr);
/* The file has ended. Errors: ERROR_INVALID when the root is not known. */
int adder_car_finish(const AdderCar *car, Error *reterr);
void adder_car_done(AdderCar *car);
