/*
 * bench-rpc: two peers in one process, on one loop and one core.
 *
 *   bench-rpc calls TOTAL CONCURRENT    120 bytes there, 200 back
 *   bench-rpc stream BYTES              one answer
 *   bench-rpc idle N                    private memory of N links, both ends
 */

#include "daemon/rpc/rpc.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/base/multibase.h"
#include "daemon/base/time.h"

#define ASK_SIZE 120
#define ANSWER_SIZE 200

typedef struct Bench {
        sd_event *event;
        Rpc *server;
        unsigned port;
        size_t n_total, n_started, n_done;
        uint64_t bytes, left;
} Bench;

typedef struct Client {
        Bench *bench;
        Rpc *rpc;
        RpcCall **calls;
} Client;

static void must(int r, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "%s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

/* ---- the answering peer */

static void on_ask(RpcRequest *request, const void *body, size_t size, void *userdata) {
        static const char answer[ANSWER_SIZE];

        (void) body;
        (void) size;
        (void) userdata;
        must(rpc_request_reply(request, answer, sizeof(answer)), "reply");
}

static ssize_t pull(RpcRequest *request, void *buffer, size_t max, void *userdata) {
        Bench *bench = userdata;
        size_t n = MIN(max, bench->left);

        (void) request;
        memset(buffer, 'b', n);
        bench->left -= n;
        return n > 0 ? (ssize_t) n : RPC_SOURCE_END;
}

static void on_stream(RpcRequest *request, const void *body, size_t size, void *userdata) {
        static const RpcSource source = { .pull = pull };

        (void) body;
        (void) size;
        must(rpc_request_stream(request, &source, userdata), "stream");
}

static bool is_member(const PeerId *peer, void *userdata) {
        (void) peer;
        (void) userdata;
        return true;
}

static Rpc *new_peer(Bench *bench, unsigned seed, const int *fds, size_t n_fds) {
        static const RpcMethod methods[] = { { "ask", RPC_MEMBER, on_ask },
                                             { "stream", RPC_MEMBER, on_stream },
                                             {} };
        static const RpcEvents events = { .is_member = is_member };
        uint8_t key[4 + 64] = { 0x08, 0x01, 0x12, 0x40 };
        _cleanup_(str_done) Str text = {};
        Rpc *rpc = NULL;

        memcpy(key + 4, &seed, sizeof(seed));
        must(multibase_encode(MULTIBASE_64_PAD, key, sizeof(key), &text), "key");
        must(rpc_new(&rpc,
                     bench->event,
                     &(RpcOptions){ .private_key = text.data,
                                    .fds = fds,
                                    .n_fds = n_fds,
                                    .dial_timeout_usec = USEC_PER_SEC,
                                    .methods = methods,
                                    .events = &events,
                                    .userdata = bench },
                     NULL),
             "rpc_new");
        return rpc;
}

static void open_server(Bench *bench) {
        struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(name);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        must(bind(fd, (struct sockaddr *) &name, size), "bind");
        must(listen(fd, 4096), "listen");
        must(getsockname(fd, (struct sockaddr *) &name, &size), "getsockname");
        bench->port = ntohs(name.sin_port);
        bench->server = new_peer(bench, 1, &fd, 1);
}

/* ---- the asking peer */

static void start(Client *client, size_t i);

static void on_done(
                RpcCall *call, int r, const Error *error, const void *body, size_t size, void *userdata) {
        Client *client = userdata;
        Bench *bench = client->bench;
        size_t i = 0;

        (void) body;
        (void) size;
        if (r < 0)
                fprintf(stderr, "%s\n", error_message(error));
        must(r, "call");
        bench->n_done++;
        while (client->calls[i] != call)
                i++;
        client->calls[i] = rpc_call_unref(call);
        if (bench->n_started < bench->n_total)
                start(client, i);
}

static bool on_data(RpcCall *call, const void *data, size_t size, void *userdata) {
        Client *client = userdata;

        (void) call;
        (void) data;
        client->bench->bytes += size;
        return true;
}

static void ask(Client *client, size_t i, const char *method, const RpcCallHandler *handler) {
        static const char body[ASK_SIZE];
        char address[64];
        bool is_linked = rpc_is_linked(client->rpc, rpc_self(client->bench->server));

        (void) snprintf(address, sizeof(address), "/ip4/127.0.0.1/tcp/%u", client->bench->port);
        client->bench->n_started++;
        must(rpc_call(client->rpc,
                      &client->calls[i],
                      &(RpcCallOptions){ .peer = rpc_self(client->bench->server),
                                         .address = is_linked ? NULL : address,
                                         .method = method,
                                         .body = body,
                                         .size = sizeof(body),
                                         .timeout_usec = 100 * USEC_PER_SEC,
                                         .handler = handler,
                                         .userdata = client }),
             "rpc_call");
}

static void start(Client *client, size_t i) {
        static const RpcCallHandler handler = { .on_done = on_done };

        ask(client, i, "ask", &handler);
}

static void run(Bench *bench, size_t n_done) {
        while (bench->n_done < n_done)
                must(sd_event_run(bench->event, UINT64_MAX), "loop");
}

static Client open_client(Bench *bench, unsigned seed, size_t concurrent) {
        Client client = { bench, new_peer(bench, seed, NULL, 0), calloc(concurrent, sizeof(RpcCall *)) };

        if (!client.calls)
                must(-ENOMEM, "calls");
        return client;
}

static void close_client(Client *client) {
        rpc_free(client->rpc);
        free(client->calls);
}

/* ---- what is measured */

static void measure_calls(Bench *bench, size_t total, size_t concurrent) {
        Client client = open_client(bench, 2, concurrent);
        uint64_t before, usec;

        bench->n_total = 1;
        start(&client, 0);
        run(bench, 1);

        bench->n_total += total;
        before = time_monotonic();
        for (size_t i = 0; i < concurrent; i++)
                start(&client, i);
        run(bench, total + 1);
        usec = time_monotonic() - before;
        printf("%zu calls, %zu at once: %.0f/s, %.1f us each\n",
               total,
               concurrent,
               (double) total * 1e6 / (double) usec,
               (double) usec / (double) total);
        close_client(&client);
}

static void measure_stream(Bench *bench, uint64_t bytes) {
        static const RpcCallHandler handler = { .on_data = on_data, .on_done = on_done };
        Client client = open_client(bench, 2, 1);
        uint64_t before, usec;

        bench->n_total = 1;
        start(&client, 0);
        run(bench, 1);
        bench->left = bytes;
        before = time_monotonic();
        ask(&client, 0, "stream", &handler);
        run(bench, 2);
        usec = time_monotonic() - before;
        printf("%" PRIu64 " bytes on one stream: %.0f MB/s\n",
               bench->bytes,
               (double) bench->bytes / (double) usec);
        close_client(&client);
}

static long private_kb(void) {
        _cleanup_free_ char *line = NULL;
        size_t n = 0;
        long kb = 0, one;
        FILE *file = fopen("/proc/self/smaps_rollup", "re");

        while (file && getline(&line, &n, file) > 0)
                if (sscanf(line, "Private_Clean: %ld", &one) == 1 ||
                    sscanf(line, "Private_Dirty: %ld", &one) == 1)
                        kb += one;
        if (file)
                fclose(file);
        return kb;
}

static void measure_idle(Bench *bench, unsigned n) {
        Client *clients = calloc(n + 1, sizeof(*clients));
        long before, linked, peers;

        if (!clients)
                must(-ENOMEM, "clients");
        clients[0] = open_client(bench, 2, 1);
        start(&clients[0], 0); /* no other follows by itself */
        run(bench, 1);

        before = private_kb();
        for (unsigned i = 1; i <= n; i++)
                clients[i] = open_client(bench, i + 2, 1);
        peers = private_kb();
        for (unsigned i = 1; i <= n; i++) {
                start(&clients[i], 0);
                run(bench, i + 1);
        }
        linked = private_kb();
        printf("%u links: %.1f KB each, both ends; a peer without links: %.1f KB\n",
               n,
               (double) (linked - peers) / n,
               (double) (peers - before) / n);
        for (unsigned i = 0; i <= n; i++)
                close_client(&clients[i]);
        free(clients);
}

int main(int argc, char **argv) {
        const char *what = argc > 2 ? argv[1] : "";
        Bench bench = {};

        must(sd_event_new(&bench.event), "loop");
        open_server(&bench);
        if (strcmp(what, "calls") == 0 && argc == 4)
                measure_calls(&bench, strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
        else if (strcmp(what, "stream") == 0)
                measure_stream(&bench, strtoull(argv[2], NULL, 10));
        else if (strcmp(what, "idle") == 0)
                measure_idle(&bench, (unsigned) strtoul(argv[2], NULL, 10));
        else {
                fprintf(stderr, "Usage: %s calls TOTAL CONCURRENT | stream BYTES | idle N\n", argv[0]);
                return EXIT_FAILURE;
        }
        rpc_free(bench.server);
        sd_event_unref(bench.event);
        return EXIT_SUCCESS;
}
