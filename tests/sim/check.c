#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/consensus/engine-private.h"
#include "tests/sim/sim.h"

/* ---- tables that grow; of zeros until they are set */

typedef struct Seen {
        bool set;
        uint64_t a, b;
} Seen;

typedef struct Known { /* an entry that was sent */
        uint64_t index, term, hash;
} Known;

static GArray *terms, *committed, *pins;
static GHashTable *known;
static uint64_t highest;

static Seen *seen_at(GArray **array, uint64_t i) {
        if (!*array)
                *array = g_array_new(FALSE, TRUE, sizeof(Seen));
        if ((*array)->len <= i)
                g_array_set_size(*array, (guint) i * 2 + 64);
        return &g_array_index(*array, Seen, i);
}

static uint64_t entry_hash(const ConsensusEntry *entry) {
        uint64_t hash = UINT64_C(14695981039346656037) ^ (uint64_t) entry->type;

        for (size_t i = 0; i < entry->payload->size; i++)
                hash = (hash ^ entry->payload->bytes[i]) * UINT64_C(1099511628211);
        return hash;
}

/* ---- after every step */

/* One term has one leadership. */
static void check_leader(const SimNode *node) {
        uint64_t term = node->consensus->term;
        Seen *seen;

        if (!sim_node_is_leader(node))
                return;
        seen = seen_at(&terms, term);
        if (!seen->set) {
                *seen = (Seen){ true, node->i, node->generation };
                sim_counts.leaders++;
                sim_trace("node %u leads term %" PRIu64, node->i, term);
        } else if (seen->a != node->i || seen->b != node->generation)
                sim_finish(SIM_VIOLATION,
                           "term %" PRIu64 " is led by node %" PRIu64 " and by node %u",
                           term,
                           seen->a,
                           node->i);
}

/* No two peers apply different entries at one index. */
static void check_applied(const SimNode *node, uint64_t index) {
        const ConsensusLog *log = node->consensus->disk_state.log;
        ConsensusEntry entry;
        Seen *seen = seen_at(&committed, index);
        uint64_t hash;
        int r;

        if (index < consensus_log_first(log) || index > consensus_log_last(log))
                return; /* of an installed snapshot */
        r = consensus_log_get(log, index, &entry);
        if (r < 0)
                sim_finish(SIM_VIOLATION, "node %u cannot read entry %" PRIu64, node->i, index);
        hash = entry_hash(&entry);
        if (seen->set && (seen->a != entry.term || seen->b != hash))
                sim_finish(SIM_VIOLATION,
                           "node %u applies %" PRIu64 "^%" PRIu64 ", another one has applied %" PRIu64
                           "^%" PRIu64,
                           node->i,
                           index,
                           entry.term,
                           index,
                           seen->a);
        if (!seen->set && entry.type == CONSENSUS_ENTRY_CHANGE)
                sim_counts.changes++;
        *seen = (Seen){ true, entry.term, hash };
        consensus_entry_done(&entry);
}

/* H9a: the library's idea of the pending change. */
static void check_pending(const SimNode *node) {
        uint64_t index = node->consensus->engine->raft.configuration_uncommitted_index;
        const ConsensusLog *log = node->consensus->disk_state.log;

        if (index >= consensus_log_first(log) && index <= consensus_log_last(log) &&
            !consensus_log_is_change(log, index))
                sim_finish(SIM_VIOLATION,
                           "node %u takes entry %" PRIu64 " for a change of the members",
                           node->i,
                           index);
}

void sim_check_node(SimNode *node) {
        const Consensus *c = node->consensus;

        check_pending(node);
        check_leader(node);
        for (uint64_t index = node->checked + 1; index <= c->applied; index++)
                check_applied(node, index);
        node->checked = c->applied;
        highest = MAX(highest, c->applied);
}

uint64_t sim_check_highest(void) {
        return highest;
}

static guint known_hash(gconstpointer p) {
        const Known *k = p;

        return (guint) (k->index * 31 + k->term);
}

static gboolean known_equal(gconstpointer a, gconstpointer b) {
        const Known *x = a, *y = b;

        return x->index == y->index && x->term == y->term;
}

/* Index and term say what an entry is. */
void sim_check_entries(const SimNode *node, const ConsensusMessage *message) {
        if (message->type != CONSENSUS_MESSAGE_APPEND)
                return;
        if (!known)
                known = g_hash_table_new_full(known_hash, known_equal, g_free, NULL);

        for (size_t i = 0; i < message->append.n; i++) {
                const ConsensusEntry *e = &message->append.entries[i];
                Known key = { e->index, e->term, entry_hash(e) };
                Known *found = g_hash_table_lookup(known, &key);

                if (!found)
                        g_hash_table_add(known, g_memdup2(&key, sizeof(key)));
                else if (found->hash != key.hash)
                        sim_finish(SIM_VIOLATION,
                                   "node %u has another entry %" PRIu64 "^%" PRIu64,
                                   node->i,
                                   e->index,
                                   e->term);
        }
}

