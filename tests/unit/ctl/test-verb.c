#include "ctl/help.h"
#include "tests/unit/ctl/fake.h"

static void test_find(void) {
        g_assert_true(ctl_verb_find(&ctl_verb_root, "pin") == &ctl_verb_pin);
        g_assert_null(ctl_verb_find(&ctl_verb_root, "pi"));
        g_assert_null(ctl_verb_find(&ctl_verb_root, ""));
        g_assert_null(ctl_verb_find(&ctl_verb_root, "ls"));
        g_assert_nonnull(ctl_verb_find(&ctl_verb_pin, "ls"));
}

static void test_exit_statuses(void) {
        static const FakeCase cases[] = {
                { "version", { { "{\"version\":\"2\"}" } }, "version\n", "2\n", "", 0 },
                { "version",
                  { .r = -EREMOTEIO, .code = 500, .message = "m" },
                  "version\n",
                  "An error occurred:\n  Code: 500\n  Message: m\n",
                  "",
                  2 },
                { "version",
                  { .r = -EREMOTEIO, .code = 404, .message = "m" },
                  "version\n",
                  "An error occurred:\n  Code: 404\n  Message: m\n",
                  "",
                  2 },
                { "version",
                  { .r = -EBADMSG, .code = 200, .message = "no JSON" },
                  "version\n",
                  "An error occurred:\n  Code: 200\n  Message: no JSON\n",
                  "",
                  2 },
                { "version",
                  { .r = -EIO, .code = 0, .message = "m" },
                  "version\n",
                  "An error occurred:\n  Code: 0\n  Message: m\n",
                  "",
                  CTL_EXIT_FAILURE },
                { "peers ls",
                  { { "{\"id\":\"\",\"error\":\"x\"}" }, .r = -EREMOTEIO, .code = 500, .message = "late" },
                  "peers\n",
                  " | ERROR: x\nAn error occurred:\n  Code: 500\n  Message: late\n",
                  "",
                  2 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                fake_check(&cases[i]);
}

static void test_commands_need_no_peer(void) {
        static const FakeAnswer none = {};
        Fake fake;

        fake_init(&fake, &none, 1);
        g_assert_cmpint(fake_run(&fake, "commands"), ==, 0);
        g_assert_true(g_str_has_prefix(fake.out, CTL_NAME " id\n" CTL_NAME " peers\n"));
        g_assert_true(g_str_has_suffix(fake.out, CTL_NAME " commands\n" CTL_NAME " help\n"));
        g_assert_cmpuint(fake.n_calls, ==, 0);
        fake_done(&fake);
}

static void test_fetch_moves_the_item(void) {
        static const FakeAnswer answer = { { "{\"version\":\"2\"}" } };
        CtlVersion version = {};
        Fake fake;

        fake_init(&fake, &answer, 1);
        g_assert_cmpint(ctl_verb_fetch(&fake.ctl, &(CtlRequest){ CTL_CALL_VERSION }, &version), ==, 0);
        g_assert_cmpstr(version.version, ==, "2");
        json_done(ctl_call_shape(CTL_CALL_VERSION), &version);
        fake_done(&fake);
}

static void test_cids_are_made_canonical(void) {
        static const FakeAnswer none = {};
        char text[CID_TEXT_MAX];
        Fake fake;

        fake_init(&fake, &none, 1);
        g_assert_cmpint(ctl_verb_read_cid(
                                        &fake.ctl,
                                        "parsing cid",
                                        "BAFKREIAKNIYKOCNZOMWMU3LCKTXDV3647N3P7GIJU6RQND4QVGMXV4IZ5Y",
                                        text),
                        ==,
                        0);
        g_assert_cmpstr(text, ==, "bafkreiakniykocnzomwmu3lcktxdv3647n3p7giju6rqnd4qvgmxv4iz5y");
        g_assert_cmpint(ctl_verb_read_cid(&fake.ctl, "parsing cid", "x", text), ==, CTL_EXIT_FAILURE);
        fflush(fake.ctl.err);
        g_assert_cmpstr(fake.err, ==, "error parsing cid: invalid cid: cid too short\n");
        fake_done(&fake);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/verb/find", test_find);
        g_test_add_func("/ctl/verb/exit-statuses", test_exit_statuses);
        g_test_add_func("/ctl/verb/commands-need-no-peer", test_commands_need_no_peer);
        g_test_add_func("/ctl/verb/fetch-moves-the-item", test_fetch_moves_the_item);
        g_test_add_func("/ctl/verb/cids-are-made-canonical", test_cids_are_made_canonical);
        return g_test_run();
}
