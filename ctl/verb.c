#include "ctl/verb.h"

#include <stdarg.h>
#include <string.h>

#include "ctl/help.h"
#include "ctl/output.h"

static int run_commands(Ctl *ctl, _unused_ const CtlArguments *args) {
        ctl_help_commands(ctl->out, ctl->root);
        return 0;
}

static const CtlVerb verb_commands = {
        .name = "commands",
        .usage = "List all commands",
        .arguments = " ",
        .run = run_commands,
        .hidden = true,
        .local = true,
};

static const CtlFlag root_flags[] = {
        { { "host", "l" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, host),
          "API endpoint multiaddresses (comma-separated)",
          "\"" CTL_HOST_DEFAULT "\"",
          .offer = CTL_OFFER_WORDS,
          .words = CTL_HOST_DEFAULT },
        { { "https", "s" }, CTL_FLAG_BOOL, offsetof(CtlOptions, https), "use https to connect to the API" },
        { { "no-check-certificate" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, no_check_certificate),
          "do not verify server TLS certificate. only valid with --https flag" },
        { { "encoding", "enc" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, encoding),
          "output format encoding [text, json]",
          "\"text\"",
          .offer = CTL_OFFER_WORDS,
          .words = "text json" },
        { { "timeout", "t" },
          CTL_FLAG_INT,
          offsetof(CtlOptions, timeout_sec),
          "number of seconds to wait before timing out a request",
          "0" },
        { { "debug", "d" }, CTL_FLAG_BOOL, offsetof(CtlOptions, debug), "set debug log level" },
        { { "basic-auth" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, basic_auth),
          "<username>[:<password>] specify BasicAuth credentials for server that\n"
          "requires authorization. implies --https, which you can disable with --force-http",
          NULL,
          "CLUSTER_CREDENTIALS" },
        { { "force-http", "f" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, force_http),
          "force HTTP. only valid when using BasicAuth" },
        { { "bus" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, bus),
          "ask the peer of this host over the system bus" },
        { { "user-bus" },
          CTL_FLAG_BOOL,
          offsetof(CtlOptions, user_bus),
          "ask the user's own peer over the user's bus" },
        { { "instance" },
          CTL_FLAG_STRING,
          offsetof(CtlOptions, instance),
          "which of several peers on the bus: the instance of its unit" },
        { { "help", "h" }, CTL_FLAG_BOOL, offsetof(CtlOptions, help), "show help" },
        { { "version", "v" }, CTL_FLAG_BOOL, offsetof(CtlOptions, version), "print the version" },
        /* Read so that it can be refused with words. */
        { { "secret" }, CTL_FLAG_STRING, offsetof(CtlOptions, secret), NULL },
        {},
};

const CtlVerb ctl_verb_root = {
        .name = CTL_NAME,
        .usage = "CLI for IPFS Cluster",
        .description = "\n"
                       "ipfs-cluster-ctl is a tool to manage IPFS Cluster nodes.\n"
                       "\n"
                       "Use \"ipfs-cluster-ctl help\" to list all available commands and\n"
                       "\"ipfs-cluster-ctl help <command>\" to get usage information for a\n"
                       "specific one.\n"
                       "\n"
                       "ipfs-cluster-ctl uses the IPFS Cluster API to perform requests and\n"
                       "display responses in a user-readable format. A peer that is a service of this\n"
                       "host is asked over the system bus, unless an option of the HTTP API is given;\n"
                       "otherwise the location of the IPFS Cluster server is assumed to be\n" CTL_HOST_DEFAULT
                       ", but can be configured\n"
                       "with the --host option. If several multiaddresses are specified \n"
                       "(comma-separated), requests will be sent to the first one and fail-over \n"
                       "over to the others. This also works for dns-based addresses which resolve\n"
                       "to multiple values.\n",
        .flags = root_flags,
        .verbs =
                        (const CtlVerb *const[]){
                                        &ctl_verb_id,
                                        &ctl_verb_peers,
                                        &ctl_verb_add,
                                        &ctl_verb_pin,
                                        &ctl_verb_status,
                                        &ctl_verb_sync,
                                        &ctl_verb_recover,
                                        &ctl_verb_version,
                                        &ctl_verb_health,
                                        &ctl_verb_monitor,
                                        &ctl_verb_ipfs,
                                        &verb_commands,
                                        NULL,
                        },
};

const CtlVerb *ctl_verb_find(const CtlVerb *group, const char *name) {
        for (const CtlVerb *const *verb = group->verbs; *verb; verb++)
                if (strcmp((*verb)->name, name) == 0)
                        return *verb;
        return NULL;
}

int ctl_verb_fail(Ctl *ctl, const char *doing, const char *format, ...) {
        va_list ap;

        fprintf(ctl->err, "error %s: ", doing);
        va_start(ap, format);
        vfprintf(ctl->err, format, ap);
        va_end(ap);
        fputc('\n', ctl->err);
        return CTL_EXIT_FAILURE;
}

/* A peer that answered with an error is something else than no answer. */
static int verb_exit_status(const CtlFailure *failure, int r) {
        ErrorCode code = error_from_http_status(failure->code);

        if (failure->code == 0 || r == -ENOMEM)
                return CTL_EXIT_FAILURE;
        return error_exit_status(code == ERROR_NONE ? ERROR_INTERNAL : code); /* a 200 that makes no sense */
}

int ctl_verb_failed(Ctl *ctl, CtlFailure *failure, int r) {
        int status = verb_exit_status(failure, r);

        (void) ctl_output_failure(ctl, failure);
        ctl_failure_done(failure);
        return status;
}

static int verb_call(Ctl *ctl, const CtlRequest *request, CtlItemFunc on_item, void *userdata) {
        CtlFailure failure = {};
        int r;

        r = ctl_backend_call(ctl->backend, request, on_item, userdata, &failure);
        return r >= 0 ? 0 : ctl_verb_failed(ctl, &failure, r);
}

typedef struct Show {
        Ctl *ctl;
        CtlCall call;
} Show;

static int show_item(void *item, void *userdata) {
        Show *show = userdata;

        return ctl_output_item(show->ctl, show->call, item);
}

int ctl_verb_show(Ctl *ctl, const CtlRequest *request) {
        Show show = { ctl, request->call };

        return verb_call(ctl, request, show_item, &show);
}

typedef struct Fetch {
        const JsonShape *shape;
        void *to;
} Fetch;

static int fetch_item(void *item, void *userdata) {
        Fetch *fetch = userdata;

        memcpy(fetch->to, item, fetch->shape->size);
        memset(item, 0, fetch->shape->size);
        return 0;
}

int ctl_verb_fetch(Ctl *ctl, const CtlRequest *request, void *ret) {
        Fetch fetch = { ctl_call_shape(request->call), ret };

        return verb_call(ctl, request, fetch_item, &fetch);
}

int ctl_verb_read_cid(Ctl *ctl, const char *doing, const char *text, char ret[static CID_TEXT_MAX]) {
        const char *why = NULL;
        Cid cid;

        if (cid_parse(text, &cid, &why) < 0)
                return ctl_verb_fail(ctl, doing, "invalid cid: %s", why);
        cid_format(&cid, ret);
        return 0;
}
