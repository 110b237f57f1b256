#include <string.h>
#include <time.h>

#include "ctl/output.h"
#include "ctl/verb.h"
#include "ctl/wait.h"
#include "daemon/base/time.h"

/* How long a pin or unpin is left alone before its status is asked for. */
#define SETTLE_SEC 1

#define FLAGS_WAIT(status_usage)                                                                            \
        { { "no-status", "ns" }, CTL_FLAG_BOOL, offsetof(CtlOptions, no_status), status_usage },            \
                        { { "wait", "w" },                                                                  \
                          CTL_FLAG_BOOL,                                                                    \
                          offsetof(CtlOptions, wait),                                                       \
                          "Wait for the pin to reach the minimum replication factor before returning" },    \
                        { { "wait-limit", "wl" },                                                           \
                          CTL_FLAG_INT,                                                                     \
                          offsetof(CtlOptions, wait_limit),                                                 \
                          "How many peers should reach the desired status to finish waiting",               \
                          "0" },                                                                            \
        {                                                                                                   \
                { "wait-timeout", "wt" }, CTL_FLAG_DURATION, offsetof(CtlOptions, wait_timeout_usec),       \
                                "How long to --wait (in seconds). Default: forever", "0s"                   \
        }

/* ---- what is pinned */

/* Why "/<namespace>/<root>[/…]" is none; NULL: it is one. */
static const char *path_problem(const char *path, char text[static 128]) {
        const char *namespace = path + 1, *root, *why = NULL;
        size_t n = strcspn(namespace, "/"), m;
        Cid cid;

        root = namespace + n + (namespace[n] == '/');
        m = strcspn(root, "/");
        if (n == 0 || m == 0)
                return "path does not have enough components";
        if (n == 4 && strncmp(namespace, "ipns", n) == 0)
                return NULL;
        if (n == 4 && (strncmp(namespace, "ipfs", n) == 0 || strncmp(namespace, "ipld", n) == 0)) {
                if (cid_parse_n(root, m, &cid, &why) >= 0)
                        return NULL;
                (void) snprintf(text, 128, "invalid cid: %s", why);
                return text;
        }
        (void) snprintf(text, 128, "unknown namespace: \"%.*s\"", (int) MIN(n, 32u), namespace);
        return text;
}

/* A path, or a CID, which is a path below /ipfs. */
static int read_path(Ctl *ctl, const char *argument, char **ret) {
        _cleanup_free_ char *path = NULL;
        const char *problem;
        char text[128];

        if (asprintf(&path, "%s%s", argument[0] == '/' ? "" : "/ipfs/", argument) < 0) {
                path = NULL;
                return ctl_verb_fail(ctl, "", "out of memory");
        }
        problem = path_problem(path, text);
        if (problem)
                return ctl_verb_fail(ctl, "", "invalid path \"%s\": %s", path, problem);
        *ret = TAKE_PTR(path);
        return 0;
}

/* ---- options */

static int read_expire_in(Ctl *ctl, Pin *pin) {
        const char *text = ctl->options.expire_in;
        int64_t usec;

        if (str_is_empty(text))
                return 0;
        if (duration_parse(text, &usec) < 0)
                return ctl_verb_fail(ctl, "parsing expire-in", "time: invalid duration \"%s\"", text);
        if (usec <= 0)
                return ctl_verb_fail(ctl, "parsing expire-in", "\"%s\" is not in the future", text);
        pin->expire_at = time_now() + usec;
        return 0;
}

static int read_allocations(Ctl *ctl, Pin *pin) {
        _cleanup_(str_list_done) StrList texts = {};
        static const char doing[] = "decoding allocations";

        if (str_is_empty(ctl->options.allocations))
                return 0;
        if (str_list_split(&texts, ctl->options.allocations, ',') < 0)
                return ctl_verb_fail(ctl, doing, "out of memory");
        for (size_t i = 0; i < texts.n; i++) {
                PeerId id;

                if (peer_id_parse(texts.items[i], &id) < 0)
                        return ctl_verb_fail(ctl, doing, "some peer IDs could not be decoded");
                if (peer_id_list_append(&pin->user_allocations, &id) < 0)
                        return ctl_verb_fail(ctl, doing, "out of memory");
        }
        return 0;
}

