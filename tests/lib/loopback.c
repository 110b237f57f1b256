#include "tests/lib/loopback.h"

#include <arpa/inet.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/base/multibase.h"

#define KEY_ED25519 1 /* PeerKeyType */

char *loopback_key(unsigned seed) {
        uint8_t bytes[4 + 32] = { 0x08, KEY_ED25519, 0x12, 0x20 };
        _cleanup_(str_done) Str text = {};

        memset(bytes + 4, (int) seed, 32);
        g_assert_cmpint(multibase_encode(MULTIBASE_64_PAD, bytes, sizeof(bytes), &text), ==, 0);
        return g_strdup(text.data);
}

int loopback_listen(unsigned *port) {
        struct sockaddr_in name = { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t) *port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(name);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), ==, 0);
        g_assert_cmpint(bind(fd, (struct sockaddr *) &name, size), ==, 0);
        g_assert_cmpint(listen(fd, 1024), ==, 0);
        g_assert_cmpint(getsockname(fd, (struct sockaddr *) &name, &size), ==, 0);
        *port = ntohs(name.sin_port);
        return fd;
}
