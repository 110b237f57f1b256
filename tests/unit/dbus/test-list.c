#include <string.h>

#include "tests/unit/dbus/harness.h"

static Harness harness;

typedef struct Page {
        size_t n_rows;
        char *text;
        char next[64];
} Page;

static size_t count(const char *text, const char *part) {
        size_t n = 0;

        for (; (text = strstr(text, part)); text++)
                n++;
        return n;
}

/* "[[cid,name,status,created],…] "next"", or an error. */
static void read_page(Page *page, const char *sender, const char *after, uint32_t limit) {
        const char *last;

        free(page->text);
        page->text = harness_call(&harness, sender, "ListPins", "su", after, limit);
        page->n_rows = count(page->text, "[\"");
        last = strrchr(page->text, ' ');
        (void) g_strlcpy(page->next, last && last[1] == '"' ? last + 2 : "?", sizeof(page->next));
        if (strchr(page->next, '"'))
                *strchr(page->next, '"') = '\0';
}

static void page_done(Page *page) {
        free(page->text);
        *page = (Page){};
}

static void test_pages(void) {
        static const uint32_t limits[] = { 1, 7, 10, 25, 26, BUS_PAGE_MAX };
        Page page = {};

        harness_open(&harness);
        peer_fill(&harness.peer, 1, 25, "some \"name\"");
        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                size_t n = 0, n_pages = 0;

                page_done(&page);
                do {
                        read_page(&page, ALICE, page.next, limits[i]);
                        g_assert_cmpuint(page.n_rows, <=, limits[i]);
                        n += page.n_rows;
                        n_pages++;
                } while (*page.next);
                g_assert_cmpuint(n, ==, 25);
                g_assert_cmpuint(n_pages, <=, 25 / limits[i] + 1);
        }
        harness_assert_has(page.text, ",\"some \\\"name\\\"\",\"pin");
        g_assert_cmpuint(harness.bus->n[BUS_KIND_CURSOR], ==, 0);
        page_done(&page);
        harness_close(&harness);
}

static void test_nothing(void) {
        char *text;

        harness_open(&harness);
        text = harness_call(&harness, ALICE, "ListPins", "su", "", 10);
        g_assert_cmpstr(text, ==, "[] \"\"");
        free(text);
        harness_close(&harness);
}

/* All pages show the pinset as it was with the first. */
static void test_one_view(void) {
        Page page = {};
        size_t n;

        harness_open(&harness);
        peer_fill(&harness.peer, 1, 20, NULL);
        read_page(&page, ALICE, "", 5);
        n = page.n_rows;
        peer_fill(&harness.peer, 100, 20, NULL);
        while (*page.next) {
                read_page(&page, ALICE, page.next, 5);
                n += page.n_rows;
        }
        g_assert_cmpuint(n, ==, 20);
        page_done(&page);
        harness_close(&harness);
}

static void test_bad_pages(void) {
        static const char *const afters[] = { "1",   "1.",   "0.0",  "x",
                                              "1.2", "99.1", " 1.1", "18446744073709551616.1" };
        char next[64];
        Page page = {};

        harness_open(&harness);
        peer_fill(&harness.peer, 1, 20, NULL);
        read_page(&page, ALICE, "", 5);
        (void) g_strlcpy(next, page.next, sizeof(next));
        for (size_t i = 0; i < ELEMENTSOF(afters); i++) {
                read_page(&page, ALICE, afters[i], 5);
                harness_assert_has(page.text, "NotFound: after: '");
        }
        read_page(&page, BOB, next, 5); /* another's */
        harness_assert_has(page.text, "NotFound: ");
        read_page(&page, ALICE, next, 0);
        harness_assert_has(page.text, "InvalidArgument: limit: 0 is not allowed, expected 1 to 10000");
        read_page(&page, ALICE, next, BUS_PAGE_MAX + 1);
        harness_assert_has(page.text, "InvalidArgument: limit: 10001 is not allowed");
        read_page(&page, ALICE, next, UINT32_MAX);
        harness_assert_has(page.text, "InvalidArgument: ");

        read_page(&page, ALICE, next, 5); /* it has waited all the same */
        g_assert_cmpuint(page.n_rows, ==, 5);
        read_page(&page, ALICE, next, 5); /* each page once */
        harness_assert_has(page.text, "NotFound: ");
        page_done(&page);
        harness_close(&harness);
}

