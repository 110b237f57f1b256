#include <glib.h>
#include <string.h>

#include "daemon/types/repo-gc.h"
#include "tests/unit/types/golden.h"

#define ID "12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM"

static void test_golden(void) {
        golden_check("repo-gc.json", &global_repo_gc_shape, 5);
}

/* A key that failed has an error and may have no CID. */
static void test_key_error(void) {
        static const char text[] = "{\"peer_map\":{\"" ID "\":{\"peer\":\"" ID
                                   "\",\"peername\":\"a\",\"keys\":[{\"key\":null,\"error\":\"x\"}]}}}";
        _cleanup_(global_repo_gc_done) GlobalRepoGc gc = {};
        _cleanup_(str_done) Str out = {};

        g_assert_cmpint(json_read_text(&global_repo_gc_shape, text, strlen(text), &gc, NULL), ==, 0);
        g_assert_cmpint(json_write(&global_repo_gc_shape, &gc, &out), ==, 0);
        g_assert_cmpstr(out.data, ==, text);
}

static void test_peer(void) {
        _cleanup_(global_repo_gc_done) GlobalRepoGc gc = {};
        _cleanup_(str_done) Str out = {};
        RepoGc *peer;
        PeerId id;

        g_assert_cmpint(peer_id_parse(ID, &id), ==, 0);
        g_assert_cmpint(global_repo_gc_peer(&gc, &id, &peer), ==, 1);
        g_assert_cmpint(global_repo_gc_peer(&gc, &id, &peer), ==, 0);
        peer->keys.is_set = true;
        g_assert_cmpint(json_write(&global_repo_gc_shape, &gc, &out), ==, 0);
        g_assert_cmpstr(out.data,
                        ==,
                        "{\"peer_map\":{\"" ID "\":{\"peer\":\"" ID "\",\"peername\":\"\",\"keys\":[]}}}");
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/types/repo-gc/as-recorded", test_golden);
        g_test_add_func("/types/repo-gc/key-with-error", test_key_error);
        g_test_add_func("/types/repo-gc/peer", test_peer);
        return g_test_run();
}
