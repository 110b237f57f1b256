#pragma once

/*
 * The running daemon: configuration, lock, identity, the cluster object and its surfaces, and the event loop
 * that carries them, until a signal or a failure ends it.
 *
 * systemd is told READY=1 when the peer serves: consensus is ready and the API listens, whether Kubo is
 * there or not; STATUS= as service-status.h has it; STOPPING=1 at the first SIGINT, SIGTERM or SIGHUP. Its
 * watchdog is fed from the loop. At the end nothing new is accepted, and requests under way are answered
 * before the stores are closed. A second signal gets a warning, a third ends the process at once.
 */

#include "daemon/arguments.h"

/* FOLDER: of the configuration. Answers the exit status: 0, 1, 74 for a failed disk, 78 for a configuration
 * that is there but wrong. */
int service_run(const char *folder, const Arguments *arguments);
