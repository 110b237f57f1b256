#pragma once

/*
 * Fair turns for a deferred event source that asks for turn after turn.
 *
 * sd-event dispatches what is pending for longest first, and a deferred source is pending since it was made:
 * one that enables itself again in its own handler would keep all others from their turn. A new one has to
 * queue.
 */

#include <systemd/sd-event.h>

/* To be called first in HANDLER: replace *SOURCE by a new one of the same kind, not enabled. Short of memory
 * the old one stays. */
static inline void turn_renew(
                sd_event *event, sd_event_source **source, sd_event_handler_t handler, void *userdata) {
        sd_event_source *fresh;

        if (sd_event_add_defer(event, &fresh, handler, userdata) < 0)
                return;
        (void) sd_event_source_set_enabled(fresh, SD_EVENT_OFF);
        sd_event_source_disable_unref(*source);
        *source = fresh;
}
