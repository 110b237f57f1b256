#pragma once

/* Certificates with a libp2p identity, also such that must be refused, and a bare TLS client that shows
 * them. */

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <sys/types.h>

typedef enum ForgeFlaw {
        FORGE_NONE,
        FORGE_EXPIRED,
        FORGE_NOT_YET,
        FORGE_NO_EXTENSION,
        FORGE_CRITICAL,  /* an unknown critical one beside it */
        FORGE_MALFORMED, /* the extension is not DER */
        FORGE_TRAILING,  /* bytes after the signature, within the extension */
        FORGE_SECP256K1,
        FORGE_UNKNOWN_KEY,
        FORGE_SHORT_KEY,    /* an Ed25519 key of 31 bytes */
        FORGE_OTHER_PEER,   /* signed by another peer's key */
        FORGE_OTHER_SIGNER, /* the certificate is not signed by its own key */
        FORGE_BIG,          /* 10 kB */
        _FORGE_N,
} ForgeFlaw;

typedef struct Forge {
        gnutls_x509_crt_t crt;
        gnutls_x509_privkey_t key;
} Forge;

void forge_open(Forge *forge, ForgeFlaw flaw);
void forge_close(Forge *forge);
void forge_der(const Forge *forge, gnutls_datum_t *ret); /* gnutls_free() it */

typedef struct ForgeSession {
        gnutls_session_t gnutls;
        gnutls_certificate_credentials_t credentials;
        int fd;
} ForgeSession;

typedef struct ForgeOptions {
        const Forge *forge;   /* NULL: no certificate */
        bool twice;           /* show the certificate as a chain of two */
        const char *priority; /* NULL: TLS 1.3 */
        const char *protocol; /* ALPN; NULL: "h2", "": none */
        bool is_server;
} ForgeOptions;

/* FD is non-blocking, and taken. Whoever is there is believed. */
void forge_session_open(ForgeSession *session, int fd, const ForgeOptions *options);
void forge_session_close(ForgeSession *session);
int forge_session_handshake(ForgeSession *session); /* 1, 0: again, a GnuTLS error */
ssize_t forge_session_read(ForgeSession *session, void *buffer, size_t max);
ssize_t forge_session_write(ForgeSession *session, const void *bytes, size_t n);
