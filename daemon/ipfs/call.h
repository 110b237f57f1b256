#pragma once

/*
 * IpfsCall inside: one or two requests to Kubo (a second one where a list is asked for two types), the
 * splitter of streamed answers, the translation of Kubo's errors.
 *
 * A kind of call is a constant IpfsCallClass. Its functions are called from the loop with what came;
 * finish() calls the handler of the asker, and is the last thing that touches the call.
 */

#include "daemon/base/list.h"
#include "daemon/ipfs/ipfs.h"

struct json_object;

typedef struct IpfsCallClass {
        const char *command;  /* "pin/add" */
        bool is_stream;       /* one JSON object a line; else one answer */
        bool is_work;         /* goes over ipfs->work */
        bool has_plain_words; /* Kubo's words are told alone: they are about what a caller has sent */
        /* One object of the stream, or the whole answer, to be read into the call. Negative: the call fails
         * with that, words are in call->error or are made. */
        int (*on_object)(IpfsCall *call, struct json_object *object);
        /* Hand what on_object() has read to the asker, who may free the call: 0, 1 pauses the stream,
         * negative stops it. May be NULL. */
        int (*on_item)(IpfsCall *call);
        /* Kubo answered with this error text (from the body or the trailer): answers 0 when that is no
         * failure for this kind of call. May be NULL. */
        int (*on_refusal)(IpfsCall *call, const char *message);
        /* A request ended well: answers 1 when another one was started (ipfs_call_request()), 0 when the
         * call is done. May be NULL. */
        int (*on_end)(IpfsCall *call);
        /* Hand R and call->error to the asker. */
        void (*finish)(IpfsCall *call, int r);
} IpfsCallClass;

struct IpfsCall {
        Ipfs *ipfs;
        List link;
        const IpfsCallClass *class;
        HttpClient *client; /* over which the call goes */
        HttpCall *http;
        sd_event_source *run; /* goes on with what is buffered, and delivers an end that was found out inside
                                 a call */
        sd_event_source *stall; /* pin/add: no progress */
        char *arguments;        /* the query of the request under way, for messages */
        uint64_t timeout_usec;  /* for a whole request */
        uint64_t stall_usec; /* nothing from Kubo for so long; for lists, which take as long as they take */
        Str buffer;          /* the answer, or what of the stream was not yet split */
        size_t at;           /* of it: up to here it was handed on */
        bool paused;
        unsigned status;  /* of the answer; 0 before its head has come */
        uint64_t started; /* the request, µs */
        bool http_ended;
        int http_result;
        bool is_down;
        Error error;
        bool *gone; /* set to true when the call is freed inside one of its own callbacks */

        union {
                void (*any)(void);
                IpfsDone plain;
                IpfsIdDone id;
                IpfsPinTypeDone pin_type;
                IpfsCidDone cid;
                IpfsRepoStatDone repo_stat;
                IpfsPeersDone peers;
                IpfsImportDone import;
                IpfsSizeDone size;
        } done;
        union {
                IpfsPinItem pin;
                IpfsGcItem gc;
                IpfsAddedItem added;
        } item;
        void *userdata;

        ssize_t (*read)(IpfsCall *call, void *buffer, size_t max, void *userdata); /* of an upload */
        char *content_type;                                                        /* its header line */

        /* What answers leave here. */
        Cid cid;
        IpfsPinType pin_type;
        unsigned step;            /* 0: recursive, 1: direct */
        uint64_t progress, bytes; /* pin/add */
        bool confirmed;           /* pin/add: the last line named the pins */
        IpfsId id;
        PeerIdList peers;
        char *text;
        uint64_t repo_size, storage_max;
        IpfsAdded added;
};

/* A new call, in the list of IPFS, nothing sent. */
int ipfs_call_new(
                IpfsCall **ret,
                Ipfs *ipfs,
                const IpfsCallClass *class,
                uint64_t timeout_usec,
                void *userdata);

/* Send the request <command>?<ARGUMENTS>; ARGUMENTS is taken, also on failure; NULL is -ENOMEM. */
int ipfs_call_request(IpfsCall *call, char *arguments);

/* End the call from the loop with R; words must be in call->error. */
void ipfs_call_fail(IpfsCall *call, int r);

/* Start CALL with ARGUMENTS (taken) and hand it to the asker, or free it. */
int ipfs_call_start(IpfsCall *call, char *arguments, IpfsCall **ret);
