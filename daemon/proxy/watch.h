#pragma once

/*
 * ProxyWatch: the answer of Kubo to an upload, read line by line on its way to the client for what was
 * added. When it has ended well the cluster pins that, and only then the client gets the last root's line
 * and the answer's end: 500 when nothing was told yet and pinning fails, else X-Stream-Error. An upload that
 * broke, or that Kubo refused, pins nothing.
 */

#include "daemon/proxy/head.h"
#include "daemon/proxy/internal.h"
#include "daemon/proxy/rule.h"

#define PROXY_LINE_MAX (64 * 1024) /* bytes of a line of the answer */
#define PROXY_ROOTS_MAX 16384      /* of one upload */

/* Errors: ERROR_INVALID (options of the pin), -ENOMEM. */
int proxy_watch_new(
                ProxyWatch **ret,
                ProxyClient *client,
                const ProxyUpload *upload,
                const Http1Head *head,
                const Query *query,
                Error *reterr);
ProxyWatch *proxy_watch_free(ProxyWatch *watch);

/* The end of the request's body is kept here. */
ProxyTail *proxy_watch_tail(ProxyWatch *watch);
/* The target to ask Kubo for: the request's without what concerns pinning. */
const char *proxy_watch_target(const ProxyWatch *watch);
/* Kubo answers 200, and the answer begins with this HEAD. */
int proxy_watch_on_head(ProxyWatch *watch, const Http1Head *head, const ProxyHead *options);
/* Go on, as proxy_relay_run(). */
int proxy_watch_run(ProxyWatch *watch, ProxyRelay *relay);

/* The root that LINE (a JSON object of N bytes) tells of: answers 1, 0 when it tells of none. Errors:
 * -EBADMSG. WRAPS: what was added lies in one folder without a name. */
int proxy_watch_read_line(const ProxyUpload *upload, bool wraps, const char *line, size_t n, Cid *ret);
/* How a form of this CONTENT_TYPE ends: "--boundary--", owned; NULL in *RET: it is no form. Errors:
 * ERROR_INVALID for one without a boundary, -ENOMEM. */
int proxy_watch_ending(const char *content_type, char **ret, Error *reterr);
/* TARGET without the parameters that only the cluster is to see, owned; NULL: no memory. */
char *proxy_watch_rewrite(const ProxyUpload *upload, const char *target);
