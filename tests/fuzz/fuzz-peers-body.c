#include <string.h>

#include "daemon/peers/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef union AnyBody {
        PeersJoinBody join;
        PeersJoinedBody joined;
        PeersInviteBody invite;
        PeersInvitedBody invited;
        PeersMembershipBody membership;
        PeersMembershipAnswer answer;
} AnyBody;

/* Each body that peers send each other about their membership; what can be read can be written. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const JsonShape *const shapes[] = {
                &peers_join_body_shape,    &peers_joined_body_shape,     &peers_invite_body_shape,
                &peers_invited_body_shape, &peers_membership_body_shape, &peers_membership_answer_shape,
        };

        for (size_t i = 0; i < ELEMENTSOF(shapes); i++) {
                _cleanup_(str_done) Str text = {};
                AnyBody body = {}, again = {};

                if (peers_body_read(shapes[i], data, size, PEERS_BODY_MAX, &body, NULL) < 0)
                        continue;
                if (json_write(shapes[i], &body, &text) >= 0) {
                        if (peers_body_read(shapes[i], text.data, text.len, SIZE_MAX, &again, NULL) < 0)
                                abort();
                        json_done(shapes[i], &again);
                }
                json_done(shapes[i], &body);
        }
        return 0;
}
