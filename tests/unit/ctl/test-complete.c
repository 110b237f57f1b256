#include "ctl/complete.h"
#include "tests/unit/ctl/fake.h"

#define A "12D3KooWSp6MX4QYS9v1vsBFeGaYpBaJzkPGkZfM7YmWvN4iVzUr"
#define CID_1 "QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"
#define CID_2 "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
#define PIN(cid, name) "{\"cid\":\"" cid "\",\"name\":\"" name "\"}"
#define PEER "{\"id\":\"" A "\",\"peername\":\"alice\"}"

/* Words are separated by blanks; one at the end is an empty word. ASKED and OUT are all there is. */
typedef struct CompleteCase {
        const char *words;
        const char *out;
        FakeAnswer answer;
        const char *asked;
} CompleteCase;

static int complete(Fake *fake, const char *words) {
        g_auto(GStrv) argv = g_strsplit(words, " ", -1);
        CtlArguments args = { argv, g_strv_length(argv) };
        int r = ctl_complete_run(&fake->ctl, &args);

        fflush(fake->ctl.out);
        return r;
}

static const CompleteCase cases[] = {
        /* verbs */
        { "pe", "peers\tList and manage IPFS Cluster peers\n" },
        { "peers a", "add\tadd a peer to the Cluster\n" },
        { "help ver", "version\tRetrieve cluster version\n" },
        { "help pin rm", "rm\tUnpin an item from the cluster\n" },
        { "pin help rm", "rm\tUnpin an item from the cluster\n" },
        { "help he", "health\tCluster monitoring information\n" },
        { "--host pin -d he",
          "health\tCluster monitoring information\n"
          "help\tShows a list of commands or help for one command\n" },
        { "what pe", "peers\tList and manage IPFS Cluster peers\n" },
        /* flags */
        { "--time", "--timeout\tnumber of seconds to wait before timing out a request\n" },
        { "id -", "--help\tshow help\n-h\tshow help\n" },
        { "pin add --meta", "--metadata\tPin metadata: key=value. Can be added multiple times\n" },
        { "--sec", "" }, /* what is refused is not offered */
        { "--what", "" },
        /* their values */
        { "--enc j", "json\n" },
        { "-enc j", "json\n" },
        { "--enc=j", "--enc=json\n" },
        { "--encoding=", "--encoding=text\n--encoding=json\n" },
        { "--timeout ", "" },
        { "--debug=", "" },
        { "--what=", "" },
        { "pin add --mode d", "direct\n" },
        { "pin add -n x --mode=d", "--mode=direct\n" },
        { "status --filter pin_", "pin_error\npin_queued\n" },
        { "status --filter pinned,unpin_e", "pinned,unpin_error\n" },
        { "status --filter=a,pinning", "--filter=a,pinning\n" },
        { "health graph --file x", ":files\n" },
        { "health graph -f ", ":files\n" },
        /* what a peer knows */
        { "pin rm Qmc",
          CID_1 "\tone\n",
          { { PIN(CID_1, "one"), PIN(CID_2, "two") } },
          "allocations filter=all\n" },
        { "status --local ", CID_2 "\n", { { PIN(CID_2, "") } }, "allocations filter=all\n" },
        { "pin ls ",
          CID_2 "\ta\\nb\\x1b\n",
          { { PIN(CID_2, "a\\nb\\u001b") } },
          "allocations filter=all\n" },
        { "--enc json peers rm 12", A "\talice\n", { { PEER } }, "peers\n" },
        { "pin add --allocs x,12", "x," A "\talice\n", { { PEER } }, "peers\n" },
        { "pin add --allocs=", "--allocs=" A "\talice\n", { { PEER } }, "peers\n" },
        { "health metrics f", "freespace\n", { { "[\"ping\",\"freespace\"]" } }, "metric_names\n" },
        { "pin rm ", "", { .r = -EIO, .code = 0, .message = "nobody" }, "allocations filter=all\n" },
        /* nothing */
        { "id ", "" },
        { "pin add Qm", "" },
};

static void test_cases(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Fake fake;

                g_test_message("%s", cases[i].words);
                fake_init(&fake, &cases[i].answer, 1);
                g_assert_cmpint(complete(&fake, cases[i].words), ==, 0);
                g_assert_cmpstr(fake.out, ==, cases[i].out);
                g_assert_cmpstr(fake.asked->str, ==, cases[i].asked ? cases[i].asked : "");
                g_assert_cmpstr(fake.err, ==, NULL);
                fake_done(&fake);
        }
}

/* A pinset has no end that one would wait for. */
static int many_pins(
                _unused_ CtlBackend *backend,
                const CtlRequest *request,
                CtlItemFunc on_item,
                void *userdata,
                CtlFailure *reterr) {
        g_assert_cmpuint(request->deadline_usec, >, 0);
        for (unsigned i = 0; i < 10 * CTL_COMPLETE_MAX; i++) {
                int r = ctl_call_deliver(
                                request->call,
                                PIN(CID_1, ""),
                                strlen(PIN(CID_1, "")),
                                on_item,
                                userdata,
                                NULL);

                if (r < 0)
                        return ctl_failure_set(reterr, r, 0, "enough");
        }
        g_assert_not_reached();
}

static void test_candidates_are_bounded(void) {
        static const CtlBackendOps ops = { .call = many_pins };
        static const FakeAnswer none = {};
        unsigned n = 0;
        Fake fake;

        fake_init(&fake, &none, 1);
        fake.backend.ops = &ops;
        g_assert_cmpint(complete(&fake, "pin rm "), ==, 0);
        for (const char *p = fake.out; *p; p++)
                n += *p == '\n';
        g_assert_cmpuint(n, ==, CTL_COMPLETE_MAX);
        fake_done(&fake);
}

static void test_no_word(void) {
        static const FakeAnswer none = {};
        Fake fake;

        fake_init(&fake, &none, 1);
        g_assert_cmpint(ctl_complete_run(&fake.ctl, &(CtlArguments){}), ==, 0);
        fake_done(&fake);
}

static void test_every_flag_and_verb_is_offered(void) {
        static const FakeAnswer none = {};
        Fake fake;

        for (const CtlVerb *const *verb = ctl_verb_root.verbs; *verb; verb++) {
                g_autofree char *line = g_strdup_printf("%s\t", (*verb)->name);

                fake_init(&fake, &none, 1);
                complete(&fake, (*verb)->name);
                g_assert_true(g_str_has_prefix(fake.out, line));
                fake_done(&fake);
        }
        for (const CtlFlag *flag = ctl_verb_root.flags; flag->names[0] && flag->usage; flag++) {
                g_autofree char *word = g_strdup_printf("--%s", flag->names[0]);

                fake_init(&fake, &none, 1);
                complete(&fake, word);
                g_assert_true(g_str_has_prefix(fake.out, word));
                fake_done(&fake);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/complete/cases", test_cases);
        g_test_add_func("/ctl/complete/candidates-are-bounded", test_candidates_are_bounded);
        g_test_add_func("/ctl/complete/no-word", test_no_word);
        g_test_add_func("/ctl/complete/every-flag-and-verb-is-offered", test_every_flag_and_verb_is_offered);
        return g_test_run();
}
