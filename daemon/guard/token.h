#pragma once

/* JSON Web Tokens (RFC 7519), signed by HMAC: {"iss":"<name>"}, the key is that name's password. */

#include <stdint.h>

#include "daemon/base/str.h"

/* A token of USER, who is in CREDENTIALS: HS256, without an end. Errors: -ENOMEM. */
int guard_token_make(const StrMap *credentials, const char *user, char **ret);

/* Answers 1 and whose TEXT is (borrowed from CREDENTIALS), or 0: malformed, another algorithm than HS256,
 * HS384 or HS512, an unknown name, a wrong signature, or not of this time (exp, nbf, iat). Errors: -ENOMEM.
 */
int guard_token_check(const StrMap *credentials, const char *text, uint64_t now_usec, const char **ret_user);
