#pragma once

/* A peer that does only what it is told to: TLS by tests/lib/forge.h, HTTP/2 by net/h2.h, no Rpc. */

#include "tests/lib/forge.h"
#include "tests/unit/rpc/nodes.h"

typedef struct Puppet {
        sd_event *event;
        Forge forge;
        ForgeSession tls;
        H2 *h2;
        bool is_connected; /* the handshake is done */
        bool is_closed;    /* by the other side */
        bool is_deaf;      /* reads nothing */
        unsigned n_settings, n_heads, n_ends, n_closed, n_pongs;
        unsigned n_oks, n_errors; /* answers with status 200, others */
        char code[H2_CODE_MAX];   /* of the last one */
        GString *data;
} Puppet;

void puppet_connect(
                Puppet *puppet, sd_event *event, unsigned port, const ForgeOptions *options, ForgeFlaw flaw);
void puppet_open(Puppet *puppet, sd_event *event, unsigned port); /* and wait for the SETTINGS */
void puppet_close(Puppet *puppet);
void puppet_turn(Puppet *puppet); /* it, then the loop */
void puppet_until(Puppet *puppet, const unsigned *counter, unsigned n);
void puppet_until_closed(Puppet *puppet);
H2Stream *puppet_ask(Puppet *puppet, const char *path, const char *body); /* NULL: not ended */
void puppet_send(Puppet *puppet, const void *bytes, size_t n);            /* as they are */
