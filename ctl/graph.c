#include "ctl/graph.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/map.h"

#define GRAPH_LABEL_HEAD 2
#define GRAPH_LABEL_TAIL 6
#define GRAPH_NAME_MAX 24

/* A node: its name in the graph ("C0"), by the ID it stands for. */
typedef struct Node {
        char name[GRAPH_NAME_MAX];
} Node;

typedef struct Graph {
        const ConnectGraph *from;
        Str *to;
        Map *peers; /* ID → Node */
        Map *ipfs;  /* the same; a missing daemon stands under the ID of its peer */
        StrMap ipfs_ids;
        bool all_ipfs;
} Graph;

static void nodes_free(Map *nodes) {
        MapIterator i = {};
        void *value;

        if (!nodes)
                return;
        while (map_next(nodes, &i, NULL, NULL, &value))
                free(value);
        map_free(nodes);
}

static void graph_done(Graph *graph) {
        nodes_free(graph->peers);
        nodes_free(graph->ipfs);
        str_map_done(&graph->ipfs_ids);
}

static const Node *node_find(const Map *nodes, const char *id) {
        return map_get(nodes, id, strlen(id));
}

/* Answers the new node, numbered by how many there are; NULL when memory is short. */
static const Node *node_add(Map *nodes, const char *id, char letter) {
        _cleanup_free_ Node *node = calloc(1, sizeof(*node));
        void *old = NULL;

        if (!node)
                return NULL;
        (void) snprintf(node->name, sizeof(node->name), "%c%zu", letter, map_size(nodes));
        if (map_set(nodes, id, strlen(id), node, &old) < 0)
                return NULL;
        free(old);
        return TAKE_PTR(node);
}

static const GraphLinks *link_at(const JsonArray *links, size_t i) {
        return (const GraphLinks *) links->items + i;
}

/* ---- text */

/* Labels are of the HTML kind. */
static void write_label_text(Str *to, const char *text) {
        for (; *text; text++) {
                if (*text == '<')
                        (void) str_append(to, "&lt;");
                else if (*text == '>')
                        (void) str_append(to, "&gt;");
                else if (*text == '&')
                        (void) str_append(to, "&amp;");
                else
                        (void) str_append_char(to, *text);
        }
}

static void write_shortened(Str *to, const char *id) {
        size_t n = strlen(id);

        if (n <= GRAPH_LABEL_HEAD + GRAPH_LABEL_TAIL)
                (void) str_append(to, id);
        else
                (void) str_appendf(to, "%.*s*%s", GRAPH_LABEL_HEAD, id, id + n - GRAPH_LABEL_TAIL);
}

typedef struct Look {
        const char *color;
        const char *shape;
        const char *more;
} Look;

/* SECOND is shown as it is, NULL: the shortened ID. */
static void write_node(
                Str *to,
                const Node *node,
                const char *id,
                const char *first,
                const char *second,
                Look look) {
        (void) str_appendf(to, "%s [label=< <B> ", node->name);
        write_label_text(to, first);
        (void) str_append(to, " </B> <BR/> <B> ");
        if (second)
                (void) str_append(to, second);
        else
                write_shortened(to, id);
        (void) str_appendf(
                        to,
                        " </B> > group=\"%s\" color=\"%s\" style=\"filled\" colorscheme=\"x11\" "
                        "fontcolor=\"black\" fontname=\"Arial\" shape=\"%s\" %s]\n",
                        id,
                        look.color,
                        look.shape,
                        look.more);
}

static void write_edge(Str *to, const Node *from, const Node *target, bool dotted) {
        if (from && target)
                (void) str_appendf(
                                to,
                                "%s -> %s%s\n",
                                from->name,
                                target->name,
                                dotted ? " [ style=\"dotted\" ]" : "");
}

/* ---- nodes */

static int write_peer(Graph *graph, const char *id, const char *self) {
        bool is_self = strcmp(id, self) == 0;
        bool is_trusted = str_equal(str_map_get(&graph->from->cluster_trust_links, id), "true");
        const char *name = str_map_get(&graph->from->id_to_peername, id);
        const Node *node = node_add(graph->peers, id, is_trusted && !is_self ? 'T' : 'C');
        Look look = { is_self || is_trusted ? "orange" : "darkorange3",
                      "box3d",
                      is_self ? "peripheries=\"2\" " : "" };

        if (!node)
                return -ENOMEM;
        write_node(graph->to, node, id, name ? name : "", NULL, look);
        return 0;
}

