#include "daemon/join/body.h"

#include <json-c/json.h>

#include "daemon/base/multibase.h"
#include "daemon/types/multiaddr.h"

#define ID_SIZE 16

static_assert(STATE_CLUSTER_ID_SIZE == ID_SIZE, "a cluster id is written as an id");

/* ---- bytes of a fixed size, as hex */

static int read_hex(struct json_object *from, void *member, size_t size) {
        size_t n;

        if (!json_object_is_type(from, json_type_string))
                return -EPROTOTYPE;
        n = (size_t) json_object_get_string_len(from);
        if (n != 2 * size)
                return -EBADMSG;
        return multibase_decode(MULTIBASE_16, json_object_get_string(from), n, member, size) ==
                                               (ssize_t) size
                               ? 0
                               : -EBADMSG;
}

static int write_hex(const void *member, size_t size, Str *to) {
        (void) str_append_char(to, '"');
        (void) multibase_encode(MULTIBASE_16, member, size, to);
        return str_append_char(to, '"');
}

static int read_proof(struct json_object *from, void *member) {
        return read_hex(from, member, JOIN_PROOF_SIZE);
}

static int write_proof(const void *member, Str *to) {
        return write_hex(member, JOIN_PROOF_SIZE, to);
}

static int read_id(struct json_object *from, void *member) {
        return read_hex(from, member, ID_SIZE);
}

static int write_id(const void *member, Str *to) {
        return write_hex(member, ID_SIZE, to);
}

static const JsonType proof_json = { "64 hex digits", read_proof, write_proof, NULL, NULL };
const JsonType join_body_id_json = { "32 hex digits", read_id, write_id, NULL, NULL };

/* ---- the bodies */

#define PROOF(struct_)                                                                                      \
        { "proof", JSON_TYPE, offsetof(struct_, proof), JSON_REQUIRED, .type = &proof_json }
#define CLUSTER_ID(struct_)                                                                                 \
        { "cluster_id", JSON_TYPE, offsetof(struct_, cluster_id), JSON_REQUIRED, .type = &join_body_id_json }
#define ADDRESSES(struct_, flags_)                                                                          \
        { "addresses", JSON_TYPE, offsetof(struct_, addresses), flags_, .type = &multiaddr_list_json }
#define RAFT_ID(struct_)                                                                                    \
        { "raft_id", JSON_UINT, offsetof(struct_, raft_id), JSON_REQUIRED }
#define SHAPE(name_, struct_, fields_)                                                                      \
        { .name = name_, .size = sizeof(struct_), .fields = fields_ }

static const JsonField join_fields[] = {
        PROOF(JoinBody),
        { "only_ask", JSON_BOOL, offsetof(JoinBody, only_ask), JSON_OMIT_EMPTY },
        { "peername", JSON_STRING, offsetof(JoinBody, peername), 0 },
        ADDRESSES(JoinBody, 0),
        JSON_END,
};
const JsonShape join_body_shape = SHAPE("join", JoinBody, join_fields);

static const JsonField joined_fields[] = {
        PROOF(JoinedBody),
        CLUSTER_ID(JoinedBody),
        RAFT_ID(JoinedBody),
        { "index", JSON_UINT, offsetof(JoinedBody, index), JSON_REQUIRED },
        ADDRESSES(JoinedBody, JSON_REQUIRED),
        JSON_END,
};
const JsonShape join_body_joined_shape = SHAPE("joined", JoinedBody, joined_fields);

static const JsonField invite_fields[] = {
        PROOF(JoinInviteBody),
        CLUSTER_ID(JoinInviteBody),
        ADDRESSES(JoinInviteBody, JSON_REQUIRED),
        JSON_END,
};
const JsonShape join_body_invite_shape = SHAPE("invite", JoinInviteBody, invite_fields);

static const JsonField invited_fields[] = {
        { "is_member", JSON_BOOL, offsetof(JoinInvitedBody, is_member), JSON_REQUIRED },
        JSON_END,
};
const JsonShape join_body_invited_shape = SHAPE("invited", JoinInvitedBody, invited_fields);

static const JsonField membership_fields[] = {
        CLUSTER_ID(JoinMembershipBody),
        RAFT_ID(JoinMembershipBody),
        { "index", JSON_UINT, offsetof(JoinMembershipBody, index), JSON_OMIT_EMPTY },
        JSON_END,
};
const JsonShape join_body_membership_shape = SHAPE("membership", JoinMembershipBody, membership_fields);

static const JsonField membership_answer_fields[] = {
        { "index", JSON_UINT, offsetof(JoinMembershipAnswer, index), JSON_REQUIRED },
        { "is_member", JSON_BOOL, offsetof(JoinMembershipAnswer, is_member), JSON_REQUIRED },
        { "is_leader", JSON_BOOL, offsetof(JoinMembershipAnswer, is_leader), JSON_REQUIRED },
        { "is_another", JSON_BOOL, offsetof(JoinMembershipAnswer, is_another), JSON_OMIT_EMPTY },
        { "leader",
          JSON_TYPE,
          offsetof(JoinMembershipAnswer, leader),
          JSON_OMIT_EMPTY,
          .type = &multiaddr_list_json },
        JSON_END,
};
const JsonShape join_body_membership_answer_shape = SHAPE(
                "membership answer", JoinMembershipAnswer, membership_answer_fields);

static const JsonField founding_fields[] = {
        CLUSTER_ID(JoinFoundingBody),
        JSON_END,
};
const JsonShape join_body_founding_shape = SHAPE("founding", JoinFoundingBody, founding_fields);

static const JsonField founding_answer_fields[] = {
        { "exists", JSON_BOOL, offsetof(JoinFoundingAnswer, exists), JSON_REQUIRED },
        { "is_member", JSON_BOOL, offsetof(JoinFoundingAnswer, is_member), JSON_REQUIRED },
        ADDRESSES(JoinFoundingAnswer, 0),
        JSON_END,
};
const JsonShape join_body_founding_answer_shape = SHAPE(
                "founding answer", JoinFoundingAnswer, founding_answer_fields);

int join_body_read(
                const JsonShape *shape,
                const void *bytes,
                size_t size,
                size_t max,
                void *to,
                Error *reterr) {
        JsonProblem problem;
        int r;

        if (size > max)
                return error_set(
                                reterr,
                                ERROR_TOO_BIG,
                                "%s: %zu bytes, expected at most %zu",
                                shape->name,
                                size,
                                max);

        r = json_read_text(shape, bytes, size, to, &problem);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "%s: %m", shape->name);
        if (r < 0 && problem.field[0] == '\0')
                return error_set(reterr, ERROR_INVALID, "%s: expected a JSON object", shape->name);
        if (r < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "%s: %s: '%s' is not allowed, expected %s",
                                shape->name,
                                problem.field,
                                problem.value,
                                problem.expected);
        return 0;
}
