#include <string.h>

#include "daemon/cluster/gather.h"
#include "tests/unit/cluster/set.h"

static void test_statuses(Set *set, gconstpointer data G_GNUC_UNUSED) {
        set_pin_three(set);
        for (unsigned i = 0; i < SET_N; i++)
                set_assert_told(set_statuses(set, i, 0),
                                "1 0=pinned 1=pinned 2=pinned\n"
                                "2 0=pinned 1=remote 2=pinned\n"
                                "3 0=remote 1=pinned 2=remote");
        set_assert_told(set_statuses(set, 0, PIN_STATUS_REMOTE), "2 1=remote\n3 0=remote 2=remote");
        set_assert_told(set_statuses(set, 0, PIN_STATUS_CLUSTER_ERROR), "");
        set_assert_told(set_statuses(set, 0, PIN_STATUS_ERROR), "");
}

static void test_cids(Set *set, gconstpointer data G_GNUC_UNUSED) {
        const Cid cids[] = { peer_cid(2), peer_cid(9), peer_cid(1) };
        const ClusterStatusQuery query = { .cids = cids, .n_cids = ELEMENTSOF(cids) };
        char text[CID_TEXT_MAX];
        ClusterList *list;

        set_pin_three(set);
        fake_kubo_pin(set->peers[2].kubo, peer_cid_text(2, text), NULL); /* behind its back */
        g_assert_cmpint(cluster_list_statuses(set->peers[1].cluster, &list, &query, NULL), ==, 0);
        set_assert_told(set_told(set, list),
                        "1 0=pinned 1=pinned 2=pinned\n"
                        "2 0=pinned 1=remote 2=unexpectedly_unpinned(the item should be pinned but it is not)\n"
                        "9 0=unpinned 1=unpinned 2=unpinned");
}

/* More than one chunk, and one more than some. */
static void test_chunks(Set *set, gconstpointer data G_GNUC_UNUSED) {
        static const size_t sizes[] = { 1, CLUSTER_CHUNK_ITEMS_MAX - 1, 1, 1 };
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                g_autofree char *text = NULL;

                peer_fill(&set->peers[0], 1000 + n, sizes[i], "many");
                n += sizes[i];
                set_until_applied(set, 1000 + n - 1);
                text = set_statuses(set, 1, 0);
                g_assert_cmpuint(set_count(text, " 0="), ==, n);
                g_assert_cmpuint(set_count(text, " 1="), ==, n);
                g_assert_cmpuint(set_count(text, " 2="), ==, n);
                g_assert_cmpuint(set_count(text, "remote"), ==, 0);
        }
}

/* ---- one is gone */

/* What stands between "cluster_error(" and ")" becomes "…". */
static char *without_words(char *text) {
        g_autofree char *owned = text;
        g_autoptr(GRegex) regex = g_regex_new(
                        "cluster_error\\(peer \\S+ was not reached within 50ms: [^)]*\\)", 0, 0, NULL);

        return g_regex_replace_literal(regex, owned, -1, 0, "cluster_error(…)", 0, NULL);
}

static void test_dead(Set *set, gconstpointer data G_GNUC_UNUSED) {
        ClusterList *list;

        set_pin_three(set);
        set_stop_third(set);
        set_assert_told(without_words(set_statuses(set, 0, 0)),
                        "1 0=pinned 1=pinned 2=cluster_error(…)\n"
                        "2 0=pinned 1=remote 2=cluster_error(…)\n"
                        "3 0=remote 1=pinned 2=remote");
        set_assert_told(without_words(set_statuses(set, 1, PIN_STATUS_CLUSTER_ERROR)),
                        "1 2=cluster_error(…)\n2 2=cluster_error(…)");
        set_assert_told(set_statuses(set, 1, PIN_STATUS_PIN_ERROR), "");
        g_assert_cmpint(cluster_list_recover(set->peers[0].cluster, &list, false, NULL), ==, 0);
        {
                g_autofree char *text = set_told(set, list);

                asked_assert_has(text, "error: not all peers have done it: 12D3Koo");
                asked_assert_has(text, "was not reached within 50ms");
        }
}

/* ---- one tells nonsense, or nothing */

#define HEAD "\1\5peer2\0\0"
#define ALL_PINNED "1 0=pinned 1=pinned 2=cluster_error(the peer has given no proper answer)"

static void test_nonsense(Set *set, gconstpointer data G_GNUC_UNUSED) {
        static const struct {
                const char *what, *answer;
                size_t size;
        } cases[] = {
                { "nothing", "", 0 },
                { "no head", "\1", 1 },
                { "another format", "\2\5peer2\0\0\x20", 10 },
                { "no entry", HEAD, 9 },
                { "an unknown status", HEAD "\2", 10 },
                { "an entry too many", HEAD "\x20\x20", 11 },
                { "rubbish behind", HEAD "\x20\xff", 11 },
        };

        set_pin(set, 1, "");
        set_until_status(set, 1, 0, PIN_STATUS_PINNED);
        set_until_status(set, 1, 1, PIN_STATUS_PINNED);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_test_message("%s", cases[i].what);
                set->impostor.answer = cases[i].answer;
                set->impostor.size = cases[i].size;
                set_assert_told(set_statuses(set, 0, 0), ALL_PINNED);
        }
        set->impostor.answer = HEAD "\x20";
        set->impostor.size = 10;
        set->impostor.method = "status";
        set_assert_told(set_statuses(set, 0, PIN_STATUS_PINNED), "1 0=pinned 1=pinned 2=pinned");
}

/* Whoever has been silent once is not waited for again. */
static void test_silent(Set *set, gconstpointer data G_GNUC_UNUSED) {
        g_autofree char *text = NULL;

        peer_fill(&set->peers[0], 1000, 2 * CLUSTER_CHUNK_ITEMS_MAX + 1, "many");
        set->impostor.is_silent = true;
        set->peers[0].cluster->gather_usec = 100 * USEC_PER_MSEC;
        text = set_statuses(set, 0, PIN_STATUS_CLUSTER_ERROR | PIN_STATUS_REMOTE);
        g_assert_cmpuint(
                        set_count(text, " has not answered within 100ms)"),
                        ==,
                        2 * CLUSTER_CHUNK_ITEMS_MAX + 1);
        g_assert_cmpuint(set->impostor.n_asked, ==, 1);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        SET_TEST("/cluster/chunk/statuses", test_statuses);
        SET_TEST("/cluster/chunk/given-cids-are-asked-for", test_cids);
        SET_TEST("/cluster/chunk/chunks", test_chunks);
        SET_TEST("/cluster/chunk/dead-peer-is-cluster-error", test_dead);
        SET_IMPOSTOR_TEST("/cluster/chunk/nonsense-is-cluster-error", test_nonsense);
        SET_IMPOSTOR_TEST("/cluster/chunk/silent-one-is-asked-once", test_silent);
        return g_test_run();
}
