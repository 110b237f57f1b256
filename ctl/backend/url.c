#include "ctl/backend/url.h"

#include <string.h>

#include "ctl/backend/backend.h"
#include "ctl/backend/curl.h"
#include "daemon/base/str.h"
#include "daemon/types/version.h"

#define CONNECT_TIMEOUT_SEC 30L
#define WAIT_MSEC 1000

struct CtlUrl {
        const CtlCurl *curl;
        CURL *easy;
        CURLM *multi;
        char *address;
        Str bytes; /* one piece that libcurl gave */
        size_t at;
        bool is_paused;
        bool has_ended;
        CURLcode code;
        char text[CURL_ERROR_SIZE];
};

/* One piece at a time: libcurl keeps the next one. */
static size_t on_data(char *data, size_t size, size_t n, void *userdata) {
        CtlUrl *url = userdata;

        if (url->bytes.len > 0) {
                url->is_paused = true;
                return CURL_WRITEFUNC_PAUSE;
        }
        return str_append_bytes(&url->bytes, data, size * n) < 0 ? 0 : size * n;
}

static void set_options(CtlUrl *url) {
        const CtlCurl *curl = url->curl;
        const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");

        if (!str_is_empty(file))
                curl->easy_setopt(url->easy, CURLOPT_CAINFO, file);
        if (!str_is_empty(folder))
                curl->easy_setopt(url->easy, CURLOPT_CAPATH, folder);
        curl->easy_setopt(url->easy, CURLOPT_URL, url->address);
        curl->easy_setopt(url->easy, CURLOPT_PROTOCOLS_STR, "http,https");
        curl->easy_setopt(url->easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
        curl->easy_setopt(url->easy, CURLOPT_FOLLOWLOCATION, 1L);
        curl->easy_setopt(url->easy, CURLOPT_MAXREDIRS, 10L);
        curl->easy_setopt(url->easy, CURLOPT_NOSIGNAL, 1L);
        curl->easy_setopt(url->easy, CURLOPT_USERAGENT, "ipfs-cluster-ctl/" VERSION_API);
        curl->easy_setopt(url->easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_SEC);
        curl->easy_setopt(url->easy, CURLOPT_ERRORBUFFER, url->text);
        curl->easy_setopt(url->easy, CURLOPT_WRITEFUNCTION, on_data);
        curl->easy_setopt(url->easy, CURLOPT_WRITEDATA, url);
}

int ctl_url_open(CtlUrl **ret, const char *address, Error *reterr) {
        _cleanup_(ctl_url_closep) CtlUrl *url = calloc(1, sizeof(*url));
        int r;

        if (!url)
                return error_set_errno(reterr, -ENOMEM, "%m");
        r = ctl_curl_load(&url->curl, reterr);
        if (r < 0)
                return r;

        url->address = strdup(address);
        url->easy = url->curl->easy_init();
        url->multi = url->curl->multi_init();
        if (!url->address || !url->easy || !url->multi)
                return error_set_errno(reterr, -ENOMEM, "%m");
        set_options(url);
        if (url->curl->multi_add_handle(url->multi, url->easy) != CURLM_OK)
                return error_set_errno(reterr, -ENOMEM, "%m");

        *ret = TAKE_PTR(url);
        return 0;
}

CtlUrl *ctl_url_close(CtlUrl *url) {
        if (!url)
                return NULL;

        if (url->multi && url->easy)
                url->curl->multi_remove_handle(url->multi, url->easy);
        if (url->easy)
                url->curl->easy_cleanup(url->easy);
        if (url->multi)
                url->curl->multi_cleanup(url->multi);
        str_done(&url->bytes);
        free(url->address);
        free(url);
        return NULL;
}

/* ---- reading */

static void note_end(CtlUrl *url) {
        CURLMsg *message;
        int n_left;

        while ((message = url->curl->multi_info_read(url->multi, &n_left))) {
                url->has_ended = true;
                url->code = message->data.result;
        }
}

/* Until there is a piece, or the end. */
static int fill(CtlUrl *url) {
        const CtlCurl *curl = url->curl;
        int n_running = 1;

        while (url->bytes.len == 0 && !url->has_ended) {
                if (url->is_paused) {
                        url->is_paused = false;
                        curl->easy_pause(url->easy, CURLPAUSE_CONT);
                }
                if (curl->multi_perform(url->multi, &n_running) != CURLM_OK)
                        return -EIO;
                note_end(url);
                if (url->bytes.len == 0 && !url->has_ended &&
                    curl->multi_poll(url->multi, NULL, 0, WAIT_MSEC, NULL) != CURLM_OK)
                        return -EIO;
        }
        return 0;
}

/* "host:port" of the address. */
static void append_authority(Str *to, const char *address) {
        const char *host = strstr(address, "://") ? strstr(address, "://") + 3 : address;
        size_t n = strcspn(host, "/?#");
        const char *at = memchr(host, '@', n);

        if (at) {
                n -= (size_t) (at + 1 - host);
                host = at + 1;
        }
        (void) str_append_bytes(to, host, n);
        if (!memchr(host, ':', n))
                (void) str_append(to, strncmp(address, "https", 5) == 0 ? ":443" : ":80");
}

static int fail(CtlUrl *url, Error *reterr) {
        _cleanup_(str_done) Str authority = {};
        char text[CTL_ERRNO_WORDS_MAX];
        long error = 0;

        url->curl->easy_getinfo(url->easy, CURLINFO_OS_ERRNO, &error);
        append_authority(&authority, url->address);
        if (url->code == CURLE_COULDNT_CONNECT && error > 0)
                return error_set(
                                reterr,
                                ERROR_IO,
                                "Get \"%s\": dial tcp %s: connect: %s",
                                url->address,
                                authority.data,
                                ctl_errno_words((int) error, text));
        return error_set(
                        reterr,
                        ERROR_IO,
                        "Get \"%s\": %s",
                        url->address,
                        url->text[0] ? url->text : url->curl->easy_strerror(url->code));
}

/* Known when the first bytes are there, or the end. */
static int check_status(CtlUrl *url, Error *reterr) {
        long status = 0;

        url->curl->easy_getinfo(url->easy, CURLINFO_RESPONSE_CODE, &status);
        if (status >= 200 && status < 300)
                return 0;
        return error_set(reterr, ERROR_IO, "Get \"%s\": got non-2XX status code %ld", url->address, status);
}

ssize_t ctl_url_read(CtlUrl *url, char *buffer, size_t max, Error *reterr) {
        size_t n;
        int r;

        r = fill(url);
        if (r < 0)
                return error_set_errno(reterr, r, "Get \"%s\": %m", url->address);
        if (url->bytes.len == 0 && url->code != CURLE_OK)
                return fail(url, reterr);
        r = check_status(url, reterr);
        if (r < 0)
                return r;

        n = MIN(max, url->bytes.len - url->at);
        if (n > 0)
                memcpy(buffer, url->bytes.data + url->at, n);
        url->at += n;
        if (url->at == url->bytes.len) {
                str_reset(&url->bytes);
                url->at = 0;
        }
        return (ssize_t) n;
}
