#pragma once

/*
 * The table of service.json: every key of every section, in the order in which the file is written.
 *
 * A row of a key that this program uses has the offset of its member in Config. All others (CONFIG_KEPT) are
 * checked by the same rules, kept as they are in the file, and written back. The environment variable of a
 * key is the section's prefix and the key's letters and digits in upper case: cluster.dial_peer_timeout is
 * CLUSTER_DIALPEERTIMEOUT, cluster.connection_manager.high_water is CLUSTER_CONNECTIONMANAGER_HIGHWATER.
 */

#include <stddef.h>

#include "daemon/base/json.h"

#define CONFIG_KEPT SIZE_MAX /* the offset of a row without a member */
#define CONFIG_PATH_MAX 128

typedef struct ConfigRow ConfigRow;
typedef struct ConfigSection ConfigSection;

typedef enum ConfigRule {
        CONFIG_RULE_ANY,
        CONFIG_RULE_POSITIVE,      /* number, duration */
        CONFIG_RULE_NOT_NEGATIVE,  /* the same */
        CONFIG_RULE_NOT_ZERO,      /* the same */
        CONFIG_RULE_HEADER_BYTES,  /* 4096 to 2147483647 */
        CONFIG_RULE_FRACTION,      /* above 0, below 1 */
        CONFIG_RULE_FILLED,        /* string or list that is not empty; map that is null or not empty */
        CONFIG_RULE_SECRET,        /* 64 hex digits or empty; made lower case */
        CONFIG_RULE_ADDRESS,       /* multiaddr, or a list of them; made canonical */
        CONFIG_RULE_ADDRESSES,     /* a list of at least one */
        CONFIG_RULE_ENDPOINT,      /* a tcp or unix multiaddr */
        CONFIG_RULE_ENDPOINTS,     /* a list of at least one */
        CONFIG_RULE_PEERS,         /* list of peer IDs; made base58 */
        CONFIG_RULE_TRUSTED_PEERS, /* the same, or "*" */
        CONFIG_RULE_AUTHORIZATION, /* bearer:TOKEN or basic:USER:PASSWORD */
        CONFIG_RULE_HEADERS,       /* names of HTTP headers, each with a list of values */
        CONFIG_RULE_LOG_LEVELS,    /* log_set_levels() takes it, or empty */
        _CONFIG_RULE_N,
} ConfigRule;

enum {
        CONFIG_REQUIRED = 1 << 0,    /* an error when the section is there without it */
        CONFIG_ZERO_PRESET = 1 << 1, /* 0 or "" means the preset */
        CONFIG_OMIT_EMPTY = 1 << 2,  /* not written when empty, zero, false */
        CONFIG_OMIT_PRESET = 1 << 3, /* not written when it is the preset */
        CONFIG_SECRET = 1 << 4,      /* never shown */
        CONFIG_UNBUILT = 1 << 5,     /* refused unless it is the preset (or empty, without one) */
        CONFIG_NO_VARIABLE = 1 << 6, /* no environment variable here */
        CONFIG_LIVE = 1 << 7,        /* a reload applies it (diff.h); without, it needs a restart */
};

struct ConfigRow {
        const char *key;
        JsonKind kind;
        ConfigRule rule;
        size_t offset;
        const char *preset; /* what `init` writes, in the form of an environment variable; NULL: nothing */
        unsigned flags;
        const char *absent;    /* the value when the file does not have it; NULL: the preset */
        const JsonType *type;  /* JSON_TYPE */
        const ConfigRow *rows; /* JSON_OBJECT: its keys; NULL: whatever it holds */
};

enum {
        CONFIG_SECTION_USED = 1 << 0, /* has members in Config */
        CONFIG_SECTION_INIT = 1 << 1, /* `init` writes it */
        CONFIG_SECTION_LIVE = 1 << 2, /* it may come and go at a reload */
};

struct ConfigSection {
        const char *group; /* "api", or NULL for a section at the top */
        const char *name;
        const char *prefix;    /* of environment variables */
        const ConfigRow *rows; /* ends with an empty row */
        unsigned flags;
        size_t enabled; /* offset of the bool that tells that the section is there, or CONFIG_KEPT */
};

extern const ConfigSection config_table_sections[]; /* ends with an empty row; groups are contiguous */

/* "api.restapi"; answers TEXT. */
const char *config_table_path(const ConfigSection *section, char text[static CONFIG_PATH_MAX]);

/* The value of SECTION in FILE, borrowed; NULL: not there. */
struct json_object *config_table_find(const ConfigSection *section, struct json_object *file);

/* PREFIX and KEY's letters, as an environment variable. */
void config_table_variable(const char *prefix, const char *key, char text[static CONFIG_PATH_MAX]);
