#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/consensus/engine.h"
#include "daemon/consensus/message.h"
#include "tests/lib/fault.h"
#include "tests/unit/consensus/help.h"

static ConsensusPayload *members(void) {
        ConsensusMember item = { .raft_id = 7, .peer = help_peer(1), .role = CONSENSUS_VOTER };
        ConsensusMembers all = { .items = &item, .n = 1 };
        ConsensusPayload *payload;

        g_assert_cmpint(consensus_members_encode(&all, &payload), ==, 0);
        return payload;
}

static ConsensusMessage append_of_three(void) {
        ConsensusMessage m = {
                .type = CONSENSUS_MESSAGE_APPEND,
                .version = 1,
                .term = 9,
                .append = { .previous_index = 4, .previous_term = 2, .commit = 3, .n = 3 },
        };

        m.append.entries = g_new0(ConsensusEntry, 3);
        m.append.entries[0] = help_entry(5, 2, 3);
        m.append.entries[1] = help_entry(6, 8, 8);
        m.append.entries[1].type = CONSENSUS_ENTRY_BARRIER;
        m.append.entries[2] = (ConsensusEntry){ 7, 9, CONSENSUS_ENTRY_CHANGE, members() };
        return m;
}

static ConsensusMessage install(void) {
        return (ConsensusMessage){
                .type = CONSENSUS_MESSAGE_INSTALL,
                .version = 1,
                .term = 9,
                .install = { .index = 8, .term = 5, .configuration = { .index = 3, .members = members() } },
        };
}

/* One of each type. */
static GArray *samples(void) {
        GArray *all = g_array_new(FALSE, FALSE, sizeof(ConsensusMessage));
        const ConsensusMessage plain[] = {
                { .type = CONSENSUS_MESSAGE_APPEND, .version = 1, .term = 1 },
                { .type = CONSENSUS_MESSAGE_APPEND_RESULT,
                  .version = 2,
                  .term = 3,
                  .append_result = { .rejected = 4, .last_index = 5, .features = 6, .capacity = 7 } },
                { .type = CONSENSUS_MESSAGE_VOTE,
                  .version = 2,
                  .term = 3,
                  .vote = { .candidate = 0xfedcba9876543210,
                            .last_index = 5,
                            .last_term = 2,
                            .disrupt_leader = true } },
                { .type = CONSENSUS_MESSAGE_VOTE_RESULT,
                  .version = 3,
                  .term = 3,
                  .vote_result = { .granted = true, .pre_vote = true, .features = 1, .capacity = 2 } },
                { .type = CONSENSUS_MESSAGE_TIMEOUT_NOW,
                  .version = 1,
                  .term = 3,
                  .timeout_now = { .last_index = 5, .last_term = 2 } },
        };
        ConsensusMessage m;

        g_array_append_vals(all, plain, G_N_ELEMENTS(plain));
        m = append_of_three();
        g_array_append_val(all, m);
        m = install();
        g_array_append_val(all, m);
        return all;
}

static void samples_free(GArray *all) {
        for (guint i = 0; i < all->len; i++)
                consensus_message_done(&g_array_index(all, ConsensusMessage, i));
        g_array_free(all, TRUE);
}

static void test_round_trip(void) {
        GArray *all = samples();

        for (guint i = 0; i < all->len; i++) {
                const ConsensusMessage *m = &g_array_index(all, ConsensusMessage, i);
                _cleanup_(str_done) Str bytes = {};
                _cleanup_(str_done) Str again = {};
                ConsensusMessage back;

                g_test_message("%s", consensus_message_type_to_string(m->type));
                g_assert_cmpint(consensus_message_encode(m, &bytes), ==, 0);
                g_assert_cmpint(consensus_message_decode(bytes.data, bytes.len, &back), ==, 0);
                g_assert_cmpint(back.type, ==, m->type);
                g_assert_cmpuint(back.term, ==, m->term);
                g_assert_cmpint(consensus_message_encode(&back, &again), ==, 0);
                g_assert_cmpmem(bytes.data, bytes.len, again.data, again.len);
                consensus_message_done(&back);
        }
        samples_free(all);
}

static void test_frozen(void) {
        GArray *all = samples();
        _cleanup_(str_done) Str bytes = {};
        g_autofree char *hex = NULL;

        /* the vote, with its flags */
        g_assert_cmpint(consensus_message_encode(&g_array_index(all, ConsensusMessage, 2), &bytes), ==, 0);
        hex = help_hex(bytes.data, bytes.len);
        g_assert_cmpstr(hex,
                        ==,
                        "01030201000000000300000000000000"
                        "1032547698badcfe0500000000000000\n"
                        "0200000000000000\n");
        samples_free(all);
}

