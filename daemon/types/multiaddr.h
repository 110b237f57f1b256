#pragma once

/*
 * Multiaddr (multiformats/multiaddr): an address as a path of protocols,
 * "/ip4/127.0.0.1/tcp/9096/p2p/12D3Koo…".
 *
 * Addresses are handled in their canonical text form, as C strings: numbers without leading zeros, IPv6 as
 * inet_ntop(3) writes it, /ipfs/ as /p2p/, no trailing slash. Protocols that this table does not know are
 * kept as they are, never an error: from there on the rest of the address is taken as it stands.
 *
 * The binary form (in stored pins) is the standard one. An address with a protocol that has no known binary
 * form is stored as its text, which begins with '/' (0x2f, no protocol code in use), so every address
 * survives a round trip.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/str.h"
#include "daemon/types/peer-id.h"

#define MULTIADDR_TEXT_MAX 1024

typedef enum MultiaddrTransport {
        MULTIADDR_TCP,  /* HOST (numeric or a name) and PORT */
        MULTIADDR_UNIX, /* PATH */
} MultiaddrTransport;

/* The first dialable or listenable part of an address. */
typedef struct MultiaddrEndpoint {
        MultiaddrTransport transport;
        int family; /* AF_INET, AF_INET6, AF_UNSPEC for a name (dns, dns4: AF_INET, dns6: AF_INET6), AF_UNIX
                     */
        bool is_name;
        bool tls;       /* followed by /https, /tls or /tls/http */
        char host[256]; /* TCP */
        uint16_t port;  /* TCP */
        char path[108]; /* UNIX: absolute */
} MultiaddrEndpoint;

/* *RET is the canonical text, owned. Errors: -EINVAL, and *RETERR (may be NULL) is a static text that says
 * why ("must begin with /", "invalid value for protocol ip4", …). */
int multiaddr_parse(const char *text, char **ret, const char **reterr);

int multiaddr_to_bytes(const char *canonical, Str *to);
int multiaddr_from_bytes(const void *bytes, size_t n, char **ret); /* Errors: -EINVAL */

/* Answers 1 and the endpoint, 0 when the address has none (udp, onion, unknown, …). */
int multiaddr_endpoint(const char *canonical, MultiaddrEndpoint *ret);

/* Answers 1 and the last /p2p/ component, 0 when there is none. */
int multiaddr_peer_id(const char *canonical, PeerId *ret);

/* "<canonical>/p2p/<id>", with a trailing /p2p/ of CANONICAL replaced. Owned. */
int multiaddr_with_peer_id(const char *canonical, const PeerId *id, char **ret);

/* True for global unicast IP addresses and for names; false for loopback, link-local, unspecified. */
bool multiaddr_is_public(const char *canonical);

extern const JsonType multiaddr_list_json; /* StrList of canonical addresses */
