#pragma once

/*
 * StateOverlay: changes that the file does not have yet, because a scan reads it.
 *
 * Each changed key has its versions, newest first, each with the epoch in which it was written. A new scan
 * ends an epoch: it sees the versions up to its own, later changes get a later one. Within one epoch a
 * change replaces the one before. Entries stand in the order of their first change and are only added while
 * a scan walks over them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/list.h"
#include "daemon/state/record.h"

#define STATE_EPOCH_NEWEST UINT64_MAX

typedef struct StateVersion StateVersion;

struct StateVersion {
        StateVersion *older;
        uint64_t epoch;
        size_t size;
        bool is_removed;
        uint8_t value[];
};

typedef struct StateOverlayEntry {
        List link;
        StateVersion *newest;
        bool is_in_file; /* the file has a record of this key */
        size_t key_size;
        uint8_t key[];
} StateOverlayEntry;

typedef struct StateOverlay StateOverlay;

int state_overlay_new(StateOverlay **ret);
StateOverlay *state_overlay_free(StateOverlay *overlay);
DEFINE_CLEANUP(StateOverlay *, state_overlay_free);

/* IS_IN_FILE counts at the first change of a key. */
int state_overlay_set(StateOverlay *overlay, const StateRecord *record, uint64_t epoch, bool is_in_file);

StateOverlayEntry *state_overlay_find(const StateOverlay *overlay, const void *key, size_t size);
/* The version seen at EPOCH. NULL: there is none, the file's record counts. ENTRY may be NULL. */
const StateVersion *state_overlay_version(const StateOverlayEntry *entry, uint64_t epoch);

/* The entry after ENTRY, the first one after NULL; NULL at the end. */
StateOverlayEntry *state_overlay_next(const StateOverlay *overlay, const StateOverlayEntry *entry);
void state_overlay_drop(StateOverlay *overlay, StateOverlayEntry *entry);

bool state_overlay_is_empty(const StateOverlay *overlay);
size_t state_overlay_bytes(const StateOverlay *overlay); /* memory it takes, with what malloc adds */
