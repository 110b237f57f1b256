#pragma once

/*
 * TlsSession: TLS 1.3 between two peers over a connected, non-blocking socket: both show the certificate of
 * their identity, the protocol is "h2" (ALPN). The socket is borrowed; waiting for it is the owner's:
 * tls_session_events() tells what for.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/net/tls-identity.h"

#define TLS_SESSION_RECORD_MAX 16384 /* bytes of one record: what one read gives, and one write takes */

typedef struct TlsSession TlsSession;

/* EXPECTED (copied, may be NULL): the peer that has to be there. */
int tls_session_new(
                TlsSession **ret,
                const TlsIdentity *identity,
                int fd,
                bool is_server,
                const PeerId *expected);
TlsSession *tls_session_free(TlsSession *session);
DEFINE_CLEANUP(TlsSession *, tls_session_free);

/* Go on. Answers 1 when it is done, 0 when the socket has to be waited for. A client is done before the
 * server has looked at its certificate. Errors have words for the log; the other side got an alert. */
int tls_session_handshake(TlsSession *session, Error *reterr);
uint32_t tls_session_events(const TlsSession *session); /* EPOLLIN, EPOLLOUT */

const PeerId *tls_session_peer(const TlsSession *session); /* after the handshake */

/* Read one record: the bytes, 0 when the other side has closed. Read until -EAGAIN or drained; at the least
 * while something is ahead, since the socket does not show that. Errors: -EAGAIN, -ECONNRESET, -EACCES (the
 * other side refused, by an alert), -EPROTO.
 */
ssize_t tls_session_read(TlsSession *session, void *buffer, size_t max);
bool tls_session_is_ahead(const TlsSession *session); /* bytes that were read, also by the handshake */
bool tls_session_is_drained(
                const TlsSession *session); /* all was taken; what comes later, the socket shows */

/* Write N (at most TLS_SESSION_RECORD_MAX) bytes: 1 they are with the kernel, 0 they are taken, but the
 * socket is full: nothing more before tls_session_flush() has answered 1. Errors: -ECONNRESET. */
int tls_session_write(TlsSession *session, const void *bytes, size_t n);
int tls_session_flush(TlsSession *session);

void tls_session_bye(TlsSession *session); /* say that nothing more will come; as far as that goes at once */

/* N bytes that only the two ends of this session know (RFC 5705, RFC 8446 section 7.5). */
int tls_session_export(const TlsSession *session, const char *label, uint8_t *bytes, size_t n);
