#include "daemon/tracker/wire.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/varint.h"

#define ENTRY_DETAILS 1
#define PAGE_COMPLETE 1
#define PAGE_LAST 2

/* ---- writing; Str remembers a failure, so the last call's answer counts */

static int put(Str *to, uint64_t value) {
        uint8_t bytes[VARINT_MAX_BYTES];

        return str_append_bytes(to, bytes, varint_write(value, bytes));
}

static int put_bytes(Str *to, const void *bytes, size_t n) {
        (void) put(to, n);
        return n > 0 ? str_append_bytes(to, bytes, n) : str_error(to);
}

/* What Kubo says need not be UTF-8. */
static int put_text(Str *to, const char *text) {
        char copy[TRACKER_WIRE_TEXT_MAX];
        size_t n;

        text = text ?: "";
        n = str_utf8_cut(text, sizeof(copy));
        memcpy(copy, text, n);
        for (size_t i = 0, rune; i < n; i += MAX(rune, (size_t) 1)) {
                rune = str_utf8_rune(copy + i, n - i);
                if (rune == 0)
                        copy[i] = '?';
        }
        return put_bytes(to, copy, n);
}

static int put_cids(Str *to, const Cid *cids, size_t n) {
        int r;

        assert(n <= TRACKER_WIRE_CIDS_MAX);

        r = put(to, n);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = put_bytes(to, cids[i].bytes, cids[i].size);
        return r;
}

int tracker_wire_write_question(Str *to, const TrackerQuestion *question) {
        (void) put(to, TRACKER_WIRE_FORMAT);
        (void) put(to, question->verb);
        (void) put(to, question->filter);
        return put_cids(to, question->cids, question->n);
}

int tracker_wire_write_head(Str *to, const PinInfo *who) {
        size_t n = MIN(who->ipfs_peer_addresses.n, (size_t) TRACKER_WIRE_ADDRESSES_MAX);
        int r;

        (void) put(to, TRACKER_WIRE_FORMAT);
        (void) put_text(to, who->peername);
        (void) put_bytes(to, who->ipfs_peer_id.bytes, who->ipfs_peer_id.size);
        r = put(to, n);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = put_text(to, who->ipfs_peer_addresses.items[i]);
        return r;
}

int tracker_wire_write_entry(Str *to, const PinInfo *info, bool is_settled) {
        if (!info)
                return put(to, 0);
        if (is_settled)
                return put(to, (uint64_t) info->status << 1);
        (void) put(to, (uint64_t) info->status << 1 | ENTRY_DETAILS);
        (void) put(to, info->timestamp);
        (void) put(to, (uint64_t) MAX(info->attempt_count, INT64_C(0)));
        (void) put(to, info->priority_pin);
        return put_text(to, info->error);
}

int tracker_wire_write_page_question(Str *to, const TrackerPageQuestion *question) {
        (void) put(to, TRACKER_WIRE_FORMAT);
        (void) put(to, question->filter);
        (void) put(to, question->position.source);
        (void) put(to, question->position.number);
        return put(to, question->max);
}

int tracker_wire_write_page(Str *to, const TrackerPage *page) {
        (void) put(to, TRACKER_WIRE_FORMAT);
        (void) put(to, (page->is_complete ? PAGE_COMPLETE : 0) | (page->is_last ? PAGE_LAST : 0));
        (void) put(to, page->position.source);
        (void) put(to, page->position.number);
        return put_cids(to, page->cids, page->n);
}

int tracker_wire_write_cids(Str *to, const Cid *cids, size_t n) {
        (void) put(to, TRACKER_WIRE_FORMAT);
        return put_cids(to, cids, n);
}

/* ---- reading; a reader that has met something wrong stays bad and answers zeros */

static uint64_t get(TrackerWireReader *reader, uint64_t max) {
        uint64_t value;
        ssize_t n;

        n = reader->is_bad ? -1
                           : varint_read_protobuf(reader->at, (size_t) (reader->end - reader->at), &value);
        if (n < 0 || value > max) {
                reader->is_bad = true;
                return 0;
        }
        reader->at += n;
        return value;
}

