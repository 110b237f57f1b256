#include "daemon/consensus/entry.h"

#include <string.h>

#include "daemon/base/hash.h"
#include "daemon/base/protobuf.h"
#include "daemon/base/varint.h"

#define PIN_FIELD_CID 1

int consensus_payload_new(ConsensusPayload **ret, const void *bytes, size_t size) {
        ConsensusPayload *payload;

        payload = malloc(sizeof(*payload) + size);
        if (!payload)
                return -ENOMEM;

        payload->n_ref = 1;
        payload->size = size;
        if (size > 0)
                memcpy(payload->bytes, bytes, size);

        *ret = payload;
        return 0;
}

ConsensusPayload *consensus_payload_ref(ConsensusPayload *payload) {
        payload->n_ref++;
        return payload;
}

ConsensusPayload *consensus_payload_unref(ConsensusPayload *payload) {
        if (payload && --payload->n_ref == 0)
                free(payload);
        return NULL;
}

void consensus_entry_done(ConsensusEntry *entry) {
        entry->payload = consensus_payload_unref(entry->payload);
}

int consensus_entry_begin(Str *to) {
        return str_append_char(to, CONSENSUS_ENTRY_VERSION);
}

int consensus_entry_add(Str *to, const ConsensusOp *op) {
        uint8_t length[VARINT_MAX_BYTES];
        size_t n;

        n = varint_write(op->size, length);
        (void) str_append_char(to, (char) op->kind);
        (void) str_append_bytes(to, length, n);
        return str_append_bytes(to, op->body, op->size);
}

int consensus_entry_open(ConsensusEntryReader *reader, const void *bytes, size_t n) {
        if (n == 0)
                return -EBADMSG;

        *reader = (ConsensusEntryReader){
                .start = bytes,
                .at = (const uint8_t *) bytes + 1,
                .end = (const uint8_t *) bytes + n,
        };
        return *reader->start == CONSENSUS_ENTRY_VERSION ? 0 : CONSENSUS_ENTRY_NEWER;
}

int consensus_entry_next(ConsensusEntryReader *reader, ConsensusOp *ret) {
        uint64_t size;
        ssize_t n;
        int kind;

        if (reader->at == reader->end)
                return 0;

        kind = *reader->at;
        if (kind == 0)
                return -EBADMSG;
        if (kind > CONSENSUS_TAG)
                return CONSENSUS_ENTRY_NEWER;

        n = varint_read(reader->at + 1, (size_t) (reader->end - reader->at - 1), &size);
        if (n < 0)
                return -EBADMSG;
        if (size == 0 || size > (uint64_t) (reader->end - reader->at - 1 - n))
                return -EBADMSG;

        *ret = (ConsensusOp){
                .kind = (ConsensusOpKind) kind,
                .body = reader->at + 1 + n,
                .size = (size_t) size,
        };
        reader->at += 1 + (size_t) n + (size_t) size;
        return 1;
}

static int pin_key(const void *bytes, size_t n, Cid *ret) {
        ProtobufReader reader = protobuf_reader(bytes, n);
        ProtobufField field;
        int r;

        for (;;) {
                r = protobuf_next(&reader, &field);
                if (r <= 0)
                        return -EBADMSG;
                if (field.number == PIN_FIELD_CID && field.type == PROTOBUF_BYTES)
                        return cid_from_bytes(field.bytes, field.size, ret) < 0 ? -EBADMSG : 0;
        }
}

void consensus_condition(
                const void *value, size_t size, uint8_t condition[static CONSENSUS_CONDITION_SIZE]) {
        uint8_t digest[HASH_SHA256_SIZE];

        hash_sha256(value, size, digest);
        memcpy(condition, digest, CONSENSUS_CONDITION_SIZE);
}

int consensus_entry_strip(const ConsensusOp *op, ConsensusOp *ret, const uint8_t **ret_condition) {
        *ret = *op;
        *ret_condition = NULL;
        if (op->kind != CONSENSUS_PIN_IF && op->kind != CONSENSUS_UNPIN_IF)
                return 0;
        if (op->size <= CONSENSUS_CONDITION_SIZE)
                return -EBADMSG;
        *ret_condition = op->body;
        *ret = (ConsensusOp){
                .kind = op->kind == CONSENSUS_PIN_IF ? CONSENSUS_PIN : CONSENSUS_UNPIN,
                .body = (const uint8_t *) op->body + CONSENSUS_CONDITION_SIZE,
                .size = op->size - CONSENSUS_CONDITION_SIZE,
        };
        return 0;
}

int consensus_entry_request(const ConsensusOp *op, PinRequestId *ret_id, ConsensusOp *ret_pin) {
        bool is_put = op->kind == CONSENSUS_REQUEST_PUT;
        ssize_t n;

        n = pin_request_id_read(op->body, op->size, ret_id);
        if (n < 0)
                return -EBADMSG;
        if (is_put ? (size_t) n == op->size : (size_t) n < op->size || !cid_is_defined(&ret_id->cid))
                return -EBADMSG;
        *ret_pin = (ConsensusOp){
                .kind = CONSENSUS_PIN,
                .body = (const uint8_t *) op->body + n,
                .size = op->size - (size_t) n,
        };
        return 0;
}

static int request_key(const ConsensusOp *op, Cid *ret) {
        ConsensusOp pin;
        PinRequestId id;
        int r;

        r = consensus_entry_request(op, &id, &pin);
        if (r < 0)
                return r;
        if (op->kind == CONSENSUS_REQUEST_PUT)
                return pin_key(pin.body, pin.size, ret);
        *ret = id.cid;
        return 0;
}

int consensus_entry_key(const ConsensusOp *conditional, Cid *ret) {
        const uint8_t *condition;
        ConsensusOp bare, *op = &bare;

        if (consensus_entry_strip(conditional, op, &condition) < 0)
                return -EBADMSG;
        switch (op->kind) {

        case CONSENSUS_PIN:
                return pin_key(op->body, op->size, ret);

        case CONSENSUS_UNPIN:
                return cid_from_bytes(op->body, op->size, ret) < 0 ? -EBADMSG : 0;

        case CONSENSUS_REQUEST_PUT:
        case CONSENSUS_REQUEST_REMOVE:
                return request_key(op, ret);

        case CONSENSUS_PEER_PUT:
        case CONSENSUS_PEER_REMOVE:
        case CONSENSUS_PIN_IF:
        case CONSENSUS_UNPIN_IF:
        case CONSENSUS_TAG:
                break;
        }
        return -EBADMSG;
}
