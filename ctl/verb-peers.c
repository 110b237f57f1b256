#include <string.h>

#include "ctl/verb.h"

static int run_id(Ctl *ctl, _unused_ const CtlArguments *args) {
        return ctl_verb_show(ctl, &(CtlRequest){ .call = CTL_CALL_ID });
}

const CtlVerb ctl_verb_id = {
        .name = "id",
        .usage = "Retrieve peer information",
        .description = "\n"
                       "This command displays information about the peer that the tool is contacting\n"
                       "(usually running in localhost).\n",
        .run = run_id,
};

static int run_version(Ctl *ctl, _unused_ const CtlArguments *args) {
        return ctl_verb_show(ctl, &(CtlRequest){ .call = CTL_CALL_VERSION });
}

const CtlVerb ctl_verb_version = {
        .name = "version",
        .usage = "Retrieve cluster version",
        .arguments = " ",
        .description = "\n"
                       "This command retrieves the IPFS Cluster version and can be used\n"
                       "to check that it matches the CLI version (shown by -v).\n",
        .run = run_version,
};

/* ---- peers */

static int run_peers_ls(Ctl *ctl, _unused_ const CtlArguments *args) {
        return ctl_verb_show(ctl, &(CtlRequest){ .call = CTL_CALL_PEERS });
}

static const CtlVerb verb_peers_ls = {
        .name = "ls",
        .usage = "list the nodes participating in the IPFS Cluster",
        .arguments = " ",
        .description = "\n"
                       "This command provides a list of the ID information of all the peers in the Cluster.\n",
        .run = run_peers_ls,
};

static int run_peers_add(Ctl *ctl, const CtlArguments *args) {
        _cleanup_free_ char *address = NULL;
        const char *why = NULL;
        PeerId id;

        if (args->n == 0)
                return ctl_verb_fail(ctl, "parsing multiaddress", "a multiaddress argument is needed");
        if (multiaddr_parse(args->items[0], &address, &why) < 0)
                return ctl_verb_fail(
                                ctl,
                                "parsing multiaddress",
                                "failed to parse multiaddr \"%s\": %s",
                                args->items[0],
                                why ? why : "out of memory");
        if (multiaddr_peer_id(address, &id) <= 0)
                return ctl_verb_fail(
                                ctl,
                                "parsing multiaddress",
                                "\"%s\" does not end with /p2p/<peer ID>",
                                args->items[0]);
        return ctl_verb_show(ctl, &(CtlRequest){ .call = CTL_CALL_PEER_ADD, .subject = address });
}

static const CtlVerb verb_peers_add = {
        .name = "add",
        .usage = "add a peer to the Cluster",
        .arguments = "<multiaddress>",
        .description = "\n"
                       "This command adds a running peer to the cluster. The peer must be empty and\n"
                       "alone, and reachable from the contacted peer at the given address, which ends\n"
                       "with /p2p/<peer ID>.\n",
        .run = run_peers_add,
};

/* Texts that look like base58 are taken for multihashes, all else for CIDs. */
static int refuse_peer_id(Ctl *ctl, const char *text) {
        bool is_hash = strncmp(text, "Qm", strlen("Qm")) == 0 || text[0] == '1';
        const char *why = NULL;
        Cid cid;

        if (is_hash)
                why = "invalid multihash";
        else if (cid_parse(text, &cid, &why) >= 0)
                why = "not the CID of a key";
        return ctl_verb_fail(
                        ctl,
                        "parsing peer ID",
                        "failed to parse peer ID: %s%s",
                        is_hash ? "" : "invalid cid: ",
                        why);
}

static int run_peers_rm(Ctl *ctl, const CtlArguments *args) {
        const char *text = ctl_argument(args, 0);
        char canonical[PEER_ID_TEXT_MAX];
        PeerId id;

        if (peer_id_parse(text, &id) < 0)
                return refuse_peer_id(ctl, text);
        return ctl_verb_show(
                        ctl,
                        &(CtlRequest){
                                        .call = CTL_CALL_PEER_REMOVE,
                                        .subject = peer_id_format(&id, canonical),
                        });
}

static const CtlVerb verb_peers_rm = {
        .name = "rm",
        .usage = "remove a peer from the Cluster",
        .arguments = "<peer ID>",
        .offer = CTL_OFFER_PEERS,
        .description = "\n"
                       "This command removes a peer from the cluster. If the peer is online, it will\n"
                       "automatically shut down. All other cluster peers should be online for the\n"
                       "operation to succeed, otherwise some nodes may be left with an outdated list of\n"
                       "cluster peers.\n",
        .run = run_peers_rm,
};

const CtlVerb ctl_verb_peers = {
        .name = "peers",
        .usage = "List and manage IPFS Cluster peers",
        .verbs = (const CtlVerb *const[]){ &verb_peers_ls, &verb_peers_add, &verb_peers_rm, NULL },
};

/* ---- ipfs */

static int run_gc(Ctl *ctl, _unused_ const CtlArguments *args) {
        return ctl_verb_show(ctl, &(CtlRequest){ .call = CTL_CALL_GC, .local = ctl->options.local });
}

static const CtlFlag gc_flags[] = {
        { { "local" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, local),
          "run operation only on the contacted peer" },
        {},
};

static const CtlVerb verb_gc = {
        .name = "gc",
        .usage = "run garbage collection on IPFS repos of cluster peers",
        .description = "\n"
                       "This command will instruct current Cluster peers to run \"repo gc\" on their\n"
                       "respective IPFS daemons.\n"
                       "\n"
                       "When --local flag is passed, it will garbage collect only on the local IPFS\n"
                       "deamon, otherwise on all IPFS daemons.\n",
        .flags = gc_flags,
        .run = run_gc,
};

const CtlVerb ctl_verb_ipfs = {
        .name = "ipfs",
        .usage = "Manage IPFS daemon",
        .verbs = (const CtlVerb *const[]){ &verb_gc, NULL },
};