static void test_expiry(void) {
        Page page = {};

        harness_open(&harness);
        peer_fill(&harness.peer, 1, 20, NULL);
        harness.bus->patience.cursor_usec = USEC_PER_MSEC;
        read_page(&page, ALICE, "", 5);
        PEER_UNTIL(&harness.peer, harness.bus->n[BUS_KIND_CURSOR] == 0);
        read_page(&page, ALICE, page.next, 5);
        harness_assert_has(page.text, "NotFound: ");
        g_assert_cmpuint(map_size(harness.bus->senders), ==, 0);
        page_done(&page);
        harness_close(&harness);
}

static void test_too_many(void) {
        Page page = {};

        harness_open(&harness);
        peer_fill(&harness.peer, 1, 20, NULL);
        for (unsigned i = 0; i < 4; i++) {
                read_page(&page, ALICE, "", 5);
                g_assert_cmpuint(page.n_rows, ==, 5);
        }
        read_page(&page, ALICE, "", 5);
        harness_assert_has(page.text, "Busy: there are 4 lists that are being paged for you already");
        read_page(&page, BOB, "", 5);
        g_assert_cmpuint(page.n_rows, ==, 5);
        page_done(&page);
        harness_close(&harness);
}

/* Long names make short pages. */
static void test_long_names(void) {
        g_autofree char *name = g_strnfill(PIN_NAME_MAX, 'x');
        size_t n = 0;
        Page page = {};

        harness_open(&harness);
        peer_fill(&harness.peer, 1, 100, name);
        do {
                read_page(&page, ALICE, page.next, BUS_PAGE_MAX);
                g_assert_cmpuint(strlen(page.text), <, 1024 * 1024);
                g_assert_cmpuint(page.n_rows, <, 100);
                n += page.n_rows;
        } while (*page.next);
        g_assert_cmpuint(n, ==, 100);
        page_done(&page);
        harness_close(&harness);
}

/* Two calls for one page: the second finds it taken. */
static void test_at_once(void) {
        HarnessCall first, second;
        Page page = {};
        char *text;

        harness_open(&harness);
        peer_fill(&harness.peer, 1, 20, NULL);
        read_page(&page, ALICE, "", 5);
        harness_send(&harness, &first, ALICE, "ListPins", "su", page.next, 5);
        harness_send(&harness, &second, ALICE, "ListPins", "su", page.next, 5);
        harness_wait(&harness, &first);
        harness_wait(&harness, &second);
        text = harness_text(first.reply);
        g_assert_cmpuint(count(text, "[\""), ==, 5);
        free(text);
        text = harness_text(second.reply);
        harness_assert_has(text, "NotFound: ");
        free(text);
        harness_call_done(&first);
        harness_call_done(&second);
        page_done(&page);
        harness_close(&harness);
}

static void test_peers(void) {
        char *text, self[PEER_ID_TEXT_MAX];

        harness_open(&harness);
        text = harness_call(&harness, ALICE, "ListPeers", NULL);
        harness_assert_has(text, peer_id_format(cluster_self(harness.peer.cluster), self));
        harness_assert_has(text, "\"peername\":\"tester\"");
        g_assert_cmpuint(count(text, "\"rpc_protocol_version\""), ==, 1);
        free(text);
        harness_close(&harness);
}

/* A list that waits is given up with the service. */
static void test_end_while_waiting(void) {
        HarnessCall call;

        harness_open(&harness);
        fake_kubo_plan(harness.peer.kubo, "id", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        harness_send(&harness, &call, ALICE, "ListPeers", NULL);
        PEER_UNTIL(&harness.peer, !bus_is_idle(harness.bus));
        harness_call_done(&call);
        harness_close(&harness);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dbus/list/pages", test_pages);
        g_test_add_func("/dbus/list/nothing", test_nothing);
        g_test_add_func("/dbus/list/one-view", test_one_view);
        g_test_add_func("/dbus/list/bad-pages", test_bad_pages);
        g_test_add_func("/dbus/list/expiry", test_expiry);
        g_test_add_func("/dbus/list/too-many", test_too_many);
        g_test_add_func("/dbus/list/long-names", test_long_names);
        g_test_add_func("/dbus/list/at-once", test_at_once);
        g_test_add_func("/dbus/list/peers", test_peers);
        g_test_add_func("/dbus/list/end-while-waiting", test_end_while_waiting);
        return g_test_run();
}
