#include "daemon/consensus/message.h"

#include <string.h>

#include "daemon/base/le.h"
#include "daemon/consensus/engine.h"

#define FLAG_DISRUPT 1
#define FLAG_GRANTED 1
#define FLAG_PRE_VOTE 2

const char *consensus_message_type_to_string(ConsensusMessageType type) {
        static const char *const names[] = {
                [CONSENSUS_MESSAGE_APPEND] = "append",   [CONSENSUS_MESSAGE_APPEND_RESULT] = "append-result",
                [CONSENSUS_MESSAGE_VOTE] = "vote",       [CONSENSUS_MESSAGE_VOTE_RESULT] = "vote-result",
                [CONSENSUS_MESSAGE_INSTALL] = "install", [CONSENSUS_MESSAGE_TIMEOUT_NOW] = "timeout-now",
        };

        return names[type];
}

/* ---- writing; Str remembers a failure, so the last call's answer counts */

static int put64(Str *to, uint64_t value) {
        uint8_t bytes[8];

        le_put64(bytes, value);
        return str_append_bytes(to, bytes, sizeof(bytes));
}

static int put_pair(Str *to, uint16_t features, uint16_t capacity) {
        return put64(to, (uint64_t) features | (uint64_t) capacity << 16);
}

static int put_entry(Str *to, const ConsensusEntry *entry) {
        (void) put64(to, entry->term);
        (void) put64(to, (uint64_t) entry->payload->size | (uint64_t) entry->type << 32);
        return str_append_bytes(to, entry->payload->bytes, entry->payload->size);
}

static int put_append(const ConsensusMessage *m, Str *to) {
        int r;

        (void) put64(to, m->append.previous_index);
        (void) put64(to, m->append.previous_term);
        (void) put64(to, m->append.commit);
        r = put64(to, m->append.n);
        for (size_t i = 0; r >= 0 && i < m->append.n; i++)
                r = put_entry(to, &m->append.entries[i]);
        return r;
}

static int put_install(const ConsensusMessage *m, Str *to) {
        const ConsensusPayload *members = m->install.configuration.members;

        (void) put64(to, m->install.index);
        (void) put64(to, m->install.term);
        (void) put64(to, m->install.configuration.index);
        (void) put64(to, members->size);
        return str_append_bytes(to, members->bytes, members->size);
}

static int put_body(const ConsensusMessage *m, Str *to) {
        switch (m->type) {
        case CONSENSUS_MESSAGE_APPEND:
                return put_append(m, to);
        case CONSENSUS_MESSAGE_APPEND_RESULT:
                (void) put64(to, m->append_result.rejected);
                (void) put64(to, m->append_result.last_index);
                return put_pair(to, m->append_result.features, m->append_result.capacity);
        case CONSENSUS_MESSAGE_VOTE:
                (void) put64(to, m->vote.candidate);
                (void) put64(to, m->vote.last_index);
                return put64(to, m->vote.last_term);
        case CONSENSUS_MESSAGE_VOTE_RESULT:
                return put_pair(to, m->vote_result.features, m->vote_result.capacity);
        case CONSENSUS_MESSAGE_INSTALL:
                return put_install(m, to);
        case CONSENSUS_MESSAGE_TIMEOUT_NOW:
                (void) put64(to, m->timeout_now.last_index);
                return put64(to, m->timeout_now.last_term);
        }
        assert(false);
        return -EINVAL;
}

static uint8_t flags_of(const ConsensusMessage *m) {
        if (m->type == CONSENSUS_MESSAGE_VOTE)
                return (uint8_t) ((m->vote.disrupt_leader ? FLAG_DISRUPT : 0) | (m->vote.pre_vote ? FLAG_PRE_VOTE : 0));
        if (m->type == CONSENSUS_MESSAGE_VOTE_RESULT)
                return (uint8_t) ((m->vote_result.granted ? FLAG_GRANTED : 0) | (m->vote_result.pre_vote ? FLAG_PRE_VOTE : 0));
        return 0;
}

