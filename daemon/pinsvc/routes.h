#pragma once

/* The handlers of the Pinning Service API. */

#include "daemon/pinsvc/request.h"
#include "daemon/rest/request.h"

void pinsvc_get_pins(RestRequest *request); /* list.c */
void pinsvc_post_pins(RestRequest *request);
void pinsvc_get_pin(RestRequest *request);
void pinsvc_post_pin(RestRequest *request);
void pinsvc_delete_pin(RestRequest *request);

/* Append what clients are told of the request of ID, as the pinset has it now. Answers 1, or 0 when it is
 * not there. Errors: -ENOMEM and those of the pinset. */
int pinsvc_write_status(
                Cluster *cluster, const PinRequestId *id, PinsvcStatus status, const char *details, Str *to);
