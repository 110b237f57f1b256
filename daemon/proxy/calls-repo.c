/* repo/stat, repo/gc. */

#include <errno.h>
#include <string.h>

#include "daemon/cluster/repo.h"
#include "daemon/proxy/call.h"

/* ---- repo/stat ---- */

#define REPO_STAT_TIMEOUT (10 * 60 * USEC_PER_SEC) /* all blocks are counted, if that is asked for */

/* Only the sizes, or also what else Kubo says; some of its clients cannot do without. */
typedef struct RepoStat {
        uint64_t repo_size, storage_max, n_objects;
        char *repo_path, *version;
} RepoStat;

static const JsonField repo_stat_fields[] = {
        { "RepoSize", JSON_UINT, offsetof(RepoStat, repo_size), .flags = JSON_REQUIRED },
        { "StorageMax", JSON_UINT, offsetof(RepoStat, storage_max) },
        { "NumObjects", JSON_UINT, offsetof(RepoStat, n_objects), JSON_OMIT_EMPTY },
        { "RepoPath", JSON_STRING, offsetof(RepoStat, repo_path), JSON_OMIT_EMPTY },
        { "Version", JSON_STRING, offsetof(RepoStat, version), JSON_OMIT_EMPTY },
        JSON_END,
};
static const JsonShape repo_stat_shape = { "repo/stat", sizeof(RepoStat), repo_stat_fields };

/* The sizes become those of all peers; the rest is of this one's Kubo. CALL->body is what that one said. */
static void on_others(
                ClusterCall *cluster _unused_,
                int r,
                const Error *error,
                const ClusterRepo *others,
                void *userdata) {
        ProxyCall *call = userdata;
        RepoStat stat = {};

        if (r >= 0)
                r = json_read_text(&repo_stat_shape, call->body.data, call->body.len, &stat, NULL);
        if (r < 0)
                proxy_call_fail_error(call, r, error);
        else {
                ClusterRepo sum = { stat.repo_size, stat.storage_max };

                cluster_repo_add(&sum, others);
                stat.repo_size = sum.size;
                stat.storage_max = sum.storage_max;
                str_reset(&call->body);
                (void) json_write(&repo_stat_shape, &stat, &call->body);
                proxy_call_reply(call, &call->body);
        }
        json_done(&repo_stat_shape, &stat);
        call->cluster = cluster_call_unref(call->cluster);
        proxy_client_go_on(call->client);
}

/* What this peer's Kubo says is checked before others are asked: also who may ask it. */
static void on_repo_stat(ProxyAsk *ask, int r, const Error *error, const char *body, void *userdata) {
        ProxyCall *call = userdata;
        RepoStat stat = {};

        if (r < 0)
                proxy_call_fail_error(call, r, error);
        else if (proxy_ask_status(ask) != 200 ||
                 json_read_text(&repo_stat_shape, body, strlen(body), &stat, NULL) < 0) {
                _cleanup_free_ char *words = proxy_ask_message(ask, body);

                r = -EIO;
                proxy_call_fail(call, 500, "%s", words ? words : strerror(ENOMEM));
        } else {
                (void) json_write(&repo_stat_shape, &stat, &call->body);
                r = cluster_repo_of_others(call->proxy->cluster, &call->cluster, on_others, call);
                if (r < 0)
                        proxy_call_fail_error(call, r, NULL);
        }
        json_done(&repo_stat_shape, &stat);
        if (r < 0)
                proxy_client_go_on(call->client);
}

void proxy_repo_stat(ProxyCall *call) {
        bool size_only = false;
        int r;

        (void) proxy_rule_flag(&call->query, "size-only", NULL, false, &size_only);
        r = proxy_ask(call->proxy,
                      &call->ask,
                      &(ProxyQuestion){
                                      .target = size_only ? "/api/v0/repo/stat?size-only=true"
                                                          : "/api/v0/repo/stat",
                                      .timeout_usec = REPO_STAT_TIMEOUT,
                      },
                      on_repo_stat,
                      call);
        if (r < 0)
                proxy_call_fail_error(call, r, NULL);
}

/* ---- repo/gc ---- */

static void write_key(ProxyCall *call, const RepoGcKey *key, bool with_error) {
        char cid[CID_TEXT_MAX];

        if (cid_is_defined(&key->key))
                (void) str_appendf(&call->body, "{\"Key\":{\"/\":\"%s\"}", cid_format(&key->key, cid));
        else
                (void) str_append(&call->body, "{\"Key\":null");
        if (with_error && !str_is_empty(key->error)) {
                (void) str_append(&call->body, ",\"Error\":");
                (void) json_write_string(&call->body, key->error);
        }
        (void) str_append(&call->body, "}\n");
}

static void add_words(Str *words, const char *error) {
        if (!str_is_empty(error))
                (void) str_appendf(words, "%s%s;", words->len > 0 ? " " : "", error);
}

/* The lines are made in one go, as they lie in memory already. */
static void write_gc(ProxyCall *call, const GlobalRepoGc *gc, Str *words) {
        bool with_errors = false, is_silent = false;

        (void) proxy_rule_flag(&call->query, "stream-errors", NULL, false, &with_errors);
        (void) proxy_rule_flag(&call->query, "silent", NULL, false, &is_silent);
        for (size_t i = 0; i < gc->peer_map.n; i++) {
                const RepoGc *peer = (const RepoGc *) gc->peer_map.items + i;
                const RepoGcKey *keys = peer->keys.items;

                for (size_t k = 0; k < peer->keys.n; k++) {
                        if (!is_silent)
                                write_key(call, keys + k, with_errors);
                        if (!with_errors)
                                add_words(words, keys[k].error);
                }
                add_words(words, peer->error);
        }
}

static int more_of_gc(ProxyCall *call, Error *reterr) {
        if (call->words.len > 0)
                return error_set(reterr, ERROR_IPFS, "%s", call->words.data);
        return 0;
}

static void on_gc(
                ClusterCall *cluster _unused_,
                int r,
                const Error *error,
                const GlobalRepoGc *gc,
                void *userdata) {
        ProxyCall *call = userdata;

        if (r < 0)
                proxy_call_fail_error(call, r, error);
        else {
                write_gc(call, gc, &call->words);
                proxy_call_stream(call, more_of_gc, true);
                proxy_call_begin_stream(call);
        }
        call->cluster = cluster_call_unref(call->cluster);
        proxy_client_go_on(call->client);
}

void proxy_repo_gc(ProxyCall *call) {
        int r;

        r = cluster_collect_garbage(call->proxy->cluster, &call->cluster, false, on_gc, call);
        if (r < 0)
                proxy_call_fail_error(call, r, NULL);
}
