#pragma once

/* The answers: a JSON document, nothing, an error object, a stream of lines. Each ends the request: it is
 * gone afterwards. */

#include "daemon/rest/request.h"

void rest_reply_json(RestRequest *request, const JsonShape *shape, const void *value);
void rest_reply_text(
                RestRequest *request,
                unsigned status,
                Str *body); /* a JSON document with its newline; BODY is released */
void rest_reply_empty(RestRequest *request, unsigned status); /* Content-Type only */
void rest_reply_bare(RestRequest *request, unsigned status);  /* not even that: 405 */
void rest_reply_redirect(RestRequest *request, unsigned status, const char *location);
/* The headers of each answer: OWN (N of them), those of what was asked, and, with a Content-Type, those of
 * the configuration. Answers the list, owned; NULL: out of memory. */
HttpHeader *rest_reply_headers(
                const RestRequest *request, const HttpHeader *own, size_t n, bool has_type, size_t *ret_n);

/* In the form of the surface; for a negative R without words too. */
void rest_reply_error(RestRequest *request, int r, const Error *error);
void rest_reply_failure(RestRequest *request, ErrorCode code, const char *format, ...) _printf_(3, 4);

/* Stream LIST (taken) as lines with the trailer X-Stream-Error; an empty one is 204, one that fails at its
 * start an error object. */
void rest_reply_list(RestRequest *request, ClusterList *list);
/* The same as one JSON array, for what the 2017 program answered so. */
void rest_reply_array(RestRequest *request, ClusterList *list, int (*write)(const void *item, Str *to));
