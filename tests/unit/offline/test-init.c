#include "daemon/config/config.h"
#include "daemon/config/identity.h"
#include "daemon/config/lock.h"
#include "daemon/offline/offline.h"
#include "tests/unit/offline/recording.h"

#define PEERS                                                                                               \
        "/ip4/127.0.0.1/tcp/22096/p2p/QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc,"                      \
        "/ip4/127.0.0.1/tcp/22097/ipfs/QmUZ13osndQ5uL4tPWHXe3iBgBgq9gfewcBMSCAuMBsDJ6"

typedef struct Fixture {
        char *top, *folder;
} Fixture;

static void fixture_set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        f->top = g_dir_make_tmp("init-XXXXXX", NULL);
        f->folder = g_build_filename(f->top, "deep", "er", NULL);
}

static void fixture_tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(file_remove_tree(AT_FDCWD, f->top), ==, 0);
        g_free(f->folder);
        g_free(f->top);
}

static int init(const void *data) {
        return offline_init(data);
}

static char *content(const Fixture *f, const char *name) {
        g_autofree char *path = g_build_filename(f->folder, name, NULL);
        char *text = NULL;

        return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

static void check_recorded(const Fixture *f, const char *name, const char *dir, OfflineInitOptions options) {
        g_autofree char *input = recording_stdin(name);
        Said expected = recording_read(name, dir, f->folder), said;

        options.folder = f->folder;
        said = said_by(init, &options, input);
        said_check(&said, &expected);
        said_done(&said);
        said_done(&expected);
}

/* The recordings of one folder, in their order. */
static void test_recorded(Fixture *f, const void *data G_GNUC_UNUSED) {
        const OfflineInitOptions raft = { .consensus = "raft" },
                                 force = { .consensus = "raft", .force = true };
        g_autofree char *first = NULL, *identity = NULL, *second = NULL, *again = NULL;

        check_recorded(f, "031-init-raft.txt", "<DIR>/ir", raft);
        first = content(f, CONFIG_FILE);
        identity = content(f, CONFIG_IDENTITY_FILE);
        check_recorded(f, "033-init-exists-no.txt", "<DIR>/ir", raft);
        check_recorded(f, "035-init-exists-eof.txt", "<DIR>/ir", raft);
        check_recorded(f, "036-init-exists-junk.txt", "<DIR>/ir", raft);
        second = content(f, CONFIG_FILE);
        g_assert_cmpstr(second, ==, first); /* nothing was said to be changed */

        check_recorded(f, "037-init-exists-force.txt", "<DIR>/ir", force);
        again = content(f, CONFIG_FILE);
        g_assert_cmpstr(again, !=, first); /* another secret */
        g_clear_pointer(&again, g_free);
        again = content(f, CONFIG_IDENTITY_FILE);
        g_assert_cmpstr(again, ==, identity);
}

static void test_default_is_raft(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(config_identity_done) ConfigIdentity identity = {};
        _cleanup_(config_freep) Config *config = NULL;
        GStatBuf st;

        check_recorded(f, "032-init-crdt.txt", "<DIR>/ic", (OfflineInitOptions){});
        g_assert_cmpint(config_load(&config, f->folder, NULL), ==, 0);
        g_assert_cmpint(config_identity_load(&identity, f->folder, NULL), ==, 0);
        g_assert_cmpint(g_stat(f->folder, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 07777, ==, 0700);
}

static void test_secret(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *input = recording_stdin("038-init-custom-secret.txt"), *text = NULL;
        Said expected = recording_read("038-init-custom-secret.txt", "<DIR>/is", f->folder), said;
        OfflineInitOptions options = { .folder = f->folder, .custom_secret = true };

        said = said_by(init, &options, "abcd\n");
        g_assert_cmpstr(said.err,
                        ==,
                        "error parsing user-provided secret: cluster.secret: the value is not allowed, expected 64 "
                        "hexadecimal digits, or nothing for an open cluster\n");
        g_assert_cmpint(said.status, ==, 1);
        said_done(&said);
        said = said_by(init, &options, "");
        g_assert_cmpstr(said.err,
                        ==,
                        "error parsing user-provided secret: expected 64 hexadecimal digits\n");
        said_done(&said);
        g_assert_false(g_file_test(f->folder, G_FILE_TEST_EXISTS));

        said = said_by(init, &options, input);
        said_check(&said, &expected);
        said_done(&said);
        said_done(&expected);
        g_strchomp(input);
        text = content(f, CONFIG_FILE);
        g_assert_nonnull(strstr(text, input));
}

static void test_environment(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = NULL;

        g_setenv("CLUSTER_PEERNAME", "from-env", true);
        check_recorded(f, "041-init-env.txt", "<DIR>/is4", (OfflineInitOptions){});
        g_unsetenv("CLUSTER_PEERNAME");
        text = content(f, CONFIG_FILE);
        g_assert_nonnull(strstr(text, "\"peername\": \"from-env\""));
}

static void init_missing(const Fixture *f, bool config, bool identity) {
        Said said = said_by(init, &(OfflineInitOptions){ .folder = f->folder, .missing = true }, NULL);

        g_assert_cmpint(said.status, ==, 0);
        g_assert_cmpint(strstr(said.err, "configuration written") != NULL, ==, config);
        g_assert_cmpint(strstr(said.err, "new identity written") != NULL, ==, identity);
        said_done(&said);
}

/* Whatever is there stays as it is, without a question. */
static void test_missing(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *config = NULL, *identity = NULL, *same = NULL, *other = NULL, *kept = NULL;
        g_autofree char *path = g_build_filename(f->folder, CONFIG_IDENTITY_FILE, NULL);
        g_autofree char *config_path = g_build_filename(f->folder, CONFIG_FILE, NULL);

        init_missing(f, true, true);
        config = content(f, CONFIG_FILE);
        identity = content(f, CONFIG_IDENTITY_FILE);
        init_missing(f, false, false);

        g_assert_cmpint(g_unlink(path), ==, 0);
        init_missing(f, false, true);
        same = content(f, CONFIG_FILE);
        g_assert_cmpstr(same, ==, config);
        other = content(f, CONFIG_IDENTITY_FILE);
        g_assert_cmpstr(other, !=, identity);

        g_assert_cmpint(g_unlink(config_path), ==, 0);
        init_missing(f, true, false);
        kept = content(f, CONFIG_IDENTITY_FILE);
        g_assert_cmpstr(kept, ==, other);
}

/* What the environment or a credential has is not written down. */
static void test_missing_in_the_environment(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(config_identity_done) ConfigIdentity identity = {};
        g_autofree char *text = NULL;
        char id[PEER_ID_TEXT_MAX];

        g_assert_cmpint(config_identity_generate(&identity, NULL), ==, 0);
        g_setenv("CLUSTER_ID", peer_id_format(&identity.id, id), true);
        g_setenv("CLUSTER_PRIVATEKEY", identity.private_key, true);
        g_setenv("CLUSTER_PEERNAME", "from-env", true);
        init_missing(f, true, false);
        g_unsetenv("CLUSTER_PEERNAME");
        g_unsetenv("CLUSTER_PRIVATEKEY");
        g_unsetenv("CLUSTER_ID");

        text = content(f, CONFIG_FILE);
        g_assert_null(strstr(text, "from-env"));
        g_clear_pointer(&text, g_free);
        text = content(f, CONFIG_IDENTITY_FILE);
        g_assert_null(text);
}

static void test_bad_environment(Fixture *f, const void *data G_GNUC_UNUSED) {
        Said said;

        g_setenv("CLUSTER_SECRET", "zz", true);
        said = said_by(init, &(OfflineInitOptions){ .folder = f->folder }, NULL);
        g_unsetenv("CLUSTER_SECRET");
        g_assert_cmpstr(said.err,
                        ==,
                        "error applying environment variables to configuration: CLUSTER_SECRET: the value is not "
                        "allowed, expected 64 hexadecimal digits, or nothing for an open cluster\n");
        g_assert_cmpint(said.status, ==, 1);
        g_assert_false(g_file_test(f->folder, G_FILE_TEST_EXISTS));
        said_done(&said);
}

static void test_peers(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *text = NULL, *recorded = recording_text("init-peers.peerstore");
        _cleanup_(config_freep) Config *config = NULL;

        check_recorded(f, "042-init-peers-raft.txt", "<DIR>/ip", (OfflineInitOptions){ .peers = PEERS });
        text = content(f, "peerstore");
        g_assert_cmpstr(text, ==, recorded);
        g_assert_cmpint(config_load(&config, f->folder, NULL), ==, 0);
        g_assert_cmpuint(config->raft.init_peerset.n, ==, 2);
        g_assert_cmpstr(config->raft.init_peerset.items[1],
                        ==,
                        "QmUZ13osndQ5uL4tPWHXe3iBgBgq9gfewcBMSCAuMBsDJ6");
}

/* Each of these says why and writes nothing. */
static void test_refused(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const struct {
                OfflineInitOptions options;
                const char *words;
        } cases[] = {
                { { .consensus = "crdt" },
                  "error choosing consensus: crdt is not offered, expected raft. The pins of a crdt peer come over with "
                  "its own `state export` and with `state import` here\n" },
                { { .consensus = "x" }, "error choosing consensus: flag value must be set to 'raft'\n" },
                { { .datastore = "tape" },
                  "error choosing datastore: flag value must be set to 'leveldb', 'badger', 'badger3' or 'pebble'\n" },
                { { .datastore = "pebble" },
                  "error choosing datastore: only crdt has a choice of datastores, and it is not offered: leave "
                  "--datastore out\n" },
                { { .peers = PEERS ",junk" },
                  "error parsing peers: --peers: \"junk\": must begin with /\n" },
                { { .peers = "/ip4/1.2.3.4/tcp/5" },
                  "error parsing peers: --peers: \"/ip4/1.2.3.4/tcp/5\": expected its peer ID at the end, as in "
                  "/ip4/192.168.1.2/tcp/9096/p2p/<id>\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                OfflineInitOptions options = cases[i].options;
                Said said;

                options.folder = f->folder;
                said = said_by(init, &options, NULL);
                g_assert_cmpstr(said.err, ==, cases[i].words);
                g_assert_cmpint(said.status, ==, 1);
                g_assert_false(g_file_test(f->folder, G_FILE_TEST_EXISTS));
                said_done(&said);
        }
}

static void test_running(Fixture *f, const void *data G_GNUC_UNUSED) {
        Said said = said_by(init, &(OfflineInitOptions){ .folder = f->folder }, NULL);
        g_autofree char *words = NULL, *before = content(f, CONFIG_FILE), *after = NULL;
        int fd = -1;

        said_done(&said);
        g_assert_cmpint(config_lock(f->folder, &fd, NULL), ==, 0);
        said = said_by(init, &(OfflineInitOptions){ .folder = f->folder, .force = true }, NULL);
        words = g_strdup_printf(
                        "error obtaining execution lock: lock %s/cluster.lock: someone else has the lock (process %ld).",
                        f->folder,
                        (long) getpid());
        g_assert_true(g_str_has_prefix(said.err, words));
        g_assert_cmpint(said.status, ==, 1);
        after = content(f, CONFIG_FILE);
        g_assert_cmpstr(after, ==, before);
        said_done(&said);
        close(fd);
}

static void test_random_ports(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char *const paths[] = {
                "cluster.listen_multiaddress",
                "api.restapi.http_listen_multiaddress",
                "api.ipfsproxy.listen_multiaddress",
                "api.pinsvcapi.http_listen_multiaddress",
        };
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
        Said said = said_by(init, &(OfflineInitOptions){ .folder = f->folder, .random_ports = true }, NULL);
        _cleanup_(config_freep) Config *config = NULL;

        g_assert_cmpint(said.status, ==, 0);
        said_done(&said);
        g_assert_cmpint(config_load(&config, f->folder, NULL), ==, 0);
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                char *value = NULL;

                g_assert_cmpint(config_get(config, paths[i], &value), ==, 0);
                g_assert_null(strstr(value, "/909"));
                g_assert_true(g_hash_table_add(seen, value));
        }
}

/* The identity that an old service.json holds is saved before that file is overwritten. */
static void test_old_identity(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(config_identity_done) ConfigIdentity old = {}, new = {};
        g_autofree char *path = g_build_filename(f->folder, CONFIG_FILE, NULL), *text = NULL;
        char id[PEER_ID_TEXT_MAX];
        Said said;

        g_assert_cmpint(config_identity_generate(&old, NULL), ==, 0);
        text = g_strdup_printf(
                        "{\"cluster\":{\"id\":\"%s\",\"private_key\":\"%s\"}}",
                        peer_id_format(&old.id, id),
                        old.private_key);
        g_assert_cmpint(g_mkdir_with_parents(f->folder, 0700), ==, 0);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        said = said_by(init, &(OfflineInitOptions){ .folder = f->folder, .force = true }, NULL);
        g_assert_cmpint(said.status, ==, 0);
        said_done(&said);
        g_assert_cmpint(config_identity_load(&new, f->folder, NULL), ==, 0);
        g_assert_true(peer_id_equal(&new.id, &old.id));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func)                                                                                     \
        g_test_add("/offline/init/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
        ADD("as-recorded", test_recorded);
        ADD("default-is-raft", test_default_is_raft);
        ADD("secret-is-asked-for", test_secret);
        ADD("environment", test_environment);
        ADD("missing", test_missing);
        ADD("missing-in-the-environment", test_missing_in_the_environment);
        ADD("bad-environment", test_bad_environment);
        ADD("peers", test_peers);
        ADD("refused-before-anything-is-written", test_refused);
        ADD("daemon-is-running", test_running);
        ADD("random-ports", test_random_ports);
        ADD("old-identity-is-kept", test_old_identity);
        return g_test_run();
}
