#include <fcntl.h>
#include <string.h>

#include "ctl/graph.h"
#include "ctl/verb.h"
#include "daemon/base/file.h"

#define GRAPH_FILE_MODE 0644

/* ---- graph */

static int graph_save(Ctl *ctl, const Str *text) {
        const char *path = ctl->options.file;
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, GRAPH_FILE_MODE);
        int r;

        if (fd < 0)
                return ctl_verb_fail(ctl, "creating output file", "open %s: %s", path, strerror(errno));
        r = file_write_all(fd, text->data, text->len);
        if (r < 0)
                return ctl_verb_fail(ctl, "writing output file", "write %s: %s", path, strerror(-r));
        return 0;
}

static int run_graph(Ctl *ctl, _unused_ const CtlArguments *args) {
        _cleanup_(connect_graph_done) ConnectGraph graph = {};
        _cleanup_(str_done) Str text = {};
        int r;

        r = ctl_verb_fetch(ctl, &(CtlRequest){ .call = CTL_CALL_GRAPH }, &graph);
        if (r != 0)
                return r;
        if (ctl_graph_write(&graph, ctl->options.all_ipfs_peers, &text) < 0)
                return ctl_verb_fail(ctl, "generating graph", "out of memory");
        if (!str_is_empty(ctl->options.file))
                return graph_save(ctl, &text);
        fputs(text.data, ctl->out);
        return 0;
}

static const CtlFlag graph_flags[] = {
        { { "file", "f" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, file),
          "sets an output dot-file for the connectivity graph",
          .offer = CTL_OFFER_FILES },
        { { "all-ipfs-peers" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, all_ipfs_peers),
          "causes the graph to mark nodes for ipfs peers not directly in the cluster" },
        {},
};

static const CtlVerb verb_graph = {
        .name = "graph",
        .usage = "create a graph displaying connectivity of cluster peers",
        .description = "\n"
                       "This command queries all connected cluster peers and their ipfs peers to generate a\n"
                       "graph of the connections.  Output is a dot file encoding the cluster's connection state.\n",
        .flags = graph_flags,
        .run = run_graph,
};

/* ---- metrics, alerts, bandwidth */

static int run_metrics(Ctl *ctl, const CtlArguments *args) {
        const char *name = ctl_argument(args, 0);

        return ctl_verb_show(
                        ctl,
                        &(CtlRequest){
                                        .call = *name ? CTL_CALL_METRICS : CTL_CALL_METRIC_NAMES,
                                        .subject = name,
                        });
}

static const CtlVerb verb_metrics = {
        .name = "metrics",
        .usage = "List latest metrics logged by this peer",
        .arguments = "<metric name>",
        .offer = CTL_OFFER_METRICS,
        .description = "\n"
                       "This commands displays the latest valid metrics of the given type logged\n"
                       "by this peer for all current cluster peers.\n"
                       "\n"
                       "If no argument is provided, the command retrieves all currently existing metric types.\n"
                       "\n"
                       "Currently supported metrics depend on the informer component used,\n"
                       "but usually are:\n"
                       "\n"
                       "- freespace\n"
                       "- ping\n",
        .run = run_metrics,
};

static int run_alerts(Ctl *ctl, _unused_ const CtlArguments *args) {
        return ctl_verb_show(ctl, &(CtlRequest){ .call = CTL_CALL_ALERTS });
}

static const CtlVerb verb_alerts = {
        .name = "alerts",
        .usage = "List the latest expired metric alerts",
        .description = "\n"
                       "This command provides a list of \"alerts\" that the cluster has seen.\n"
                       "\n"
                       "An alert is triggered when one of the metrics seen for a peer expires, and no\n"
                       "new metrics have been received.\n"
                       "\n"
                       "Different alerts may be handled in different ways. i.e. ping alerts may\n"
                       "trigger automatic repinnings if configured.\n",
        .run = run_alerts,
};

static int run_bandwidth(Ctl *ctl, _unused_ const CtlArguments *args) {
        return ctl_verb_show(ctl, &(CtlRequest){ .call = CTL_CALL_BANDWIDTH });
}

static const CtlVerb verb_bandwidth = {
        .name = "bandwidth",
        .usage = "Lists bandwidth stats for libp2p protocols",
        .description = "\n"
                       "This command lists information about bytes sent, received and current bandwidth\n"
                       "rates for each libp2p protocol that the peer uses.\n",
        .run = run_bandwidth,
};

const CtlVerb ctl_verb_health = {
        .name = "health",
        .usage = "Cluster monitoring information",
        .verbs = (const CtlVerb *const[]){ &verb_graph, &verb_metrics, &verb_alerts, &verb_bandwidth, NULL },
};