static const uint8_t *get_bytes(TrackerWireReader *reader, size_t max, size_t *ret_n) {
        const uint8_t *at;
        size_t n;

        n = get(reader, max);
        if (n > (size_t) (reader->end - reader->at))
                reader->is_bad = true;
        *ret_n = reader->is_bad ? 0 : n;
        at = reader->at;
        reader->at += *ret_n;
        return at;
}

static const char *get_text(TrackerWireReader *reader, size_t *ret_n) {
        const char *text = (const char *) get_bytes(reader, TRACKER_WIRE_TEXT_MAX, ret_n);

        if (!str_is_utf8(text, *ret_n) || memchr(text, 0, *ret_n)) {
                reader->is_bad = true;
                *ret_n = 0;
        }
        return text;
}

static char *get_text_copy(TrackerWireReader *reader) {
        size_t n;
        const char *text = get_text(reader, &n);

        return strndup(text, n);
}

static void get_cid(TrackerWireReader *reader, Cid *ret) {
        size_t n;
        const uint8_t *bytes = get_bytes(reader, CID_BYTES_MAX, &n);

        if (!reader->is_bad && cid_from_bytes(bytes, n, ret) < 0)
                reader->is_bad = true;
}

/* A CID has a byte at least: the number says nothing about memory that the bytes do not back. */
static int get_cids(TrackerWireReader *reader, Cid **ret, size_t *ret_n) {
        size_t n = get(reader, TRACKER_WIRE_CIDS_MAX);

        if (n > (size_t) (reader->end - reader->at))
                reader->is_bad = true;
        if (reader->is_bad)
                return -EBADMSG;

        *ret = calloc(n + 1, sizeof(Cid));
        if (!*ret)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                get_cid(reader, &(*ret)[i]);
        *ret_n = n;
        return 0;
}

static int begin(TrackerWireReader *reader, const void *bytes, size_t size) {
        uint64_t format;

        *reader = (TrackerWireReader){ .at = bytes, .end = (const uint8_t *) bytes + size };
        format = get(reader, UINT64_MAX);
        if (reader->is_bad)
                return -EBADMSG;
        return format == TRACKER_WIRE_FORMAT ? 0 : -EPROTONOSUPPORT;
}

static int finish(const TrackerWireReader *reader) {
        return reader->is_bad || reader->at != reader->end ? -EBADMSG : 0;
}

int tracker_wire_read_question(const void *bytes, size_t size, TrackerQuestion *ret) {
        TrackerQuestion question = {};
        TrackerWireReader reader;
        int r;

        r = begin(&reader, bytes, size);
        if (r < 0)
                return r;
        question.verb = (TrackerVerb) get(&reader, _TRACKER_VERB_N - 1);
        question.filter = (PinStatus) get(&reader, INT32_MAX);
        r = get_cids(&reader, &question.cids, &question.n);
        if (r >= 0)
                r = finish(&reader);
        if (r < 0) {
                tracker_wire_question_done(&question);
                return r;
        }
        *ret = question;
        return 0;
}

void tracker_wire_question_done(TrackerQuestion *question) {
        free(question->cids);
        *question = (TrackerQuestion){};
}

static int get_addresses(TrackerWireReader *reader, StrList *ret) {
        size_t n = get(reader, TRACKER_WIRE_ADDRESSES_MAX);
        int r = 0;

        for (size_t i = 0; i < n && !reader->is_bad && r >= 0; i++)
                r = str_list_append_take(ret, get_text_copy(reader));
        return r;
}

