#include "daemon/types/peer-id.h"

#include <json-c/json.h>
#include <string.h>

#include "daemon/base/hash.h"
#include "daemon/base/macro.h"
#include "daemon/base/multibase.h"
#include "daemon/types/cid.h"
#include "daemon/types/multihash.h"

#define PEER_ID_INLINE_MAX 42 /* a longer public key is hashed (libp2p/specs, peer-ids) */
#define PEER_ID_LIST_MIN 4

/* ---- one */

int peer_id_from_bytes(const void *bytes, size_t n, PeerId *ret) {
        PeerId id = { .size = (uint8_t) n };
        Multihash multihash;

        if (n > PEER_ID_BYTES_MAX || multihash_read(bytes, n, &multihash, NULL) < 0)
                return -EINVAL;
        if (multihash.code != MULTIHASH_IDENTITY &&
            (multihash.code != MULTIHASH_SHA2_256 || multihash.size != HASH_SHA256_SIZE))
                return -EINVAL;

        memcpy(id.bytes, bytes, n);
        *ret = id;
        return 0;
}

static int peer_id_parse_cid(const char *text, PeerId *ret) {
        const uint8_t *multihash;
        size_t n;
        Cid cid;

        if (cid_parse(text, &cid, NULL) < 0 || cid_codec(&cid) != CID_CODEC_LIBP2P_KEY)
                return -EINVAL;

        multihash = cid_multihash(&cid, &n);
        return peer_id_from_bytes(multihash, n, ret);
}

int peer_id_parse(const char *text, PeerId *ret) {
        uint8_t bytes[PEER_ID_BYTES_MAX];
        size_t length = strlen(text);
        ssize_t n;

        if (length >= PEER_ID_TEXT_MAX * 2) /* base16 of a CIDv1 is the longest */
                return -EINVAL;
        if (text[0] != '1' && strncmp(text, "Qm", 2) != 0)
                return peer_id_parse_cid(text, ret);

        n = multibase_decode(MULTIBASE_58_BTC, text, length, bytes, sizeof(bytes));
        if (n < 0)
                return -EINVAL;
        return peer_id_from_bytes(bytes, (size_t) n, ret);
}

char *peer_id_format(const PeerId *id, char text[static PEER_ID_TEXT_MAX]) {
        Str to = { .data = text, .capacity = PEER_ID_TEXT_MAX }; /* has room for all of it */
        int r;

        text[0] = '\0';
        r = multibase_encode(MULTIBASE_58_BTC, id->bytes, id->size, &to);
        assert(r >= 0 && to.data == text);

        return text;
}

int peer_id_from_public_key(const void *protobuf, size_t n, PeerId *ret) {
        PeerId id = {};

        if (n == 0)
                return -EINVAL;

        if (n <= PEER_ID_INLINE_MAX) {
                id.bytes[0] = MULTIHASH_IDENTITY;
                id.bytes[1] = (uint8_t) n;
                memcpy(id.bytes + 2, protobuf, n);
        } else {
                id.bytes[0] = MULTIHASH_SHA2_256;
                id.bytes[1] = HASH_SHA256_SIZE;
                hash_sha256(protobuf, n, id.bytes + 2);
        }

        id.size = (uint8_t) (2 + id.bytes[1]);
        *ret = id;
        return 0;
}

