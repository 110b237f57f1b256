#pragma once

/*
 * Both ends of a connection for the tests of net: a raw client, which sends and reads bytes as they are, and
 * a scripted server. They share the event loop of what is tested; whoever waits, runs it, and fails the test
 * after ten seconds.
 */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#define WIRE_DEADLINE_USEC (10 * G_USEC_PER_SEC)

/* Run the loop until *DONE, or for N turns that have something to do at once. */
void wire_wait(sd_event *event, const bool *done);
void wire_turns(sd_event *event, unsigned n);

/* A listening socket on 127.0.0.1, or at PATH; connections to them. */
int wire_listen(unsigned *ret_port);
int wire_listen_unix(const char *path);
int wire_connect(unsigned port);
int wire_connect_unix(const char *path);
unsigned wire_dead_port(void); /* nobody listens there */

/* False when the other side closed before it had taken all. */
bool wire_send(sd_event *event, int fd, const char *data, size_t n);
bool wire_send_text(sd_event *event, int fd, const char *text);
/* Read until TEXT has come, or until the other side has closed (NULL). Answers all that came, or NULL when
 * it closed before TEXT. */
char *wire_read(sd_event *event, int fd, const char *text);
/* Send TEXT, read to the end, close. */
char *wire_exchange(sd_event *event, unsigned port, const char *text);

/* Reads requests, answers each with REPLY. Fields may be changed while it runs. */
typedef struct WireServer {
        sd_event *event;
        sd_event_source *source;
        GPtrArray *connections; /* sd_event_source, each owns its fd */
        GString *received;      /* of all connections */
        const char *reply;      /* NULL: never answers */
        const char *after;      /* what ends a request; NULL: an empty line */
        bool closes;            /* closes after the reply */
        unsigned port;
        unsigned n_connections, n_requests;
        char url[64];
} WireServer;

void wire_server_open(WireServer *server, sd_event *event);
void wire_server_close(WireServer *server);
/* Send more on the newest connection, or close all. */
void wire_server_send(WireServer *server, const char *text);
void wire_server_hang_up(WireServer *server);
