#include <string.h>

#include "daemon/proxy/internal.h"

#define END_OUT_KEPT 1024 /* bytes of memory that an end at rest may hold */

static int acquire(ProxyEnd *end) {
        Proxy *proxy = end->proxy;

        if (end->in)
                return 0;
        end->in = proxy->buffers;
        if (end->in) {
                proxy->buffers = end->in->next;
                proxy->n_buffers--;
        } else
                end->in = malloc(sizeof(ProxyBuffer));
        return end->in ? 0 : -ENOMEM;
}

void proxy_end_release(ProxyEnd *end) {
        Proxy *proxy = end->proxy;

        if (!end->in || end->start < end->end)
                return;
        end->start = end->cleared = end->end = 0;
        if (proxy->n_buffers < PROXY_BUFFERS_KEPT) {
                end->in->next = proxy->buffers;
                proxy->buffers = end->in;
                proxy->n_buffers++;
        } else
                free(end->in);
        end->in = NULL;
}

static void move_down(ProxyEnd *end) {
        memmove(end->in->data, end->in->data + end->start, end->end - end->start);
        end->cleared -= end->start;
        end->end -= end->start;
        end->start = 0;
}

ssize_t proxy_end_read(ProxyEnd *end) {
        ssize_t n;

        if (!end->stream.is_readable)
                return -EAGAIN;
        if (acquire(end) < 0)
                return -ENOMEM;
        if (end->end == PROXY_BUFFER_SIZE && end->start > 0)
                move_down(end);
        if (end->end == PROXY_BUFFER_SIZE)
                return -ENOBUFS;

        n = stream_read(&end->stream, end->in->data + end->end, PROXY_BUFFER_SIZE - end->end);
        if (n > 0) {
                end->end += (size_t) n;
                end->n_moved += (size_t) n;
        }
        return n;
}

void proxy_end_take(ProxyEnd *end, size_t n) {
        end->start += n;
        if (end->cleared < end->start)
                end->cleared = end->start;
        if (end->start == end->end)
                end->start = end->cleared = end->end = 0;
}

static void out_sent(ProxyEnd *end, size_t n) {
        end->out_at += n;
        if (end->out_at < end->out.len)
                return;
        end->out_at = 0;
        if (end->out.capacity > END_OUT_KEPT)
                str_done(&end->out);
        else
                str_reset(&end->out);
}

int proxy_end_send(ProxyEnd *end, ProxyEnd *from, size_t *ret_sent) {
        *ret_sent = 0;
        if (str_error(&end->out) < 0)
                return -ENOMEM;

        for (;;) {
                size_t n_out = proxy_end_pending(end), n_from = from ? from->cleared - from->start : 0;
                struct iovec parts[2];
                ssize_t n;
                int i = 0;

                if (n_out > 0)
                        parts[i++] = (struct iovec){ end->out.data + end->out_at, n_out };
                if (n_from > 0)
                        parts[i++] = (struct iovec){ from->in->data + from->start, n_from };
                if (i == 0)
                        return 1;

                n = stream_write(&end->stream, parts, i);
                if (n < 0)
                        return (int) n;
                *ret_sent += (size_t) n;
                end->n_moved += (size_t) n;
                if (n_out > 0)
                        out_sent(end, MIN((size_t) n, n_out));
                if ((size_t) n > n_out)
                        proxy_end_take(from, (size_t) n - n_out);
        }
}

void proxy_end_deinit(ProxyEnd *end) {
        stream_deinit(&end->stream);
        end->start = end->cleared = end->end = 0;
        proxy_end_release(end);
        str_done(&end->out);
        end->out_at = 0;
}

/* ---- flows ---- */

static void tail_append(ProxyTail *tail, const Http1Part *part) {
        size_t n = MIN(part->n, sizeof(tail->bytes)), kept = MIN(tail->n, sizeof(tail->bytes) - n);

        memmove(tail->bytes, tail->bytes + tail->n - kept, kept);
        memcpy(tail->bytes + kept, part->at + part->n - n, n);
        tail->n = kept + n;
}

/* The same as http1_body_scan(), with an eye on the data. */
static int flow_scan(ProxyFlow *flow, const char *bytes, size_t n, size_t *ret_used) {
        size_t used = 0;
        Http1Part part;
        int r;

        if (!flow->tail)
                return http1_body_scan(&flow->body, bytes, n, ret_used);
        do {
                r = http1_body_next(&flow->body, bytes + used, n - used, &part);
                if (r < 0)
                        return r;
                if (r == HTTP1_PART_DATA)
                        tail_append(flow->tail, &part);
                used += part.used;
        } while (r != HTTP1_PART_END && used < n);
        *ret_used = used;
        return 0;
}

/* Clear what of the buffer belongs to the body. */
static int flow_clear(ProxyFlow *flow) {
        ProxyEnd *from = flow->from;
        size_t used;
        int r;

        if (from->cleared == from->end || http1_body_is_ended(&flow->body))
                return 0;
        r = flow_scan(flow, from->in->data + from->cleared, from->end - from->cleared, &used);
        if (r >= 0)
                from->cleared += used;
        return r;
}

/* An end that comes where it may. */
static ProxyFlowResult flow_on_end(ProxyFlow *flow, ssize_t n) {
        if (n < 0 || flow->body.kind != HTTP1_BODY_CLOSE)
                return PROXY_FLOW_CUT;
        flow->body.kind = HTTP1_BODY_NONE;
        return PROXY_FLOW_ENDED;
}

ProxyFlowResult proxy_flow_run(ProxyFlow *flow) {
        size_t moved = 0, sent;
        ssize_t n;
        int r;

        for (;;) {
                if (flow_clear(flow) < 0)
                        return PROXY_FLOW_BAD;
                r = proxy_end_send(flow->to, flow->from, &sent);
                moved += sent;
                if (r < 0)
                        return r == -EAGAIN ? PROXY_FLOW_WAIT : PROXY_FLOW_STUCK;
                if (http1_body_is_ended(&flow->body)) {
                        proxy_end_release(flow->from);
                        return PROXY_FLOW_ENDED;
                }
                if (moved >= PROXY_TURN_BYTES)
                        return PROXY_FLOW_AGAIN;

                n = proxy_end_read(flow->from);
                if (n == -EAGAIN) {
                        proxy_end_release(flow->from);
                        return PROXY_FLOW_WAIT;
                }
                if (n <= 0)
                        return flow_on_end(flow, n);
        }
}
