#pragma once

/* A consensus of one peer in a folder, driven by its own loop. */

#include <systemd/sd-event.h>

#include "daemon/consensus/consensus.h"
#include "tests/unit/consensus/help.h"

typedef struct Node {
        sd_event *event;
        Consensus *consensus;
        ConsensusOptions options;
        ConsensusEvents events;
        bool ready, failed;
        int failed_status;
        PeerId leader;
        uint64_t n_applied, last_applied; /* operations told of */
        uint64_t n_done, n_refused, n_busy;
        int snapshot_result; /* 1: not yet */
} Node;

void node_init(Node *node, const HelpFolder *folder);
int node_open(Node *node, char **ret_words); /* words on failure */
void node_start(Node *node);                 /* opens, and waits until it is ready */
void node_close(Node *node);                 /* in order */
void node_crash(Node *node);                 /* what is written stays, nothing else is done */
void node_done(Node *node);

void node_turn(Node *node); /* one turn of the loop */
/* Turns of the loop until CONDITION; a failure of the node ends the waiting too. */
#define NODE_WAIT(node, condition)                                                                          \
        while (!(condition) && !(node)->failed)                                                             \
        node_turn(node)

/* The bytes of pin number N, and its CID. */
void node_pin_cid(uint64_t n, Cid *ret);
void node_pin_bytes(uint64_t n, Str *to);
/* Submit pins FIRST … FIRST + N - 1 as one entry; N_DONE counts the entry when it is applied. */
int node_pin(Node *node, uint64_t first, size_t n);
int node_unpin(Node *node, uint64_t n);
void node_pin_wait(Node *node, uint64_t first, size_t n); /* one entry a pin, and all of them done */
void node_snapshot_wait(Node *node);
bool node_has(Node *node, uint64_t n);
uint64_t node_count(Node *node);
void node_digest(Node *node, uint8_t digest[static STATE_DIGEST_SIZE]);
void node_check_pins(Node *node, uint64_t first, uint64_t last); /* exactly these are there */
ConsensusStatus node_status(Node *node);
