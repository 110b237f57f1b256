#include "daemon/types/repo-gc.h"

static const JsonField repo_gc_key_fields[] = {
        { "key", JSON_TYPE, offsetof(RepoGcKey, key), .type = &cid_json },
        { "error", JSON_STRING, offsetof(RepoGcKey, error), JSON_OMIT_EMPTY },
        JSON_END,
};

static const JsonShape repo_gc_key_shape = {
        .name = "collected key",
        .size = sizeof(RepoGcKey),
        .fields = repo_gc_key_fields,
};

static const JsonField repo_gc_fields[] = {
        { "", JSON_KEY, offsetof(RepoGc, key) },
        { "peer", JSON_TYPE, offsetof(RepoGc, peer), .type = &peer_id_json },
        { "peername", JSON_STRING, offsetof(RepoGc, peername) },
        { "keys", JSON_ARRAY, offsetof(RepoGc, keys), .shape = &repo_gc_key_shape },
        { "error", JSON_STRING, offsetof(RepoGc, error), JSON_OMIT_EMPTY },
        JSON_END,
};

static const JsonShape repo_gc_shape = {
        .name = "garbage collection",
        .size = sizeof(RepoGc),
        .fields = repo_gc_fields,
};

static const JsonField global_repo_gc_fields[] = {
        { "peer_map", JSON_OBJECTS, offsetof(GlobalRepoGc, peer_map), .shape = &repo_gc_shape },
        JSON_END,
};

const JsonShape global_repo_gc_shape = {
        .name = "global garbage collection",
        .size = sizeof(GlobalRepoGc),
        .fields = global_repo_gc_fields,
};

int global_repo_gc_peer(GlobalRepoGc *gc, const PeerId *peer, RepoGc **ret) {
        void *item;
        int r;

        r = peer_id_map_get(&gc->peer_map, sizeof(RepoGc), peer, &item);
        if (r < 0)
                return r;

        *ret = item;
        (*ret)->peer = *peer;
        return r;
}

void global_repo_gc_done(GlobalRepoGc *gc) {
        json_done(&global_repo_gc_shape, gc);
        *gc = (GlobalRepoGc){};
}
