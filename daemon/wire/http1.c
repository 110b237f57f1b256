#include "daemon/wire/http1.h"

#include <string.h>
#include <strings.h>

#define LENGTH_DIGITS_MAX 18 /* far below 2^63 */

typedef struct Reading {
        const char *at, *end; /* the head without its last empty line */
        const char *why;
        Http1Head *head;
        unsigned n_hosts, n_lengths, n_codings;
        bool is_chunked, is_kept;
} Reading;

/* ---- characters ---- */

static bool is_letter_or_digit(char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_token(Http1Text text) {
        static const char others[] = "!#$%&'*+-.^_`|~";

        for (size_t i = 0; i < text.n; i++)
                if (!is_letter_or_digit(text.at[i]) && !memchr(others, text.at[i], sizeof(others) - 1))
                        return false;
        return text.n > 0;
}

/* What may stand in a value: no control characters but tabs. */
static bool is_value(Http1Text text) {
        for (size_t i = 0; i < text.n; i++) {
                unsigned char c = (unsigned char) text.at[i];

                if ((c < ' ' && c != '\t') || c == 0x7f)
                        return false;
        }
        return true;
}

static bool is_target(Http1Text text) {
        for (size_t i = 0; i < text.n; i++)
                if ((unsigned char) text.at[i] <= ' ' || text.at[i] == 0x7f)
                        return false;
        return text.n > 0;
}

static Http1Text trimmed(const char *at, size_t n) {
        while (n > 0 && (*at == ' ' || *at == '\t'))
                at++, n--;
        while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\t'))
                n--;
        return (Http1Text){ .at = at, .n = n };
}

bool http1_equals(Http1Text text, const char *other) {
        return str_equal_n(other, text.at, text.n);
}

bool http1_is(Http1Text text, const char *other) {
        return strlen(other) == text.n && strncasecmp(text.at, other, text.n) == 0;
}

/* ---- lines ---- */

static int refuse(Reading *reading, int status, const char *why) {
        reading->why = why;
        return status;
}

/* The next line without its end. Answers 0, or what to refuse it with. */
static int next_line(Reading *reading, Http1Text *ret) {
        const char *lf = memchr(reading->at, '\n', (size_t) (reading->end - reading->at));

        if (!lf || lf == reading->at || lf[-1] != '\r')
                return refuse(reading, 400, "a line does not end with CRLF");
        *ret = (Http1Text){ .at = reading->at, .n = (size_t) (lf - 1 - reading->at) };
        reading->at = lf + 1;
        return 0;
}

/* Up to the next of the list's commas; answers false at the end. */
static bool next_of_list(Http1Text *list, Http1Text *ret) {
        const char *comma;
        size_t n;

        if (list->n == 0)
                return false;
        comma = memchr(list->at, ',', list->n);
        n = comma ? (size_t) (comma - list->at) : list->n;
        *ret = trimmed(list->at, n);
        n += comma ? 1 : 0;
        *list = (Http1Text){ .at = list->at + n, .n = list->n - n };
        return true;
}

static bool list_has(Http1Text list, Http1Text wanted) {
        Http1Text one;

        while (next_of_list(&list, &one))
                if (one.n == wanted.n && strncasecmp(one.at, wanted.at, one.n) == 0)
                        return true;
        return false;
}

/* ---- fields that say something about the message ---- */

static int on_length(Reading *reading, Http1Text value) {
        uint64_t length = 0;

        if (value.n == 0 || value.n > LENGTH_DIGITS_MAX)
                return refuse(reading, 400, "bad Content-Length");
        for (size_t i = 0; i < value.n; i++) {
                if (value.at[i] < '0' || value.at[i] > '9')
                        return refuse(reading, 400, "bad Content-Length");
                length = length * 10 + (uint64_t) (value.at[i] - '0');
        }
        reading->head->length = length;
        return reading->n_lengths++ > 0 ? refuse(reading, 400, "two Content-Length") : 0;
}

static int on_coding(Reading *reading, Http1Text value) {
        reading->is_chunked = http1_is(value, "chunked");
        if (reading->n_codings++ > 0)
                return refuse(reading, 400, "two Transfer-Encoding");
        return reading->is_chunked ? 0 : refuse(reading, 501, "a Transfer-Encoding other than chunked");
}

static int on_connection(Reading *reading, Http1Text value) {
        reading->head->closes = reading->head->closes || list_has(value, (Http1Text){ "close", 5 });
        reading->is_kept = reading->is_kept || list_has(value, (Http1Text){ "keep-alive", 10 });
        return 0;
}

static int on_host(Reading *reading, Http1Text value) {
        if (memchr(value.at, ' ', value.n) || memchr(value.at, ',', value.n))
                return refuse(reading, 400, "bad Host");
        return reading->n_hosts++ > 0 ? refuse(reading, 400, "two Host") : 0;
}

static const struct {
        const char *name;
        int (*read)(Reading *reading, Http1Text value);
} known_fields[] = {
        { "Content-Length", on_length },
        { "Transfer-Encoding", on_coding },
        { "Connection", on_connection },
        { "Host", on_host },
};

static int read_field(Reading *reading, Http1Text line) {
        Http1Head *head = reading->head;
        const char *colon = memchr(line.at, ':', line.n);
        Http1Field field;

        if (!colon)
                return refuse(reading, 400, "a header line without a colon");
        field.name = (Http1Text){ .at = line.at, .n = (size_t) (colon - line.at) };
        field.value = trimmed(colon + 1, line.n - field.name.n - 1);
        if (!is_token(field.name))
                return refuse(reading, 400, "bad header name");
        if (!is_value(field.value))
                return refuse(reading, 400, "bad header value");
        if (head->n_fields == HTTP1_FIELDS_MAX)
                return refuse(reading, 431, "too many header fields");

        head->fields[head->n_fields++] = field;
        for (size_t i = 0; i < ELEMENTSOF(known_fields); i++)
                if (http1_is(field.name, known_fields[i].name))
                        return known_fields[i].read(reading, field.value);
        return 0;
}

static int read_fields(Reading *reading) {
        Http1Text line;
        int r = 0;

        while (r == 0 && reading->at < reading->end) {
                r = next_line(reading, &line);
                if (r == 0)
                        r = read_field(reading, line);
        }
        return r;
}

/* ---- the whole ---- */

/* Find the empty line. *READING is set up for what stands before it. */
static int find_end(Reading *reading, const char *bytes, size_t n, size_t max) {
        const char *end = n > 0 ? memmem(bytes, MIN(n, max), "\r\n\r\n", 4) : NULL;

        if (!end)
                return n >= max ? refuse(reading, 431, "the head is too large") : HTTP1_MORE;
        reading->at = bytes;
        reading->end = end + 2;
        reading->head->size += (size_t) (end + 4 - bytes);
        return HTTP1_WHOLE;
}

/* "HTTP/1.1" at the N characters AT. */
static int read_version(Reading *reading, Http1Text text) {
        if (text.n != 8 || memcmp(text.at, "HTTP/", 5) != 0 || text.at[6] != '.')
                return refuse(reading, 400, "bad version");
        if (text.at[5] != '1' || (text.at[7] != '0' && text.at[7] != '1'))
                return refuse(reading, 505, "neither HTTP/1.0 nor HTTP/1.1");
        reading->head->is_http10 = text.at[7] == '0';
        return 0;
}

static int read_request_line(Reading *reading) {
        Http1Head *head = reading->head;
        const char *first, *last;
        Http1Text line;
        int r;

        r = next_line(reading, &line);
        if (r != 0)
                return r;
        first = memchr(line.at, ' ', line.n);
        last = memrchr(line.at, ' ', line.n);
        if (!first || first == last)
                return refuse(reading, 400, "bad request line");

        head->method = (Http1Text){ .at = line.at, .n = (size_t) (first - line.at) };
        head->target = (Http1Text){ .at = first + 1, .n = (size_t) (last - first - 1) };
        if (!is_token(head->method) || !is_target(head->target))
                return refuse(reading, 400, "bad request line");
        return read_version(reading, (Http1Text){ last + 1, (size_t) (line.at + line.n - last - 1) });
}

static int check_framing(Reading *reading) {
        Http1Head *head = reading->head;

        if (reading->n_codings > 0 && reading->n_lengths > 0)
                return refuse(reading, 400, "Content-Length beside Transfer-Encoding");
        if (reading->n_codings > 0 && head->is_http10)
                return refuse(reading, 400, "Transfer-Encoding in HTTP/1.0");
        if (head->is_http10 && !reading->is_kept)
                head->closes = true;
        head->body = reading->is_chunked      ? HTTP1_BODY_CHUNKED
                     : reading->n_lengths > 0 ? HTTP1_BODY_LENGTH
                                              : HTTP1_BODY_NONE;
        return 0;
}

int http1_read_request(const char *bytes, size_t n, size_t max, Http1Head *ret, const char **ret_why) {
        Reading reading = { .head = ret };
        size_t skipped = 0;
        int r;

        *ret = (Http1Head){}; /* RFC 9112 section 2.2: clients that end a body with an extra CRLF */
        while (n - skipped >= 2 && skipped < max && memcmp(bytes + skipped, "\r\n", 2) == 0)
                skipped += 2;
        ret->size = skipped;

        r = find_end(&reading, bytes + skipped, n - skipped, max - MIN(max, skipped));
        if (r == HTTP1_WHOLE) {
                r = read_request_line(&reading);
                if (r == 0)
                        r = read_fields(&reading);
                if (r == 0)
                        r = check_framing(&reading);
                if (r == 0 && reading.n_hosts == 0 && !ret->is_http10)
                        r = refuse(&reading, 400, "no Host");
                if (r == 0)
                        r = HTTP1_WHOLE;
        }
        *ret_why = reading.why;
        return r;
}

static int read_status_line(Reading *reading) {
        Http1Head *head = reading->head;
        Http1Text line;
        int r;

        r = next_line(reading, &line);
        if (r != 0)
                return r;
        if (line.n < 12 || line.at[8] != ' ' || (line.n > 12 && line.at[12] != ' '))
                return refuse(reading, 400, "bad status line");
        for (size_t i = 9; i < 12; i++) {
                if (line.at[i] < '0' || line.at[i] > '9')
                        return refuse(reading, 400, "bad status line");
                head->status = head->status * 10 + (unsigned) (line.at[i] - '0');
        }
        if (head->status < 100)
                return refuse(reading, 400, "bad status line");
        if (line.n > 13)
                head->reason = (Http1Text){ .at = line.at + 13, .n = line.n - 13 };
        if (!is_value(head->reason))
                return refuse(reading, 400, "bad status line");
        return read_version(reading, (Http1Text){ line.at, 8 });
}

static void choose_body(Http1Head *head, bool is_head) {
        if (is_head || head->status < 200 || head->status == 204 || head->status == 304)
                head->body = HTTP1_BODY_NONE;
        else if (head->body == HTTP1_BODY_NONE) {
                head->body = HTTP1_BODY_CLOSE;
                head->closes = true;
        }
}

int http1_read_answer(
                const char *bytes,
                size_t n,
                size_t max,
                bool is_head,
                Http1Head *ret,
                const char **ret_why) {
        Reading reading = { .head = ret };
        int r;

        *ret = (Http1Head){};
        r = find_end(&reading, bytes, n, max);
        if (r == HTTP1_WHOLE) {
                r = read_status_line(&reading);
                if (r == 0)
                        r = read_fields(&reading);
                if (r == 0)
                        r = check_framing(&reading);
                if (r == 0) {
                        choose_body(ret, is_head);
                        r = HTTP1_WHOLE;
                }
        }
        *ret_why = reading.why;
        return r > HTTP1_WHOLE ? 502 : r;
}

/* ---- handing on ---- */

const Http1Field *http1_find(const Http1Head *head, const char *name) {
        for (size_t i = 0; i < head->n_fields; i++)
                if (http1_is(head->fields[i].name, name))
                        return head->fields + i;
        return NULL;
}

int http1_copy(const Http1Head *head, const char *name, char **ret) {
        const Http1Field *field = http1_find(head, name);
        char *copy = NULL;

        if (field) {
                copy = strndup(field->value.at, field->value.n);
                if (!copy)
                        return -ENOMEM;
        }
        *ret = copy;
        return 0;
}

static bool is_one_of(Http1Text name, const char *const *names) {
        for (; *names; names++)
                if (http1_is(name, *names))
                        return true;
        return false;
}

bool http1_is_for_hop(const Http1Head *head, const Http1Field *field) {
        static const char *const always[] = {
                "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
                "Upgrade",    NULL
        };
        static const char *const never[] = {
                "Authorization", "Content-Length", "Content-Type",      "Host",       "Origin",
                "Referer",       "Trailer",        "Transfer-Encoding", "User-Agent", NULL
        };

        if (is_one_of(field->name, always))
                return true;
        if (http1_is(field->name, "TE"))
                return !http1_is(field->value, "trailers");
        if (is_one_of(field->name, never))
                return false;
        for (size_t i = 0; i < head->n_fields; i++)
                if (http1_is(head->fields[i].name, "Connection") &&
                    list_has(head->fields[i].value, field->name))
                        return true;
        return false;
}

int http1_write(Str *to, const Http1Field *field) {
        (void) str_append_bytes(to, field->name.at, field->name.n);
        (void) str_append_bytes(to, ": ", 2);
        (void) str_append_bytes(to, field->value.at, field->value.n);
        return str_append_bytes(to, "\r\n", 2);
}
