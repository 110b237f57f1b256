#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "daemon/config/config.h"
#include "daemon/config/identity.h"
#include "daemon/config/lock.h"
#include "daemon/config/peerstore.h"
#include "daemon/offline/offline.h"
#include "daemon/offline/say.h"
#include "daemon/types/multiaddr.h"

#define INIT_FOLDER_MODE 0700 /* it holds the key */

/* Everything that is decided before the first file is written, so that bad input changes nothing. */
typedef struct InitPlan {
        const OfflineInitOptions *options;
        Config *config;
        ConfigIdentity identity;
        bool has_config, has_identity; /* the file is there, or is not wanted */
        StrList peers;
        char *config_path, *identity_path, *peerstore_path;
        int lock_fd;
} InitPlan;

static void init_plan_done(InitPlan *plan) {
        config_free(plan->config);
        config_identity_done(&plan->identity);
        str_list_done(&plan->peers);
        free(plan->config_path);
        free(plan->identity_path);
        free(plan->peerstore_path);
        closep(&plan->lock_fd);
}

static int init_fail(const char *doing, const char *words) {
        offline_say("error %s: %s\n", doing, words);
        return EXIT_FAILURE;
}

static int init_check_choices(const OfflineInitOptions *options) {
        static const char *const datastores[] = { "leveldb", "badger", "badger3", "pebble" };
        bool known = !options->datastore;

        if (options->consensus && str_equal(options->consensus, "crdt"))
                return init_fail(
                                "choosing consensus",
                                "crdt is not offered, expected raft. The pins of a crdt peer come over with its own `state "
                                "export` and with `state import` here");
        if (options->consensus && !str_equal(options->consensus, "raft"))
                return init_fail("choosing consensus", "flag value must be set to 'raft'");

        for (size_t i = 0; i < ELEMENTSOF(datastores); i++)
                known = known || str_equal(options->datastore, datastores[i]);
        if (!known)
                return init_fail(
                                "choosing datastore",
                                "flag value must be set to 'leveldb', 'badger', 'badger3' or 'pebble'");
        if (options->datastore)
                return init_fail(
                                "choosing datastore",
                                "only crdt has a choice of datastores, and it is not offered: leave --datastore out");
        return 0;
}

/* ---- peers */

static int init_take_peer(InitPlan *plan, const char *text) {
        _cleanup_free_ char *address = NULL;
        const char *why = "expected its peer ID at the end, as in /ip4/192.168.1.2/tcp/9096/p2p/<id>";
        PeerId id;
        int r;

        r = multiaddr_parse(text, &address, &why);
        if (r >= 0 && multiaddr_peer_id(address, &id) <= 0)
                r = -EINVAL;
        if (r >= 0)
                r = str_list_append(&plan->peers, address);
        if (r == -ENOMEM)
                return init_fail("parsing peers", strerror(-r));
        if (r < 0) {
                offline_say("error parsing peers: --peers: \"%s\": %s\n", text, why);
                return EXIT_FAILURE;
        }
        return 0;
}

static int init_read_peers(InitPlan *plan) {
        _cleanup_(str_list_done) StrList parts = {};
        int r = 0;

        if (str_is_empty(plan->options->peers))
                return 0;
        if (str_list_split(&parts, plan->options->peers, ',') < 0)
                return init_fail("parsing peers", strerror(ENOMEM));

        for (size_t i = 0; r == 0 && i < parts.n; i++)
                r = init_take_peer(plan, parts.items[i]);
        return r;
}

/* The first peer set: the IDs of all that were named. */
static int init_set_peers(InitPlan *plan) {
        StrList *set = &plan->config->raft.init_peerset;
        char text[PEER_ID_TEXT_MAX];
        PeerId id;

        for (size_t i = 0; i < plan->peers.n; i++) {
                (void) multiaddr_peer_id(plan->peers.items[i], &id);
                (void) peer_id_format(&id, text);
                if (!str_list_contains(set, text) && str_list_append(set, text) < 0)
                        return init_fail("setting peers", strerror(ENOMEM));
        }
        return 0;
}

/* ---- ports */

