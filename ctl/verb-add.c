#include <string.h>
#include <unistd.h>

#include "ctl/add/content.h"
#include "ctl/humanize.h"
#include "ctl/output.h"
#include "ctl/verb.h"
#include "ctl/wait.h"
#include "daemon/base/time.h"
#include "daemon/types/pin-info.h"

#define SHARD_SIZE_SENT (100 * 1024 * 1024) /* as the Go client, though nothing is sharded */
#define PROGRESS_USEC (100 * USEC_PER_MSEC)

typedef struct Adding {
        Ctl *ctl;
        CtlContent *content;
        bool shows_progress;
        uint64_t total, told_usec;
        Added last; /* the root, once all is well */
        Str lines;  /* of --no-stream: JSON objects */
} Adding;

/* ---- progress, for a person */

static void progress_hide(const Adding *adding) {
        if (!adding->shows_progress)
                return;
        fputs("\r\033[K", adding->ctl->err);
        fflush(adding->ctl->err);
}

static void progress_show(Adding *adding) {
        uint64_t now = time_monotonic(), sent = ctl_content_sent(adding->content);
        char done[CTL_HUMANIZE_MAX], all[CTL_HUMANIZE_MAX];
        FILE *to = adding->ctl->err;

        if (!adding->shows_progress || now - adding->told_usec < PROGRESS_USEC)
                return;
        adding->told_usec = now;
        fprintf(to, "\r\033[K%s", ctl_humanize_bytes(sent, done));
        if (adding->total > 0)
                fprintf(to,
                        " of %s, %u %%",
                        ctl_humanize_bytes(adding->total, all),
                        (unsigned) (MIN(sent, adding->total) * 100 / adding->total));
        fflush(to);
}

static ssize_t upload_read(void *userdata, char *buffer, size_t max) {
        Adding *adding = userdata;

        progress_show(adding);
        return ctl_content_read(adding->content, buffer, max);
}

static const char *upload_words(void *userdata) {
        return ctl_content_words(((Adding *) userdata)->content);
}

/* ---- what was added */

static int print_cid(Adding *adding, const Added *added) {
        char cid[CID_TEXT_MAX];

        fprintf(adding->ctl->out, "%s\n", cid_format(&added->cid, cid));
        return ferror(adding->ctl->out) ? -EIO : 0;
}

/* At once, also into a pipe: more may take its time. */
static int print_added(Adding *adding, Added *added) {
        const CtlOptions *options = &adding->ctl->options;
        int r;

        progress_hide(adding);
        if ((options->quiet || options->quieter) && !adding->ctl->json)
                r = print_cid(adding, added);
        else
                r = ctl_output_item(adding->ctl, CTL_CALL_ADD, added);
        return r >= 0 && fflush(adding->ctl->out) != 0 ? -errno : r;
}

static int keep_last(Adding *adding, Added *added) {
        added_done(&adding->last);
        adding->last = *added;
        *added = (Added){};
        return 0;
}

/* As text, so that it costs little; they are read again when all are there. */
static int keep_line(Adding *adding, const Added *added) {
        (void) json_write(&added_shape, added, &adding->lines);
        return str_append_char(&adding->lines, '\n');
}

static int on_added(void *item, void *userdata) {
        const CtlOptions *options = &((Adding *) userdata)->ctl->options;
        Adding *adding = userdata;
        Added *added = item;
        int r = 0;

        if (!cid_is_defined(&added->cid))
                return 0;
        if (options->no_stream && !options->quieter)
                r = keep_line(adding, added);
        else if (!options->quieter)
                r = print_added(adding, added);
        return r < 0 ? r : keep_last(adding, added);
}

static int print_line(void *item, void *userdata) {
        return print_added(userdata, item);
}

/* The lines of --no-stream: in JSON one array. */
static int print_kept(Adding *adding) {
        char *line = adding->lines.data, *end;
        int r = 0;

        if (adding->ctl->json)
                return ctl_output_lines(adding->ctl, adding->lines.data ?: "");
        for (; r >= 0 && line && (end = strchr(line, '\n')); line = end + 1)
                r = ctl_call_deliver(CTL_CALL_ADD, line, (size_t) (end - line), print_line, adding, NULL);
        return r;
}

/* ---- the request */

