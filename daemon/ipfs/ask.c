/* The questions with one answer: id, version, config/show, repo/stat, swarm/peers, swarm/connect, resolve;
 * and repo/gc. */

#include <json-c/json.h>
#include <string.h>

#include "daemon/base/json.h"
#include "daemon/ipfs/call.h"
#include "daemon/ipfs/node.h"
#include "daemon/net/query.h"
#include "daemon/types/multiaddr.h"

static char *argument(const char *value) {
        Str s = {};

        (void) str_append(&s, "arg=");
        if (query_escape(&s, value) < 0) {
                str_done(&s);
                return NULL;
        }
        return str_take(&s);
}

static void finish_plain(IpfsCall *call, int r) {
        call->done.plain(call, r, &call->error, call->userdata);
}

/* A call that is bounded by ipfs_request_timeout. */
static int ask(Ipfs *ipfs, const IpfsCallClass *class, IpfsCall **ret, void *userdata) {
        return ipfs_call_new(ret, ipfs, class, ipfs->request_timeout_usec, userdata);
}

/* ---- id ---- */

typedef struct IdAnswer {
        char *id;
        StrList addresses;
} IdAnswer;

static const JsonShape id_shape = {
        .name = "id",
        .size = sizeof(IdAnswer),
        .fields =
                        (const JsonField[]){
                                        { "ID", JSON_STRING, offsetof(IdAnswer, id), JSON_REQUIRED },
                                        { "Addresses", JSON_STRINGS, offsetof(IdAnswer, addresses) },
                                        JSON_END,
                        },
};

