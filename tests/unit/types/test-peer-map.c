#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/types/peer-map.h"
#include "tests/lib/fault.h"

typedef struct Item {
        char *key;
        int value;
} Item;

static void done(JsonArray *map) {
        for (size_t i = 0; i < map->n; i++)
                free(((Item *) map->items)[i].key);
        free(map->items);
        *map = (JsonArray){};
}

static PeerId peer(int i) {
        uint8_t bytes[] = { 0, 2, (uint8_t) (i * 37), (uint8_t) (i * 101) };
        PeerId id;

        g_assert_cmpint(peer_id_from_bytes(bytes, sizeof(bytes), &id), ==, 0);
        return id;
}

static void test_order(void) {
        _cleanup_(done) JsonArray map = {};
        Item *items;
        void *item;

        for (int i = 0; i < 100; i++) {
                PeerId id = peer(i);

                g_assert_cmpint(peer_map_get(&map, sizeof(Item), &id, &item), ==, 1);
                g_assert_cmpint(((Item *) item)->value, ==, 0);
                ((Item *) item)->value = i;
        }
        g_assert_cmpuint(map.n, ==, 100);
        g_assert_true(map.is_set);

        items = map.items;
        for (size_t i = 1; i < map.n; i++)
                g_assert_cmpstr(items[i - 1].key, <, items[i].key);
        for (int i = 0; i < 100; i++) {
                PeerId id = peer(i);

                g_assert_cmpint(peer_map_get(&map, sizeof(Item), &id, &item), ==, 0);
                g_assert_cmpint(((Item *) item)->value, ==, i);
        }
}

static void test_faults(void) {
        FOREACH_FAULT {
                _cleanup_(done) JsonArray map = {};
                int r = 1;

                for (int i = 0; i < 3 && r > 0; i++) {
                        PeerId id = peer(i);
                        void *item;

                        r = peer_map_get(&map, sizeof(Item), &id, &item);
                }
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 1);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/peer-map/in-the-order-of-keys", test_order);
        g_test_add_func("/types/peer-map/without-memory", test_faults);
        return g_test_run();
}
