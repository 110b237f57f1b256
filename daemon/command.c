#include "daemon/command.h"

#include <string.h>

#include "daemon/config/config.h"
#include "daemon/types/version.h"

#define AT(member) .offset = offsetof(Arguments, member)
#define ROWS_END                                                                                            \
        { .name = NULL }

static const char description_root[] =
                "\n"
                "ipfs-cluster-service runs an IPFS Cluster peer.\n"
                "\n"
                "A peer participates in the cluster consensus, follows a distributed log\n"
                "of pinning and unpinning requests and manages pinning operations to a\n"
                "configured IPFS daemon.\n"
                "\n"
                "This peer also provides an API for cluster management:\n"
                "\n"
                "             +------------------+\n"
                "             | ipfs-cluster-ctl |\n"
                "             +---------+--------+\n"
                "                       |\n"
                "                       | HTTP\n"
                "ipfs-cluster-service   |                     HTTP\n"
                "+----------+--------+--v--+----------------+      +-------------+\n"
                "| Log      | Peer 1 | API | IPFS Connector +------> IPFS daemon |\n"
                "+----------+--------+-----+----------------+      +-------------+\n"
                "\n"
                "ipfs-cluster-service needs valid configuration and identity files to run.\n"
                "These are independent from IPFS. The identity includes its own\n"
                "libp2p key-pair. They can be initialized with \"init\" and their\n"
                "default locations are ~/.ipfs-cluster/service.json\n"
                "and ~/.ipfs-cluster/identity.json.\n"
                "\n"
                "\n"
                "EXAMPLES:\n"
                "\n"
                "Initial configuration:\n"
                "\n"
                "$ ipfs-cluster-service init\n"
                "\n"
                "Launch a cluster:\n"
                "\n"
                "$ ipfs-cluster-service daemon\n"
                "\n"
                "Customize logs using --loglevel flag. To customize component-level\n"
                "logging pass a comma-separated list of component-identifer:log-level\n"
                "pair or without identifier for overall loglevel. Valid loglevels\n"
                "are critical, error, warning, notice, info and debug.\n"
                "\n"
                "$ ipfs-cluster-service --loglevel info,cluster:debug,tracker:debug daemon\n";

static const char description_init[] =
                "\n"
                "This command will initialize a new service.json configuration file and, if it\n"
                "does not exist yet, generate a new identity.json for ipfs-cluster-service.\n"
                "\n"
                "A cluster secret will be generated as required by ipfs-cluster-service.\n"
                "Alternatively, this secret can be manually provided with --custom-secret (in\n"
                "which case it will be prompted), or by setting the CLUSTER_SECRET environment\n"
                "variable.\n"
                "\n"
                "Note that the --force flag allows to overwrite an existing\n"
                "configuration with default values. To generate a new identity, please\n"
                "remove the identity.json file first and clean any Raft state.\n"
                "\n"
                "By default, an empty peerstore file will be created too. Initial contents can\n"
                "be provided with the --peers flag. The \"init_peerset\" list in the \"raft\"\n"
                "configuration section will be prefilled to the peer IDs in the given\n"
                "multiaddresses.\n";

static const char description_export[] =
                "\n"
                "This command dumps the current cluster pinset (state) as a JSON file. The\n"
                "resulting file can be used to migrate, restore or backup a Cluster peer.\n"
                "By default, the state will be printed to stdout.\n";

static const char description_import[] =
                "\n"
                "This command reads in an exported pinset (state) file and replaces the\n"
                "existing one. This can be used, for example, to restore a Cluster peer from a\n"
                "backup. The whole file is checked first: when there is an error in it,\n"
                "nothing is changed.\n"
                "\n"
                "If an argument is provided, it will be treated it as the path of the file\n"
                "to import, or as the address of a running peer's API, such as\n"
                "http://10.0.0.1:9094, whose pins are read: that of this program or of the Go\n"
                "program. If no argument is provided, stdin will be used.\n";

