#include <glib.h>

#include "ctl/backend/host.h"
#include "tests/lib/fault.h"

static char *describe(const CtlHosts *hosts) {
        GString *text = g_string_new(NULL);

        for (size_t i = 0; i < hosts->n; i++) {
                const CtlHost *host = &hosts->items[i];

                g_string_append_printf(
                                text,
                                "%s%s (%s%s)",
                                i ? " " : "",
                                host->url,
                                host->socket_path ? "unix " : "",
                                host->dial);
        }
        return g_string_free(text, FALSE);
}

static void test_forms(void) {
        static const struct {
                const char *text;
                bool https;
                const char *hosts;
        } cases[] = {
                { "/ip4/127.0.0.1/tcp/9094", false, "http://127.0.0.1:9094 (127.0.0.1:9094)" },
                { "/ip4/127.0.0.1/tcp/9094", true, "https://127.0.0.1:9094 (127.0.0.1:9094)" },
                { "/ip4/127.0.0.1/tcp/9094/https", false, "https://127.0.0.1:9094 (127.0.0.1:9094)" },
                { "/ip4/127.0.0.1", false, "http://127.0.0.1 (127.0.0.1:80)" },
                { "/ip4/127.0.0.1", true, "https://127.0.0.1 (127.0.0.1:443)" },
                { "/ip6/::1/tcp/1", false, "http://[::1]:1 ([::1]:1)" },
                { "/dns4/localhost/tcp/1", false, "http://localhost:1 (localhost:1)" },
                { "/dns/example.org/tcp/1", false, "http://example.org:1 (example.org:1)" },
                { "/unix/run/x.sock", false, "http://restapi (unix /run/x.sock)" },
                { "/ip4/1.2.3.4/tcp/1, /ip4/1.2.3.4/tcp/2",
                  false,
                  "http://1.2.3.4:1 (1.2.3.4:1) http://1.2.3.4:2 (1.2.3.4:2)" },
                { "localhost:9094", false, "http://localhost:9094 (localhost:9094)" },
                { "127.0.0.1:1", true, "https://127.0.0.1:1 (127.0.0.1:1)" },
                { "[::1]:1", false, "http://[::1]:1 ([::1]:1)" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(ctl_hosts_done) CtlHosts hosts = {};
                g_autofree char *text = NULL;

                g_test_message("%s", cases[i].text);
                g_assert_cmpint(ctl_hosts_parse(cases[i].text, cases[i].https, &hosts, NULL), ==, 0);
                text = describe(&hosts);
                g_assert_cmpstr(text, ==, cases[i].hosts);
        }
}

static void test_refusals(void) {
        static const struct {
                const char *text;
                ErrorCode code;
                const char *words; /* in the message */
        } cases[] = {
                { "", ERROR_INVALID, "failed to parse multiaddr \"\": empty multiaddr" },
                { " , ", ERROR_INVALID, "empty multiaddr" },
                { "localhost", ERROR_INVALID, "failed to parse multiaddr \"localhost\": must begin with /" },
                { "localhost:0", ERROR_INVALID, "must begin with /" },
                { "localhost:65536", ERROR_INVALID, "must begin with /" },
                { "localhost:1x", ERROR_INVALID, "must begin with /" },
                { "::1:9094", ERROR_INVALID, "must begin with /" },
                { "http://localhost:9094", ERROR_INVALID, "must begin with /" },
                { ":9094", ERROR_INVALID, "must begin with /" },
                { "/ip4/127.0.0.1/tcp/1,x", ERROR_INVALID, "\"x\"" },
                { "/ip4/1.2.3/tcp/1", ERROR_INVALID, "failed to parse multiaddr \"/ip4/1.2.3/tcp/1\"" },
                { "/ip4/1.2.3.4/udp/1", ERROR_INVALID, "no HTTP address" },
                { "/ip4/127.0.0.1/tcp/9096/p2p/12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM",
                  ERROR_UNSUPPORTED,
                  "not offered over libp2p" },
                { "/dnsaddr/example.org", ERROR_UNSUPPORTED, "not offered over libp2p" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(error_done) Error error = {};
                CtlHosts hosts = {};

                g_test_message("%s", cases[i].text);
                g_assert_cmpint(ctl_hosts_parse(cases[i].text, false, &hosts, &error),
                                ==,
                                -error_errno(cases[i].code));
                g_assert_nonnull(strstr(error_message(&error), cases[i].words));
                g_assert_cmpuint(hosts.n, ==, 0);
        }
}

static void test_number_is_bounded(void) {
        g_autoptr(GString) text = g_string_new("a:1");
        _cleanup_(ctl_hosts_done) CtlHosts hosts = {};

        for (int i = 1; i < CTL_HOSTS_MAX; i++)
                g_string_append(text, ",a:1");
        g_assert_cmpint(ctl_hosts_parse(text->str, false, &hosts, NULL), ==, 0);
        g_assert_cmpuint(hosts.n, ==, CTL_HOSTS_MAX);
        ctl_hosts_done(&hosts);
        g_string_append(text, ",a:1");
        g_assert_cmpint(ctl_hosts_parse(text->str, false, &hosts, NULL), ==, -error_errno(ERROR_TOO_BIG));
}

static void test_memory_short(void) {
        FOREACH_FAULT {
                _cleanup_(ctl_hosts_done) CtlHosts hosts = {};
                int r;

                r = ctl_hosts_parse("/ip4/1.2.3.4/tcp/1,/unix/x,a:1,/ip4/1.2.3.4", false, &hosts, NULL);
                if (r == 0)
                        g_assert_cmpuint(hosts.n, ==, 4);
                else
                        g_assert_cmpint(r, ==, -ENOMEM);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/backend/host/forms", test_forms);
        g_test_add_func("/ctl/backend/host/refusals", test_refusals);
        g_test_add_func("/ctl/backend/host/number-is-bounded", test_number_is_bounded);
        g_test_add_func("/ctl/backend/host/memory-short", test_memory_short);
        return g_test_run();
}
