#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/types/peer-id.h"
#include "tests/lib/fault.h"
#include "tests/unit/types/golden.h"

#define A "12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM"
#define B "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"
#define C "16Uiu2HAmLhLvBoYaoZfaMUKuibM6ac163GwKY74c5kiSLg5KvLpY"

static PeerId parse(const char *text) {
        PeerId id = {};

        if (peer_id_parse(text, &id) < 0)
                g_error("'%s' is no peer ID", text);
        return id;
}

/* What go-libp2p makes of the public keys of libp2p-keys.json. */
static const struct {
        const char *name;
        const char *id;
        const char *cid;
} keys[] = {
        { "ECDSA public key",
          "QmVMT29id3TUASyfZZ6k9hmNyc2nYabCo4uMSpDw4zrgDk",
          "bafzbeidigywdclqvl5hxfefwp5onbffcfife7pza57mmfb4tiqmtkdjw64" },
        { "ED25519 public key",
          "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq",
          "bafzaajaiaejcahwr5d5ofrfbis4l5d6uwr57hu5tjodrypfm6yaq6dsc2r2pzyt6" },
        { "secp256k1 public key",
          "16Uiu2HAmLhLvBoYaoZfaMUKuibM6ac163GwKY74c5kiSLg5KvLpY",
          "bafzaajiiaijcca3xo7uzjzcsyilaj6i54cj44qk7kqzpoao5rti2pjx6udtdbp6kte" },
        { "rsa public key",
          "QmaeANgBs1DTSxWSrPPtobgQuxW8XTfsS4ydbK4rCHzqxG",
          "bafzbeifwzcumbiyql7bhv7fe7mixg6i7aohegq75k234m63bnw6dbicmzu" },
};

static uint8_t *key_bytes(json_object *vectors, const char *name, size_t *ret_size) {
        json_object *list, *value;
        const char *hex = NULL;
        uint8_t *bytes;

        g_assert_true(json_object_object_get_ex(vectors, "keys", &list));
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                json_object *key = json_object_array_get_idx(list, i);

                g_assert_true(json_object_object_get_ex(key, "name", &value));
                if (!strcmp(json_object_get_string(value), name) &&
                    json_object_object_get_ex(key, "hex", &value))
                        hex = json_object_get_string(value);
        }
        g_assert_nonnull(hex);

        *ret_size = strlen(hex) / 2;
        bytes = g_malloc(*ret_size);
        for (size_t i = 0; i < *ret_size; i++)
                bytes[i] =
                                (uint8_t) (g_ascii_xdigit_value(hex[2 * i]) << 4 |
                                           g_ascii_xdigit_value(hex[2 * i + 1]));
        return bytes;
}

static void test_keys(void) {
        _cleanup_(json_object_putp)
                        json_object *vectors = golden_parse("../../golden/vectors", "libp2p-keys.json");
        char text[PEER_ID_TEXT_MAX];
        PeerId id, again;

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
                size_t n;
                g_autofree uint8_t *key = key_bytes(vectors, keys[i].name, &n);

                g_assert_cmpint(peer_id_from_public_key(key, n, &id), ==, 0);
                g_assert_cmpstr(peer_id_format(&id, text), ==, keys[i].id);
                again = parse(keys[i].cid);
                g_assert_true(peer_id_equal(&id, &again));
                again = parse(keys[i].id);
                g_assert_true(peer_id_equal(&id, &again));
        }
        g_assert_cmpint(peer_id_from_public_key("", 0, &id), ==, -EINVAL);
}

static void test_bad(void) {
        static const char *const cases[] = {
                "",
                "1",
                "12D3KooW",
                "Qm",
                "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuab",
                "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuab0",
                "bafkreiakniykocnzomwmu3lcktxdv3647n3p7giju6rqnd4qvgmxv4iz5y", /* codec raw */
                "zQmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc",             /* codec dag-pb */
                "junk",
                "f0172b22003aabbcc",
        };
        g_autofree char *length = g_strnfill(5000, '1');
        PeerId id = { .size = 1 };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                if (peer_id_parse(cases[i], &id) != -EINVAL)
                        g_error("'%s' is accepted", cases[i]);
        g_assert_cmpint(peer_id_parse(length, &id), ==, -EINVAL);
        g_assert_cmpuint(id.size, ==, 1);
}

