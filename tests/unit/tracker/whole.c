#include "tests/unit/tracker/whole.h"

void whole_turns(Whole *w, unsigned n) {
        while (n-- > 0)
                (void) sd_event_run(w->event, 0);
}

static void whole_on_changed(const Cid *cid, void *userdata) {
        Whole *w = userdata;

        (void) cid;
        w->n_changed++;
}

static void whole_on_failed(int r, void *userdata) {
        Whole *w = userdata;

        (void) r;
        w->n_failed++;
}

static void whole_on_reachable(bool reachable, void *userdata) {
        Whole *w = userdata;

        if (reachable && w->tracker)
                tracker_kick(w->tracker);
}

TrackerCounts whole_counts(const Whole *w) {
        TrackerCounts counts;

        tracker_counts(w->tracker, &counts);
        return counts;
}

static void whole_on_id(IpfsCall *call, int r, const Error *error, const IpfsId *id, void *userdata) {
        (void) error;
        (void) id;
        g_assert_cmpint(r, ==, 0);
        *(IpfsCall **) userdata = ipfs_call_unref(call);
}

void whole_start(Whole *w) {
        IpfsCall *call;

        g_assert_cmpint(tracker_new(&w->tracker, w->event, &w->options, NULL), ==, 0);
        g_assert_cmpint(ipfs_id(w->ipfs, &call, whole_on_id, &call), ==, 0);
        WHOLE_WAIT(w, !call);
        g_assert_cmpint(tracker_start(w->tracker), ==, 0);
        WHOLE_WAIT(w, whole_counts(w).complete && !w->tracker->check);
        fake_kubo_forget_requests(w->kubo);
}

void whole_set_up_only(Whole *w, gconstpointer data) {
        folder_set_up(&w->folder, data);
        g_assert_cmpint(sd_event_new(&w->event), >=, 0);
        g_assert_cmpint(fake_kubo_new(&w->kubo, w->event), ==, 0);
        g_assert_cmpint(http_client_new(&w->client, w->event), ==, 0);
        g_assert_cmpint(ipfs_new(&w->ipfs,
                                 w->event,
                                 w->client,
                                 &(IpfsOptions){
                                                 .node_multiaddress = fake_kubo_multiaddr(w->kubo),
                                                 .request_timeout_usec = 20 * USEC_PER_SEC,
                                                 .pin_timeout_usec = 20 * USEC_PER_SEC,
                                                 .unpin_timeout_usec = 20 * USEC_PER_SEC,
                                                 .reachable_changed = whole_on_reachable,
                                                 .userdata = w,
                                 },
                                 NULL),
                        ==,
                        0);
        g_assert_cmpint(state_pinset_open(&w->pinset, w->folder.path, folder_digest, NULL), >=, 0);
        w->options = (TrackerOptions){
                .state_folder = w->folder.path,
                .peername = "here",
                .ipfs = w->ipfs,
                .pinset = w->pinset,
                .concurrent_pins = 2,
                .max_pin_queue_size = 1000,
                .priority_pin_max_age_usec = 24 * 3600 * USEC_PER_SEC,
                .priority_pin_max_retries = 5,
                .recover_interval_usec = 3600 * USEC_PER_SEC,
                .retry_min_usec = 3600 * USEC_PER_SEC,
                .retry_max_usec = 3600 * USEC_PER_SEC,
                .changed = whole_on_changed,
                .failed = whole_on_failed,
                .userdata = w,
        };
        g_assert_cmpint(peer_id_parse(WHOLE_SELF, &w->options.self), ==, 0);
}

void whole_set_up(Whole *w, gconstpointer data) {
        whole_set_up_only(w, data);
        whole_start(w);
}

void whole_tear_down(Whole *w, gconstpointer data) {
        tracker_call_unref(w->call);
        tracker_free(w->tracker);
        state_pinset_free(w->pinset);
        ipfs_free(w->ipfs);
        http_client_free(w->client);
        fake_kubo_free(w->kubo);
        sd_event_unref(w->event);
        g_free(w->error);
        folder_tear_down(&w->folder, data);
}

