#include "ctl/output.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "ctl/humanize.h"
#include "daemon/base/time.h"
#include "daemon/types/metric.h"
#include "daemon/types/peer-info.h"
#include "daemon/types/pin-info.h"
#include "daemon/types/repo-gc.h"

#define JSON_INDENT 4
#define DATE_MAX 32
#define PROTOCOL_WIDTH 25

/* ---- parts */

#define DELETE 0x7f
#define C1_LEAD 0xc2 /* U+0080 to U+009F in UTF-8 begin with it, which terminals obey as well */

/* How many bytes at TEXT a terminal would obey rather than show; 0: none. A tab is harmless. */
static size_t control_length(const char *text) {
        unsigned char first = (unsigned char) text[0], second = (unsigned char) text[1];

        if (first == C1_LEAD && second >= 0x80 && second < 0xa0)
                return 2;
        return (first < ' ' && first != '\t') || first == DELETE ? 1 : 0;
}

/* Names, errors and the like are what anybody may have given a pin or a peer: shown so that they cannot
 * command the terminal, and names not look like another line. */
static void print_bounded(FILE *to, const char *text, bool may_have_lines) {
        size_t n;

        for (; *text; text += MAX(n, 1u)) {
                n = may_have_lines && *text == '\n' ? 0 : control_length(text);
                if (n == 0)
                        fputc(*text, to);
                else if (*text == '\n')
                        fputs("\\n", to);
                else
                        fprintf(to, "\\x%02x", (unsigned char) text[n - 1]);
        }
}

static const char *text_or_empty(const char *text) {
        return text ? text : "";
}

void ctl_output_text(FILE *to, const char *text) {
        print_bounded(to, text, /* may_have_lines= */ false);
}

/* Some errors of a peer are lists, an item a line. */
static void print_error(FILE *to, const char *before, const char *text, const char *after) {
        fputs(before, to);
        print_bounded(to, text, /* may_have_lines= */ true);
        fputs(after, to);
}

static void print_field(FILE *to, const char *before, const char *text, const char *after) {
        fputs(before, to);
        ctl_output_text(to, text);
        fputs(after, to);
}

/* A peer is called by its name, if it has one. */
static const char *name_of(const char *peername, const char *id) {
        return str_is_empty(peername) ? text_or_empty(id) : peername;
}

static void print_upper(FILE *to, const char *text) {
        for (; *text; text++)
                fputc(toupper((unsigned char) *text), to);
}

/* Left-aligned to WIDTH characters, not bytes: names may be in any language. */
static void print_padded(FILE *to, const char *text, int width) {
        ctl_output_text(to, text);
        for (; *text; text++)
                if ((*text & 0xc0) != 0x80)
                        width--;
        for (; width > 0; width--)
                fputc(' ', to);
}

static const char *format_date(uint64_t usec, const char *none, char text[static DATE_MAX]) {
        time_t seconds = usec / USEC_PER_SEC;
        struct tm tm;

        if (usec == 0 || !localtime_r(&seconds, &tm))
                return none;
        strftime(text, DATE_MAX, "%Y-%m-%d %H:%M:%S", &tm);
        return text;
}

