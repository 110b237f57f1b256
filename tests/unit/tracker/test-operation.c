#include "daemon/tracker/operation.h"
#include "tests/lib/fault.h"
#include "tests/unit/tracker/whole.h"

typedef struct Ended {
        TrackerOperation *op;
        bool has_ended;
        int r;
        bool is_down;
        char *error;
} Ended;

static void on_done(TrackerOperation *op, int r, bool is_down, const Error *error, void *userdata) {
        Ended *ended = userdata;

        g_assert_false(ended->has_ended);
        *ended = (Ended){ .has_ended = true, .r = r, .is_down = is_down };
        if (r < 0)
                ended->error = g_strdup(error_message(error));
        tracker_operation_free(op);
}

static void start(Whole *w, Ended *ended, uint32_t item, const Pin *pin, uint64_t attempts) {
        const Cid cid = item_cid(item);

        g_free(ended->error);
        *ended = (Ended){};
        g_assert_cmpint(tracker_operation_start(
                                        &ended->op,
                                        w->event,
                                        &(TrackerOperationOptions){
                                                        .ipfs = w->ipfs,
                                                        .cid = &cid,
                                                        .pin = pin,
                                                        .attempts = attempts,
                                                        .done = on_done,
                                                        .userdata = ended,
                                        }),
                        ==,
                        0);
        g_assert_false(ended->has_ended);
}

static void run(Whole *w, Ended *ended, uint32_t item, const Pin *pin, uint64_t attempts) {
        start(w, ended, item, pin, attempts);
        WHOLE_WAIT(w, ended->has_ended);
}

/* What was asked, in order, as "command command …". */
static char *asked(Whole *w) {
        const StrList *requests = fake_kubo_requests(w->kubo);
        GString *text = g_string_new(NULL);

        for (size_t i = 0; i < requests->n; i++)
                g_string_append_printf(
                                text,
                                "%s%.*s",
                                i > 0 ? " " : "",
                                (int) strcspn(requests->items[i], "?"),
                                requests->items[i]);
        return g_string_free(text, FALSE);
}

static void assert_asked(Whole *w, const char *expect) {
        g_autofree char *text = asked(w);

        g_assert_cmpstr(text, ==, expect);
        fake_kubo_forget_requests(w->kubo);
}

static void test_pin(Whole *w, gconstpointer data _unused_) {
        Pin pin = whole_pin(1);
        Ended ended = {};

        run(w, &ended, 1, &pin, 1);
        g_assert_cmpint(ended.r, ==, 0);
        g_assert_cmpstr(fake_kubo_pinned(w->kubo, whole_text(1)), ==, "recursive");
        assert_asked(w, "pin/ls pin/ls pin/add");

        run(w, &ended, 1, &pin, 1); /* is pinned so already */
        g_assert_cmpint(ended.r, ==, 0);
        assert_asked(w, "pin/ls");

        pin.max_depth = PIN_DEPTH_DIRECT; /* is not */
        run(w, &ended, 1, &pin, 1);
        g_assert_cmpint(ended.r, ==, 0);
        assert_asked(w, "pin/ls pin/add");
        g_assert_cmpstr(fake_kubo_pinned(w->kubo, whole_text(1)), ==, "direct");
}

static void test_unpin(Whole *w, gconstpointer data _unused_) {
        Ended ended = {};

        fake_kubo_pin(w->kubo, whole_text(1), "recursive");
        for (unsigned i = 0; i < 2; i++) {
                run(w, &ended, 1, NULL, 1);
                g_assert_cmpint(ended.r, ==, 0);
                g_assert_null(fake_kubo_pinned(w->kubo, whole_text(1)));
        }
        assert_asked(w, "pin/rm pin/rm");
}

