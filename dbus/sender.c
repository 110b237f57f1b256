/* Who calls, and how much of everything is under way for it. */

#include <string.h>

#include "dbus/internal.h"

/* The bus itself lets a sender have 128 calls without an answer. Lists hold scans of the pinset, of which
 * the cluster has few, and the REST API wants some of them. */
static const struct {
        size_t of_sender, of_all;
        const char *words;
} kinds[_BUS_KIND_N] = {
        [BUS_KIND_CALL] = { 64, 2048, "calls under way" },
        [BUS_KIND_PIPE] = { 4, 16, "pipes open" },
        [BUS_KIND_CURSOR] = { 4, 16, "lists that are being paged" },
};

static int sender_new(Bus *bus, const char *name, BusSender **ret) {
        BusSender *sender;
        int r;

        sender = calloc(1, sizeof(BusSender));
        if (!sender)
                return -ENOMEM;
        sender->bus = bus;
        r = str_copy(&sender->name, name);
        if (r >= 0)
                r = map_set(bus->senders, name, strlen(name), sender, NULL);
        if (r < 0) {
                free(sender->name);
                free(sender);
                return r;
        }
        *ret = sender;
        return 0;
}

static void sender_drop_if_idle(BusSender *sender) {
        for (BusKind kind = 0; kind < _BUS_KIND_N; kind++)
                if (sender->n[kind] > 0)
                        return;
        (void) map_remove(sender->bus->senders, sender->name, strlen(sender->name));
        free(sender->name);
        free(sender);
}

int bus_sender_take(Bus *bus, const char *name, BusKind kind, BusSender **ret, Error *reterr) {
        BusSender *sender;
        int r;

        if (bus->n[kind] >= kinds[kind].of_all)
                return error_set(
                                reterr,
                                ERROR_BUSY,
                                "there are %zu %s already, try again later",
                                bus->n[kind],
                                kinds[kind].words);

        sender = map_get(bus->senders, name, strlen(name));
        if (sender && sender->n[kind] >= kinds[kind].of_sender)
                return error_set(
                                reterr,
                                ERROR_BUSY,
                                "there are %zu %s for you already, at most %zu are allowed",
                                sender->n[kind],
                                kinds[kind].words,
                                kinds[kind].of_sender);
        if (!sender) {
                r = sender_new(bus, name, &sender);
                if (r < 0)
                        return error_set_errno(reterr, r, "%m");
        }

        sender->n[kind]++;
        bus->n[kind]++;
        *ret = sender;
        return 0;
}

void bus_sender_give_back(BusSender *sender, BusKind kind) {
        sender->n[kind]--;
        sender->bus->n[kind]--;
        sender_drop_if_idle(sender);
}
