#include "daemon/metrics/informer.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "daemon/base/json.h"
#include "daemon/base/log.h"
#include "daemon/base/time.h"
#include "daemon/metrics/ping.h"

typedef struct Source Source;

/* What one kind of metric needs. PRODUCE publishes at once, or asks Kubo and publishes when the answer
 * comes; then it calls source_plan(). */
typedef struct SourceClass {
        const char *name;
        void (*produce)(Source *source);
} SourceClass;

struct Source {
        MetricsInformer *informer;
        const SourceClass *class;
        uint64_t ttl_usec;
        sd_event_source *timer;
        IpfsCall *call;
};

enum {
        SOURCE_PING,
        SOURCE_DISK,
        SOURCE_PINQUEUE,
        SOURCE_TAGS,
        SOURCE_NUMPIN,
        _SOURCE_N,
};

struct MetricsInformer {
        sd_event *event;
        MetricsInformerOptions options;
        char *peername;
        StrMap tags;
        Source sources[_SOURCE_N];
};

/* ---- publishing ---- */

static void source_publish(const Source *source, Metric *metric) {
        const MetricsInformerOptions *options = &source->informer->options;
        uint64_t now = time_now();

        metric->peer = options->self;
        metric->expire_nsec = (int64_t) (now + source->ttl_usec) * 1000;
        metric->received_at_nsec = (int64_t) now * 1000;
        options->publish(metric, options->userdata);
}

static void source_publish_number(const Source *source, const char *name, uint64_t value, int64_t weight) {
        char text[24];
        Metric metric = { .name = (char *) name, .value = text, .weight = weight, .valid = true };

        (void) snprintf(text, sizeof(text), "%" PRIu64, value);
        source_publish(source, &metric);
}

static void source_plan(Source *source, bool good) {
        (void) sd_event_source_set_time_relative(source->timer, source->ttl_usec / (good ? 2 : 4));
        (void) sd_event_source_set_enabled(source->timer, SD_EVENT_ONESHOT);
}

/* ---- ping ---- */

static int ping_write(const MetricsInformer *informer, Str *to) {
        const IpfsId *id = ipfs_last_id(informer->options.ipfs);
        MetricsPing value = { .peer_name = informer->peername, .ipfs_id = id->id };
        int r = 0;

        for (size_t i = 0; i < id->addresses.n && r >= 0; i++)
                if (multiaddr_is_public(id->addresses.items[i]))
                        r = str_list_append(&value.ipfs_addresses, id->addresses.items[i]);
        if (r >= 0)
                r = json_write(&metrics_ping_shape, &value, to);
        str_list_done(&value.ipfs_addresses);
        return r;
}

/* The last good answer of Kubo is told again while it is down: this peer is alive all the same. */
static void ping_on_id(
                IpfsCall *call _unused_,
                int r,
                const Error *error _unused_,
                const IpfsId *id _unused_,
                void *userdata) {
        Source *source = userdata;
        _cleanup_(str_done) Str value = {};

        source->call = ipfs_call_unref(source->call);
        r = ping_write(source->informer, &value);
        if (r >= 0)
                source_publish(source,
                               &(Metric){ .name = (char *) "ping", .value = value.data, .valid = true });
        source_plan(source, r >= 0);
}

static void ping_produce(Source *source) {
        if (ipfs_id(source->informer->options.ipfs, &source->call, ping_on_id, source) < 0)
                source_plan(source, false);
}

/* ---- disk ---- */

static void disk_on_stat(
                IpfsCall *call _unused_,
                int r,
                const Error *error,
                uint64_t repo_size,
                uint64_t storage_max,
                void *userdata) {
        Source *source = userdata;
        bool reposize = source->informer->options.disk_reposize;
        bool good = r >= 0 && (reposize || repo_size < storage_max);
        uint64_t value = reposize ? repo_size : good ? storage_max - repo_size : 0;
        int64_t weight = (int64_t) MIN(value, (uint64_t) INT64_MAX);

        if (r < 0)
                log_debug("Failed to ask Kubo for its disk: %s", error_message(error));
        source->call = ipfs_call_unref(source->call);
        if (good)
                source_publish_number(
                                source,
                                reposize ? "reposize" : "freespace",
                                value,
                                reposize ? -weight : weight);
        source_plan(source, good);
}

static void disk_produce(Source *source) {
        if (ipfs_repo_stat(source->informer->options.ipfs, &source->call, disk_on_stat, source) < 0)
                source_plan(source, false);
}

/* ---- what this peer knows itself ---- */

