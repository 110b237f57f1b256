#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/proxy/internal.h"
#include "tests/lib/fault.h"
#include "tests/lib/peer.h"

#define V0 "QmZLRFWaz9Kypt2ACNMDzA5uzACDRiCqwdkNSP1UZsu56D"
#define MISSING "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq"
#define FORM "Content-Type: multipart/form-data; boundary=B\r\n"
#define PART                                                                                                \
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n"                          \
        "Content-Type: application/octet-stream\r\n\r\nhello\r\n"

/* A peer, its Kubo, and the proxy before it, at a Unix socket. */
typedef struct Front {
        Peer peer;
        Proxy *proxy;
        char *path;
} Front;

static void set_list(StrList *list, const char *item) {
        str_list_done(list);
        g_assert_cmpint(str_list_append(list, item), ==, 0);
}

static void front_open(Front *front) {
        g_autofree char *address = NULL;
        Error error = {};

        *front = (Front){};
        peer_init(&front->peer);
        front->path = g_build_filename(front->peer.folder, "proxy", NULL);
        address = g_strconcat("/unix", front->path, NULL);
        set_list(&front->peer.config->proxy.listen_multiaddress, address);
        g_assert_cmpint(str_copy(&front->peer.config->proxy.node_multiaddress,
                                 fake_kubo_multiaddr(front->peer.kubo)),
                        ==,
                        0);
        peer_start(&front->peer);
        g_assert_cmpint(proxy_new(&front->proxy,
                                  front->peer.event,
                                  front->peer.cluster,
                                  front->peer.config,
                                  NULL,
                                  0,
                                  &error),
                        ==,
                        0);
}

static void front_close(Front *front) {
        proxy_free(front->proxy);
        peer_close(&front->peer);
        g_free(front->path);
}

static int front_connect(Front *front, const char *text) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        g_assert_cmpuint(
                        g_strlcpy(name.sun_path, front->path, sizeof(name.sun_path)),
                        <,
                        sizeof(name.sun_path));
        g_assert_cmpint(connect(fd, (struct sockaddr *) &name, sizeof(name)), ==, 0);
        g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, (ssize_t) strlen(text));
        return fd;
}

/* All that comes until the proxy closes FD. */
static char *rest_of(Front *front, int fd) {
        gint64 deadline = g_get_monotonic_time() + PEER_PATIENCE_USEC;
        GString *all = g_string_new(NULL);
        char block[16384];
        ssize_t n;

        while ((n = recv(fd, block, sizeof(block), 0)) != 0) {
                if (n > 0)
                        g_string_append_len(all, block, n);
                else if (errno == EAGAIN)
                        peer_turn(&front->peer, deadline);
                else
                        break;
        }
        close(fd);
        return g_string_free(all, FALSE);
}

static char *ask(Front *front, const char *text) {
        return rest_of(front, front_connect(front, text));
}

static char *request(const char *target, const char *head, const char *body) {
        return g_strdup_printf(
                        "POST /api/v0/%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n%s",
                        target,
                        strlen(body),
                        head,
                        body);
}

static const struct {
        const char *target, *head, *body;
        unsigned status;
        const char *has;
} requests[] = {
        { "version", "", "", 200, "\"Version\":" },
        { "nothing", "", "", 404, "" },
        { "pin/ls", "", "", 200, "{\"Keys\":{}}" },
        { "pin/add?arg=" V0 "&name=n", "", "", 200, "{\"Pins\":[\"" V0 "\"]}" },
        { "pin/ls?stream=true&names=true",
          "",
          "",
          200,
          "{\"Cid\":\"" V0 "\",\"Name\":\"n\",\"Type\":\"recursive\"}" },
        { "pin/ls?arg=" V0 "&arg=/ipfs/" V0, "", "", 200, V0 },
        { "pin/ls?arg=" MISSING, "", "", 500, "is not pinned" },
        { "pin/update?arg=" V0 "&arg=" MISSING, "", "", 200, "\"Pins\":[\"" V0 "\",\"" MISSING "\"]" },
        { "pin/rm?arg=" MISSING, "", "", 200, MISSING },
        { "repo/stat", "", "", 200, "\"RepoSize\":" },
        { "repo/gc", "", "", 200, "Transfer-Encoding: chunked" },
        { "add", FORM, PART "--B--\r\n", 200, "\"Hash\":" },
        { "add", FORM, PART, 500, "the upload has no end" },
        { "pin/ls", "Origin: http://a\r\n", "", 200, "" }, /* this Kubo does not mind */
};

static unsigned status_of(const char *answer) {
        unsigned status = 0;

        (void) sscanf(answer, "HTTP/1.1 %u ", &status);
        return status;
}