static int write_peers(Graph *graph) {
        char self[PEER_ID_TEXT_MAX];

        peer_id_format(&graph->from->cluster_id, self);
        (void) str_append(graph->to, "/* The cluster-service peers */\nsubgraph  {\nrank=\"min\"\n");
        for (size_t i = 0; i < graph->from->cluster_links.n; i++)
                if (write_peer(graph, link_at(&graph->from->cluster_links, i)->id, self) < 0)
                        return -ENOMEM;
        return str_append(graph->to, "}\n\n");
}

/* The daemons to draw: those that answered, and with all_ipfs those they see. */
static int collect_ipfs(Graph *graph) {
        for (size_t i = 0; i < graph->from->ipfs_links.n; i++) {
                const GraphLinks *links = link_at(&graph->from->ipfs_links, i);

                if (str_map_set(&graph->ipfs_ids, links->id, "") < 0)
                        return -ENOMEM;
                for (size_t j = 0; graph->all_ipfs && j < links->links.n; j++) {
                        char id[PEER_ID_TEXT_MAX];

                        peer_id_format(&links->links.items[j], id);
                        if (str_map_set(&graph->ipfs_ids, id, "") < 0)
                                return -ENOMEM;
                }
        }
        return 0;
}

static int write_ipfs(Graph *graph, const char *id, bool is_missing) {
        const Node *node = node_add(graph->ipfs, id, 'I');
        Look look = { is_missing ? "firebrick1" : "turquoise3", "cylinder", "" };

        if (!node)
                return -ENOMEM;
        write_node(graph->to, node, id, "IPFS", is_missing ? "Errored" : NULL, look);
        return 0;
}

static int write_ipfs_daemons(Graph *graph) {
        const JsonArray *peers = &graph->from->cluster_links;
        int r;

        r = collect_ipfs(graph);
        if (r < 0)
                return r;
        (void) str_append(graph->to, "/* The ipfs peers */\nsubgraph  {\nrank=\"max\"\n");
        for (size_t i = 0; i < graph->ipfs_ids.n; i++) {
                r = write_ipfs(graph, graph->ipfs_ids.items[i].key, false);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < peers->n; i++) {
                const char *id = link_at(peers, i)->id;

                if (str_map_get(&graph->from->cluster_to_ipfs, id))
                        continue;
                r = write_ipfs(graph, id, true);
                if (r < 0)
                        return r;
        }
        return str_append(graph->to, "}\n\n");
}

/* ---- edges */

static void write_links(Str *to, const Map *nodes, const GraphLinks *links) {
        for (size_t i = 0; i < links->links.n; i++) {
                char id[PEER_ID_TEXT_MAX];

                peer_id_format(&links->links.items[i], id);
                write_edge(to, node_find(nodes, links->id), node_find(nodes, id), false);
        }
}

static void write_daemon_edge(Graph *graph, const char *peer) {
        const char *ipfs = str_map_get(&graph->from->cluster_to_ipfs, peer);

        write_edge(graph->to,
                   node_find(graph->peers, peer),
                   node_find(graph->ipfs, ipfs ? ipfs : peer),
                   !ipfs);
}

static int write_edges(Graph *graph) {
        const JsonArray *peers = &graph->from->cluster_links, *ipfs = &graph->from->ipfs_links;

        (void) str_append(
                        graph->to,
                        "/* Edges representing active connections in the cluster */\n"
                        "/* The connections among cluster-service peers */\n");
        for (size_t i = 0; i < peers->n; i++)
                write_links(graph->to, graph->peers, link_at(peers, i));
        (void) str_append(
                        graph->to, "\n/* The connections between cluster peers and their ipfs daemons */\n");
        for (size_t i = 0; i < peers->n; i++)
                write_daemon_edge(graph, link_at(peers, i)->id);
        (void) str_append(
                        graph->to, "\n/* The swarm peer connections among ipfs daemons in the cluster */\n");
        for (size_t i = 0; i < ipfs->n; i++)
                write_links(graph->to, graph->ipfs, link_at(ipfs, i));
        return str_append(graph->to, "}");
}

int ctl_graph_write(const ConnectGraph *from, bool all_ipfs, Str *to) {
        _cleanup_(graph_done) Graph graph = { .from = from, .to = to, .all_ipfs = all_ipfs };
        int r;

        r = map_new(&graph.peers);
        if (r >= 0)
                r = map_new(&graph.ipfs);
        if (r < 0)
                return r;
        (void) str_append(to, "digraph cluster {\n/* The nodes of the connectivity graph */\n");
        r = write_peers(&graph);
        if (r >= 0)
                r = write_ipfs_daemons(&graph);
        return r < 0 ? r : write_edges(&graph);
}