static const char description_cleanup[] =
                "\n"
                "This command removes any persisted consensus data in this peer, including the\n"
                "current pinset (state). The next start of the peer will be like a first start\n"
                "to all effects. Peers may need to bootstrap and sync from scratch after this.\n";

static const char description_recover[] =
                "\n"
                "This command is for a peer of a cluster that has lost most of its voting peers\n"
                "for good, and so can decide nothing any more. The peer becomes the only one of\n"
                "a new cluster, with the pins that its log has. Other peers are cleaned up\n"
                "(state cleanup) and added again. The former log is kept.\n";

static const CommandOption root_options[] = {
        { "config",
          "c",
          COMMAND_TEXT,
          AT(folder),
          "path to the configuration and data FOLDER",
          .value = "FOLDER",
          .variable = "IPFS_CLUSTER_PATH" },
        { "force",
          "f",
          COMMAND_FLAG,
          AT(force),
          "forcefully proceed with some actions. i.e. overwriting configuration" },
        { "debug", "d", COMMAND_FLAG, AT(debug), "enable full debug logging (very verbose)" },
        { "loglevel",
          "l",
          COMMAND_TEXT,
          AT(loglevel),
          "set overall and component-wise log levels",
          .variable = "IPFS_CLUSTER_LOG_LEVEL" },
        { "init", NULL, COMMAND_FLAG, AT(init) }, /* as the program of 2017 had it */
        { "help", "h", COMMAND_FLAG, AT(help), "show help" },
        { "version", "v", COMMAND_FLAG, AT(version), "print the version" },
        ROWS_END,
};

static const CommandOption init_options[] = {
        { "consensus", NULL, COMMAND_TEXT, AT(consensus), "select consensus: 'raft'", .preset = "\"raft\"" },
        { "datastore", NULL, COMMAND_TEXT, AT(datastore) },
        { "custom-secret", "s", COMMAND_FLAG, AT(custom_secret), "prompt for the cluster secret" },
        { "peers",
          NULL,
          COMMAND_TEXT,
          AT(peers),
          "comma-separated list of multiaddresses to init with (see help)" },
        { "force", "f", COMMAND_FLAG, AT(force), "overwrite configuration without prompting" },
        { "missing", NULL, COMMAND_FLAG, AT(missing), "write only the files that are not there" },
        { "randomports",
          NULL,
          COMMAND_FLAG,
          AT(random_ports),
          "configure random ports to listen on instead of defaults" },
        ROWS_END,
};

static const CommandOption daemon_options[] = {
        { "upgrade",
          "u",
          COMMAND_FLAG,
          AT(upgrade),
          "run state migrations before starting (deprecated/unused)" },
        { "bootstrap",
          "j",
          COMMAND_TEXT,
          AT(bootstrap),
          "join a cluster providing a comma-separated list of existing peers multiaddress(es)" },
        { "leave", "x", COMMAND_FLAG, AT(leave) },
        { "stats", NULL, COMMAND_FLAG, AT(stats), "enable stats collection" },
        { "tracing", NULL, COMMAND_FLAG, AT(tracing), "enable tracing collection" },
        { "no-trust",
          NULL,
          COMMAND_FLAG,
          AT(no_trust),
          "do not trust bootstrap peers (only for \"crdt\" consensus)" },
        /* not in the help, which is that of the Go program */
        { "user", NULL, COMMAND_FLAG, AT(user) },
        { "instance", NULL, COMMAND_TEXT, AT(instance) },
        ROWS_END,
};

static const CommandOption export_options[] = {
        { "file", "f", COMMAND_TEXT, AT(file), "writes to an output file" },
        ROWS_END,
};