/* ---- what clients were told: A is 1 when the pin was acknowledged, B is 1 when its unpin was asked for and
 * 2 when that was acknowledged */

void sim_check_acked(uint64_t pin, bool is_unpin) {
        Seen *seen = seen_at(&pins, pin);

        sim_counts.acked++;
        seen->set = true;
        if (is_unpin)
                seen->b = 2;
        else
                seen->a = 1;
}

bool sim_check_may_unpin(uint64_t pin) {
        const Seen *seen = seen_at(&pins, pin);

        return seen->a == 1 && seen->b == 0;
}

void sim_check_asked_unpin(uint64_t pin) {
        seen_at(&pins, pin)->b = 1;
}

static void check_pins(const SimNode *leader) {
        StatePinset *pinset = leader->consensus->disk_state.pinset;

        for (uint64_t pin = 0; pins && pin < pins->len; pin++) {
                const Seen *seen = &g_array_index(pins, Seen, pin);
                char text[32];
                Cid cid;
                int has;

                if (!seen->set || seen->b == 1)
                        continue;
                (void) g_snprintf(text, sizeof(text), "pin %" PRIu64, pin);
                cid_of_bytes(CID_CODEC_RAW, text, strlen(text), &cid);
                has = state_pinset_has(pinset, &cid);
                if (has != (seen->b == 0))
                        sim_finish(SIM_VIOLATION, "what was acknowledged of pin %" PRIu64 " is lost", pin);
        }
}

/* ---- at the end */

static void check_member(const SimNode *leader, const SimNode *node) {
        uint8_t a[STATE_DIGEST_SIZE], b[STATE_DIGEST_SIZE];

        if (node->consensus->applied < highest)
                sim_finish(SIM_STUCK,
                           "node %u has applied %" PRIu64 " of %" PRIu64,
                           node->i,
                           node->consensus->applied,
                           highest);
        state_pinset_digest(leader->consensus->disk_state.pinset, a);
        state_pinset_digest(node->consensus->disk_state.pinset, b);
        if (leader->consensus->applied == node->consensus->applied && memcmp(a, b, sizeof(a)) != 0)
                sim_finish(SIM_VIOLATION, "the pinsets of nodes %u and %u differ", leader->i, node->i);
}

void sim_check_converged(void) {
        const SimNode *leader = sim_leader();
        ConsensusMembers members;
        int r;

        if (!leader)
                sim_finish(SIM_STUCK, "there is no leader");
        r = consensus_engine_members(leader->consensus->engine, &members);
        assert(r == 0);
        for (size_t i = 0; i < members.n; i++) {
                const SimNode *node = sim_node_by_id(members.items[i].raft_id);

                if (node->consensus && members.items[i].role != CONSENSUS_SPARE)
                        check_member(leader, node);
        }
        if (sim_profile->shrink && !consensus_members_is_sole_voter(&members, leader->raft_id))
                sim_finish(SIM_STUCK, "node %u did not become the only voter", leader->i);
        consensus_members_done(&members);
        check_pins(leader);
}

void sim_check_done(void) {
        GArray **arrays[] = { &terms, &committed, &pins };

        for (size_t i = 0; i < ELEMENTSOF(arrays); i++) {
                if (*arrays[i])
                        g_array_free(*arrays[i], TRUE);
                *arrays[i] = NULL;
        }
        if (known)
                g_hash_table_destroy(known);
        known = NULL;
}

/* ---- the balance of what changes its owner between libraft and the engine (H6) */

static long heap_balance;

static void *heap_malloc(void *data _unused_, size_t size) {
        heap_balance++;
        return malloc(size);
}

static void *heap_calloc(void *data _unused_, size_t n, size_t size) {
        heap_balance++;
        return calloc(n, size);
}

static void *heap_realloc(void *data _unused_, void *p, size_t size) {
        heap_balance += !p;
        return realloc(p, size);
}

static void heap_free(void *data _unused_, void *p) {
        heap_balance -= !!p;
        free(p);
}

static void *heap_aligned_alloc(void *data _unused_, size_t alignment, size_t size) {
        heap_balance++;
        return aligned_alloc(alignment, size);
}

static void heap_aligned_free(void *data, size_t alignment _unused_, void *p) {
        heap_free(data, p);
}

void sim_check_heap_begin(void) {
        static struct raft_heap heap = {
                .malloc = heap_malloc,
                .free = heap_free,
                .calloc = heap_calloc,
                .realloc = heap_realloc,
                .aligned_alloc = heap_aligned_alloc,
                .aligned_free = heap_aligned_free,
        };

        raft_heap_set(&heap);
}

void sim_check_heap_end(void) {
        if (heap_balance != 0)
                sim_finish(SIM_LEAK, "%ld allocations of libraft are left", heap_balance);
}
