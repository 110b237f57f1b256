#pragma once

/*
 * RestSurface: what one API over HTTP is and the others are not: its section of the configuration, its
 * routes, the form of its errors. Everything else in RestApi serves whichever it is given; the REST API is
 * one of them.
 */

#include "daemon/base/str.h"
#include "daemon/types/error.h"

typedef struct RestRequest RestRequest;

typedef struct RestRoute {
        const char *method;
        const char *pattern; /* "/pins/{}/recover": {} is one segment, a last {*} all the rest */
        void (*handle)(RestRequest *request);
} RestRoute;

typedef struct RestSurface {
        const char *name;        /* "REST API", for words */
        const char *section;     /* "api.restapi" */
        size_t config;           /* offset of that section's ConfigHttpApi in Config */
        const RestRoute *routes; /* in their order: see route.c */
        size_t n_routes;
        /* Append the JSON object that tells of an error, without a newline; answers the status. */
        unsigned (*write_error)(ErrorCode code, const char *message, Str *to);
        const char *no_memory; /* the whole body of a 500 when there is no memory for anything else */
} RestSurface;

extern const RestSurface rest_surface; /* the REST API on 9094 */
