#pragma once

/* Which refusals are logged: one of each source a minute, and RPC_REFUSALS_MAX sources. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RPC_REFUSALS_MAX 64
#define RPC_REFUSAL_PERIOD (60 * USEC_PER_SEC)
#define RPC_SOURCE_MAX 96 /* of a source's text, with NUL */

typedef struct RpcRefusals {
        size_t n;
        struct {
                char source[RPC_SOURCE_MAX];
                uint64_t until_usec;
                uint64_t n_silent;
        } rows[RPC_REFUSALS_MAX];
} RpcRefusals;

/* Answers whether this one is to be logged; *RET_SILENT: how many of SOURCE were not since the last one. */
bool rpc_refusal_count(RpcRefusals *refusals, const char *source, uint64_t now_usec, uint64_t *ret_silent);
