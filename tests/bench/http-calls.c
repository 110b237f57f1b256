/* http-calls URL N [AT_ONCE]: N calls of the HTTP client, AT_ONCE of them under way; prints calls per
 * second, and per second of this process' own processor time. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "daemon/base/time.h"
#include "daemon/net/http-client.h"

typedef struct Load {
        sd_event *event;
        HttpClient *client;
        HttpCallOptions options;
        unsigned long n_to_start, n_under_way, n_failed;
} Load;

static void start(Load *load);

static void on_done(HttpCall *call, int r, const Error *error, void *userdata) {
        Load *load = userdata;

        if (r < 0 && load->n_failed++ == 0)
                fprintf(stderr, "%s\n", error_message(error));
        http_call_unref(call);
        load->n_under_way--;

        if (load->n_to_start > 0)
                start(load);
        else if (load->n_under_way == 0)
                (void) sd_event_exit(load->event, 0);
}

static void start(Load *load) {
        static const HttpCallHandler handler = { .on_done = on_done };
        HttpCall *call;

        load->n_to_start--;
        if (http_client_call(load->client, &call, &load->options, &handler, load) < 0)
                abort();
        load->n_under_way++;
}

static double processor_seconds(void) {
        struct rusage usage;

        (void) getrusage(RUSAGE_SELF, &usage);
        return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
        unsigned long n, at_once;
        uint64_t begin;
        Load load = {};

        if (argc < 3) {
                fputs("usage: http-calls URL N [AT_ONCE]\n", stderr);
                return EXIT_FAILURE;
        }

        n = load.n_to_start = strtoul(argv[2], NULL, 10);
        at_once = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
        load.options = (HttpCallOptions){ .method = "GET", .url = argv[1], .stall_usec = 60 * USEC_PER_SEC };
        if (sd_event_new(&load.event) < 0 || http_client_new(&load.client, load.event) < 0)
                return EXIT_FAILURE;

        begin = time_monotonic();
        while (at_once-- > 0 && load.n_to_start > 0)
                start(&load);
        (void) sd_event_loop(load.event);

        printf("%lu calls, %lu failed: %.0f/s, %.0f per processor second\n",
               n,
               load.n_failed,
               (double) n * 1e6 / (double) (time_monotonic() - begin),
               (double) n / processor_seconds());
        http_client_free(load.client);
        sd_event_unref(load.event);
        return load.n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
