/* The address book: who was heard of, and where. A peer's own word about its addresses counts before that of
 * others; all of it only says where to dial, never whom to trust. */

#include <inttypes.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/time.h"
#include "daemon/config/peerstore.h"
#include "daemon/join/body.h"
#include "daemon/peers/internal.h"

#define BOOK_MAX RPC_PEERS_MAX
#define BOOK_SAVE_USEC (2 * USEC_PER_SEC)
#define BOOK_NAME_MAX 256

/* ---- entries */

static void entry_free(PeersEntry *entry) {
        free(entry->name);
        str_list_done(&entry->addresses);
        peer_id_list_done(&entry->told_members);
        free(entry);
}

PeersEntry *peers_book_find(const Peers *peers, const PeerId *peer) {
        return map_get(peers->book, peer->bytes, peer->size);
}

/* Strangers leave no trace for ever. */
static bool evict_one(Peers *peers) {
        MapIterator i = {};
        void *value;

        while (map_next(peers->book, &i, NULL, NULL, &value)) {
                PeersEntry *entry = value;

                if (peers_is_member(peers, &entry->id) || rpc_is_linked(peers->rpc, &entry->id))
                        continue;
                rpc_forget(peers->rpc, &entry->id);
                (void) map_remove(peers->book, entry->id.bytes, entry->id.size);
                entry_free(entry);
                return true;
        }
        return false;
}

int peers_book_get(Peers *peers, const PeerId *peer, PeersEntry **ret) {
        PeersEntry *entry = peers_book_find(peers, peer);

        if (!entry) {
                if (map_size(peers->book) >= BOOK_MAX && !evict_one(peers))
                        return -ENOBUFS;
                entry = calloc(1, sizeof(*entry));
                if (!entry)
                        return -ENOMEM;
                entry->id = *peer;
                entry->lost_usec = time_monotonic();
                if (map_set(peers->book, peer->bytes, peer->size, entry, NULL) < 0) {
                        free(entry);
                        return -ENOMEM;
                }
        }
        *ret = entry;
        return 0;
}

/* ---- the peerstore */

/* A former member may come back, but is not written down. */
static bool is_kept(const Peers *peers, const PeersEntry *entry) {
        bool joins = !peers->consensus || consensus_member_table(peers->consensus)->n == 0;

        return joins || peers_is_member(peers, &entry->id);
}

static void save(Peers *peers) {
        _cleanup_(str_list_done) StrList lines = {};
        _cleanup_(error_done) Error error = {};
        MapIterator i = {};
        void *value;
        int r = 0;

        while (r >= 0 && map_next(peers->book, &i, NULL, NULL, &value)) {
                const PeersEntry *entry = value;

                for (size_t k = 0; r >= 0 && is_kept(peers, entry) && k < entry->addresses.n; k++)
                        r = str_list_append(&lines, entry->addresses.items[k]);
        }
        if (r < 0)
                (void) error_set_errno(&error, r, "%s: %m", peers->options.peerstore);
        else
                r = config_peerstore_write(peers->options.peerstore, &lines, &error);
        if (r < 0)
                log_warning("Failed to write down the peers' addresses, ignoring: %s",
                            error_message(&error));
}

static int on_save(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        save(userdata);
        return 0;
}

static void save_soon(Peers *peers) {
        int enabled = SD_EVENT_OFF;

        if (!peers->save || sd_event_source_get_enabled(peers->save, &enabled) < 0 ||
            enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(peers->save, BOOK_SAVE_USEC);
        (void) sd_event_source_set_enabled(peers->save, SD_EVENT_ONESHOT);
}

/* ---- addresses */

/* LIST is taken (emptied). */
static int set_addresses(Peers *peers, PeersEntry *entry, StrList *list) {
        int r;

        if (str_list_equal(&entry->addresses, list))
                return 0;
        r = rpc_set_addresses(peers->rpc, &entry->id, list);
        if (r < 0)
                return r;
        str_list_done(&entry->addresses);
        entry->addresses = *list;
        *list = (StrList){};
        save_soon(peers);
        return 1;
}

static int collect(const StrList *addresses, const PeerId *of, StrList *ret) {
        PeerId id;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < addresses->n && ret->n < PEERS_ADDRESSES_MAX; i++) {
                _cleanup_free_ char *address = NULL;

                if (multiaddr_parse(addresses->items[i], &address, NULL) == 0 &&
                    strlen(address) < MULTIADDR_TEXT_MAX && multiaddr_peer_id(address, &id) == 1 &&
                    peer_id_equal(&id, of) && !str_list_contains(ret, address))
                        r = str_list_append_take(ret, TAKE_PTR(address));
        }
        return r;
}

