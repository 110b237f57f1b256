#include "daemon/notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/base/macro.h"

/* A path, or with '@' in front the name of an abstract socket. */
static bool notify_address(const char *name, struct sockaddr_un *ret, socklen_t *ret_size) {
        size_t n = name ? strlen(name) : 0;

        if (n < 2 || n >= sizeof(ret->sun_path) || !strchr("/@", name[0]))
                return false;

        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        memcpy(ret->sun_path, name, n);
        if (name[0] == '@')
                ret->sun_path[0] = 0;
        *ret_size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n);
        return true;
}

bool notify_try(const char *state) {
        struct sockaddr_un address;
        _cleanup_close_ int fd = -1;
        socklen_t size;

        if (!notify_address(getenv("NOTIFY_SOCKET"), &address, &size))
                return false;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return false;
        return sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *) &address, size) >= 0;
}
