#include <string.h>

#include "ctl/backend/bus.h"
#include "daemon/base/time.h"
#include "tests/unit/ctl/backend/fake-bus.h"

/* ---- errors of the bus are those of HTTP */

static const struct {
        const char *name;
        const char *words;
        int r;
        unsigned code;
        const char *message;
} errors[] = {
        { BUS_ERROR_PREFIX "NotFound", "no such pin", -EREMOTEIO, 404, "no such pin" },
        { BUS_ERROR_PREFIX "InvalidArgument", "bad", -EREMOTEIO, 400, "bad" },
        { BUS_ERROR_PREFIX "Unsupported", "not yet", -EREMOTEIO, 501, "not yet" },
        { BUS_ERROR_PREFIX "Busy", "later", -EREMOTEIO, 503, "later" },
        { BUS_ERROR_PREFIX "Refused", "no", -EREMOTEIO, 500, "no" },
        { BUS_ERROR_PREFIX "Timeout", "late", -EREMOTEIO, 500, "late" },
        { BUS_ERROR_PREFIX "OfTheFuture", "what", -EREMOTEIO, 500, "what" },
        { BUS_ERROR_PREFIX "NotFound", "", -EREMOTEIO, 404, BUS_ERROR_PREFIX "NotFound" },
        { SD_BUS_ERROR_ACCESS_DENIED, "Access denied", -EREMOTEIO, 403, "Access denied" },
        { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, "Who?", -EREMOTEIO, 403, "Who?" },
        { SD_BUS_ERROR_UNKNOWN_METHOD, "unknown", -EREMOTEIO, 501, "unknown" },
        { SD_BUS_ERROR_LIMITS_EXCEEDED, "full", -EREMOTEIO, 503, "full" },
        { SD_BUS_ERROR_SERVICE_UNKNOWN,
          "x",
          -EIO,
          0,
          "Id: org.ipfs.Cluster is not on the system bus: no peer runs there, and none can be started" },
        { SD_BUS_ERROR_NO_REPLY, "no reply", -EIO, 0, "Id: no reply" },
        { "org.freedesktop.systemd1.LoadFailed", "masked", -EIO, 0, "Id: masked" },
};

static void test_errors(void) {
        for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                fake_bus_check(&(FakeBusCase){
                                { CTL_CALL_ID },
                                { .error = errors[i].name, .words = errors[i].words },
                                "Id\n",
                                NULL,
                                errors[i].r,
                                errors[i].code,
                                errors[i].message,
                });
}

static void test_lost_connection(void) {
        fake_bus_check(&(FakeBusCase){
                        { CTL_CALL_ID },
                        { .gone = true },
                        "Id\n",
                        NULL,
                        -EIO,
                        0,
                        "Id: Connection terminated",
        });
}

static void test_text_that_the_bus_does_not_carry(void) {
        fake_bus_check(&(FakeBusCase){
                        { CTL_CALL_UNPIN, .subject = "/ipfs/\xff" },
                        {},
                        "",
                        NULL,
                        -EIO,
                        0,
                        "Unpin: an argument is no UTF-8, which the bus does not carry",
        });
}

/* ---- opening */

static void assert_refused(const CtlBusOptions *options, const char *words) {
        _cleanup_(error_done) Error error = {};
        CtlBackend *backend = NULL;

        g_assert_cmpint(ctl_backend_bus_new(&backend, options, &error), <, 0);
        g_assert_null(backend);
        g_assert_cmpstr(error_message(&error), ==, words);
}

static void test_no_bus(void) {
        g_assert_cmpint(setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1), ==, 0);
        assert_refused(&(CtlBusOptions){}, "the system bus cannot be reached: no such file or directory");
        g_assert_cmpint(setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1), ==, 0);
        assert_refused(&(CtlBusOptions){ .user = true },
                       "the user's bus cannot be reached: no such file or directory");
}

static void test_instances(void) {
        static const char *const bad[] = { "", "1", "-a", "a.b", "a b", "ä" };
        static const FakeReply reply = {};
        const CtlRequest request = { CTL_CALL_BANDWIDTH };
        CtlFailure failure = {};
        CtlBackend *backend = NULL;
        FakeBus fake;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                g_autofree char *words = g_strdup_printf(
                                "instance: '%s' is not allowed, expected letters, digits, _ and -, no digit first",
                                bad[i]);

                assert_refused(&(CtlBusOptions){ .instance = bad[i] }, words);
        }

        fake_bus_start(&fake, &reply, 1);
        fake.name = BUS_NAME ".one-2";
        g_assert_cmpint(ctl_backend_bus_new(&backend, &(CtlBusOptions){ .instance = "one-2" }, NULL), ==, 0);
        g_assert_cmpint(ctl_backend_bus_find_peer(backend), ==, 1);
        g_assert_cmpint(ctl_backend_call(backend, &request, fake_bus_skip, NULL, &failure), ==, 0);
        ctl_backend_free(backend);
        fake_bus_stop(&fake);
}

