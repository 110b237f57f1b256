#include "daemon/guard/token.h"

#include <jwt.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

#include "daemon/base/json.h"

static void token_freep(jwt_t **token) {
        jwt_free(*token);
}

/* libjwt answers a positive errno. */
static int decode(const char *text, const char *password, jwt_t **ret) {
        int r = jwt_decode(
                        ret, text, (const unsigned char *) password, password ? (int) strlen(password) : 0);

        return r == ENOMEM ? -ENOMEM : r == 0;
}

/* Seconds since 1970 (RFC 7519 4.1). */
typedef struct TokenTimes {
        double ends, begins, issued;
} TokenTimes;

static const JsonField times_fields[] = {
        { "exp", JSON_DOUBLE, offsetof(TokenTimes, ends) },
        { "nbf", JSON_DOUBLE, offsetof(TokenTimes, begins) },
        { "iat", JSON_DOUBLE, offsetof(TokenTimes, issued) },
        JSON_END,
};
static const JsonShape times_shape = { "token", sizeof(TokenTimes), times_fields };

static int is_of_now(jwt_t *token, uint64_t now_usec) {
        TokenTimes times = { .ends = HUGE_VAL, .begins = -HUGE_VAL, .issued = -HUGE_VAL };
        double now = (double) now_usec / (double) USEC_PER_SEC;
        _cleanup_free_ char *claims = NULL;
        int r;

        claims = jwt_get_grants_json(token, NULL);
        if (!claims)
                return -ENOMEM;
        r = json_read_text(&times_shape, claims, strlen(claims), &times, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        return now < times.ends && now >= times.begins && now >= times.issued;
}

/* Who the token says it is of. Nothing is believed yet: it says which key to try. */
static ssize_t find_issuer(const StrMap *credentials, jwt_t *token) {
        const char *issuer = jwt_get_grant(token, "iss");

        for (size_t i = 0; !str_is_empty(issuer) && i < credentials->n; i++)
                if (str_equal(credentials->items[i].key, issuer) && *credentials->items[i].value)
                        return (ssize_t) i;
        return -1;
}

static bool is_hmac(jwt_t *token) {
        jwt_alg_t algorithm = jwt_get_alg(token);

        return algorithm == JWT_ALG_HS256 || algorithm == JWT_ALG_HS384 || algorithm == JWT_ALG_HS512;
}

int guard_token_check(
                const StrMap *credentials, const char *text, uint64_t now_usec, const char **ret_user) {
        _cleanup_(token_freep) jwt_t *claimed = NULL, *token = NULL;
        ssize_t i;
        int r;

        r = decode(text, NULL, &claimed);
        if (r <= 0)
                return r;
        i = find_issuer(credentials, claimed);
        if (i < 0)
                return 0;

        r = decode(text, credentials->items[i].value, &token);
        if (r <= 0)
                return r;
        r = is_hmac(token) ? is_of_now(token, now_usec) : 0;
        if (r > 0)
                *ret_user = credentials->items[i].key;
        return r;
}

int guard_token_make(const StrMap *credentials, const char *user, char **ret) {
        const char *password = str_map_get(credentials, user);
        _cleanup_free_ char *text = NULL;
        _cleanup_(token_freep) jwt_t *token = NULL;

        assert(!str_is_empty(password));

        if (jwt_new(&token) != 0 || jwt_add_grant(token, "iss", user) != 0)
                return -ENOMEM;
        if (jwt_set_alg(token, JWT_ALG_HS256, (const unsigned char *) password, (int) strlen(password)) != 0)
                return -ENOMEM;
        text = jwt_encode_str(token);
        if (!text)
                return -ENOMEM;

        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}