/* A port that is free now. The socket stays open so that the next one gets another port. */
static int init_free_port(int *ret_fd) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY) };
        socklen_t size = sizeof(address);
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &size) < 0)
                return -errno;

        *ret_fd = TAKE_FD(fd);
        return ntohs(address.sin_port);
}

/* The addresses of LIST ("a,b"), each with PORT in place of its own. */
static int init_replace_ports(const char *list, int port, Str *to) {
        _cleanup_(str_list_done) StrList addresses = {};
        int r = str_list_split(&addresses, list, ',');

        for (size_t i = 0; r >= 0 && i < addresses.n; i++) {
                const char *address = addresses.items[i], *at = strstr(address, "/tcp/");

                if (!at)
                        at = strstr(address, "/udp/");
                if (i > 0)
                        (void) str_append_char(to, ',');
                if (!at) {
                        r = str_append(to, address);
                        continue;
                }
                at += strlen("/tcp/");
                (void) str_append_bytes(to, address, (size_t) (at - address));
                (void) str_append_int(to, port);
                r = str_append(to, at + strspn(at, "0123456789"));
        }
        return r;
}

static int init_random_port(Config *config, const char *path, int *ret_fd, Error *reterr) {
        _cleanup_free_ char *old = NULL;
        _cleanup_(str_done) Str new = {};
        int r;

        r = config_get(config, path, &old);
        if (r < 0 || !old)
                return r < 0 ? error_set_errno(reterr, r, "%s: %m", path) : 0;
        r = init_free_port(ret_fd);
        if (r >= 0)
                r = init_replace_ports(old, r, &new);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", path);
        return config_set(config, path, new.data, reterr);
}

static int init_random_ports(InitPlan *plan) {
        static const char *const paths[] = {
                "cluster.listen_multiaddress",
                "api.restapi.http_listen_multiaddress",
                "api.ipfsproxy.listen_multiaddress",
                "api.pinsvcapi.http_listen_multiaddress",
        };
        int fds[ELEMENTSOF(paths)] = { -1, -1, -1, -1 }, r = 0;
        Error error = {};

        for (size_t i = 0; plan->options->random_ports && r >= 0 && i < ELEMENTSOF(paths); i++)
                r = init_random_port(plan->config, paths[i], &fds[i], &error);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                closep(&fds[i]);
        return r < 0 ? offline_say_error("choosing random ports", &error, EXIT_FAILURE) : 0;
}

/* ---- the rest of the plan */

static int init_set_secret(InitPlan *plan) {
        char line[OFFLINE_SAY_LINE_MAX];
        Error error = {};
        int r;

        if (!plan->options->custom_secret)
                return 0;

        offline_say_ask("Enter cluster secret (32-byte hex string): ", line);
        r = config_set(plan->config, "cluster.secret", line, &error);
        explicit_bzero(line, sizeof(line));
        if (r >= 0 && plan->config->cluster.secret[0] == '\0')
                return init_fail("parsing user-provided secret", "expected 64 hexadecimal digits");
        return r < 0 ? offline_say_error("parsing user-provided secret", &error, EXIT_FAILURE) : 0;
}

static int init_make_config(InitPlan *plan) {
        Error error = {};
        int r;

        if (config_new_default(&plan->config, plan->options->folder, &error) < 0)
                return offline_say_error("generating default configuration", &error, EXIT_FAILURE);
        r = init_random_ports(plan);
        if (r > 0)
                return r;
        if (!plan->options->missing && config_apply_environment(plan->config, &error) < 0)
                return offline_say_error(
                                "applying environment variables to configuration", &error, EXIT_FAILURE);

        r = init_set_secret(plan);
        if (r == 0)
                r = init_set_peers(plan);
        if (r == 0 && config_check(plan->config, &error) < 0)
                return offline_say_error("checking the configuration", &error, EXIT_FAILURE);
        return r;
}

