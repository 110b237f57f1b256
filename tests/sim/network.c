#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "daemon/base/file.h"
#include "tests/sim/sim.h"

#define LOSS_PERCENT 2
#define LATE_ONE_IN 20
#define LATE_STEADY_ONE_IN 3 /* where little else happens */
#define LATE_MSEC 300
#define TWICE_ONE_IN 50
#define TWICE_MSEC 500
#define FETCH_MSEC 400 /* a snapshot's files come after its message */

typedef struct Packet {
        uint64_t at;
        unsigned from, to, generation; /* of the receiver */
        Str bytes;
} Packet;

bool sim_cut[SIM_NODES_MAX][SIM_NODES_MAX];

static GArray *packets;
static uint64_t link_busy[SIM_NODES_MAX][SIM_NODES_MAX];

/* ---- out */

static void packet_put(
                const SimNode *from, const SimNode *to, const ConsensusMessage *message, uint64_t at) {
        Packet packet = { .at = at, .from = from->i, .to = to->i, .generation = to->generation };
        int r;

        r = consensus_message_encode(message, &packet.bytes);
        assert(r == 0);
        if (!packets)
                packets = g_array_new(FALSE, FALSE, sizeof(Packet));
        g_array_append_val(packets, packet);
}

static uint64_t arrival(const SimNode *from, const SimNode *to, const ConsensusMessage *message) {
        bool late = sim_one_in(sim_profile->steady ? LATE_STEADY_ONE_IN : LATE_ONE_IN);
        uint64_t at = sim_now + 1 + sim_below(5) + (late ? sim_below(LATE_MSEC) : 0);

        if (message->type == CONSENSUS_MESSAGE_INSTALL)
                at += sim_below(FETCH_MSEC);
        else if (!sim_profile->reorder) { /* H17: one stream, in order */
                at = MAX(at, link_busy[from->i][to->i]);
                link_busy[from->i][to->i] = at;
        }
        return at;
}

void sim_network_send(SimNode *from, const ConsensusMessage *message) {
        SimNode *to = sim_node_by_id(message->peer);
        uint64_t at;

        if (!to || to == from)
                return;
        sim_counts.messages++;
        sim_check_entries(from, message);
        if (sim_cut[from->i][to->i] || !to->consensus ||
            (sim_now < sim_heal && sim_below(100) < LOSS_PERCENT))
                return;

        at = arrival(from, to, message);
        packet_put(from, to, message, at);
        if (sim_profile->reorder && sim_one_in(TWICE_ONE_IN))
                packet_put(from, to, message, at + sim_below(TWICE_MSEC));
}

/* ---- in */

static int copy_file(int from_fd, int to_fd, const char *name) {
        _cleanup_close_ int from = openat(from_fd, name, O_RDONLY | O_CLOEXEC);
        _cleanup_close_ int to = openat(to_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        char block[4096];
        ssize_t n;

        if (from < 0 || to < 0)
                return -errno;
        while ((n = read(from, block, sizeof(block))) > 0) {
                int r = file_write_all(to, block, (size_t) n);

                if (r < 0)
                        return r;
        }
        return n < 0 ? -errno : 0;
}

/* What the links will do: the files come on a stream of their own. */
static bool fetch(const SimNode *from, const SimNode *to, uint64_t index) {
        char name[CONSENSUS_SNAPSHOT_NAME_MAX];
        _cleanup_close_ int from_fd = -1, to_fd = -1;
        int raft_fd = to->consensus->disk_state.dir_fd;

        if (!from->consensus || !consensus_may_install(to->consensus, index))
                return false;
        from_fd = openat(
                        from->consensus->disk_state.dir_fd,
                        consensus_snapshot_name(index, name),
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (from_fd < 0)
                return false; /* it has newer ones */

        if (file_remove_tree(raft_fd, CONSENSUS_SNAPSHOT_RECEIVED) < 0 ||
            mkdirat(raft_fd, CONSENSUS_SNAPSHOT_RECEIVED, 0700) < 0)
                return false;
        to_fd = openat(raft_fd, CONSENSUS_SNAPSHOT_RECEIVED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return to_fd >= 0 && copy_file(from_fd, to_fd, CONSENSUS_SNAPSHOT_DUMP) == 0 &&
               copy_file(from_fd, to_fd, CONSENSUS_SNAPSHOT_MEMBERS) == 0;
}

static void trace_message(const Packet *packet, const ConsensusMessage *m) {
        uint64_t a = 0, b = 0;

        if (m->type == CONSENSUS_MESSAGE_APPEND) {
                a = m->append.previous_index;
                b = m->append.n;
        } else if (m->type == CONSENSUS_MESSAGE_APPEND_RESULT) {
                a = m->append_result.last_index;
                b = m->append_result.rejected;
        } else if (m->type == CONSENSUS_MESSAGE_VOTE) {
                a = m->vote.last_index;
                b = m->vote.pre_vote;
        } else if (m->type == CONSENSUS_MESSAGE_VOTE_RESULT) {
                a = m->vote_result.granted;
                b = m->vote_result.pre_vote;
        } else if (m->type == CONSENSUS_MESSAGE_INSTALL)
                a = m->install.index;
        sim_trace("  %u -> %u %s term %" PRIu64 ": %" PRIu64 " %" PRIu64,
                  packet->from,
                  packet->to,
                  consensus_message_type_to_string(m->type),
                  m->term,
                  a,
                  b);
}

static void deliver(const Packet *packet) {
        SimNode *to = &sim_nodes[packet->to], *from = &sim_nodes[packet->from];
        ConsensusMessage message;
        int r;

        if (!to->consensus || to->failed || to->generation != packet->generation ||
            sim_cut[packet->from][packet->to])
                return;

        r = consensus_message_decode(packet->bytes.data, packet->bytes.len, &message);
        if (r != 0)
                sim_finish(SIM_VIOLATION, "a message of node %u cannot be decoded", packet->from);
        message.peer = from->raft_id;
        if (sim_verbose)
                trace_message(packet, &message);
        if (message.type != CONSENSUS_MESSAGE_INSTALL || fetch(from, to, message.install.index)) {
                sim_counts.installs += message.type == CONSENSUS_MESSAGE_INSTALL;
                consensus_receive(to->consensus, &message);
                sim_check_node(to);
        }
        consensus_message_done(&message);
}

void sim_network_run(void) {
        for (guint i = 0; packets && i < packets->len;) {
                Packet packet = g_array_index(packets, Packet, i);

                if (packet.at > sim_now) {
                        i++;
                        continue;
                }
                (void) g_array_remove_index(packets, i);
                deliver(&packet);
                str_done(&packet.bytes);
        }
}

void sim_network_done(void) {
        for (guint i = 0; packets && i < packets->len; i++)
                str_done(&g_array_index(packets, Packet, i).bytes);
        if (packets)
                g_array_free(packets, TRUE);
        packets = NULL;
}