static int read_metadata(Ctl *ctl, Pin *pin) {
        static const char doing[] = "parsing metadata";
        const StrList *pairs = &ctl->options.metadata;

        for (size_t i = 0; i < pairs->n; i++) {
                char *equals = strchr(pairs->items[i], '=');

                if (!equals || equals == pairs->items[i])
                        return ctl_verb_fail(ctl, doing, "metadata were not in the format key=value");
                *equals = '\0';
                if (str_map_set(&pin->metadata, pairs->items[i], equals + 1) < 0)
                        return ctl_verb_fail(ctl, doing, "out of memory");
        }
        return 0;
}

static int read_mode(Ctl *ctl, Pin *pin) {
        const char *mode = ctl->options.mode;

        if (strcmp(mode, pin_mode_to_string(PIN_MODE_RECURSIVE)) != 0 &&
            strcmp(mode, pin_mode_to_string(PIN_MODE_DIRECT)) != 0)
                return ctl_verb_fail(ctl, "parsing mode", "\"%s\" is neither recursive nor direct", mode);
        pin->mode = pin_mode_from_string(mode);
        return 0;
}

int ctl_verb_read_pin_options(Ctl *ctl, Pin *pin) {
        const CtlOptions *options = &ctl->options;
        int r;

        pin->replication_factor_min = options->replication_min;
        pin->replication_factor_max = options->replication_max;
        if (options->replication != 0)
                pin->replication_factor_min = pin->replication_factor_max = options->replication;
        if (str_copy(&pin->name, options->name) < 0)
                return ctl_verb_fail(ctl, "", "out of memory");
        r = read_mode(ctl, pin);
        if (r == 0)
                r = read_allocations(ctl, pin);
        if (r == 0)
                r = read_expire_in(ctl, pin);
        return r != 0 ? r : read_metadata(ctl, pin);
}

/* ---- what is shown afterwards */

static int show_pin_info(Ctl *ctl, GlobalPinInfo *info) {
        return ctl_output_item(ctl, CTL_CALL_STATUS, info) < 0 ? CTL_EXIT_FAILURE : 0;
}

static int show_status(Ctl *ctl, const Cid *cid) {
        char text[CID_TEXT_MAX];
        struct timespec settle = { .tv_sec = SETTLE_SEC };

        while (nanosleep(&settle, &settle) < 0 && errno == EINTR)
                ;
        return ctl_verb_show(
                        ctl, &(CtlRequest){ .call = CTL_CALL_STATUS, .subject = cid_format(cid, text) });
}

/* Send the request, whose answer is the pin, and follow it as the flags say. */
static int change_pin(Ctl *ctl, const CtlRequest *request, PinStatus target) {
        _cleanup_(global_pin_info_done) GlobalPinInfo info = {};
        _cleanup_(pin_done) Pin pin = {};
        int r;

        r = ctl_verb_fetch(ctl, request, &pin);
        if (r != 0)
                return r;
        if (ctl->options.wait) {
                int64_t factor = target == PIN_STATUS_PINNED ? pin.replication_factor_min : 0;

                r = ctl_wait(ctl, &pin.cid, target, factor, &info);
                if (r != 0)
                        return r;
        }
        if (ctl->options.no_status)
                return ctl_output_item(ctl, request->call, &pin) < 0 ? CTL_EXIT_FAILURE : 0;
        return ctl->options.wait ? show_pin_info(ctl, &info) : show_status(ctl, &pin.cid);
}

/* ---- pin add */

static int run_pin_add(Ctl *ctl, const CtlArguments *args) {
        _cleanup_free_ char *path = NULL;
        _cleanup_(pin_done) Pin pin = {};
        int r;

        r = read_path(ctl, ctl_argument(args, 0), &path);
        if (r == 0)
                r = ctl_verb_read_pin_options(ctl, &pin);
        if (r != 0)
                return r;
        return change_pin(
                        ctl,
                        &(CtlRequest){ .call = CTL_CALL_PIN, .subject = path, .pin = &pin },
                        PIN_STATUS_PINNED);
}

