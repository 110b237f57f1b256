#pragma once

/* A backend that answers from a script and notes what it was asked, and a Ctl whose output goes to memory.
 */

#include <glib.h>
#include <string.h>

#include "ctl/verb.h"

typedef struct FakeAnswer {
        const char *items[4]; /* JSON texts */
        int r;                /* negative: the failure below comes after the items */
        unsigned code;
        const char *message;
} FakeAnswer;

typedef struct Fake {
        CtlBackend backend;
        const FakeAnswer *answers; /* one a call; the last stands for all further ones */
        size_t n_answers;
        size_t n_calls;
        GString *asked; /* a line a call */
        Ctl ctl;
        char *out;
        size_t n_out;
        char *err;
        size_t n_err;
} Fake;

static const char *const fake_names[_CTL_CALL_N] = {
        [CTL_CALL_ID] = "id",
        [CTL_CALL_VERSION] = "version",
        [CTL_CALL_ADD] = "add",
        [CTL_CALL_PEERS] = "peers",
        [CTL_CALL_PEER_ADD] = "peer_add",
        [CTL_CALL_PEER_REMOVE] = "peer_remove",
        [CTL_CALL_PIN] = "pin",
        [CTL_CALL_UNPIN] = "unpin",
        [CTL_CALL_ALLOCATION] = "allocation",
        [CTL_CALL_ALLOCATIONS] = "allocations",
        [CTL_CALL_STATUS] = "status",
        [CTL_CALL_STATUS_LIST] = "status_list",
        [CTL_CALL_SYNC] = "sync",
        [CTL_CALL_SYNC_ALL] = "sync_all",
        [CTL_CALL_RECOVER] = "recover",
        [CTL_CALL_RECOVER_ALL] = "recover_all",
        [CTL_CALL_GC] = "gc",
        [CTL_CALL_GRAPH] = "graph",
        [CTL_CALL_ALERTS] = "alerts",
        [CTL_CALL_BANDWIDTH] = "bandwidth",
        [CTL_CALL_METRIC_NAMES] = "metric_names",
        [CTL_CALL_METRICS] = "metrics",
        [CTL_CALL_EVENTS] = "events",
};

static void fake_note(Fake *fake, const CtlRequest *request) {
        g_string_append(fake->asked, fake_names[request->call]);
        if (request->subject)
                g_string_append_printf(fake->asked, " %s", request->subject);
        if (request->filter)
                g_string_append_printf(fake->asked, " filter=%s", request->filter);
        if (request->local)
                g_string_append(fake->asked, " local");
        g_string_append_c(fake->asked, '\n');
}

static int fake_call(
                CtlBackend *backend,
                const CtlRequest *request,
                CtlItemFunc on_item,
                void *userdata,
                CtlFailure *reterr) {
        Fake *fake = CONTAINER_OF(backend, Fake, backend);
        const FakeAnswer *answer = &fake->answers[MIN(fake->n_calls, fake->n_answers - 1)];

        fake_note(fake, request);
        fake->n_calls++;
        for (size_t i = 0; i < ELEMENTSOF(answer->items) && answer->items[i]; i++) {
                const char *text = answer->items[i];
                int r = ctl_call_deliver(request->call, text, strlen(text), on_item, userdata, NULL);

                if (r < 0)
                        return ctl_failure_set(reterr, r, 0, "bad item %s", text);
        }
        return answer->r < 0 ? ctl_failure_set(reterr, answer->r, answer->code, "%s", answer->message) : 0;
}

static inline void fake_init(Fake *fake, const FakeAnswer *answers, size_t n) {
        static const CtlBackendOps ops = { .call = fake_call };

        *fake = (Fake){ .backend.ops = &ops, .answers = answers, .n_answers = n };
        fake->asked = g_string_new(NULL);
        fake->ctl = (Ctl){
                .root = &ctl_verb_root,
                .options = { .encoding = "text", .mode = "recursive", .filter = "" },
                .backend = &fake->backend,
                .out = open_memstream(&fake->out, &fake->n_out),
                .err = open_memstream(&fake->err, &fake->n_err),
        };
}

/* Run the verb that WORDS lead to, as the program does after its global flags. */
static inline int fake_run(Fake *fake, const char *words) {
        g_auto(GStrv) argv = g_strsplit(words, " ", -1);
        CtlArguments args = { argv, g_strv_length(argv) };
        const CtlVerb *verb = &ctl_verb_root;
        int r;

        while (verb->verbs) {
                g_assert_cmpuint(args.n, >, 0);
                verb = ctl_verb_find(verb, args.items[0]);
                g_assert_nonnull(verb);
                args.items++;
                args.n--;
        }
        /* Parsing reorders, so the words are kept alive by the copy that is freed. */
        g_autofree char **items = g_memdup2(args.items, args.n * sizeof(char *));
        args.items = items;
        r = ctl_flag_parse(verb->flags, &args, true, &fake->ctl.options, NULL);
        g_assert_cmpint(r, ==, 0);
        r = verb->run(&fake->ctl, &args);
        fflush(fake->ctl.out);
        fflush(fake->ctl.err);
        return r;
}

static inline void fake_done(Fake *fake) {
        ctl_options_done(&fake->ctl.options);
        fclose(fake->ctl.out);
        fclose(fake->ctl.err);
        free(fake->out);
        free(fake->err);
        g_string_free(fake->asked, TRUE);
}

/* One run: what was asked, printed and answered. */
typedef struct FakeCase {
        const char *words;
        FakeAnswer answer;
        const char *asked;
        const char *out;
        const char *err;
        int status;
} FakeCase;

static inline void fake_check(const FakeCase *c) {
        Fake fake;

        g_test_message("%s", c->words);
        fake_init(&fake, &c->answer, 1);
        g_assert_cmpint(fake_run(&fake, c->words), ==, c->status);
        g_assert_cmpstr(fake.asked->str, ==, c->asked);
        g_assert_cmpstr(fake.out, ==, c->out);
        g_assert_cmpstr(fake.err, ==, c->err);
        fake_done(&fake);
}