static void test_cut(void) {
        static const char *const texts[] = { A, B, C };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                PeerId id = parse(texts[i]), cut;

                for (size_t n = 0; n < id.size; n++) {
                        g_autofree uint8_t *bytes = g_memdup2(id.bytes, n);

                        g_assert_cmpint(peer_id_from_bytes(bytes, n, &cut), ==, -EINVAL);
                }
        }
}

static void test_room(void) {
        uint8_t bytes[PEER_ID_BYTES_MAX + 1] = { 0, 62, 0xff };
        char text[PEER_ID_TEXT_MAX];
        PeerId id, again;

        memset(bytes + 2, 0xff, 62);
        g_assert_cmpint(peer_id_from_bytes(bytes, 64, &id), ==, 0);
        again = parse(peer_id_format(&id, text));
        g_assert_true(peer_id_equal(&id, &again));
        bytes[1] = 63;
        g_assert_cmpint(peer_id_from_bytes(bytes, 65, &id), ==, -EINVAL);
        g_assert_cmpint(peer_id_from_bytes("\x12\x02zz", 4, &id), ==, -EINVAL); /* sha2-256 has 32 bytes */
        g_assert_cmpint(peer_id_from_bytes("\x13\x02zz", 4, &id), ==, -EINVAL); /* another hash */
}

static void test_order(void) {
        static const char *const sorted[] = { A, C, B };

        for (size_t i = 0; i < G_N_ELEMENTS(sorted); i++)
                for (size_t j = 0; j < G_N_ELEMENTS(sorted); j++) {
                        PeerId a = parse(sorted[i]), b = parse(sorted[j]);
                        int order = peer_id_compare(&a, &b);

                        g_assert_cmpint((order > 0) - (order < 0), ==, (i > j) - (i < j));
                }
}

static void test_list(void) {
        _cleanup_(peer_id_list_done) PeerIdList list = {}, copy = {};
        PeerId id = parse(A), other = parse(B);

        for (size_t i = 0; i < 100; i++) {
                id.bytes[30] = (uint8_t) i;
                g_assert_cmpint(peer_id_list_append(&list, &id), ==, 0);
                g_assert_cmpint(peer_id_list_copy(&copy, &list), ==, 0);
                g_assert_cmpint(peer_id_list_append(&copy, &id), ==, 0); /* a copy grows like any other */
        }
        g_assert_cmpuint(list.n, ==, 100);
        g_assert_cmpuint(copy.n, ==, 101);
        g_assert_false(peer_id_list_equal(&list, &copy));
        g_assert_true(peer_id_list_contains(&list, &id));
        g_assert_false(peer_id_list_contains(&list, &other));

        g_assert_cmpint(peer_id_list_copy(&copy, &list), ==, 0);
        g_assert_true(peer_id_list_equal(&list, &copy));
        copy.items[7] = other;
        g_assert_false(peer_id_list_equal(&list, &copy));
}

static void test_list_faults(void) {
        PeerId id = parse(A);

        FOREACH_FAULT {
                _cleanup_(peer_id_list_done) PeerIdList list = {}, copy = {};
                int r = 0;

                for (size_t i = 0; i < 9 && r >= 0; i++)
                        r = peer_id_list_append(&list, &id);
                if (r >= 0)
                        r = peer_id_list_copy(&copy, &list);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                g_assert_cmpuint(copy.n, ==, fault_fired() ? 0 : 9);
        }
}

typedef struct Item {
        char *key;
        int value;
} Item;

static void map_done(JsonArray *map) {
        for (size_t i = 0; i < map->n; i++)
                free(((Item *) map->items)[i].key);
        free(map->items);
        *map = (JsonArray){};
}

static PeerId map_peer(int i) {
        uint8_t bytes[] = { 0, 2, (uint8_t) (i * 37), (uint8_t) (i * 101) };
        PeerId id;

        g_assert_cmpint(peer_id_from_bytes(bytes, sizeof(bytes), &id), ==, 0);
        return id;
}

