#include "ctl/complete.h"

#include <ctype.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/road.h"
#include "daemon/base/time.h"
#include "daemon/types/peer-info.h"
#include "daemon/types/pin.h"

/* Where the words before the last one lead to, and what is left of that: its beginning. */
typedef struct Place {
        Ctl *ctl;
        const CtlVerb *verb;
        const CtlFlag *flag; /* whose value the last word is; NULL: it is none */
        size_t n_globals;    /* words before the first verb */
        bool is_help;        /* they are about a verb */
        const char *word;    /* the last one */
        size_t kept;         /* bytes of it that every candidate begins with */
        const char *begun;   /* what the candidates themselves begin with */
        size_t n_offered;
} Place;

static void offer(Place *place, const char *candidate, const char *about) {
        FILE *to = place->ctl->out;

        if (strncmp(candidate, place->begun, strlen(place->begun)) != 0)
                return;
        place->n_offered++;
        fprintf(to, "%.*s", (int) place->kept, place->word);
        ctl_output_text(to, candidate);
        if (!str_is_empty(about)) {
                fputc('\t', to);
                ctl_output_text(to, about);
        }
        fputc('\n', to);
}

/* ---- where the cursor is */

static bool is_flag(const char *word) {
        return word[0] == '-' && word[1];
}

/* "--name" and "-name" are the same. */
static const CtlFlag *find_flag(const CtlVerb *verb, const char *word) {
        const char *name = word + (word[1] == '-' ? 2 : 1);

        return ctl_flag_find(verb->flags, name, strcspn(name, "="));
}

static const CtlFlag *find_flag_with_value(const CtlVerb *verb, const char *word) {
        const CtlFlag *flag = is_flag(word) ? find_flag(verb, word) : NULL;

        return flag && flag->kind != CTL_FLAG_BOOL ? flag : NULL;
}

static void enter(Place *place, const char *word) {
        const CtlVerb *verb = place->verb->verbs ? ctl_verb_find(place->verb, word) : NULL;

        if (verb)
                place->verb = verb;
        else if (strcmp(word, "help") == 0 || strcmp(word, "h") == 0)
                place->is_help = true;
}

static void walk(Place *place, const CtlArguments *words) {
        const CtlVerb *root = place->verb;
        size_t i;

        for (i = 0; i + 1 < words->n; i++) {
                const char *word = words->items[i];
                const CtlFlag *flag = find_flag_with_value(place->verb, word);

                if (flag && !strchr(word, '=')) {
                        i++;
                        if (i + 1 == words->n) {
                                place->flag = flag;
                                break;
                        }
                } else if (!is_flag(word))
                        enter(place, word);
                if (place->verb == root && !place->is_help)
                        place->n_globals = i + 1;
        }
}

/* "--name=value", of which the value is completed. */
static void look_into_word(Place *place) {
        const char *equals = strchr(place->word, '=');

        if (place->flag || !equals)
                return;
        place->flag = find_flag_with_value(place->verb, place->word);
        if (!place->flag)
                return;
        place->kept = (size_t) (equals + 1 - place->word);
        place->begun = equals + 1;
}

/* ---- what a peer knows */

static int take_pin(void *item, void *userdata) {
        const Pin *pin = item;
        Place *place = userdata;
        char cid[CID_TEXT_MAX];

        offer(place, cid_format(&pin->cid, cid), pin->name);
        return place->n_offered < CTL_COMPLETE_MAX ? 0 : -ECANCELED;
}

static int take_peer(void *item, void *userdata) {
        const PeerInfo *peer = item;
        char id[PEER_ID_TEXT_MAX];

        offer(userdata, peer_id_format(&peer->id, id), peer->peername);
        return 0;
}

static int take_names(void *item, void *userdata) {
        const CtlNames *names = item;

        for (size_t i = 0; i < names->names.n; i++)
                offer(userdata, names->names.items[i], NULL);
        return 0;
}

static const struct {
        CtlCall call;
        CtlItemFunc take;
        const char *filter;
} sources[_CTL_OFFER_N] = {
        [CTL_OFFER_CIDS] = { CTL_CALL_ALLOCATIONS, take_pin, "all" },
        [CTL_OFFER_PEERS] = { CTL_CALL_PEERS, take_peer },
        [CTL_OFFER_PEER_LIST] = { CTL_CALL_PEERS, take_peer },
        [CTL_OFFER_METRICS] = { CTL_CALL_METRIC_NAMES, take_names },
};

