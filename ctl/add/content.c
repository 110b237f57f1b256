#include "ctl/add/content.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ctl/add/tree.h"
#include "ctl/backend/backend.h"
#include "ctl/backend/url.h"
#include "daemon/base/percent.h"
#include "daemon/base/random.h"

#define BOUNDARY_BYTES 16
#define BOUNDARY_SIZE (2 * BOUNDARY_BYTES + 1)

struct CtlContent {
        CtlContentOptions options;
        char boundary[BOUNDARY_SIZE];
        char header[64 + BOUNDARY_SIZE];

        size_t next; /* of the paths */
        CtlTree *tree;
        CtlUrl *url;
        int fd;     /* of the file that is being read; -1: none */
        char *path; /* its, for words */
        Str text;   /* of the form, or a link's target; to be sent before anything else */
        size_t at;
        bool has_ended;
        uint64_t sent;
        Error error;
};

static bool is_url(const char *path) {
        return strncasecmp(path, "http://", 7) == 0 || strncasecmp(path, "https://", 8) == 0;
}

static bool is_stdin(const char *path) {
        return strcmp(path, CTL_CONTENT_STDIN) == 0;
}

/* ---- the form */

static void put_head(CtlContent *content, const char *name, CtlEntryType type, const char *address) {
        static const char *const types[] = {
                [CTL_ENTRY_FILE] = "application/octet-stream",
                [CTL_ENTRY_FOLDER] = "application/x-directory",
                [CTL_ENTRY_SYMLINK] = "application/symlink",
        };
        Str *text = &content->text;

        (void) str_appendf(
                        text,
                        "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"",
                        content->boundary);
        (void) percent_encode_query(text, name, strlen(name));
        (void) str_appendf(text, "\"\r\nContent-Type: %s\r\n", types[type]);
        if (address) {
                (void) str_append(text, "abspath-encoded: ");
                (void) percent_encode_query(text, address, strlen(address));
                (void) str_append(text, "\r\n");
        }
        (void) str_append(text, "\r\n");
}

static int put_target(CtlContent *content, const char *path) {
        char target[PATH_MAX], words[CTL_ERRNO_WORDS_MAX];
        ssize_t n = readlink(path, target, sizeof(target));

        if (n < 0)
                return error_set(
                                &content->error,
                                ERROR_IO,
                                "readlink %s: %s",
                                path,
                                ctl_errno_words(errno, words));
        (void) str_append_bytes(&content->text, target, (size_t) n);
        return str_append(&content->text, "\r\n");
}

/* ---- what comes next */

static int open_file(CtlContent *content, const char *path) {
        char words[CTL_ERRNO_WORDS_MAX];

        content->fd = is_stdin(path) ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                     : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (content->fd < 0)
                return error_set(
                                &content->error,
                                ERROR_IO,
                                "open %s: %s",
                                path,
                                ctl_errno_words(errno, words));
        return str_copy(&content->path, path);
}

static int begin_entry(CtlContent *content, const CtlEntry *entry) {
        put_head(content, entry->name, entry->type, NULL);
        switch (entry->type) {
        case CTL_ENTRY_FILE:
                return open_file(content, entry->path);
        case CTL_ENTRY_SYMLINK:
                return put_target(content, entry->path);
        case CTL_ENTRY_FOLDER:
                return str_append(&content->text, "\r\n");
        }
        return 0;
}

/* An address is called by the last part of its path. */
static int begin_url(CtlContent *content, const char *address) {
        const char *path = strstr(address, "://") + 3, *end = path + strcspn(path, "?#"), *base = end;
        _cleanup_free_ char *name = NULL;

        while (base > path && base[-1] != '/')
                base--;
        name = base > path ? strndup(base, (size_t) (end - base)) : strdup("");
        if (!name)
                return -ENOMEM;
        put_head(content, name, CTL_ENTRY_FILE, content->options.nocopy ? address : NULL);
        return ctl_url_open(&content->url, address, &content->error);
}

static int open_tree(const CtlContent *content, const char *path, CtlTree **ret, Error *reterr) {
        return ctl_tree_open(ret, path, content->options.recursive, content->options.hidden, reterr);
}

static int begin_path(CtlContent *content, const char *path) {
        if (is_url(path))
                return begin_url(content, path);
        if (!is_stdin(path))
                return open_tree(content, path, &content->tree, &content->error);
        put_head(content, "", CTL_ENTRY_FILE, NULL);
        return open_file(content, path);
}

static int advance(CtlContent *content) {
        CtlEntry entry;
        int r = 0;

        if (content->tree)
                r = ctl_tree_next(content->tree, &entry, &content->error);
        if (r > 0)
                return begin_entry(content, &entry);
        if (r < 0)
                return r;

        content->tree = ctl_tree_close(content->tree);
        if (content->next < content->options.n_paths)
                return begin_path(content, content->options.paths[content->next++]);
        content->has_ended = true;
        return str_appendf(&content->text, "--%s--\r\n", content->boundary);
}

