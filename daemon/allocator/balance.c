/*
 * The balanced order: a tree of partitions, a level for each metric of allocate_by, from which
 * peers are taken round robin at every level.
 *
 * Peers are indexes into an array; a partition is a run of that array (its peers, adjacent after sorting),
 * so the tree is built by sorting alone.
 */

#include <string.h>

#include "daemon/allocator/allocator.h"
#include "daemon/base/hash.h"
#include "daemon/base/macro.h"

typedef struct BalancePartition {
        size_t first, n; /* its run of the peers */
        const char *value;
        int64_t weight;
        int64_t aggregated;         /* of what is below */
        struct BalanceLevel *below; /* NULL: at the last metric */
        size_t n_taken;
} BalancePartition;

typedef struct BalanceLevel {
        BalancePartition *partitions;
        size_t n, next;
} BalanceLevel;

typedef struct Balance {
        const StrList *by;
        const PeerId **peers;   /* n_peers */
        const Metric **metrics; /* of peer i and metric k at [i * by->n + k] */
        size_t *order;          /* indexes of peers */
        size_t n_peers;
} Balance;

static BalanceLevel *level_free(BalanceLevel *level) {
        if (!level)
                return NULL;
        for (size_t i = 0; i < level->n; i++)
                level_free(level->partitions[i].below);
        free(level->partitions);
        free(level);
        return NULL;
}

static void balance_done(Balance *balance) {
        free(balance->peers);
        free(balance->metrics);
        free(balance->order);
}

/* ---- the peers that have every metric ---- */

static const Metric *balance_find(const Metric *metrics, size_t n, const char *name, const PeerId *peer) {
        for (size_t i = 0; i < n; i++)
                if (str_equal(metrics[i].name, name) && peer_id_equal(&metrics[i].peer, peer))
                        return &metrics[i];
        return NULL;
}

static bool balance_add_peer(Balance *balance, const Metric *metrics, size_t n, const PeerId *peer) {
        const Metric **row = balance->metrics + balance->n_peers * balance->by->n;

        for (size_t k = 0; k < balance->by->n; k++) {
                row[k] = balance_find(metrics, n, balance->by->items[k], peer);
                if (!row[k])
                        return false;
        }
        balance->peers[balance->n_peers] = peer;
        balance->n_peers++;
        return true;
}

typedef struct TieKey {
        uint64_t hash;
        size_t index;
} TieKey;

