#pragma once

#include <stdbool.h>
#include <string.h>

/* Every name of the D-Bus service, spelled once. The members of the interfaces stand in their vtables and in
 * the *.xml. */

#define BUS_NAME "org.ipfs.Cluster" /* with an instance: BUS_NAME ".<instance>" */
#define BUS_INSTANCE_MAX 64

#define BUS_PATH "/org/ipfs/Cluster"
#define BUS_PEER_PATH BUS_PATH "/peer" /* <this>/<encoded peer ID> */
#define BUS_LOG_PATH "/org/freedesktop/LogControl1"

#define BUS_INTERFACE "org.ipfs.Cluster"
#define BUS_PEER_INTERFACE "org.ipfs.Cluster.Peer"
#define BUS_LOG_INTERFACE "org.freedesktop.LogControl1"

/* Errors: the names are those of types/error.c. What polkit refuses has the well-known names. */
#define BUS_ERROR_PREFIX "org.ipfs.Cluster.Error."

/* polkit actions (org.ipfs.Cluster.policy.in). Reading needs none. */
#define BUS_ACTION_PIN "org.ipfs.Cluster.pin"
#define BUS_ACTION_UNPIN "org.ipfs.Cluster.unpin"
#define BUS_ACTION_RECOVER "org.ipfs.Cluster.recover"
#define BUS_ACTION_MANAGE_PEERS "org.ipfs.Cluster.manage-peers"
#define BUS_ACTION_COLLECT_GARBAGE "org.ipfs.Cluster.collect-garbage"
#define BUS_ACTION_RELOAD "org.ipfs.Cluster.reload"

#define BUS_POLKIT_NAME "org.freedesktop.PolicyKit1"
#define BUS_POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define BUS_POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

#define BUS_LOGIND_NAME "org.freedesktop.login1"
#define BUS_LOGIND_PATH "/org/freedesktop/login1"
#define BUS_LOGIND_INTERFACE "org.freedesktop.login1.Manager"

#define BUS_SYSTEMD_NAME "org.freedesktop.systemd1"
#define BUS_SYSTEMD_PATH "/org/freedesktop/systemd1"
#define BUS_SYSTEMD_INTERFACE "org.freedesktop.systemd1.Manager"
#define BUS_UNIT_INTERFACE "org.freedesktop.systemd1.Unit"
#define BUS_IPFS_UNIT_PATH BUS_SYSTEMD_PATH "/unit/ipfs_2eservice" /* Kubo's own unit file: ipfs.service */

#define BUS_PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

#define BUS_PING_INTERFACE "org.freedesktop.DBus.Peer" /* which every object has */

#define BUS_DAEMON_NAME "org.freedesktop.DBus"
#define BUS_DAEMON_PATH "/org/freedesktop/DBus"
#define BUS_DAEMON_INTERFACE "org.freedesktop.DBus"

#define BUS_LOCAL_NAME "org.freedesktop.DBus.Local"
#define BUS_LOCAL_PATH "/org/freedesktop/DBus/Local"
#define BUS_LOCAL_INTERFACE "org.freedesktop.DBus.Local"

/* Whether TEXT may stand in a bus name (and so in the name of the unit): letters, digits, _ and -, no digit
 * first. */
static inline bool bus_instance_is_valid(const char *text) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
        size_t n = strlen(text);

        return n > 0 && n <= BUS_INSTANCE_MAX && strchr(letters, text[0]) &&
               strspn(text, "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") == n;
}