int consensus_message_encode(const ConsensusMessage *m, Str *to) {
        const uint8_t head[8] = { CONSENSUS_MESSAGE_FORMAT, (uint8_t) m->type, m->version, flags_of(m) };

        (void) str_append_bytes(to, head, sizeof(head));
        (void) put64(to, m->term);
        return put_body(m, to);
}

/* ---- reading; a Reader that met something wrong stays BAD and answers zeros */

typedef struct Reader {
        const uint8_t *at, *end;
        bool bad;
} Reader;

static const uint8_t *get_bytes(Reader *reader, uint64_t n) {
        const uint8_t *at = reader->at;

        if (reader->bad || n > (uint64_t) (reader->end - at)) {
                reader->bad = true;
                return NULL;
        }
        reader->at += n;
        return at;
}

static uint64_t get64(Reader *reader) {
        const uint8_t *at = get_bytes(reader, 8);

        return at ? le_get64(at) : 0;
}

/* An index or a term: far from where sums would overflow. */
static uint64_t get_number(Reader *reader) {
        uint64_t value = get64(reader);

        reader->bad |= value > CONSENSUS_INDEX_MAX;
        return value;
}

static void get_pair(Reader *reader, uint16_t *features, uint16_t *capacity) {
        uint64_t value = get64(reader);

        reader->bad |= value > UINT32_MAX;
        *features = (uint16_t) value;
        *capacity = (uint16_t) (value >> 16);
}

static int get_payload(Reader *reader, uint64_t size, ConsensusPayload **ret) {
        const uint8_t *bytes;

        reader->bad |= size == 0 || size > CONSENSUS_ENTRY_SIZE_MAX;
        bytes = get_bytes(reader, size);
        return bytes ? consensus_payload_new(ret, bytes, (size_t) size) : -EBADMSG;
}

static int check_members(const ConsensusPayload *payload) {
        ConsensusMembers members;
        int r;

        r = consensus_members_decode(payload, &members);
        if (r == 0)
                consensus_members_done(&members);
        return r;
}

/* Terms never go down along a log, and none is above that of the leader who sends it. */
static int get_entry(Reader *reader, uint64_t lowest, uint64_t highest, ConsensusEntry *ret) {
        uint64_t lengths, type;
        int r;

        ret->term = get64(reader);
        lengths = get64(reader);
        type = lengths >> 32;
        if (reader->bad || ret->term == 0 || ret->term < lowest || ret->term > highest)
                return -EBADMSG;
        if (type < CONSENSUS_ENTRY_COMMAND || type > CONSENSUS_ENTRY_CHANGE)
                return -EBADMSG;

        ret->type = (ConsensusEntryType) type;
        r = get_payload(reader, lengths & UINT32_MAX, &ret->payload);
        if (r == 0 && ret->type == CONSENSUS_ENTRY_CHANGE)
                r = check_members(ret->payload);
        return r;
}

static int get_append(Reader *reader, ConsensusMessage *m) {
        uint64_t n, term;
        int r = 0;

        m->append.previous_index = get_number(reader);
        m->append.previous_term = term = get_number(reader);
        m->append.commit = get_number(reader);
        n = get64(reader);
        /* Nothing is reserved for more entries than there are bytes for. */
        if (reader->bad || n > CONSENSUS_MESSAGE_ENTRIES_MAX ||
            n > (uint64_t) (reader->end - reader->at) / 16)
                return -EBADMSG;
        if ((m->append.previous_index == 0) != (term == 0) || term > m->term)
                return -EBADMSG;
        if (n == 0)
                return 0;

        m->append.entries = calloc(n, sizeof(*m->append.entries));
        if (!m->append.entries)
                return -ENOMEM;
        for (; r == 0 && m->append.n < n; m->append.n++) {
                ConsensusEntry *entry = &m->append.entries[m->append.n];

                entry->index = m->append.previous_index + 1 + m->append.n;
                r = get_entry(reader, term, m->term, entry);
                term = entry->term;
        }
        return r;
}

