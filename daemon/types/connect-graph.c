#include "daemon/types/connect-graph.h"

#include <json-c/json.h>
#include <string.h>

#include "daemon/base/macro.h"

/* ---- a map from peers to lists of peers */

static void links_done(void *member) {
        JsonArray *array = member;
        GraphLinks *links = array->items;

        for (size_t i = 0; i < array->n; i++) {
                free(links[i].id);
                peer_id_list_done(&links[i].links);
        }
        free(array->items);
        *array = (JsonArray){};
}

static int links_read_one(JsonArray *array, const char *key, json_object *value) {
        PeerIdList list = {};
        GraphLinks *links;
        PeerId id;
        int r;

        if (peer_id_parse(key, &id) < 0)
                return -EBADMSG;

        r = connect_graph_links(array, &id, &links);
        if (r < 0 || !value) /* null: no list */
                return r;

        r = peer_id_list_json.read(value, &list);
        if (r < 0)
                return r;
        peer_id_list_done(&links->links);
        links->links = list;
        return 0;
}

static int links_read(json_object *from, void *member) {
        _cleanup_(links_done) JsonArray array = { .is_set = true };
        int r;

        if (!json_object_is_type(from, json_type_object))
                return -EPROTOTYPE;

        json_object_object_foreach(from, key, value) {
                r = links_read_one(&array, key, value);
                if (r < 0)
                        return r;
        }

        *(JsonArray *) member = array;
        array = (JsonArray){};
        return 0;
}

static int links_write(const void *member, Str *to) {
        const JsonArray *array = member;
        const GraphLinks *links = array->items;

        if (array->n == 0)
                return str_append(to, array->is_set ? "{}" : "null");

        for (size_t i = 0; i < array->n; i++) {
                (void) str_append_char(to, i == 0 ? '{' : ',');
                (void) json_write_string(to, links[i].id);
                (void) str_append_char(to, ':');
                (void) peer_id_list_json.write(&links[i].links, to);
        }
        return str_append_char(to, '}');
}

static const JsonType links_json = {
        .expected = "lists of peer IDs by peer ID",
        .read = links_read,
        .write = links_write,
        .done = links_done,
};

/* ---- a map from peers to booleans */

static int trust_read(json_object *from, void *member) {
        _cleanup_(str_map_done) StrMap map = { .is_set = true };

        if (!json_object_is_type(from, json_type_object))
                return -EPROTOTYPE;

        json_object_object_foreach(from, key, value) {
                if (!json_object_is_type(value, json_type_boolean))
                        return -EPROTOTYPE;
                if (str_map_set(&map, key, json_object_get_boolean(value) ? "true" : "false") < 0)
                        return -ENOMEM;
        }

        *(StrMap *) member = map;
        map = (StrMap){};
        return 0;
}

static int trust_write(const void *member, Str *to) {
        const StrMap *map = member;

        if (map->n == 0)
                return str_append(to, map->is_set ? "{}" : "null");

        for (size_t i = 0; i < map->n; i++) {
                (void) str_append_char(to, i == 0 ? '{' : ',');
                (void) json_write_string(to, map->items[i].key);
                (void) str_append_char(to, ':');
                (void) str_append(to, !strcmp(map->items[i].value, "true") ? "true" : "false");
        }
        return str_append_char(to, '}');
}

static void trust_done(void *member) {
        str_map_done(member);
}

static const JsonType trust_json = {
        .expected = "booleans by peer ID",
        .read = trust_read,
        .write = trust_write,
        .done = trust_done,
};

/* ---- the graph */

static const JsonField connect_graph_fields[] = {
        { "cluster_id", JSON_TYPE, offsetof(ConnectGraph, cluster_id), .type = &peer_id_json },
        { "id_to_peername", JSON_MAP, offsetof(ConnectGraph, id_to_peername) },
        { "ipfs_links", JSON_TYPE, offsetof(ConnectGraph, ipfs_links), .type = &links_json },
        { "cluster_links", JSON_TYPE, offsetof(ConnectGraph, cluster_links), .type = &links_json },
        { "cluster_trust_links",
          JSON_TYPE,
          offsetof(ConnectGraph, cluster_trust_links),
          .type = &trust_json },
        { "cluster_to_ipfs", JSON_MAP, offsetof(ConnectGraph, cluster_to_ipfs) },
        JSON_END,
};

const JsonShape connect_graph_shape = {
        .name = "connect graph",
        .size = sizeof(ConnectGraph),
        .fields = connect_graph_fields,
};

int connect_graph_links(JsonArray *map, const PeerId *id, GraphLinks **ret) {
        void *item;
        int r;

        r = peer_id_map_get(map, sizeof(GraphLinks), id, &item);
        if (r < 0)
                return r;

        *ret = item;
        (*ret)->links.is_set = true;
        return r;
}

void connect_graph_done(ConnectGraph *graph) {
        json_done(&connect_graph_shape, graph);
        *graph = (ConnectGraph){};
}
