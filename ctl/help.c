#include "ctl/help.h"

#include <string.h>

#include "daemon/types/version.h"

#define HELP_COLUMN_GAP 2
#define HELP_LINE_MAX 256

static const CtlFlag help_flag = { .names = { "help", "h" }, .kind = CTL_FLAG_BOOL, .usage = "show help" };

static void help_head(FILE *to, const char *path, const char *usage) {
        fprintf(to, "NAME:\n   %s - %s\n\nUSAGE:\n   %s", path, usage, path);
}

/* "--name value, -n value" */
static void help_flag_names(const CtlFlag *flag, char text[static HELP_LINE_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < CTL_FLAG_NAMES_MAX && flag->names[i]; i++)
                n += snprintf(text + n,
                              HELP_LINE_MAX - n,
                              "%s%s%s%s",
                              i ? ", " : "",
                              strlen(flag->names[i]) > 1 ? "--" : "-",
                              flag->names[i],
                              flag->kind == CTL_FLAG_BOOL ? "" : " value");
        assert(n < HELP_LINE_MAX);
}

/* A line break in the usage text ends a block of lines that share a column. */
static int help_flags_width(const CtlFlag *flags) {
        int width = 0;

        for (const CtlFlag *flag = flags; flag->names[0] && flag->usage; flag++) {
                char names[HELP_LINE_MAX];

                help_flag_names(flag, names);
                width = MAX(width, (int) strlen(names));
                if (strchr(flag->usage, '\n'))
                        break;
        }
        return width + HELP_COLUMN_GAP;
}

static void help_flags(FILE *to, const CtlFlag *flags, const char *separator) {
        int width = help_flags_width(flags);

        for (const CtlFlag *flag = flags; flag->names[0] && flag->usage; flag++) {
                char names[HELP_LINE_MAX];

                help_flag_names(flag, names);
                fprintf(to, "   %-*s%s", width, names, flag->usage);
                if (flag->preset)
                        fprintf(to, " (default: %s)", flag->preset);
                if (flag->env)
                        fprintf(to, " [$%s]", flag->env);
                fputs(separator, to);
                if (strchr(flag->usage, '\n'))
                        width = help_flags_width(flag + 1);
        }
}

static void help_verbs(FILE *to, const CtlVerb *const *verbs, bool is_root) {
        static const char own[] = "help, h";
        int width = is_root ? (int) strlen(own) : 0;

        for (const CtlVerb *const *verb = verbs; *verb; verb++)
                if (!(*verb)->hidden)
                        width = MAX(width, (int) strlen((*verb)->name));
        fprintf(to, "COMMANDS:\n");
        for (const CtlVerb *const *verb = verbs; *verb; verb++)
                if (!(*verb)->hidden)
                        fprintf(to, "   %-*s%s\n", width + HELP_COLUMN_GAP, (*verb)->name, (*verb)->usage);
        if (is_root)
                fprintf(to,
                        "   %-*s%s\n",
                        width + HELP_COLUMN_GAP,
                        own,
                        "Shows a list of commands or help for one command");
}

static void help_root(FILE *to, const CtlVerb *root) {
        help_head(to, CTL_NAME, root->usage);
        fprintf(to,
                " [global options] command [command options] [arguments...]\n\n"
                "VERSION:\n   %s\n\n"
                "DESCRIPTION:\n   %s\n\n",
                VERSION_API,
                root->description);
        help_verbs(to, root->verbs, true);
        fprintf(to, "\nGLOBAL OPTIONS:\n");
        help_flags(to, root->flags, "\n");
}

static void help_group(FILE *to, const CtlVerb *group, const char *path) {
        const CtlFlag flags[] = { help_flag, {} };

        help_head(to, path, group->usage);
        fprintf(to, " command [command options] [arguments...]\n\n");
        help_verbs(to, group->verbs, false);
        fprintf(to, "\nOPTIONS:\n");
        help_flags(to, flags, "\n   \n");
}

static void help_leaf(FILE *to, const CtlVerb *verb, const char *path) {
        help_head(to, path, verb->usage);
        fprintf(to,
                "%s %s\n",
                verb->flags ? " [command options]" : "",
                verb->arguments ? verb->arguments : "[arguments...]");
        if (verb->description)
                fprintf(to, "\nDESCRIPTION:\n   %s\n", verb->description);
        if (verb->flags) {
                fprintf(to, "\nOPTIONS:\n");
                help_flags(to, verb->flags, "\n");
                fprintf(to, "   \n");
        }
}

void ctl_help_verb(FILE *to, const CtlVerb *verb, const char *path) {
        if (verb == &ctl_verb_root)
                help_root(to, verb);
        else if (verb->verbs)
                help_group(to, verb, path);
        else
                help_leaf(to, verb, path);
}

void ctl_help_topic(FILE *to, const CtlVerb *verb, const char *path) {
        if (!verb->verbs) {
                help_leaf(to, verb, path);
                return;
        }
        help_head(to, path, verb->usage);
        fprintf(to, " [arguments...]\n\nDESCRIPTION:\n   %s\n", verb->usage);
}

void ctl_help_commands(FILE *to, const CtlVerb *root) {
        for (const CtlVerb *const *verb = root->verbs; *verb; verb++) {
                fprintf(to, CTL_NAME " %s\n", (*verb)->name);
                for (const CtlVerb *const *sub = (*verb)->verbs; sub && *sub; sub++)
                        fprintf(to, CTL_NAME " %s %s\n", (*verb)->name, (*sub)->name);
        }
        fprintf(to, CTL_NAME " help\n");
}