static int compare_texts(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Of the elements of a map: the key is their first member, a string. */
static int compare_keys(const void *a, const void *b) {
        return strcmp(text_or_empty(*(char *const *) a), text_or_empty(*(char *const *) b));
}

static void sort_map(JsonArray *map, size_t size) {
        if (map->n > 1)
                qsort(map->items, map->n, size, compare_keys);
}

static void print_addresses(FILE *to, StrList *addresses) {
        if (addresses->n > 1)
                qsort(addresses->items, addresses->n, sizeof(char *), compare_texts);
        for (size_t i = 0; i < addresses->n; i++)
                print_field(to, "    - ", addresses->items[i], "\n");
}

/* ---- items */

static void print_peer(FILE *to, void *item) {
        PeerInfo *info = item;
        char id[PEER_ID_TEXT_MAX];

        fputs(peer_id_format(&info->id, id), to);
        if (!str_is_empty(info->error)) {
                print_error(to, " | ERROR: ", info->error, "\n");
                return;
        }
        print_field(to, " | ", text_or_empty(info->peername), " | ");
        fprintf(to, "Sees %zu other peers\n  > Addresses:\n", MAX(info->cluster_peers.n, 1u) - 1);
        print_addresses(to, &info->addresses);
        if (!str_is_empty(info->ipfs.error)) {
                print_error(to, "  > IPFS ERROR: ", info->ipfs.error, "\n");
                return;
        }
        fprintf(to, "  > IPFS: %s\n", peer_id_format(&info->ipfs.id, id));
        print_addresses(to, &info->ipfs.addresses);
}

static void print_version(FILE *to, void *item) {
        CtlVersion *version = item;

        print_field(to, "", text_or_empty(version->version), "\n");
}

static void print_added(FILE *to, void *item) {
        const Added *added = item;
        char cid[CID_TEXT_MAX];

        fprintf(to, "added %s ", cid_format(&added->cid, cid));
        ctl_output_text(to, text_or_empty(added->name));
        fputc('\n', to);
}

static void print_pin_allocations(FILE *to, const Pin *pin) {
        if (pin_is_everywhere(pin)) {
                fprintf(to, "Repl. Factor: -1 | Allocations: [everywhere]");
                return;
        }
        fprintf(to,
                "Repl. Factor: %" PRIi64 "--%" PRIi64 " | Allocations: [",
                pin->replication_factor_min,
                pin->replication_factor_max);
        for (size_t i = 0; i < pin->allocations.n; i++) {
                char id[PEER_ID_TEXT_MAX];

                fprintf(to, "%s%s", i ? " " : "", peer_id_format(&pin->allocations.items[i], id));
        }
        fprintf(to, "]");
}

static void print_pin_depth(FILE *to, int64_t depth) {
        if (depth == PIN_DEPTH_DIRECT)
                fprintf(to, "Direct");
        else if (depth == PIN_DEPTH_RECURSIVE)
                fprintf(to, "Recursive");
        else
                fprintf(to, "Recursive-%" PRIi64, depth);
}

static int compare_peers(const void *a, const void *b) {
        return peer_id_compare(a, b);
}

static void print_pin(FILE *to, void *item) {
        Pin *pin = item;
        char cid[CID_TEXT_MAX], expires[DATE_MAX], added[DATE_MAX];

        if (pin->allocations.n > 1)
                qsort(pin->allocations.items, pin->allocations.n, sizeof(PeerId), compare_peers);
        fputs(cid_format(&pin->cid, cid), to);
        print_field(to, " | ", text_or_empty(pin->name), " | ");
        print_upper(to, pin_type_to_string(pin->type));
        fprintf(to, "%s | ", pin->mode == PIN_MODE_DIRECT ? "-DIRECT" : "");
        print_pin_allocations(to, pin);
        fprintf(to, " | ");
        print_pin_depth(to, pin->max_depth);
        fprintf(to,
                " | Metadata: %s | Exp: %s | Added: %s\n",
                pin->metadata.n > 0 ? "yes" : "no",
                format_date(pin->expire_at, "\u221e", expires),
                format_date(pin->timestamp, "unknown", added));
}

static void print_pin_info(FILE *to, void *item) {
        GlobalPinInfo *info = item;
        char cid[CID_TEXT_MAX], stamp[TIME_TEXT_MAX];

        fputs(cid_format(&info->cid, cid), to);
        if (!str_is_empty(info->name))
                print_field(to, " | ", info->name, "");
        fprintf(to, ":\n");
        for (size_t i = 0; i < info->peer_map.n; i++) {
                const PinInfo *peer = (PinInfo *) info->peer_map.items + i;

                fputs("    > ", to);
                print_padded(to, name_of(peer->peername, peer->peer), 20);
                fputs(" : ", to);
                print_upper(to, pin_status_to_string(peer->status));
                if (!str_is_empty(peer->error))
                        print_error(to, ": ", peer->error, "");
                fprintf(to,
                        " | %s | Attempts: %" PRIi64 " | Priority: %s\n",
                        time_format(peer->timestamp, stamp),
                        peer->attempt_count,
                        peer->priority_pin ? "true" : "false");
        }
}

static void print_gc_key(FILE *to, const RepoGcKey *key) {
        char cid[CID_TEXT_MAX];

        if (!str_is_empty(key->error))
                print_error(to, "    - ERROR: ", key->error, "\n");
        else
                fprintf(to, "    - %s\n", cid_format(&key->key, cid));
}

static void print_gc(FILE *to, void *item) {
        GlobalRepoGc *gc = item;

        for (size_t i = 0; i < gc->peer_map.n; i++) {
                const RepoGc *peer = (RepoGc *) gc->peer_map.items + i;

                print_padded(to, name_of(peer->peername, peer->key), 15);
                if (!str_is_empty(peer->error))
                        print_error(to, " | ERROR: ", peer->error, "");
                fprintf(to, "\n  > CIDs:\n");
                for (size_t j = 0; j < peer->keys.n; j++)
                        print_gc_key(to, (RepoGcKey *) peer->keys.items + j);
        }
}

static void print_names(FILE *to, void *item) {
        CtlNames *names = item;

        for (size_t i = 0; i < names->names.n; i++)
                print_field(to, "", names->names.items[i], "\n");
}

static void print_metrics(FILE *to, void *item) {
        CtlValues *values = item;
        uint64_t now = time_now();

        for (size_t i = 0; i < values->items.n; i++) {
                const Metric *metric = (Metric *) values->items.items + i;
                char id[PEER_ID_TEXT_MAX], bytes[CTL_HUMANIZE_MAX], expires[CTL_HUMANIZE_MAX];
                bool is_size = str_equal(metric->name, "freespace") && metric->weight > 0;

                fputs(peer_id_format(&metric->peer, id), to);
                print_field(to, " | ", text_or_empty(metric->name), ": ");
                ctl_output_text(to,
                                is_size ? ctl_humanize_bytes(metric->weight, bytes)
                                        : text_or_empty(metric->value));
                fprintf(to,
                        " | Expires in: %s\n",
                        ctl_humanize_time(metric->expire_nsec / 1000, now, expires));
        }
}

static void print_alerts(FILE *to, void *item) {
        CtlValues *values = item;
        uint64_t now = time_now();

        for (size_t i = 0; i < values->items.n; i++) {
                const Alert *alert = (Alert *) values->items.items + i;
                char id[PEER_ID_TEXT_MAX], expired[CTL_HUMANIZE_MAX], triggered[CTL_HUMANIZE_MAX];

                fputs(peer_id_format(&alert->metric.peer, id), to);
                print_field(to, ": ", text_or_empty(alert->metric.name), ". ");
                fprintf(to,
                        "Expired at: %s. Triggered at: %s\n",
                        ctl_humanize_time(alert->metric.expire_nsec / 1000, now, expired),
                        ctl_humanize_time(alert->triggered_at, now, triggered));
        }
}

static void print_bandwidth(FILE *to, void *item) {
        CtlValues *values = item;

        for (size_t i = 0; i < values->items.n; i++) {
                const CtlBandwidth *row = (CtlBandwidth *) values->items.items + i;
                char in[CTL_HUMANIZE_MAX], out[CTL_HUMANIZE_MAX];

                for (size_t width = strlen(row->protocol); width < PROTOCOL_WIDTH; width++)
                        fputc(' ', to);
                ctl_output_text(to, row->protocol);
                fprintf(to,
                        ": In: %7s. Out: %7s. RateIn: %.2fB/s. RateOut: %.2fB/s\n",
                        ctl_humanize_bytes(MAX(row->total_in, 0), in),
                        ctl_humanize_bytes(MAX(row->total_out, 0), out),
                        row->rate_in,
                        row->rate_out);
        }
}

static void print_event(FILE *to, void *item) {
        const CtlEvent *event = item;
        const char *texts[] = { event->cid, event->name, event->status, event->peer, event->error };
        const char *before = ": ";
        char stamp[DATE_MAX];

        fprintf(to, "%s ", format_date(event->time, "", stamp));
        ctl_output_text(to, event->event);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                if (str_is_empty(texts[i]))
                        continue;
                print_field(to, before, texts[i], "");
                before = " | ";
        }
        fputc('\n', to);
        fflush(to); /* somebody waits for it */
}

