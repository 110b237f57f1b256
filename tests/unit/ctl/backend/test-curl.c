#include <glib.h>

#include "ctl/backend/curl.h"

/* Whether it is there, all of it is; and it is loaded once. */
static void test_loaded(void) {
        const CtlCurl *curl = NULL, *again = NULL;
        CURL *handle;

        g_assert_cmpint(ctl_curl_load(&curl, NULL), ==, 0);
        for (size_t i = 0; i < sizeof(*curl) / sizeof(void *); i++)
                g_assert_nonnull(((void *const *) curl)[i]);
        handle = curl->easy_init();
        g_assert_nonnull(handle);
        curl->easy_cleanup(handle);
        g_assert_cmpint(ctl_curl_load(&again, NULL), ==, 0);
        g_assert_true(curl == again);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/backend/curl/loaded", test_loaded);
        return g_test_run();
}
