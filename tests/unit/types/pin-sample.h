#pragma once

/* A pin that has everything. */

#include "daemon/types/pin.h"

#define SAMPLE_CID "bafkreiakniykocnzomwmu3lcktxdv3647n3p7giju6rqnd4qvgmxv4iz5y"

void pin_sample(Pin *pin);
void pin_sample_with_requests(Pin *pin); /* two, and nothing else keeps it */