static const struct {
        void (*print)(FILE *to, void *item);
        size_t map_offset; /* of a JsonArray whose elements are ordered by key, if map_size is not 0 */
        size_t map_size;
        bool is_line; /* also in JSON, and told at once */
} forms[_CTL_CALL_N] = {
        [CTL_CALL_ID] = { print_peer },
        [CTL_CALL_VERSION] = { print_version },
        [CTL_CALL_ADD] = { print_added },
        [CTL_CALL_PEERS] = { print_peer },
        [CTL_CALL_PEER_ADD] = { print_peer },
        [CTL_CALL_PIN] = { print_pin },
        [CTL_CALL_UNPIN] = { print_pin },
        [CTL_CALL_ALLOCATION] = { print_pin },
        [CTL_CALL_ALLOCATIONS] = { print_pin },
        [CTL_CALL_STATUS] = { print_pin_info, offsetof(GlobalPinInfo, peer_map), sizeof(PinInfo) },
        [CTL_CALL_STATUS_LIST] = { print_pin_info, offsetof(GlobalPinInfo, peer_map), sizeof(PinInfo) },
        [CTL_CALL_SYNC] = { print_pin_info, offsetof(GlobalPinInfo, peer_map), sizeof(PinInfo) },
        [CTL_CALL_SYNC_ALL] = { print_pin_info, offsetof(GlobalPinInfo, peer_map), sizeof(PinInfo) },
        [CTL_CALL_RECOVER] = { print_pin_info, offsetof(GlobalPinInfo, peer_map), sizeof(PinInfo) },
        [CTL_CALL_RECOVER_ALL] = { print_pin_info, offsetof(GlobalPinInfo, peer_map), sizeof(PinInfo) },
        [CTL_CALL_GC] = { print_gc, offsetof(GlobalRepoGc, peer_map), sizeof(RepoGc) },
        [CTL_CALL_ALERTS] = { print_alerts },
        [CTL_CALL_BANDWIDTH] = { print_bandwidth, offsetof(CtlValues, items), sizeof(CtlBandwidth) },
        [CTL_CALL_METRIC_NAMES] = { print_names },
        [CTL_CALL_METRICS] = { print_metrics },
        [CTL_CALL_EVENTS] = { print_event, .is_line = true },
};

