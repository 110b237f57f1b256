#include <string.h>

#include "daemon/tracker/wire.h"
#include "tests/lib/fault.h"
#include "tests/unit/tracker/fixture.h"

#define IPFS_ID "12D3KooWM2WYcBTEbzc6TZhTMNCTDGdE1qN6AKskWYpbG4uVBJTc"

/* Every cut of what is right is wrong. */
#define ASSERT_CUTS(text, read)                                                                             \
        for (size_t _cut = 0; _cut < (text).len; _cut++) {                                                  \
                g_autofree char *part = g_memdup2((text).data, MAX(_cut, (size_t) 1));                      \
                size_t part_size = _cut;                                                                    \
                int _r = (read);                                                                            \
                                                                                                            \
                if (_r != -EBADMSG)                                                                         \
                        g_error("cut to %zu bytes: %d", _cut, _r);                                          \
        }

static void test_question(void) {
        Cid cids[] = { item_cid(1), item_cid(2), item_cid(3) };
        TrackerQuestion in = { TRACKER_VERB_REQUEUE, PIN_STATUS_ERROR, cids, ELEMENTSOF(cids) }, out,
                        none = {};
        _cleanup_(str_done) Str text = {};

        g_assert_cmpint(tracker_wire_write_question(&text, &in), ==, 0);
        g_assert_cmpint(tracker_wire_read_question(text.data, text.len, &out), ==, 0);
        g_assert_cmpint(out.verb, ==, in.verb);
        g_assert_cmpint(out.filter, ==, in.filter);
        g_assert_cmpuint(out.n, ==, in.n);
        for (size_t i = 0; i < in.n; i++)
                g_assert_true(cid_equal(&out.cids[i], &cids[i]));
        tracker_wire_question_done(&out);
        ASSERT_CUTS(text, tracker_wire_read_question(part, part_size, &out));

        (void) str_append_char(&text, 0);
        g_assert_cmpint(tracker_wire_read_question(text.data, text.len, &out), ==, -EBADMSG);

        str_reset(&text);
        g_assert_cmpint(tracker_wire_write_question(&text, &none), ==, 0);
        g_assert_cmpint(tracker_wire_read_question(text.data, text.len, &out), ==, 0);
        g_assert_cmpuint(out.n, ==, 0);
        tracker_wire_question_done(&out);
}

static int read_all(const void *bytes, size_t size, size_t *ret_n) {
        TrackerWireReader reader;
        TrackerWireEntry entry;
        PinInfo who = {};
        int r;

        *ret_n = 0;
        r = tracker_wire_read_answer(bytes, size, &who, &reader);
        if (r < 0)
                return r;
        while ((r = tracker_wire_next_entry(&reader, &entry)) > 0)
                (*ret_n)++;
        json_done(&pin_info_shape, &who);
        return r;
}

static void write_head(Str *text) {
        PinInfo who = { .peername = (char *) "pétèr" };

        g_assert_cmpint(peer_id_parse(IPFS_ID, &who.ipfs_peer_id), ==, 0);
        g_assert_cmpint(str_list_append(&who.ipfs_peer_addresses, "/dns4/example.org/tcp/4001"), ==, 0);
        g_assert_cmpint(tracker_wire_write_head(text, &who), ==, 0);
        str_list_done(&who.ipfs_peer_addresses);
}

