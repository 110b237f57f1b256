#include "daemon/net/tls-session.h"

#include <gnutls/x509.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/net/tls-certificate.h"

#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define PROTOCOL "h2"
#define HANDSHAKE_MAX 16384 /* bytes of one handshake message; a certificate has at most half of it */

#define AHEAD_MAX 2048 /* bytes of short records that one recv(2) takes */

struct TlsSession {
        gnutls_session_t gnutls;
        int fd;
        PeerId peer, expected;
        Error error; /* why the certificate was refused */
        bool has_pending;
        bool is_shaking;
        bool is_drained; /* the last recv(2) gave less than it was asked for */
        size_t ahead_at, ahead_end;
        uint8_t ahead[AHEAD_MAX]; /* read, and not asked for yet */
};

static ssize_t receive(TlsSession *session, void *buffer, size_t max) {
        ssize_t n = recv(session->fd, buffer, max, 0);

        session->is_drained = n > 0 && (size_t) n < max;
        return n;
}

/* GnuTLS asks for the head of each record, then for the rest: one recv(2) serves both, and the short records
 * that came together. */
static ssize_t pull(gnutls_transport_ptr_t userdata, void *buffer, size_t max) {
        TlsSession *session = userdata;
        ssize_t n;

        if (session->ahead_at == session->ahead_end) {
                if (max >= AHEAD_MAX)
                        return receive(session, buffer, max);
                n = receive(session, session->ahead, AHEAD_MAX);
                if (n <= 0)
                        return n;
                session->ahead_at = 0;
                session->ahead_end = (size_t) n;
        }

        n = (ssize_t) MIN(max, session->ahead_end - session->ahead_at);
        memcpy(buffer, session->ahead + session->ahead_at, (size_t) n);
        session->ahead_at += (size_t) n;
        return n;
}

static int check_peer(TlsSession *session, const gnutls_datum_t *certificate, Error *reterr) {
        _cleanup_(error_done) Error error = {};
        char is[PEER_ID_TEXT_MAX], expected[PEER_ID_TEXT_MAX];

        if (tls_certificate_check(certificate->data, certificate->size, &session->peer, &error) < 0)
                return error_set(reterr, error.code, "the certificate %s", error_message(&error));
        if (peer_id_is_set(&session->expected) && !peer_id_equal(&session->peer, &session->expected))
                return error_set(
                                reterr,
                                ERROR_FORBIDDEN,
                                "the peer is %s, expected %s",
                                peer_id_format(&session->peer, is),
                                peer_id_format(&session->expected, expected));
        return 0;
}

/* Called by GnuTLS within the handshake; not 0: it fails with an alert. */
static int on_verify(gnutls_session_t gnutls) {
        TlsSession *session = gnutls_session_get_ptr(gnutls);
        const gnutls_datum_t *certificates;
        unsigned n = 0;

        certificates = gnutls_certificate_type_get(gnutls) == GNUTLS_CRT_X509
                                       ? gnutls_certificate_get_peers(gnutls, &n)
                                       : NULL;
        if (!certificates || n != 1) {
                error_done(&session->error);
                return error_set(
                                &session->error,
                                ERROR_FORBIDDEN,
                                "%u certificates were shown, expected one",
                                n);
        }

        error_done(&session->error);
        return check_peer(session, certificates, &session->error);
}