static void test_requests(void) {
        Front front;

        front_open(&front);
        for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
                g_autofree char *text = request(requests[i].target, requests[i].head, requests[i].body);
                g_autofree char *answer = ask(&front, text);

                g_test_message("%s: %s", requests[i].target, answer);
                g_assert_cmpuint(status_of(answer), ==, requests[i].status);
                g_assert_nonnull(strstr(answer, requests[i].has));
        }
        g_assert_true(proxy_is_idle(front.proxy));
        front_close(&front);
}

/* Short of memory it may say so, or close the connection; it holds nothing back, and goes on afterwards. */
static void test_no_memory(void) {
        Front front;

        front_open(&front);
        for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
                g_autofree char *text = request(requests[i].target, requests[i].head, requests[i].body);

                /* What is committed ends the process when memory is short in the middle of it. */
                if (g_str_has_prefix(requests[i].target, "pin/") &&
                    !g_str_has_prefix(requests[i].target, "pin/ls"))
                        continue;
                if (requests[i].status == 200 && strcmp(requests[i].target, "add") == 0)
                        continue;
                g_test_message("%s", requests[i].target);
                FOREACH_FAULT {
                        g_free(ask(&front, text));
                        PEER_UNTIL(&front.peer, proxy_is_idle(front.proxy));
                }
        }
        g_assert_cmpuint(front.peer.n_failed, ==, 0);
        front_close(&front);
}

/* Whoever has a request under way is cut when the proxy ends, whatever that waits for. */
static void test_free(void) {
        static const FakeAnswer silence = { .fault = FAKE_SILENCE };
        static const char *const targets[] = { "version", "repo/stat", "pin/add?arg=/ipfs/" V0 "/a", "add" };

        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
                g_autofree char *text = request(targets[i], FORM, PART "--B--\r\n");
                Front front;
                int fd;

                g_test_message("%s", targets[i]);
                front_open(&front);
                fake_kubo_plan(front.peer.kubo, "version", NULL, &silence);
                fake_kubo_plan(front.peer.kubo, "repo/stat", NULL, &silence);
                fake_kubo_plan(front.peer.kubo, "resolve", NULL, &silence);
                fake_kubo_plan(front.peer.kubo, "add", NULL, &silence);
                fd = front_connect(&front, text);
                PEER_UNTIL(&front.peer, !proxy_is_idle(front.proxy));
                peer_turn(&front.peer, g_get_monotonic_time() + PEER_PATIENCE_USEC);
                proxy_stop_accepting(front.proxy);
                g_assert_false(proxy_is_idle(front.proxy));
                close(fd);
                fake_kubo_release(front.peer.kubo);
                front_close(&front);
        }
}

#define PART_OF_A_BODY "POST /api/v0/add HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n" FORM "\r\n--B"

static ProxyClient *only_client(const Front *front) {
        return LIST_FIRST(&front->proxy->clients, ProxyClient, link);
}

/* Until all that came was handed on, and the next is awaited. */
static ProxyClient *wait_for_relay(Front *front) {
        PEER_UNTIL(&front->peer, only_client(front) && only_client(front)->relay);
        PEER_UNTIL(&front->peer,
                   only_client(front)->relay->request_ended || proxy_relay_wants(only_client(front)->relay));
        return only_client(front);
}

/* A body that moves no byte is given up, one that moves is not, however slowly. */
static void test_stalled_body(void) {
        ProxyClient *client;
        uint64_t now, n_moved;
        Front front;
        int fd;

        front_open(&front);
        fd = front_connect(&front, PART_OF_A_BODY);
        client = wait_for_relay(&front);
        now = proxy_now(front.proxy);
        for (int i = 0; i < 3; i++) {
                proxy_client_sweep(client, now);
                now += PROXY_STALL_USEC - 1;
                proxy_client_sweep(client, now);
                g_assert_true(only_client(&front) == client);
                n_moved = client->end.n_moved;
                g_assert_cmpint(send(fd, "x", 1, MSG_NOSIGNAL), ==, 1);
                PEER_UNTIL(&front.peer, client->end.n_moved > n_moved);
                now++;
        }
        proxy_client_sweep(client, now);
        proxy_client_sweep(client, now + PROXY_STALL_USEC);
        g_assert_null(only_client(&front));
        g_free(rest_of(&front, fd));
        front_close(&front);
}

/* So is a client that takes nothing of its answer, but not one that takes it slowly: what the kernel could
 * hand over counts, though it has no room for more so far. */
