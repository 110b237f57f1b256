#pragma once

/* An HTTPS server with a certificate of its own making, in a thread of libmicrohttpd; it answers "secret".
 */

struct MHD_Daemon *tls_start(unsigned *ret_port);
