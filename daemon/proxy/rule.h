#pragma once

/*
 * The table of Kubo's calls that the cluster answers. Kubo takes one more path element for the first
 * argument, even of calls that have none, so these are found with one, too.
 */

#include "daemon/net/query.h"

struct json_object;

typedef struct ProxyCall ProxyCall;

/* An upload: Kubo does it, and the cluster pins what its answer names. */
typedef struct ProxyUpload {
        const char *root[4]; /* keys, one within the other, under which a line has a root's CID */
        const char *error;   /* beside the last of them: not pinned if that says something; NULL: none */
        const char *pin;     /* the parameter that asks for pinning, and whether it does when absent */
        bool pin_default;
        bool keeps_pin;            /* Kubo has to pin, too: else its answer does not name the roots */
        const char *without[2][2]; /* with one of these (and its other name) nothing is kept, nor pinned */
} ProxyUpload;

typedef struct ProxyRule {
        const char *command;            /* "pin/add" */
        void (*begin)(ProxyCall *call); /* answers by the cluster … */
        const ProxyUpload *upload;      /* … or is an upload */
} ProxyRule;

/* PATH is decoded. *RET_ELEMENT: what stands behind the command, NULL: nothing. */
const ProxyRule *proxy_rule_find(const char *path, const char **ret_element);

/* A parameter as Kubo reads it. SHORT_NAME may be NULL. *RET is PRESET when it is not there. Errors: -EINVAL
 * (Kubo would refuse it). */
int proxy_rule_flag(const Query *query, const char *name, const char *short_name, bool preset, bool *ret);
const char *proxy_rule_value(const Query *query, const char *name, const char *short_name);

/* Whether the cluster has to do with this upload: it is to be kept and pinned. */
bool proxy_rule_is_pinning(const ProxyUpload *upload, const Query *query);

extern const ProxyUpload proxy_upload_add, proxy_upload_block, proxy_upload_dag, proxy_upload_car;
