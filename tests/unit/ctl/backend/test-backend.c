#include <glib.h>
#include <string.h>

#include "ctl/backend/backend.h"
#include "tests/lib/fault.h"

static const struct {
        CtlCall call;
        const char *text; /* read and written again */
} cases[] = {
        { CTL_CALL_VERSION, "{\"version\":\"1.1.6\"}" },
        { CTL_CALL_METRIC_NAMES, "[\"ping\",\"freespace\"]" },
        { CTL_CALL_METRIC_NAMES, "[]" },
        { CTL_CALL_METRICS, "[]" },
        { CTL_CALL_METRICS, "null" },
        { CTL_CALL_ALERTS, "[]" },
        { CTL_CALL_BANDWIDTH, "{}" },
        { CTL_CALL_BANDWIDTH, "null" },
        { CTL_CALL_BANDWIDTH,
          "{\"\":{\"total_in\":70,\"total_out\":60,\"rate_in\":0,\"rate_out\":0},"
          "\"/ipfs/id/1.0.0\":{\"total_in\":1,\"total_out\":2,\"rate_in\":0.5,\"rate_out\":1.25}}" },
};

typedef struct Again {
        CtlCall call;
        Str text;
        int n;
} Again;

static int write_again(void *item, void *userdata) {
        Again *again = userdata;

        again->n++;
        return ctl_call_write(again->call, item, &again->text);
}

static void test_items_survive(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Again again = { .call = cases[i].call };
                const char *text = cases[i].text;

                g_test_message("%s", text);
                g_assert_cmpint(ctl_call_deliver(again.call, text, strlen(text), write_again, &again, NULL),
                                ==,
                                0);
                g_assert_cmpint(again.n, ==, 1);
                g_assert_cmpstr(again.text.data, ==, text);
                str_done(&again.text);
        }
}

static void test_bad_items_are_refused(void) {
        static const struct {
                CtlCall call;
                const char *text;
        } bad[] = {
                { CTL_CALL_VERSION, "" },
                { CTL_CALL_VERSION, "{}" },
                { CTL_CALL_VERSION, "{\"version\":1}" },
                { CTL_CALL_VERSION, "[]" },
                { CTL_CALL_METRIC_NAMES, "{" },
                { CTL_CALL_METRIC_NAMES, "[]}, {" },
                { CTL_CALL_METRICS, "[1]" },
                { CTL_CALL_STATUS, "{\"cid\":\"junk\"}" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Again again = { .call = bad[i].call };
                JsonProblem problem = {};

                g_test_message("%s", bad[i].text);
                g_assert_cmpint(ctl_call_deliver(
                                                again.call,
                                                bad[i].text,
                                                strlen(bad[i].text),
                                                write_again,
                                                &again,
                                                &problem),
                                ==,
                                -EBADMSG);
                g_assert_cmpint(again.n, ==, 0);
        }
}

static int refuse(_unused_ void *item, _unused_ void *userdata) {
        return -EPIPE;
}

static void test_answer_of_the_function_is_passed_on(void) {
        static const char text[] = "{\"version\":\"1\"}";

        g_assert_cmpint(ctl_call_deliver(CTL_CALL_VERSION, text, strlen(text), refuse, NULL, NULL),
                        ==,
                        -EPIPE);
}

static void test_each_call_has_its_form(void) {
        for (CtlCall call = 0; call < _CTL_CALL_N; call++) {
                g_test_message("%d", (int) call);
                g_assert_true((ctl_call_form(call) == CTL_FORM_NONE) == (ctl_call_shape(call) == NULL));
        }
        g_assert_cmpint(ctl_call_form(CTL_CALL_PEER_REMOVE), ==, CTL_FORM_NONE);
}

static void test_memory_short(void) {
        static const char text[] = "[\"a\",\"b\"]";

        FOREACH_FAULT {
                Again again = { .call = CTL_CALL_METRIC_NAMES };
                int r;

                r = ctl_call_deliver(again.call, text, strlen(text), write_again, &again, NULL);
                if (r == 0)
                        g_assert_cmpstr(again.text.data, ==, text);
                else
                        g_assert_cmpint(r, ==, -ENOMEM);
                str_done(&again.text);
        }
}

static void test_failure(void) {
        CtlFailure failure = {};

        g_assert_cmpint(ctl_failure_set(&failure, -EIO, 0, "%s", "a"), ==, -EIO);
        g_assert_cmpint(ctl_failure_set(&failure, -EREMOTEIO, 500, "%s", "b"), ==, -EREMOTEIO);
        g_assert_cmpuint(failure.code, ==, 500);
        g_assert_cmpstr(failure.message, ==, "b");
        ctl_failure_done(&failure);
        g_assert_null(failure.message);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/backend/backend/items-survive", test_items_survive);
        g_test_add_func("/ctl/backend/backend/bad-items-are-refused", test_bad_items_are_refused);
        g_test_add_func("/ctl/backend/backend/answer-of-the-function-is-passed-on",
                        test_answer_of_the_function_is_passed_on);
        g_test_add_func("/ctl/backend/backend/each-call-has-its-form", test_each_call_has_its_form);
        g_test_add_func("/ctl/backend/backend/memory-short", test_memory_short);
        g_test_add_func("/ctl/backend/backend/failure", test_failure);
        return g_test_run();
}