/* A new one, unless the environment or an old service.json (which is about to be overwritten) has it. */
static int init_make_identity(InitPlan *plan) {
        Error error = {};
        int r;

        if (plan->has_identity)
                return 0;

        r = config_identity_load(&plan->identity, plan->options->folder, &error);
        if (r < 0 && error.code == ERROR_NOT_FOUND) {
                error_done(&error);
                r = config_identity_generate(&plan->identity, &error);
        } else if (r >= 0)
                plan->has_identity = plan->options->missing;
        return r < 0 ? offline_say_error("making an identity", &error, EXIT_FAILURE) : 0;
}

static int init_look(InitPlan *plan) {
        const char *folder = plan->options->folder;
        _cleanup_free_ char *state = NULL;
        Error error = {};

        if (file_join(&plan->config_path, folder, CONFIG_FILE) < 0 ||
            file_join(&plan->identity_path, folder, CONFIG_IDENTITY_FILE) < 0)
                return init_fail("looking for files", strerror(ENOMEM));

        plan->has_config = access(plan->config_path, F_OK) >= 0;
        plan->has_identity = access(plan->identity_path, F_OK) >= 0;
        if (!plan->has_config && !plan->has_identity)
                return 0;
        if (config_state_folder(folder, &state) < 0)
                return init_fail("looking for files", strerror(ENOMEM));
        if (access(state, F_OK) < 0) /* no daemon has run yet */
                return 0;
        if (config_lock(state, &plan->lock_fd, &error) < 0)
                return offline_say_error("obtaining execution lock", &error, EXIT_FAILURE);
        return 0;
}

/* ---- writing */

static int init_write_peerstore(InitPlan *plan) {
        const char *name = plan->config->cluster.peerstore_file;
        Error error = {};

        if (file_join(&plan->peerstore_path,
                      plan->options->folder,
                      str_is_empty(name) ? "peerstore" : name) < 0)
                return init_fail("saving peers to peerstore", strerror(ENOMEM));
        if (config_peerstore_write(plan->peerstore_path, &plan->peers, &error) < 0)
                return offline_say_error("saving peers to peerstore", &error, EXIT_FAILURE);

        if (plan->peers.n > 0)
                offline_say("peerstore written to %s with %zu entries.\n",
                            plan->peerstore_path,
                            plan->peers.n);
        else
                offline_say("new empty peerstore written to %s.\n", plan->peerstore_path);
        return 0;
}

static int init_write_config(InitPlan *plan) {
        Error error = {};

        if (config_write(plan->config, &error) < 0)
                return offline_say_error("saving default configuration", &error, EXIT_FAILURE);
        offline_say("configuration written to %s.\n", plan->config_path);
        return 0;
}

static int init_write_identity(InitPlan *plan) {
        Error error = {};

        if (config_identity_write(&plan->identity, plan->options->folder, &error) < 0)
                return offline_say_error("saving the identity", &error, EXIT_FAILURE);
        offline_say("new identity written to %s\n", plan->identity_path);
        return 0;
}

static int init_write(InitPlan *plan) {
        const char *folder = plan->options->folder;
        Error error = {};
        int r;

        r = file_make_dirs(folder, INIT_FOLDER_MODE);
        if (r < 0) {
                (void) error_set_errno(&error, r, "%s: %m", folder);
                return offline_say_error("making the folder", &error, EXIT_FAILURE);
        }
        r = plan->config ? init_write_config(plan) : 0;
        if (r == 0 && !plan->has_identity)
                r = init_write_identity(plan);
        if (r == 0 && plan->config)
                r = init_write_peerstore(plan);
        return r;
}

int offline_init(const OfflineInitOptions *options) {
        _cleanup_(init_plan_done) InitPlan plan = { .options = options, .lock_fd = -1 };
        int r;

        r = init_check_choices(options);
        if (r == 0)
                r = init_read_peers(&plan);
        if (r == 0)
                r = init_look(&plan);
        if (r > 0)
                return r;

        if (plan.has_config && !options->force && !options->missing &&
            !offline_say_confirm("The configuration file will be overwritten."))
                return 0;

        r = plan.has_config && options->missing ? 0 : init_make_config(&plan);
        if (r == 0)
                r = init_make_identity(&plan);
        return r > 0 ? r : init_write(&plan);
}
