#include "daemon/pinsvc/match.h"

#include <limits.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

static const char *const modes[_PINSVC_MATCH_N] = {
        [PINSVC_MATCH_EXACT] = "exact",
        [PINSVC_MATCH_IEXACT] = "iexact",
        [PINSVC_MATCH_PARTIAL] = "partial",
        [PINSVC_MATCH_IPARTIAL] = "ipartial",
};

PinsvcMatchMode pinsvc_match_mode_from_string(const char *text) {
        for (PinsvcMatchMode i = 0; i < _PINSVC_MATCH_N; i++)
                if (strcmp(modes[i], text) == 0)
                        return i;
        return _PINSVC_MATCH_INVALID;
}

static bool mode_folds(PinsvcMatchMode mode) {
        return mode == PINSVC_MATCH_IEXACT || mode == PINSVC_MATCH_IPARTIAL;
}

/* One character of TEXT, in lower case by the thread's locale; answers how many bytes it has there. */
static size_t fold_one(const char *text, size_t n, Str *to) {
        mbstate_t read = {}, write = {};
        char lower[MB_LEN_MAX];
        wchar_t c;
        size_t size, k;

        size = mbrtowc(&c, text, n, &read);
        if (size == 0 || size > n) { /* the end, no character, or a part of one */
                (void) str_append_char(to, *text);
                return 1;
        }
        k = wcrtomb(lower, (wchar_t) towlower((wint_t) c), &write);
        if (k == (size_t) -1)
                (void) str_append_bytes(to, text, size);
        else
                (void) str_append_bytes(to, lower, k);
        return size;
}

static int fold(locale_t locale, const char *text, Str *to) {
        locale_t before = locale ? uselocale(locale) : (locale_t) 0;
        size_t n = strlen(text);

        str_reset(to);
        (void) str_append(to, "");
        for (size_t at = 0; at < n;)
                at += fold_one(text + at, n - at, to);
        if (locale)
                (void) uselocale(before);
        return str_error(to);
}

int pinsvc_match_init(PinsvcMatch *match, PinsvcMatchMode mode, const char *wanted) {
        int r;

        *match = (PinsvcMatch){ .mode = mode };
        if (!mode_folds(mode))
                return str_copy(&match->wanted, wanted);

        match->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
        r = fold(match->locale, wanted, &match->folded);
        if (r >= 0)
                r = str_copy(&match->wanted, match->folded.data);
        if (r < 0)
                pinsvc_match_done(match);
        return r;
}

void pinsvc_match_done(PinsvcMatch *match) {
        free(match->wanted);
        if (match->locale)
                freelocale(match->locale);
        str_done(&match->folded);
        *match = (PinsvcMatch){};
}

int pinsvc_match_name(PinsvcMatch *match, const char *name) {
        bool is_partial = match->mode == PINSVC_MATCH_PARTIAL || match->mode == PINSVC_MATCH_IPARTIAL;
        int r;

        name = name ? name : "";
        if (mode_folds(match->mode)) {
                r = fold(match->locale, name, &match->folded);
                if (r < 0)
                        return r;
                name = match->folded.data;
        }
        return is_partial ? strstr(name, match->wanted) != NULL : strcmp(name, match->wanted) == 0;
}
