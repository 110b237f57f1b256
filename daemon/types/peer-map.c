#include "daemon/types/peer-map.h"

#include <string.h>

static char *peer_map_at(const JsonArray *map, size_t size, size_t i) {
        return (char *) map->items + i * size;
}

/* Where KEY is or belongs. */
static size_t peer_map_find(const JsonArray *map, size_t size, const char *key, bool *ret_found) {
        size_t low = 0, high = map->n;
        int order;

        while (low < high) {
                size_t middle = (low + high) / 2;

                order = strcmp(*(char **) peer_map_at(map, size, middle), key);
                if (order == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }

        *ret_found = false;
        return low;
}

static int peer_map_insert(JsonArray *map, size_t size, size_t i, const char *key) {
        char *copy, *items, *item;

        items = realloc(map->items, (map->n + 1) * size);
        if (!items)
                return -ENOMEM;
        map->items = items;

        copy = strdup(key);
        if (!copy)
                return -ENOMEM;

        item = peer_map_at(map, size, i);
        memmove(item + size, item, (map->n - i) * size);
        memset(item, 0, size);
        *(char **) item = copy;
        map->n++;
        map->is_set = true;
        return 1;
}

int peer_map_get(JsonArray *map, size_t size, const PeerId *peer, void **ret) {
        char key[PEER_ID_TEXT_MAX];
        bool found;
        size_t i;
        int r = 0;

        i = peer_map_find(map, size, peer_id_format(peer, key), &found);
        if (!found) {
                r = peer_map_insert(map, size, i, key);
                if (r < 0)
                        return r;
        }

        *ret = peer_map_at(map, size, i);
        return r;
}
