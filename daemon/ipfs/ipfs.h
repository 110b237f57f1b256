#pragma once

/*
 * Ipfs: the calls that this peer makes to its Kubo (RPC over HTTP, always POST; recordings in
 * tests/golden/kubo).
 *
 * Every call is an IpfsCall, a slot: ipfs_call_unref() cancels it and guarantees silence. Handlers come from
 * the loop, once, and may unref their own call. R is 0 or positive when Kubo did as told; negative with
 * words when not: ERROR_IPFS with Kubo's own message, or that Kubo could not be reached. Trailers
 * (X-Stream-Error) are read: a stream that ends with an error in the trailer, or that is cut, has failed.
 *
 * Ipfs also knows whether Kubo is there: "up" after any HTTP answer that is Kubo's, "down" after a refused
 * connection, one that broke before an answer, a proxy's 502 to 504, or an "id" that was not answered in
 * time (other questions may take long). While it is down every call is still tried; one that fails for that
 * reason answers ERROR_IPFS with ipfs_call_is_down() true, so that no attempt is counted. A probe ("id") a
 * second, with back-off and jitter up to 30 s, finds out when it is back.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "daemon/ipfs/counters.h"
#include "daemon/net/http-client.h"
#include "daemon/types/add-options.h"
#include "daemon/types/cid.h"
#include "daemon/types/error.h"
#include "daemon/types/peer-id.h"
#include "daemon/types/peer-info.h"
#include "daemon/types/pin.h"

#define IPFS_ANSWER_MAX (1024 * 1024) /* a body that is no stream; a larger one is an error */
#define IPFS_LINE_MAX (64 * 1024)     /* one object of a stream */
#define IPFS_PIN_UPDATE_TIMEOUTS 10
#define IPFS_UPLOAD_STALL (600 * USEC_PER_SEC) /* Kubo neither takes nor says anything */
/* Bytes; longer names are cut on a UTF-8 boundary (Kubo 0.38 refuses them). */
#define IPFS_PIN_NAME_MAX 255

typedef struct Ipfs Ipfs;
typedef struct IpfsCall IpfsCall;

typedef enum IpfsPinType {
        IPFS_PIN_NONE, /* not pinned, or indirectly only */
        IPFS_PIN_DIRECT,
        IPFS_PIN_RECURSIVE,
} IpfsPinType;

typedef struct IpfsOptions {
        const char *node_multiaddress; /* tcp, unix, https ("/dns4/h/tcp/5001/https", "/tls/http") */
        const char *authorization; /* "bearer:TOKEN" or "basic:USER:PASSWORD" (Kubo's own spelling) or NULL
                                    */
        uint64_t request_timeout_usec; /* ipfs_request_timeout */
        uint64_t pin_timeout_usec;     /* no progress for so long: the pin is given up */
        uint64_t unpin_timeout_usec;
        uint64_t repo_gc_timeout_usec;
        bool unpin_disable;
        /* The client of pin/add, pin/update, pin/rm, the whole pin/ls, and of pin types asked for work, so
         * that questions of which a silent Kubo holds all connections do not keep the work waiting. NULL:
         * the same. */
        HttpClient *work;
        void (*reachable_changed)(bool reachable, void *userdata); /* may be NULL */
        void *userdata;
} IpfsOptions;

/* Errors: ERROR_INVALID (an address that cannot be used). */
int ipfs_new(Ipfs **ret, sd_event *event, HttpClient *client, const IpfsOptions *options, Error *reterr);
Ipfs *ipfs_free(Ipfs *ipfs); /* no call may be left */
DEFINE_CLEANUP(Ipfs *, ipfs_free);

/* For calls from now on: authorization, time-outs and unpin_disable of OPTIONS; the others are not looked
 * at. On an error nothing has changed. */
int ipfs_set_options(Ipfs *ipfs, const IpfsOptions *options, Error *reterr);

/* What somebody who starts and stops Kubo says of it. While it changes, an answer does not make it "up" (it
 * also comes while Kubo ends), and a call that fails, then or if it began before, fails for that reason, as
 * while it is down. reachable_changed(false) comes from inside the call. */
typedef enum IpfsHint {
        IPFS_HINT_NONE,
        IPFS_HINT_THERE,    /* ask at once */
        IPFS_HINT_AWAY,     /* down, until something answers */
        IPFS_HINT_CHANGING, /* down, until another hint comes */
} IpfsHint;
void ipfs_hint(Ipfs *ipfs, IpfsHint hint);

bool ipfs_is_reachable(const Ipfs *ipfs); /* false until the first answer */
const IpfsCounters *ipfs_counters(const Ipfs *ipfs);
const IpfsId *ipfs_last_id(const Ipfs *ipfs); /* the last good one; id not set before */

IpfsCall *ipfs_call_unref(IpfsCall *call);
DEFINE_CLEANUP(IpfsCall *, ipfs_call_unref);
bool ipfs_call_is_down(const IpfsCall *call); /* in a handler with R < 0: Kubo did not answer at all */

/* Handlers. What they are given is borrowed for the call. */
typedef void (*IpfsDone)(IpfsCall *call, int r, const Error *error, void *userdata);
typedef void (*IpfsIdDone)(IpfsCall *call, int r, const Error *error, const IpfsId *id, void *userdata);
typedef void (*IpfsPinTypeDone)(IpfsCall *call, int r, const Error *error, IpfsPinType type, void *userdata);
typedef void (*IpfsCidDone)(IpfsCall *call, int r, const Error *error, const Cid *cid, void *userdata);
typedef void (*IpfsRepoStatDone)(
                IpfsCall *call,
                int r,
                const Error *error,
                uint64_t repo_size,
                uint64_t storage_max,
                void *userdata);
