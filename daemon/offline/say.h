#pragma once

/* What the offline verbs say and ask on the terminal. */

#include <stdbool.h>

#include "daemon/base/macro.h"
#include "daemon/types/error.h"

#define OFFLINE_SAY_LINE_MAX 4096

void offline_say(const char *format, ...) _printf_(1, 2); /* on standard error, as it is */

/* "error <doing>: <words>", and the exit status: 74 when a disk failed, else STATUS. ERROR is released. */
int offline_say_error(const char *doing, Error *error, int status);

/* "<question> Continue? [y/n]: ", at most three times. Nothing, an end of input, and "n" mean no. */
bool offline_say_confirm(const char *question);

/* Ask; the line that comes, without its newline ("" at the end of input). */
void offline_say_ask(const char *question, char line[static OFFLINE_SAY_LINE_MAX]);