/* Only what is said of OF when it is set; of those that nothing is known of when FILL. */
static int learn(Peers *peers, const StrList *addresses, const PeerId *of, bool fill) {
        PeerIdList done = {};
        int r = 0, changed = 0;

        for (size_t i = 0; r >= 0 && i < addresses->n; i++) {
                _cleanup_(str_list_done) StrList list = {};
                _cleanup_free_ char *address = NULL;
                PeersEntry *entry;
                PeerId id;

                if (multiaddr_parse(addresses->items[i], &address, NULL) != 0 ||
                    multiaddr_peer_id(address, &id) != 1 || peer_id_equal(&id, &peers->self) ||
                    (of && !peer_id_equal(of, &id)) || peer_id_list_contains(&done, &id))
                        continue;
                r = peer_id_list_append(&done, &id);
                if (r >= 0)
                        r = collect(addresses, &id, &list);
                if (r >= 0)
                        r = peers_book_get(peers, &id, &entry);
                if (r == 0 && (!fill || entry->addresses.n == 0))
                        r = set_addresses(peers, entry, &list);
                changed |= r > 0;
        }
        peer_id_list_done(&done);
        return r < 0 ? r : changed;
}

int peers_book_learn(Peers *peers, const StrList *addresses) {
        return learn(peers, addresses, NULL, /* fill= */ false);
}

static int append_all(StrList *to, const StrList *from) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < from->n; i++)
                r = str_list_append(to, from->items[i]);
        return r;
}

static int append_others(const Peers *peers, StrList *ret) {
        const ConsensusMembers *members = consensus_member_table(peers->consensus);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < members->n; i++) {
                const PeersEntry *entry = peers_book_find(peers, &members->items[i].peer);

                if (entry)
                        r = append_all(ret, &entry->addresses);
        }
        return r;
}

int peers_book_addresses(Peers *peers, StrList *ret) {
        StrList list = { .is_set = true };
        int r;

        r = append_all(&list, peers->options.addresses);
        if (r >= 0)
                r = append_others(peers, &list);
        if (r < 0) {
                str_list_done(&list);
                return r;
        }
        *ret = list;
        return 0;
}

/* ---- hello */

typedef struct PeersHello {
        uint64_t index; /* of the log, as of which MEMBERS are these */
        char *peername;
        StrList addresses; /* of the sender */
        PeerIdList members;
        StrList known; /* addresses of other members */
        uint64_t raft_id;
        uint8_t disk_id[CONSENSUS_DISK_ID_SIZE];
        bool asks; /* the sender does not know the disk of the receiver yet */
} PeersHello;

static const JsonField hello_fields[] = {
        { "index", JSON_UINT, offsetof(PeersHello, index), JSON_REQUIRED },
        { "peername", JSON_STRING, offsetof(PeersHello, peername) },
        { "addresses", JSON_STRINGS, offsetof(PeersHello, addresses) },
        { "members", JSON_TYPE, offsetof(PeersHello, members), .type = &peer_id_list_json },
        { "known", JSON_STRINGS, offsetof(PeersHello, known) },
        { "raft_id", JSON_UINT, offsetof(PeersHello, raft_id), JSON_REQUIRED },
        { "disk_id", JSON_TYPE, offsetof(PeersHello, disk_id), JSON_REQUIRED, .type = &join_body_id_json },
        { "asks", JSON_BOOL, offsetof(PeersHello, asks), JSON_OMIT_EMPTY },
        JSON_END,
};

static const JsonShape hello_shape = { .name = "hello", .size = sizeof(PeersHello), .fields = hello_fields };

static int hello_note(Peers *peers, bool asks, Str *to) {
        PeersHello hello = {};
        ConsensusStatus status;
        int r;

        consensus_status(peers->consensus, &status);
        hello.index = status.applied_index;
        hello.raft_id = status.raft_id;
        hello.asks = asks;
        memcpy(hello.disk_id, status.disk_id, sizeof(hello.disk_id));
        r = str_copy(&hello.peername, peers->options.peername);
        if (r >= 0)
                r = str_list_copy(&hello.addresses, peers->options.addresses);
        if (r >= 0)
                r = consensus_members(peers->consensus, &hello.members);
        if (r >= 0)
                r = append_others(peers, &hello.known);
        if (r >= 0)
                r = peers_note_begin(to, PEERS_NOTE_HELLO, status.cluster_id);
        if (r >= 0)
                r = json_write(&hello_shape, &hello, to);
        json_done(&hello_shape, &hello);
        return r;
}

