#include "ctl/verb.h"
#include "daemon/types/pin-status.h"

static const CtlFlag local_flags[] = {
        { { "local" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, local),
          "run operation only on the contacted peer" },
        {},
};

/* ---- status */

static const CtlFlag status_flags[] = {
        { { "local" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, local),
          "run operation only on the contacted peer" },
        { { "filter" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, filter),
          "comma-separated list of filters",
          .offer = CTL_OFFER_LIST,
          .words = "cluster_error error pin_error pin_queued pinned pinning queued remote sharded "
                   "unexpectedly_unpinned unpin_error unpin_queued unpinned unpinning" },
        {},
};

static int status_all(Ctl *ctl) {
        const char *filter = ctl->options.filter;

        if (!str_is_empty(filter) && pin_status_filter(filter) == 0)
                return ctl_verb_fail(ctl, "parsing filter flag", "invalid filter name");
        return ctl_verb_show(
                        ctl,
                        &(CtlRequest){
                                        .call = CTL_CALL_STATUS_LIST,
                                        .local = ctl->options.local,
                                        .filter = filter,
                        });
}

static int run_status(Ctl *ctl, const CtlArguments *args) {
        _cleanup_(str_done) Str cids = {};

        if (args->n == 0)
                return status_all(ctl);
        for (size_t i = 0; i < args->n; i++) {
                char cid[CID_TEXT_MAX];
                int r = ctl_verb_read_cid(ctl, "parsing cid", args->items[i], cid);

                if (r != 0)
                        return r;
                (void) str_append(&cids, i ? "," : "");
                (void) str_append(&cids, cid);
        }
        if (str_error(&cids) < 0)
                return ctl_verb_fail(ctl, "parsing cid", "out of memory");
        return ctl_verb_show(
                        ctl,
                        &(CtlRequest){
                                        .call = args->n == 1 ? CTL_CALL_STATUS : CTL_CALL_STATUS_LIST,
                                        .subject = cids.data,
                                        .local = ctl->options.local,
                        });
}

const CtlVerb ctl_verb_status = {
        .name = "status",
        .usage = "Retrieve the status of tracked items",
        .arguments = "[CID1] [CID2]...",
        .offer = CTL_OFFER_CIDS,
        .description = "\n"
                       "This command retrieves the status of the CIDs tracked by IPFS\n"
                       "Cluster, including which member is pinning them and any errors.\n"
                       "If one of several CIDs are provided, the status will be only fetched \n"
                       "for a single item.  Metadata CIDs are included in the status response.\n"
                       "\n"
                       "When the --local flag is passed, it will only fetch the status from the\n"
                       "contacted cluster peer. By default, status will be fetched from all peers.\n"
                       "\n"
                       "When the --filter flag is passed, it will only fetch the peer information\n"
                       "where status of the pin matches at least one of the filter values (a comma\n"
                       "separated list). The following are valid status values:\n"
                       "\n"
                       "  - cluster_error\n"
                       "  - error\n"
                       "  - pin_error\n"
                       "  - pin_queued\n"
                       "  - pinned\n"
                       "  - pinning\n"
                       "  - queued\n"
                       "  - remote\n"
                       "  - sharded\n"
                       "  - unexpectedly_unpinned\n"
                       "  - unpin_error\n"
                       "  - unpin_queued\n"
                       "  - unpinned\n"
                       "  - unpinning",
        .flags = status_flags,
        .run = run_status,
};

/* ---- sync and recover: one CID, or all of them */

static int run_one_or_all(Ctl *ctl, const CtlArguments *args, CtlCall one, CtlCall all) {
        CtlRequest request = { .call = all, .local = ctl->options.local };
        char cid[CID_TEXT_MAX];
        int r;

        if (args->n > 0) {
                r = ctl_verb_read_cid(ctl, "parsing cid", args->items[0], cid);
                if (r != 0)
                        return r;
                request.call = one;
                request.subject = cid;
        }
        return ctl_verb_show(ctl, &request);
}

static int run_sync(Ctl *ctl, const CtlArguments *args) {
        return run_one_or_all(ctl, args, CTL_CALL_SYNC, CTL_CALL_SYNC_ALL);
}

const CtlVerb ctl_verb_sync = {
        .name = "sync",
        .usage = "Sync status of tracked items",
        .arguments = "[CID]",
        .offer = CTL_OFFER_CIDS,
        .description = "\n"
                       "This command asks Cluster peers to check what they know of the tracked CIDs,\n"
                       "or of the given one, against their IPFS daemons. It lists the items whose\n"
                       "status changed, and those in error state.\n",
        .run = run_sync,
};

static int run_recover(Ctl *ctl, const CtlArguments *args) {
        return run_one_or_all(ctl, args, CTL_CALL_RECOVER, CTL_CALL_RECOVER_ALL);
}

const CtlVerb ctl_verb_recover = {
        .name = "recover",
        .usage = "Recover tracked items in error state",
        .arguments = "[CID]",
        .offer = CTL_OFFER_CIDS,
        .description = "\n"
                       "This command asks Cluster peers to re-track or re-forget CIDs in\n"
                       "error state, usually because the IPFS pin or unpin operation has failed.\n"
                       "\n"
                       "The command will wait for any operations to succeed and will return the status\n"
                       "of the item upon completion. Note that, when running on the full sets of tracked\n"
                       "CIDs (without argument), it may take a considerably long time.\n"
                       "\n"
                       "When the --local flag is passed, it will only trigger recover\n"
                       "operations on the contacted peer (as opposed to on every peer).\n",
        .flags = local_flags,
        .run = run_recover,
};
