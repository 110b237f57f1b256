#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>
#include <time.h>

#include "daemon/base/json.h"
#include "daemon/base/log.h"
#include "daemon/base/time.h"
#include "daemon/ipfs/call.h"
#include "daemon/ipfs/node.h"
#include "daemon/net/query.h"

/* ---- arguments ---- */

static char *pin_arguments(const Cid *cid, const char *rest) {
        char text[CID_TEXT_MAX];
        Str s = {};

        (void) str_appendf(&s, "arg=%s%s", cid_format(cid, text), rest);
        return str_take(&s);
}

static void finish_plain(IpfsCall *call, int r) {
        call->done.plain(call, r, &call->error, call->userdata);
}

/* ---- pin/add ---- */

typedef struct PinProgress {
        uint64_t progress, bytes;
        StrList pins;
} PinProgress;

static const JsonShape pin_progress_shape = {
        .name = "pin/add",
        .size = sizeof(PinProgress),
        .fields =
                        (const JsonField[]){
                                        { "Progress", JSON_UINT, offsetof(PinProgress, progress) },
                                        { "Bytes", JSON_UINT, offsetof(PinProgress, bytes) },
                                        { "Pins", JSON_STRINGS, offsetof(PinProgress, pins) },
                                        JSON_END,
                        },
};

static int pin_add_on_stall(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        IpfsCall *call = userdata;
        char text[TIME_TEXT_MAX];
        int r;

        if (call->http_ended) /* with whatever, in this very turn of the loop */
                return 0;
        r = error_set(&call->error,
                      ERROR_TIMEOUT,
                      "pinning made no progress for %s (pin_timeout) at %" PRIu64 " blocks, %" PRIu64
                      " bytes",
                      duration_format((int64_t) call->ipfs->pin_timeout_usec, text),
                      call->progress,
                      call->bytes);
        ipfs_call_fail(call, r);
        return 0;
}

static int pin_add_watch(IpfsCall *call) {
        uint64_t limit = call->ipfs->pin_timeout_usec;

        if (limit == 0)
                return 0;
        if (!call->stall)
                return sd_event_add_time_relative(
                                call->ipfs->event,
                                &call->stall,
                                CLOCK_MONOTONIC,
                                limit,
                                0,
                                pin_add_on_stall,
                                call);
        return sd_event_source_set_time_relative(call->stall, limit);
}

static int pin_add_on_object(IpfsCall *call, json_object *object) {
        PinProgress progress = {};
        int r;

        r = json_read(&pin_progress_shape, object, &progress, NULL);
        if (r < 0)
                return r;

        call->confirmed = progress.pins.n > 0;
        if (progress.progress > call->progress || progress.bytes > call->bytes) {
                call->progress = MAX(call->progress, progress.progress);
                call->bytes = MAX(call->bytes, progress.bytes);
                r = pin_add_watch(call);
        }
        json_done(&pin_progress_shape, &progress);
        return MIN(r, 0);
}

/* A stream that ends without the line that names the pins is no success, whatever its trailer says. */
static int pin_add_on_end(IpfsCall *call) {
        if (call->confirmed)
                return 0;
        return error_set(&call->error, ERROR_IPFS, "IPFS ended pin/add without saying that it pinned");
}

static const IpfsCallClass pin_add_class = {
        .command = "pin/add",
        .is_work = true,
        .is_stream = true,
        .on_object = pin_add_on_object,
        .on_end = pin_add_on_end,
        .finish = finish_plain,
};

static char *pin_add_arguments(const Cid *cid, PinMode mode, const char *name) {
        char text[CID_TEXT_MAX];
        Str s = {};

        (void) str_appendf(
                        &s,
                        "arg=%s&recursive=%s&progress=true&fast-provide-root=false",
                        cid_format(cid, text),
                        mode == PIN_MODE_DIRECT ? "false" : "true");
        if (!str_is_empty(name)) {
                _cleanup_free_ char *cut = strndup(name, str_utf8_cut(name, IPFS_PIN_NAME_MAX));

                (void) str_append(&s, "&name=");
                if (!cut || query_escape(&s, cut) < 0) {
                        str_done(&s);
                        return NULL;
                }
        }
        return str_take(&s);
}

