#include "daemon/guard/auth.h"

#include <gnutls/gnutls.h>
#include <string.h>
#include <strings.h>

#include "daemon/base/hash.h"
#include "daemon/base/multibase.h"
#include "daemon/guard/token.h"

typedef struct AuthEntry {
        const char *user;
        uint8_t digest[HASH_SHA256_SIZE]; /* of "user:password": equally long, whatever they are */
} AuthEntry;

struct GuardAuth {
        const StrMap *credentials;
        AuthEntry *entries;
        size_t n_entries;
};

static int entry_fill(AuthEntry *entry, const char *user, const char *password) {
        Str text = {};
        int r;

        r = str_appendf(&text, "%s:%s", user, password);
        if (r >= 0) {
                *entry = (AuthEntry){ .user = user };
                hash_sha256(text.data, text.len, entry->digest);
                explicit_bzero(text.data, text.len);
        }
        str_done(&text);
        return r;
}

int guard_auth_new(GuardAuth **ret, const StrMap *credentials) {
        _cleanup_(guard_auth_freep) GuardAuth *auth = calloc(1, sizeof(*auth));
        int r;

        if (!auth)
                return -ENOMEM;
        *auth = (GuardAuth){
                .credentials = credentials,
                .entries = calloc(MAX(credentials->n, 1U), sizeof(AuthEntry)),
        };
        if (!auth->entries)
                return -ENOMEM;

        for (size_t i = 0; i < credentials->n; i++) {
                const char *user = credentials->items[i].key, *password = credentials->items[i].value;

                if (!*user || !*password)
                        continue;
                r = entry_fill(&auth->entries[auth->n_entries], user, password);
                if (r < 0)
                        return r;
                auth->n_entries++;
        }

        *ret = TAKE_PTR(auth);
        return 0;
}

GuardAuth *guard_auth_free(GuardAuth *auth) {
        if (!auth)
                return NULL;
        free(auth->entries);
        free(auth);
        return NULL;
}

/* What follows the name of SCHEME and a space in HEADER; NULL: another scheme, or nothing follows. */
static const char *of_scheme(const char *header, const char *scheme) {
        size_t n = strlen(scheme);

        if (strncasecmp(header, scheme, n) != 0 || header[n] != ' ')
                return NULL;
        header += n + strspn(header + n, " ");
        return *header ? header : NULL;
}

static const char *find_user(const GuardAuth *auth, const void *text, size_t n) {
        uint8_t digest[HASH_SHA256_SIZE];
        const char *user = NULL;

        hash_sha256(text, n, digest);
        for (size_t i = 0; i < auth->n_entries; i++)
                if (gnutls_memcmp(digest, auth->entries[i].digest, sizeof(digest)) == 0)
                        user = auth->entries[i].user;
        return user;
}

static GuardVerdict check_basic(const GuardAuth *auth, const char *text, const char **ret_user) {
        size_t max = strlen(text);
        uint8_t *bytes = malloc(max + 1);
        GuardVerdict verdict = GUARD_NO_AUTH;
        ssize_t n;

        if (!bytes)
                return GUARD_NO_MEMORY;

        n = multibase_decode(MULTIBASE_64_PAD, text, max, bytes, max);
        if (n >= 0 && memchr(bytes, ':', (size_t) n)) {
                *ret_user = find_user(auth, bytes, (size_t) n);
                verdict = *ret_user ? GUARD_PASS : GUARD_DENIED;
        }
        explicit_bzero(bytes, max);
        free(bytes);
        return verdict;
}

GuardVerdict guard_auth_check(
                const GuardAuth *auth, const char *header, uint64_t now_usec, const char **ret_user) {
        const char *text;
        int r;

        if (!header)
                return GUARD_NO_AUTH;
        text = of_scheme(header, "Basic");
        if (text)
                return check_basic(auth, text, ret_user);
        text = of_scheme(header, "Bearer");
        if (!text)
                return GUARD_NO_AUTH;

        r = guard_token_check(auth->credentials, text, now_usec, ret_user);
        if (r < 0)
                return GUARD_NO_MEMORY;
        return r > 0 ? GUARD_PASS : GUARD_BAD_TOKEN;
}
