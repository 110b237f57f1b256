#include <glib.h>

#include "daemon/types/added.h"
#include "tests/unit/types/golden.h"

static void test_golden(void) {
        golden_check("added.json", &added_shape, 5);
}

static void test_done(void) {
        Added added = { .name = g_strdup("a") };

        added_done(&added);
        g_assert_null(added.name);
        added_done(&added);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/added/as-recorded", test_golden);
        g_test_add_func("/types/added/done", test_done);
        return g_test_run();
}
