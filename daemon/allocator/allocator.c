#include "daemon/allocator/allocator.h"

#include <inttypes.h>

#include "daemon/base/macro.h"

/* The peers that can be had, in balanced order, by class. */
typedef struct Classes {
        PeerIdList current;
        PeerIdList rest; /* priority peers, then candidates */
} Classes;

static void classes_done(Classes *classes) {
        peer_id_list_done(&classes->current);
        peer_id_list_done(&classes->rest);
}

static bool list_has(const PeerIdList *list, const PeerId *peer) {
        return list && peer_id_list_contains(list, peer);
}

/* Is PEER of the class that WANTED names (1 current, 2 priority, 3 candidate)? */
static unsigned peer_class(const AllocatorInput *input, const PeerId *peer) {
        if (list_has(input->blacklist, peer))
                return 0;
        if (list_has(input->current, peer))
                return 1;
        return list_has(input->priority, peer) ? 2 : 3;
}

/* The metrics of one class, as a copy of the structs: what they point to is borrowed. */
static int class_metrics(const AllocatorInput *input, unsigned class, Metric **ret, size_t *ret_n) {
        Metric *metrics;
        size_t n = 0;

        metrics = calloc(input->n_metrics + 1, sizeof(Metric));
        if (!metrics)
                return -ENOMEM;
        for (size_t i = 0; i < input->n_metrics; i++)
                if (peer_class(input, &input->metrics[i].peer) == class)
                        metrics[n++] = input->metrics[i];
        *ret = metrics;
        *ret_n = n;
        return 0;
}

static int class_append(const AllocatorInput *input, unsigned class, PeerIdList *to) {
        _cleanup_free_ Metric *metrics = NULL;
        PeerIdList ordered = {};
        size_t n;
        int r;

        r = class_metrics(input, class, &metrics, &n);
        if (r < 0)
                return r;
        r = allocator_balance(input->allocate_by, metrics, n, input->seed, &ordered);
        for (size_t i = 0; i < ordered.n && r >= 0; i++)
                r = peer_id_list_append(to, &ordered.items[i]);
        peer_id_list_done(&ordered);
        return r;
}

static int classify(const AllocatorInput *input, Classes *ret) {
        int r;

        r = class_append(input, 1, &ret->current);
        if (r >= 0)
                r = class_append(input, 2, &ret->rest);
        if (r >= 0)
                r = class_append(input, 3, &ret->rest);
        return r;
}

static int take(const PeerIdList *from, int64_t n, PeerIdList *to) {
        int r = 0;

        for (size_t i = 0; i < from->n && (int64_t) i < n && r >= 0; i++)
                r = peer_id_list_append(to, &from->items[i]);
        return r;
}

/* What is there already, as it is: also peers that are down. */
static int keep(const AllocatorInput *input, PeerIdList *ret) {
        static const PeerIdList none;

        return peer_id_list_copy(ret, input->current ? input->current : &none);
}

static int choose(const AllocatorInput *input, const Classes *classes, PeerIdList *ret, Error *reterr) {
        int64_t n_current = (int64_t) classes->current.n, n_rest = (int64_t) classes->rest.n;
        int64_t needed = input->min - n_current, wanted = input->max - n_current;
        int r;

        if (wanted < 0)
                return take(&classes->current, input->max, ret);
        if (needed <= 0)
                return keep(input, ret);
        if (n_rest < needed)
                return error_set(
                                reterr,
                                ERROR_NOT_ENOUGH_PEERS,
                                "not enough peers to allocate CID. Needed at least: %" PRId64
                                ". Wanted at most: %" PRId64 ". Available candidates: %" PRId64
                                ". See logs for more info.",
                                needed,
                                wanted,
                                n_rest);

        r = take(&classes->current, n_current, ret);
        return r < 0 ? r : take(&classes->rest, wanted, ret);
}

int allocator_allocate(const AllocatorInput *input, PeerIdList *ret, Error *reterr) {
        Classes classes = {};
        PeerIdList list = { .is_set = true };
        int r;

        if (input->min + input->max == 0)
                return error_set(reterr, ERROR_REFUSED, "bad replication factors");
        if (input->min < 0 && input->max < 0) {
                *ret = list;
                return 0;
        }

        r = classify(input, &classes);
        if (r >= 0)
                r = choose(input, &classes, &list, reterr);
        classes_done(&classes);
        if (r < 0) {
                peer_id_list_done(&list);
                return r == -ENOMEM ? error_set_errno(reterr, r, "allocation: %m") : r;
        }

        list.is_set = true;
        *ret = list;
        return 0;
}
