#include "daemon/types/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define EXIT_SERVER 2     /* a server answered with an error object */
#define EXIT_DEADLINE 62  /* Go's context.DeadlineExceeded, as the Go program's ctl exits */
#define EXIT_CANCELED 125 /* the same of context.Canceled */

static const struct {
        int error;
        unsigned http_status;
        int exit_status;
        const char *bus_name;
        const char *text;
} error_table[_ERROR_N] = {
        [ERROR_NONE] = { 0, 200, 0, "None", "" },
        [ERROR_INVALID] = { EINVAL, 400, EXIT_SERVER, "InvalidArgument", "invalid argument" },
        [ERROR_UNAUTHORIZED] = { EACCES, 401, EXIT_SERVER, "Unauthorized", "no auth provided" },
        [ERROR_FORBIDDEN] = { EPERM, 403, EXIT_SERVER, "Forbidden", "access denied" },
        [ERROR_NOT_FOUND] = { ENOENT, 404, EXIT_SERVER, "NotFound", "not found" },
        [ERROR_NOT_ALLOWED] = { EOPNOTSUPP, 405, EXIT_SERVER, "NotAllowed", "method not allowed" },
        [ERROR_TOO_BIG] = { E2BIG, 413, EXIT_SERVER, "TooBig", "too big" },
        [ERROR_BUSY] = { EBUSY, 503, EXIT_SERVER, "Busy", "busy, try again later" },
        [ERROR_UNSUPPORTED] = { ENOSYS, 501, EXIT_SERVER, "Unsupported", "not supported" },
        [ERROR_REFUSED] = { EDOM, 500, EXIT_SERVER, "Refused", "refused" },
        [ERROR_NOT_ENOUGH_PEERS] = { ENONET, 500, EXIT_SERVER, "NotEnoughPeers", "not enough peers" },
        [ERROR_NO_LEADER] = { ENOLINK, 500, EXIT_SERVER, "NoLeader", "the cluster has no leader" },
        [ERROR_IPFS] = { EREMOTEIO, 500, EXIT_SERVER, "Ipfs", "the IPFS daemon failed" },
        [ERROR_TIMEOUT] = { ETIMEDOUT, 500, EXIT_DEADLINE, "Timeout", "context deadline exceeded" },
        [ERROR_CANCELED] = { ECANCELED, 500, EXIT_CANCELED, "Canceled", "context canceled" },
        [ERROR_IO] = { EIO, 500, EXIT_SERVER, "Io", "a disk failed" },
        [ERROR_NO_MEMORY] = { ENOMEM, 500, EXIT_SERVER, "NoMemory", "out of memory" },
        [ERROR_INTERNAL] = { EPROTO, 500, EXIT_SERVER, "Internal", "internal error" },
        [ERROR_IN_DOUBT] = { ENOTRECOVERABLE, 500, EXIT_SERVER, "InDoubt", "the outcome is not known" },
};

/* What the system and our own layers answer for the same things. */
static const struct {
        int error;
        ErrorCode code;
} error_aliases[] = {
        { EBADMSG, ERROR_INVALID },   { ERANGE, ERROR_INVALID },  { EPROTOTYPE, ERROR_INVALID },
        { ENODATA, ERROR_INVALID },   { EFBIG, ERROR_TOO_BIG },   { EMSGSIZE, ERROR_TOO_BIG },
        { EAGAIN, ERROR_BUSY },       { ENOBUFS, ERROR_BUSY },    { EMFILE, ERROR_BUSY },
        { ENFILE, ERROR_BUSY },       { ETIME, ERROR_TIMEOUT },   { ENOSPC, ERROR_IO },
        { EDQUOT, ERROR_IO },         { EROFS, ERROR_IO },        { EUCLEAN, ERROR_IO },
        { ECONNREFUSED, ERROR_IPFS }, { ECONNRESET, ERROR_IPFS }, { EHOSTUNREACH, ERROR_IPFS },
        { ENETUNREACH, ERROR_IPFS },  { EPIPE, ERROR_IPFS },      { ENETDOWN, ERROR_IPFS },
};

static void _printf_(3, 0) error_setv(Error *error, ErrorCode code, const char *format, va_list ap) {
        assert(code > ERROR_NONE && code < _ERROR_N);
        assert(error->code == ERROR_NONE);

        *error = (Error){ .code = code };
        if (vasprintf(&error->message, format, ap) < 0)
                error->message = NULL;
}

int error_set(Error *reterr, ErrorCode code, const char *format, ...) {
        va_list ap;

        if (reterr) {
                va_start(ap, format);
                error_setv(reterr, code, format, ap);
                va_end(ap);
        }
        return -error_errno(code);
}

int error_set_errno(Error *reterr, int r, const char *format, ...) {
        va_list ap;

        assert(r < 0);

        if (reterr) {
                errno = -r; /* for %m */
                va_start(ap, format);
                error_setv(reterr, error_from_errno(r), format, ap);
                va_end(ap);
        }
        return r;
}

void error_done(Error *error) {
        free(error->message);
        *error = (Error){};
}

void error_move(Error *to, Error *from) {
        assert(to->code == ERROR_NONE);

        *to = *from;
        *from = (Error){};
}

int error_copy(Error *to, const Error *from) {
        assert(to->code == ERROR_NONE);

        *to = (Error){
                .code = from->code,
                .message = from->message ? strdup(from->message) : NULL,
        };
        return -error_errno(from->code);
}

const char *error_message(const Error *error) {
        return error->message ? error->message : error_table[error->code].text;
}

int error_errno(ErrorCode code) {
        return error_table[code].error;
}

unsigned error_http_status(ErrorCode code) {
        return error_table[code].http_status;
}

const char *error_bus_name(ErrorCode code) {
        return error_table[code].bus_name;
}

int error_exit_status(ErrorCode code) {
        return error_table[code].exit_status;
}

ErrorCode error_from_errno(int r) {
        int e = abs(r);

        for (ErrorCode code = ERROR_NONE; code < _ERROR_N; code++)
                if (error_table[code].error == e)
                        return code;
        for (size_t i = 0; i < ELEMENTSOF(error_aliases); i++)
                if (error_aliases[i].error == e)
                        return error_aliases[i].code;
        return ERROR_INTERNAL;
}

ErrorCode error_from_http_status(unsigned status) {
        if (status < 400)
                return ERROR_NONE;
        if (status != 500) /* which many codes share */
                for (ErrorCode code = ERROR_INVALID; code < _ERROR_N; code++)
                        if (error_table[code].http_status == status)
                                return code;
        return status < 500 ? ERROR_INVALID : ERROR_INTERNAL;
}

ErrorCode error_from_bus_name(const char *name) {
        for (ErrorCode code = ERROR_INVALID; code < _ERROR_N; code++)
                if (strcmp(error_table[code].bus_name, name) == 0)
                        return code;
        return ERROR_INTERNAL;
}
