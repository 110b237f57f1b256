#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/json.h"
#include "daemon/ipfs/call.h"
#include "daemon/ipfs/node.h"
#include "daemon/net/query.h"

static void finish_plain(IpfsCall *call, int r) {
        call->done.plain(call, r, &call->error, call->userdata);
}

static int start_upload(IpfsCall *call, const IpfsUpload *upload, char *arguments, IpfsCall **ret) {
        call->read = upload->read;
        call->stall_usec = IPFS_UPLOAD_STALL;
        if (asprintf(&call->content_type, "Content-Type: %s", upload->content_type) < 0) {
                call->content_type = NULL;
                free(arguments);
                ipfs_call_unref(call);
                return -ENOMEM;
        }
        return ipfs_call_start(call, arguments, ret);
}

/* ---- add ---- */

typedef struct AddLine {
        char *name;
        char *hash;
        char *size; /* a number, as text */
        uint64_t bytes;
} AddLine;

static const JsonShape add_line_shape = {
        .name = "add",
        .size = sizeof(AddLine),
        .fields =
                        (const JsonField[]){
                                        { "Name", JSON_STRING, offsetof(AddLine, name) },
                                        { "Hash", JSON_STRING, offsetof(AddLine, hash) },
                                        { "Size", JSON_STRING, offsetof(AddLine, size) },
                                        { "Bytes", JSON_UINT, offsetof(AddLine, bytes) },
                                        JSON_END,
                        },
};

static int add_on_object(IpfsCall *call, json_object *object) {
        AddLine line = {};
        int r;

        r = json_read(&add_line_shape, object, &line, NULL);
        if (r < 0)
                return r;

        call->added = (IpfsAdded){ .bytes = line.bytes };
        if (!str_is_empty(line.hash))
                r = cid_parse(line.hash, &call->added.cid, NULL);
        if (line.size)
                call->added.size = strtoull(line.size, NULL, 10);
        free(call->text);
        call->text = TAKE_PTR(line.name);
        json_done(&add_line_shape, &line);
        return r;
}

static int add_on_item(IpfsCall *call) {
        call->added.name = call->text ?: "";
        return call->item.added(call, &call->added, call->userdata);
}

static const IpfsCallClass add_class = {
        .command = "add",
        .is_stream = true,
        .has_plain_words = true,
        .on_object = add_on_object,
        .on_item = add_on_item,
        .finish = finish_plain,
};

static void append_flag(Str *to, const char *key, bool value) {
        (void) str_appendf(to, "&%s=%s", key, value ? "true" : "false");
}

/* All of them are spelled out: Kubo's own defaults are a matter of its configuration (Import.*). What is
 * added is announced by Kubo's sweep, as with pins. */
static char *add_arguments(const AddOptions *options) {
        Str s = {};

        (void) str_append(&s, "chunker=");
        (void) query_escape(&s, options->chunker ?: ADD_CHUNKER_DEFAULT);
        (void) str_append(&s, "&hash=");
        (void) query_escape(&s, options->hash ?: ADD_HASH_DEFAULT);
        (void) str_appendf(&s, "&cid-version=%" PRIi64, options->cid_version);
        append_flag(&s, "raw-leaves", options->raw_leaves);
        append_flag(&s, "trickle", str_equal(options->layout, "trickle"));
        append_flag(&s, "wrap-with-directory", options->wrap);
        append_flag(&s, "nocopy", options->nocopy);
        append_flag(&s, "progress", options->progress);
        (void) str_append(&s, "&pin=false&fast-provide-root=false&stream-channels=true");
        return str_take(&s);
}

int ipfs_add(Ipfs *ipfs,
             IpfsCall **ret,
             const AddOptions *options,
             const IpfsUpload *upload,
             IpfsAddedItem item,
             IpfsDone done,
             void *userdata) {
        IpfsCall *call;
        int r;

        r = ipfs_call_new(&call, ipfs, &add_class, UINT64_MAX, userdata);
        if (r < 0)
                return r;
        call->item.added = item;
        call->done.plain = done;
        return start_upload(call, upload, add_arguments(options), ret);
}

