#pragma once

/* A peer that answers "join" as a test says, with links on 127.0.0.1. */

#include <glib.h>

#include "daemon/join/body.h"
#include "daemon/rpc/rpc.h"

#define SCRIPTED_PATIENCE_USEC (20 * G_USEC_PER_SEC)
#define SCRIPTED_SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SCRIPTED_OTHER_SECRET "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

typedef struct Scripted {
        sd_event *event;
        Rpc *rpc;
        char *address, *full_address; /* the latter with /p2p/ */
        const char *secret;

        /* the answers: the first SILENT questions are not answered, the next BUSY ones get ERROR_BUSY */
        unsigned silent, busy;
        ErrorCode code;     /* then this error, with words */
        bool proves_wrong;  /* or an answer without a proof */
        bool answers_wrong; /* or something that is no answer */
        RpcRequest *kept;

        unsigned n_asked, n_proved;
        JoinBody asked; /* the last */
} Scripted;

void scripted_open(Scripted *scripted, sd_event *event, unsigned seed); /* the rest of it stays as it is */
void scripted_close(Scripted *scripted);
void scripted_refuse(Scripted *scripted, ErrorCode code); /* the question that was kept */

#define SCRIPTED_UNTIL(event_, condition)                                                                   \
        do {                                                                                                \
                gint64 _deadline = g_get_monotonic_time() + SCRIPTED_PATIENCE_USEC;                         \
                                                                                                            \
                while (!(condition)) {                                                                      \
                        g_assert_cmpint(g_get_monotonic_time(), <, _deadline);                              \
                        g_assert_cmpint(sd_event_run((event_), 10 * USEC_PER_MSEC), >=, 0);                 \
                }                                                                                           \
        } while (0)
