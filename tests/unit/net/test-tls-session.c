#include <glib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/base/multibase.h"
#include "daemon/net/tls-session.h"
#include "tests/lib/fault.h"
#include "tests/lib/forge.h"

#define ROUNDS 1000
#define LABEL "EXPORTER-test"

typedef struct Fixture {
        TlsIdentity *identities[2];
        int fds[2];
} Fixture;

static TlsIdentity *identity_of(int seed) {
        uint8_t bytes[4 + 64] = { 0x08, 0x01, 0x12, 0x40 };
        _cleanup_(str_done) Str text = {};
        TlsIdentity *identity;

        memset(bytes + 4, seed, 32);
        g_assert_cmpint(multibase_encode(MULTIBASE_64_PAD, bytes, sizeof(bytes), &text), ==, 0);
        g_assert_cmpint(tls_identity_new(&identity, text.data, NULL), ==, 0);
        return identity;
}

static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        for (int i = 0; i < 2; i++)
                f->identities[i] = identity_of(i + 1);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->fds), ==, 0);
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        for (int i = 0; i < 2; i++) {
                tls_identity_free(f->identities[i]);
                if (f->fds[i] >= 0)
                        close(f->fds[i]);
        }
}

static void open_both(Fixture *f, TlsSession *sessions[2], const PeerId *expected) {
        for (int i = 0; i < 2; i++)
                g_assert_cmpint(tls_session_new(&sessions[i],
                                                f->identities[i],
                                                f->fds[i],
                                                i == 1,
                                                i == 0 ? expected : NULL),
                                ==,
                                0);
}

static void shake(TlsSession *sessions[2], int results[2], Error errors[2]) {
        results[0] = results[1] = 0;
        for (int i = 0; i < ROUNDS && (results[0] == 0 || results[1] == 0); i++)
                for (int k = 0; k < 2; k++)
                        if (results[k] == 0)
                                results[k] = tls_session_handshake(sessions[k], errors ? &errors[k] : NULL);
}

static void connect_both(Fixture *f, TlsSession *sessions[2]) {
        int results[2];

        open_both(f, sessions, tls_identity_peer(f->identities[1]));
        shake(sessions, results, NULL);
        g_assert_cmpint(results[0], ==, 1);
        g_assert_cmpint(results[1], ==, 1);
}

static void close_both(TlsSession *sessions[2]) {
        tls_session_free(sessions[0]);
        tls_session_free(sessions[1]);
}

static void test_peers(Fixture *f, const void *data G_GNUC_UNUSED) {
        TlsSession *sessions[2];
        uint8_t exported[2][32];

        connect_both(f, sessions);
        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(peer_id_equal(tls_session_peer(sessions[i]),
                                              tls_identity_peer(f->identities[1 - i])),
                                ==,
                                true);
                g_assert_cmpint(tls_session_export(sessions[i], LABEL, exported[i], 32), ==, 0);
                g_assert_cmpuint(tls_session_events(sessions[i]), ==, EPOLLIN);
        }
        g_assert_cmpmem(exported[0], 32, exported[1], 32);
        close_both(sessions);
}

static void test_exporter_differs(Fixture *f, const void *data G_GNUC_UNUSED) {
        TlsSession *sessions[2];
        uint8_t exported[3][32];

        open_both(f, sessions, NULL);
        g_assert_cmpint(tls_session_export(sessions[0], LABEL, exported[0], 32), ==, -ENOTCONN);
        close_both(sessions);

        for (int i = 0; i < 2; i++) {
                connect_both(f, sessions);
                g_assert_cmpint(tls_session_export(sessions[0], LABEL, exported[i], 32), ==, 0);
                g_assert_cmpint(tls_session_export(sessions[0], LABEL "2", exported[2], 32), ==, 0);
                close_both(sessions);
                tear_down(f, NULL);
                set_up(f, NULL);
        }
        g_assert_cmpint(memcmp(exported[0], exported[1], 32), !=, 0);
        g_assert_cmpint(memcmp(exported[1], exported[2], 32), !=, 0);
}

static void test_wrong_peer(Fixture *f, const void *data G_GNUC_UNUSED) {
        Error errors[2] = {};
        char is[PEER_ID_TEXT_MAX], expected[PEER_ID_TEXT_MAX];
        g_autofree char *words = NULL;
        TlsSession *sessions[2];
        int results[2];

        open_both(f, sessions, tls_identity_peer(f->identities[0]));
        shake(sessions, results, errors);
        words = g_strdup_printf(
                        "the peer is %s, expected %s",
                        peer_id_format(tls_identity_peer(f->identities[1]), is),
                        peer_id_format(tls_identity_peer(f->identities[0]), expected));
        g_assert_cmpint(results[0], <, 0);
        g_assert_cmpstr(errors[0].message, ==, words);
        g_assert_cmpint(results[1], <, 0);
        g_assert_nonnull(strstr(error_message(&errors[1]), "refused the TLS handshake"));
        error_done(&errors[0]);
        error_done(&errors[1]);
        close_both(sessions);
}

