#include <json-c/json.h>

#include "daemon/base/macro.h"
#include "daemon/types/pin.h"

static int pin_mode_read(json_object *from, void *member) {
        if (!json_object_is_type(from, json_type_string))
                return -EPROTOTYPE;

        *(int *) member = pin_mode_from_string(json_object_get_string(from));
        return 0;
}

static int pin_mode_write(const void *member, Str *to) {
        return json_write_string(to, pin_mode_to_string((PinMode) * (const int *) member));
}

static const JsonType pin_mode_json = {
        .expected = "recursive or direct",
        .read = pin_mode_read,
        .write = pin_mode_write,
};

/* Exports of the Go program's versions 0.10 to 0.14 have the number. */
static int pin_type_read(json_object *from, void *member) {
        if (json_object_is_type(from, json_type_int)) {
                *(int *) member = pin_type_from_string(
                                pin_type_to_string((PinType) json_object_get_int(from)));
                return 0;
        }
        if (!json_object_is_type(from, json_type_string))
                return -EPROTOTYPE;

        *(int *) member = pin_type_from_string(json_object_get_string(from));
        return 0;
}

static int pin_type_write(const void *member, Str *to) {
        return json_write_string(to, pin_type_to_string((PinType) * (const int *) member));
}

static const JsonType pin_type_json = {
        .expected = "a pin type",
        .read = pin_type_read,
        .write = pin_type_write,
};

static const JsonField pin_fields[] = {
        { "replication_factor_min", JSON_INT, offsetof(Pin, replication_factor_min) },
        { "replication_factor_max", JSON_INT, offsetof(Pin, replication_factor_max) },
        { "name", JSON_STRING, offsetof(Pin, name) },
        { "mode", JSON_TYPE, offsetof(Pin, mode), .type = &pin_mode_json },
        { "shard_size", JSON_UINT, offsetof(Pin, shard_size) },
        { "user_allocations", JSON_TYPE, offsetof(Pin, user_allocations), .type = &peer_id_list_json },
        { "expire_at", JSON_TIME, offsetof(Pin, expire_at) },
        { "metadata", JSON_MAP, offsetof(Pin, metadata) },
        { "pin_update", JSON_TYPE, offsetof(Pin, pin_update), .type = &cid_json },
        { "origins", JSON_TYPE, offsetof(Pin, origins), .type = &multiaddr_list_json },
        { "cid", JSON_TYPE, offsetof(Pin, cid), JSON_REQUIRED, .type = &cid_json },
        { "type", JSON_TYPE, offsetof(Pin, type), .type = &pin_type_json },
        { "allocations", JSON_TYPE, offsetof(Pin, allocations), .type = &peer_id_list_json },
        { "max_depth", JSON_INT, offsetof(Pin, max_depth) },
        { "reference", JSON_TYPE, offsetof(Pin, reference), .type = &cid_json },
        { "timestamp", JSON_TIME, offsetof(Pin, timestamp) },
        JSON_END,
};

const JsonShape pin_shape = {
        .name = "pin",
        .size = sizeof(Pin),
        .fields = pin_fields,
};
