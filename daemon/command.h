#pragma once

/* The commands of ipfs-cluster-service and their options: what they are called, where their values go, and
 * what the help says of them. */

#include <stddef.h>

#include "daemon/arguments.h"

#define COMMAND_PROGRAM "ipfs-cluster-service"

typedef struct CommandOption CommandOption;
typedef struct Command Command;

typedef enum CommandOptionKind {
        COMMAND_FLAG,   /* bool */
        COMMAND_TEXT,   /* const char * */
        COMMAND_NUMBER, /* int64_t */
} CommandOptionKind;

struct CommandOption {
        const char *name;
        const char *other; /* a second name, mostly one letter */
        CommandOptionKind kind;
        size_t offset;        /* in Arguments */
        const char *help;     /* NULL: hidden */
        const char *value;    /* what stands for the value in the help; NULL: "value" */
        const char *preset;   /* shown as the default */
        const char *variable; /* of the environment */
};

struct Command {
        const char *name;
        const char *help;      /* one line */
        const char *arguments; /* in the usage line, after the options */
        const char *description;
        ArgumentsVerb verb;
        const char **(*argument)(Arguments *arguments); /* where the one argument goes; NULL: takes none */
        const CommandOption *options;                   /* ends with an empty row; NULL: none */
        const Command *commands;                        /* the same */
};

extern const Command command_root;

/* Answers the command, or NULL. */
const Command *command_find(const Command *parent, const char *name);

/* NAME is the option's text without dashes; "help" is not among them. */
const CommandOption *command_find_option(const Command *command, const char *name);

/* The help of COMMAND, whose whole name is PATH ("ipfs-cluster-service state export"). */
int command_write_help(const Command *command, const char *path, Str *to);
