#pragma once

/*
 * A real daemon on the bus of a GtDBusQueue, which stands for the system's and for what else is on it; with
 * a Kubo and a folder of its own. Whoever waits runs the queue's main context.
 */

#include <gio/gio.h>
#include <libglib-testing/dbus-queue.h>

#define DAEMON_PATIENCE_MSEC 60000

typedef struct Daemon {
        GtDBusQueue *queue;
        GDBusConnection *client;
        GSubprocess *kubo, *daemon;
        char *folder;
} Daemon;

/* Connects the queue: names and objects may be put there before the daemon comes. */
void daemon_open(Daemon *d);
/* Until the daemon has its name. IN_CHILD (may be NULL) runs in it before the program. */
void daemon_start(Daemon *d, GSpawnChildSetupFunc in_child);
void daemon_stop(Daemon *d);  /* in order */
void daemon_close(Daemon *d); /* after that */
