#include <glib.h>
#include <string.h>

#include "daemon/guard/auth.h"
#include "daemon/guard/token.h"
#include "tests/lib/fault.h"

#define NOW (1800000000 * USEC_PER_SEC)

static StrMap credentials;
static GuardAuth *auth;

static const struct {
        const char *header;
        GuardVerdict verdict;
        const char *user;
} cases[] = {
        { NULL, GUARD_NO_AUTH },
        { "", GUARD_NO_AUTH },
        { "Digest x", GUARD_NO_AUTH },
        { "Basic", GUARD_NO_AUTH },
        { "Basic ", GUARD_NO_AUTH },
        { "BasicYWxpY2U6c2VjcmV0MQ==", GUARD_NO_AUTH },
        { "Basic YWxpY2U6c2VjcmV0MQ==", GUARD_PASS, "alice" },   /* alice:secret1 */
        { "bAsIc   YWxpY2U6c2VjcmV0MQ==", GUARD_PASS, "alice" }, /* the same */
        { "Basic YWxpY2U6c2VjcmV0MQ", GUARD_NO_AUTH },           /* without its padding */
        { "Basic YWxpY2U6c2VjcmV0MQ== ", GUARD_NO_AUTH },        /* with something behind it */
        { "Basic Ym9iOnB3Mg==", GUARD_PASS, "bob" },             /* bob:pw2 */
        { "Basic YWxpY2U6bm9wZQ==", GUARD_DENIED },              /* alice:nope */
        { "Basic YWxpY2U6c2VjcmV0MTI=", GUARD_DENIED },          /* alice:secret12 */
        { "Basic Ym9iOnNlY3JldDE=", GUARD_DENIED },              /* bob:secret1 */
        { "Basic Y2Fyb2w6c2VjcmV0MQ==", GUARD_DENIED },          /* carol:secret1 */
        { "Basic YWxpY2U=", GUARD_NO_AUTH },                     /* alice */
        { "Basic Og==", GUARD_DENIED },                          /* : */
        { "Basic ZW1wdHk6", GUARD_DENIED },                      /* empty: */
        { "Basic OnNlY3JldDE=", GUARD_DENIED },                  /* :secret1 */
        { "Basic OnB3", GUARD_DENIED },                          /* :pw, which is configured */
        { "Basic YQBiOmM=", GUARD_DENIED },                      /* a, NUL, b:c */
        { "Basic !!!!", GUARD_NO_AUTH },
        { "Bearer", GUARD_NO_AUTH },
        { "Bearer ", GUARD_NO_AUTH },
        { "Bearer junk", GUARD_BAD_TOKEN },
        { "Bearer a.b.c", GUARD_BAD_TOKEN },
};

static void test_headers(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                const char *user = NULL;
                GuardVerdict verdict = guard_auth_check(auth, cases[i].header, NOW, &user);

                if (verdict != cases[i].verdict || g_strcmp0(user, cases[i].user) != 0)
                        g_error("%s: %d %s", cases[i].header, (int) verdict, user);
        }
}

static void test_token(void) {
        g_autofree char *token = NULL, *header = NULL, *cut = NULL;
        const char *user = NULL;

        g_assert_cmpint(guard_token_make(&credentials, "bob", &token), ==, 0);
        header = g_strdup_printf("bearer %s", token);
        g_assert_cmpint(guard_auth_check(auth, header, NOW, &user), ==, GUARD_PASS);
        g_assert_cmpstr(user, ==, "bob");

        user = NULL;
        cut = g_strndup(header, strlen(header) - 1);
        g_assert_cmpint(guard_auth_check(auth, cut, NOW, &user), ==, GUARD_BAD_TOKEN);
        g_assert_null(user);
}

/* Nobody is let in for want of memory. */
static void test_out_of_memory(void) {
        FOREACH_FAULT {
                GuardAuth *other = NULL;
                const char *user = NULL;
                int r = guard_auth_new(&other, &credentials);

                if (r < 0) {
                        g_assert_cmpint(r, ==, -ENOMEM);
                        continue;
                }
                r = (int) guard_auth_check(other, "Basic YWxpY2U6c2VjcmV0MQ==", NOW, &user);
                g_assert_cmpint(r == GUARD_PASS || r == GUARD_NO_MEMORY, ==, true);
                g_assert_cmpint(r == GUARD_PASS, ==, user != NULL);
                guard_auth_free(other);
        }
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        (void) str_map_set(&credentials, "alice", "secret1");
        (void) str_map_set(&credentials, "bob", "pw2");
        (void) str_map_set(&credentials, "empty", "");
        (void) str_map_set(&credentials, "", "pw");
        g_assert_cmpint(guard_auth_new(&auth, &credentials), ==, 0);
        g_test_add_func("/guard/auth/headers", test_headers);
        g_test_add_func("/guard/auth/token", test_token);
        g_test_add_func("/guard/auth/out-of-memory", test_out_of_memory);
        r = g_test_run();
        guard_auth_free(auth);
        str_map_done(&credentials);
        return r;
}
