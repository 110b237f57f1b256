#include "ctl/backend/curl.h"

#include <dlfcn.h>

/* The flavour that the daemon uses, else the distribution's only one. */
static const char *const curl_libraries[] = { "libcurl-gnutls.so.4", "libcurl.so.4" };

static const struct {
        const char *name;
        size_t offset;
} curl_symbols[] = {
        { "curl_easy_init", offsetof(CtlCurl, easy_init) },
        { "curl_easy_cleanup", offsetof(CtlCurl, easy_cleanup) },
        { "curl_easy_setopt", offsetof(CtlCurl, easy_setopt) },
        { "curl_easy_perform", offsetof(CtlCurl, easy_perform) },
        { "curl_easy_getinfo", offsetof(CtlCurl, easy_getinfo) },
        { "curl_easy_reset", offsetof(CtlCurl, easy_reset) },
        { "curl_easy_strerror", offsetof(CtlCurl, easy_strerror) },
        { "curl_multi_init", offsetof(CtlCurl, multi_init) },
        { "curl_multi_cleanup", offsetof(CtlCurl, multi_cleanup) },
        { "curl_multi_add_handle", offsetof(CtlCurl, multi_add_handle) },
        { "curl_multi_remove_handle", offsetof(CtlCurl, multi_remove_handle) },
        { "curl_multi_perform", offsetof(CtlCurl, multi_perform) },
        { "curl_multi_poll", offsetof(CtlCurl, multi_poll) },
        { "curl_multi_info_read", offsetof(CtlCurl, multi_info_read) },
        { "curl_easy_pause", offsetof(CtlCurl, easy_pause) },
        { "curl_slist_append", offsetof(CtlCurl, slist_append) },
        { "curl_slist_free_all", offsetof(CtlCurl, slist_free_all) },
};

int ctl_curl_load(const CtlCurl **ret, Error *reterr) {
        static CtlCurl loaded;
        void *library = NULL;

        if (loaded.easy_init) {
                *ret = &loaded;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(curl_libraries) && !library; i++)
                library = dlopen(curl_libraries[i], RTLD_LAZY | RTLD_LOCAL);
        if (!library)
                return error_set(reterr, ERROR_UNSUPPORTED, "HTTP needs libcurl: %s", dlerror());
        for (size_t i = ELEMENTSOF(curl_symbols); i-- > 0;) {
                void *symbol = dlsym(library, curl_symbols[i].name);

                if (!symbol)
                        return error_set(reterr, ERROR_UNSUPPORTED, "HTTP needs libcurl: %s", dlerror());
                *(void **) ((char *) &loaded + curl_symbols[i].offset) = symbol;
        }
        *ret = &loaded;
        return 0;
}
