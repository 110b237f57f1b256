#include "daemon/types/added.h"

static const JsonField added_fields[] = {
        { "name", JSON_STRING, offsetof(Added, name) },
        { "cid", JSON_TYPE, offsetof(Added, cid), .type = &cid_json },
        { "bytes", JSON_UINT, offsetof(Added, bytes), JSON_OMIT_EMPTY },
        { "size", JSON_UINT, offsetof(Added, size), JSON_OMIT_EMPTY },
        { "allocations",
          JSON_TYPE,
          offsetof(Added, allocations),
          JSON_OMIT_EMPTY,
          .type = &peer_id_list_json },
        JSON_END,
};

const JsonShape added_shape = { .name = "added", .size = sizeof(Added), .fields = added_fields };

void added_done(Added *added) {
        json_done(&added_shape, added);
}
