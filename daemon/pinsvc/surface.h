#pragma once

/*
 * The Pinning Service API on 9097: version 1.0.0 of the specification of the IPFS Pinning Service API
 * (https://ipfs.github.io/pinning-services-api-spec/), over the pinset of the cluster. Served by RestApi:
 * who may ask, TLS and all that is as with the REST API, with a section of its own.
 *
 * Errors are {"error":{"reason":"NOT_FOUND","details":"words for people"}}. The status is that of the one
 * table (types/error.h), but for what a client asks and the state forbids, which is 409 here: by the
 * specification 5xx says that trying again may help.
 */

#include "daemon/rest/surface.h"

extern const RestSurface pinsvc_surface;
