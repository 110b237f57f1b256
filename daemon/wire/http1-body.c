#include "daemon/wire/http1-body.h"

#include <string.h>

#define SIZE_DIGITS_MAX 16

/*
 *   SIZE ──► (EXTENSION) ──► SIZE_LF ──► DATA ──► DATA_CR ──► DATA_LF ──► SIZE
 *                               │ size 0
 *                               ▼
 *                             LINE ──► NAME ──► VALUE ──► VALUE_LF ──► LINE
 *                               └────► LAST_LF ──► END
 */
enum {
        STATE_SIZE,
        STATE_EXTENSION,
        STATE_SIZE_LF,
        STATE_DATA,
        STATE_DATA_CR,
        STATE_DATA_LF,
        STATE_LINE,
        STATE_NAME,
        STATE_VALUE,
        STATE_VALUE_LF,
        STATE_LAST_LF,
        STATE_END,
};

void http1_body_init(Http1Body *body, Http1BodyKind kind, uint64_t length) {
        *body = (Http1Body){ .kind = kind, .left = kind == HTTP1_BODY_LENGTH ? length : 0 };
}

bool http1_body_is_ended(const Http1Body *body) {
        switch (body->kind) {
        case HTTP1_BODY_NONE:
                return true;
        case HTTP1_BODY_LENGTH:
                return body->left == 0;
        case HTTP1_BODY_CHUNKED:
                return body->state == STATE_END;
        case HTTP1_BODY_CLOSE:
                return false;
        }
        return true;
}

/* ---- one character of a chunked body: the next state, or negative ---- */

static int digit_of(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c = (char) (c | 0x20);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int on_size(Http1Body *body, char c) {
        int digit = digit_of(c);

        if (digit >= 0) {
                if (++body->n > SIZE_DIGITS_MAX || body->left > (UINT64_MAX >> 5))
                        return -EBADMSG;
                body->left = body->left * 16 + (uint64_t) digit;
                return STATE_SIZE;
        }
        if (body->n == 0)
                return -EBADMSG;
        body->n = 0;
        return c == '\r' ? STATE_SIZE_LF : c == ';' ? STATE_EXTENSION : -EBADMSG;
}

static bool is_text(char c) {
        return (unsigned char) c >= ' ' ? c != 0x7f : c == '\t';
}

static int on_extension(Http1Body *body, char c) {
        if (c == '\r')
                return STATE_SIZE_LF;
        return is_text(c) && ++body->n <= HTTP1_EXTENSION_MAX ? STATE_EXTENSION : -EBADMSG;
}

static int on_name(Http1Body *body, char c) {
        if (++body->n > HTTP1_TRAILERS_MAX)
                return -EBADMSG;
        if (c == ':')
                return body->state == STATE_NAME ? STATE_VALUE : -EBADMSG;
        return (unsigned char) c > ' ' && c < 0x7f ? STATE_NAME : -EBADMSG;
}

static int on_value(Http1Body *body, char c) {
        if (++body->n > HTTP1_TRAILERS_MAX)
                return -EBADMSG;
        return c == '\r' ? STATE_VALUE_LF : is_text(c) ? STATE_VALUE : -EBADMSG;
}

static int on_size_lf(Http1Body *body, char c) {
        body->n = 0;
        if (c != '\n')
                return -EBADMSG;
        return body->left > 0 ? STATE_DATA : STATE_LINE;
}

static int on_character(Http1Body *body, char c) {
        switch (body->state) {
        case STATE_SIZE:
                return on_size(body, c);
        case STATE_EXTENSION:
                return on_extension(body, c);
        case STATE_SIZE_LF:
                return on_size_lf(body, c);
        case STATE_DATA_CR:
                return c == '\r' ? STATE_DATA_LF : -EBADMSG;
        case STATE_DATA_LF:
                body->n = 0;
                return c == '\n' ? STATE_SIZE : -EBADMSG;
        case STATE_LINE:
                return c == '\r' ? STATE_LAST_LF : on_name(body, c);
        case STATE_NAME:
                return on_name(body, c);
        case STATE_VALUE:
                return on_value(body, c);
        case STATE_VALUE_LF:
                return c == '\n' ? STATE_LINE : -EBADMSG;
        default:
                return c == '\n' ? STATE_END : -EBADMSG;
        }
}

/* ---- parts ---- */

static int data_part(Http1Body *body, const char *bytes, size_t used, size_t n, Http1Part *ret) {
        size_t size = (size_t) MIN((uint64_t) (n - used), body->left);

        *ret = (Http1Part){ .at = bytes + used, .n = size, .used = used + size };
        http1_body_skip(body, size);
        return HTTP1_PART_DATA;
}

/* Trailer fields are handed on line by line, as far as they are there. */
static bool is_trailer(unsigned state) {
        return state == STATE_NAME || state == STATE_VALUE || state == STATE_VALUE_LF;
}

static int chunked_next(Http1Body *body, const char *bytes, size_t n, Http1Part *ret) {
        size_t i = 0, trailer = 0;

        while (i < n && body->state != STATE_END) {
                bool was_trailer;
                int state;

                if (body->state == STATE_DATA)
                        return data_part(body, bytes, i, n, ret);
                was_trailer = is_trailer(body->state);
                state = on_character(body, bytes[i++]);
                if (state < 0)
                        return state;
                body->state = (unsigned) state;
                trailer = is_trailer(body->state) || was_trailer ? trailer + 1 : trailer;
                if (trailer > 0 && body->state == STATE_LINE)
                        break;
        }

        *ret = (Http1Part){ .at = bytes + i - trailer, .n = trailer, .used = i };
        return trailer > 0                ? HTTP1_PART_TRAILER
               : body->state == STATE_END ? HTTP1_PART_END
                                          : HTTP1_PART_MORE;
}

int http1_body_next(Http1Body *body, const char *bytes, size_t n, Http1Part *ret) {
        *ret = (Http1Part){};
        if (http1_body_is_ended(body))
                return HTTP1_PART_END;
        if (n == 0)
                return HTTP1_PART_MORE;

        switch (body->kind) {
        case HTTP1_BODY_CHUNKED:
                return chunked_next(body, bytes, n, ret);
        case HTTP1_BODY_CLOSE:
                *ret = (Http1Part){ .at = bytes, .n = n, .used = n };
                return HTTP1_PART_DATA;
        case HTTP1_BODY_LENGTH:
        case HTTP1_BODY_NONE:
                break;
        }
        return data_part(body, bytes, 0, n, ret);
}

int http1_body_scan(Http1Body *body, const char *bytes, size_t n, size_t *ret_used) {
        size_t used = 0;
        Http1Part part;
        int r;

        do {
                r = http1_body_next(body, bytes + used, n - used, &part);
                if (r < 0)
                        return r;
                used += part.used;
        } while (r != HTTP1_PART_END && used < n);

        *ret_used = used;
        return http1_body_is_ended(body);
}

uint64_t http1_body_data_left(const Http1Body *body) {
        if (body->kind == HTTP1_BODY_CLOSE)
                return UINT64_MAX;
        if (body->kind == HTTP1_BODY_CHUNKED && body->state != STATE_DATA)
                return 0;
        return body->left;
}

void http1_body_skip(Http1Body *body, uint64_t n) {
        if (body->kind == HTTP1_BODY_CLOSE)
                return;
        body->left -= n;
        if (body->kind == HTTP1_BODY_CHUNKED && body->left == 0)
                body->state = STATE_DATA_CR;
}
