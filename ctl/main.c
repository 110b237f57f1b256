/*
 * ipfs-cluster-ctl: reads the command line, opens the road to a peer, runs one verb.
 */

#include <inttypes.h>
#include <string.h>

#include "ctl/complete.h"
#include "ctl/help.h"
#include "ctl/road.h"
#include "ctl/verb.h"
#include "daemon/types/version.h"

#define VERB_PATH_MAX 128 /* of program, group and verb */

/* Where in the tree of verbs the command line leads. */
typedef struct Place {
        const CtlVerb *verb;
        char path[VERB_PATH_MAX];
} Place;

static void place_enter(Place *place, const CtlVerb *verb) {
        size_t n = strlen(place->path);

        place->verb = verb;
        (void) snprintf(place->path + n, sizeof(place->path) - n, "%s%s", n ? " " : "", verb->name);
}

static int refuse_usage(Ctl *ctl, const Place *place, const Error *error) {
        fprintf(ctl->out, "Incorrect Usage%s %s\n\n", place->verb->verbs ? "." : ":", error_message(error));
        ctl_help_verb(ctl->out, place->verb, place->path);
        return CTL_EXIT_FAILURE;
}

static int refuse_topic(Ctl *ctl, const char *name) {
        fprintf(ctl->err, "No help topic for '%s'\n", name);
        return CTL_EXIT_NO_VERB;
}

static bool is_help(const char *name) {
        return strcmp(name, "help") == 0 || strcmp(name, "h") == 0;
}

/* "help", "help VERB", and the same behind a group. */
static int run_help(Ctl *ctl, Place *place, const CtlArguments *args) {
        const CtlVerb *verb;

        if (args->n == 0) {
                ctl_help_verb(ctl->out, place->verb, place->path);
                return 0;
        }
        verb = ctl_verb_find(place->verb, args->items[0]);
        if (!verb)
                return refuse_topic(ctl, args->items[0]);
        place_enter(place, verb);
        ctl_help_topic(ctl->out, verb, place->path);
        return 0;
}

/* ---- options that every verb shares */

static int check_globals(Ctl *ctl) {
        CtlOptions *options = &ctl->options;

        if (strcmp(options->encoding, "text") != 0 && strcmp(options->encoding, "json") != 0)
                return ctl_verb_fail(ctl, "", "unsupported encoding");
        if (options->timeout_sec < 0 || options->timeout_sec > INT32_MAX)
                return ctl_verb_fail(
                                ctl,
                                "parsing timeout",
                                "%" PRIi64 " is no number of seconds from 0 to %d",
                                options->timeout_sec,
                                INT32_MAX);
        if (options->secret)
                return ctl_verb_fail(
                                ctl,
                                "",
                                "--secret is not offered: it belongs to the API over libp2p; "
                                "use --basic-auth with the HTTP API");
        ctl->json = strcmp(options->encoding, "json") == 0;
        return 0;
}

/* ---- the way to the verb */

static int run_leaf(Ctl *ctl, const Place *place, CtlArguments *args) {
        _cleanup_(error_done) Error error = {};
        int r = 0;

        if (place->verb->raw)
                ctl->options.help = args->n > 0 && (strcmp(args->items[0], "--help") == 0 ||
                                                    strcmp(args->items[0], "-h") == 0);
        else
                r = ctl_flag_parse(place->verb->flags, args, true, &ctl->options, &error);
        if (r < 0)
                return refuse_usage(ctl, place, &error);
        if (ctl->options.help) {
                ctl_help_verb(ctl->out, place->verb, place->path);
                return 0;
        }
        r = place->verb->local ? 0 : ctl_road_open(ctl, place->verb->http);
        return r != 0 ? r : place->verb->run(ctl, args);
}

static int run_group(Ctl *ctl, Place *place, CtlArguments *args);

/* The first argument names a verb of the group. */
static int run_verb(Ctl *ctl, Place *place, CtlArguments *args) {
        const char *name = args->items[0];
        const CtlVerb *verb;

        args->items++;
        args->n--;
        if (place->verb == ctl->root && strcmp(name, CTL_COMPLETE) == 0)
                return ctl_complete_run(ctl, args);
        if (is_help(name))
                return run_help(ctl, place, args);
        verb = ctl_verb_find(place->verb, name);
        if (!verb)
                return refuse_topic(ctl, name);
        place_enter(place, verb);
        return verb->verbs ? run_group(ctl, place, args) : run_leaf(ctl, place, args);
}

static int run_group(Ctl *ctl, Place *place, CtlArguments *args) {
        bool is_root = place->verb == ctl->root;
        _cleanup_(error_done) Error error = {};
        int r;

        r = ctl_flag_parse(place->verb->flags, args, false, &ctl->options, &error);
        if (r < 0)
                return refuse_usage(ctl, place, &error);
        if (is_root && ctl->options.version && !ctl->options.help) {
                fprintf(ctl->out, CTL_NAME " version %s\n", VERSION_API);
                return 0;
        }
        if (is_root && !ctl->options.help) {
                ctl_flag_read_environment(place->verb->flags, &ctl->options);
                r = check_globals(ctl);
                if (r != 0)
                        return r;
        }
        if (ctl->options.help || args->n == 0) {
                ctl_help_verb(ctl->out, place->verb, place->path);
                return 0;
        }
        return run_verb(ctl, place, args);
}

int main(int argc, char **argv) {
        Ctl ctl = {
                .root = &ctl_verb_root,
                .options = { .encoding = "text", .mode = "recursive", .filter = "" },
                .out = stdout,
                .err = stderr,
        };
        CtlArguments args = { argv + MIN(argc, 1), MAX(argc, 1) - 1 };
        Place place = {};
        int status;

        place_enter(&place, ctl.root);
        status = run_group(&ctl, &place, &args);
        ctl.backend = ctl_backend_free(ctl.backend);
        ctl_options_done(&ctl.options);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                fprintf(stderr, "error writing output: %s\n", strerror(errno));
                return MAX(status, CTL_EXIT_FAILURE);
        }
        return status;
}
