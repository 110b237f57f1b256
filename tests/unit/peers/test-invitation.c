#include <string.h>
#include <sysexits.h>

#include "daemon/join/body.h"
#include "daemon/join/call.h"
#include "daemon/join/folder.h"
#include "tests/lib/scripted.h"
#include "tests/unit/peers/members.h"

static size_t n_members(const Member *member) {
        return consensus_member_table(member->consensus)->n;
}

static void assert_file(const Member *member, const char *address) {
        _cleanup_(str_list_done) StrList found = {};

        g_assert_cmpint(join_folder_file_read(member->folder, &found, NULL), ==, 1);
        g_assert_true(str_list_contains(&found, address));
}

/* ---- told to at its start */

static void test_goes_to_join(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1];

        members_apart(&members, 2);
        member_pin_wait(a, 1);
        g_assert_cmpint(str_list_append(&b->bootstrap, "/ip4/127.0.0.1/tcp/1"), ==, 0); /* nobody there */
        g_assert_cmpint(str_list_append(&b->bootstrap, a->addresses.items[0]), ==, 0);
        MEMBERS_UNTIL(members.event, b->n_leaves > 0);
        g_assert_cmpint(b->leave_status, ==, EX_TEMPFAIL);
        assert_file(b, a->addresses.items[0]);

        member_leave(b);
        MEMBERS_UNTIL(members.event, n_members(a) == 2 && n_members(b) == 2 && member_has(b, 1));
        g_assert_false(peers_would_join(b->peers)); /* it has */
        members_close(&members);
}

static void test_stays(void) {
        Members members;
        Member *a = &members.member[0];

        members_apart(&members, 1);
        g_assert_false(peers_would_join(a->peers)); /* nobody to join */
        g_assert_cmpint(str_list_append(&a->bootstrap, "/ip4/127.0.0.1/tcp/1"), ==, 0);
        g_assert_true(peers_would_join(a->peers));
        member_pin_wait(a, 1);
        g_assert_false(peers_would_join(a->peers)); /* it would lose the pin */
        members_close(&members);
}

/* Each would join the other: the one with the lower ID stays. */
static void test_of_two_one_goes(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1], *higher;

        members_apart(&members, 2);
        higher = peer_id_compare(&a->id, &b->id) > 0 ? a : b;
        g_assert_cmpint(str_list_append(&a->bootstrap, b->addresses.items[0]), ==, 0);
        g_assert_cmpint(str_list_append(&b->bootstrap, a->addresses.items[0]), ==, 0);
        MEMBERS_UNTIL(members.event, higher->n_leaves > 0);
        g_assert_cmpuint(a->n_leaves + b->n_leaves, ==, 1);
        member_leave(higher);
        MEMBERS_UNTIL(members.event, n_members(a) == 2 && n_members(b) == 2);
        members_close(&members);
}

/* It goes on alone when it is not wanted, or who wants it does not know the secret. */
static void test_is_not_wanted(void) {
        for (int proves_wrong = 0; proves_wrong < 2; proves_wrong++) {
                Scripted scripted = { .secret = "", .proves_wrong = proves_wrong };
                Members members;
                Member *a = &members.member[0];

                members_apart(&members, 1);
                scripted.code = proves_wrong ? ERROR_NONE : ERROR_FORBIDDEN;
                scripted_open(&scripted, members.event, 77);
                g_assert_cmpint(str_list_append(&a->bootstrap, scripted.full_address), ==, 0);
                MEMBERS_UNTIL(members.event, scripted.n_asked >= 3);
                g_assert_true(scripted.asked.only_ask);
                g_assert_cmpuint(a->n_leaves, ==, 0);
                member_pin_wait(a, 1);
                scripted_close(&scripted);
                members_close(&members);
        }
}

/* ---- "invite" */

typedef struct Inviting {
        JoinCall *call;
        const char *body; /* this instead of a good one */
        const Member *into;
        bool without_addresses;
        unsigned n_done;
        Error error;
} Inviting;

static int write_invitation(const uint8_t proof[static JOIN_PROOF_SIZE], Str *to, void *userdata) {
        Inviting *inviting = userdata;
        JoinInviteBody body = { .addresses.is_set = true };
        int r = 0;

        if (inviting->body)
                return str_append(to, inviting->body);
        memcpy(body.proof, proof, sizeof(body.proof));
        if (inviting->into)
                memcpy(body.cluster_id,
                       consensus_cluster_id(inviting->into->consensus),
                       sizeof(body.cluster_id));
        if (!inviting->without_addresses)
                r = str_list_append(&body.addresses, "/ip4/127.0.0.1/tcp/1");
        if (r >= 0)
                r = json_write(&join_body_invite_shape, &body, to);
        str_list_done(&body.addresses);
        return r;
}

static void on_invited(
                int r,
                const Error *error,
                const void *body G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata) {
        Inviting *inviting = userdata;

        inviting->n_done++;
        if (r < 0)
                (void) error_copy(&inviting->error, error);
        inviting->call = join_call_unref(inviting->call);
}