static_assert(offsetof(PinInfo, peer) == 0, "compare_keys() reads the first member");
static_assert(offsetof(RepoGc, key) == 0, "compare_keys() reads the first member");
static_assert(offsetof(CtlBandwidth, protocol) == 0, "compare_keys() reads the first member");

/* JSON demands that of the characters below U+0020 only. */
static void print_json_text(FILE *to, const char *text) {
        size_t n;

        for (; *text; text += MAX(n, 1u)) {
                n = *text == '\n' ? 0 : control_length(text);
                if (n == 0)
                        fputc(*text, to);
                else
                        fprintf(to, "\\u%04x", (unsigned char) text[n - 1]);
        }
        fputc('\n', to);
}

static int print_json(FILE *to, CtlCall call, const void *item) {
        _cleanup_(str_done) Str text = {}, indented = {};
        int r;

        r = ctl_call_write(call, item, &text);
        if (r >= 0 && forms[call].is_line) {
                print_json_text(to, text.data);
                fflush(to);
                return 0;
        }
        if (r < 0)
                return r;
        r = json_indent(text.data, text.len, JSON_INDENT, &indented);
        if (r < 0)
                return r;
        print_json_text(to, indented.data);
        return 0;
}

static int output_check(FILE *to) {
        return ferror(to) ? -EIO : 0;
}

int ctl_output_item(Ctl *ctl, CtlCall call, void *item) {
        int r = 0;

        if (forms[call].map_size)
                sort_map((JsonArray *) ((char *) item + forms[call].map_offset), forms[call].map_size);
        if (ctl->json)
                r = print_json(ctl->out, call, item);
        else if (forms[call].print)
                forms[call].print(ctl->out, item);
        return r < 0 ? r : output_check(ctl->out);
}

int ctl_output_lines(Ctl *ctl, const char *lines) {
        _cleanup_(str_done) Str text = {}, indented = {};
        int r;

        (void) str_append_char(&text, '[');
        for (size_t n; *lines; lines += n + 1) {
                n = strcspn(lines, "\n");
                (void) str_append(&text, text.len > 1 ? "," : "");
                (void) str_append_bytes(&text, lines, n);
        }
        r = str_append_char(&text, ']');
        if (r >= 0)
                r = json_indent(text.data, text.len, JSON_INDENT, &indented);
        if (r < 0)
                return r;
        print_json_text(ctl->out, indented.data);
        return output_check(ctl->out);
}

int ctl_output_failure(Ctl *ctl, const CtlFailure *failure) {
        _cleanup_(str_done) Str text = {}, indented = {};
        const char *message = failure->message ? failure->message : "out of memory";

        if (!ctl->json) {
                fprintf(ctl->out, "An error occurred:\n  Code: %u\n", failure->code);
                print_error(ctl->out, "  Message: ", message, "\n");
                return output_check(ctl->out);
        }
        (void) str_appendf(&text, "{\"code\":%u,\"message\":", failure->code);
        (void) json_write_string(&text, message);
        if (str_append(&text, "}") < 0 || json_indent(text.data, text.len, JSON_INDENT, &indented) < 0)
                return -ENOMEM;
        print_json_text(ctl->out, indented.data);
        return output_check(ctl->out);
}