static bool open_peer(Place *place, const CtlArguments *words) {
        CtlArguments globals = { words->items, place->n_globals };
        Ctl *ctl = place->ctl;

        if (ctl->backend)
                return true;
        if (ctl_flag_parse(ctl->root->flags, &globals, false, &ctl->options, NULL) < 0)
                return false;
        ctl_flag_read_environment(ctl->root->flags, &ctl->options);
        return ctl_road_open(ctl, /* http= */ false) == 0;
}

static void offer_from_peer(Place *place, CtlOffer what, const CtlArguments *words) {
        const CtlRequest request = {
                .call = sources[what].call,
                .filter = sources[what].filter,
                .deadline_usec = time_monotonic() + CTL_COMPLETE_USEC,
        };
        CtlFailure failure = {};

        if (!open_peer(place, words))
                return;
        (void) ctl_backend_call(place->ctl->backend, &request, sources[what].take, place, &failure);
        ctl_failure_done(&failure);
}

/* ---- what is known here */

static void offer_words(Place *place, const char *words) {
        _cleanup_(str_list_done) StrList list = {};

        if (!words || str_list_split(&list, words, ' ') < 0)
                return;
        for (size_t i = 0; i < list.n; i++)
                offer(place, list.items[i], NULL);
}

/* Of a list the last part is completed. */
static void skip_parts(Place *place) {
        const char *comma = strrchr(place->begun, ',');

        if (!comma)
                return;
        place->kept += (size_t) (comma + 1 - place->begun);
        place->begun = comma + 1;
}

static void offer_kind(Place *place, CtlOffer what, const char *list, const CtlArguments *words) {
        switch (what) {
        case CTL_OFFER_NOTHING:
                break;
        case CTL_OFFER_LIST:
                skip_parts(place);
                offer_words(place, list);
                break;
        case CTL_OFFER_WORDS:
                offer_words(place, list);
                break;
        case CTL_OFFER_FILES:
                fputs(CTL_COMPLETE_FILES "\n", place->ctl->out);
                break;
        case CTL_OFFER_PEER_LIST:
                skip_parts(place);
                offer_from_peer(place, what, words);
                break;
        case CTL_OFFER_CIDS:
        case CTL_OFFER_PEERS:
        case CTL_OFFER_METRICS:
                offer_from_peer(place, what, words);
                break;
        case _CTL_OFFER_N:
                break;
        }
}

static void offer_flag(Place *place, const CtlFlag *flag) {
        for (size_t i = 0; i < CTL_FLAG_NAMES_MAX && flag->names[i]; i++) {
                char name[64];

                (void) snprintf(name,
                                sizeof(name),
                                "%s%s",
                                strlen(flag->names[i]) > 1 ? "--" : "-",
                                flag->names[i]);
                offer(place, name, flag->usage);
        }
}

static void offer_flags(Place *place) {
        const CtlFlag *help = ctl_flag_find(NULL, "help", strlen("help"));

        for (const CtlFlag *flag = place->verb->flags; flag && flag->names[0] && flag->usage; flag++)
                if (strcmp(flag->names[0], help->names[0]) != 0)
                        offer_flag(place, flag);
        offer_flag(place, help);
}

static void offer_verbs(Place *place) {
        for (const CtlVerb *const *verb = place->verb->verbs; verb && *verb; verb++)
                offer(place, (*verb)->name, (*verb)->usage);
        if (place->verb == place->ctl->root && !place->is_help)
                offer(place, "help", "Shows a list of commands or help for one command");
}

int ctl_complete_run(Ctl *ctl, const CtlArguments *words) {
        Place place = { .ctl = ctl, .verb = ctl->root };

        if (words->n == 0)
                return 0;
        place.word = place.begun = words->items[words->n - 1];
        walk(&place, words);
        look_into_word(&place);
        if (place.flag)
                offer_kind(&place, place.flag->offer, place.flag->words, words);
        else if (place.word[0] == '-')
                offer_flags(&place);
        else if (place.verb->verbs)
                offer_verbs(&place);
        else if (!place.is_help)
                offer_kind(&place, place.verb->offer, NULL, words);
        return 0;
}
