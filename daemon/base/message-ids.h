#pragma once

/*
 * What an administrator acts on has a message id, as a journal field: log_struct(level,
 * LOG_FIELDS(MESSAGE_ID_READY), …). units/ipfs-cluster.catalog has for each what happened, why it can be
 * fine, and what to do; tests/lint/messages.py compares the two. Ids are never used again for something
 * else.
 *
 * Fields beside it, where they mean something: CLUSTER_CID, CLUSTER_PEER, CLUSTER_OP ("pin", "unpin"),
 * CLUSTER_ERROR, CLUSTER_ATTEMPTS, CLUSTER_METRIC, CLUSTER_FILE, CLUSTER_IPFS, CLUSTER_SETTINGS.
 */

#define MESSAGE_ID_READY "MESSAGE_ID=76eb0801948748dbaeb872793ea388d6"
#define MESSAGE_ID_STOPPED "MESSAGE_ID=c2466ef37c714cb9931c30b212a14754"
#define MESSAGE_ID_REFUSED "MESSAGE_ID=6bfaa4f97fd64e56b605ec6e6d1ebac7"
#define MESSAGE_ID_RELOAD_REFUSED "MESSAGE_ID=23d1afad0c3948fda0c38f61929f7788"
#define MESSAGE_ID_RESTART_NEEDED "MESSAGE_ID=6f66e66cdba94ff38f3a9f8fe93cde0e"
#define MESSAGE_ID_IPFS_AWAY "MESSAGE_ID=b52dc456fc424fc28285d86fa85a6d9b"
#define MESSAGE_ID_IPFS_BACK "MESSAGE_ID=1aee036e408c48d5a82ac88c1afc2604"
#define MESSAGE_ID_PIN_FAILED "MESSAGE_ID=ea4192af714845edab739b2ddb84c007"
#define MESSAGE_ID_PIN_RECOVERED "MESSAGE_ID=40d36c7258fc4689a4a0ec3a31b016d1"
#define MESSAGE_ID_STORE_RENEWED "MESSAGE_ID=933671074ce1438495d6a5a5662630ae"
#define MESSAGE_ID_LOG_CUT "MESSAGE_ID=bc7af787a55c4c8fa4c48d831765bfe8"
#define MESSAGE_ID_STATE_DAMAGED "MESSAGE_ID=de97c582845c43b9aa697d550f12360b"
#define MESSAGE_ID_DISK_FAILED "MESSAGE_ID=f9d0edac334c4ba7adfd82eafc8d1203"
#define MESSAGE_ID_PEERS_DIFFER "MESSAGE_ID=5c1e0c0be63f4a2fb7a4cbd29e0e5d3a"
#define MESSAGE_ID_METRIC_EXPIRED "MESSAGE_ID=fcc7f04ec2d64814b07354cb301d1f95"