static int tie_compare(const void *a, const void *b) {
        const TieKey *x = a, *y = b;

        return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Peers that nothing tells apart come in an order that SEED makes. */
static int balance_shuffle(Balance *balance, uint64_t seed) {
        _cleanup_free_ TieKey *keys = NULL;
        uint8_t key[16] = {};

        memcpy(key, &seed, sizeof(seed));
        keys = calloc(balance->n_peers + 1, sizeof(TieKey));
        if (!keys)
                return -ENOMEM;
        for (size_t i = 0; i < balance->n_peers; i++)
                keys[i] = (TieKey){ hash_siphash(key, balance->peers[i]->bytes, balance->peers[i]->size),
                                    i };
        qsort(keys, balance->n_peers, sizeof(TieKey), tie_compare);
        for (size_t i = 0; i < balance->n_peers; i++)
                balance->order[i] = keys[i].index;
        return 0;
}

static int balance_init(
                Balance *balance, const StrList *by, const Metric *metrics, size_t n, uint64_t seed) {
        *balance = (Balance){
                .by = by,
                .peers = calloc(n + 1, sizeof(PeerId *)),
                .metrics = calloc((n + 1) * by->n, sizeof(Metric *)),
                .order = calloc(n + 1, sizeof(size_t)),
        };
        if (!balance->peers || !balance->metrics || !balance->order)
                return -ENOMEM;

        /* A peer counts once: by its metric of the first name. */
        for (size_t i = 0; i < n; i++)
                if (by->n > 0 && str_equal(metrics[i].name, by->items[0]) &&
                    balance_find(metrics, i, by->items[0], &metrics[i].peer) == NULL)
                        (void) balance_add_peer(balance, metrics, n, &metrics[i].peer);

        return balance_shuffle(balance, seed);
}

/* ---- the tree ---- */

static const Metric *balance_metric(const Balance *balance, size_t peer, size_t k) {
        return balance->metrics[peer * balance->by->n + k];
}

/* Bring the peers of the run that share VALUE (of metric K) to its front; answers how many. */
static size_t balance_gather(const Balance *balance, size_t *run, size_t n, size_t k, const char *value) {
        size_t found = 0;

        for (size_t i = 0; i < n; i++) {
                size_t peer = run[i];

                if (!str_equal(balance_metric(balance, peer, k)->value, value))
                        continue;
                memmove(run + found + 1, run + found, (i - found) * sizeof(size_t));
                run[found++] = peer;
        }
        return found;
}

static int partition_compare(const void *a, const void *b) {
        const BalancePartition *x = a, *y = b;

        if (x->weight != y->weight)
                return x->weight > y->weight ? -1 : 1;
        if (x->aggregated != y->aggregated)
                return x->aggregated > y->aggregated ? -1 : 1;
        return strcmp(x->value, y->value);
}

static int64_t add_saturated(int64_t a, int64_t b) {
        int64_t sum;

        if (__builtin_add_overflow(a, b, &sum))
                return a < 0 ? INT64_MIN : INT64_MAX;
        return sum;
}

/* The partition at the front of the run: all peers of one value, or one peer when the metric does not group.
 */
static BalancePartition balance_cut(const Balance *balance, size_t first, size_t n, size_t k) {
        const Metric *metric = balance_metric(balance, balance->order[first], k);
        BalancePartition p = { .first = first, .n = 1, .value = metric->value ? metric->value : "" };

        if (metric->partitionable)
                p.n = balance_gather(balance, balance->order + first, n, k, metric->value);
        for (size_t i = 0; i < p.n; i++)
                p.weight = add_saturated(
                                p.weight, balance_metric(balance, balance->order[first + i], k)->weight);
        return p;
}

static int balance_build(const Balance *balance, size_t first, size_t n, size_t k, BalanceLevel **ret);

static int balance_build_below(const Balance *balance, BalancePartition *p, size_t k) {
        int r;

        if (k + 1 >= balance->by->n)
                return 0;
        r = balance_build(balance, p->first, p->n, k + 1, &p->below);
        if (r < 0)
                return r;
        for (size_t i = 0; i < p->below->n; i++) {
                p->aggregated = add_saturated(p->aggregated, p->below->partitions[i].weight);
                p->aggregated = add_saturated(p->aggregated, p->below->partitions[i].aggregated);
        }
        return 0;
}

/* The depth is the number of metrics in allocate_by, a handful. */
static int balance_build(const Balance *balance, size_t first, size_t n, size_t k, BalanceLevel **ret) {
        BalanceLevel *level;
        int r = 0;

        level = calloc(1, sizeof(BalanceLevel));
        if (!level)
                return -ENOMEM;
        level->partitions = calloc(n + 1, sizeof(BalancePartition));
        if (!level->partitions)
                r = -ENOMEM;

        while (n > 0 && r >= 0) {
                BalancePartition *p = &level->partitions[level->n++];

                *p = balance_cut(balance, first, n, k);
                first += p->n;
                n -= p->n;
                r = balance_build_below(balance, p, k);
        }
        if (r < 0) {
                level_free(level);
                return r;
        }

        qsort(level->partitions, level->n, sizeof(BalancePartition), partition_compare);
        *ret = level;
        return 0;
}

/* ---- taking peers ---- */

static const PeerId *balance_take(const Balance *balance, BalanceLevel *level);

static const PeerId *partition_take(const Balance *balance, BalancePartition *p) {
        if (p->below)
                return balance_take(balance, p->below);
        if (p->n_taken == p->n)
                return NULL;
        return balance->peers[balance->order[p->first + p->n_taken++]];
}

static const PeerId *balance_take(const Balance *balance, BalanceLevel *level) {
        for (size_t tried = 0; tried < level->n; tried++) {
                BalancePartition *p = &level->partitions[level->next];
                const PeerId *peer;

                level->next = (level->next + 1) % level->n;
                peer = partition_take(balance, p);
                if (peer)
                        return peer;
        }
        return NULL;
}

int allocator_balance(
                const StrList *allocate_by,
                const Metric *metrics,
                size_t n_metrics,
                uint64_t seed,
                PeerIdList *ret) {
        Balance balance;
        BalanceLevel *root = NULL;
        PeerIdList list = { .is_set = true };
        const PeerId *peer;
        int r;

        r = balance_init(&balance, allocate_by, metrics, n_metrics, seed);
        if (r >= 0)
                r = balance_build(&balance, 0, balance.n_peers, 0, &root);
        while (r >= 0 && (peer = balance_take(&balance, root)))
                r = peer_id_list_append(&list, peer);

        level_free(root);
        balance_done(&balance);
        if (r < 0) {
                peer_id_list_done(&list);
                return r;
        }
        *ret = list;
        return 0;
}