static const CommandOption import_options[] = {
        { "force", "f", COMMAND_FLAG, AT(force), "skip confirmation prompt" },
        { "merge", NULL, COMMAND_FLAG, AT(merge), "keep the pins that are there already" },
        { "dry-run", NULL, COMMAND_FLAG, AT(dry_run), "only say what would change" },
        { "basic-auth",
          NULL,
          COMMAND_TEXT,
          AT(basic_auth),
          "<username>:<password> for the API that is read",
          .variable = "CLUSTER_CREDENTIALS" },
        { "no-check-certificate",
          NULL,
          COMMAND_FLAG,
          AT(no_check_certificate),
          "do not verify the TLS certificate of the API that is read" },
        { "replication-min",
          "rmin",
          COMMAND_NUMBER,
          AT(replication_factor_min),
          "overwrite replication-factor-min on all pins, when above 0",
          .preset = "0" },
        { "replication-max",
          "rmax",
          COMMAND_NUMBER,
          AT(replication_factor_max),
          "overwrite replication-factor-max on all pins, when above 0",
          .preset = "0" },
        { "allocations",
          "allocs",
          COMMAND_TEXT,
          AT(allocations),
          "overwrite allocations on all pins: comma-separated list of peer IDs" },
        ROWS_END,
};

static const CommandOption cleanup_options[] = {
        { "force", "f", COMMAND_FLAG, AT(force), "skip confirmation prompt" },
        ROWS_END,
};

static const char **import_argument(Arguments *arguments) {
        return &arguments->file;
}

static const Command state_commands[] = {
        { "export",
          "save the state to a JSON file",
          "[arguments...]",
          description_export,
          ARGUMENTS_EXPORT,
          NULL,
          export_options },
        { "import",
          "load the state from a file produced by 'export'",
          "[arguments...]",
          description_import,
          ARGUMENTS_IMPORT,
          import_argument,
          import_options },
        { "cleanup",
          "remove persistent data",
          "[arguments...]",
          description_cleanup,
          ARGUMENTS_CLEANUP,
          NULL,
          cleanup_options },
        { "recover-quorum",
          "go on alone when too few peers are left",
          "[arguments...]",
          description_recover,
          ARGUMENTS_RECOVER_QUORUM,
          NULL,
          cleanup_options },
        ROWS_END,
};

static const Command root_commands[] = {
        { "init",
          "Creates a configuration and generates an identity",
          NULL,
          description_init,
          ARGUMENTS_INIT,
          NULL,
          init_options },
        { "daemon",
          "Runs the IPFS Cluster peer (default)",
          "[arguments...]",
          NULL,
          ARGUMENTS_DAEMON,
          NULL,
          daemon_options },
        { "state",
          "Manages the peer's persistent state (pinset)",
          "[arguments...]",
          NULL,
          ARGUMENTS_NONE,
          NULL,
          NULL,
          state_commands },
        { "version",
          "Prints the ipfs-cluster version",
          "[arguments...]",
          NULL,
          ARGUMENTS_VERSION,
          NULL,
          NULL },
        ROWS_END,
};

const Command command_root = {
        .name = COMMAND_PROGRAM,
        .help = "IPFS Cluster peer",
        .arguments = "[arguments...]",
        .description = description_root,
        .verb = ARGUMENTS_DAEMON,
        .options = root_options,
        .commands = root_commands,
};

/* ---- finding */

const Command *command_find(const Command *parent, const char *name) {
        for (const Command *command = parent->commands; command && command->name; command++)
                if (str_equal(command->name, name))
                        return command;
        return NULL;
}

const CommandOption *command_find_option(const Command *command, const char *name) {
        for (const CommandOption *option = command->options; option && option->name; option++)
                if (str_equal(option->name, name) || str_equal(option->other, name))
                        return option;
        return NULL;
}

/* ---- help */

typedef struct HelpLine {
        const char *help;
        Str left; /* "--config FOLDER, -c FOLDER" */
        Str right;
} HelpLine;

#define HELP_LINES_MAX 16

static void help_name(const CommandOption *option, const char *name, Str *to) {
        (void) str_appendf(to, "%s%s%s", to->len > 0 ? ", " : "", strlen(name) > 1 ? "--" : "-", name);
        if (option->kind != COMMAND_FLAG)
                (void) str_appendf(to, " %s", option->value ? option->value : "value");
}

