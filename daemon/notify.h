#pragma once

/* Messages to the service manager that may be lost (sd_notify(3), "STATUS="). */

#include <stdbool.h>

/* Send STATE to $NOTIFY_SOCKET without waiting: sd_notify(3) itself blocks when the receiver does not read,
 * which a status line is not worth. Answers false when it was not sent (nobody listens, or the queue is
 * full). */
bool notify_try(const char *state);