static int id_take_addresses(IpfsId *id, const StrList *addresses) {
        id->addresses.is_set = true;
        for (size_t i = 0; i < addresses->n; i++) {
                char *canonical;
                int r;

                r = multiaddr_parse(addresses->items[i], &canonical, NULL);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        continue; /* never let an odd address cost us the id */
                r = str_list_append_take(&id->addresses, canonical);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int id_on_object(IpfsCall *call, json_object *object) {
        IdAnswer answer = {};
        int r;

        r = json_read(&id_shape, object, &answer, NULL);
        if (r < 0)
                return r;
        r = peer_id_parse(answer.id, &call->id.id);
        if (r >= 0)
                r = id_take_addresses(&call->id, &answer.addresses);
        json_done(&id_shape, &answer);
        return r;
}

static int id_on_end(IpfsCall *call) {
        IpfsId copy = {};
        int r;

        r = ipfs_id_copy(&copy, &call->id);
        if (r < 0)
                return r;
        ipfs_id_done(&call->ipfs->last_id);
        call->ipfs->last_id = copy;
        return 0;
}

static void id_finish(IpfsCall *call, int r) {
        call->done.id(call, r, &call->error, &call->id, call->userdata);
}

static const IpfsCallClass id_class = {
        .command = "id",
        .on_object = id_on_object,
        .on_end = id_on_end,
        .finish = id_finish,
};

int ipfs_id(Ipfs *ipfs, IpfsCall **ret, IpfsIdDone done, void *userdata) {
        IpfsCall *call;
        int r;

        r = ask(ipfs, &id_class, &call, userdata);
        if (r < 0)
                return r;
        call->done.id = done;
        return ipfs_call_start(call, strdup(""), ret);
}

/* ---- repo/stat ---- */

typedef struct RepoStat {
        uint64_t repo_size, storage_max;
} RepoStat;

static const JsonShape repo_stat_shape = {
        .name = "repo/stat",
        .size = sizeof(RepoStat),
        .fields =
                        (const JsonField[]){
                                        { "RepoSize",
                                          JSON_UINT,
                                          offsetof(RepoStat, repo_size),
                                          JSON_REQUIRED },
                                        { "StorageMax",
                                          JSON_UINT,
                                          offsetof(RepoStat, storage_max),
                                          JSON_REQUIRED },
                                        JSON_END,
                        },
};

static int repo_stat_on_object(IpfsCall *call, json_object *object) {
        RepoStat stat = {};
        int r;

        r = json_read(&repo_stat_shape, object, &stat, NULL);
        if (r < 0)
                return r;
        call->repo_size = stat.repo_size;
        call->storage_max = stat.storage_max;
        return 0;
}

static void repo_stat_finish(IpfsCall *call, int r) {
        call->done.repo_stat(call, r, &call->error, call->repo_size, call->storage_max, call->userdata);
}

static const IpfsCallClass repo_stat_class = {
        .command = "repo/stat",
        .on_object = repo_stat_on_object,
        .finish = repo_stat_finish,
};

int ipfs_repo_stat(Ipfs *ipfs, IpfsCall **ret, IpfsRepoStatDone done, void *userdata) {
        IpfsCall *call;
        int r;

        r = ask(ipfs, &repo_stat_class, &call, userdata);
        if (r < 0)
                return r;
        call->done.repo_stat = done;
        return ipfs_call_start(call, strdup("size-only=true"), ret);
}

/* ---- swarm/peers, swarm/connect ---- */

static int peers_on_object(IpfsCall *call, json_object *object) {
        json_object *list = NULL;
        int r = 0;

        call->peers.is_set = true;
        (void) json_object_object_get_ex(object, "Peers", &list);
        if (!list)
                return 0; /* null when there are none */
        if (!json_object_is_type(list, json_type_array))
                return -EPROTOTYPE;

        for (size_t i = 0; i < json_object_array_length(list) && r >= 0; i++) {
                json_object *peer = NULL;
                PeerId id;

                if (!json_object_object_get_ex(json_object_array_get_idx(list, i), "Peer", &peer) ||
                    !json_object_is_type(peer, json_type_string) ||
                    peer_id_parse(json_object_get_string(peer), &id) < 0)
                        continue;
                r = peer_id_list_append(&call->peers, &id);
        }
        return r;
}

static void peers_finish(IpfsCall *call, int r) {
        call->done.peers(call, r, &call->error, &call->peers, call->userdata);
}

static const IpfsCallClass peers_class = {
        .command = "swarm/peers",
        .on_object = peers_on_object,
        .finish = peers_finish,
};

int ipfs_swarm_peers(Ipfs *ipfs, IpfsCall **ret, IpfsPeersDone done, void *userdata) {
        IpfsCall *call;
        int r;

        r = ask(ipfs, &peers_class, &call, userdata);
        if (r < 0)
                return r;
        call->done.peers = done;
        return ipfs_call_start(call, strdup(""), ret);
}

static int connect_on_object(IpfsCall *call _unused_, json_object *object _unused_) {
        return 0;
}

static const IpfsCallClass connect_class = {
        .command = "swarm/connect",
        .on_object = connect_on_object,
        .finish = finish_plain,
};

int ipfs_swarm_connect(Ipfs *ipfs, IpfsCall **ret, const char *multiaddr, IpfsDone done, void *userdata) {
        IpfsCall *call;
        int r;

        r = ask(ipfs, &connect_class, &call, userdata);
        if (r < 0)
                return r;
        call->done.plain = done;
        return ipfs_call_start(call, argument(multiaddr), ret);
}

/* ---- resolve ---- */

/* {"Path":"/ipfs/<cid>"}, perhaps with a rest behind it, of which only the root counts. */
static int resolve_on_object(IpfsCall *call, json_object *object) {
        json_object *value = NULL;
        const char *path, *root;

        if (!json_object_object_get_ex(object, "Path", &value) ||
            !json_object_is_type(value, json_type_string))
                return -ENODATA;

        path = json_object_get_string(value);
        if (strncmp(path, "/ipfs/", 6) != 0 && strncmp(path, "/ipld/", 6) != 0)
                return -EBADMSG;
        root = path + 6;
        return cid_parse_n(root, strcspn(root, "/"), &call->cid, NULL) < 0 ? -EBADMSG : 0;
}

static void resolve_finish(IpfsCall *call, int r) {
        call->done.cid(call, r, &call->error, &call->cid, call->userdata);
}

static const IpfsCallClass resolve_class = {
        .command = "resolve",
        .on_object = resolve_on_object,
        .finish = resolve_finish,
};

int ipfs_resolve(Ipfs *ipfs, IpfsCall **ret, const char *path, IpfsCidDone done, void *userdata) {
        IpfsCall *call;
        int r;

        r = ask(ipfs, &resolve_class, &call, userdata);
        if (r < 0)
                return r;
        call->done.cid = done;
        return ipfs_call_start(call, argument(path), ret);
}

/* ---- repo/gc ---- */

typedef struct GcLine {
        Cid key;
        char *error;
} GcLine;

static const JsonShape gc_shape = {
        .name = "repo/gc",
        .size = sizeof(GcLine),
        .fields =
                        (const JsonField[]){
                                        { "Key", JSON_TYPE, offsetof(GcLine, key), .type = &cid_json },
                                        { "Error", JSON_STRING, offsetof(GcLine, error) },
                                        JSON_END,
                        },
};

static int gc_on_object(IpfsCall *call, json_object *object) {
        GcLine line = {};
        int r;

        r = json_read(&gc_shape, object, &line, NULL);
        if (r < 0)
                return r;
        call->cid = line.key;
        free(call->text);
        call->text = TAKE_PTR(line.error);
        json_done(&gc_shape, &line);
        return 0;
}

static int gc_on_item(IpfsCall *call) {
        _cleanup_free_ char *error = TAKE_PTR(call->text); /* lives on when the call is freed */
        const Cid key = call->cid;

        call->item.gc(call, &key, str_is_empty(error) ? NULL : error, call->userdata);
        return 0;
}

static const IpfsCallClass gc_class = {
        .command = "repo/gc",
        .is_stream = true,
        .on_object = gc_on_object,
        .on_item = gc_on_item,
        .finish = finish_plain,
};

int ipfs_repo_gc(Ipfs *ipfs, IpfsCall **ret, IpfsGcItem item, IpfsDone done, void *userdata) {
        IpfsCall *call;
        int r;

        r = ipfs_call_new(&call, ipfs, &gc_class, ipfs->repo_gc_timeout_usec, userdata);
        if (r < 0)
                return r;
        call->done.plain = done;
        call->item.gc = item;
        return ipfs_call_start(call, strdup("stream-errors=true"), ret);
}
