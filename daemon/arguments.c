#include "daemon/arguments.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/macro.h"
#include "daemon/command.h"
#include "daemon/types/version.h"

#define STATUS_NO_TOPIC 3 /* as the Go program */

typedef struct ArgumentsParser {
        Arguments *arguments;
        const Command *command;
        char path[128]; /* its whole name */
        char **argv;
        int argc;
        int at;          /* the next word */
        bool only_words; /* after "--" */
        bool has_word;   /* an argument that is no option */
} ArgumentsParser;

/* Show the command's help and end. */
static int arguments_help(ArgumentsParser *p, int status) {
        p->arguments->verb = ARGUMENTS_NONE;
        p->arguments->status = status;
        return command_write_help(p->command, p->path, &p->arguments->text);
}

/* Words of Go's flag package. */
static int _printf_(2, 3) arguments_misuse(ArgumentsParser *p, const char *format, ...) {
        Str *text = &p->arguments->text;
        va_list ap;

        (void) str_append(text, "Incorrect Usage: ");
        va_start(ap, format);
        (void) str_appendv(text, format, ap);
        va_end(ap);
        (void) str_append(text, "\n\n");
        return arguments_help(p, EXIT_FAILURE);
}

static void arguments_environment(Arguments *arguments, const Command *command) {
        for (const CommandOption *option = command->options; option && option->name; option++) {
                const char *value = option->variable ? getenv(option->variable) : NULL;

                if (!str_is_empty(value))
                        *(const char **) ((char *) arguments + option->offset) = value;
        }
}

static void arguments_descend(ArgumentsParser *p, const Command *command) {
        p->command = command;
        arguments_environment(p->arguments, command);
        (void) strncat(p->path, " ", sizeof(p->path) - strlen(p->path) - 1);
        (void) strncat(p->path, command->name, sizeof(p->path) - strlen(p->path) - 1);
}

/* The help of NAME below the command; none: status 3. */
static int arguments_topic(ArgumentsParser *p, const char *name) {
        const Command *topic = command_find(p->command, name);

        if (!topic) {
                p->arguments->verb = ARGUMENTS_NONE;
                p->arguments->status = STATUS_NO_TOPIC;
                p->arguments->text_is_error = true;
                return str_appendf(&p->arguments->text, "No help topic for '%s'\n", name);
        }
        arguments_descend(p, topic);
        return arguments_help(p, EXIT_SUCCESS);
}

/* ---- options */

static int arguments_flag(ArgumentsParser *p, const CommandOption *option, const char *value) {
        bool *member = (bool *) ((char *) p->arguments + option->offset);

        if (str_parse_bool(value ? value : "true", member) < 0)
                return arguments_misuse(
                                p, "invalid boolean value \"%s\" for -%s: parse error", value, option->name);
        return 1;
}

static int arguments_value(ArgumentsParser *p, const CommandOption *option, const char *value) {
        void *member = (char *) p->arguments + option->offset;
        int r;

        if (!value) {
                if (p->at >= p->argc)
                        return arguments_misuse(p, "flag needs an argument: -%s", option->name);
                value = p->argv[p->at++];
        }
        if (option->kind == COMMAND_TEXT) {
                *(const char **) member = value;
                return 1;
        }

        r = str_parse_int(value, member);
        if (r < 0)
                return arguments_misuse(
                                p,
                                "invalid value \"%s\" for flag -%s: %s",
                                value,
                                option->name,
                                r == -ERANGE ? "value out of range" : "parse error");
        return 1;
}

/* WORD begins with a dash. Answers 1 to go on; 0 when there is something to show. */
static int arguments_option(ArgumentsParser *p, const char *word) {
        _cleanup_free_ char *name = NULL;
        const CommandOption *option;
        const char *equals;

        word += word[1] == '-' ? 2 : 1;
        equals = strchr(word, '=');
        name = equals ? strndup(word, (size_t) (equals - word)) : strdup(word);
        if (!name)
                return -ENOMEM;

        if (str_equal(name, "help") || str_equal(name, "h"))
                return arguments_help(p, EXIT_SUCCESS);
        option = command_find_option(p->command, name);
        if (!option)
                return arguments_misuse(p, "flag provided but not defined: -%s", name);
        if (option->kind == COMMAND_FLAG)
                return arguments_flag(p, option, equals ? equals + 1 : NULL);
        return arguments_value(p, option, equals ? equals + 1 : NULL);
}

/* ---- words */

static int arguments_enter(ArgumentsParser *p, const Command *command) {
        arguments_descend(p, command);
        p->arguments->verb = command->verb;
        return 1;
}

/* A command's argument. init had a URL; what a command does not take is never taken for something else. */
static int arguments_take(ArgumentsParser *p, const char *word) {
        if (!p->command->argument || p->has_word)
                return arguments_misuse(p, "unexpected argument: %s", word);

        p->has_word = true;
        *p->command->argument(p->arguments) = word;
        return 1;
}

static int arguments_word(ArgumentsParser *p, const char *word) {
        const Command *command;

        if (!p->command->commands)
                return arguments_take(p, word);

        command = command_find(p->command, word);
        if (command)
                return arguments_enter(p, command);
        if (str_equal(word, "help") || str_equal(word, "h"))
                return p->at < p->argc ? arguments_topic(p, p->argv[p->at])
                                       : arguments_help(p, EXIT_SUCCESS);
        if (p->command == &command_root)
                return arguments_help(p, EXIT_FAILURE);
        return arguments_topic(p, word);
}

static int arguments_next(ArgumentsParser *p) {
        const char *word = p->argv[p->at++];

        if (p->only_words || word[0] != '-' || word[1] == '\0')
                return arguments_word(p, word);
        if (str_equal(word, "--")) {
                p->only_words = true;
                return 1;
        }
        return arguments_option(p, word);
}

static int arguments_end(ArgumentsParser *p) {
        Arguments *arguments = p->arguments;

        if (arguments->version) {
                arguments->verb = ARGUMENTS_NONE;
                return str_append(&arguments->text, COMMAND_PROGRAM " version " VERSION_API "\n");
        }
        if (p->command == &command_root && arguments->init)
                arguments->verb = ARGUMENTS_INIT;
        if (p->command->verb == ARGUMENTS_NONE)
                return arguments_help(p, EXIT_SUCCESS);
        return 0;
}

int arguments_parse(int argc, char **argv, Arguments *arguments) {
        ArgumentsParser p = {
                .arguments = arguments,
                .command = &command_root,
                .path = COMMAND_PROGRAM,
                .argv = argv,
                .argc = argc,
                .at = 1,
        };
        int r = 1;

        arguments->verb = ARGUMENTS_DAEMON;
        arguments->argv = argv;
        arguments_environment(arguments, &command_root);
        while (r > 0 && p.at < argc)
                r = arguments_next(&p);
        return r > 0 ? arguments_end(&p) : r;
}

void arguments_done(Arguments *arguments) {
        str_done(&arguments->text);
}
