#pragma once

/* What a peer of a test needs to be reached: an identity and a socket on 127.0.0.1. */

/* The private key number SEED, always the same, as identity.json has it; glib's. */
char *loopback_key(unsigned seed);
/* A listening socket. *PORT 0: at any, which it becomes. */
int loopback_listen(unsigned *port);