static void test_update(Whole *w, gconstpointer data _unused_) {
        static const struct {
                const char *what, *from;
                uint64_t attempts;
                int64_t depth;
                const char *asked;
        } cases[] = {
                { "from is pinned", "recursive", 1, PIN_DEPTH_RECURSIVE, "pin/ls pin/ls pin/ls pin/update" },
                { "from is direct",
                  "direct",
                  1,
                  PIN_DEPTH_RECURSIVE,
                  "pin/ls pin/ls pin/ls pin/ls pin/add" },
                { "from is not pinned",
                  NULL,
                  1,
                  PIN_DEPTH_RECURSIVE,
                  "pin/ls pin/ls pin/ls pin/ls pin/add" },
                { "second attempt", "recursive", 2, PIN_DEPTH_RECURSIVE, "pin/ls pin/ls pin/add" },
                { "direct", "recursive", 1, PIN_DEPTH_DIRECT, "pin/ls pin/ls pin/add" },
        };
        Ended ended = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Pin pin = whole_pin(1);

                g_test_message("%s", cases[i].what);
                pin.pin_update = item_cid(2);
                pin.max_depth = cases[i].depth;
                fake_kubo_pin(w->kubo, whole_text(1), NULL);
                fake_kubo_pin(w->kubo, whole_text(2), cases[i].from);
                run(w, &ended, 1, &pin, cases[i].attempts);
                g_assert_cmpint(ended.r, ==, 0);
                assert_asked(w, cases[i].asked);
                g_assert_cmpstr(fake_kubo_pinned(w->kubo, whole_text(2)), ==, cases[i].from);
        }
}

/* Ten of them at most, and none of them matters. */
static void test_origins(Whole *w, gconstpointer data _unused_) {
        Pin pin = whole_pin(1);
        Ended ended = {};

        for (unsigned i = 0; i < TRACKER_ORIGINS_MAX + 3; i++)
                (void) str_list_append(&pin.origins, "/ip4/127.0.0.1/tcp/1/p2p/" WHOLE_OTHER);
        fake_kubo_plan(w->kubo, "swarm/connect", NULL, &whole_refusal);
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        start(w, &ended, 1, &pin, 1);
        WHOLE_WAIT(w, fake_kubo_count(w->kubo, "swarm/connect") == TRACKER_ORIGINS_MAX);
        whole_turns(w, 20);
        fake_kubo_release(w->kubo);
        WHOLE_WAIT(w, ended.has_ended);
        g_assert_cmpint(ended.r, ==, 0);
        g_assert_cmpuint(fake_kubo_count(w->kubo, "swarm/connect"), ==, TRACKER_ORIGINS_MAX);

        /* A hanging one is dropped when the pin is done. */
        fake_kubo_forget_plans(w->kubo);
        fake_kubo_plan(w->kubo, "swarm/connect", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        run(w, &ended, 1, &pin, 1);
        g_assert_cmpint(ended.r, ==, 0);
        str_list_done(&pin.origins);
}

/* ---- each state x {refused, cut, garbage, down, cancelled} ---- */

static const struct {
        const char *state, *command, *argument;
        bool is_unpin, has_update;
} states[] = {
        { "check", "pin/ls", "type=recursive", false, false },
        { "check direct", "pin/ls", "type=direct", false, false },
        { "from", "pin/ls", "from", false, true },
        { "update", "pin/update", NULL, false, true },
        { "pin", "pin/add", NULL, false, false },
        { "unpin", "pin/rm", NULL, true, false },
};

static const struct {
        const char *what;
        FakeAnswer answer;
        bool is_down;
        const char *words;
} faults[] = {
        { "refused",
          { .status = 500, .body = "{\"Message\":\"no such block\",\"Code\":0,\"Type\":\"error\"}" },
          false,
          "no such block" },
        { "denied", { .status = 403, .body = "denied" }, false, "Code 403: denied" },
        { "gateway", { .status = 502, .body = "bad gateway" }, true, "Code 502: bad gateway" },
        { "cut", { .body = "{\"Pro", .fault = FAKE_CUT }, false, "IPFS request failed" },
        { "garbage", { .body = "<html>\n" }, false, "that cannot be used" },
        { "trailer", { .trailer = "went wrong" }, false, "went wrong" },
};

/* The operation of states[I], at the point where its answer is PLAN. */
static void start_state(Whole *w, size_t i, Ended *ended, const FakeAnswer *plan) {
        Pin pin = whole_pin(1);

        fake_kubo_pin(w->kubo, whole_text(1), NULL);
        fake_kubo_pin(w->kubo, whole_text(2), "recursive");
        if (states[i].has_update)
                pin.pin_update = item_cid(2);
        fake_kubo_plan(w->kubo,
                       states[i].command,
                       str_equal(states[i].argument, "from") ? whole_text(2) : states[i].argument,
                       plan);
        start(w, ended, 1, states[i].is_unpin ? NULL : &pin, 1);
}

static void test_faults(Whole *w, gconstpointer data _unused_) {
        Ended ended = {};

        for (size_t i = 0; i < ELEMENTSOF(states); i++)
                for (size_t k = 0; k < ELEMENTSOF(faults); k++) {
                        g_test_message("%s: %s", states[i].state, faults[k].what);
                        start_state(w, i, &ended, &faults[k].answer);
                        WHOLE_WAIT(w, ended.has_ended);
                        g_assert_cmpint(ended.r, <, 0);
                        g_assert_cmpint(ended.is_down, ==, faults[k].is_down);
                        if (!strstr(ended.error, faults[k].words))
                                g_error("'%s' is not in '%s'", faults[k].words, ended.error);
                        fake_kubo_forget_plans(w->kubo);
                }
        g_free(ended.error);
}

static void test_goes_down(Whole *w, gconstpointer data _unused_) {
        Ended ended = {};

        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                size_t n = fake_kubo_count(w->kubo, states[i].command);

                g_test_message("%s", states[i].state);
                start_state(w, i, &ended, &(FakeAnswer){ .fault = FAKE_SILENCE });
                WHOLE_WAIT(w,
                           fake_kubo_count(w->kubo, states[i].command) >=
                                           n + (states[i].argument && i > 0 ? i + 1 : 1));
                fake_kubo_stop(w->kubo);
                WHOLE_WAIT(w, ended.has_ended);
                g_assert_cmpint(ended.r, <, 0);
                g_assert_true(ended.is_down);
                g_assert_cmpint(fake_kubo_start(w->kubo), ==, 0);
                fake_kubo_forget_plans(w->kubo);
                g_free(ended.error);
                ended.error = NULL;
        }
}

