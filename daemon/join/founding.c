#include "daemon/join/founding.h"

#include <string.h>
#include <unistd.h>

#include "daemon/consensus/consensus.h"
#include "daemon/join/body.h"
#include "daemon/rpc/rpc.h"

#define AGAIN_USEC (100 * USEC_PER_MSEC) /* who was not reached is asked again */

typedef struct Asked {
        JoinFounding *founding;
        PeerId peer;
        RpcCall *call;
        bool has_answered;
} Asked;

struct JoinFounding {
        JoinFoundingOptions options;
        uint8_t cluster_id[STATE_CLUSTER_ID_SIZE];
        Rpc *rpc;
        Asked *asked; /* all but this peer */
        size_t n;
        sd_event_source *again, *deadline, *end;
        bool exists;
        StrList addresses; /* of its members, as one of them says */
};

/* ---- the end */

/* Told from a turn of its own: the owner may then free the links. */
static void end(JoinFounding *founding) {
        (void) sd_event_source_set_enabled(founding->end, SD_EVENT_ONESHOT);
}

static int on_end(sd_event_source *source _unused_, void *userdata) {
        _cleanup_(peer_id_list_done) PeerIdList silent = {};
        JoinFounding *founding = userdata;
        JoinFoundingOptions options = founding->options;

        for (size_t i = 0; i < founding->n; i++)
                if (!founding->asked[i].has_answered)
                        (void) peer_id_list_append(
                                        &silent, &founding->asked[i].peer); /* for the words only */
        options.done(founding->exists, &founding->addresses, &silent, options.userdata);
        return 0;
}

static int on_deadline(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        end(userdata);
        return 0;
}

/* ---- the question */

static void take_answer(Asked *asked, const void *bytes, size_t size) {
        JoinFounding *founding = asked->founding;
        JoinFoundingAnswer answer = {};

        if (join_body_read(&join_body_founding_answer_shape,
                           bytes,
                           size,
                           JOIN_BODY_ANSWER_MAX,
                           &answer,
                           NULL) >= 0)
                asked->has_answered = true;
        if (answer.exists && answer.is_member && !founding->exists) {
                founding->exists = true;
                founding->addresses = answer.addresses;
                answer.addresses = (StrList){};
        }
        json_done(&join_body_founding_answer_shape, &answer);
}

static bool have_all_answered(const JoinFounding *founding) {
        for (size_t i = 0; i < founding->n; i++)
                if (!founding->asked[i].has_answered)
                        return false;
        return true;
}

static void on_answer(
                RpcCall *call _unused_,
                int r,
                const Error *error _unused_,
                const void *bytes,
                size_t size,
                void *userdata) {
        Asked *asked = userdata;
        JoinFounding *founding = asked->founding;

        if (r >= 0)
                take_answer(asked, bytes, size);
        asked->call = rpc_call_unref(asked->call);
        if (founding->exists || have_all_answered(founding))
                end(founding);
}

static const RpcCallHandler handler = { .on_done = on_answer };

static int ask(Asked *asked) {
        JoinFounding *founding = asked->founding;
        _cleanup_(str_done) Str text = {};
        JoinFoundingBody body;
        int r;

        memcpy(body.cluster_id, founding->cluster_id, sizeof(body.cluster_id));
        r = json_write(&join_body_founding_shape, &body, &text);
        return r < 0 ? r
                     : rpc_call(founding->rpc,
                                &asked->call,
                                &(RpcCallOptions){
                                                .peer = &asked->peer,
                                                .method = JOIN_FOUNDING_METHOD,
                                                .body = text.data,
                                                .size = text.len,
                                                .timeout_usec = JOIN_FOUNDING_TIMEOUT,
                                                .handler = &handler,
                                                .userdata = asked,
                                });
}

