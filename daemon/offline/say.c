#include "daemon/offline/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define SAY_TRIES 3

void offline_say(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vfprintf(stderr, format, ap);
        va_end(ap);
}

int offline_say_error(const char *doing, Error *error, int status) {
        if (error->code == ERROR_IO)
                status = EX_IOERR;
        offline_say("error %s: %s\n", doing, error_message(error));
        error_done(error);
        return status;
}

void offline_say_ask(const char *question, char line[static OFFLINE_SAY_LINE_MAX]) {
        size_t n;

        (void) fputs(question, stdout);
        (void) fflush(stdout);
        (void) setvbuf(stdin, NULL, _IONBF, 0); /* what follows the line is left for who reads on */
        if (!fgets(line, OFFLINE_SAY_LINE_MAX, stdin))
                line[0] = '\0';
        n = strcspn(line, "\r\n");
        line[n] = '\0';
}

bool offline_say_confirm(const char *question) {
        char line[OFFLINE_SAY_LINE_MAX], text[OFFLINE_SAY_LINE_MAX];

        (void) snprintf(text, sizeof(text), "%s Continue? [y/n]: ", question);
        for (int i = 0; i < SAY_TRIES; i++) {
                offline_say_ask(text, line);
                if (line[0] == 'y' || line[0] == 'Y')
                        return true;
                if (line[0] == '\0' || line[0] == 'n' || line[0] == 'N')
                        return false;
                (void) puts("Please press either 'y' or 'n'");
        }
        return false;
}