/* ---- records */

static void transfer(TlsSession *from, TlsSession *to, size_t total) {
        g_autofree uint8_t *block = g_malloc(TLS_SESSION_RECORD_MAX),
                           *got = g_malloc(TLS_SESSION_RECORD_MAX);
        size_t sent = 0, received = 0;
        unsigned n_blocked = 0;

        memset(block, 'x', TLS_SESSION_RECORD_MAX);
        while (received < total) {
                size_t n = MIN(total - sent, (size_t) TLS_SESSION_RECORD_MAX);
                ssize_t k;

                while (tls_session_flush(from) == 1 && sent < total) {
                        int r = tls_session_write(from, block, n);

                        g_assert_cmpint(r, >=, 0);
                        sent += n;
                        n = MIN(total - sent, (size_t) TLS_SESSION_RECORD_MAX);
                        if (r == 0)
                                break;
                }
                n_blocked += (tls_session_events(from) & EPOLLOUT) != 0;
                k = tls_session_read(to, got, TLS_SESSION_RECORD_MAX);
                if (k > 0) {
                        g_assert_cmpint(got[0], ==, 'x');
                        g_assert_cmpint(got[k - 1], ==, 'x');
                        received += (size_t) k;
                } else
                        g_assert_cmpint(k, ==, -EAGAIN);
        }
        g_assert_cmpuint(n_blocked, >, 0); /* the socket was full meanwhile */
}

static void test_records(Fixture *f, const void *data G_GNUC_UNUSED) {
        TlsSession *sessions[2];
        char c;

        connect_both(f, sessions);
        g_assert_cmpint(tls_session_read(sessions[0], &c, 1), ==, -EAGAIN);
        transfer(sessions[0], sessions[1], 4 * 1024 * 1024 + 1);
        transfer(sessions[1], sessions[0], 4 * 1024 * 1024 + 1);
        tls_session_bye(sessions[0]);
        g_assert_cmpint(tls_session_read(sessions[1], &c, 1), ==, 0);
        close_both(sessions);
}

/* Short records that came together are read together, and handed out one by one: the last of them says that
 * the socket has no more. */
static void test_short_records(Fixture *f, const void *data G_GNUC_UNUSED) {
        char sent[100], got[TLS_SESSION_RECORD_MAX];
        TlsSession *sessions[2];

        connect_both(f, sessions);
        for (int size = 1; size <= 100; size++) {
                memset(sent, size, sizeof(sent));
                g_assert_cmpint(tls_session_write(sessions[0], sent, (size_t) size), ==, 1);
        }
        for (int size = 1; size <= 100; size++) {
                memset(sent, size, sizeof(sent));
                g_assert_cmpint(tls_session_read(sessions[1], got, sizeof(got)), ==, size);
                g_assert_cmpmem(got, size, sent, size);
                g_assert_cmpint(tls_session_is_drained(sessions[1]), ==, size == 100);
        }
        g_assert_cmpint(tls_session_is_ahead(sessions[1]), ==, false);
        g_assert_cmpint(tls_session_read(sessions[1], got, sizeof(got)), ==, -EAGAIN);

        g_assert_cmpint(tls_session_write(sessions[0], sent, 2), ==, 1);
        g_assert_cmpint(tls_session_write(sessions[0], sent, 3), ==, 1);
        g_assert_cmpint(tls_session_read(sessions[1], got, sizeof(got)), ==, 2);
        g_assert_cmpint(tls_session_is_ahead(sessions[1]), ==, true); /* and the socket is silent */
        g_assert_cmpint(tls_session_is_drained(sessions[1]), ==, false);
        close_both(sessions);
}

static void test_lost(Fixture *f, const void *data G_GNUC_UNUSED) {
        TlsSession *sessions[2];
        char c = 'x';

        connect_both(f, sessions);
        close(f->fds[0]);
        f->fds[0] = -1;
        g_assert_cmpint(tls_session_read(sessions[1], &c, 1), ==, -ECONNRESET);
        g_assert_cmpint(tls_session_write(sessions[1], &c, 1), ==, -ECONNRESET);
        close_both(sessions);
}

static void test_garbage_record(Fixture *f, const void *data G_GNUC_UNUSED) {
        TlsSession *sessions[2];
        char c;

        connect_both(f, sessions);
        g_assert_cmpint(send(f->fds[0],
                             "\x17\x03\x03\x00\x20"
                             "01234567890123456789012345678901",
                             37,
                             0),
                        ==,
                        37);
        g_assert_cmpint(tls_session_read(sessions[1], &c, 1), ==, -EPROTO);
        close_both(sessions);
}

