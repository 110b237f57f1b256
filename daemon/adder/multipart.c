#include "daemon/adder/multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/net/mime.h"

static bool is_boundary(const char *text) {
        size_t n = strlen(text);

        return n > 0 && n <= ADDER_BOUNDARY_MAX && text[n - 1] != ' ' &&
               strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'()+_,-./:=? ") ==
                               n;
}

int adder_multipart_init(AdderMultipart *form, const char *content_type, Error *reterr) {
        static const char no_form[] = "request Content-Type isn't multipart/form-data";
        _cleanup_free_ char *type = NULL, *boundary = NULL;
        int r;

        r = mime_parse(content_type ?: "", "boundary", &type, &boundary);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "%m");
        if (r < 0 || strncasecmp(type, "multipart/", strlen("multipart/")) != 0)
                return error_set(reterr, ERROR_INVALID, "%s", no_form);
        if (!boundary)
                return error_set(reterr, ERROR_INVALID, "no multipart boundary param in Content-Type");
        if (!is_boundary(boundary))
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "Content-Type: boundary '%s': expected 1 to %d of the characters of RFC 2046",
                                boundary,
                                ADDER_BOUNDARY_MAX);

        /* A boundary may stand at the very beginning, as if a line had ended before. */
        *form = (AdderMultipart){ .place = ADDER_PLACE_PREAMBLE, .held = 2, .skip = 2 };
        form->delimiter_size = (size_t) snprintf(
                        form->delimiter, sizeof(form->delimiter), "\r\n--%s", boundary);
        return 0;
}

static void part_done(AdderPart *part) {
        free(part->disposition);
        free(part->filename);
        free(part->abspath);
        *part = (AdderPart){};
}

void adder_multipart_done(AdderMultipart *form) {
        part_done(&form->part);
        str_done(&form->head);
}

bool adder_multipart_is_whole(const AdderMultipart *form) {
        return form->place == ADDER_PLACE_EPILOGUE;
}

/* ---- data, up to a delimiter ---- */

static void tell_data(const AdderMultipart *form, AdderEvent *ret, const char *data, size_t n) {
        if (form->in_part && n > 0)
                *ret = (AdderEvent){ ADDER_EVENT_DATA, data, n };
}

/* What looked like a delimiter is none. */
static void tell_held(AdderMultipart *form, AdderEvent *ret) {
        tell_data(form, ret, form->delimiter + form->skip, form->held - form->skip);
        form->held = form->skip = 0;
}

/* Go on with a delimiter of which the beginning was seen. Only its first byte is a CR, so that one that
 * fails cannot contain the beginning of another. */
static ssize_t match_on(AdderMultipart *form, const char *data, size_t n, AdderEvent *ret) {
        size_t k = 0;

        while (k < n && form->held < form->delimiter_size && data[k] == form->delimiter[form->held])
                k++, form->held++;

        if (form->held == form->delimiter_size)
                form->place = ADDER_PLACE_DELIMITER;
        else if (k < n)
                tell_held(form, ret);
        return (ssize_t) k;
}

/* Up to the next CR that may begin a delimiter. */
static ssize_t scan(AdderMultipart *form, const char *data, size_t n, AdderEvent *ret) {
        const char *found = memmem(data, n, form->delimiter, form->delimiter_size);
        size_t tail = MIN(n, form->delimiter_size - 1);

        if (!found) {
                found = memrchr(data + n - tail, '\r', tail);
                if (found && memcmp(found, form->delimiter, (size_t) (data + n - found)) != 0)
                        found = NULL;
        }
        if (!found) {
                tell_data(form, ret, data, n);
                return (ssize_t) n;
        }

        tell_data(form, ret, data, (size_t) (found - data));
        form->held = 1;
        return found - data + 1;
}

static ssize_t in_data(
                AdderMultipart *form, const char *data, size_t n, AdderEvent *ret, Error *reterr _unused_) {
        ssize_t k;

        if (form->held == 0)
                return scan(form, data, n, ret);

        k = match_on(form, data, n, ret);
        if (k == 0 && form->held == 0 && ret->type == ADDER_EVENT_NONE)
                return scan(form, data, n, ret); /* something has to be consumed */
        return k;
}

/* ---- behind a delimiter ---- */

static int bad_boundary(Error *reterr) {
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "multipart: behind a boundary: expected the end of the line, or '--'");
}

static ssize_t behind_delimiter(
                AdderMultipart *form, const char *data, size_t n _unused_, AdderEvent *ret, Error *reterr) {
        bool is_first = form->place == ADDER_PLACE_DELIMITER;

        switch (data[0]) {
        case ' ':
        case '\t':
                form->place = ADDER_PLACE_PADDING;
                return 1;
        case '\r':
                form->place = ADDER_PLACE_LINE_END;
                return 1;
        case '-':
                if (!is_first)
                        return bad_boundary(reterr);
                form->place = ADDER_PLACE_DASH;
                return 1;
        default:
                if (!is_first)
                        return bad_boundary(reterr);
                break;
        }

        /* The boundary was only the beginning of something else. */
        form->place = form->in_part ? ADDER_PLACE_DATA : ADDER_PLACE_PREAMBLE;
        tell_held(form, ret);
        return form->in_part ? 0 : 1;
}

static bool end_part(AdderMultipart *form, AdderEvent *ret) {
        if (!form->in_part)
                return false;

        form->in_part = false;
        form->held = form->skip = 0;
        ret->type = ADDER_EVENT_PART_END;
        return true;
}

static ssize_t at_line_end(
                AdderMultipart *form, const char *data, size_t n _unused_, AdderEvent *ret, Error *reterr) {
        if (data[0] != '\n')
                return bad_boundary(reterr);

        (void) end_part(form, ret);
        part_done(&form->part);
        str_reset(&form->head);
        form->place = ADDER_PLACE_HEAD;
        return 1;
}