static const CtlFlag pin_add_flags[] = {
        { { "replication", "r" },
          CTL_FLAG_INT,
          offsetof(CtlOptions, replication),
          "Sets a custom replication factor (overrides -rmax and -rmin)",
          "0" },
        { { "replication-min", "rmin" },
          CTL_FLAG_INT,
          offsetof(CtlOptions, replication_min),
          "Sets the minimum replication factor for this pin",
          "0" },
        { { "replication-max", "rmax" },
          CTL_FLAG_INT,
          offsetof(CtlOptions, replication_max),
          "Sets the maximum replication factor for this pin",
          "0" },
        { { "allocations", "allocs" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, allocations),
          "Optional comma-separated list of peer IDs",
          .offer = CTL_OFFER_PEER_LIST },
        { { "name", "n" }, CTL_FLAG_STRING, offsetof(CtlOptions, name), "Sets a name for this pin" },
        { { "mode" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, mode),
          "Select a way to pin: recursive or direct",
          "\"recursive\"",
          .offer = CTL_OFFER_WORDS,
          .words = "recursive direct" },
        { { "expire-in" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, expire_in),
          "Duration after which pin should be unpinned automatically" },
        { { "metadata" },
          CTL_FLAG_LIST,
          offsetof(CtlOptions, metadata),
          "Pin metadata: key=value. Can be added multiple times" },
        FLAGS_WAIT("Prevents fetching pin status after pinning (faster, quieter)"),
        {},
};

static const CtlVerb verb_pin_add = {
        .name = "add",
        .usage = "Pin an item in the cluster",
        .arguments = "<CID|Path>",
        .description = "\n"
                       "This command tells IPFS Cluster to start managing a CID. Depending on\n"
                       "the pinning strategy, this will trigger IPFS pin requests. The CID will\n"
                       "become part of the Cluster's state and will tracked from this point.\n"
                       "\n"
                       "When the request has succeeded, the command returns the status of the CID\n"
                       "in the cluster and should be part of the list offered by \"pin ls\".\n"
                       "\n"
                       "An optional replication factor can be provided: -1 means \"pin everywhere\"\n"
                       "and 0 means use cluster's default setting (i.e., replication factor set in\n"
                       "config). Positive values indicate how many peers should pin this content.\n"
                       "\n"
                       "An optional allocations argument can be provided, allocations should be a\n"
                       "comma-separated list of peer IDs on which we want to pin. Peers in allocations\n"
                       "are prioritized over automatically-determined ones, but replication factors\n"
                       "would still be respected.\n",
        .flags = pin_add_flags,
        .run = run_pin_add,
};

/* ---- pin rm */

static int run_pin_rm(Ctl *ctl, const CtlArguments *args) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = read_path(ctl, ctl_argument(args, 0), &path);
        if (r != 0)
                return r;
        return change_pin(
                        ctl, &(CtlRequest){ .call = CTL_CALL_UNPIN, .subject = path }, PIN_STATUS_UNPINNED);
}

static const CtlFlag pin_rm_flags[] = {
        FLAGS_WAIT("Prevents fetching pin status after unpinning (faster, quieter)"),
        {},
};

static const CtlVerb verb_pin_rm = {
        .name = "rm",
        .usage = "Unpin an item from the cluster",
        .arguments = "<CID|Path>",
        .offer = CTL_OFFER_CIDS,
        .description = "\n"
                       "This command tells IPFS Cluster to no longer manage a CID. This will\n"
                       "trigger unpinning operations in all the IPFS nodes holding the content.\n"
                       "\n"
                       "When the request has succeeded, the command returns the status of the CID\n"
                       "in the cluster. The CID should disappear from the list offered by \"pin ls\",\n"
                       "although unpinning operations in the cluster may take longer or fail.\n",
        .flags = pin_rm_flags,
        .run = run_pin_rm,
};

/* ---- pin update */

static int run_pin_update(Ctl *ctl, const CtlArguments *args) {
        _cleanup_free_ char *path = NULL;
        _cleanup_(pin_done) Pin pin = {};
        char old[CID_TEXT_MAX];
        int r;

        r = ctl_verb_read_cid(ctl, "parsing from Cid", ctl_argument(args, 0), old);
        if (r == 0)
                r = read_path(ctl, ctl_argument(args, 1), &path);
        if (r == 0)
                r = ctl_verb_read_pin_options(ctl, &pin);
        if (r != 0)
                return r;
        (void) cid_parse(old, &pin.pin_update, NULL);
        return change_pin(
                        ctl,
                        &(CtlRequest){ .call = CTL_CALL_PIN, .subject = path, .pin = &pin },
                        PIN_STATUS_PINNED);
}

static const CtlFlag pin_update_flags[] = {
        { { "name", "n" }, CTL_FLAG_STRING, offsetof(CtlOptions, name), "Sets a name for this updated pin" },
        { { "expire-in" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, expire_in),
          "Duration after which the pin should be unpinned automatically after updating" },
        FLAGS_WAIT("Prevents fetching pin status after updating (faster, quieter)"),
        {},
};

