#include <glib.h>
#include <string.h>

#include "ctl/help.h"

static const CtlFlag flags[] = {
        { { "long-name", "l" }, CTL_FLAG_STRING, 0, "first\nsecond line", NULL, "VARIABLE" },
        { { "b" }, CTL_FLAG_BOOL, 0, "after the break" },
        { { "count", "n" }, CTL_FLAG_INT, 0, "a number", "0" },
        { { "secret" }, CTL_FLAG_STRING, 0, NULL },
        {},
};

static const CtlVerb leaf = {
        .name = "leaf", .usage = "do it", .description = "\nWords.\n", .flags = flags
};
static const CtlVerb bare = { .name = "bare", .usage = "do that", .arguments = " ", .hidden = true };
static const CtlVerb group = {
        .name = "group",
        .usage = "many things",
        .verbs = (const CtlVerb *const[]){ &leaf, &bare, NULL },
};
static const CtlVerb top = { .name = "top", .verbs = (const CtlVerb *const[]){ &group, &bare, NULL } };

static char *text_of(void (*write)(FILE *to, const CtlVerb *verb, const char *path), const CtlVerb *verb) {
        char *text = NULL;
        size_t n = 0;
        FILE *to = open_memstream(&text, &n);

        write(to, verb, "top x");
        fclose(to);
        return text;
}

static void commands_of(FILE *to, const CtlVerb *verb, _unused_ const char *path) {
        ctl_help_commands(to, verb);
}

static void test_layout(void) {
        static const struct {
                void (*write)(FILE *to, const CtlVerb *verb, const char *path);
                const CtlVerb *verb;
                const char *text;
        } cases[] = {
                { ctl_help_verb,
                  &leaf,
                  "NAME:\n   top x - do it\n\n"
                  "USAGE:\n   top x [command options] [arguments...]\n\n"
                  "DESCRIPTION:\n   \nWords.\n\n\n"
                  "OPTIONS:\n"
                  "   --long-name value, -l value  first\nsecond line [$VARIABLE]\n"
                  "   -b                       after the break\n"
                  "   --count value, -n value  a number (default: 0)\n"
                  "   \n" },
                { ctl_help_verb, &bare, "NAME:\n   top x - do that\n\nUSAGE:\n   top x  \n" },
                { ctl_help_verb,
                  &group,
                  "NAME:\n   top x - many things\n\n"
                  "USAGE:\n   top x command [command options] [arguments...]\n\n"
                  "COMMANDS:\n   leaf  do it\n\n"
                  "OPTIONS:\n   --help, -h  show help\n   \n" },
                { ctl_help_topic,
                  &group,
                  "NAME:\n   top x - many things\n\n"
                  "USAGE:\n   top x [arguments...]\n\n"
                  "DESCRIPTION:\n   many things\n" },
                { ctl_help_topic, &bare, "NAME:\n   top x - do that\n\nUSAGE:\n   top x  \n" },
                { commands_of,
                  &top,
                  CTL_NAME " group\n" CTL_NAME " group leaf\n" CTL_NAME " group bare\n" CTL_NAME
                           " bare\n" CTL_NAME " help\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = text_of(cases[i].write, cases[i].verb);

                g_assert_cmpstr(text, ==, cases[i].text);
        }
}

/* Each verb says what it does, and either does it or has verbs. */
static void check_verbs(const CtlVerb *verb) {
        g_test_message("%s", verb->name);
        g_assert_nonnull(verb->usage);
        g_assert_true((verb->run == NULL) != (verb->verbs == NULL));
        for (const CtlVerb *const *sub = verb->verbs; sub && *sub; sub++)
                check_verbs(*sub);
}

static void test_every_verb_has_words(void) {
        check_verbs(&ctl_verb_root);
}

static void test_root_hides_what_is_refused(void) {
        _cleanup_free_ char *text = text_of(ctl_help_verb, &ctl_verb_root);

        g_assert_null(strstr(text, "--secret"));
        g_assert_null(strstr(text, "   commands "));
        g_assert_nonnull(strstr(text, "--force-http, -f  force HTTP"));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/help/layout", test_layout);
        g_test_add_func("/ctl/help/every-verb-has-words", test_every_verb_has_words);
        g_test_add_func("/ctl/help/root-hides-what-is-refused", test_root_hides_what_is_refused);
        return g_test_run();
}
