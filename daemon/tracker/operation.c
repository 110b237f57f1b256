#include "daemon/tracker/operation.h"

#include "daemon/base/log.h"
#include "daemon/base/time.h"

enum {
        OPERATION_CHECK, /* how is it pinned now? */
        OPERATION_FROM,  /* pin/update: is the old one pinned recursively? */
        OPERATION_PIN,
        OPERATION_UNPIN,
};

#define OPERATION(flow_) CONTAINER_OF(flow_, TrackerOperation, flow)

static int operation_check(Flow *flow);
static int operation_from(Flow *flow);
static int operation_pin(Flow *flow);
static int operation_unpin(Flow *flow);

static const FlowState operation_states[] = {
        [OPERATION_CHECK] = { "check",
                              operation_check,
                              FLOW_TO(OPERATION_FROM) | FLOW_TO(OPERATION_PIN) | FLOW_TO(OPERATION_UNPIN) },
        [OPERATION_FROM] = { "from", operation_from, FLOW_TO(OPERATION_PIN) },
        [OPERATION_PIN] = { "pin", operation_pin, 0 },
        [OPERATION_UNPIN] = { "unpin", operation_unpin, 0 },
};

static void operation_done(Flow *flow, int result) {
        TrackerOperation *op = OPERATION(flow);

        if (result < 0 && op->error.code == ERROR_NONE)
                (void) error_set_errno(&op->error, result, "Failed to ask Kubo: %m");
        op->done(op, result, op->is_down, &op->error, op->userdata);
}

static const FlowClass operation_class = { "operation", operation_states, operation_done };

/* Take what a call left and go on with NEXT, or end. */
static void operation_next(TrackerOperation *op, IpfsCall *call, int r, const Error *error, int next) {
        if (r < 0) {
                op->is_down = ipfs_call_is_down(call);
                (void) error_copy(&op->error, error);
        }
        op->call = ipfs_call_unref(op->call);
        flow_next(&op->flow, r < 0 ? r : next);
}

/* ---- check ---- */

static PinMode operation_mode(const TrackerOperation *op) {
        return op->pin.max_depth == PIN_DEPTH_DIRECT ? PIN_MODE_DIRECT : PIN_MODE_RECURSIVE;
}

static bool operation_is_satisfied(const TrackerOperation *op, IpfsPinType type) {
        return type == (operation_mode(op) == PIN_MODE_DIRECT ? IPFS_PIN_DIRECT : IPFS_PIN_RECURSIVE);
}

static void operation_on_checked(
                IpfsCall *call, int r, const Error *error, IpfsPinType type, void *userdata) {
        TrackerOperation *op = userdata;
        int next = op->use_update ? OPERATION_FROM : OPERATION_PIN;

        if (r >= 0 && operation_is_satisfied(op, type))
                next = FLOW_DONE;
        operation_next(op, call, r, error, next);
}

static int operation_check(Flow *flow) {
        TrackerOperation *op = OPERATION(flow);

        if (op->is_unpin) {
                flow_next(flow, OPERATION_UNPIN);
                return 0;
        }
        return ipfs_pin_type(op->ipfs, &op->call, &op->cid, /* is_work= */ true, operation_on_checked, op);
}

/* ---- pin/update's old one ---- */

static void operation_on_from(IpfsCall *call, int r, const Error *error, IpfsPinType type, void *userdata) {
        TrackerOperation *op = userdata;

        op->use_update = type == IPFS_PIN_RECURSIVE;
        operation_next(op, call, r, error, OPERATION_PIN);
}

static int operation_from(Flow *flow) {
        TrackerOperation *op = OPERATION(flow);

        return ipfs_pin_type(
                        op->ipfs,
                        &op->call,
                        &op->pin.pin_update,
                        /* is_work= */ true,
                        operation_on_from,
                        op);
}

/* ---- pin ---- */

static void operation_on_origin(IpfsCall *call, int r, const Error *error, void *userdata) {
        TrackerOperation *op = userdata;

        if (r < 0)
                log_debug("Failed to connect to an origin, ignoring: %s", error_message(error));
        for (size_t i = 0; i < TRACKER_ORIGINS_MAX; i++)
                if (op->origins[i] == call)
                        op->origins[i] = ipfs_call_unref(call);
}

static void operation_connect_origins(TrackerOperation *op) {
        for (size_t i = 0; i < MIN(op->pin.origins.n, (size_t) TRACKER_ORIGINS_MAX); i++)
                (void) ipfs_swarm_connect(
                                op->ipfs,
                                &op->origins[i],
                                op->pin.origins.items[i],
                                operation_on_origin,
                                op);
}

static void operation_on_done(IpfsCall *call, int r, const Error *error, void *userdata) {
        operation_next(userdata, call, r, error, FLOW_DONE);
}

static int operation_pin(Flow *flow) {
        TrackerOperation *op = OPERATION(flow);

        operation_connect_origins(op);
        if (op->use_update)
                return ipfs_pin_update(
                                op->ipfs, &op->call, &op->pin.pin_update, &op->cid, operation_on_done, op);
        return ipfs_pin_add(
                        op->ipfs,
                        &op->call,
                        &op->cid,
                        operation_mode(op),
                        op->pin.name,
                        operation_on_done,
                        op);
}

/* ---- unpin ---- */

static int operation_unpin(Flow *flow) {
        TrackerOperation *op = OPERATION(flow);

        return ipfs_pin_rm(op->ipfs, &op->call, &op->cid, operation_on_done, op);
}

/* ---- life ---- */

int tracker_operation_start(
                TrackerOperation **ret, sd_event *event, const TrackerOperationOptions *options) {
        _cleanup_(tracker_operation_freep) TrackerOperation *op = NULL;
        int r;

        op = calloc(1, sizeof(TrackerOperation));
        if (!op)
                return -ENOMEM;

        *op = (TrackerOperation){
                .ipfs = options->ipfs,
                .cid = *options->cid,
                .is_unpin = !options->pin,
                .attempts = options->attempts,
                .started = time_now(),
                .done = options->done,
                .userdata = options->userdata,
        };
        list_init(&op->link);

        if (options->pin) {
                r = pin_copy(&op->pin, options->pin);
                if (r < 0)
                        return r;
                op->use_update = cid_is_defined(&op->pin.pin_update) && op->attempts <= 1 &&
                                 operation_mode(op) == PIN_MODE_RECURSIVE;
        }

        /* No deadline of its own: each call has one, pin/add that of a stall. */
        r = flow_start(&op->flow, &operation_class, event, UINT64_MAX);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(op);
        return 0;
}

TrackerOperation *tracker_operation_free(TrackerOperation *op) {
        if (!op)
                return NULL;

        list_remove(&op->link);
        flow_deinit(&op->flow);
        ipfs_call_unref(op->call);
        for (size_t i = 0; i < TRACKER_ORIGINS_MAX; i++)
                ipfs_call_unref(op->origins[i]);
        pin_done(&op->pin);
        error_done(&op->error);
        free(op);
        return NULL;
}