static const CtlVerb verb_pin_update = {
        .name = "update",
        .usage = "Pin a new item based on an existing one",
        .arguments = "<existing-CID> <new-CID|Path>",
        .offer = CTL_OFFER_CIDS,
        .description = "\n"
                       "This command will add a new pin to the cluster taking all the options from an\n"
                       "existing one, including name. This means that the new pin will bypass the\n"
                       "allocation process and will be allocated to the same peers as the existing\n"
                       "one.\n"
                       "\n"
                       "The cluster peers will try to Pin the new item on IPFS using the \"pin update\"\n"
                       "command. This is especially efficient when the content of two pins (their DAGs)\n"
                       "are similar.\n"
                       "\n"
                       "Unlike the \"pin update\" command in the ipfs daemon, this will not unpin the\n"
                       "existing item from the cluster. Please run \"pin rm\" for that.\n",
        .flags = pin_update_flags,
        .run = run_pin_update,
};

/* ---- pin ls */

/* The names of the types in FILTER, as the server takes them. What it does not name is dropped, as the Go
 * program drops it: nothing known lists everything. */
static int write_type_filter(const char *filter, Str *to) {
        static const PinType types[] = {
                PIN_TYPE_DATA, PIN_TYPE_META, PIN_TYPE_CLUSTER_DAG, PIN_TYPE_SHARD
        };
        PinType mask = pin_type_filter(filter);

        if ((mask & PIN_TYPE_ALL) == PIN_TYPE_ALL)
                return str_append(to, pin_type_to_string(PIN_TYPE_ALL));
        (void) str_append(to, "");
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                if (!(mask & types[i]))
                        continue;
                if (to->len > 0)
                        (void) str_append_char(to, ',');
                (void) str_append(to, pin_type_to_string(types[i]));
        }
        return str_error(to);
}

static int pin_ls_all(Ctl *ctl) {
        _cleanup_(str_done) Str filter = {};

        if (write_type_filter(ctl->options.filter, &filter) < 0)
                return ctl_verb_fail(ctl, "", "out of memory");
        return ctl_verb_show(ctl, &(CtlRequest){ .call = CTL_CALL_ALLOCATIONS, .filter = filter.data });
}

static int run_pin_ls(Ctl *ctl, const CtlArguments *args) {
        char cid[CID_TEXT_MAX];
        int r;

        if (args->n == 0)
                return pin_ls_all(ctl);
        r = ctl_verb_read_cid(ctl, "parsing cid", args->items[0], cid);
        if (r != 0)
                return r;
        return ctl_verb_show(ctl, &(CtlRequest){ .call = CTL_CALL_ALLOCATION, .subject = cid });
}

static const CtlFlag pin_ls_flags[] = {
        { { "filter" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, filter),
          "Comma separated list of pin types. See help above.",
          "\"all\"",
          .offer = CTL_OFFER_LIST,
          .words = "all pin meta-pin clusterdag-pin shard-pin" },
        {},
};

static const CtlVerb verb_pin_ls = {
        .name = "ls",
        .usage = "List items in the cluster pinset",
        .arguments = "[CID]",
        .offer = CTL_OFFER_CIDS,
        .description = "\n"
                       "This command will list the CIDs which are tracked by IPFS Cluster and to\n"
                       "which peers they are currently allocated. This list does not include\n"
                       "any monitoring information about the IPFS status of the CIDs, it\n"
                       "merely represents the list of pins which are part of the shared state of\n"
                       "the cluster. For IPFS-status information about the pins, use \"status\".\n"
                       "\n"
                       "The filter only takes effect when listing all pins. The possible values are:\n"
                       "  - all (default)\n"
                       "  - pin (normal pins, recursive or direct)\n"
                       "  - meta-pin (sharded pins)\n"
                       "  - clusterdag-pin (sharding-dag root pins)\n"
                       "  - shard-pin (individual shard pins)\n",
        .flags = pin_ls_flags,
        .run = run_pin_ls,
};

const CtlVerb ctl_verb_pin = {
        .name = "pin",
        .usage = "Pin and unpin and list items in IPFS Cluster",
        .verbs = (const CtlVerb *const[]){ &verb_pin_add,
                                           &verb_pin_rm,
                                           &verb_pin_update,
                                           &verb_pin_ls,
                                           NULL },
};