/* ---- what is refused */

static void refuse(Fixture *f, const ForgeOptions *options, const char *words) {
        _cleanup_(error_done) Error error = {};
        TlsSession *session;
        ForgeSession other;
        int r = 0, s = 0;

        g_assert_cmpint(tls_session_new(&session, f->identities[0], f->fds[0], !options->is_server, NULL),
                        ==,
                        0);
        forge_session_open(&other, f->fds[1], options);
        f->fds[1] = -1;
        for (int i = 0; i < ROUNDS && r == 0; i++) {
                r = tls_session_handshake(session, &error);
                s = s == 0 ? forge_session_handshake(&other) : s;
        }
        if (words) {
                if (r >= 0)
                        g_error("accepted, expected: %s", words);
                if (!strstr(error_message(&error), words))
                        g_assert_cmpstr(error_message(&error), ==, words);
        } else
                g_assert_cmpint(r, ==, 1);
        forge_session_close(&other);
        tls_session_free(session);
}

static void test_refused(void) {
        static const struct {
                ForgeFlaw flaw;
                bool no_certificate;
                ForgeOptions options;
                const char *words;
        } cases[] = {
                { .words = NULL },
                { .options = { .is_server = true }, .words = NULL },
                { .flaw = FORGE_EXPIRED, .words = "the certificate has expired" },
                { .flaw = FORGE_EXPIRED, .options = { .is_server = true }, .words = "has expired" },
                { .flaw = FORGE_NO_EXTENSION, .words = "the certificate has no libp2p extension" },
                { .flaw = FORGE_SECP256K1, .words = "secp256k1" },
                { .flaw = FORGE_BIG, .words = "expected at most 8192" },
                { .flaw = FORGE_OTHER_PEER, .words = "not of the peer's key" },
                { .no_certificate = true, .words = "the TLS handshake failed" },
                { .options = { .twice = true }, .words = "2 certificates were shown, expected one" },
                { .options = { .priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2" },
                  .words = "the TLS handshake failed" },
                { .options = { .protocol = "http/1.1" }, .words = "the TLS handshake failed" },
                { .options = { .protocol = "" }, .words = "the other side does not speak h2 (ALPN)" },
                { .options = { .protocol = "", .is_server = true },
                  .words = "the other side does not speak h2 (ALPN)" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ForgeOptions options = cases[i].options;
                Fixture f;
                Forge forge;

                set_up(&f, NULL);
                forge_open(&forge, cases[i].flaw);
                options.forge = cases[i].no_certificate ? NULL : &forge;
                refuse(&f, &options, cases[i].words);
                forge_close(&forge);
                tear_down(&f, NULL);
        }
}

static void test_not_tls(void) {
        static const char *const cases[] = { "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                             "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                             "SSH-2.0-OpenSSH_9\r\n",
                                             "\x16\x03\x01\xff\xff garbage garbage garbage" };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(error_done) Error error = {};
                TlsSession *session;
                Fixture f;
                int r = 0;

                set_up(&f, NULL);
                g_assert_cmpint(tls_session_new(&session, f.identities[0], f.fds[0], true, NULL), ==, 0);
                g_assert_cmpint(send(f.fds[1], cases[i], strlen(cases[i]), 0), >, 0);
                g_assert_cmpint(shutdown(f.fds[1], SHUT_WR), ==, 0);
                for (int k = 0; k < ROUNDS && r == 0; k++)
                        r = tls_session_handshake(session, &error);
                g_assert_cmpint(r, <, 0);
                g_assert_nonnull(strstr(error_message(&error), "the TLS handshake failed"));
                tls_session_free(session);
                tear_down(&f, NULL);
        }
}

static void test_out_of_memory(Fixture *f, const void *data G_GNUC_UNUSED) {
        FOREACH_FAULT {
                _cleanup_(tls_session_freep) TlsSession *session = NULL;
                int r = tls_session_new(&session, f->identities[0], f->fds[0], true, NULL);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

#define ADD(path, function) g_test_add(path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("/net/tls-session/peers", test_peers);
        ADD("/net/tls-session/exporter-differs", test_exporter_differs);
        ADD("/net/tls-session/wrong-peer", test_wrong_peer);
        ADD("/net/tls-session/records", test_records);
        ADD("/net/tls-session/short-records", test_short_records);
        ADD("/net/tls-session/lost", test_lost);
        ADD("/net/tls-session/garbage-record", test_garbage_record);
        g_test_add_func("/net/tls-session/refused", test_refused);
        g_test_add_func("/net/tls-session/not-tls", test_not_tls);
        ADD("/net/tls-session/out-of-memory", test_out_of_memory);
        return g_test_run();
}
