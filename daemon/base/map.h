#pragma once

/*
 * Map: hash map from a byte string to a pointer. Keys are copied (they lie in the entry), values are
 * borrowed. The hash is seeded per map, so that keys from outside cannot be chosen to collide.
 */

#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/macro.h"

typedef struct Map Map;
typedef struct MapIterator MapIterator;

struct MapIterator {
        size_t bucket;
        void *entry;
};

int map_new(Map **ret);
Map *map_free(Map *map); /* the values must have been dealt with */
DEFINE_CLEANUP(Map *, map_free);

void *map_get(const Map *map, const void *key, size_t n); /* NULL: not there */

/* Answers 1 when the key is new, 0 when the value of an existing key was replaced (*RET_OLD, may be NULL,
 * has the former value). VALUE is not NULL. Errors: -ENOMEM. */
int map_set(Map *map, const void *key, size_t n, void *value, void **ret_old);
void *map_remove(Map *map, const void *key, size_t n); /* the value, or NULL */
size_t map_size(const Map *map);

/* Walk in no order: "MapIterator i = {}; while (map_next(map, &i, &key, &n, &value))". The current entry may
 * be removed by its key while walking; nothing may be added. KEY and N may be NULL. */
bool map_next(const Map *map, MapIterator *i, const void **key, size_t *n, void **value);