/* A member that is linked, and never told what its disk is. */
static bool is_to_tell(const Peers *peers, const PeerId *peer) {
        const ConsensusMembers *members = consensus_member_table(peers->consensus);

        for (size_t i = 0; i < members->n; i++)
                if (peer_id_equal(&members->items[i].peer, peer))
                        return !peers_disks_find(peers, members->items[i].raft_id);
        return false;
}

void peers_hello_send(Peers *peers, const PeerId *to) {
        const ConsensusMembers *members;
        _cleanup_(str_done) Str note = {};

        if (!peers->consensus || hello_note(peers, to && is_to_tell(peers, to), &note) < 0)
                return;
        if (to) {
                (void) rpc_note(peers->rpc, to, note.data, note.len);
                return;
        }
        members = consensus_member_table(peers->consensus);
        for (size_t i = 0; i < members->n; i++)
                if (rpc_is_linked(peers->rpc, &members->items[i].peer))
                        (void) rpc_note(peers->rpc, &members->items[i].peer, note.data, note.len);
}

static int take_hello(Peers *peers, PeersEntry *entry, PeersHello *hello) {
        int changed, r;

        if (hello->peername)
                hello->peername[str_utf8_cut(hello->peername, BOOK_NAME_MAX)] = '\0';
        changed = !str_equal(entry->name, hello->peername);
        free(entry->name);
        entry->name = TAKE_PTR(hello->peername);

        entry->told_index = hello->index;
        peer_id_list_done(&entry->told_members);
        entry->told_members = hello->members;
        hello->members = (PeerIdList){};

        r = learn(peers, &hello->addresses, &entry->id, /* fill= */ false);
        changed |= r > 0;
        if (r >= 0)
                r = learn(peers, &hello->known, NULL, /* fill= */ true);
        return r < 0 ? r : changed | r;
}

/* Also of one that no Raft message goes to, or comes from: it may be asked whether that one was here before.
 */
static void take_disk(Peers *peers, const PeerId *from, const PeersHello *hello) {
        const ConsensusMember *member = consensus_members_find(
                        consensus_member_table(peers->consensus), hello->raft_id);

        if (member && peer_id_equal(&member->peer, from))
                (void) peers_disks_check(peers, from, hello->raft_id, hello->disk_id);
        if (hello->asks && !is_to_tell(peers, from)) /* else both would ask for ever */
                peers_hello_send(peers, from);
}

void peers_hello_receive(Peers *peers, const PeerId *from, const void *bytes, size_t size) {
        PeersHello hello = {};
        PeersEntry *entry;
        int r;

        r = json_read_text(&hello_shape, bytes, size, &hello, NULL);
        if (r >= 0) {
                take_disk(peers, from, &hello);
                r = peers_book_get(peers, from, &entry);
        }
        if (r >= 0)
                r = take_hello(peers, entry, &hello);
        if (r < 0)
                peers_refuse(peers, from, "a greeting that cannot be read");
        else if (r > 0)
                peers->options.events->changed(peers->options.userdata);
        json_done(&hello_shape, &hello);
}

/* ---- life */

int peers_book_open(Peers *peers, Error *reterr) {
        _cleanup_(str_list_done) StrList stored = {};
        int r;

        r = map_new(&peers->book);
        if (r >= 0)
                r = sd_event_add_time(peers->event, &peers->save, CLOCK_MONOTONIC, 0, 0, on_save, peers);
        if (r >= 0)
                r = sd_event_source_set_enabled(peers->save, SD_EVENT_OFF);
        if (r < 0)
                return error_set_errno(reterr, r, "peers: %m");

        r = config_peerstore_load(peers->options.peerstore, &stored, reterr);
        if (r < 0)
                return r;
        r = peers_book_learn(peers, &stored);
        if (r >= 0 && peers->options.known)
                r = peers_book_learn(peers, peers->options.known);
        return r < 0 ? error_set_errno(reterr, r, "peers: %m") : 0;
}

void peers_book_save(Peers *peers) {
        int enabled = SD_EVENT_OFF;

        if (peers->save && sd_event_source_get_enabled(peers->save, &enabled) >= 0 &&
            enabled != SD_EVENT_OFF)
                save(peers);
        peers->save = sd_event_source_disable_unref(peers->save);
}

void peers_book_close(Peers *peers) {
        MapIterator i = {};
        void *entry;

        peers->save = sd_event_source_disable_unref(peers->save);
        while (peers->book && map_next(peers->book, &i, NULL, NULL, &entry))
                entry_free(entry);
        peers->book = map_free(peers->book);
}