/* ---- reading */

static ssize_t read_text(CtlContent *content, char *buffer, size_t max) {
        size_t n = MIN(max, content->text.len - content->at);

        memcpy(buffer, content->text.data + content->at, n);
        content->at += n;
        if (content->at == content->text.len) {
                str_reset(&content->text);
                content->at = 0;
        }
        return (ssize_t) n;
}

static ssize_t read_file(CtlContent *content, char *buffer, size_t max) {
        char words[CTL_ERRNO_WORDS_MAX];
        ssize_t n;

        do
                n = read(content->fd, buffer, max);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return error_set(
                                &content->error,
                                ERROR_IO,
                                "read %s: %s",
                                content->path,
                                ctl_errno_words(errno, words));
        return n;
}

/* Of the part that is under way: 0 when it has ended. */
static ssize_t read_part(CtlContent *content, char *buffer, size_t max) {
        ssize_t n = content->fd >= 0 ? read_file(content, buffer, max)
                                     : ctl_url_read(content->url, buffer, max, &content->error);

        if (n > 0)
                content->sent += (uint64_t) n;
        if (n != 0)
                return n;

        if (content->fd >= 0)
                close(TAKE_FD(content->fd));
        content->url = ctl_url_close(content->url);
        return str_append(&content->text, "\r\n");
}

ssize_t ctl_content_read(CtlContent *content, char *buffer, size_t max) {
        ssize_t n = 0;

        while (n == 0) {
                if (str_error(&content->text) < 0)
                        n = -ENOMEM;
                else if (content->text.len > content->at)
                        n = read_text(content, buffer, max);
                else if (content->fd >= 0 || content->url)
                        n = read_part(content, buffer, max);
                else if (content->has_ended)
                        return 0;
                else
                        n = advance(content);
        }
        if (n < 0 && content->error.code == ERROR_NONE)
                (void) error_set_errno(&content->error, (int) n, "%m");
        return n;
}

const char *ctl_content_header(const CtlContent *content) {
        return content->header;
}

const char *ctl_content_words(const CtlContent *content) {
        return error_message(&content->error);
}

/* ---- how much */

uint64_t ctl_content_sent(const CtlContent *content) {
        return content->sent;
}

static uint64_t size_of(const CtlContent *content, const char *path) {
        _cleanup_(ctl_tree_closep) CtlTree *tree = NULL;
        uint64_t size = 0;
        CtlEntry entry;

        if (open_tree(content, path, &tree, NULL) < 0)
                return 0;
        while (ctl_tree_next(tree, &entry, NULL) > 0)
                size += entry.size;
        return size;
}

uint64_t ctl_content_total(const CtlContent *content) {
        uint64_t total = 0;

        for (size_t i = 0; i < content->options.n_paths; i++) {
                const char *path = content->options.paths[i];

                if (is_url(path) || is_stdin(path))
                        return 0;
                total += size_of(content, path);
        }
        return total;
}

/* ---- the object */

static int check_path(const CtlContent *content, const char *path, Error *reterr) {
        _cleanup_(ctl_tree_closep) CtlTree *tree = NULL;

        if (is_url(path))
                return 0;
        if (content->options.nocopy)
                return error_set(reterr, ERROR_INVALID, "nocopy option is only valid for URLs");
        return is_stdin(path) ? 0 : open_tree(content, path, &tree, reterr);
}

static void make_boundary(CtlContent *content) {
        uint8_t bytes[BOUNDARY_BYTES];

        random_bytes(bytes, sizeof(bytes));
        for (size_t i = 0; i < sizeof(bytes); i++)
                (void) sprintf(content->boundary + 2 * i, "%02x", bytes[i]);
        (void) snprintf(content->header,
                        sizeof(content->header),
                        "Content-Type: multipart/form-data; boundary=%s",
                        content->boundary);
}

int ctl_content_open(CtlContent **ret, const CtlContentOptions *options, Error *reterr) {
        _cleanup_(ctl_content_closep) CtlContent *content = calloc(1, sizeof(*content));

        if (!content)
                return error_set_errno(reterr, -ENOMEM, "%m");
        *content = (CtlContent){ .options = *options, .fd = -1 };
        make_boundary(content);

        for (size_t i = 0; i < options->n_paths; i++) {
                int r = check_path(content, options->paths[i], reterr);

                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(content);
        return 0;
}

CtlContent *ctl_content_close(CtlContent *content) {
        if (!content)
                return NULL;

        ctl_tree_close(content->tree);
        ctl_url_close(content->url);
        if (content->fd >= 0)
                close(content->fd);
        free(content->path);
        str_done(&content->text);
        error_done(&content->error);
        free(content);
        return NULL;
}
