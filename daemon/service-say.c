#include "daemon/service-say.h"

#include <stdio.h>
#include <sysexits.h>

#include "daemon/base/log.h"
#include "daemon/notify.h"
#include "daemon/offline/say.h"

static void service_tell_error(const char *doing, const char *words) {
        char state[LOG_FIELD_MAX];

        (void) snprintf(state, sizeof(state), "STATUS=error %s: %s", doing, words);
        (void) notify_try(state);
}

int service_say_failure(const char *doing, Error *error, int status, const char *id) {
        char words[LOG_FIELD_MAX];

        service_tell_error(doing, error_message(error));
        if (!log_is_to_journal())
                return offline_say_error(doing, error, status);

        if (error->code == ERROR_IO)
                status = EX_IOERR;
        log_struct(LOG_ERR,
                   LOG_FIELDS(log_field(words, "CLUSTER_ERROR", error_message(error)), id),
                   "error %s: %s",
                   doing,
                   error_message(error));
        error_done(error);
        return status;
}

int service_say_errno(const char *doing, int r, const char *what) {
        Error error = {};

        (void) error_set_errno(&error, r, "%s: %m", what);
        return service_say_failure(doing, &error, EXIT_FAILURE, NULL);
}

int service_say_refusal(const char *words) {
        service_tell_error("", words);
        offline_say("error : %s\n", words);
        return EXIT_FAILURE;
}
