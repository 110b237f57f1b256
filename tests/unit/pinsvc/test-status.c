#include <glib.h>
#include <string.h>

#include "daemon/pinsvc/status.h"

static const struct {
        const char letter;
        PinStatus status;
} letters[] = {
        { 'p', PIN_STATUS_PINNED },        { 'g', PIN_STATUS_PINNING },
        { 'q', PIN_STATUS_PIN_QUEUED },    { 'e', PIN_STATUS_PIN_ERROR },
        { 'a', PIN_STATUS_CLUSTER_ERROR }, { 'm', PIN_STATUS_UNEXPECTEDLY_UNPINNED },
        { 'r', PIN_STATUS_REMOTE },        { 'u', PIN_STATUS_UNPINNED },
        { '?', PIN_STATUS_UNDEFINED },
};

static int status_of_letter(char letter) {
        for (size_t i = 0; i < G_N_ELEMENTS(letters); i++)
                if (letters[i].letter == letter)
                        return (int) letters[i].status;
        g_assert_not_reached();
}

static PinsvcStatus status_of(int64_t factor, const char *peers) {
        PinInfo items[8] = {};
        const Pin pin = { .replication_factor_min = factor, .replication_factor_max = factor };
        GlobalPinInfo info = { .peer_map = { .items = items, .n = strlen(peers), .is_set = true } };

        for (size_t i = 0; peers[i]; i++)
                items[i].status = status_of_letter(peers[i]);
        return pinsvc_status_of(&pin, &info);
}

static void test_mapping(void) {
        static const struct {
                int64_t factor;
                const char *peers, *status;
        } cases[] = {
                { -1, "p", "pinned" },    { -1, "ppp", "pinned" },  { -1, "ppg", "pinning" },
                { -1, "ppq", "queued" },  { -1, "pgq", "pinning" }, { -1, "ppe", "failed" },
                { -1, "peg", "pinning" }, { -1, "ppa", "pinned" }, /* one that is away need not be waited for
                                                                    */
                { -1, "paa", "pinned" },  { -1, "aaa", "failed" },  { -1, "gaa", "pinning" },
                { -1, "", "queued" },     { -1, "?", "queued" },    { 1, "prr", "pinned" },
                { 1, "e", "failed" },     { 1, "q", "queued" },     { 1, "g", "pinning" },
                { 1, "a", "failed" },     { 1, "m", "failed" },     { 1, "u", "queued" },
                { 2, "ppe", "pinned" }, /* nothing is left to wait for */
                { 2, "ppa", "pinned" },   { 2, "ppg", "pinned" },   { 2, "pe", "failed" },
                { 2, "pa", "failed" },    { 2, "pg", "pinning" },   { 2, "pga", "pinning" },
                { 2, "pq", "queued" },    { 2, "eg", "pinning" },   { 2, "eq", "queued" },
                { 3, "pp", "queued" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_test_message("%d %s", (int) cases[i].factor, cases[i].peers);
                g_assert_cmpstr(pinsvc_status_to_string(status_of(cases[i].factor, cases[i].peers)),
                                ==,
                                cases[i].status);
        }
}

static void test_words(void) {
        PinInfo items[] = {
                { .error = (char *) "" }, {}, { .error = (char *) "a" }, { .error = (char *) "b" }
        };
        GlobalPinInfo info = { .peer_map = { .items = items, .n = G_N_ELEMENTS(items) } };

        g_assert_cmpstr(pinsvc_status_why(&info), ==, "a");
        info.peer_map.n = 2;
        g_assert_null(pinsvc_status_why(&info));
}

static void test_names(void) {
        static const char *const bad[] = { "", "pin", "pinned ", "Pinned", "undefined", "queued,pinned" };

        for (PinsvcStatus i = 0; i < _PINSVC_STATUS_N; i++) {
                const char *text = pinsvc_status_to_string(i);

                g_assert_cmpint(pinsvc_status_from_string(text, strlen(text)), ==, i);
        }
        g_assert_cmpint(pinsvc_status_from_string("failed,x", 6), ==, PINSVC_STATUS_FAILED);
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_cmpint(pinsvc_status_from_string(bad[i], strlen(bad[i])),
                                ==,
                                _PINSVC_STATUS_INVALID);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/pinsvc/status/mapping", test_mapping);
        g_test_add_func("/pinsvc/status/words", test_words);
        g_test_add_func("/pinsvc/status/names", test_names);
        return g_test_run();
}
