#pragma once

/*
 * Which road leads to the peer: the bus when there is a peer on the system bus, or can be, and no option of
 * the HTTP API was given; else HTTP. Options choose a road for good: what happens on it, be it a refusal,
 * is never a reason to take the other one.
 */

#include "ctl/verb.h"

/* Open ctl->backend; HTTP: whatever the options say. Answers the exit status, with words on ctl->err. */
int ctl_road_open(Ctl *ctl, bool http);
