#include "ctl/backend/host.h"

#include <stdio.h>
#include <string.h>

#include "daemon/types/multiaddr.h"

#define PORT_HTTP 80
#define PORT_HTTPS 443

void ctl_hosts_done(CtlHosts *hosts) {
        for (size_t i = 0; i < hosts->n; i++) {
                free(hosts->items[i].url);
                free(hosts->items[i].dial);
                free(hosts->items[i].socket_path);
        }
        free(hosts->items);
        *hosts = (CtlHosts){};
}

/* A slot at the end of the list, to be filled before the next is taken. */
static CtlHost *hosts_add(CtlHosts *hosts) {
        CtlHost *items = reallocarray(hosts->items, hosts->n + 1, sizeof(*items));

        if (!items)
                return NULL;
        hosts->items = items;
        items[hosts->n] = (CtlHost){};
        return &items[hosts->n++];
}

static int hosts_add_tcp(CtlHosts *hosts, const char *host, unsigned port, bool has_port, bool tls) {
        bool is_v6 = strchr(host, ':') != NULL;
        _cleanup_(str_done) Str name = {}, dial = {}, url = {};
        CtlHost *item = hosts_add(hosts);

        if (!item)
                return -ENOMEM;
        (void) str_appendf(&name, is_v6 ? "[%s]" : "%s", host);
        (void) str_appendf(&dial, "%s:%u", name.data, port);
        (void) str_appendf(&url, "%s://%s", tls ? "https" : "http", has_port ? dial.data : name.data);
        if (str_error(&name) < 0)
                return -ENOMEM;
        item->dial = str_take(&dial);
        item->url = str_take(&url);
        return item->dial && item->url ? 0 : -ENOMEM;
}

/* The host part of the URL is what the Go program puts there: no name is looked up for it. */
static int hosts_add_unix(CtlHosts *hosts, const char *path) {
        CtlHost *item = hosts_add(hosts);

        if (!item)
                return -ENOMEM;
        item->url = strdup("http://restapi");
        item->dial = strdup(path);
        item->socket_path = strdup(path);
        return item->url && item->dial && item->socket_path ? 0 : -ENOMEM;
}

/* The whole address, or the address with the port that its scheme implies. */
static int host_endpoint(const char *canonical, bool https, MultiaddrEndpoint *ret, bool *ret_has_port) {
        _cleanup_free_ char *with_port = NULL;

        *ret_has_port = true;
        if (multiaddr_endpoint(canonical, ret) > 0)
                return 1;
        *ret_has_port = false;
        if (asprintf(&with_port, "%s/tcp/%d", canonical, https ? PORT_HTTPS : PORT_HTTP) < 0) {
                with_port = NULL;
                return -ENOMEM;
        }
        return multiaddr_endpoint(with_port, ret);
}

static int hosts_add_multiaddr(CtlHosts *hosts, const char *text, bool https, Error *reterr) {
        _cleanup_free_ char *canonical = NULL;
        const char *why = NULL;
        MultiaddrEndpoint endpoint;
        bool has_port;
        int r;

        r = multiaddr_parse(text, &canonical, &why);
        if (r == -ENOMEM)
                return r;
        if (!*text)
                why = "empty multiaddr";
        if (r < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "failed to parse multiaddr \"%s\": %s",
                                text,
                                why ? why : "not a multiaddress");
        if (strstr(canonical, "/p2p/") || strncmp(canonical, "/dnsaddr/", strlen("/dnsaddr/")) == 0)
                return error_set(
                                reterr,
                                ERROR_UNSUPPORTED,
                                "\"%s\": the API is not offered over libp2p; give its HTTP address, "
                                "for example /ip4/127.0.0.1/tcp/9094",
                                text);
        r = host_endpoint(canonical, https, &endpoint, &has_port);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "\"%s\": no HTTP address: expected /ip4, /ip6 or /dns with /tcp, or /unix",
                                text);
        if (endpoint.transport == MULTIADDR_UNIX)
                return hosts_add_unix(hosts, endpoint.path);
        return hosts_add_tcp(hosts, endpoint.host, endpoint.port, has_port, https || endpoint.tls);
}

/* "host:port" or "[v6]:port"; answers 0 when it is neither. */
static int hosts_add_pair(CtlHosts *hosts, const char *text, bool https) {
        const char *colon = strrchr(text, ':');
        _cleanup_free_ char *host = NULL;
        const char *first = text;
        unsigned port;
        size_t n;
        char end;

        if (!colon || text[0] == '/' || sscanf(colon, ":%5u%c", &port, &end) != 1)
                return 0;
        n = colon - text;
        if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
                first++;
                n -= 2;
        } else if (memchr(text, ':', n))
                return 0;
        if (n == 0 || port == 0 || port > UINT16_MAX || memchr(first, '/', n))
                return 0;
        host = strndup(first, n);
        if (!host)
                return -ENOMEM;
        return hosts_add_tcp(hosts, host, port, true, https) < 0 ? -ENOMEM : 1;
}

static int hosts_add_any(CtlHosts *hosts, const char *text, bool https, Error *reterr) {
        int r = hosts_add_pair(hosts, text, https);

        return r == 0 ? hosts_add_multiaddr(hosts, text, https, reterr) : r;
}

static int hosts_add_list(CtlHosts *hosts, const StrList *list, bool https, Error *reterr) {
        if (list->n > CTL_HOSTS_MAX)
                return error_set(reterr, ERROR_TOO_BIG, "more than %d addresses", CTL_HOSTS_MAX);
        if (list->n == 0)
                return hosts_add_multiaddr(hosts, "", https, reterr);
        for (size_t i = 0; i < list->n; i++) {
                int r = hosts_add_any(hosts, list->items[i], https, reterr);

                if (r < 0)
                        return r;
        }
        return 0;
}

int ctl_hosts_parse(const char *text, bool https, CtlHosts *ret, Error *reterr) {
        _cleanup_(str_list_done) StrList list = {};
        CtlHosts hosts = {};
        int r;

        r = str_list_split(&list, text, ',');
        if (r < 0)
                return r;
        r = hosts_add_list(&hosts, &list, https, reterr);
        if (r < 0) {
                ctl_hosts_done(&hosts);
                return r;
        }
        *ret = hosts;
        return 0;
}
