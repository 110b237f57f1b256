/*
 * load PORT CONNECTIONS REQUESTS METHOD PREFIX [FIRST [HEADER]]: requests over keep-alive connections to
 * 127.0.0.1, each to PREFIX and the next of a row of CIDs (or to PREFIX alone when it does not end with
 * '/'), with HEADER ("Name: value"), and what they took. Prints one line: <requests> requests, <errors> not
 * 2xx, <n>/s, p50 <n> us, p99 <n> us
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/base/time.h"
#include "daemon/types/cid.h"

#define ANSWER_MAX 65536

typedef struct Connection {
        int fd;
        uint64_t sent_at;
        size_t n;
        char answer[ANSWER_MAX];
} Connection;

static uint64_t n_requests, n_started, n_done, n_errors, first;
static uint32_t *latencies;
static const char *method, *prefix, *header;

static void die(const char *what) {
        perror(what);
        exit(1);
}

static void connection_send(Connection *c) {
        char text[CID_TEXT_MAX] = "", request[1024];
        Cid cid;
        int n;

        if (prefix[strlen(prefix) - 1] == '/') {
                uint64_t i = first + n_started;

                cid_of_bytes(CID_CODEC_RAW, &i, sizeof(i), &cid);
                (void) cid_format(&cid, text);
        }
        n = snprintf(request,
                     sizeof(request),
                     "%s %s%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n%s%s\r\n",
                     method,
                     prefix,
                     text,
                     header ? header : "",
                     header ? "\r\n" : "");
        n_started++;
        c->n = 0;
        c->sent_at = time_monotonic();
        if (write(c->fd, request, (size_t) n) != n)
                die("write");
}

/* A whole answer is there: its head says how long it is. */
static bool connection_is_complete(Connection *c) {
        char *end, *length;

        c->answer[c->n] = 0;
        end = strstr(c->answer, "\r\n\r\n");
        if (!end)
                return false;
        length = strcasestr(c->answer, "\r\nContent-Length:");
        return c->n >= (size_t) (end + 4 - c->answer) +
                                       (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

static void connection_read(Connection *c) {
        ssize_t n = read(c->fd, c->answer + c->n, ANSWER_MAX - 1 - c->n);

        if (n <= 0)
                die("read");
        c->n += (size_t) n;
        if (!connection_is_complete(c))
                return;
        if (strncmp(c->answer, "HTTP/1.1 2", 10) != 0 && n_errors++ == 0)
                fprintf(stderr, "%s\n", c->answer);
        latencies[n_done++] = (uint32_t) (time_monotonic() - c->sent_at);
        if (n_started < n_requests)
                connection_send(c);
}

static void connection_open(Connection *c, int epoll, uint16_t port) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
        int one = 1;

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                die("connect");
        (void) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
                die("epoll_ctl");
}

static int latency_compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

static void run(int epoll) {
        struct epoll_event events[64];

        while (n_done < n_requests) {
                int n = epoll_wait(epoll, events, ELEMENTSOF(events), 60000);

                if (n <= 0)
                        die("no answer for a minute");
                for (int i = 0; i < n; i++)
                        connection_read(events[i].data.ptr);
        }
}

int main(int argc, char *argv[]) {
        uint64_t begin, took;
        size_t n_connections;
        Connection *connections;
        int epoll;

        if (argc < 6) {
                fprintf(stderr,
                        "usage: %s PORT CONNECTIONS REQUESTS METHOD PREFIX [FIRST [HEADER]]\n",
                        argv[0]);
                return 1;
        }
        n_connections = strtoul(argv[2], NULL, 10);
        n_requests = strtoull(argv[3], NULL, 10);
        method = argv[4];
        prefix = argv[5];
        first = argc > 6 ? strtoull(argv[6], NULL, 10) : 0;
        header = argc > 7 ? argv[7] : NULL;
        connections = calloc(n_connections, sizeof(Connection));
        latencies = calloc(n_requests + 1, sizeof(uint32_t));
        epoll = epoll_create1(EPOLL_CLOEXEC);
        if (!connections || !latencies || epoll < 0 || n_requests < n_connections)
                die("start");

        for (size_t i = 0; i < n_connections; i++)
                connection_open(&connections[i], epoll, (uint16_t) strtoul(argv[1], NULL, 10));
        begin = time_monotonic();
        for (size_t i = 0; i < n_connections; i++)
                connection_send(&connections[i]);
        run(epoll);
        took = time_monotonic() - begin;

        qsort(latencies, n_done, sizeof(uint32_t), latency_compare);
        printf("%" PRIu64 " requests, %" PRIu64 " not 2xx, %.0f/s, p50 %u us, p99 %u us\n",
               n_done,
               n_errors,
               (double) n_done * 1e6 / (double) took,
               latencies[n_done / 2],
               latencies[n_done * 99 / 100]);
        return n_errors > 0;
}
