#include "daemon/config/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/base/str.h"

#define ENVIRONMENT_CREDENTIAL_MAX (64 * 1024)

/* Answers 1, or 0 when there is no such credential. */
static int environment_credential(const char *folder, const char *name, char **ret) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        size_t n = 0;
        int r;

        r = file_join(&path, folder, name);
        if (r < 0)
                return r;
        r = file_read(AT_FDCWD, path, ENVIRONMENT_CREDENTIAL_MAX, &text, &n);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;

        if (n > 0 && text[n - 1] == '\n')
                text[n - 1] = '\0';
        *ret = TAKE_PTR(text);
        return 1;
}

int config_environment_get(const char *name, char **ret, Error *reterr) {
        const char *folder = getenv("CREDENTIALS_DIRECTORY"), *value = getenv(name);
        int r = 0;

        if (!str_is_empty(folder))
                r = environment_credential(folder, name, ret);
        if (r < 0)
                return error_set_errno(reterr, r, "credential %s: %m", name);
        if (r > 0)
                return 1;
        if (!value)
                return 0;

        *ret = strdup(value);
        return *ret ? 1 : error_set_errno(reterr, -ENOMEM, "%s: %m", name);
}
