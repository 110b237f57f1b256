#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "daemon/arguments.h"
#include "daemon/base/log.h"
#include "daemon/command.h"
#include "daemon/config/config.h"
#include "daemon/offline/offline.h"
#include "daemon/service.h"
#include "daemon/types/version.h"

static int main_init(const char *folder, const Arguments *arguments) {
        return offline_init(&(OfflineInitOptions){
                        .folder = folder,
                        .consensus = arguments->consensus,
                        .datastore = arguments->datastore,
                        .custom_secret = arguments->custom_secret,
                        .peers = arguments->peers,
                        .force = arguments->force,
                        .missing = arguments->missing,
                        .random_ports = arguments->random_ports,
        });
}

static int main_import(const char *folder, const Arguments *arguments) {
        return offline_import(&(OfflineImportOptions){
                        .folder = folder,
                        .file = arguments->file,
                        .basic_auth = arguments->basic_auth,
                        .no_check_certificate = arguments->no_check_certificate,
                        .force = arguments->force,
                        .merge = arguments->merge,
                        .dry_run = arguments->dry_run,
                        .replication_factor_min = arguments->replication_factor_min,
                        .replication_factor_max = arguments->replication_factor_max,
                        .allocations = arguments->allocations,
        });
}

static int main_show(const Arguments *arguments) {
        (void) fputs(arguments->text.data, arguments->text_is_error ? stderr : stdout);
        return fflush(stdout) < 0 ? EXIT_FAILURE : arguments->status;
}

static int main_run(const char *folder, const Arguments *arguments) {
        switch (arguments->verb) {
        case ARGUMENTS_DAEMON:
                return service_run(folder, arguments);
        case ARGUMENTS_INIT:
                return main_init(folder, arguments);
        case ARGUMENTS_EXPORT:
                return offline_export(folder, arguments->file);
        case ARGUMENTS_IMPORT:
                return main_import(folder, arguments);
        case ARGUMENTS_CLEANUP:
                return offline_cleanup(folder, arguments->force);
        case ARGUMENTS_RECOVER_QUORUM:
                return offline_recover_quorum(folder, arguments->force);
        case ARGUMENTS_VERSION:
                return puts(VERSION_API) < 0 || fflush(stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        case ARGUMENTS_NONE:
                return main_show(arguments);
        }
        return EXIT_FAILURE;
}

static int main_set_levels(const Arguments *arguments) {
        if (arguments->debug)
                return log_set_levels("debug");
        return str_is_empty(arguments->loglevel) ? 0 : log_set_levels(arguments->loglevel);
}

int main(int argc, char **argv) {
        _cleanup_(arguments_done) Arguments arguments = {};
        _cleanup_free_ char *folder = NULL;
        int r;

        (void) signal(SIGPIPE, SIG_IGN); /* a client that went away is an error of its write(2) */

        r = arguments_parse(argc, argv, &arguments);
        if (r >= 0)
                r = arguments.folder ? str_copy(&folder, arguments.folder) : config_default_folder(&folder);
        if (r < 0) {
                (void) fprintf(stderr, COMMAND_PROGRAM ": %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        if (arguments.verb != ARGUMENTS_NONE && main_set_levels(&arguments) < 0) {
                (void) fprintf(stderr,
                               "error : --loglevel: \"%s\" is not allowed, expected levels such as info,cluster:debug\n",
                               arguments.loglevel);
                return EXIT_FAILURE;
        }
        return main_run(folder, &arguments);
}