/* ---- dag/import ---- */

typedef struct ImportLine {
        struct {
                uint64_t bytes;
        } stats;
} ImportLine;

static const JsonShape import_stats_shape = {
        .name = "Stats",
        .fields = (const JsonField[]){ { "BlockBytesCount", JSON_UINT, 0 }, JSON_END },
};

static const JsonShape import_line_shape = {
        .name = "dag/import",
        .size = sizeof(ImportLine),
        .fields =
                        (const JsonField[]){
                                        { "Stats",
                                          JSON_OBJECT,
                                          offsetof(ImportLine, stats),
                                          .shape = &import_stats_shape },
                                        JSON_END,
                        },
};

static int import_on_object(IpfsCall *call, json_object *object) {
        ImportLine line = {};
        int r;

        r = json_read(&import_line_shape, object, &line, NULL);
        if (r < 0)
                return r;
        call->bytes += line.stats.bytes;
        return 0;
}

static void import_finish(IpfsCall *call, int r) {
        call->done.import(call, r, &call->error, call->bytes, call->userdata);
}

static const IpfsCallClass import_class = {
        .command = "dag/import",
        .is_stream = true,
        .has_plain_words = true,
        .on_object = import_on_object,
        .finish = import_finish,
};

int ipfs_dag_import(
                Ipfs *ipfs, IpfsCall **ret, const IpfsUpload *upload, IpfsImportDone done, void *userdata) {
        IpfsCall *call;
        int r;

        r = ipfs_call_new(&call, ipfs, &import_class, UINT64_MAX, userdata);
        if (r < 0)
                return r;
        call->done.import = done;
        return start_upload(
                        call,
                        upload,
                        strdup("pin-roots=false&stats=true&fast-provide-root=false&allow-big-block=true"),
                        ret);
}

/* ---- files/stat ---- */

typedef struct FileStat {
        uint64_t size;
        char *type;
} FileStat;

static const JsonShape file_stat_shape = {
        .name = "files/stat",
        .size = sizeof(FileStat),
        .fields =
                        (const JsonField[]){
                                        { "Size", JSON_UINT, offsetof(FileStat, size) },
                                        { "Type", JSON_STRING, offsetof(FileStat, type) },
                                        JSON_END,
                        },
};

static int file_size_on_object(IpfsCall *call, json_object *object) {
        FileStat stat = {};
        int r;

        r = json_read(&file_stat_shape, object, &stat, NULL);
        if (r < 0)
                return r;
        call->bytes = str_equal(stat.type, "file") ? stat.size : 0;
        json_done(&file_stat_shape, &stat);
        return 0;
}

/* "not unixfs node" and whatever else it says: no file. */
static int file_size_on_refusal(IpfsCall *call _unused_, const char *message _unused_) {
        return 0;
}

static void file_size_finish(IpfsCall *call, int r) {
        call->done.size(call, r, &call->error, call->bytes, call->userdata);
}

static const IpfsCallClass file_size_class = {
        .command = "files/stat",
        .on_object = file_size_on_object,
        .on_refusal = file_size_on_refusal,
        .finish = file_size_finish,
};

int ipfs_file_size(Ipfs *ipfs, IpfsCall **ret, const Cid *cid, IpfsSizeDone done, void *userdata) {
        char text[CID_TEXT_MAX], *arguments;
        IpfsCall *call;
        int r;

        r = ipfs_call_new(&call, ipfs, &file_size_class, ipfs->request_timeout_usec, userdata);
        if (r < 0)
                return r;
        call->done.size = done;
        if (asprintf(&arguments, "arg=/ipfs/%s&offline=true", cid_format(cid, text)) < 0)
                arguments = NULL;
        return ipfs_call_start(call, arguments, ret);
}
