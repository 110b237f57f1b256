#include "ctl/backend/stream.h"

#include <string.h>

void ctl_stream_feed(CtlStream *stream, const char *bytes, size_t n) {
        assert(stream->n == 0);

        stream->bytes = bytes;
        stream->n = n;
}

static CtlStreamPlace stream_between(const CtlStream *stream) {
        return stream->is_array ? CTL_STREAM_ELEMENT : CTL_STREAM_LINES;
}

static bool is_space(char c) {
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Outside of objects: white space, and what makes an array of them. */
static int stream_step_between(CtlStream *stream, char c) {
        if (is_space(c))
                return 0;
        if (c == '[' && stream->place == CTL_STREAM_START) {
                stream->is_array = true;
                stream->place = CTL_STREAM_ELEMENT;
                return 0;
        }
        if (stream->place == CTL_STREAM_ELEMENT && c == ',')
                return 0;
        if (stream->place == CTL_STREAM_ELEMENT && c == ']') {
                stream->place = CTL_STREAM_END;
                return 0;
        }
        if (c != '{' || stream->place == CTL_STREAM_END)
                return -EBADMSG;
        stream->depth = 1;
        stream->place = CTL_STREAM_OBJECT;
        return 0;
}

static void stream_step_inside(CtlStream *stream, char c) {
        switch (c) {
        case '"':
                stream->place = CTL_STREAM_STRING;
                break;
        case '{':
        case '[':
                stream->depth++;
                break;
        case '}':
        case ']':
                if (--stream->depth == 0)
                        stream->place = stream_between(stream);
                break;
        }
}

static int stream_step(CtlStream *stream, char c) {
        switch (stream->place) {
        case CTL_STREAM_OBJECT:
                stream_step_inside(stream, c);
                return 0;
        case CTL_STREAM_STRING:
                if (c == '"')
                        stream->place = CTL_STREAM_OBJECT;
                else if (c == '\\')
                        stream->place = CTL_STREAM_ESCAPE;
                return 0;
        case CTL_STREAM_ESCAPE:
                stream->place = CTL_STREAM_STRING;
                return 0;
        case CTL_STREAM_START:
        case CTL_STREAM_LINES:
        case CTL_STREAM_ELEMENT:
        case CTL_STREAM_END:
                return stream_step_between(stream, c);
        }
        return -EBADMSG;
}

static bool stream_is_inside(const CtlStream *stream) {
        return stream->place == CTL_STREAM_OBJECT || stream->place == CTL_STREAM_STRING ||
               stream->place == CTL_STREAM_ESCAPE;
}

static int stream_keep(CtlStream *stream, const char *from, const char *to) {
        size_t n = to - from;

        if (stream->object.len + n > CTL_STREAM_OBJECT_MAX)
                return -E2BIG;
        return str_append_bytes(&stream->object, from, n);
}

/* Consume up to the end of the object, of the white space before it, or of the bytes. */
static int stream_run(CtlStream *stream, const char *end) {
        const char *first = stream_is_inside(stream) ? stream->bytes : NULL;
        const char *i;
        int r;

        for (i = stream->bytes; i < end; i++) {
                bool was_inside = stream_is_inside(stream);

                r = stream_step(stream, *i);
                if (r < 0)
                        return r;
                if (!was_inside && stream_is_inside(stream))
                        first = i;
                if (was_inside && !stream_is_inside(stream)) {
                        stream->is_complete = true;
                        i++;
                        break;
                }
        }
        r = first ? stream_keep(stream, first, i) : 0;
        stream->n = end - i;
        stream->bytes = i;
        return r;
}

int ctl_stream_next(CtlStream *stream, const char **ret_text, size_t *ret_n) {
        int r;

        if (stream->is_complete) {
                stream->is_complete = false;
                str_reset(&stream->object);
        }
        r = stream_run(stream, stream->bytes + stream->n);
        if (r < 0) {
                stream->n = 0;
                return r;
        }
        if (!stream->is_complete)
                return 0;
        *ret_text = stream->object.data;
        *ret_n = stream->object.len;
        return 1;
}

bool ctl_stream_is_whole(const CtlStream *stream) {
        return stream->place == CTL_STREAM_START || stream->place == CTL_STREAM_LINES ||
               stream->place == CTL_STREAM_END;
}

void ctl_stream_done(CtlStream *stream) {
        str_done(&stream->object);
        *stream = (CtlStream){};
}