const char *whole_text(uint32_t item) {
        static char texts[4][CID_TEXT_MAX];
        static unsigned at;
        const Cid cid = item_cid(item);

        return cid_format(&cid, texts[at++ % 4]);
}

Pin whole_pin(uint32_t item) {
        return (Pin){
                .replication_factor_min = -1,
                .replication_factor_max = -1,
                .cid = item_cid(item),
                .type = PIN_TYPE_DATA,
                .max_depth = PIN_DEPTH_RECURSIVE,
                .timestamp = time_now(),
        };
}

void whole_store(Whole *w, const Pin *pin) {
        _cleanup_(str_done) Str bytes = {};

        g_assert_cmpint(pin_write(pin, &bytes), ==, 0);
        g_assert_cmpint(state_pinset_put(w->pinset, &pin->cid, bytes.data, bytes.len), >=, 0);
        g_assert_cmpint(state_pinset_commit(w->pinset, ++w->index), >=, 0);
}

void whole_track(Whole *w, const Pin *pin) {
        whole_store(w, pin);
        g_assert_cmpint(tracker_track(w->tracker, pin), ==, 0);
}

void whole_add(Whole *w, uint32_t item) {
        const Pin pin = whole_pin(item);

        whole_track(w, &pin);
}

void whole_remove(Whole *w, uint32_t item) {
        const Cid cid = item_cid(item);

        g_assert_cmpint(state_pinset_remove(w->pinset, &cid), >=, 0);
        g_assert_cmpint(state_pinset_commit(w->pinset, ++w->index), >=, 0);
        g_assert_cmpint(tracker_untrack(w->tracker, &cid), ==, 0);
}

PinInfo whole_known(Whole *w, uint32_t item) {
        const Cid cid = item_cid(item);
        PinInfo info = {};
        Pin pin = {};
        int r;

        r = state_pinset_get(w->pinset, &cid, &pin);
        g_assert_cmpint(r, >=, 0);
        g_assert_cmpint(tracker_status_known(w->tracker, &cid, r > 0 ? &pin : NULL, &info), ==, 0);
        pin_done(&pin);
        return info;
}

PinStatus whole_status(Whole *w, uint32_t item) {
        PinInfo info = whole_known(w, item);
        PinStatus status = (PinStatus) info.status;

        json_done(&pin_info_shape, &info);
        return status;
}

void whole_assert_error(Whole *w, uint32_t item, uint64_t attempts, const char *words) {
        PinInfo info = whole_known(w, item);

        g_assert_cmpint(info.attempt_count, ==, attempts);
        if (words && !(info.error && strstr(info.error, words)))
                g_error("'%s' is not in '%s'", words, info.error);
        if (!words)
                g_assert_true(str_is_empty(info.error));
        json_done(&pin_info_shape, &info);
}

void whole_on_status(TrackerCall *call, int r, const Error *error, const PinInfo *info, void *userdata) {
        Whole *w = userdata;

        w->r = r;
        w->status = (PinStatus) info->status;
        g_free(w->error);
        w->error = g_strdup(r < 0 ? error_message(error) : info->error);
        w->has_answer = true;
        w->call = tracker_call_unref(call);
}

void whole_ask_start(Whole *w, uint32_t item, bool ask) {
        const Cid cid = item_cid(item);

        w->has_answer = false;
        g_assert_cmpint(tracker_status(w->tracker, &w->call, &cid, ask, whole_on_status, w), ==, 0);
        g_assert_false(w->has_answer);
}

const char *whole_ask(Whole *w, uint32_t item, bool ask) {
        whole_ask_start(w, item, ask);
        WHOLE_WAIT(w, w->has_answer);
        return w->r < 0 ? "failed" : pin_status_to_string(w->status);
}

bool whole_is_idle(const Whole *w) {
        TrackerCounts c = whole_counts(w);

        return c.queued + c.pinning + c.unpin_queued + c.unpinning == 0;
}

void whole_close(Whole *w) {
        tracker_stop(w->tracker);
        g_assert_cmpint(tracker_close(TAKE_PTR(w->tracker)), ==, 0);
}