static void test_answer(void) {
        const PinInfo settled = { .status = PIN_STATUS_PINNED, .timestamp = 5 },
                      failed = { .status = PIN_STATUS_PIN_ERROR,
                                 .timestamp = 1795262161000000,
                                 .attempt_count = 7,
                                 .priority_pin = true,
                                 .error = (char *) "it’s gone" };
        _cleanup_(str_done) Str text = {};
        char id[PEER_ID_TEXT_MAX];
        TrackerWireReader reader;
        TrackerWireEntry entry;
        PinInfo who;
        size_t n, n_head;

        write_head(&text);
        n_head = text.len;
        g_assert_cmpint(tracker_wire_write_entry(&text, &settled, true), ==, 0);
        g_assert_cmpint(tracker_wire_write_entry(&text, NULL, false), ==, 0);
        g_assert_cmpint(tracker_wire_write_entry(&text, &failed, false), ==, 0);

        g_assert_cmpint(tracker_wire_read_answer(text.data, text.len, &who, &reader), ==, 0);
        g_assert_cmpstr(who.peername, ==, "pétèr");
        g_assert_cmpstr(peer_id_format(&who.ipfs_peer_id, id), ==, IPFS_ID);
        g_assert_cmpuint(who.ipfs_peer_addresses.n, ==, 1);
        g_assert_cmpstr(who.ipfs_peer_addresses.items[0], ==, "/dns4/example.org/tcp/4001");
        json_done(&pin_info_shape, &who);

        g_assert_cmpint(tracker_wire_next_entry(&reader, &entry), ==, 1);
        g_assert_cmpint(entry.status, ==, PIN_STATUS_PINNED);
        g_assert_true(entry.is_settled);
        g_assert_cmpint(tracker_wire_next_entry(&reader, &entry), ==, 1);
        g_assert_cmpint(entry.status, ==, 0);
        g_assert_cmpint(tracker_wire_next_entry(&reader, &entry), ==, 1);
        g_assert_cmpint(entry.status, ==, PIN_STATUS_PIN_ERROR);
        g_assert_false(entry.is_settled);
        g_assert_cmpuint(entry.timestamp, ==, failed.timestamp);
        g_assert_cmpuint(entry.attempts, ==, 7);
        g_assert_true(entry.priority);
        g_assert_cmpmem(entry.error, entry.error_size, failed.error, strlen(failed.error));
        g_assert_cmpint(tracker_wire_next_entry(&reader, &entry), ==, 0);

        for (size_t cut = 0; cut < text.len; cut++) {
                g_autofree char *part = g_memdup2(text.data, MAX(cut, (size_t) 1));
                int r = read_all(part, cut, &n);

                if (r != (cut >= n_head && cut <= n_head + 2 ? 0 : -EBADMSG))
                        g_error("cut to %zu bytes: %d", cut, r);
        }
}

static void test_answer_texts(void) {
        static const struct {
                const char *in, *out;
        } cases[] = {
                { NULL, "" },
                { "", "" },
                { "\xff\xfe no \xc3", "?? no ?" },
                { "caf\xc3\xa9", "caf\xc3\xa9" },
        };
        g_autofree char *long_text = g_strnfill(3000, 'x');
        PinInfo info = { .status = PIN_STATUS_PINNING };

        for (size_t i = 0; i <= ELEMENTSOF(cases); i++) {
                _cleanup_(str_done) Str text = {};
                TrackerWireReader reader;
                TrackerWireEntry entry;
                PinInfo who;

                info.error = i < ELEMENTSOF(cases) ? (char *) cases[i].in : long_text;
                write_head(&text);
                g_assert_cmpint(tracker_wire_write_entry(&text, &info, false), ==, 0);
                g_assert_cmpint(tracker_wire_read_answer(text.data, text.len, &who, &reader), ==, 0);
                json_done(&pin_info_shape, &who);
                g_assert_cmpint(tracker_wire_next_entry(&reader, &entry), ==, 1);
                if (i < ELEMENTSOF(cases))
                        g_assert_cmpmem(entry.error, entry.error_size, cases[i].out, strlen(cases[i].out));
                else
                        g_assert_cmpuint(entry.error_size, ==, TRACKER_WIRE_TEXT_MAX);
        }
}

static void test_page(void) {
        Cid cids[] = { item_cid(1), item_cid(2) };
        const TrackerPage in = { .is_complete = true, .position = { 3, UINT64_MAX }, .cids = cids, .n = 2 };
        const TrackerPageQuestion asked = { PIN_STATUS_QUEUED, { UINT64_MAX, 7 }, 1000 };
        _cleanup_(str_done) Str text = {}, question = {};
        TrackerPageQuestion heard;
        TrackerPage out;

        g_assert_cmpint(tracker_wire_write_page_question(&question, &asked), ==, 0);
        g_assert_cmpint(tracker_wire_read_page_question(question.data, question.len, &heard), ==, 0);
        g_assert_cmpint(heard.filter, ==, asked.filter);
        g_assert_cmpuint(heard.position.source, ==, UINT64_MAX);
        g_assert_cmpuint(heard.position.number, ==, 7);
        g_assert_cmpuint(heard.max, ==, 1000);
        ASSERT_CUTS(question, tracker_wire_read_page_question(part, part_size, &heard));

        g_assert_cmpint(tracker_wire_write_page(&text, &in), ==, 0);
        g_assert_cmpint(tracker_wire_read_page(text.data, text.len, &out), ==, 0);
        g_assert_true(out.is_complete);
        g_assert_false(out.is_last);
        g_assert_cmpuint(out.position.source, ==, 3);
        g_assert_cmpuint(out.position.number, ==, UINT64_MAX);
        g_assert_cmpuint(out.n, ==, 2);
        g_assert_true(cid_equal(&out.cids[1], &cids[1]));
        tracker_wire_page_done(&out);
        ASSERT_CUTS(text, tracker_wire_read_page(part, part_size, &out));
}

