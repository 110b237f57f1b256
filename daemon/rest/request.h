#pragma once

/*
 * RestRequest: one request being answered. It is freed when the answer was handed over, or when the client
 * went away; dropping its slots cancels what was asked of the cluster.
 */

#include "daemon/base/list.h"
#include "daemon/guard/guard.h"
#include "daemon/net/http-server.h"
#include "daemon/rest/api.h"
#include "daemon/types/pin-options.h"

#define REST_SEGMENTS_MAX 4 /* of a path that a route names */
#define REST_BODY_MAX (64 * 1024)

struct RestRequest {
        List link;
        RestApi *api;
        HttpRequest *http;
        Guard *guard; /* of the time when it came */
        GuardVisit visit;
        const char *segments[REST_SEGMENTS_MAX]; /* what the {} of the route stand for */
        char *path;                              /* their memory */
        const char *rest;                        /* what {*} stands for, with a slash in front */
        ClusterCall *call;
        void *state; /* of who answers it, beyond one call */
        void (*free_state)(void *state);
        Str body; /* gathered */
        void (*on_body)(RestRequest *request);
};

struct RestApi {
        const RestSurface *surface;
        sd_event *event;
        Cluster *cluster;
        GuardOptions options; /* the guard's */
        Guard *guard;
        RestServers servers;
        List requests;
};

RestRequest *rest_request_free(RestRequest *request);

/* The query says KEY=true, in just these letters. */
bool rest_request_flag(const RestRequest *request, const char *key);
/* The value of KEY, "" when it is not there. */
const char *rest_request_value(const RestRequest *request, const char *key);

/* Gather the body, at most REST_BODY_MAX bytes, then call DONE. A larger one is answered 413. */
void rest_request_read_body(RestRequest *request, void (*done)(RestRequest *request));

/* Read segment I as a CID, or answer 400: then -EINVAL, and the request is gone. */
int rest_request_cid(RestRequest *request, size_t i, Cid *ret);
/* The parameters of the query; *RET is freed by the caller, not what it points to. Errors: -ENOMEM. */
int rest_request_parameters(const RestRequest *request, PinOption **ret, size_t *ret_n);
/* The pin options of the query; on failure as above. */
int rest_request_options(RestRequest *request, Pin *pin);