int ipfs_pin_add(
                Ipfs *ipfs,
                IpfsCall **ret,
                const Cid *cid,
                PinMode mode,
                const char *name,
                IpfsDone done,
                void *userdata) {
        IpfsCall *call;
        int r;

        r = ipfs_call_new(&call, ipfs, &pin_add_class, UINT64_MAX, userdata);
        if (r < 0)
                return r;
        call->done.plain = done;

        r = pin_add_watch(call);
        if (r < 0) {
                ipfs_call_unref(call);
                return r;
        }
        return ipfs_call_start(call, pin_add_arguments(cid, mode, name), ret);
}

/* ---- pin/update, pin/rm ---- */

static int pins_on_object(IpfsCall *call _unused_, json_object *object) {
        PinProgress answer = {};
        int r;

        r = json_read(&pin_progress_shape, object, &answer, NULL);
        if (r < 0)
                return r;
        r = answer.pins.n > 0 ? 0 : -ENODATA;
        json_done(&pin_progress_shape, &answer);
        return r;
}

static const IpfsCallClass pin_update_class = {
        .command = "pin/update",
        .is_work = true,
        .on_object = pins_on_object,
        .finish = finish_plain,
};

int ipfs_pin_update(
                Ipfs *ipfs, IpfsCall **ret, const Cid *from, const Cid *to, IpfsDone done, void *userdata) {
        char a[CID_TEXT_MAX], b[CID_TEXT_MAX];
        IpfsCall *call;
        Str s = {};
        int r;

        r = ipfs_call_new(
                        &call,
                        ipfs,
                        &pin_update_class,
                        ipfs->pin_timeout_usec > 0 ? IPFS_PIN_UPDATE_TIMEOUTS * ipfs->pin_timeout_usec
                                                   : UINT64_MAX,
                        userdata);
        if (r < 0)
                return r;
        call->done.plain = done;
        (void) str_appendf(
                        &s,
                        "arg=%s&arg=%s&unpin=false&fast-provide-root=false",
                        cid_format(from, a),
                        cid_format(to, b));
        return ipfs_call_start(call, str_take(&s), ret);
}

static int pin_rm_on_refusal(IpfsCall *call _unused_, const char *message) {
        return strcmp(message, "not pinned or pinned indirectly") == 0 ? 0 : -EIO;
}

static const IpfsCallClass pin_rm_class = {
        .command = "pin/rm",
        .is_work = true,
        .on_object = pins_on_object,
        .on_refusal = pin_rm_on_refusal,
        .finish = finish_plain,
};

int ipfs_pin_rm(Ipfs *ipfs, IpfsCall **ret, const Cid *cid, IpfsDone done, void *userdata) {
        IpfsCall *call;
        int r;

        r = ipfs_call_new(&call, ipfs, &pin_rm_class, ipfs->unpin_timeout_usec, userdata);
        if (r < 0)
                return r;
        call->done.plain = done;

        if (ipfs->unpin_disable) {
                r = error_set(&call->error,
                              ERROR_REFUSED,
                              "ipfs unpinning is disallowed by configuration on this peer (ipfs_connector.ipfshttp.unpin_disable)");
                ipfs_call_fail(call, r);
                *ret = call;
                return 0;
        }
        return ipfs_call_start(call, pin_arguments(cid, ""), ret);
}

/* ---- pin/ls ---- */

typedef struct PinLine {
        char *cid, *type;
} PinLine;

static const JsonShape pin_line_shape = {
        .name = "pin/ls",
        .size = sizeof(PinLine),
        .fields =
                        (const JsonField[]){
                                        { "Cid", JSON_STRING, offsetof(PinLine, cid), JSON_REQUIRED },
                                        { "Type", JSON_STRING, offsetof(PinLine, type), JSON_REQUIRED },
                                        JSON_END,
                        },
};

static IpfsPinType pin_type_from_kubo(const char *text) {
        if (strcmp(text, "direct") == 0)
                return IPFS_PIN_DIRECT;
        if (strncmp(text, "recursive", 9) == 0)
                return IPFS_PIN_RECURSIVE;
        return IPFS_PIN_NONE;
}