static void help_option(const CommandOption *option, HelpLine *line) {
        _cleanup_free_ char *folder = NULL;

        help_name(option, option->name, &line->left);
        if (option->other)
                help_name(option, option->other, &line->left);

        (void) str_append(&line->right, option->help);
        if (option->preset)
                (void) str_appendf(&line->right, " (default: %s)", option->preset);
        if (option->offset == offsetof(Arguments, folder) && config_default_folder(&folder) >= 0)
                (void) str_appendf(&line->right, " (default: \"%s\")", folder);
        if (option->variable)
                (void) str_appendf(&line->right, " [$%s]", option->variable);
}

/* Two columns; the lines are released. */
static int help_columns(HelpLine *lines, size_t n, Str *to) {
        size_t width = 0;

        for (size_t i = 0; i < n; i++)
                width = MAX(width, lines[i].left.len);
        for (size_t i = 0; i < n; i++) {
                if (str_error(&lines[i].left) < 0 || str_error(&lines[i].right) < 0)
                        to->failed = true;
                else
                        (void) str_appendf(
                                        to,
                                        "   %-*s  %s\n",
                                        (int) width,
                                        lines[i].left.data,
                                        lines[i].right.data);
                str_done(&lines[i].left);
                str_done(&lines[i].right);
        }
        return str_error(to);
}

static int help_options(const Command *command, Str *to) {
        static const CommandOption help_only[] = {
                { "help", "h", COMMAND_FLAG, AT(help), "show help" },
                ROWS_END,
        };
        const CommandOption *options = command->options ? command->options : help_only;
        HelpLine lines[HELP_LINES_MAX] = {};
        size_t n = 0;

        for (const CommandOption *option = options; option->name; option++)
                if (option->help) {
                        assert(n < HELP_LINES_MAX);
                        help_option(option, &lines[n++]);
                }
        return help_columns(lines, n, to);
}

static int help_commands(const Command *command, Str *to) {
        HelpLine lines[HELP_LINES_MAX] = {};
        size_t n = 0;

        for (const Command *child = command->commands; child->name; child++) {
                assert(n + 1 < HELP_LINES_MAX);
                (void) str_append(&lines[n].left, child->name);
                (void) str_append(&lines[n++].right, child->help);
        }
        if (command == &command_root) {
                (void) str_append(&lines[n].left, "help, h");
                (void) str_append(&lines[n++].right, "Shows a list of commands or help for one command");
        }
        return help_columns(lines, n, to);
}

static void help_usage(const Command *command, const char *path, Str *to) {
        const char *options = command->options ? " [command options]" : "";

        (void) str_appendf(to, "NAME:\n   %s - %s\n\nUSAGE:\n   %s", path, command->help, path);
        if (command == &command_root)
                (void) str_append(to, " [global options]");
        if (command->commands)
                options = " command [command options]";
        (void) str_appendf(to, "%s", options);
        if (command->arguments)
                (void) str_appendf(to, " %s", command->arguments);
        (void) str_append_char(to, '\n');
        if (command == &command_root)
                (void) str_append(to, "\nVERSION:\n   " VERSION_API "\n");
}

int command_write_help(const Command *command, const char *path, Str *to) {
        help_usage(command, path, to);
        if (command->description)
                (void) str_appendf(to, "\nDESCRIPTION:\n   %s\n", command->description);
        if (command->commands) {
                (void) str_append(to, "\nCOMMANDS:\n");
                (void) help_commands(command, to);
        }
        if (command == &command_root) {
                (void) str_append(to, "\nGLOBAL OPTIONS:\n");
                return help_options(command, to);
        }
        if (command->options || command->commands) {
                (void) str_append(to, "\nOPTIONS:\n");
                (void) help_options(command, to);
                (void) str_append(to, "   \n"); /* the Go program's template ends so */
        }
        return str_error(to);
}