static void test_cids(void) {
        g_autofree Cid *cids = g_new0(Cid, TRACKER_WIRE_CIDS_MAX);
        _cleanup_(str_done) Str text = {};
        size_t n;
        Cid *out;

        for (size_t i = 0; i < TRACKER_WIRE_CIDS_MAX; i++)
                cids[i] = item_cid((uint32_t) i);
        g_assert_cmpint(tracker_wire_write_cids(&text, cids, TRACKER_WIRE_CIDS_MAX), ==, 0);
        g_assert_cmpint(tracker_wire_read_cids(text.data, text.len, &out, &n), ==, 0);
        g_assert_cmpuint(n, ==, TRACKER_WIRE_CIDS_MAX);
        g_assert_true(cid_equal(&out[n - 1], &cids[n - 1]));
        free(out);

        str_reset(&text);
        g_assert_cmpint(tracker_wire_write_cids(&text, cids, 3), ==, 0);
        ASSERT_CUTS(text, tracker_wire_read_cids(part, part_size, &out, &n));
}

static void test_bad(void) {
        static const struct {
                const char *what, *bytes;
                size_t size;
                int r;
        } cases[] = {
                { "format 2", "\2\0\0\0", 4, -EPROTONOSUPPORT },
                { "an unknown verb", "\1\4\0\0", 4, -EBADMSG },
                { "a filter that is too big", "\1\0\xff\xff\xff\xff\xff\xff\1\0", 10, -EBADMSG },
                { "more CIDs than allowed", "\1\0\0\x81\x20", 5, -EBADMSG },
                { "more CIDs than bytes", "\1\0\0\xff\x1f\0", 6, -EBADMSG },
                { "an empty CID", "\1\0\0\1\0", 5, -EBADMSG },
                { "no CID", "\1\0\0\1\3abc", 8, -EBADMSG },
                { "a CID beyond the end", "\1\0\0\1\x24\1\x55", 7, -EBADMSG },
                { "a varint without end", "\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, -EBADMSG },
        };
        static const struct {
                const char *what, *bytes;
                size_t size;
        } answers[] = {
                { "a name with NUL", "\1\3a\0b\0\0", 7 },
                { "a name that is no UTF-8", "\1\1\xff\0\0", 5 },
                { "a bad IPFS ID", "\1\0\2\1\1\0", 6 },
                { "more addresses than allowed", "\1\0\0\x41", 4 },
                { "two statuses", "\1\0\0\0\x30", 5 },
                { "an unknown status", "\1\0\0\0\2", 5 },
                { "a status that is too big", "\1\0\0\0\x80\x80\1", 7 },
                { "a priority of 2", "\1\0\0\0\x21\0\0\2\0", 9 },
                { "too many attempts", "\1\0\0\0\x21\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0", 18 },
                { "an error beyond the end", "\1\0\0\0\x21\0\0\0\2a", 10 },
        };
        TrackerQuestion question;
        size_t n;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int r = tracker_wire_read_question(cases[i].bytes, cases[i].size, &question);

                if (r != cases[i].r)
                        g_error("%s: %d", cases[i].what, r);
        }
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                int r = read_all(answers[i].bytes, answers[i].size, &n);

                if (r != -EBADMSG)
                        g_error("%s: %d", answers[i].what, r);
        }
}

static void test_memory(void) {
        Cid cids[] = { item_cid(1) };
        TrackerQuestion in = { .cids = cids, .n = 1 };
        _cleanup_(str_done) Str question = {}, answer = {};

        g_assert_cmpint(tracker_wire_write_question(&question, &in), ==, 0);
        write_head(&answer);
        FOREACH_FAULT {
                _cleanup_(str_done) Str text = {};
                TrackerQuestion out = {};
                size_t n;
                int r;

                r = tracker_wire_write_question(&text, &in);
                g_assert_true(r == 0 || r == -ENOMEM);
                r = tracker_wire_read_question(question.data, question.len, &out);
                g_assert_true(r == 0 || r == -ENOMEM);
                tracker_wire_question_done(&out);
                r = read_all(answer.data, answer.len, &n);
                g_assert_true(r == 0 || r == -ENOMEM);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tracker/wire/question", test_question);
        g_test_add_func("/tracker/wire/answer", test_answer);
        g_test_add_func("/tracker/wire/answer-texts-are-cut-and-utf8", test_answer_texts);
        g_test_add_func("/tracker/wire/page", test_page);
        g_test_add_func("/tracker/wire/cids", test_cids);
        g_test_add_func("/tracker/wire/bad-bytes-are-refused", test_bad);
        g_test_add_func("/tracker/wire/out-of-memory", test_memory);
        return g_test_run();
}