static void pinqueue_produce(Source *source) {
        const MetricsInformerOptions *options = &source->informer->options;
        uint64_t queued = options->count_queued(options->userdata);
        int64_t bucket = options->pinqueue_bucket_size > 0 ? options->pinqueue_bucket_size : 1;

        source_publish_number(source, "pinqueue", queued, -((int64_t) queued / bucket));
        source_plan(source, true);
}

static void numpin_produce(Source *source) {
        const MetricsInformerOptions *options = &source->informer->options;

        source_publish_number(source, "numpin", options->count_pins(options->userdata), 0);
        source_plan(source, true);
}

static int tag_publish(Source *source, const char *tag, const char *value) {
        _cleanup_free_ char *name = NULL;
        Str s = {};

        (void) str_appendf(&s, "tag:%s", tag);
        name = str_take(&s);
        if (!name)
                return -ENOMEM;
        source_publish(source,
                       &(Metric){ .name = name,
                                  .value = (char *) value,
                                  .valid = true,
                                  .partitionable = true });
        return 0;
}

static void tags_produce(Source *source) {
        const StrMap *tags = &source->informer->tags;
        int r = 0;

        for (size_t i = 0; i < tags->n && r >= 0; i++)
                r = tag_publish(source, tags->items[i].key, tags->items[i].value);
        source_plan(source, r >= 0);
}

/* ---- life ---- */

static const SourceClass source_classes[_SOURCE_N] = {
        [SOURCE_PING] = { "ping", ping_produce },
        [SOURCE_DISK] = { "disk", disk_produce },
        [SOURCE_PINQUEUE] = { "pinqueue", pinqueue_produce },
        [SOURCE_TAGS] = { "tags", tags_produce },
        [SOURCE_NUMPIN] = { "numpin", numpin_produce },
};

static int source_on_time(sd_event_source *timer _unused_, uint64_t usec _unused_, void *userdata) {
        Source *source = userdata;

        source->call = ipfs_call_unref(source->call);
        source->class->produce(source);
        return 0;
}

static int source_init(MetricsInformer *informer, size_t i, uint64_t ttl_usec) {
        Source *source = &informer->sources[i];
        int r;

        *source = (Source){ .informer = informer, .class = &source_classes[i], .ttl_usec = ttl_usec };
        if (ttl_usec == 0)
                return 0;
        r = sd_event_add_time_relative(
                        informer->event,
                        &source->timer,
                        CLOCK_MONOTONIC,
                        0,
                        100 * USEC_PER_MSEC,
                        source_on_time,
                        source);
        return r < 0 ? r : sd_event_source_set_enabled(source->timer, SD_EVENT_OFF);
}

int metrics_informer_new(MetricsInformer **ret, sd_event *event, const MetricsInformerOptions *options) {
        _cleanup_(metrics_informer_freep) MetricsInformer *informer = NULL;
        const uint64_t ttls[_SOURCE_N] = {
                [SOURCE_PING] = 2 * options->ping_interval_usec, [SOURCE_DISK] = options->disk_ttl_usec,
                [SOURCE_PINQUEUE] = options->pinqueue_ttl_usec,  [SOURCE_TAGS] = options->tags_ttl_usec,
                [SOURCE_NUMPIN] = options->numpin_ttl_usec,
        };
        int r;

        informer = calloc(1, sizeof(MetricsInformer));
        if (!informer)
                return -ENOMEM;
        informer->event = sd_event_ref(event);
        informer->options = *options;

        r = str_copy(&informer->peername, options->peername);
        if (r >= 0 && options->tags)
                r = str_map_copy(&informer->tags, options->tags);
        for (size_t i = 0; i < _SOURCE_N && r >= 0; i++)
                r = source_init(informer, i, ttls[i]);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(informer);
        return 0;
}

MetricsInformer *metrics_informer_free(MetricsInformer *informer) {
        if (!informer)
                return NULL;

        for (size_t i = 0; i < _SOURCE_N; i++) {
                ipfs_call_unref(informer->sources[i].call);
                sd_event_source_disable_unref(informer->sources[i].timer);
        }
        free(informer->peername);
        str_map_done(&informer->tags);
        sd_event_unref(informer->event);
        free(informer);
        return NULL;
}

void metrics_informer_trigger(MetricsInformer *informer) {
        for (size_t i = 0; i < _SOURCE_N; i++) {
                Source *source = &informer->sources[i];

                if (!source->timer || source->call)
                        continue;
                (void) sd_event_source_set_time_relative(source->timer, 0);
                (void) sd_event_source_set_enabled(source->timer, SD_EVENT_ONESHOT);
        }
}

int metrics_informer_start(MetricsInformer *informer) {
        metrics_informer_trigger(informer);
        return 0;
}
