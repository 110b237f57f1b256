#include "ctl/flag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/time.h"

static const CtlFlag flag_help = {
        .names = { "help", "h" },
        .kind = CTL_FLAG_BOOL,
        .offset = offsetof(CtlOptions, help),
        .usage = "show help",
};

void ctl_options_done(CtlOptions *options) {
        str_list_done(&options->metadata);
        *options = (CtlOptions){};
}

static bool flag_is_named(const CtlFlag *flag, const char *name, size_t n) {
        for (size_t i = 0; i < CTL_FLAG_NAMES_MAX; i++)
                if (flag->names[i] && str_equal_n(flag->names[i], name, n))
                        return true;
        return false;
}

const CtlFlag *ctl_flag_find(const CtlFlag *flags, const char *name, size_t n) {
        for (const CtlFlag *flag = flags; flag && flag->names[0]; flag++)
                if (flag_is_named(flag, name, n))
                        return flag;
        return flag_is_named(&flag_help, name, n) ? &flag_help : NULL;
}

static void *flag_member(const CtlFlag *flag, CtlOptions *options) {
        return (char *) options + flag->offset;
}

static int flag_set_value(const CtlFlag *flag, const char *value, CtlOptions *options) {
        void *member = flag_member(flag, options);

        switch (flag->kind) {
        case CTL_FLAG_BOOL:
                return str_parse_bool(value, member);
        case CTL_FLAG_STRING:
                *(const char **) member = value;
                return 0;
        case CTL_FLAG_INT:
                return str_parse_int(value, member);
        case CTL_FLAG_DURATION:
                return duration_parse(value, member);
        case CTL_FLAG_LIST:
                return str_list_append(member, value);
        }
        return -EINVAL;
}

static int flag_refuse_value(
                const CtlFlag *flag, const char *name, const char *value, int r, Error *reterr) {
        const char *why = r == -ERANGE ? "value out of range" : "parse error";

        if (r == -ENOMEM)
                return r;
        if (flag->kind == CTL_FLAG_BOOL)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "invalid boolean value \"%s\" for -%s: %s",
                                value,
                                name,
                                why);
        return error_set(reterr, ERROR_INVALID, "invalid value \"%s\" for flag -%s: %s", value, name, why);
}

/* NAME may be followed by "=value"; FOLLOWING is the next argument or NULL. Answers how many arguments the
 * flag took. */
static int flag_read(
                const CtlFlag *flags,
                const char *argument,
                const char *following,
                CtlOptions *options,
                Error *reterr) {
        const char *name = argument + (argument[1] == '-' ? 2 : 1);
        size_t n = strcspn(name, "=");
        const char *value = name[n] ? name + n + 1 : NULL;
        const CtlFlag *flag;
        char text[64];
        int r, taken = 1;

        if (n == 0 || *name == '-')
                return error_set(reterr, ERROR_INVALID, "bad flag syntax: %s", argument);
        (void) snprintf(text, sizeof(text), "%.*s", (int) MIN(n, sizeof(text) - 1), name);
        flag = ctl_flag_find(flags, name, n);
        if (!flag)
                return error_set(reterr, ERROR_INVALID, "flag provided but not defined: -%s", text);
        if (!value && flag->kind == CTL_FLAG_BOOL)
                value = "true";
        if (!value) {
                if (!following)
                        return error_set(reterr, ERROR_INVALID, "flag needs an argument: -%s", text);
                value = following;
                taken = 2;
        }
        r = flag_set_value(flag, value, options);
        return r < 0 ? flag_refuse_value(flag, text, value, r, reterr) : taken;
}

int ctl_flag_parse(
                const CtlFlag *flags, CtlArguments *args, bool permute, CtlOptions *options, Error *reterr) {
        size_t i = 0, kept = 0;

        while (i < args->n) {
                char *argument = args->items[i];
                int r;

                if (strcmp(argument, "--") == 0) {
                        i++;
                        break;
                }
                if (argument[0] != '-' || !argument[1]) {
                        if (!permute)
                                break;
                        args->items[kept++] = argument;
                        i++;
                        continue;
                }
                r = flag_read(flags, argument, i + 1 < args->n ? args->items[i + 1] : NULL, options, reterr);
                if (r < 0)
                        return r;
                i += r;
        }
        while (i < args->n)
                args->items[kept++] = args->items[i++];
        args->n = kept;
        return 0;
}

void ctl_flag_read_environment(const CtlFlag *flags, CtlOptions *options) {
        for (const CtlFlag *flag = flags; flag->names[0]; flag++) {
                const char **member = flag_member(flag, options);

                if (flag->env && flag->kind == CTL_FLAG_STRING && !*member)
                        *member = getenv(flag->env);
        }
}
