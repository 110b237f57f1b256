#include <errno.h>
#include <glib.h>

#include "daemon/types/ipfs-path.h"

#define CID "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq"

static void test_parse(void) {
        static const struct {
                const char *text;
                const char *root;
                bool is_bare;
        } cases[] = {
                { "/ipfs/" CID, CID, true },          { "/ipfs/" CID "/", CID, true },
                { "/ipld/" CID, CID, true },          { "/ipfs/" CID "/a", CID, false },
                { "/ipfs/" CID "/a/b/", CID, false }, { "/ipfs/" CID "//", CID, false },
                { "/ipns/example.org", "", false },   { "/ipns/example.org/a", "", false },
        };
        char root[CID_TEXT_MAX];
        IpfsPath path;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Error error = {};

                if (ipfs_path_parse(cases[i].text, &path, &error) < 0)
                        g_error("%s", error_message(&error));
                g_assert_cmpstr(cid_format(&path.root, root), ==, cases[i].root);
                if (path.is_bare != cases[i].is_bare)
                        g_error("%s: bare: %d", cases[i].text, path.is_bare);
        }
}

static void test_bad(void) {
        static const struct {
                const char *text;
                const char *message;
        } cases[] = {
                { "/ipfs/notacid",
                  "invalid path \"/ipfs/notacid\": invalid cid: selected encoding not supported" },
                { "/ipld/a/b", "invalid path \"/ipld/a/b\": invalid cid: cid too short" },
                { "/ipfs/", "invalid path \"/ipfs/\": path does not have enough components" },
                { "/ipfs", "invalid path \"/ipfs\": path does not have enough components" },
                { "/ipns//a", "invalid path \"/ipns//a\": path does not have enough components" },
                { "//ipfs", "invalid path \"//ipfs\": path does not have enough components" },
                { "/", "invalid path \"/\": path does not have enough components" },
                { "", "invalid path \"\": path does not have enough components" },
                { "junk", "invalid path \"junk\": path does not have enough components" },
                { "/foo/" CID, "invalid path \"/foo/" CID "\": unknown namespace" },
                { "/ipf/" CID, "invalid path \"/ipf/" CID "\": unknown namespace" },
        };
        IpfsPath path;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Error error = {};

                g_assert_cmpint(ipfs_path_parse(cases[i].text, &path, &error), ==, -EINVAL);
                g_assert_cmpint(error.code, ==, ERROR_INVALID);
                g_assert_cmpstr(error_message(&error), ==, cases[i].message);
                error_done(&error);
                g_assert_cmpint(ipfs_path_parse(cases[i].text, &path, NULL), ==, -EINVAL);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/ipfs-path/parse", test_parse);
        g_test_add_func("/types/ipfs-path/bad-with-words", test_bad);
        return g_test_run();
}
