#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/types/error.h"
#include "tests/lib/fault.h"

static void test_table(void) {
        static const struct {
                ErrorCode code;
                int error;
                unsigned http_status;
                int exit_status;
                const char *bus_name;
        } cases[] = {
                { ERROR_NONE, 0, 200, 0, "None" },
                { ERROR_INVALID, EINVAL, 400, 2, "InvalidArgument" },
                { ERROR_UNAUTHORIZED, EACCES, 401, 2, "Unauthorized" },
                { ERROR_FORBIDDEN, EPERM, 403, 2, "Forbidden" },
                { ERROR_NOT_FOUND, ENOENT, 404, 2, "NotFound" },
                { ERROR_NOT_ALLOWED, EOPNOTSUPP, 405, 2, "NotAllowed" },
                { ERROR_TOO_BIG, E2BIG, 413, 2, "TooBig" },
                { ERROR_BUSY, EBUSY, 503, 2, "Busy" },
                { ERROR_UNSUPPORTED, ENOSYS, 501, 2, "Unsupported" },
                { ERROR_TIMEOUT, ETIMEDOUT, 500, 62, "Timeout" },
                { ERROR_CANCELED, ECANCELED, 500, 125, "Canceled" },
                { ERROR_NO_MEMORY, ENOMEM, 500, 2, "NoMemory" },
                { ERROR_INTERNAL, EPROTO, 500, 2, "Internal" },
                { ERROR_IN_DOUBT, ENOTRECOVERABLE, 500, 2, "InDoubt" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_assert_cmpint(error_errno(cases[i].code), ==, cases[i].error);
                g_assert_cmpuint(error_http_status(cases[i].code), ==, cases[i].http_status);
                g_assert_cmpint(error_exit_status(cases[i].code), ==, cases[i].exit_status);
                g_assert_cmpstr(error_bus_name(cases[i].code), ==, cases[i].bus_name);
        }
}

/* Each code has an errno, a name and words of its own, and is found again by them. */
static void test_unique(void) {
        for (ErrorCode code = ERROR_NONE; code < _ERROR_N; code++) {
                Error error = { .code = code };

                g_assert_cmpint(error_from_errno(error_errno(code)), ==, code);
                g_assert_cmpint(error_from_errno(-error_errno(code)), ==, code);
                g_assert_nonnull(error_message(&error));
                for (ErrorCode other = ERROR_NONE; other < code; other++)
                        g_assert_cmpstr(error_bus_name(code), !=, error_bus_name(other));
                if (error_http_status(code) >= 400 && error_http_status(code) != 500)
                        g_assert_cmpint(error_from_http_status(error_http_status(code)), ==, code);
        }
}

static void test_from(void) {
        g_assert_cmpint(error_from_errno(-EBADMSG), ==, ERROR_INVALID);
        g_assert_cmpint(error_from_errno(ENOSPC), ==, ERROR_IO);
        g_assert_cmpint(error_from_errno(-ECONNREFUSED), ==, ERROR_IPFS);
        g_assert_cmpint(error_from_errno(EXDEV), ==, ERROR_INTERNAL);
        g_assert_cmpint(error_from_http_status(200), ==, ERROR_NONE);
        g_assert_cmpint(error_from_http_status(418), ==, ERROR_INVALID);
        g_assert_cmpint(error_from_http_status(500), ==, ERROR_INTERNAL);
        g_assert_cmpint(error_from_http_status(502), ==, ERROR_INTERNAL);
        for (ErrorCode code = ERROR_INVALID; code < _ERROR_N; code++)
                g_assert_cmpint(error_from_bus_name(error_bus_name(code)), ==, code);
        g_assert_cmpint(error_from_bus_name("None"), ==, ERROR_INTERNAL);
        g_assert_cmpint(error_from_bus_name("Elsewhere"), ==, ERROR_INTERNAL);
}

static void test_set(void) {
        Error error = {}, moved = {}, copy = {};

        g_assert_cmpint(error_set(&error, ERROR_NOT_FOUND, "%s is not pinned", "x"), ==, -ENOENT);
        g_assert_cmpint(error.code, ==, ERROR_NOT_FOUND);
        g_assert_cmpstr(error_message(&error), ==, "x is not pinned");

        error_move(&moved, &error);
        g_assert_cmpint(error.code, ==, ERROR_NONE);
        g_assert_cmpstr(error_message(&error), ==, "");
        g_assert_cmpint(error_copy(&copy, &moved), ==, -ENOENT);
        g_assert_cmpstr(error_message(&copy), ==, "x is not pinned");

        error_done(&moved);
        error_done(&copy);
        g_assert_cmpint(copy.code, ==, ERROR_NONE);
        g_assert_cmpint(error_set(NULL, ERROR_BUSY, "full"), ==, -EBUSY);
}

static void test_set_errno(void) {
        Error error = {};

        g_assert_cmpint(error_set_errno(&error, -ENOSPC, "log-1: %m"), ==, -ENOSPC);
        g_assert_cmpint(error.code, ==, ERROR_IO);
        g_assert_cmpstr(error_message(&error), ==, "log-1: No space left on device");
        error_done(&error);
        g_assert_cmpint(error_set_errno(NULL, -EXDEV, "x"), ==, -EXDEV);
}

static void test_no_memory(void) {
        Error error = {}, copy = {};

        g_assert_cmpint(error_set(&error, ERROR_NOT_FOUND, "words"), ==, -ENOENT);
        FOREACH_FAULT {
                g_assert_cmpint(error_copy(&copy, &error), ==, -ENOENT);
                g_assert_cmpstr(error_message(&copy), ==, fault_fired() ? "not found" : "words");
                error_done(&copy);
        }
        error_done(&error);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/error/table", test_table);
        g_test_add_func("/types/error/codes-are-unique", test_unique);
        g_test_add_func("/types/error/from-errno-and-status", test_from);
        g_test_add_func("/types/error/set-move-copy", test_set);
        g_test_add_func("/types/error/errno-with-words", test_set_errno);
        g_test_add_func("/types/error/without-memory-the-standard-text", test_no_memory);
        return g_test_run();
}
