#include "ctl/road.h"
#include "tests/unit/ctl/fake.h"

/* There is no bus here; that the bus is taken where there is one, is seen by the whole program. */
static void no_bus(void) {
        g_assert_cmpint(setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1), ==, 0);
        g_assert_cmpint(setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1), ==, 0);
}

static const struct {
        CtlOptions options;
        bool http;
        const char *err; /* NULL: a road was opened */
} cases[] = {
        { {}, false, NULL },
        { {}, true, NULL },
        { { .host = "/ip4/127.0.0.1/tcp/1" }, false, NULL },
        { { .https = true, .no_check_certificate = true, .basic_auth = "a:b" }, false, NULL },
        { { .host = "" },
          false,
          "error parsing host multiaddress: failed to parse multiaddr \"\": empty multiaddr\n" },
        /* what was asked for is not exchanged for something else */
        { { .bus = true },
          false,
          "error creating API client: the system bus cannot be reached: no such file or directory\n" },
        { { .user_bus = true },
          false,
          "error creating API client: the user's bus cannot be reached: no such file or directory\n" },
        { { .instance = "one" },
          false,
          "error creating API client: the system bus cannot be reached: no such file or directory\n" },
        { { .bus = true, .basic_auth = "a:b" },
          false,
          "error creating API client: the system bus cannot be reached: no such file or directory\n" },
        { { .bus = true }, true, NULL },
        /* contradictions */
        { { .bus = true, .user_bus = true },
          false,
          "error choosing a road: --bus and --user-bus are two: give one of them\n" },
        { { .bus = true, .host = "x" },
          true,
          "error choosing a road: --bus is about the bus, --host about HTTP: give one of them\n" },
        { { .user_bus = true, .https = true },
          false,
          "error choosing a road: --user-bus is about the bus, --https about HTTP: give one of them\n" },
        { { .instance = "x", .no_check_certificate = true },
          false,
          "error choosing a road: --instance is about the bus, --no-check-certificate about HTTP: give one of them\n" },
        { { .instance = "x", .force_http = true },
          false,
          "error choosing a road: --instance is about the bus, --force-http about HTTP: give one of them\n" },
};

static void test_roads(void) {
        no_bus();
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *err = NULL;
                size_t n = 0;
                Ctl ctl = { .options = cases[i].options, .err = open_memstream(&err, &n) };

                g_test_message("case %zu", i);
                g_assert_cmpint(ctl_road_open(&ctl, cases[i].http), ==, cases[i].err ? CTL_EXIT_FAILURE : 0);
                fclose(ctl.err);
                g_assert_cmpstr(err, ==, cases[i].err ? cases[i].err : "");
                g_assert_cmpint(ctl.backend != NULL, ==, !cases[i].err);
                ctl_backend_free(ctl.backend);
                free(err);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/road/roads", test_roads);
        return g_test_run();
}
