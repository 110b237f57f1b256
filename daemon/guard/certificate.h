#pragma once

/* The certificate of an API and its key: two files of PEM, read and checked at the start. */

#include "daemon/types/error.h"

#define GUARD_CERTIFICATE_MAX (1024 * 1024) /* bytes of a file */

typedef struct GuardCertificate {
        char *chain; /* NULL: no TLS */
        char *key;
} GuardCertificate;

/* Relative paths begin in FOLDER. SECTION ("api.restapi") is for the words, which name the setting. Of a
 * certificate that is not valid now it is warned. Errors: ERROR_INVALID (no such file, no certificate, no
 * key, the two do not belong together), -ENOMEM. */
int guard_certificate_load(
                GuardCertificate *ret,
                const char *folder,
                const char *chain_file,
                const char *key_file,
                const char *section,
                Error *reterr);
void guard_certificate_done(GuardCertificate *certificate);