static int pin_line_read(json_object *object, Cid *ret_cid, IpfsPinType *ret_type) {
        PinLine line = {};
        int r;

        r = json_read(&pin_line_shape, object, &line, NULL);
        if (r < 0)
                return r;
        r = cid_parse(line.cid, ret_cid, NULL);
        *ret_type = pin_type_from_kubo(line.type);
        json_done(&pin_line_shape, &line);
        return r < 0 ? -EBADMSG : 0;
}

static const char *const step_types[] = { "&type=recursive", "&type=direct" };

static int pin_type_on_object(IpfsCall *call, json_object *object) {
        Cid cid;

        return pin_line_read(object, &cid, &call->pin_type);
}

/* "path '…' is not pinned": an answer, not a failure. */
static int pin_type_on_refusal(IpfsCall *call _unused_, const char *message) {
        static const char ending[] = "not pinned";
        size_t n = strlen(message);

        return n >= strlen(ending) && strcmp(message + n - strlen(ending), ending) == 0 ? 0 : -EIO;
}

static int pin_type_on_end(IpfsCall *call) {
        int r;

        if (call->pin_type != IPFS_PIN_NONE || call->step == 1)
                return 0;
        r = ipfs_call_request(call, pin_arguments(&call->cid, "&stream=true&type=direct"));
        call->step = 1;
        return r < 0 ? r : 1;
}

static void pin_type_finish(IpfsCall *call, int r) {
        call->done.pin_type(call, r, &call->error, call->pin_type, call->userdata);
}

static const IpfsCallClass pin_type_class = {
        .command = "pin/ls",
        .is_stream = true,
        .on_object = pin_type_on_object,
        .on_refusal = pin_type_on_refusal,
        .on_end = pin_type_on_end,
        .finish = pin_type_finish,
};

int ipfs_pin_type(
                Ipfs *ipfs,
                IpfsCall **ret,
                const Cid *cid,
                bool is_work,
                IpfsPinTypeDone done,
                void *userdata) {
        IpfsCall *call;
        int r;

        r = ipfs_call_new(&call, ipfs, &pin_type_class, ipfs->request_timeout_usec, userdata);
        if (r < 0)
                return r;
        call->done.pin_type = done;
        if (is_work)
                call->client = ipfs->work;
        call->cid = *cid;
        return ipfs_call_start(call, pin_arguments(cid, "&stream=true&type=recursive"), ret);
}

static int pin_ls_on_object(IpfsCall *call, json_object *object) {
        return pin_line_read(object, &call->cid, &call->pin_type);
}

static int pin_ls_on_item(IpfsCall *call) {
        const Cid cid = call->cid; /* lives on when the call is freed */

        return call->item.pin(call, &cid, call->pin_type, call->userdata);
}

static char *pin_ls_arguments(unsigned step) {
        Str s = {};

        (void) str_appendf(&s, "stream=true%s", step_types[step]);
        return str_take(&s);
}

static int pin_ls_on_end(IpfsCall *call) {
        int r;

        if (call->step == 1)
                return 0;
        call->step = 1;
        r = ipfs_call_request(call, pin_ls_arguments(1));
        return r < 0 ? r : 1;
}

static const IpfsCallClass pin_ls_class = {
        .command = "pin/ls",
        .is_work = true,
        .is_stream = true,
        .on_object = pin_ls_on_object,
        .on_item = pin_ls_on_item,
        .on_end = pin_ls_on_end,
        .finish = finish_plain,
};

int ipfs_pin_ls(Ipfs *ipfs, IpfsCall **ret, IpfsPinItem item, IpfsDone done, void *userdata) {
        IpfsCall *call;
        int r;

        r = ipfs_call_new(&call, ipfs, &pin_ls_class, UINT64_MAX, userdata);
        if (r < 0)
                return r;
        call->stall_usec = ipfs->request_timeout_usec;
        call->done.plain = done;
        call->item.pin = item;
        return ipfs_call_start(call, pin_ls_arguments(0), ret);
}