static int get_install(Reader *reader, ConsensusMessage *m) {
        ConsensusSnapshotHead *head = &m->install;
        int r;

        head->index = get_number(reader);
        head->term = get_number(reader);
        head->configuration.index = get_number(reader);
        r = get_payload(reader, get64(reader), &head->configuration.members);
        if (r < 0)
                return r;
        if (head->index == 0 || head->term == 0 || head->term > m->term || head->configuration.index == 0 ||
            head->configuration.index > head->index)
                return -EBADMSG;
        return check_members(head->configuration.members);
}

static int get_vote(Reader *reader, ConsensusMessage *m, uint8_t flags) {
        m->vote.candidate = get64(reader);
        m->vote.last_index = get_number(reader);
        m->vote.last_term = get_number(reader);
        m->vote.disrupt_leader = flags & FLAG_DISRUPT;
        m->vote.pre_vote = flags & FLAG_PRE_VOTE;
        return m->vote.candidate != 0 ? 0 : -EBADMSG;
}

static int get_body(Reader *reader, ConsensusMessage *m, uint8_t flags) {
        switch (m->type) {
        case CONSENSUS_MESSAGE_APPEND:
                return get_append(reader, m);
        case CONSENSUS_MESSAGE_APPEND_RESULT:
                m->append_result.rejected = get_number(reader);
                m->append_result.last_index = get_number(reader);
                get_pair(reader, &m->append_result.features, &m->append_result.capacity);
                return 0;
        case CONSENSUS_MESSAGE_VOTE:
                return get_vote(reader, m, flags);
        case CONSENSUS_MESSAGE_VOTE_RESULT:
                m->vote_result.granted = flags & FLAG_GRANTED;
                m->vote_result.pre_vote = flags & FLAG_PRE_VOTE;
                get_pair(reader, &m->vote_result.features, &m->vote_result.capacity);
                return 0;
        case CONSENSUS_MESSAGE_INSTALL:
                return get_install(reader, m);
        case CONSENSUS_MESSAGE_TIMEOUT_NOW:
                m->timeout_now.last_index = get_number(reader);
                m->timeout_now.last_term = get_number(reader);
                return 0;
        }
        return -EBADMSG;
}

static bool flags_are_known(ConsensusMessageType type, uint8_t flags) {
        bool is_vote = type == CONSENSUS_MESSAGE_VOTE || type == CONSENSUS_MESSAGE_VOTE_RESULT;

        return (flags & ~(is_vote ? FLAG_GRANTED | FLAG_PRE_VOTE : 0)) == 0;
}

int consensus_message_decode(const void *bytes, size_t n, ConsensusMessage *ret) {
        Reader reader = { .at = bytes, .end = (const uint8_t *) bytes + n };
        const uint8_t *head = get_bytes(&reader, 8);
        ConsensusMessage m = {};
        int r;

        if (!head)
                return -EBADMSG;
        if (head[0] != CONSENSUS_MESSAGE_FORMAT)
                return CONSENSUS_MESSAGE_NEWER;

        m.type = (ConsensusMessageType) head[1];
        m.version = head[2];
        m.term = get_number(&reader);
        if (reader.bad || m.term == 0 || !flags_are_known(m.type, head[3]) ||
            memcmp(head + 4, "\0\0\0", 4) != 0)
                return -EBADMSG;

        r = get_body(&reader, &m, head[3]);
        if (r == 0 && (reader.bad || reader.at != reader.end))
                r = -EBADMSG;
        if (r < 0) {
                consensus_message_done(&m);
                return r;
        }
        *ret = m;
        return 0;
}

void consensus_message_done(ConsensusMessage *m) {
        if (m->type == CONSENSUS_MESSAGE_APPEND) {
                for (size_t i = 0; m->append.entries && i < m->append.n; i++)
                        consensus_entry_done(&m->append.entries[i]);
                free(m->append.entries);
        } else if (m->type == CONSENSUS_MESSAGE_INSTALL)
                consensus_payload_unref(m->install.configuration.members);
        *m = (ConsensusMessage){};
}
