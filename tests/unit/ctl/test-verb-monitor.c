#include <signal.h>

#include "tests/unit/ctl/fake.h"

static const FakeCase cases[] = {
        { "monitor",
          { { "{\"time\":\"2026-11-22T15:38:09Z\",\"event\":\"ipfs_up\"}",
              "{\"time\":\"2026-11-22T15:38:10Z\",\"event\":\"leader\",\"peer\":\"p\"}" } },
          "events\n",
          "2026-11-22 15:38:09 ipfs_up\n2026-11-22 15:38:10 leader: p\n",
          "" },
        { "monitor",
          { .r = -EIO, .code = 0, .message = "gone" },
          "events\n",
          "An error occurred:\n  Code: 0\n  Message: gone\n",
          "",
          1 },
};

static void test_cases(void) {
        g_assert_cmpint(setenv("TZ", "UTC", 1), ==, 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                fake_check(&cases[i]);
}

/* As the road over the bus does it. */
static int interrupt(
                _unused_ CtlBackend *backend,
                const CtlRequest *request,
                _unused_ CtlItemFunc on_item,
                _unused_ void *userdata,
                _unused_ CtlFailure *reterr) {
        g_assert_cmpint(*request->cancel, ==, 0);
        raise(SIGTERM);
        g_assert_cmpint(*request->cancel, ==, 1);
        return 0;
}

static void test_interruption_is_its_end(void) {
        static const CtlBackendOps ops = { .call = interrupt };
        static const FakeAnswer none = {};
        struct sigaction after;
        Fake fake;

        fake_init(&fake, &none, 1);
        fake.backend.ops = &ops;
        g_assert_cmpint(fake_run(&fake, "monitor"), ==, 0);
        fake_done(&fake);
        g_assert_cmpint(sigaction(SIGTERM, NULL, &after), ==, 0);
        g_assert_true(after.sa_handler == SIG_DFL);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/verb-monitor/cases", test_cases);
        g_test_add_func("/ctl/verb-monitor/interruption-is-its-end", test_interruption_is_its_end);
        return g_test_run();
}
