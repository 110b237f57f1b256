/* bus-calls calls|pins|pages N [AT_ONCE]: against org.ipfs.Cluster on the system bus
 * ($DBUS_SYSTEM_BUS_ADDRESS): N calls of GetPin (of what is not there), AT_ONCE of them under way; or all
 * pins through StreamPins, or through pages of N rows. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "daemon/base/time.h"
#include "dbus/names.h"

#define CID "QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"

static unsigned long n_answered;

static int on_answer(sd_bus_message *answer, void *userdata, sd_bus_error *reterr _unused_) {
        (void) answer;
        (void) userdata;
        n_answered++;
        return 0;
}

static int bench_calls(sd_bus *bus, unsigned long n, unsigned long at_once) {
        unsigned long n_sent = 0;
        int r = 0;

        while (n_answered < n && r >= 0) {
                for (; n_sent < n && n_sent - n_answered < at_once && r >= 0; n_sent++)
                        r = sd_bus_call_method_async(
                                        bus,
                                        NULL,
                                        BUS_NAME,
                                        BUS_PATH,
                                        BUS_INTERFACE,
                                        "GetPin",
                                        on_answer,
                                        NULL,
                                        "s",
                                        CID);
                while (r >= 0 && (r = sd_bus_process(bus, NULL)) > 0)
                        ;
                if (r >= 0 && n_answered < n && (n_sent == n || n_sent - n_answered == at_once))
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        return r;
}

static int bench_pins(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        static char buffer[1024 * 1024];
        ssize_t k;
        int fd, r;

        r = sd_bus_call_method(
                        bus, BUS_NAME, BUS_PATH, BUS_INTERFACE, "StreamPins", NULL, &answer, "s", "all");
        if (r >= 0)
                r = sd_bus_message_read(answer, "h", &fd);
        if (r < 0)
                return r;
        while ((k = read(fd, buffer, sizeof(buffer))) > 0)
                for (const char *at = buffer; (at = memchr(at, '\n', (size_t) (buffer + k - at))); at++)
                        n_answered++;
        return (int) k;
}

static int read_page(sd_bus_message *answer, char next[static 64]) {
        const char *text;
        int r;

        r = sd_bus_message_enter_container(answer, 'a', "(ssst)");
        while (r >= 0 && (r = sd_bus_message_skip(answer, "(ssst)")) > 0)
                n_answered++;
        r = sd_bus_message_exit_container(answer);
        if (r >= 0)
                r = sd_bus_message_read(answer, "s", &text);
        if (r >= 0)
                (void) snprintf(next, 64, "%s", text);
        return r;
}

static int bench_pages(sd_bus *bus, uint32_t n) {
        char next[64] = "";
        int r;

        do {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;

                r = sd_bus_call_method(
                                bus,
                                BUS_NAME,
                                BUS_PATH,
                                BUS_INTERFACE,
                                "ListPins",
                                NULL,
                                &answer,
                                "su",
                                next,
                                n);
                if (r >= 0)
                        r = read_page(answer, next);
        } while (r >= 0 && *next);
        return r;
}

int main(int argc, char **argv) {
        unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
        sd_bus *bus = NULL;
        uint64_t begin;
        int r;

        if (n == 0) {
                fputs("usage: bus-calls calls|pins|pages N [AT_ONCE]\n", stderr);
                return EXIT_FAILURE;
        }
        r = sd_bus_open_system(&bus);
        begin = time_monotonic();
        if (r >= 0 && strcmp(argv[1], "pins") == 0)
                r = bench_pins(bus);
        else if (r >= 0 && strcmp(argv[1], "pages") == 0)
                r = bench_pages(bus, (uint32_t) n);
        else if (r >= 0)
                r = bench_calls(bus, n, argc > 3 ? strtoul(argv[3], NULL, 10) : 1);
        if (r < 0)
                fprintf(stderr, "%s\n", strerror(-r));
        printf("%lu, %.0f/s\n", n_answered, (double) n_answered * 1e6 / (double) (time_monotonic() - begin));
        sd_bus_flush_close_unref(bus);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
