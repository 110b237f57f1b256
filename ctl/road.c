#include "ctl/road.h"

#include "ctl/backend/bus.h"
#include "ctl/backend/http.h"

static bool road_is_bus(const CtlOptions *options) {
        return options->bus || options->user_bus || options->instance;
}

static bool road_is_http(const CtlOptions *options) {
        return options->host || options->https || options->no_check_certificate || options->force_http ||
               !str_is_empty(options->basic_auth);
}

/* Credentials may come from the environment: they do not contradict what the command line says. */
static int refuse_both(Ctl *ctl) {
        const CtlOptions *options = &ctl->options;

        if (options->bus && options->user_bus)
                return ctl_verb_fail(
                                ctl, "choosing a road", "--bus and --user-bus are two: give one of them");
        if (road_is_bus(options) &&
            (options->host || options->https || options->no_check_certificate || options->force_http))
                return ctl_verb_fail(
                                ctl,
                                "choosing a road",
                                "%s is about the bus, %s about HTTP: give one of them",
                                options->bus        ? "--bus"
                                : options->user_bus ? "--user-bus"
                                                    : "--instance",
                                options->host                   ? "--host"
                                : options->https                ? "--https"
                                : options->no_check_certificate ? "--no-check-certificate"
                                                                : "--force-http");
        return 0;
}

static int open_http(Ctl *ctl) {
        const CtlOptions *options = &ctl->options;
        CtlHttpOptions http = {
                .credentials = options->basic_auth,
                .timeout_sec = options->timeout_sec,
                .skip_verify = options->no_check_certificate,
                .debug = options->debug ? ctl->err : NULL,
        };
        bool https = (options->https || !str_is_empty(options->basic_auth)) && !options->force_http;
        _cleanup_(error_done) Error error = {};
        int r;

        r = ctl_hosts_parse(options->host ? options->host : CTL_HOST_DEFAULT, https, &http.hosts, &error);
        if (r < 0)
                return ctl_verb_fail(ctl, "parsing host multiaddress", "%s", error_message(&error));
        r = ctl_backend_http_new(&ctl->backend, &http, &error);
        if (r < 0)
                return ctl_verb_fail(ctl, "creating API client", "%s", error_message(&error));
        return 0;
}

static int bus_new(Ctl *ctl, Error *reterr) {
        const CtlOptions *options = &ctl->options;

        return ctl_backend_bus_new(
                        &ctl->backend,
                        &(CtlBusOptions){
                                        .user = options->user_bus,
                                        .instance = options->instance,
                                        .timeout_sec = options->timeout_sec,
                                        .debug = options->debug ? ctl->err : NULL,
                        },
                        reterr);
}

static int open_bus(Ctl *ctl) {
        _cleanup_(error_done) Error error = {};

        if (bus_new(ctl, &error) < 0)
                return ctl_verb_fail(ctl, "creating API client", "%s", error_message(&error));
        return 0;
}

/* Nobody asked for the bus, so that its absence is nothing to tell. */
static int open_any(Ctl *ctl) {
        if (bus_new(ctl, NULL) >= 0 && ctl_backend_bus_find_peer(ctl->backend))
                return 0;
        ctl->backend = ctl_backend_free(ctl->backend);
        return open_http(ctl);
}

int ctl_road_open(Ctl *ctl, bool http) {
        int r;

        r = refuse_both(ctl);
        if (r != 0)
                return r;
        if (http)
                return open_http(ctl);
        if (road_is_bus(&ctl->options))
                return open_bus(ctl);
        return road_is_http(&ctl->options) ? open_http(ctl) : open_any(ctl);
}