static void invite(Scripted *by, Member *member, const char *secret, Inviting *inviting) {
        g_assert_cmpint(join_call_new(&inviting->call,
                                      by->rpc,
                                      &(JoinCallOptions){
                                                      .secret = secret,
                                                      .method = JOIN_PURPOSE_INVITE,
                                                      .peer = &member->id,
                                                      .address = member->addresses.items[0],
                                                      .timeout_usec = 5 * USEC_PER_SEC,
                                                      .write = write_invitation,
                                                      .done = on_invited,
                                                      .userdata = inviting,
                                      }),
                        ==,
                        0);
        MEMBERS_UNTIL(member->event, inviting->n_done > 0);
}

static void test_invitations(void) {
        Members members;
        Member *a = &members.member[0];
        const struct {
                const char *what, *secret;
                Inviting inviting;
                ErrorCode code;
                const char *words;
        } cases[] = {
                { "another secret", SCRIPTED_SECRET, {}, ERROR_FORBIDDEN, "the cluster secret of peer " },
                { "nothing", "", { .body = "" }, ERROR_INVALID, "invite: expected a JSON object" },
                { "no proof", "", { .body = "{}" }, ERROR_INVALID, "invite: proof: " },
                { "to nowhere",
                  "",
                  { .without_addresses = true },
                  ERROR_INVALID,
                  "invite: addresses: expected at least one" },
        };
        Scripted scripted = {};

        members_apart(&members, 1);
        scripted_open(&scripted, members.event, 77);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Inviting inviting = cases[i].inviting;

                g_test_message("%s", cases[i].what);
                invite(&scripted, a, cases[i].secret, &inviting);
                g_assert_cmpint(inviting.error.code, ==, cases[i].code);
                if (cases[i].code != ERROR_NONE && !strstr(inviting.error.message, cases[i].words))
                        g_error("'%s' is not in '%s'", cases[i].words, inviting.error.message);
                g_assert_cmpuint(a->n_leaves, ==, 0);
                error_done(&inviting.error);
        }

        {
                Inviting inviting = {};

                invite(&scripted, a, "", &inviting);
                g_assert_cmpint(inviting.error.code, ==, ERROR_NONE);
                g_assert_cmpuint(a->n_leaves, ==, 1);
                assert_file(a, "/ip4/127.0.0.1/tcp/1");
        }
        scripted_close(&scripted);
        members_close(&members);
}

static void on_managed(
                int r,
                const Error *error G_GNUC_UNUSED,
                uint64_t raft_id G_GNUC_UNUSED,
                uint64_t index G_GNUC_UNUSED,
                void *userdata) {
        *(int *) userdata = r;
}

static void on_added(
                PeersChange *change G_GNUC_UNUSED,
                int r,
                const Error *error G_GNUC_UNUSED,
                const PeerId *peer G_GNUC_UNUSED,
                void *userdata) {
        *(int *) userdata = r;
}

static void assert_busy(Scripted *by, Member *member) {
        Inviting inviting = {};

        invite(by, member, "", &inviting);
        g_assert_cmpint(inviting.error.code, ==, ERROR_BUSY);
        g_assert_nonnull(strstr(inviting.error.message, "is taking pins or peers at this moment"));
        error_done(&inviting.error);
        g_assert_false(peers_would_join(member->peers));
        g_assert_cmpuint(member->n_leaves, ==, 0);
}

/* It is about to have other members, whichever way they come: who has come would be left behind. */
static void test_takes_somebody_in(void) {
        Members members;
        Member *a = &members.member[0];
        Scripted scripted = {};
        PeersManaged *managed;
        PeersChange *change;
        int result = 1;

        members_apart(&members, 1);
        g_assert_cmpint(str_list_append(&a->bootstrap, "/ip4/127.0.0.1/tcp/1"), ==, 0);
        scripted_open(&scripted, members.event, 77);
        g_assert_true(peers_would_join(a->peers));

        a->peers->n_takings++;
        assert_busy(&scripted, a);
        a->peers->n_takings--;

        g_assert_cmpint(peers_add(a->peers, &change, NULL, scripted.full_address, on_added, &result), ==, 0);
        g_assert_false(peers_would_join(a->peers));
        peers_change_unref(change);
        g_assert_true(peers_would_join(a->peers));

        g_assert_cmpint(peers_manage(a->peers,
                                     &managed,
                                     PEERS_ADD,
                                     rpc_self(scripted.rpc),
                                     on_managed,
                                     &result),
                        ==,
                        0);
        g_assert_false(peers_would_join(a->peers));

        /* and once it is to leave, nobody is taken in */
        peers_leave(a->peers, EX_TEMPFAIL, "for the test");
        MEMBERS_UNTIL(members.event, result <= 0);
        g_assert_cmpint(result, ==, -ECANCELED);
        peers_managed_unref(managed);
        g_assert_cmpuint(n_members(a), ==, 1);
        scripted_close(&scripted);
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/invitation/goes-to-join", test_goes_to_join);
        g_test_add_func("/peers/invitation/stays", test_stays);
        g_test_add_func("/peers/invitation/of-two-one-goes", test_of_two_one_goes);
        g_test_add_func("/peers/invitation/is-not-wanted", test_is_not_wanted);
        g_test_add_func("/peers/invitation/invitations", test_invitations);
        g_test_add_func("/peers/invitation/takes-somebody-in", test_takes_somebody_in);
        return g_test_run();
}
