#include <string.h>

#include "daemon/join/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef union AnyBody {
        JoinBody join;
        JoinedBody joined;
        JoinInviteBody invite;
        JoinInvitedBody invited;
        JoinMembershipBody membership;
        JoinMembershipAnswer answer;
} AnyBody;

/* Each body that peers send each other about their membership; what can be read can be written. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const JsonShape *const shapes[] = {
                &join_body_shape,         &join_body_joined_shape,     &join_body_invite_shape,
                &join_body_invited_shape, &join_body_membership_shape, &join_body_membership_answer_shape,
        };

        for (size_t i = 0; i < ELEMENTSOF(shapes); i++) {
                _cleanup_(str_done) Str text = {};
                AnyBody body = {}, again = {};

                if (join_body_read(shapes[i], data, size, JOIN_BODY_MAX, &body, NULL) < 0)
                        continue;
                if (json_write(shapes[i], &body, &text) >= 0) {
                        if (join_body_read(shapes[i], text.data, text.len, SIZE_MAX, &again, NULL) < 0)
                                abort();
                        json_done(shapes[i], &again);
                }
                json_done(shapes[i], &body);
        }
        return 0;
}
