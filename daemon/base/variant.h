#pragma once

/*
 * Variant: structs as D-Bus dictionaries (a{sv}), by the tables of json.h: the keys and values are those of
 * the JSON object. Signed numbers are x, others t, fractions d; texts, times and durations s; lists of texts
 * as, other lists ax, aa{sv} or av by what is in them; objects and maps a{sv}. A key whose value is null is
 * left out.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "daemon/base/json.h"

/* A message beyond 32 MiB costs the connection to the bus; ours stay far below. */
#define VARIANT_SIZE_MAX (768 * 1024)

/* Append FROM. *LEFT (NULL: VARIANT_SIZE_MAX) is how many bytes may still go into the message, about, and is
 * lowered. Errors: -EMSGSIZE (the message cannot be used any more), -ENOMEM. */
int variant_append(sd_bus_message *to, const JsonShape *shape, const void *from, size_t *left);

/* Append a text, with what is no UTF-8 in it as U+FFFD: the bus cuts off who sends such. */
int variant_append_text(sd_bus_message *to, const char *text);

/* Fill the zeroed struct at TO from the a{sv} that FROM stands at; what is absent stays. RETERR as for
 * json_read(). Errors: those of json_read(); -EBADMSG too for types that have no JSON form; -ENOENT, if
 * STRICT, for a key that SHAPE does not know. */
int variant_read(sd_bus_message *from, const JsonShape *shape, void *to, bool strict, JsonProblem *reterr);