static void test_peer_is_there_or_can_be_started(void) {
        static const struct {
                bool is_owned, is_activatable, is_broken;
                const char *start_error;
                int is_found;
        } states[] = {
                { true, false, false, NULL, 1 },
                { false, true, false, NULL, 1 },
                { false,
                  true,
                  false,
                  "org.freedesktop.DBus.Error.Spawn.ChildExited",
                  1 }, /* which the call will tell of */
                { false, true, false, "org.freedesktop.systemd1.NoSuchUnit", 0 },
                { false, true, false, "org.freedesktop.systemd1.UnitMasked", 0 },
                { false, false, false, NULL, 0 },
                { true, true, true, NULL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                CtlBackend *backend = NULL;
                FakeBus fake;

                fake_bus_start(&fake, NULL, 0);
                fake.is_owned = states[i].is_owned;
                fake.is_activatable = states[i].is_activatable;
                fake.is_broken = states[i].is_broken;
                fake.start_error = states[i].start_error;
                g_assert_cmpint(ctl_backend_bus_new(&backend, &(CtlBusOptions){}, NULL), ==, 0);
                g_assert_cmpint(ctl_backend_bus_find_peer(backend), ==, states[i].is_found);
                g_assert_cmpuint(fake.n_calls, ==, 0);
                ctl_backend_free(backend);
                fake_bus_stop(&fake);
        }
}

/* ---- ends that are not the peer's */

static void test_deadline_and_cancel(void) {
        static const FakeReply silent = { .silent = true };
        volatile sig_atomic_t cancel = 1;
        const CtlRequest late = { CTL_CALL_ID, .deadline_usec = time_monotonic() };
        const CtlRequest canceled = { CTL_CALL_ID, .cancel = &cancel };
        CtlBackend *backend = NULL;
        CtlFailure failure = {};
        FakeBus fake;

        fake_bus_start(&fake, &silent, 1);
        g_assert_cmpint(ctl_backend_bus_new(&backend, &(CtlBusOptions){}, NULL), ==, 0);
        g_assert_cmpint(ctl_backend_call(backend, &late, fake_bus_skip, NULL, &failure), ==, -ETIME);
        g_assert_cmpstr(failure.message, ==, "Id: context deadline exceeded");
        g_assert_cmpint(ctl_backend_call(backend, &canceled, fake_bus_skip, NULL, &failure), ==, -ECANCELED);
        g_assert_cmpstr(failure.message, ==, "Id: context canceled");
        ctl_failure_done(&failure);
        ctl_backend_free(backend);
        fake_bus_stop(&fake);
}

/* --timeout is told as over HTTP: no answer. */
static void test_time_out_of_the_program(void) {
        static const FakeReply silent = { .silent = true };
        CtlBackend *backend = NULL;
        CtlFailure failure = {};
        FakeBus fake;

        fake_bus_start(&fake, &silent, 1);
        g_assert_cmpint(ctl_backend_bus_new(&backend, &(CtlBusOptions){ .timeout_sec = 1 }, NULL), ==, 0);
        g_assert_cmpint(ctl_backend_call(
                                        backend,
                                        &(CtlRequest){ CTL_CALL_ID },
                                        fake_bus_skip,
                                        NULL,
                                        &failure),
                        ==,
                        -EIO);
        g_assert_cmpuint(failure.code, ==, 0);
        g_assert_cmpstr(failure.message, ==, "Id: context deadline exceeded");
        ctl_failure_done(&failure);
        ctl_backend_free(backend);
        fake_bus_stop(&fake);
}

static void test_user_may_be_asked_and_calls_are_told(void) {
        static const FakeReply reply = {};
        CtlBackend *backend = NULL;
        CtlFailure failure = {};
        char *told = NULL;
        size_t n = 0;
        FILE *debug = open_memstream(&told, &n);
        FakeBus fake;

        fake_bus_start(&fake, &reply, 1);
        g_assert_cmpint(ctl_backend_bus_new(&backend, &(CtlBusOptions){ .debug = debug }, NULL), ==, 0);
        g_assert_cmpint(ctl_backend_call(
                                        backend,
                                        &(CtlRequest){ CTL_CALL_PEER_REMOVE, .subject = "x" },
                                        fake_bus_skip,
                                        NULL,
                                        &failure),
                        ==,
                        0);
        g_assert_true(fake.is_interactive);
        g_assert_true(fake.may_start);
        fclose(debug);
        g_assert_nonnull(strstr(told, "\tDEBUG\tapiclient\tCALL: org.ipfs.Cluster.RemovePeer\n"));
        free(told);
        ctl_backend_free(backend);
        fake_bus_stop(&fake);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/backend/bus/errors", test_errors);
        g_test_add_func("/ctl/backend/bus/lost-connection", test_lost_connection);
        g_test_add_func("/ctl/backend/bus/text-that-the-bus-does-not-carry",
                        test_text_that_the_bus_does_not_carry);
        g_test_add_func("/ctl/backend/bus/no-bus", test_no_bus);
        g_test_add_func("/ctl/backend/bus/instances", test_instances);
        g_test_add_func("/ctl/backend/bus/peer-is-there-or-can-be-started",
                        test_peer_is_there_or_can_be_started);
        g_test_add_func("/ctl/backend/bus/deadline-and-cancel", test_deadline_and_cancel);
        g_test_add_func("/ctl/backend/bus/time-out-of-the-program", test_time_out_of_the_program);
        g_test_add_func("/ctl/backend/bus/user-may-be-asked-and-calls-are-told",
                        test_user_may_be_asked_and_calls_are_told);
        return g_test_run();
}
