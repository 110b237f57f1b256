#include "daemon/rpc/refusal.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/macro.h"

/* The row of SOURCE; else a new one; else one that is over; else none. */
static size_t find_row(const RpcRefusals *refusals, const char *source, uint64_t now_usec) {
        size_t over = RPC_REFUSALS_MAX;

        for (size_t i = 0; i < refusals->n; i++) {
                if (strcmp(refusals->rows[i].source, source) == 0)
                        return i;
                if (refusals->rows[i].until_usec <= now_usec)
                        over = i;
        }
        return refusals->n < RPC_REFUSALS_MAX ? refusals->n : over;
}

bool rpc_refusal_count(RpcRefusals *refusals, const char *source, uint64_t now_usec, uint64_t *ret_silent) {
        size_t i = find_row(refusals, source, now_usec);
        bool is_new;

        *ret_silent = 0;
        if (i == RPC_REFUSALS_MAX)
                return false;

        is_new = i == refusals->n || strcmp(refusals->rows[i].source, source) != 0;
        if (!is_new && now_usec < refusals->rows[i].until_usec) {
                refusals->rows[i].n_silent++;
                return false;
        }

        if (is_new) {
                (void) snprintf(refusals->rows[i].source, sizeof(refusals->rows[i].source), "%s", source);
                refusals->rows[i].n_silent = 0;
                refusals->n = MAX(refusals->n, i + 1);
        }
        *ret_silent = refusals->rows[i].n_silent;
        refusals->rows[i].n_silent = 0;
        refusals->rows[i].until_usec = now_usec + RPC_REFUSAL_PERIOD;
        return true;
}
