#include "daemon/config/environment.h"
#include "tests/unit/config/fixture.h"

#define NAME "CLUSTER_TEST_SETTING"

static void check(const char *text) {
        _cleanup_free_ char *value = NULL;
        int r = config_environment_get(NAME, &value, NULL);

        g_assert_cmpint(r, ==, text ? 1 : 0);
        g_assert_cmpstr(value, ==, text);
}

static void test_variable(void) {
        g_unsetenv("CREDENTIALS_DIRECTORY");
        g_unsetenv(NAME);
        check(NULL);
        g_setenv(NAME, "", true);
        check("");
        g_setenv(NAME, "a value", true);
        check("a value");
        g_unsetenv(NAME);
}

static void test_credential(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_setenv("CREDENTIALS_DIRECTORY", f->folder, true);
        g_setenv(NAME, "variable", true);
        check("variable");
        fixture_put(f, NAME, "credential\n");
        check("credential");
        fixture_put(f, NAME, "");
        check("");
        g_unsetenv(NAME);
        g_unsetenv("CREDENTIALS_DIRECTORY");
}

static void test_unreadable(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *path = g_build_filename(f->folder, NAME, NULL);
        _cleanup_free_ char *value = NULL;

        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
        g_setenv("CREDENTIALS_DIRECTORY", f->folder, true);
        g_assert_cmpint(config_environment_get(NAME, &value, &f->error), <, 0);
        g_assert_cmpstr(error_message(&f->error), ==, "credential " NAME ": Is a directory");
        g_unsetenv("CREDENTIALS_DIRECTORY");
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/config/environment/variable", test_variable);
#define ADD(path, func)                                                                                     \
        g_test_add("/config/environment/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
        ADD("credential-wins", test_credential);
        ADD("credential-that-cannot-be-read", test_unreadable);
        return g_test_run();
}
