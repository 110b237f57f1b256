#pragma once

/*
 * The functions of libcurl that are used here, loaded when they are needed first: the library and what it
 * pulls in take longer to load than most of what this program does.
 */

#include <curl/curl.h>

#include "daemon/types/error.h"

typedef struct CtlCurl {
        __typeof__(curl_easy_init) *easy_init;
        __typeof__(curl_easy_cleanup) *easy_cleanup;
        __typeof__(curl_easy_setopt) *easy_setopt;
        __typeof__(curl_easy_perform) *easy_perform;
        __typeof__(curl_easy_getinfo) *easy_getinfo;
        __typeof__(curl_easy_reset) *easy_reset;
        __typeof__(curl_easy_strerror) *easy_strerror;
        __typeof__(curl_multi_init) *multi_init;
        __typeof__(curl_multi_cleanup) *multi_cleanup;
        __typeof__(curl_multi_add_handle) *multi_add_handle;
        __typeof__(curl_multi_remove_handle) *multi_remove_handle;
        __typeof__(curl_multi_perform) *multi_perform;
        __typeof__(curl_multi_poll) *multi_poll;
        __typeof__(curl_multi_info_read) *multi_info_read;
        __typeof__(curl_easy_pause) *easy_pause;
        __typeof__(curl_slist_append) *slist_append;
        __typeof__(curl_slist_free_all) *slist_free_all;
} CtlCurl;

/* *RET is there until the end of the program. Errors: ERROR_UNSUPPORTED: it cannot be loaded. */
int ctl_curl_load(const CtlCurl **ret, Error *reterr);