int tracker_wire_read_answer(
                const void *bytes, size_t size, PinInfo *ret_who, TrackerWireReader *ret_reader) {
        const uint8_t *id;
        PinInfo who = {};
        size_t n;
        int r;

        r = begin(ret_reader, bytes, size);
        if (r < 0)
                return r;
        who.peername = get_text_copy(ret_reader);
        id = get_bytes(ret_reader, PEER_ID_BYTES_MAX, &n);
        if (n > 0 && peer_id_from_bytes(id, n, &who.ipfs_peer_id) < 0)
                ret_reader->is_bad = true;
        r = get_addresses(ret_reader, &who.ipfs_peer_addresses);
        if (r < 0 || !who.peername)
                r = -ENOMEM;
        else if (ret_reader->is_bad)
                r = -EBADMSG;
        if (r < 0) {
                json_done(&pin_info_shape, &who);
                return r;
        }
        *ret_who = who;
        return 0;
}

static bool is_status(uint64_t status) {
        return status == 0 || (status <= PIN_STATUS_UNEXPECTEDLY_UNPINNED && (status & (status - 1)) == 0 &&
                               status >= PIN_STATUS_CLUSTER_ERROR);
}

int tracker_wire_next_entry(TrackerWireReader *reader, TrackerWireEntry *ret) {
        TrackerWireEntry entry = {};
        uint64_t head;

        if (!reader->is_bad && reader->at == reader->end)
                return 0;
        head = get(reader, UINT32_MAX);
        if (!is_status(head >> 1))
                reader->is_bad = true;
        entry.status = (PinStatus) (head >> 1);
        entry.is_settled = !(head & ENTRY_DETAILS);
        if (!entry.is_settled) {
                entry.timestamp = get(reader, UINT64_MAX);
                entry.attempts = get(reader, INT64_MAX);
                entry.priority = get(reader, 1) != 0;
                entry.error = get_text(reader, &entry.error_size);
        }
        if (reader->is_bad)
                return -EBADMSG;
        *ret = entry;
        return 1;
}

static TrackerPosition get_position(TrackerWireReader *reader) {
        TrackerPosition position = {};

        position.source = get(reader, UINT64_MAX);
        position.number = get(reader, UINT64_MAX);
        return position;
}

int tracker_wire_read_page_question(const void *bytes, size_t size, TrackerPageQuestion *ret) {
        TrackerPageQuestion question = {};
        TrackerWireReader reader;
        int r;

        r = begin(&reader, bytes, size);
        if (r < 0)
                return r;
        question.filter = (PinStatus) get(&reader, INT32_MAX);
        question.position = get_position(&reader);
        question.max = get(&reader, TRACKER_WIRE_CIDS_MAX);
        r = finish(&reader);
        if (r >= 0)
                *ret = question;
        return r;
}

int tracker_wire_read_page(const void *bytes, size_t size, TrackerPage *ret) {
        TrackerWireReader reader;
        TrackerPage page = {};
        uint64_t flags;
        int r;

        r = begin(&reader, bytes, size);
        if (r < 0)
                return r;
        flags = get(&reader, PAGE_COMPLETE | PAGE_LAST);
        page.is_complete = (flags & PAGE_COMPLETE) != 0;
        page.is_last = (flags & PAGE_LAST) != 0;
        page.position = get_position(&reader);
        r = get_cids(&reader, &page.cids, &page.n);
        if (r >= 0)
                r = finish(&reader);
        if (r < 0) {
                tracker_wire_page_done(&page);
                return r;
        }
        *ret = page;
        return 0;
}

void tracker_wire_page_done(TrackerPage *page) {
        free(page->cids);
        *page = (TrackerPage){};
}

int tracker_wire_read_cids(const void *bytes, size_t size, Cid **ret, size_t *ret_n) {
        _cleanup_free_ Cid *cids = NULL;
        TrackerWireReader reader;
        size_t n = 0;
        int r;

        r = begin(&reader, bytes, size);
        if (r >= 0)
                r = get_cids(&reader, &cids, &n);
        if (r >= 0)
                r = finish(&reader);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(cids);
        *ret_n = n;
        return 0;
}
