#pragma once

/* An HttpReply in the form that libmicrohttpd sends, and in the form that is written past it. */

#include <gnutls/gnutls.h>
#include <microhttpd.h>

#include "daemon/base/str.h"
#include "daemon/net/http-server.h"

/* A reply whose body is produced by READER, or, with READER NULL, the whole reply. NULL: out of memory.
 * MOVED is called whenever a part of a long body was taken over for sending. */
struct MHD_Response *http_answer_new(const HttpReply *reply, void (*moved)(void *userdata), void *userdata);
struct MHD_Response *http_answer_new_streamed(
                const HttpReply *reply, MHD_ContentReaderCallback reader, void *userdata);

/* Line breaks and tabs in VALUE are sent as spaces. Errors: -ENOMEM (also for a bad name). */
int http_answer_add_trailer(struct MHD_Response *response, const char *name, const char *value);

/* A plain text that says the status, as the Go server answers a bad head. */
HttpReply http_answer_refusal(unsigned status);

/* The head of REPLY, for an answer that ends its connection, all but how the body is framed and the empty
 * line. Both tell a want of memory by the Str. */
void http_answer_append_head(Str *text, const HttpReply *reply);
void http_answer_append_field(Str *text, const char *name, const char *value);

/* Write REPLY to FD (through TLS, if it is not NULL) at once, as far as it takes it, and end the sending.
 * For an answer at a moment when libmicrohttpd takes none. */
void http_answer_write(const HttpReply *reply, int fd, gnutls_session_t tls);
void http_answer_end(int fd, gnutls_session_t tls); /* the sending only */
