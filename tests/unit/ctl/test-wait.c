#include <signal.h>

#include "ctl/wait.h"
#include "tests/unit/ctl/fake.h"

#define CID_TEXT "QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"
#define INFO(status)                                                                                        \
        "{\"cid\":\"" CID_TEXT "\",\"peer_map\":{\"12D3KooWBBfAXrawDUsdPnWUjBbY6ChgpkZHHjNXokyd46uApg9T\":" \
        "{\"status\":\"" status "\",\"timestamp\":\"2026-11-22T15:38:09Z\"}}}"

#define PINNED PIN_STATUS_PINNED
#define PINNING PIN_STATUS_PINNING
#define UNPINNED PIN_STATUS_UNPINNED
#define REMOTE PIN_STATUS_REMOTE
#define LOST PIN_STATUS_UNEXPECTEDLY_UNPINNED
#define FAILED PIN_STATUS_PIN_ERROR
#define UNPIN_FAILED PIN_STATUS_UNPIN_ERROR
#define GONE PIN_STATUS_CLUSTER_ERROR

static void test_judge(void) {
        static const struct {
                int statuses[4];
                size_t n;
                PinStatus target;
                int64_t limit;
                CtlWaitState state;
        } cases[] = {
                { { PINNED }, 1, PINNED, -1, CTL_WAIT_REACHED },
                { { PINNED, PINNED }, 2, PINNED, 0, CTL_WAIT_REACHED },
                { { PINNED, PINNING }, 2, PINNED, -1, CTL_WAIT_NOT_YET },
                { { PINNED, REMOTE, PINNED }, 3, PINNED, -1, CTL_WAIT_REACHED },
                { { PINNED, LOST }, 2, PINNED, -1, CTL_WAIT_NOT_YET },
                { { PINNED, PINNING }, 2, PINNED, 1, CTL_WAIT_REACHED },
                { { PINNED, PINNING }, 2, PINNED, 2, CTL_WAIT_NOT_YET },
                { { PINNED, PINNED }, 2, PINNED, 5, CTL_WAIT_REACHED },
                { { PINNED, REMOTE }, 2, PINNED, 2, CTL_WAIT_NOT_YET },
                { { UNPINNED, REMOTE }, 2, UNPINNED, 0, CTL_WAIT_NOT_YET },
                { { UNPINNED, UNPINNED }, 2, UNPINNED, 0, CTL_WAIT_REACHED },
                { { PINNED, FAILED }, 2, PINNED, 1, CTL_WAIT_ERROR },
                { { PINNING, GONE }, 2, PINNED, -1, CTL_WAIT_ERROR },
                { { UNPINNED, UNPIN_FAILED }, 2, UNPINNED, 0, CTL_WAIT_ERROR },
                { { 0 }, 1, PINNED, -1, CTL_WAIT_ERROR },
                { { REMOTE, REMOTE }, 2, PINNED, -1, CTL_WAIT_NOT_YET },
                { {}, 0, PINNED, -1, CTL_WAIT_NOT_YET },
                { {}, 0, PINNED, 1, CTL_WAIT_NOT_YET },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                PinInfo peers[4] = {};
                GlobalPinInfo info = { .peer_map = { .items = peers, .n = cases[i].n } };

                for (size_t j = 0; j < cases[i].n; j++)
                        peers[j].status = cases[i].statuses[j];
                g_test_message("case %zu", i);
                g_assert_cmpint(ctl_wait_judge(&info, cases[i].target, cases[i].limit), ==, cases[i].state);
        }
}

static int wait_for(Fake *fake, GlobalPinInfo *info) {
        Cid cid;
        int r;

        g_assert_cmpint(cid_parse(CID_TEXT, &cid, NULL), ==, 0);
        r = ctl_wait(&fake->ctl, &cid, PIN_STATUS_PINNED, -1, info);
        fflush(fake->ctl.err);
        return r;
}

static void test_until_reached(void) {
        static const FakeAnswer answers[] = { { { INFO("pinning") } }, { { INFO("pinned") } } };
        GlobalPinInfo info = {};
        Fake fake;

        fake_init(&fake, answers, ELEMENTSOF(answers));
        g_assert_cmpint(wait_for(&fake, &info), ==, 0);
        g_assert_cmpuint(fake.n_calls, ==, 2);
        g_assert_cmpstr(fake.err, ==, ""); /* no terminal, no progress */
        g_assert_cmpuint(info.peer_map.n, ==, 1);
        global_pin_info_done(&info);
        fake_done(&fake);
}

static void test_ends(void) {
        static const struct {
                FakeAnswer answer;
                int64_t timeout_usec;
                int status;
                const char *err;
        } cases[] = {
                { { { INFO("pin_error") } },
                  0,
                  1,
                  "error waiting for pin status: error has occurred while attempting to reach status: pinned\n" },
                { { .r = -EIO, .code = 0, .message = "gone" },
                  0,
                  1,
                  "error waiting for pin status: gone (0)\n" },
                { { .r = -EREMOTEIO, .code = 500, .message = "no" },
                  0,
                  1,
                  "error waiting for pin status: no (500)\n" },
                { { .r = -ETIME, .code = 0, .message = "late" },
                  0,
                  62,
                  "error waiting for pin status: context deadline exceeded\n" },
                { { { INFO("pinning") } },
                  USEC_PER_SEC + 1,
                  62,
                  "error waiting for pin status: context deadline exceeded\n" },
                { { .r = -ECANCELED, .code = 0, .message = "stop" },
                  0,
                  125,
                  "error waiting for pin status: context canceled\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                GlobalPinInfo info = {};
                Fake fake;

                fake_init(&fake, &cases[i].answer, 1);
                fake.ctl.options.wait_timeout_usec = cases[i].timeout_usec;
                g_assert_cmpint(wait_for(&fake, &info), ==, cases[i].status);
                g_assert_cmpstr(fake.err, ==, cases[i].err);
                g_assert_cmpuint(info.peer_map.n, ==, 0);
                fake_done(&fake);
        }
}

/* A backend that is interrupted while it asks. */
static int interrupt(
                _unused_ CtlBackend *backend,
                const CtlRequest *request,
                _unused_ CtlItemFunc on_item,
                _unused_ void *userdata,
                CtlFailure *reterr) {
        g_assert_cmpint(*request->cancel, ==, 0);
        raise(SIGINT);
        g_assert_cmpint(*request->cancel, ==, 1);
        return ctl_failure_set(reterr, -ECANCELED, 0, "stopped");
}

static void test_signals(void) {
        static const CtlBackendOps ops = { .call = interrupt };
        static const FakeAnswer none = {};
        struct sigaction after;
        GlobalPinInfo info = {};
        Fake fake;

        fake_init(&fake, &none, 1);
        fake.backend.ops = &ops;
        g_assert_cmpint(wait_for(&fake, &info), ==, 125);
        fake_done(&fake);
        g_assert_cmpint(sigaction(SIGINT, NULL, &after), ==, 0);
        g_assert_true(after.sa_handler == SIG_DFL);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/wait/judge", test_judge);
        g_test_add_func("/ctl/wait/until-reached", test_until_reached);
        g_test_add_func("/ctl/wait/ends", test_ends);
        g_test_add_func("/ctl/wait/signals", test_signals);
        return g_test_run();
}