static int read_options(Ctl *ctl, const CtlArguments *args, AddOptions *add) {
        const CtlOptions *options = &ctl->options;
        bool is_car = str_equal(options->format, "car");

        *add = (AddOptions){
                .cid_version = options->cid_version,
                .raw_leaves = options->raw_leaves,
                .wrap = options->wrap || args->n > 1,
                .local = options->local,
                .stream = true,
                .no_pin = options->no_pin,
                .nocopy = options->nocopy,
                .recursive = options->recursive,
                .hidden = options->hidden,
        };
        if (args->n == 0)
                return ctl_verb_fail(ctl, "", "need at least one path");
        if (is_car && add->wrap)
                return ctl_verb_fail(
                                ctl,
                                "",
                                "only a single CAR file can be added and wrap-with-directory is not supported");
        if (!str_equal(options->hash ?: ADD_HASH_DEFAULT, ADD_HASH_DEFAULT) && add->cid_version == 0)
                add->cid_version = 1;
        add->raw_leaves |= add->cid_version > 0 || add->nocopy;
        if (str_copy(&add->layout, options->layout) < 0 ||
            str_copy(&add->chunker, options->chunker ?: ADD_CHUNKER_DEFAULT) < 0 ||
            str_copy(&add->hash, options->hash ?: ADD_HASH_DEFAULT) < 0 ||
            str_copy(&add->format, options->format ?: "unixfs") < 0)
                return ctl_verb_fail(ctl, "", "out of memory");
        return 0;
}

static int open_content(Adding *adding, const CtlArguments *args) {
        const CtlOptions *options = &adding->ctl->options;
        _cleanup_(error_done) Error error = {};
        int r;

        r = ctl_content_open(
                        &adding->content,
                        &(CtlContentOptions){
                                        .paths = args->items,
                                        .n_paths = args->n,
                                        .recursive = options->recursive,
                                        .hidden = options->hidden,
                                        .nocopy = options->nocopy,
                        },
                        &error);
        if (r < 0)
                return ctl_verb_fail(adding->ctl, "", "%s", error_message(&error));

        adding->shows_progress = !options->quiet && !options->quieter && isatty(fileno(adding->ctl->err));
        if (adding->shows_progress)
                adding->total = ctl_content_total(adding->content);
        return 0;
}

static int upload(Adding *adding, const AddOptions *add, const Pin *pin) {
        CtlUpload source = {
                .header = ctl_content_header(adding->content),
                .read = upload_read,
                .words = upload_words,
                .userdata = adding,
        };
        CtlRequest request = { .call = CTL_CALL_ADD, .add = add, .pin = pin, .upload = &source };
        CtlFailure failure = {};
        int r, k = 0;

        r = ctl_backend_call(adding->ctl->backend, &request, on_added, adding, &failure);
        progress_hide(adding);
        if (adding->ctl->options.no_stream && !adding->ctl->options.quieter)
                k = print_kept(adding);
        else if (adding->ctl->options.quieter && cid_is_defined(&adding->last.cid))
                k = print_added(adding, &adding->last);

        if (r < 0)
                return ctl_verb_failed(adding->ctl, &failure, r);
        ctl_failure_done(&failure);
        return k < 0 ? CTL_EXIT_FAILURE : 0;
}

/* ---- --wait */

static int wait_for_root(Adding *adding) {
        _cleanup_(global_pin_info_done) GlobalPinInfo info = {};
        _cleanup_(pin_done) Pin pin = {};
        char text[CID_TEXT_MAX];
        int r;

        r = ctl_verb_fetch(
                        adding->ctl,
                        &(CtlRequest){
                                        .call = CTL_CALL_ALLOCATION,
                                        .subject = cid_format(&adding->last.cid, text),
                        },
                        &pin);
        if (r != 0)
                return r;
        return ctl_wait(adding->ctl, &pin.cid, PIN_STATUS_PINNED, pin.replication_factor_min, &info);
}

static int run_add(Ctl *ctl, const CtlArguments *args) {
        _cleanup_(add_options_done) AddOptions add = {};
        _cleanup_(pin_done) Pin pin = { .shard_size = SHARD_SIZE_SENT };
        Adding adding = { .ctl = ctl };
        int r;

        r = read_options(ctl, args, &add);
        if (r == 0)
                r = ctl_verb_read_pin_options(ctl, &pin);
        if (r == 0)
                r = open_content(&adding, args);
        if (r == 0)
                r = upload(&adding, &add, &pin);
        if (r == 0 && ctl->options.wait && !add.no_pin && cid_is_defined(&adding.last.cid))
                r = wait_for_root(&adding);

        ctl_content_close(adding.content);
        added_done(&adding.last);
        str_done(&adding.lines);
        return r;
}

