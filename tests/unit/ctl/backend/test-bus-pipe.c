#include <fcntl.h>
#include <string.h>

#include "ctl/backend/bus-call.h"
#include "daemon/base/time.h"
#include "tests/unit/ctl/backend/fake-bus.h"

#define CID "QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"
#define STATUS                                                                                              \
        "{\"cid\":\"" CID "\",\"name\":\"}\",\"allocations\":null,\"origins\":null,"                        \
        "\"created\":\"0001-01-01T00:00:00Z\",\"metadata\":null,\"peer_map\":{}}\n"

static const char ended[] = "StreamStatus: unexpected EOF";

static const struct {
        const char *pipe;
        const char *items;
        int r;
        unsigned code;
        const char *message;
} cases[] = {
        { "{\"end\":0}\n", "" },
        { STATUS "{\"end\":1}\n", STATUS },
        { STATUS STATUS STATUS "{\"end\":3}\n", STATUS STATUS STATUS },
        { STATUS "{\"end\":1}\n" STATUS, STATUS }, /* nothing counts behind the end */
        /* cut, or not all */
        { "", "", -EIO, 0, ended },
        { STATUS, STATUS, -EIO, 0, ended },
        { "{\"end\":1}\n", "", -EIO, 0, ended },
        { STATUS "{\"end\":0}\n", STATUS, -EIO, 0, ended },
        /* errors: in front of the first item they keep their code */
        { "{\"error\":{\"code\":503,\"name\":\"Busy\",\"message\":\"too much\"}}\n",
          "",
          -EREMOTEIO,
          503,
          "too much" },
        { STATUS "{\"error\":{\"code\":503,\"name\":\"Busy\",\"message\":\"too much\"}}\n",
          STATUS,
          -EREMOTEIO,
          500,
          "too much" },
        { "{\"error\":{\"code\":\"x\"}}\n",
          "",
          -EBADMSG,
          200,
          "cannot read the answer: error.code is \"x\", expected a whole number" },
        /* nonsense */
        { "what\n", "", -EBADMSG, 200, "cannot read the answer: not the JSON expected" },
        { STATUS "[]\n", STATUS, -EBADMSG, 200, "cannot read the answer: not the JSON expected" },
        { "{\"cid\":1}\n", "", -EBADMSG, 200, "cannot read the answer: cid is 1, expected a CID" },
};

static void test_lines(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                fake_bus_check(&(FakeBusCase){
                                { CTL_CALL_STATUS_LIST },
                                { .pipe = cases[i].pipe },
                                "StreamStatus '' false\n",
                                cases[i].items,
                                cases[i].r,
                                cases[i].code,
                                cases[i].message,
                });
}

/* Whole lines are handed out, and it is an error wherever it ends. */
static void test_cut_at_every_byte(void) {
        static const char whole[] = STATUS "{\"end\":1}\n";

        for (size_t n = 0; n < strlen(whole) - 1; n++) {
                g_autofree char *cut = g_strndup(whole, n);
                bool has_item = n >= strlen(STATUS) - 1, has_end = n >= strlen(whole) - 1;

                fake_bus_check(&(FakeBusCase){
                                { CTL_CALL_STATUS_LIST },
                                { .pipe = cut },
                                "StreamStatus '' false\n",
                                has_item ? STATUS : "",
                                has_end ? 0 : -EIO,
                                0,
                                has_end ? NULL : ended,
                });
        }
}

/* The writing end stays open, and nothing comes. */
static void hold_pipe(sd_bus_message *m, void *userdata) {
        int *held = userdata;

        g_assert_cmpint(pipe2(held, O_CLOEXEC), ==, 0);
        g_assert_cmpint(write(held[1], STATUS, strlen(STATUS)), ==, (gssize) strlen(STATUS));
        g_assert_cmpint(sd_bus_reply_method_return(m, "h", held[0]), >=, 0);
        close(held[0]);
}

static int set_flag(void *item G_GNUC_UNUSED, void *userdata) {
        *(volatile sig_atomic_t *) userdata = 1;
        return 0;
}

static void test_deadline_and_cancel(void) {
        static const FakeReply silent = { .silent = true };
        volatile sig_atomic_t cancel = 0, seen = 0;
        CtlBackend *backend = NULL;
        CtlFailure failure = {};
        int held[2];
        FakeBus fake;
        CtlRequest request = { CTL_CALL_STATUS_LIST };

        fake_bus_start(&fake, &silent, 1);
        fake.on_call = hold_pipe;
        fake.userdata = held;
        g_assert_cmpint(ctl_backend_bus_new(&backend, &(CtlBusOptions){}, NULL), ==, 0);

        request.deadline_usec = time_monotonic() + 50 * USEC_PER_MSEC;
        g_assert_cmpint(ctl_backend_call(backend, &request, set_flag, (void *) &seen, &failure), ==, -ETIME);
        g_assert_cmpstr(failure.message, ==, "StreamStatus: context deadline exceeded");
        g_assert_cmpint(seen, ==, 1);
        close(held[1]);

        request = (CtlRequest){ CTL_CALL_STATUS_LIST, .cancel = &cancel };
        g_assert_cmpint(ctl_backend_call(backend, &request, set_flag, (void *) &cancel, &failure),
                        ==,
                        -ECANCELED);
        g_assert_cmpstr(failure.message, ==, "StreamStatus: context canceled");
        close(held[1]);
        ctl_failure_done(&failure);
        ctl_backend_free(backend);
        fake_bus_stop(&fake);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/backend/bus-pipe/lines", test_lines);
        g_test_add_func("/ctl/backend/bus-pipe/cut-at-every-byte", test_cut_at_every_byte);
        g_test_add_func("/ctl/backend/bus-pipe/deadline-and-cancel", test_deadline_and_cancel);
        return g_test_run();
}
