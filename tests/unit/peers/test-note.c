#include <glib.h>
#include <string.h>

#include "daemon/peers/note.h"

static void test_head(void) {
        static const uint8_t id[STATE_CLUSTER_ID_SIZE] = "0123456789abcdef";
        _cleanup_(str_done) Str note = {};

        g_assert_cmpint(peers_note_begin(&note, PEERS_NOTE_HELLO, id), ==, 0);
        g_assert_cmpmem(note.data, note.len, "\003\0\0\0\0\0\0\0000123456789abcdef", PEERS_NOTE_HEAD);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/note/head", test_head);
        return g_test_run();
}
