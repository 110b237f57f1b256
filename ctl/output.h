#pragma once

/* How items and failures are shown: text in the forms of the Go program, or JSON indented by four spaces.
 * Both go to ctl->out, failures too. */

#include "ctl/verb.h"

/* Each answers 0 or a negative errno (-ENOMEM, or that ctl->out cannot be written). */
int ctl_output_item(Ctl *ctl, CtlCall call, void *item); /* may reorder ITEM's parts */
int ctl_output_lines(Ctl *ctl, const char *lines);       /* JSON objects, one a line, as one array */
int ctl_output_failure(Ctl *ctl, const CtlFailure *failure);

/* What anybody may have named something, so that it cannot command the terminal. */
void ctl_output_text(FILE *to, const char *text);
