#include "daemon/service-reload.h"

#include "daemon/base/log.h"
#include "daemon/base/message-ids.h"
#include "daemon/cluster/host.h"
#include "daemon/config/config.h"
#include "daemon/config/diff.h"
#include "daemon/config/identity.h"

#define RELOAD_LOG_LEVEL "info" /* what log.c begins with */

int service_reload_read(Config **ret, const char *folder, const Arguments *arguments, Error *reterr) {
        int r;

        r = config_load(ret, folder, reterr);
        if (r < 0)
                return r;
        if (arguments->leave)
                (*ret)->cluster.leave_on_shutdown = true;
        if (arguments->stats)
                (*ret)->metrics.enable_stats = true;
        return 0;
}

static bool reload_command_line_has_level(const Arguments *arguments) {
        return arguments->debug || !str_is_empty(arguments->loglevel);
}

static void reload_set_level(const char *level) {
        int r;

        r = log_set_levels(level);
        if (r < 0)
                log_warning_errno(r, "Failed to set the log level '%s', ignoring: %m", level);
}

void service_reload_log_level(const Config *config, const Arguments *arguments) {
        if (!reload_command_line_has_level(arguments) && !str_is_empty(config->cluster.log_level))
                reload_set_level(config->cluster.log_level);
}

/* The identity is part of the state: another one is for another peer. */
static int reload_check_identity(const ServiceReload *reload, ConfigDiff *diff, Error *reterr) {
        _cleanup_(config_identity_done) ConfigIdentity identity = {};
        int r;

        r = config_identity_load(&identity, reload->folder, reterr);
        if (r < 0)
                return r;
        if (peer_id_equal(&identity.id, cluster_self(reload->cluster)))
                return 0;
        r = str_list_append(&diff->restart, CONFIG_IDENTITY_FILE);
        return r < 0 ? error_set_errno(reterr, r, "%s: %m", CONFIG_IDENTITY_FILE) : 0;
}

static int reload_apis(const ServiceReload *reload, Error *reterr) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < reload->n_apis; i++)
                if (reload->apis[i])
                        r = rest_api_reload(reload->apis[i], reterr);
        return r;
}

static int reload_apply(const ServiceReload *reload, Config *newer, Error *reterr) {
        int r;

        config_exchange_live(reload->config, newer);
        r = reload_apis(reload, reterr);
        if (r >= 0)
                r = cluster_reload(reload->cluster, reterr);
        if (r < 0) {
                config_exchange_live(reload->config, newer);
                (void) reload_apis(reload, NULL);
                (void) cluster_reload(reload->cluster, NULL);
                return r;
        }
        /* A level that was set over the bus stays until the file says another one. */
        if (!str_equal(reload->config->cluster.log_level, newer->cluster.log_level) &&
            !reload_command_line_has_level(reload->arguments))
                reload_set_level(
                                str_is_empty(reload->config->cluster.log_level)
                                                ? RELOAD_LOG_LEVEL
                                                : reload->config->cluster.log_level);
        return 0;
}

static char *reload_join(const StrList *names) {
        Str text = {};

        for (size_t i = 0; i < names->n; i++)
                (void) str_appendf(&text, "%s%s", i > 0 ? ", " : "", names->items[i]);
        return str_take(&text);
}

static void reload_tell(const ConfigDiff *diff) {
        _cleanup_free_ char *live = reload_join(&diff->live), *restart = reload_join(&diff->restart);
        char settings[LOG_FIELD_MAX];

        if (diff->live.n == 0)
                log_info("The configuration was read again, there was nothing to apply.");
        else
                log_notice("The configuration was read again, applied: %s", live ? live : "");
        if (diff->restart.n > 0)
                log_struct(LOG_WARNING,
                           LOG_FIELDS(MESSAGE_ID_RESTART_NEEDED,
                                      log_field(settings, "CLUSTER_SETTINGS", restart ? restart : "")),
                           "These settings have changed, and take effect at the next start: %s",
                           restart ? restart : "");
}

int service_reload(const ServiceReload *reload, Error *reterr) {
        _cleanup_(config_diff_done) ConfigDiff diff = {};
        _cleanup_(config_freep) Config *newer = NULL;
        int r;

        r = service_reload_read(&newer, reload->folder, reload->arguments, reterr);
        if (r < 0)
                return r;
        r = config_diff(reload->config, newer, &diff);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", CONFIG_FILE);
        r = reload_check_identity(reload, &diff, reterr);
        if (r < 0)
                return r;

        /* Of a certificate the file may have changed, and not its name. */
        r = diff.live.n > 0 ? reload_apply(reload, newer, reterr) : reload_apis(reload, reterr);
        if (r < 0)
                return r;
        reload_tell(&diff);
        return 0;
}
