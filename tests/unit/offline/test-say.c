#include <sysexits.h>

#include "daemon/offline/say.h"
#include "tests/unit/offline/recording.h"

static int confirm(const void *data) {
        return offline_say_confirm(data);
}

static void test_confirm(void) {
#define Q "Sure? Continue? [y/n]: "
#define AGAIN "Please press either 'y' or 'n'\n"
        static const struct {
                const char *input, *out;
                int status;
        } cases[] = {
                { "y\n", Q, 1 },
                { "Yes\n", Q, 1 },
                { "n\n", Q, 0 },
                { "", Q, 0 },
                { "\n", Q, 0 },
                { "what\ny", Q AGAIN Q, 1 },
                { "a\nb\nc\ny\n", Q AGAIN Q AGAIN Q AGAIN, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Said said = said_by(confirm, "Sure?", cases[i].input);

                g_test_message("'%s'", cases[i].input);
                g_assert_cmpstr(said.out, ==, cases[i].out);
                g_assert_cmpint(said.status, ==, cases[i].status);
                said_done(&said);
        }
}

static int say_error(const void *data) {
        Error error = {};

        (void) error_set(&error, *(const ErrorCode *) data, "it broke");
        return offline_say_error("doing it", &error, 78);
}

static void test_error(void) {
        static const struct {
                ErrorCode code;
                int status;
        } cases[] = { { ERROR_INVALID, 78 }, { ERROR_REFUSED, 78 }, { ERROR_IO, EX_IOERR } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Said said = said_by(say_error, &cases[i].code, NULL);

                g_assert_cmpstr(said.err, ==, "error doing it: it broke\n");
                g_assert_cmpstr(said.out, ==, "");
                g_assert_cmpint(said.status, ==, cases[i].status);
                said_done(&said);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/offline/say/confirm", test_confirm);
        g_test_add_func("/offline/say/error", test_error);
        return g_test_run();
}