/* Freed after any number of turns it is silent, and leaves nothing behind. */
static void test_cancel(Whole *w, gconstpointer data _unused_) {
        for (size_t i = 0; i < ELEMENTSOF(states); i++)
                for (unsigned turns = 0; turns < 30; turns += 3) {
                        Ended ended = {};

                        start_state(w, i, &ended, &(FakeAnswer){ .fault = FAKE_SILENCE });
                        whole_turns(w, turns);
                        tracker_operation_free(ended.op);
                        whole_turns(w, 5);
                        g_assert_false(ended.has_ended);
                        fake_kubo_forget_plans(w->kubo);
                }
}

static void test_fault(Whole *w, gconstpointer data _unused_) {
        Pin pin = whole_pin(1);
        const Cid cid = item_cid(1);

        pin.name = (char *) "a name";
        FOREACH_FAULT {
                TrackerOperation *op = NULL;
                int r;

                r = tracker_operation_start(
                                &op,
                                w->event,
                                &(TrackerOperationOptions){ .ipfs = w->ipfs,
                                                            .cid = &cid,
                                                            .pin = &pin,
                                                            .done = on_done });
                g_assert_true(r == 0 || r == -ENOMEM);
                tracker_operation_free(op);
        }
}

#define TEST(name, func)                                                                                    \
        g_test_add("/tracker/operation/" name, Whole, NULL, whole_set_up, func, whole_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST("pin", test_pin);
        TEST("unpin", test_unpin);
        TEST("update", test_update);
        TEST("origins", test_origins);
        TEST("faults", test_faults);
        TEST("goes-down", test_goes_down);
        TEST("cancel", test_cancel);
        TEST("fault", test_fault);
        return g_test_run();
}
