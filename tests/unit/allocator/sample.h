#pragma once

/* Peers and metrics for the allocator's tests: peer "a" is a fixed, well-formed peer ID made from the
 * letter. */

#include <string.h>

#include "daemon/types/metric.h"

static inline PeerId sample_peer(char letter) {
        PeerId id = { .size = 34, .bytes = { 0x12, 0x20 } };

        memset(id.bytes + 2, letter, 32);
        return id;
}

static inline Metric sample_metric(
                const char *name, char peer, const char *value, int64_t weight, bool groups) {
        return (Metric){
                .name = (char *) name,
                .peer = sample_peer(peer),
                .value = (char *) value,
                .valid = true,
                .weight = weight,
                .partitionable = groups,
        };
}

/* The letters of LIST, as a text of at most 63. */
static inline char *sample_letters(const PeerIdList *list, char text[static 64]) {
        size_t n = MIN(list->n, (size_t) 63);

        for (size_t i = 0; i < n; i++)
                text[i] = (char) list->items[i].bytes[2];
        text[n] = 0;
        return text;
}

static inline PeerIdList sample_list(const char *letters, PeerId items[static 64]) {
        PeerIdList list = { .items = items, .n = strlen(letters), .is_set = true };

        for (size_t i = 0; i < list.n; i++)
                items[i] = sample_peer(letters[i]);
        return list;
}