static const CtlFlag add_flags[] = {
        { { "recursive", "r" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, recursive),
          "Add directory paths recursively" },
        { { "quiet", "q" }, CTL_FLAG_BOOL, offsetof(CtlOptions, quiet), "Write only CIDs to output" },
        { { "quieter", "Q" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, quieter),
          "Write only final hash to output" },
        { { "no-stream" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, no_stream),
          "Buffer output locally. Produces a valid JSON array with --enc=json." },
        { { "local" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, local),
          "Let the peer that is asked be one of those that pin the content" },
        { { "name", "n" }, CTL_FLAG_STRING, offsetof(CtlOptions, name), "Sets a name for this pin" },
        { { "replication-min", "rmin" },
          CTL_FLAG_INT,
          offsetof(CtlOptions, replication_min),
          "Sets the minimum replication factor for pinning this content",
          "0" },
        { { "replication-max", "rmax" },
          CTL_FLAG_INT,
          offsetof(CtlOptions, replication_max),
          "Sets the maximum replication factor for pinning this content",
          "0" },
        { { "expire-in" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, expire_in),
          "Duration after which pin should be unpinned automatically" },
        { { "metadata" },
          CTL_FLAG_LIST,
          offsetof(CtlOptions, metadata),
          "Pin metadata: key=value. Can be added multiple times" },
        { { "allocations", "allocs" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, allocations),
          "Optional comma-separated list of peer IDs",
          .offer = CTL_OFFER_PEER_LIST },
        { { "no-pin" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, no_pin),
          "Do not pin the content, add it to IPFS only" },
        { { "wait" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, wait),
          "Wait for the content to be pinned by as many peers as are to" },
        { { "wait-timeout", "wt" },
          CTL_FLAG_DURATION,
          offsetof(CtlOptions, wait_timeout_usec),
          "How long to --wait (in seconds). Default: forever",
          "0s" },
        { { "wrap-with-directory", "w" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, wrap),
          "Wrap content with a directory object" },
        { { "format" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, format),
          "'unixfs': add as unixfs DAG. 'car': import CAR file",
          "\"unixfs\"",
          .offer = CTL_OFFER_WORDS,
          .words = "unixfs car" },
        { { "layout" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, layout),
          "Dag layout to use for dag generation: balanced or trickle",
          .offer = CTL_OFFER_WORDS,
          .words = "balanced trickle" },
        { { "hidden", "H" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, hidden),
          "Include files that are hidden. Only takes effect on recursive add" },
        { { "chunker", "s" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, chunker),
          "'size-<size>' or 'rabin-<min>-<avg>-<max>'",
          "\"" ADD_CHUNKER_DEFAULT "\"" },
        { { "raw-leaves" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, raw_leaves),
          "Use raw blocks for leaves (experimental)" },
        { { "cid-version" },
          CTL_FLAG_INT,
          offsetof(CtlOptions, cid_version),
          "CID version. Non default implies raw-leaves",
          "0" },
        { { "hash" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, hash),
          "Hash function to use. Implies cid-version=1 if not sha2-256",
          "\"" ADD_HASH_DEFAULT "\"" },
        { { "nocopy" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, nocopy),
          "Add the URL using filestore. Implies raw-leaves. (experimental)" },
        {},
};

const CtlVerb ctl_verb_add = {
        .name = "add",
        .usage = "Add a file or directory to ipfs and pin it in the cluster",
        .arguments = "<path>...",
        .description = "\n"
                       "This command adds content to the IPFS daemon of the peer that is asked, and\n"
                       "pins it in the cluster. The content is given by local paths, by web URLs,\n"
                       "which are fetched from here, or as \"-\" by the standard input.\n"
                       "\n"
                       "It is added as \"ipfs add\" does it, with similar options for the DAG layout,\n"
                       "the chunker, the hash function and so on, so that the CIDs are the same. Several\n"
                       "paths are wrapped with a directory. A CAR file with a single root can be added\n"
                       "with --format car; the options for making DAGs have no effect on it.\n"
                       "\n"
                       "Nothing is pinned unless all of the content was added. The peers to which it is\n"
                       "allocated then get it from the IPFS daemon that has it; --wait waits for them.\n"
                       "With --local, the peer that is asked is one of them.\n",
        .flags = add_flags,
        .run = run_add,
        .offer = CTL_OFFER_FILES,
        .http = true,
};