static ssize_t at_dash(
                AdderMultipart *form, const char *data, size_t n _unused_, AdderEvent *ret, Error *reterr) {
        if (data[0] != '-')
                return bad_boundary(reterr);
        if (end_part(form, ret))
                return 0;

        ret->type = ADDER_EVENT_END;
        form->place = ADDER_PLACE_EPILOGUE;
        return 1;
}

static ssize_t in_epilogue(
                AdderMultipart *form _unused_,
                const char *data _unused_,
                size_t n,
                AdderEvent *ret _unused_,
                Error *reterr _unused_) {
        return (ssize_t) n;
}

/* ---- heads ---- */

static int bad_head(Error *reterr, const char *line) {
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "multipart: head of a part: '%.100s': expected 'Name: value' and CRLF",
                        line);
}

static int read_disposition(AdderPart *part, const char *value, Error *reterr) {
        _cleanup_free_ char *type = NULL;
        int r;

        if (part->disposition)
                return 0;
        r = mime_parse(value, "filename", &type, &part->filename);
        if (r == -EINVAL)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "multipart: Content-Disposition '%.100s': expected form-data; name=\"…\"; filename=\"…\"",
                                value);
        if (r >= 0)
                r = str_copy(&part->disposition, value);
        return r;
}

static int read_type(AdderPart *part, const char *value, Error *reterr) {
        _cleanup_free_ char *type = NULL, *boundary = NULL;
        int r;

        r = mime_parse(value, "boundary", &type, &boundary);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return 0; /* of a file anything will do */

        if (strncasecmp(type, "multipart/", strlen("multipart/")) == 0)
                return error_set(reterr, ERROR_INVALID, "multipart: a part that is itself '%.100s'", value);
        if (strcasecmp(type, "application/x-directory") == 0)
                part->type = ADDER_PART_FOLDER;
        else if (strcasecmp(type, "application/symlink") == 0)
                part->type = ADDER_PART_SYMLINK;
        return 0;
}

static int read_abspath(AdderPart *part, const char *value, Error *reterr _unused_) {
        return part->abspath ? 0 : str_copy(&part->abspath, value);
}

static int read_field(AdderPart *part, char *line, Error *reterr) {
        static const struct {
                const char *name;
                int (*read)(AdderPart *part, const char *value, Error *reterr);
        } fields[] = {
                { "Content-Disposition", read_disposition },
                { "Content-Type", read_type },
                { "abspath-encoded", read_abspath },
        };
        char *colon = strchr(line, ':');

        if (!colon || colon == line)
                return bad_head(reterr, line);
        *colon = 0;
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (strcasecmp(fields[i].name, line) == 0)
                        return fields[i].read(part, colon + 1 + strspn(colon + 1, " \t"), reterr);
        return 0;
}

static int read_head(AdderMultipart *form, Error *reterr) {
        char *line = form->head.data, *end;
        int r = 0;

        if (strlen(line) != form->head.len)
                return bad_head(reterr, line);
        for (; r >= 0 && *line && *line != '\r'; line = end + 2) {
                end = strchr(line, '\n') - 1;
                *end = 0;
                r = read_field(&form->part, line, reterr);
        }
        return r;
}

/* A line at a time, so that nothing of what is behind the head is taken. */
static ssize_t in_head(AdderMultipart *form, const char *data, size_t n, AdderEvent *ret, Error *reterr) {
        const char *newline = memchr(data, '\n', n);
        size_t k = newline ? (size_t) (newline - data) + 1 : n, len = form->head.len;
        int r;

        if (len + k > ADDER_PART_HEAD_MAX)
                return error_set(
                                reterr,
                                ERROR_TOO_BIG,
                                "multipart: the head of a part is larger than %d bytes",
                                ADDER_PART_HEAD_MAX);
        r = str_append_bytes(&form->head, data, k);
        if (r < 0 || !newline)
                return r < 0 ? r : (ssize_t) k;

        len = form->head.len;
        if (len < 2 || form->head.data[len - 2] != '\r')
                return bad_head(reterr, form->head.data);
        if (len > 2 && (len < 4 || memcmp(form->head.data + len - 4, "\r\n\r\n", 4) != 0))
                return (ssize_t) k;

        r = read_head(form, reterr);
        if (r < 0)
                return r;
        form->n_parts++;
        form->in_part = true;
        form->place = ADDER_PLACE_DATA;
        /* The line before the delimiter of an empty part may be the one that ends its head. */
        form->held = form->skip = 2;
        ret->type = ADDER_EVENT_PART;
        return (ssize_t) k;
}

ssize_t adder_multipart_next(
                AdderMultipart *form, const char *data, size_t n, AdderEvent *ret, Error *reterr) {
        static ssize_t (*const places[_ADDER_PLACE_N])(
                        AdderMultipart * form,
                        const char *data,
                        size_t n,
                        AdderEvent *ret,
                        Error *reterr) = {
                [ADDER_PLACE_PREAMBLE] = in_data,
                [ADDER_PLACE_DATA] = in_data,
                [ADDER_PLACE_DELIMITER] = behind_delimiter,
                [ADDER_PLACE_PADDING] = behind_delimiter,
                [ADDER_PLACE_LINE_END] = at_line_end,
                [ADDER_PLACE_DASH] = at_dash,
                [ADDER_PLACE_HEAD] = in_head,
                [ADDER_PLACE_EPILOGUE] = in_epilogue,
        };

        *ret = (AdderEvent){};
        return places[form->place](form, data, n, ret, reterr);
}