bool peer_id_equal(const PeerId *a, const PeerId *b) {
        return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

int peer_id_compare(const PeerId *a, const PeerId *b) {
        char x[PEER_ID_TEXT_MAX], y[PEER_ID_TEXT_MAX];

        if (peer_id_equal(a, b))
                return 0;
        return strcmp(peer_id_format(a, x), peer_id_format(b, y));
}

/* ---- list */

/* Room for one more: it doubles at each power of two, so that no capacity needs to be stored. */
static int peer_id_list_grow(PeerIdList *list) {
        size_t n = list->n;
        PeerId *items;

        if (n > 0 && (n < PEER_ID_LIST_MIN || (n & (n - 1)) != 0))
                return 0;

        items = realloc(list->items, MAX(n * 2, (size_t) PEER_ID_LIST_MIN) * sizeof(PeerId));
        if (!items)
                return -ENOMEM;
        list->items = items;
        return 0;
}

int peer_id_list_append(PeerIdList *list, const PeerId *id) {
        int r;

        r = peer_id_list_grow(list);
        if (r < 0)
                return r;

        list->items[list->n++] = *id;
        list->is_set = true;
        return 0;
}

/* The room is rounded up to what peer_id_list_grow() counts on. */
static size_t peer_id_list_room(size_t n) {
        size_t room = PEER_ID_LIST_MIN;

        while (room < n)
                room *= 2;
        return room;
}

int peer_id_list_copy(PeerIdList *to, const PeerIdList *from) {
        PeerIdList copy = { .n = from->n, .is_set = from->is_set };

        if (from->n > 0) {
                copy.items = malloc(peer_id_list_room(from->n) * sizeof(PeerId));
                if (!copy.items)
                        return -ENOMEM;
                memcpy(copy.items, from->items, from->n * sizeof(PeerId));
        }

        peer_id_list_done(to);
        *to = copy;
        return 0;
}

bool peer_id_list_contains(const PeerIdList *list, const PeerId *id) {
        for (size_t i = 0; i < list->n; i++)
                if (peer_id_equal(&list->items[i], id))
                        return true;
        return false;
}

bool peer_id_list_equal(const PeerIdList *a, const PeerIdList *b) {
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (!peer_id_equal(&a->items[i], &b->items[i]))
                        return false;
        return true;
}

void peer_id_list_done(PeerIdList *list) {
        free(list->items);
        *list = (PeerIdList){};
}

/* ---- map */

static char *peer_id_map_at(const JsonArray *map, size_t size, size_t i) {
        return (char *) map->items + i * size;
}

/* Where KEY is or belongs. */
static size_t peer_id_map_find(const JsonArray *map, size_t size, const char *key, bool *ret_found) {
        size_t low = 0, high = map->n;
        int order;

        while (low < high) {
                size_t middle = (low + high) / 2;

                order = strcmp(*(char **) peer_id_map_at(map, size, middle), key);
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

static int peer_id_map_insert(JsonArray *map, size_t size, size_t i, const char *key) {
        char *copy, *items, *item;

        items = realloc(map->items, (map->n + 1) * size);
        if (!items)
                return -ENOMEM;
        map->items = items;

        copy = strdup(key);
        if (!copy)
                return -ENOMEM;

        item = peer_id_map_at(map, size, i);
        memmove(item + size, item, (map->n - i) * size);
        memset(item, 0, size);
        *(char **) item = copy;
        map->n++;
        map->is_set = true;
        return 1;
}

int peer_id_map_get(JsonArray *map, size_t size, const PeerId *peer, void **ret) {
        char key[PEER_ID_TEXT_MAX];
        bool found;
        size_t i;
        int r = 0;

        i = peer_id_map_find(map, size, peer_id_format(peer, key), &found);
        if (!found) {
                r = peer_id_map_insert(map, size, i, key);
                if (r < 0)
                        return r;
        }

        *ret = peer_id_map_at(map, size, i);
        return r;
}

/* ---- JSON */

static int peer_id_json_read(json_object *from, void *member) {
        const char *text;

        if (!json_object_is_type(from, json_type_string))
                return -EPROTOTYPE;

        text = json_object_get_string(from);
        if (strlen(text) != (size_t) json_object_get_string_len(from))
                return -EBADMSG;
        if (!*text) {
                *(PeerId *) member = (PeerId){};
                return 0;
        }
        return peer_id_parse(text, member) < 0 ? -EBADMSG : 0;
}

static int peer_id_json_write(const void *member, Str *to) {
        char text[PEER_ID_TEXT_MAX];

        /* The alphabet needs no escapes. */
        (void) str_append_char(to, '"');
        (void) str_append(to, peer_id_format(member, text));
        return str_append_char(to, '"');
}

static bool peer_id_json_is_empty(const void *member) {
        return !peer_id_is_set(member);
}

const JsonType peer_id_json = {
        .expected = "a peer ID",
        .read = peer_id_json_read,
        .write = peer_id_json_write,
        .is_empty = peer_id_json_is_empty,
};

static void peer_id_list_json_done(void *member) {
        peer_id_list_done(member);
}

static int peer_id_list_json_append(PeerIdList *list, json_object *from) {
        PeerId id;
        int r;

        r = peer_id_json_read(from, &id);
        if (r < 0)
                return r;
        return peer_id_is_set(&id) ? peer_id_list_append(list, &id) : -EBADMSG;
}

static int peer_id_list_json_read(json_object *from, void *member) {
        _cleanup_(peer_id_list_done) PeerIdList list = { .is_set = true };
        int r;

        if (!json_object_is_type(from, json_type_array))
                return -EPROTOTYPE;

        for (size_t i = 0; i < json_object_array_length(from); i++) {
                r = peer_id_list_json_append(&list, json_object_array_get_idx(from, i));
                if (r < 0)
                        return r;
        }

        *(PeerIdList *) member = list;
        list = (PeerIdList){};
        return 0;
}

static int peer_id_list_json_write(const void *member, Str *to) {
        const PeerIdList *list = member;

        if (list->n == 0)
                return str_append(to, list->is_set ? "[]" : "null");

        for (size_t i = 0; i < list->n; i++) {
                (void) str_append_char(to, i == 0 ? '[' : ',');
                (void) peer_id_json_write(&list->items[i], to);
        }
        return str_append_char(to, ']');
}

static bool peer_id_list_json_is_empty(const void *member) {
        return ((const PeerIdList *) member)->n == 0;
}

const JsonType peer_id_list_json = {
        .expected = "a list of peer IDs",
        .read = peer_id_list_json_read,
        .write = peer_id_list_json_write,
        .is_empty = peer_id_list_json_is_empty,
        .done = peer_id_list_json_done,
};