static void test_map_order(void) {
        _cleanup_(map_done) JsonArray map = {};
        Item *items;
        void *item;

        for (int i = 0; i < 100; i++) {
                PeerId id = map_peer(i);

                g_assert_cmpint(peer_id_map_get(&map, sizeof(Item), &id, &item), ==, 1);
                g_assert_cmpint(((Item *) item)->value, ==, 0);
                ((Item *) item)->value = i;
        }
        g_assert_cmpuint(map.n, ==, 100);
        g_assert_true(map.is_set);

        items = map.items;
        for (size_t i = 1; i < map.n; i++)
                g_assert_cmpstr(items[i - 1].key, <, items[i].key);
        for (int i = 0; i < 100; i++) {
                PeerId id = map_peer(i);

                g_assert_cmpint(peer_id_map_get(&map, sizeof(Item), &id, &item), ==, 0);
                g_assert_cmpint(((Item *) item)->value, ==, i);
        }
}

static void test_map_faults(void) {
        FOREACH_FAULT {
                _cleanup_(map_done) JsonArray map = {};
                int r = 1;

                for (int i = 0; i < 3 && r > 0; i++) {
                        PeerId id = map_peer(i);
                        void *item;

                        r = peer_id_map_get(&map, sizeof(Item), &id, &item);
                }
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 1);
        }
}

typedef struct Sample {
        PeerId one;
        PeerIdList list;
} Sample;

static const JsonField sample_fields[] = {
        { "one", JSON_TYPE, offsetof(Sample, one), JSON_OMIT_EMPTY, .type = &peer_id_json },
        { "list", JSON_TYPE, offsetof(Sample, list), .type = &peer_id_list_json },
        JSON_END,
};
static const JsonShape sample_shape = { "sample", sizeof(Sample), sample_fields };

static void test_json(void) {
        static const struct {
                const char *in;
                int r;
                const char *out;
        } cases[] = {
                { "{\"one\":\"" A "\",\"list\":[\"" B "\",\"" A "\"]}", 0, NULL },
                { "{\"list\":[]}", 0, NULL },
                { "{\"list\":null}", 0, NULL },
                { "{\"one\":\"\"}", 0, "{\"list\":null}" },
                { "{\"one\":1}", -EPROTOTYPE, NULL },
                { "{\"one\":\"x\"}", -EBADMSG, NULL },
                { "{\"list\":\"" A "\"}", -EPROTOTYPE, NULL },
                { "{\"list\":[\"" A "\",\"\"]}", -EBADMSG, NULL },
                { "{\"list\":[\"" A "\",null]}", -EPROTOTYPE, NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(str_done) Str out = {};
                Sample sample = {};
                int r;

                r = json_read_text(&sample_shape, cases[i].in, strlen(cases[i].in), &sample, NULL);
                if (r != cases[i].r)
                        g_error("%s: %d, expected %d", cases[i].in, r, cases[i].r);
                if (r < 0)
                        continue;
                g_assert_cmpint(json_write(&sample_shape, &sample, &out), ==, 0);
                g_assert_cmpstr(out.data, ==, cases[i].out ? cases[i].out : cases[i].in);
                json_done(&sample_shape, &sample);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/peer-id/from-public-keys", test_keys);
        g_test_add_func("/types/peer-id/bad", test_bad);
        g_test_add_func("/types/peer-id/cut-anywhere", test_cut);
        g_test_add_func("/types/peer-id/the-longest-has-room", test_room);
        g_test_add_func("/types/peer-id/order-is-that-of-text", test_order);
        g_test_add_func("/types/peer-id/list", test_list);
        g_test_add_func("/types/peer-id/list-without-memory", test_list_faults);
        g_test_add_func("/types/peer-id/map-in-the-order-of-keys", test_map_order);
        g_test_add_func("/types/peer-id/map-without-memory", test_map_faults);
        g_test_add_func("/types/peer-id/json", test_json);
        return g_test_run();
}