static int set_up(TlsSession *session, const TlsIdentity *identity, int fd, bool is_server) {
        const gnutls_datum_t protocol = { (uint8_t *) PROTOCOL, strlen(PROTOCOL) };
        int r;

        r = gnutls_init(&session->gnutls,
                        (is_server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
                                        GNUTLS_NO_TICKETS);
        if (r >= 0)
                r = gnutls_priority_set_direct(session->gnutls, PRIORITY, NULL);
        if (r >= 0)
                r = gnutls_credentials_set(
                                session->gnutls, GNUTLS_CRD_CERTIFICATE, tls_identity_credentials(identity));
        if (r >= 0)
                r = gnutls_alpn_set_protocols(session->gnutls, &protocol, 1, GNUTLS_ALPN_MANDATORY);
        if (r < 0)
                return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EIO;

        if (is_server)
                gnutls_certificate_server_set_request(session->gnutls, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_ptr(session->gnutls, session);
        gnutls_session_set_verify_function(session->gnutls, on_verify);
        gnutls_handshake_set_max_packet_length(session->gnutls, HANDSHAKE_MAX);
        gnutls_handshake_set_timeout(session->gnutls, GNUTLS_INDEFINITE_TIMEOUT); /* the owner has a timer */
        gnutls_transport_set_ptr2(session->gnutls, session, (gnutls_transport_ptr_t) (intptr_t) fd);
        gnutls_transport_set_pull_function(session->gnutls, pull);
        return 0;
}

int tls_session_new(
                TlsSession **ret,
                const TlsIdentity *identity,
                int fd,
                bool is_server,
                const PeerId *expected) {
        _cleanup_(tls_session_freep) TlsSession *session = NULL;
        int r;

        session = calloc(1, sizeof(*session));
        if (!session)
                return -ENOMEM;

        session->is_shaking = true;
        session->fd = fd;
        if (expected)
                session->expected = *expected;
        r = set_up(session, identity, fd, is_server);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(session);
        return 0;
}

TlsSession *tls_session_free(TlsSession *session) {
        if (!session)
                return NULL;

        if (session->gnutls)
                gnutls_deinit(session->gnutls);
        error_done(&session->error);
        free(session);
        return NULL;
}

/* ---- handshake */

static int handshake_failed(TlsSession *session, int r, Error *reterr) {
        if (r == GNUTLS_E_FATAL_ALERT_RECEIVED)
                return error_set(
                                reterr,
                                ERROR_FORBIDDEN,
                                "the other side refused the TLS handshake: %s",
                                gnutls_alert_get_name(gnutls_alert_get(session->gnutls)) ?: "unknown alert");

        (void) gnutls_alert_send_appropriate(session->gnutls, r);
        if (session->error.code != ERROR_NONE) {
                if (reterr)
                        error_move(reterr, &session->error);
                return -EPERM;
        }
        return error_set(reterr, ERROR_FORBIDDEN, "the TLS handshake failed: %s", gnutls_strerror(r));
}

/* A client is not told that the server has chosen none. */
static bool has_protocol(const TlsSession *session) {
        gnutls_datum_t protocol;

        return gnutls_alpn_get_selected_protocol(session->gnutls, &protocol) >= 0 &&
               protocol.size == strlen(PROTOCOL) && memcmp(protocol.data, PROTOCOL, protocol.size) == 0;
}

int tls_session_handshake(TlsSession *session, Error *reterr) {
        int r;

        do
                r = gnutls_handshake(session->gnutls);
        while (r == GNUTLS_E_INTERRUPTED || (r < 0 && r != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(r)));

        if (r == GNUTLS_E_AGAIN)
                return 0;
        if (r < 0)
                return handshake_failed(session, r, reterr);
        if (!has_protocol(session))
                return error_set(
                                reterr,
                                ERROR_FORBIDDEN,
                                "the other side does not speak " PROTOCOL " (ALPN)");

        session->is_shaking = false;
        return 1;
}

uint32_t tls_session_events(const TlsSession *session) {
        if (session->is_shaking)
                return gnutls_record_get_direction(session->gnutls) ? EPOLLOUT : EPOLLIN;
        return EPOLLIN | (session->has_pending ? EPOLLOUT : 0);
}

bool tls_session_is_ahead(const TlsSession *session) {
        return session->ahead_at < session->ahead_end;
}

bool tls_session_is_drained(const TlsSession *session) {
        return session->is_drained && !tls_session_is_ahead(session);
}

const PeerId *tls_session_peer(const TlsSession *session) {
        return &session->peer;
}

/* ---- records */

ssize_t tls_session_read(TlsSession *session, void *buffer, size_t max) {
        ssize_t n;

        do
                n = gnutls_record_recv(session->gnutls, buffer, max);
        while (n == GNUTLS_E_INTERRUPTED ||
               (n < 0 && n != GNUTLS_E_AGAIN && !gnutls_error_is_fatal((int) n)));

        if (n >= 0)
                return n;
        switch (n) {
        case GNUTLS_E_AGAIN:
                return -EAGAIN;
        case GNUTLS_E_PREMATURE_TERMINATION:
        case GNUTLS_E_PULL_ERROR:
                return -ECONNRESET;
        case GNUTLS_E_FATAL_ALERT_RECEIVED:
                return -EACCES;
        default:
                return -EPROTO;
        }
}

static int written(TlsSession *session, ssize_t n) {
        session->has_pending = n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
        if (session->has_pending)
                return 0;
        return n < 0 ? -ECONNRESET : 1;
}

int tls_session_write(TlsSession *session, const void *bytes, size_t n) {
        assert(!session->has_pending);
        assert(n > 0 && n <= TLS_SESSION_RECORD_MAX);

        return written(session, gnutls_record_send(session->gnutls, bytes, n));
}

/* GnuTLS keeps the record that it could not send: nothing is handed to it again. */
int tls_session_flush(TlsSession *session) {
        return session->has_pending ? written(session, gnutls_record_send(session->gnutls, NULL, 0)) : 1;
}

void tls_session_bye(TlsSession *session) {
        if (!session->is_shaking && !session->has_pending)
                (void) gnutls_bye(session->gnutls, GNUTLS_SHUT_WR);
}

int tls_session_export(const TlsSession *session, const char *label, uint8_t *bytes, size_t n) {
        if (session->is_shaking)
                return -ENOTCONN;
        return gnutls_prf_rfc5705(session->gnutls, strlen(label), label, 0, NULL, n, (char *) bytes) < 0
                               ? -EIO
                               : 0;
}
