#include <glib.h>
#include <time.h>

#include "daemon/base/flow.h"
#include "daemon/base/macro.h"

/* A pin request in three awaited steps, with a timer in the place of each remote party. */

enum {
        PIN_RESOLVE,
        PIN_ALLOCATE,
        PIN_COMMIT,
        _PIN_N,
};

typedef struct PinOp {
        Flow flow;
        sd_event *event;
        sd_event_source *call;
        uint64_t fail_in;   /* states whose party answers with an error */
        uint64_t cancel_in; /* states in which the caller gives up */
        uint64_t sync_in;   /* states whose party answers inside the call */
        uint64_t silent_in; /* states whose party never answers */
        char trace[32];
        int result;
        unsigned n_done;
} PinOp;

static int pin_on_answer(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        PinOp *op = userdata;
        int state = op->flow.state;

        op->call = sd_event_source_disable_unref(op->call);
        if (op->fail_in & FLOW_TO(state))
                flow_next(&op->flow, -ECONNREFUSED);
        else
                flow_next(&op->flow, state == PIN_COMMIT ? FLOW_DONE : state + 1);
        return 0;
}

static int pin_ask(Flow *flow) {
        PinOp *op = CONTAINER_OF(flow, PinOp, flow);

        g_strlcat(op->trace, flow->class->states[flow->state].name, sizeof(op->trace));
        if (op->cancel_in & FLOW_TO(flow->state))
                flow_cancel(flow);
        if (op->silent_in & FLOW_TO(flow->state))
                return 0;
        if (op->sync_in & FLOW_TO(flow->state))
                return pin_on_answer(NULL, 0, op);
        return sd_event_add_time_relative(op->event, &op->call, CLOCK_MONOTONIC, 1000, 1, pin_on_answer, op);
}

static int pin_fail(Flow *flow _unused_) {
        return -EXDEV;
}

static void pin_done(Flow *flow, int result) {
        PinOp *op = CONTAINER_OF(flow, PinOp, flow);

        op->call = sd_event_source_disable_unref(op->call);
        op->result = result;
        op->n_done++;
        sd_event_exit(op->event, 0);
}

static const FlowState pin_states[_PIN_N] = {
        [PIN_RESOLVE] = { "resolve ", pin_ask, FLOW_TO(PIN_ALLOCATE) },
        [PIN_ALLOCATE] = { "allocate ", pin_ask, FLOW_TO(PIN_COMMIT) },
        [PIN_COMMIT] = { "commit ", pin_ask, 0 },
};
static const FlowClass pin_class = { "pin", pin_states, pin_done };

static int run_once(PinOp op, bool in_queue, uint64_t timeout, const char *trace) {
        FlowQueue queue = {};
        int r;

        g_assert_cmpint(sd_event_new(&op.event), >=, 0);
        g_assert_cmpint(flow_queue_init(&queue, op.event), ==, 0);
        r = in_queue ? flow_start_in(&op.flow, &pin_class, &queue, timeout)
                     : flow_start(&op.flow, &pin_class, op.event, timeout);
        g_assert_cmpint(r, ==, 0);
        g_assert_cmpuint(op.n_done, ==, 0); /* never from inside start */
        g_assert_cmpint(sd_event_loop(op.event), ==, 0);
        g_assert_cmpuint(op.n_done, ==, 1);
        if (trace)
                g_assert_cmpstr(op.trace, ==, trace);
        flow_queue_deinit(&queue);
        sd_event_unref(op.event);
        return op.result;
}

/* Alone and in a queue, which is the same. */
static int run(PinOp op, uint64_t timeout, const char *trace) {
        int r = run_once(op, /* in_queue= */ false, timeout, trace);

        g_assert_cmpint(run_once(op, /* in_queue= */ true, timeout, trace), ==, r);
        return r;
}

#define PIN_OP(...) ((PinOp){ __VA_ARGS__ })

static void test_happy(void) {
        g_assert_cmpint(run(PIN_OP(), UINT64_MAX, "resolve allocate commit "), ==, 0);
}

