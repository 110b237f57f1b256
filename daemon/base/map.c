#include "daemon/base/map.h"

#include <string.h>

#include "daemon/base/hash.h"
#include "daemon/base/random.h"

#define MAP_BUCKETS_MIN 16 /* a power of two */

typedef struct MapEntry MapEntry;

struct MapEntry {
        MapEntry *next;
        void *value;
        uint64_t hash;
        size_t n;
        uint8_t key[];
};

struct Map {
        MapEntry **buckets;
        size_t n_buckets;
        size_t n_entries;
        uint8_t seed[16];
};

int map_new(Map **ret) {
        _cleanup_(map_freep) Map *map = NULL;

        map = calloc(1, sizeof(*map));
        if (!map)
                return -ENOMEM;

        map->buckets = calloc(MAP_BUCKETS_MIN, sizeof(*map->buckets));
        if (!map->buckets)
                return -ENOMEM;
        map->n_buckets = MAP_BUCKETS_MIN;
        random_bytes(map->seed, sizeof(map->seed));

        *ret = TAKE_PTR(map);
        return 0;
}

Map *map_free(Map *map) {
        if (!map)
                return NULL;

        for (size_t i = 0; i < map->n_buckets; i++)
                for (MapEntry *e = map->buckets[i], *next; e; e = next) {
                        next = e->next;
                        free(e);
                }
        free(map->buckets);
        free(map);
        return NULL;
}

/* Where the pointer to the entry is, or where it would be appended. */
static MapEntry **map_find(const Map *map, uint64_t hash, const void *key, size_t n) {
        MapEntry **at = &map->buckets[hash & (map->n_buckets - 1)];

        while (*at && !((*at)->hash == hash && (*at)->n == n && (n == 0 || !memcmp((*at)->key, key, n))))
                at = &(*at)->next;

        return at;
}

void *map_get(const Map *map, const void *key, size_t n) {
        MapEntry *e;

        e = *map_find(map, hash_siphash(map->seed, key, n), key, n);
        return e ? e->value : NULL;
}

static int map_grow(Map *map) {
        size_t n_buckets = map->n_buckets * 2;
        MapEntry **buckets;

        buckets = calloc(n_buckets, sizeof(*buckets));
        if (!buckets)
                return -ENOMEM;

        for (size_t i = 0; i < map->n_buckets; i++)
                for (MapEntry *e = map->buckets[i], *next; e; e = next) {
                        MapEntry **head = &buckets[e->hash & (n_buckets - 1)];

                        next = e->next;
                        e->next = *head;
                        *head = e;
                }

        free(map->buckets);
        map->buckets = buckets;
        map->n_buckets = n_buckets;
        return 0;
}

static int map_add(Map *map, uint64_t hash, const void *key, size_t n, void *value) {
        MapEntry **head, *e;
        int r;

        if (n > SIZE_MAX - sizeof(*e))
                return -ENOMEM;
        if (map->n_entries >= map->n_buckets) {
                r = map_grow(map);
                if (r < 0)
                        return r;
        }

        e = malloc(sizeof(*e) + n);
        if (!e)
                return -ENOMEM;

        head = &map->buckets[hash & (map->n_buckets - 1)];
        *e = (MapEntry){ .next = *head, .value = value, .hash = hash, .n = n };
        if (n > 0)
                memcpy(e->key, key, n);
        *head = e;
        map->n_entries++;
        return 1;
}

int map_set(Map *map, const void *key, size_t n, void *value, void **ret_old) {
        uint64_t hash = hash_siphash(map->seed, key, n);
        MapEntry *e;

        assert(value);

        e = *map_find(map, hash, key, n);
        if (!e)
                return map_add(map, hash, key, n, value);

        if (ret_old)
                *ret_old = e->value;
        e->value = value;
        return 0;
}

void *map_remove(Map *map, const void *key, size_t n) {
        MapEntry **at, *e;
        void *value;

        at = map_find(map, hash_siphash(map->seed, key, n), key, n);
        e = *at;
        if (!e)
                return NULL;

        value = e->value;
        *at = e->next;
        free(e);
        map->n_entries--;
        return value;
}

size_t map_size(const Map *map) {
        return map->n_entries;
}

/* The iterator holds the entry to come, not the current one, which may go away meanwhile. */
bool map_next(const Map *map, MapIterator *i, const void **key, size_t *n, void **value) {
        MapEntry *e = i->entry;

        while (!e && i->bucket < map->n_buckets)
                e = map->buckets[i->bucket++];
        if (!e)
                return false;

        i->entry = e->next;
        if (key)
                *key = e->key;
        if (n)
                *n = e->n;
        *value = e->value;
        return true;
}