static void test_stalled_reader(void) {
        g_autofree char *big = g_strnfill(4 << 20, 'x'), *text = request("version", "", "");
        const FakeAnswer answer = { .body = big, .times = 1 };
        ProxyClient *client;
        char block[64 * 1024]; /* a Unix socket counts in pieces of 32 KiB and more */
        Front front;
        uint64_t now;
        int fd;

        front_open(&front);
        fake_kubo_plan(front.peer.kubo, "version", NULL, &answer);
        fd = front_connect(&front, text);
        client = wait_for_relay(&front);
        PEER_UNTIL(&front.peer, !client->end.stream.is_writable);
        now = proxy_now(front.proxy);
        for (int i = 0; i < 3; i++) {
                proxy_client_sweep(client, now);
                now += PROXY_STALL_USEC;
                g_assert_cmpint(recv(fd, block, sizeof(block), 0), >, 0);
                proxy_client_sweep(client, now);
                g_assert_true(only_client(&front) == client);
        }
        proxy_client_sweep(client, now + PROXY_STALL_USEC);
        g_assert_null(only_client(&front));
        g_free(rest_of(&front, fd));
        front_close(&front);
}

/* A request that Kubo thinks about is not up to the client. */
static void test_long_call(void) {
        static const FakeAnswer silence = { .fault = FAKE_SILENCE };
        g_autofree char *text = request("version", "", "");
        ProxyClient *client;
        Front front;
        int fd;

        front_open(&front);
        fake_kubo_plan(front.peer.kubo, "version", NULL, &silence);
        fd = front_connect(&front, text);
        client = wait_for_relay(&front);
        PEER_UNTIL(&front.peer, client->relay->link->deadline == UINT64_MAX);
        for (uint64_t i = 0; i < 10; i++)
                proxy_client_sweep(client, proxy_now(front.proxy) + i * PROXY_STALL_USEC);
        g_assert_true(only_client(&front) == client);
        close(fd);
        fake_kubo_release(front.peer.kubo);
        front_close(&front);
}

/* When there is no place the idlest goes; when nobody is idle the new one is told. */
static void test_full(void) {
        g_autofree char *text = request("version", "", "");
        ProxyClient *client;
        Front front;
        int fd;

        front_open(&front);
        fd = front_connect(&front, PART_OF_A_BODY);
        client = wait_for_relay(&front);
        front.proxy->n_clients += PROXY_CLIENTS_MAX - 1;
        for (int i = 0; i < 2; i++) {
                g_autofree char *refused = ask(&front, text);

                g_assert_cmpuint(status_of(refused), ==, 503);
                g_assert_nonnull(strstr(refused, "has no place for another client"));
        }
        client->moved_at = proxy_now(front.proxy) - PROXY_IDLEST_USEC;
        front.proxy->full_until = 0;
        {
                g_autofree char *answer = ask(&front, text), *rest = rest_of(&front, fd);

                g_assert_cmpuint(status_of(answer), ==, 200);
                g_assert_cmpstr(rest, ==, "");
        }
        PEER_UNTIL(&front.peer, front.proxy->n_clients == PROXY_CLIENTS_MAX - 1);
        front.proxy->n_clients = PROXY_CLIENTS_MAX + PROXY_REFUSED_MAX;
        front.proxy->full_until = UINT64_MAX;
        {
                g_autofree char *cut = ask(&front, text); /* there is not even a place to be told */

                g_assert_cmpstr(cut, ==, "");
        }
        front.proxy->n_clients = 0;
        front_close(&front);
}

static void test_bad_settings(void) {
        static const struct {
                const char *listen, *node, *words;
        } cases[] = {
                { "/ip4/192.0.2.1/tcp/1",
                  "/ip4/127.0.0.1/tcp/5001",
                  "cannot listen at /ip4/192.0.2.1/tcp/1" },
                { "/unix/nowhere/at/all",
                  "/ip4/127.0.0.1/tcp/5001",
                  "cannot listen at /unix/nowhere/at/all" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Proxy *proxy = NULL;
                Error error = {};
                Peer peer;

                peer_init(&peer);
                set_list(&peer.config->proxy.listen_multiaddress, cases[i].listen);
                g_assert_cmpint(str_copy(&peer.config->proxy.node_multiaddress, cases[i].node), ==, 0);
                peer_start(&peer);
                g_assert_cmpint(proxy_new(&proxy, peer.event, peer.cluster, peer.config, NULL, 0, &error),
                                <,
                                0);
                g_assert_nonnull(strstr(error_message(&error), cases[i].words));
                error_done(&error);
                peer_close(&peer);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/proxy/proxy/requests", test_requests);
        g_test_add_func("/proxy/proxy/no-memory", test_no_memory);
        g_test_add_func("/proxy/proxy/free", test_free);
        g_test_add_func("/proxy/proxy/stalled-body", test_stalled_body);
        g_test_add_func("/proxy/proxy/stalled-reader", test_stalled_reader);
        g_test_add_func("/proxy/proxy/long-call", test_long_call);
        g_test_add_func("/proxy/proxy/full", test_full);
        g_test_add_func("/proxy/proxy/bad-settings", test_bad_settings);
        return g_test_run();
}