/* Cut anywhere, or with a byte more, it is refused. */
static void test_cut(void) {
        GArray *all = samples();

        for (guint i = 0; i < all->len; i++) {
                _cleanup_(str_done) Str bytes = {};
                ConsensusMessage back;

                g_assert_cmpint(consensus_message_encode(&g_array_index(all, ConsensusMessage, i), &bytes),
                                ==,
                                0);
                for (size_t n = 0; n < bytes.len; n++) {
                        g_autofree char *cut = g_memdup2(bytes.data, n);

                        g_test_message("message %u, %zu bytes", i, n);
                        g_assert_cmpint(consensus_message_decode(cut, n, &back), ==, -EBADMSG);
                }
                g_assert_cmpint(str_append_char(&bytes, 0), ==, 0);
                g_assert_cmpint(consensus_message_decode(bytes.data, bytes.len, &back), ==, -EBADMSG);
        }
        samples_free(all);
}

/* What no peer that follows the rules sends. AT is where a byte of a valid message is set to VALUE. */
static void test_hostile(void) {
        static const struct {
                const char *what;
                guint sample;
                size_t at;
                uint8_t value;
                int expect;
        } cases[] = {
                { "a newer format", 0, 0, 2, CONSENSUS_MESSAGE_NEWER },
                { "no type", 0, 1, 0, -EBADMSG },
                { "an unknown type", 0, 1, 7, -EBADMSG },
                { "flags of another type", 0, 3, 1, -EBADMSG },
                { "an unknown flag", 2, 3, 4, -EBADMSG },
                { "bytes that are zero", 0, 4, 1, -EBADMSG },
                { "term 0", 0, 8, 0, -EBADMSG },
                { "a term out of bounds", 0, 15, 0xff, -EBADMSG },
                { "an index before without a term", 0, 16, 1, -EBADMSG },
                { "a term before without an index", 0, 24, 1, -EBADMSG },
                { "an entry that is not there", 0, 40, 1, -EBADMSG },
                { "numbers of entries that nobody has", 0, 47, 0xff, -EBADMSG },
                { "features of more than two bytes", 1, 36, 1, -EBADMSG },
                { "a term before above the leader's", 5, 24, 10, -EBADMSG },
                { "a term below that of the entry before", 5, 48, 1, -EBADMSG },
                { "a term above the leader's", 5, 48, 10, -EBADMSG },
                { "an entry of type 0", 5, 60, 0, -EBADMSG },
                { "an entry of type 4", 5, 60, 4, -EBADMSG },
                { "an entry without payload", 5, 56, 0, -EBADMSG },
                { "a payload beyond the end", 5, 58, 0xff, -EBADMSG },
                { "members that cannot be read", 5, 48 + 19 + 24 + 16, 9, -EBADMSG },
                { "a snapshot of index 0", 6, 16, 0, -EBADMSG },
                { "a snapshot above the leader's term", 6, 24, 10, -EBADMSG },
                { "members above the snapshot", 6, 32, 9, -EBADMSG },
                { "members of index 0", 6, 32, 0, -EBADMSG },
                { "no members", 6, 40, 0, -EBADMSG },
                { "members of another version", 6, 48, 2, -EBADMSG },
        };
        GArray *all = samples();

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                _cleanup_(str_done) Str bytes = {};
                ConsensusMessage back = {};
                int r;

                r = consensus_message_encode(&g_array_index(all, ConsensusMessage, cases[i].sample), &bytes);
                g_assert_cmpint(r, ==, 0);
                g_test_message("%s", cases[i].what);
                g_assert_cmpuint(cases[i].at, <, bytes.len);
                bytes.data[cases[i].at] = (char) cases[i].value;
                r = consensus_message_decode(bytes.data, bytes.len, &back);
                g_assert_cmpint(r, ==, cases[i].expect);
        }
        samples_free(all);
}

static void test_out_of_memory(void) {
        GArray *all = samples();

        for (guint i = 0; i < all->len; i++) {
                _cleanup_(str_done) Str bytes = {};
                int r;

                g_assert_cmpint(consensus_message_encode(&g_array_index(all, ConsensusMessage, i), &bytes),
                                ==,
                                0);
                FOREACH_FAULT {
                        _cleanup_(str_done) Str again = {};
                        ConsensusMessage back = {};

                        r = consensus_message_decode(bytes.data, bytes.len, &back);
                        g_assert_true(r == 0 || r == -ENOMEM);
                        if (r == 0) {
                                r = consensus_message_encode(&back, &again);
                                g_assert_true(r == 0 || r == -ENOMEM);
                        }
                        consensus_message_done(&back);
                }
        }
        samples_free(all);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/consensus/message/round-trip", test_round_trip);
        g_test_add_func("/consensus/message/frozen", test_frozen);
        g_test_add_func("/consensus/message/cut", test_cut);
        g_test_add_func("/consensus/message/hostile", test_hostile);
        g_test_add_func("/consensus/message/out-of-memory", test_out_of_memory);
        return g_test_run();
}