typedef void (*IpfsPeersDone)(
                IpfsCall *call, int r, const Error *error, const PeerIdList *peers, void *userdata);

int ipfs_id(Ipfs *ipfs, IpfsCall **ret, IpfsIdDone done, void *userdata);
int ipfs_repo_stat(
                Ipfs *ipfs,
                IpfsCall **ret,
                IpfsRepoStatDone done,
                void *userdata); /* size-only; storage_max UINT64_MAX: no limit */
int ipfs_swarm_peers(Ipfs *ipfs, IpfsCall **ret, IpfsPeersDone done, void *userdata);
int ipfs_swarm_connect(Ipfs *ipfs, IpfsCall **ret, const char *multiaddr, IpfsDone done, void *userdata);

/* Pin CID as recursive or direct, with NAME (may be NULL) as Kubo's pin name, and fast-provide-root=false
 * (announcing is left to Kubo's sweep). Ends with an error when Kubo's progress (blocks and bytes) stands
 * still for pin_timeout; there is no total limit. Pinning what is pinned already succeeds. */
int ipfs_pin_add(
                Ipfs *ipfs,
                IpfsCall **ret,
                const Cid *cid,
                PinMode mode,
                const char *name,
                IpfsDone done,
                void *userdata);
/* Pin TO, which shares most blocks with FROM, pinned recursively here; FROM stays pinned. Kubo shows no
 * progress for it, so it is bounded as a whole by IPFS_PIN_UPDATE_TIMEOUTS times pin_timeout. */
int ipfs_pin_update(
                Ipfs *ipfs, IpfsCall **ret, const Cid *from, const Cid *to, IpfsDone done, void *userdata);
/* Not pinned counts as done. Errors: ERROR_REFUSED with unpin_disable. */
int ipfs_pin_rm(Ipfs *ipfs, IpfsCall **ret, const Cid *cid, IpfsDone done, void *userdata);
/* How CID is pinned here, asked for recursive and for direct (never for "all", which computes indirect
 * pins). */
int ipfs_pin_type(
                Ipfs *ipfs,
                IpfsCall **ret,
                const Cid *cid,
                bool is_work,
                IpfsPinTypeDone done,
                void *userdata);

/* Every recursive and every direct pin of this Kubo, streamed. ITEM answers 0 to go on, 1 to pause
 * (ipfs_call_resume() goes on; the item counts as taken), negative to stop, and may free the call. DONE: R
 * is 0 only when both lists came whole, and what ITEM said when it stopped. */
typedef int (*IpfsPinItem)(IpfsCall *call, const Cid *cid, IpfsPinType type, void *userdata);
int ipfs_pin_ls(Ipfs *ipfs, IpfsCall **ret, IpfsPinItem item, IpfsDone done, void *userdata);
void ipfs_call_resume(IpfsCall *call);

/* PATH (/ipfs/…, /ipns/…, /ipld/…) to the CID it names now. */
int ipfs_resolve(Ipfs *ipfs, IpfsCall **ret, const char *path, IpfsCidDone done, void *userdata);

/* Content for Kubo as a form, produced while it is sent. */
typedef struct IpfsUpload {
        const char *content_type; /* with the boundary; copied */
        /* As HttpCallOptions.read_body; ipfs_call_resume_upload() after HTTP_PAUSE. */
        ssize_t (*read)(IpfsCall *call, void *buffer, size_t max, void *userdata);
} IpfsUpload;

/* What Kubo says while it adds; borrowed. */
typedef struct IpfsAdded {
        const char *name; /* "" for what wraps the rest */
        Cid cid;          /* undefined: BYTES of that file have come */
        uint64_t bytes, size;
} IpfsAdded;

/* Add by OPTIONS, without pinning. ITEM as that of ipfs_pin_ls(). An answer may end before the content has
 * been taken, with an error; Kubo's words stand alone then. */
typedef int (*IpfsAddedItem)(IpfsCall *call, const IpfsAdded *added, void *userdata);
int ipfs_add(Ipfs *ipfs,
             IpfsCall **ret,
             const AddOptions *options,
             const IpfsUpload *upload,
             IpfsAddedItem item,
             IpfsDone done,
             void *userdata);
/* Import the blocks of CAR files, without pinning. BYTES: of all of them. */
typedef void (*IpfsImportDone)(IpfsCall *call, int r, const Error *error, uint64_t bytes, void *userdata);
int ipfs_dag_import(
                Ipfs *ipfs, IpfsCall **ret, const IpfsUpload *upload, IpfsImportDone done, void *userdata);
void ipfs_call_resume_upload(IpfsCall *call);

/* The size of the file CID, of which Kubo has the root; 0 for what is no file. */
typedef void (*IpfsSizeDone)(IpfsCall *call, int r, const Error *error, uint64_t size, void *userdata);
int ipfs_file_size(Ipfs *ipfs, IpfsCall **ret, const Cid *cid, IpfsSizeDone done, void *userdata);

/* Collect garbage. ITEM is told each removed key, or (CID undefined) an error of Kubo about one. */
typedef void (*IpfsGcItem)(IpfsCall *call, const Cid *cid, const char *error, void *userdata);
int ipfs_repo_gc(Ipfs *ipfs, IpfsCall **ret, IpfsGcItem item, IpfsDone done, void *userdata);
