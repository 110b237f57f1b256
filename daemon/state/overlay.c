#include "daemon/state/overlay.h"

#include "daemon/base/map.h"

#define OVERLAY_ENTRY_EXTRA 80   /* the map's entry, its share of the table, malloc's heads */
#define OVERLAY_VERSION_EXTRA 16 /* malloc's head */

struct StateOverlay {
        Map *map; /* key → StateOverlayEntry */
        List entries;
        size_t bytes;
};

int state_overlay_new(StateOverlay **ret) {
        _cleanup_(state_overlay_freep) StateOverlay *overlay = NULL;
        int r;

        overlay = calloc(1, sizeof(*overlay));
        if (!overlay)
                return -ENOMEM;

        list_init(&overlay->entries);
        r = map_new(&overlay->map);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(overlay);
        return 0;
}

static size_t version_bytes(const StateVersion *version) {
        return sizeof(*version) + version->size + OVERLAY_VERSION_EXTRA;
}

static size_t entry_bytes(const StateOverlayEntry *entry) {
        return sizeof(*entry) + 2 * entry->key_size + OVERLAY_ENTRY_EXTRA; /* the map copies the key */
}

static void entry_free(StateOverlayEntry *entry) {
        for (StateVersion *version = entry->newest, *older; version; version = older) {
                older = version->older;
                free(version);
        }
        free(entry);
}

StateOverlay *state_overlay_free(StateOverlay *overlay) {
        if (!overlay)
                return NULL;

        LIST_FOREACH (entry, &overlay->entries, StateOverlayEntry, link)
                entry_free(entry);
        map_free(overlay->map);
        free(overlay);
        return NULL;
}

static StateVersion *version_new(const StateRecord *record, uint64_t epoch) {
        size_t size = record->value ? record->value_size : 0;
        StateVersion *version;

        version = malloc(sizeof(*version) + size);
        if (!version)
                return NULL;

        *version = (StateVersion){ .epoch = epoch, .size = size, .is_removed = !record->value };
        if (size > 0)
                memcpy(version->value, record->value, size);
        return version;
}

static int overlay_add(StateOverlay *overlay, StateOverlayEntry **ret, const StateRecord *record) {
        _cleanup_free_ StateOverlayEntry *entry = NULL;
        int r;

        entry = malloc(sizeof(*entry) + record->key_size);
        if (!entry)
                return -ENOMEM;

        *entry = (StateOverlayEntry){ .key_size = record->key_size };
        memcpy(entry->key, record->key, record->key_size);
        r = map_set(overlay->map, record->key, record->key_size, entry, NULL);
        if (r < 0)
                return r;

        list_append(&overlay->entries, &entry->link);
        overlay->bytes += entry_bytes(entry);
        *ret = TAKE_PTR(entry);
        return 0;
}

static void overlay_push(StateOverlay *overlay, StateOverlayEntry *entry, StateVersion *version) {
        StateVersion *newest = entry->newest;

        if (newest && newest->epoch == version->epoch) { /* no scan can have seen it */
                overlay->bytes -= version_bytes(newest);
                version->older = newest->older;
                free(newest);
        } else
                version->older = newest;

        entry->newest = version;
        overlay->bytes += version_bytes(version);
}

int state_overlay_set(StateOverlay *overlay, const StateRecord *record, uint64_t epoch, bool is_in_file) {
        _cleanup_free_ StateVersion *version = NULL;
        StateOverlayEntry *entry;
        int r;

        version = version_new(record, epoch);
        if (!version)
                return -ENOMEM;

        entry = state_overlay_find(overlay, record->key, record->key_size);
        if (!entry) {
                r = overlay_add(overlay, &entry, record);
                if (r < 0)
                        return r;
                entry->is_in_file = is_in_file;
        }

        overlay_push(overlay, entry, TAKE_PTR(version));
        return 0;
}

StateOverlayEntry *state_overlay_find(const StateOverlay *overlay, const void *key, size_t size) {
        if (state_overlay_is_empty(overlay))
                return NULL;
        return map_get(overlay->map, key, size);
}

const StateVersion *state_overlay_version(const StateOverlayEntry *entry, uint64_t epoch) {
        const StateVersion *version = entry ? entry->newest : NULL;

        while (version && version->epoch > epoch)
                version = version->older;

        return version;
}

StateOverlayEntry *state_overlay_next(const StateOverlay *overlay, const StateOverlayEntry *entry) {
        const List *next = entry ? entry->link.next : overlay->entries.next;

        return next == &overlay->entries ? NULL : CONTAINER_OF(next, StateOverlayEntry, link);
}

void state_overlay_drop(StateOverlay *overlay, StateOverlayEntry *entry) {
        overlay->bytes -= entry_bytes(entry);
        for (const StateVersion *version = entry->newest; version; version = version->older)
                overlay->bytes -= version_bytes(version);

        (void) map_remove(overlay->map, entry->key, entry->key_size);
        list_remove(&entry->link);
        entry_free(entry);
}

bool state_overlay_is_empty(const StateOverlay *overlay) {
        return list_is_empty(&overlay->entries);
}

size_t state_overlay_bytes(const StateOverlay *overlay) {
        return overlay->bytes;
}
