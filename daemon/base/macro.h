#pragma once

/* Cleanup attributes and the few macros every file may use. No function here allocates or logs. */

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((__cleanup__(f)))
#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _unused_ __attribute__((__unused__))
#define _printf_(fmt, args) __attribute__((__format__(__printf__, fmt, args)))

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)

/* Hand the pointer on and forget it, so that the cleanup at the end of the scope has nothing to do. */
#define TAKE_PTR(p)                                                                                         \
        ({                                                                                                  \
                __typeof__(p) *_p = &(p);                                                                   \
                __typeof__(p) _v = *_p;                                                                     \
                *_p = NULL;                                                                                 \
                _v;                                                                                         \
        })

/* The same for a file descriptor, which is -1 when absent. */
#define TAKE_FD(fd)                                                                                         \
        ({                                                                                                  \
                int *_fd = &(fd);                                                                           \
                int _v = *_fd;                                                                              \
                *_fd = -1;                                                                                  \
                _v;                                                                                         \
        })

/* Define NAMEp(), the cleanup function that belongs to the destructor NAME(). */
#define DEFINE_CLEANUP(type, func)                                                                          \
        static inline void func##p(type *p) {                                                               \
                if (*p)                                                                                     \
                        func(*p);                                                                           \
        }                                                                                                   \
        struct _trailing_semicolon_##func

#define CONTAINER_OF(ptr, type, member) ((type *) (((char *) (ptr)) - offsetof(type, member)))
#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))

#undef MIN /* GLib, in the tests, and <sys/param.h> have the same ones */
#undef MAX
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}
