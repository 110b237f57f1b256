#include "daemon/net/http-head.h"

#include <string.h>
#include <strings.h>

#include "daemon/base/macro.h"

/* Where the framing of the body, and whom it is for, is said: once each. */
typedef struct Fields {
        unsigned n_lengths, n_encodings, n_hosts;
        const char *length, *encoding;
        bool is_malformed;
} Fields;

/* RFC 9110 5.6.2; a name with a space before the colon is the classic way to smuggle a field. */
static bool is_token(const char *text) {
        if (!*text)
                return false;

        for (; *text; text++)
                if ((unsigned char) *text <= ' ' || *text == 0x7f || strchr("\"(),/:;<=>?@[\\]{}", *text))
                        return false;
        return true;
}

static enum MHD_Result note_field(
                void *userdata, enum MHD_ValueKind kind _unused_, const char *name, const char *value) {
        Fields *fields = userdata;

        if (!is_token(name))
                fields->is_malformed = true;
        else if (strcasecmp(name, "Content-Length") == 0) {
                fields->n_lengths++;
                fields->length = value;
        } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
                fields->n_encodings++;
                fields->encoding = value;
        } else if (strcasecmp(name, "Host") == 0)
                fields->n_hosts++;
        return MHD_YES;
}

static bool is_target(const char *target) {
        for (; *target; target++)
                if ((unsigned char) *target <= ' ' || *target == 0x7f)
                        return false;
        return true;
}

static unsigned check_framing(const Fields *fields, bool is_http10) {
        if (fields->n_lengths > 1 || (fields->n_encodings > 0 && (fields->n_lengths > 0 || is_http10)))
                return MHD_HTTP_BAD_REQUEST;
        if (fields->n_encodings > 1)
                return MHD_HTTP_NOT_IMPLEMENTED;
        if (fields->encoding && strcasecmp(fields->encoding, "chunked") != 0)
                return MHD_HTTP_NOT_IMPLEMENTED;
        return 0;
}

unsigned http_head_check(
                struct MHD_Connection *mhd,
                const char *target,
                const char *version,
                size_t max_bytes,
                bool *ret_has_body) {
        bool is_http10 = strcmp(version, "HTTP/1.0") == 0;
        const union MHD_ConnectionInfo *info;
        Fields fields = {};

        info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
        if (!info || info->header_size > max_bytes)
                return MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;

        (void) MHD_get_connection_values(mhd, MHD_HEADER_KIND, note_field, &fields);
        if (fields.is_malformed || !is_target(target))
                return MHD_HTTP_BAD_REQUEST;
        if (fields.n_hosts > 1 || (fields.n_hosts == 0 && !is_http10))
                return MHD_HTTP_BAD_REQUEST;

        /* libmicrohttpd has refused a length that is no number. */
        *ret_has_body = fields.encoding ||
                        (fields.length && strspn(fields.length, "0") < strlen(fields.length));
        return check_framing(&fields, is_http10);
}