static void test_every_state(void) {
        for (int state = 0; state < _PIN_N; state++) {
                uint64_t s = FLOW_TO(state);

                g_assert_cmpint(run(PIN_OP(.fail_in = s), UINT64_MAX, NULL), ==, -ECONNREFUSED);
                g_assert_cmpint(run(PIN_OP(.cancel_in = s), UINT64_MAX, NULL), ==, -ECANCELED);
                g_assert_cmpint(run(PIN_OP(.sync_in = s), UINT64_MAX, "resolve allocate commit "), ==, 0);
                g_assert_cmpint(run(PIN_OP(.sync_in = s, .fail_in = s), UINT64_MAX, NULL),
                                ==,
                                -ECONNREFUSED);
                g_assert_cmpint(run(PIN_OP(.sync_in = s, .cancel_in = s), UINT64_MAX, NULL), ==, -ECANCELED);
        }
}

static void test_timeout(void) {
        static const char *const traces[_PIN_N] = { "resolve ",
                                                    "resolve allocate ",
                                                    "resolve allocate commit " };

        for (int state = 0; state < _PIN_N; state++) {
                uint64_t s = FLOW_TO(state);

                g_assert_cmpint(run(PIN_OP(.silent_in = s, .sync_in = ~s), 500, traces[state]),
                                ==,
                                -ETIMEDOUT);
        }
}

/* An error that a state function returns itself. */
static void test_enter_fails(void) {
        static const FlowState states[] = { { "odd", pin_fail, 0 } };
        static const FlowClass class = { "odd", states, pin_done };
        PinOp op = {};

        g_assert_cmpint(sd_event_new(&op.event), >=, 0);
        g_assert_cmpint(flow_start(&op.flow, &class, op.event, UINT64_MAX), ==, 0);
        g_assert_cmpint(sd_event_loop(op.event), ==, 0);
        g_assert_cmpint(op.result, ==, -EXDEV);
        g_assert_cmpuint(op.n_done, ==, 1);
        sd_event_unref(op.event);
}

/* What is dropped before its end is silent. */
static void test_deinit(void) {
        PinOp op = {};

        g_assert_cmpint(sd_event_new(&op.event), >=, 0);
        g_assert_cmpint(flow_start(&op.flow, &pin_class, op.event, 1), ==, 0);
        flow_deinit(&op.flow);
        g_assert_cmpint(sd_event_run(op.event, 0), ==, 0);
        g_assert_cmpuint(op.n_done, ==, 0);
        g_assert_cmpstr(op.trace, ==, "");
        sd_event_unref(op.event);
}

/* ---- queues */

#define SHORT_OPS (FLOW_QUEUE_TURN + 10)

typedef struct ShortOps {
        Flow flows[SHORT_OPS];
        unsigned n_done;
} ShortOps;

static ShortOps short_ops;

static int short_enter(Flow *flow) {
        flow_next(flow, FLOW_DONE);
        return 0;
}

/* Each one drops the one that is two behind it. */
static void short_done(Flow *flow, int result) {
        size_t i = (size_t) (flow - short_ops.flows);

        g_assert_cmpint(result, ==, 0);
        short_ops.n_done++;
        if (i % 4 == 0 && i + 2 < SHORT_OPS)
                flow_deinit(&short_ops.flows[i + 2]);
}

/* What is ready shares a turn, but not more than so many; what is dropped while it waits is silent. */
static void test_queue(void) {
        static const FlowState states[] = { { "short", short_enter, 0 } };
        static const FlowClass class = { "short", states, short_done };
        FlowQueue queue;
        sd_event *event;

        g_assert_cmpint(sd_event_new(&event), >=, 0);
        g_assert_cmpint(flow_queue_init(&queue, event), ==, 0);
        for (size_t i = 0; i < SHORT_OPS; i++)
                g_assert_cmpint(flow_start_in(&short_ops.flows[i], &class, &queue, UINT64_MAX), ==, 0);
        g_assert_cmpint(sd_event_run(event, 0), >, 0);
        g_assert_cmpuint(short_ops.n_done, >, 1);
        g_assert_cmpuint(short_ops.n_done, <=, FLOW_QUEUE_TURN);
        while (sd_event_run(event, 0) > 0)
                ;
        g_assert_cmpuint(short_ops.n_done, ==, SHORT_OPS - SHORT_OPS / 4);
        flow_queue_deinit(&queue);
        sd_event_unref(event);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/flow/happy", test_happy);
        g_test_add_func("/base/flow/every-state-fails-cancels-answers-at-once", test_every_state);
        g_test_add_func("/base/flow/every-state-times-out", test_timeout);
        g_test_add_func("/base/flow/enter-fails", test_enter_fails);
        g_test_add_func("/base/flow/deinit", test_deinit);
        g_test_add_func("/base/flow/queue", test_queue);
        return g_test_run();
}