/* One without an address may dial this peer; one that is being started answers a moment later. */
static int on_again(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
        JoinFounding *founding = userdata;

        for (size_t i = 0; i < founding->n; i++)
                if (!founding->asked[i].call && !founding->asked[i].has_answered)
                        (void) ask(&founding->asked[i]);
        (void) sd_event_source_set_time_relative(source, AGAIN_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- the same question to this peer */

static void on_question(RpcRequest *request, const void *bytes, size_t size, void *userdata _unused_) {
        const JoinFoundingAnswer nothing = { .addresses.is_set = true };
        _cleanup_(error_done) Error error = {};
        _cleanup_(str_done) Str text = {};
        JoinFoundingBody body = {};
        int r;

        r = join_body_read(&join_body_founding_shape, bytes, size, JOIN_BODY_MAX, &body, &error);
        if (r >= 0) {
                r = json_write(&join_body_founding_answer_shape, &nothing, &text);
                if (r < 0)
                        (void) error_set_errno(&error, r, "founding: %m");
        }
        if (r < 0)
                (void) rpc_request_fail(request, &error);
        else
                (void) rpc_request_reply(request, text.data, text.len);
}

/* ---- life */

static bool is_member(const PeerId *peer, void *userdata) {
        return peer_id_list_contains(((JoinFounding *) userdata)->options.members, peer);
}

/* One that has the cluster already greets its member; it does so again when that one is it. */
static void on_note(
                const PeerId *from _unused_,
                const void *bytes _unused_,
                size_t size _unused_,
                void *userdata _unused_) {
}

static const RpcMethod methods[] = {
        { JOIN_FOUNDING_METHOD, RPC_OPEN, on_question },
        {},
};
static const RpcEvents events = { .is_member = is_member, .note = on_note };

static int open_rpc(JoinFounding *founding, sd_event *event, Error *reterr) {
        return rpc_new(&founding->rpc,
                       event,
                       &(RpcOptions){
                                       .private_key = founding->options.private_key,
                                       .fds = founding->options.fds,
                                       .n_fds = founding->options.n_fds,
                                       .dial_timeout_usec = founding->options.dial_timeout_usec,
                                       .methods = methods,
                                       .events = &events,
                                       .userdata = founding,
                       },
                       reterr);
}

static int set_addresses(JoinFounding *founding, const PeerId *of) {
        const StrList *all = founding->options.addresses;
        _cleanup_(str_list_done) StrList list = {};
        PeerId peer;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < all->n; i++)
                if (multiaddr_peer_id(all->items[i], &peer) > 0 && peer_id_equal(&peer, of))
                        r = str_list_append(&list, all->items[i]);
        return r < 0 || list.n == 0 ? r : rpc_set_addresses(founding->rpc, of, &list);
}

static int list_asked(JoinFounding *founding) {
        const PeerIdList *members = founding->options.members;
        int r = 0;

        founding->asked = calloc(members->n, sizeof(*founding->asked));
        if (!founding->asked)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < members->n; i++) {
                if (peer_id_equal(&members->items[i], rpc_self(founding->rpc)))
                        continue;
                founding->asked[founding->n++] = (Asked){ .founding = founding, .peer = members->items[i] };
                r = set_addresses(founding, &members->items[i]);
        }
        return r;
}

static int open_sources(JoinFounding *founding, sd_event *event) {
        uint64_t timeout = founding->options.timeout_usec ?: JOIN_FOUNDING_TIMEOUT;
        int r;

        r = sd_event_add_defer(event, &founding->end, on_end, founding);
        if (r >= 0)
                r = sd_event_source_set_enabled(
                                founding->end, founding->n == 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                event, &founding->again, CLOCK_MONOTONIC, 0, 0, on_again, founding);
        return r < 0 ? r
                     : sd_event_add_time_relative(
                                       event,
                                       &founding->deadline,
                                       CLOCK_MONOTONIC,
                                       timeout,
                                       0,
                                       on_deadline,
                                       founding);
}

int join_founding_new(
                JoinFounding **ret, sd_event *event, const JoinFoundingOptions *options, Error *reterr) {
        _cleanup_(join_founding_freep) JoinFounding *founding = NULL;
        int r;

        founding = calloc(1, sizeof(*founding));
        if (!founding) {
                for (size_t i = 0; i < options->n_fds; i++)
                        (void) close(options->fds[i]);
                return error_set_errno(reterr, -ENOMEM, "founding: %m");
        }

        founding->options = *options;
        r = open_rpc(founding, event, reterr);
        if (r < 0)
                return r;
        r = consensus_founding_id(options->members, founding->cluster_id, reterr);
        if (r < 0)
                return r;
        r = list_asked(founding);
        if (r >= 0)
                r = open_sources(founding, event);
        if (r < 0)
                return error_set_errno(reterr, r, "founding: %m");

        *ret = TAKE_PTR(founding);
        return 0;
}

JoinFounding *join_founding_free(JoinFounding *founding) {
        if (!founding)
                return NULL;

        sd_event_source_disable_unref(founding->again);
        sd_event_source_disable_unref(founding->deadline);
        sd_event_source_disable_unref(founding->end);
        for (size_t i = 0; i < founding->n; i++)
                rpc_call_unref(founding->asked[i].call);
        rpc_free(founding->rpc);
        free(founding->asked);
        str_list_done(&founding->addresses);
        free(founding);
        return NULL;
}
