#include "daemon/adder/adder.h"

#include <stdio.h>
#include <string.h>

#include "daemon/adder/car.h"
#include "daemon/adder/multipart.h"
#include "daemon/adder/ring.h"
#include "daemon/base/percent.h"
#include "daemon/base/random.h"

/* A part's head, and what may be held back of the data, fit always. */
#define ADDER_ROOM_MIN (ADDER_PART_HEAD_MAX + 1024)
#define ADDER_BOUNDARY_BYTES 16 /* random ones */
#define ADDER_BOUNDARY_SIZE (2 * ADDER_BOUNDARY_BYTES + 16)
#define ADDER_CONTENT_TYPE "multipart/form-data; boundary="

/*
 *   waiting ──► sending ──► sent ──► (sizing, of a CAR) ──► done        any: failure ──► done
 *
 * waiting: for the first part. sending: Kubo's call is under way and the form comes. sent: the form has
 * come whole, and Kubo is to end its answer.
 */
struct Adder {
        Ipfs *ipfs;
        AddOptions options;
        const AdderEvents *events;
        void *userdata;

        AdderMultipart form;
        AdderCar car;
        bool is_car, is_dropping; /* of a CAR only the first part is taken */
        bool has_unnamed;         /* a part without a name */
        char *name;               /* of the first part */

        char boundary[ADDER_BOUNDARY_SIZE]; /* of the form that Kubo gets: no content has it */
        AdderRing ring;
        bool is_wanting;  /* the feeder waits for room */
        bool is_starving; /* Kubo waits for bytes */
        bool has_ended;   /* the form is whole, and all of it is in the ring */
        IpfsCall *call;
        uint64_t bytes; /* of a CAR */

        Cid *roots;
        size_t n_roots;

        int result; /* negative: it has failed, or Kubo's end is to be told */
        Error error;
        bool is_over;         /* nothing more happens but DONE */
        sd_event_source *end; /* tells DONE from the loop */
};

/* ---- the end ---- */

static int adder_on_end(sd_event_source *source _unused_, void *userdata) {
        Adder *adder = userdata;

        adder->events->done(adder->result, &adder->error, adder->userdata);
        return 0;
}

static void adder_end(Adder *adder, int r) {
        if (adder->is_over)
                return;

        adder->is_over = true;
        adder->result = MIN(r, 0);
        adder->call = ipfs_call_unref(adder->call);
        if (r < 0 && adder->error.code == ERROR_NONE)
                (void) error_set_errno(&adder->error, r, "adding: %m");
        (void) sd_event_source_set_enabled(adder->end, SD_EVENT_ONESHOT);
}

void adder_fail(Adder *adder, int r, const Error *error) {
        if (adder->is_over)
                return;
        if (error && adder->error.code == ERROR_NONE)
                (void) error_copy(&adder->error, error);
        adder_end(adder, r);
}

/* ---- what Kubo says ---- */

static int adder_tell(Adder *adder, const Added *added) {
        return adder->events->added(added, adder->userdata);
}

static int adder_keep_root(Adder *adder, const Cid *cid) {
        Cid *grown;

        if (adder->n_roots == ADDER_ROOTS_MAX)
                return error_set(
                                &adder->error,
                                ERROR_TOO_BIG,
                                "more than %d entries beside each other: expected fewer, or wrap-with-directory=true",
                                ADDER_ROOTS_MAX);

        /* Grown to the next power of two. */
        if ((adder->n_roots & (adder->n_roots - 1)) == 0) {
                grown = reallocarray(adder->roots, MAX(2 * adder->n_roots, (size_t) 1), sizeof(Cid));
                if (!grown)
                        return -ENOMEM;
                adder->roots = grown;
        }
        adder->roots[adder->n_roots++] = *cid;
        return 0;
}

/* Kubo calls what has no name by its CID. */
static bool adder_is_unnamed(const Adder *adder, const IpfsAdded *line) {
        char text[CID_TEXT_MAX];

        return adder->has_unnamed && strcmp(line->name, cid_format(&line->cid, text)) == 0;
}

static bool adder_is_root(const Adder *adder, const IpfsAdded *line) {
        if (!cid_is_defined(&line->cid))
                return false;
        return adder->options.wrap ? !*line->name : !strchr(line->name, '/');
}

/* Progress goes by no name, as the Go program tells it. */
static int adder_on_added(IpfsCall *call _unused_, const IpfsAdded *line, void *userdata) {
        Adder *adder = userdata;
        Added added = { .cid = line->cid, .bytes = line->bytes, .size = line->size };
        int r;

        if (adder_is_root(adder, line)) {
                r = adder_keep_root(adder, &line->cid);
                if (r < 0) {
                        adder_end(adder, r);
                        return r;
                }
        }
        if (cid_is_defined(&line->cid) && !adder_is_unnamed(adder, line))
                added.name = (char *) line->name;
        return adder_tell(adder, &added);
}

/* Whether Kubo's end is a good one. */
static int adder_judge(Adder *adder, int r, const Error *error) {
        if (r < 0)
                return error_copy(&adder->error, error);
        if (!adder->has_ended)
                return error_set(
                                &adder->error,
                                ERROR_IPFS,
                                "IPFS has ended its answer before all of the content was sent");
        return 0;
}

static void adder_on_done(IpfsCall *call _unused_, int r, const Error *error, void *userdata) {
        Adder *adder = userdata;

        adder_end(adder, adder_judge(adder, r, error));
}

/* ---- a CAR ---- */

static void adder_end_car(Adder *adder, uint64_t size) {
        Added added = { .name = adder->name, .cid = adder->car.root, .bytes = adder->bytes, .size = size };
        int r;

        r = adder_keep_root(adder, &adder->car.root);
        adder_end(adder, r);
        if (r >= 0)
                (void) adder_tell(adder, &added); /* may have freed the adder */
}

static void adder_on_size(
                IpfsCall *call _unused_, int r, const Error *error _unused_, uint64_t size, void *userdata) {
        adder_end_car(userdata, r < 0 ? 0 : size);
}

/* The Go program tells the size of a file, which stands in its root. */
static void adder_on_imported(IpfsCall *call, int r, const Error *error, uint64_t bytes, void *userdata) {
        Adder *adder = userdata;

        r = adder_judge(adder, r, error);
        if (r < 0) {
                adder_end(adder, r);
                return;
        }

        adder->bytes = bytes;
        adder->call = NULL;
        if (cid_codec(&adder->car.root) == CID_CODEC_DAG_PB)
                r = ipfs_file_size(adder->ipfs, &adder->call, &adder->car.root, adder_on_size, adder);
        ipfs_call_unref(call);
        if (r < 0 || !adder->call)
                adder_end_car(adder, 0);
}

/* ---- what Kubo gets ---- */

static ssize_t adder_on_read(IpfsCall *call _unused_, void *buffer, size_t max, void *userdata) {
        Adder *adder = userdata;
        size_t n = adder_ring_get(&adder->ring, buffer, max);

        if (n == 0 && !adder->has_ended) {
                adder->is_starving = true;
                return HTTP_PAUSE;
        }
        if (adder->is_wanting && adder_ring_room(&adder->ring) >= ADDER_BUFFER / 2) {
                adder->is_wanting = false;
                adder->events->wanted(adder->userdata);
        }
        return (ssize_t) n;
}

static void put_text(Adder *adder, const char *text) {
        adder_ring_put(&adder->ring, text, strlen(text));
}

static void put_field(Adder *adder, const char *name, const char *value) {
        put_text(adder, name);
        put_text(adder, ": ");
        put_text(adder, value);
        put_text(adder, "\r\n");
}

/* Only what means something to Kubo is sent on. Where a file lies only matters where it is not to be copied.
 */
static void put_head(Adder *adder) {
        static const char *const types[] = {
                [ADDER_PART_FILE] = "application/octet-stream",
                [ADDER_PART_FOLDER] = "application/x-directory",
                [ADDER_PART_SYMLINK] = "application/symlink",
        };
        const AdderPart *part = &adder->form.part;

        put_text(adder, "--");
        put_text(adder, adder->boundary);
        put_text(adder, "\r\n");
        put_field(adder, "Content-Disposition", part->disposition ?: "form-data; name=\"file\"");
        put_field(adder, "Content-Type", types[part->type]);
        if (part->abspath && adder->options.nocopy)
                put_field(adder, "abspath-encoded", part->abspath);
        put_text(adder, "\r\n");
}

static void put_end(Adder *adder) {
        put_text(adder, "--");
        put_text(adder, adder->boundary);
        put_text(adder, "--\r\n");
        adder->has_ended = true;
}

static int adder_start(Adder *adder) {
        char type[sizeof(ADDER_CONTENT_TYPE) + ADDER_BOUNDARY_SIZE] = ADDER_CONTENT_TYPE;
        IpfsUpload upload = { .content_type = type, .read = adder_on_read };

        strcat(type, adder->boundary);
        if (adder->is_car)
                return ipfs_dag_import(adder->ipfs, &adder->call, &upload, adder_on_imported, adder);
        return ipfs_add(adder->ipfs,
                        &adder->call,
                        &adder->options,
                        &upload,
                        adder_on_added,
                        adder_on_done,
                        adder);
}

/* ---- the form ---- */

/* Escaped as in a query. */
static int decode_name(const char *text, char **ret) {
        _cleanup_(str_done) Str name = {};

        for (; *text; text++) {
                int byte = *text == '%' ? percent_decode(text, strlen(text)) : -EINVAL;

                if (byte > 0)
                        text += 2;
                else
                        byte = *text == '+' ? ' ' : *text;
                (void) str_append_char(&name, (char) byte);
        }
        *ret = str_take(&name);
        return *ret ? 0 : -ENOMEM;
}

static int adder_on_part(Adder *adder) {
        const AdderPart *part = &adder->form.part;
        int r;

        if (adder->is_dropping)
                return 0;
        if (adder->is_car && adder->options.wrap)
                return error_set(&adder->error, ERROR_REFUSED, "cannot wrap a CAR file upload");
        if (adder->form.n_parts == 1) {
                r = decode_name(part->filename ?: "", &adder->name);
                if (r >= 0)
                        r = adder_start(adder);
                if (r < 0)
                        return r;
        }

        adder->has_unnamed |= str_is_empty(part->filename);
        put_head(adder);
        return 0;
}

static int adder_on_data(Adder *adder, const char *data, size_t n) {
        int r;

        if (adder->is_dropping)
                return 0;
        if (adder->is_car) {
                r = adder_car_feed(&adder->car, data, n, &adder->error);
                if (r < 0)
                        return r;
        }
        adder_ring_put(&adder->ring, data, n);
        return 0;
}

static int adder_on_part_end(Adder *adder) {
        if (adder->is_dropping)
                return 0;

        put_text(adder, "\r\n");
        if (!adder->is_car)
                return 0;
        adder->is_dropping = true;
        return adder_car_finish(&adder->car, &adder->error);
}

static int adder_on_event(Adder *adder, const AdderEvent *event) {
        switch (event->type) {
        case ADDER_EVENT_NONE:
                return 0;
        case ADDER_EVENT_PART:
                return adder_on_part(adder);
        case ADDER_EVENT_DATA:
                return adder_on_data(adder, event->data, event->n);
        case ADDER_EVENT_PART_END:
                return adder_on_part_end(adder);
        case ADDER_EVENT_END:
                if (adder->form.n_parts == 0)
                        return error_set(
                                        &adder->error,
                                        ERROR_INVALID,
                                        "the form has no part: expected at least one file");
                put_end(adder);
                return 0;
        }
        return 0;
}

/* Answers what was taken, 0 when there is no room, negative when the form is bad. */
static ssize_t adder_step(Adder *adder, const char *data, size_t n) {
        size_t room = adder_ring_room(&adder->ring);
        AdderEvent event;
        ssize_t taken;
        int r;

        if (room <= ADDER_ROOM_MIN) {
                adder->is_wanting = true;
                return 0;
        }
        taken = adder_multipart_next(
                        &adder->form, data, MIN(n, room - ADDER_ROOM_MIN), &event, &adder->error);
        if (taken < 0)
                return taken;
        r = adder_on_event(adder, &event);
        return r < 0 ? r : taken;
}

size_t adder_feed(Adder *adder, const char *data, size_t n) {
        size_t taken = 0;

        while (taken < n && !adder->is_over && !adder->is_wanting) {
                ssize_t k = adder_step(adder, data + taken, n - taken);

                if (k < 0)
                        adder_end(adder, (int) k);
                else
                        taken += (size_t) k;
        }

        if (adder->is_starving && (adder->ring.n > 0 || adder->has_ended)) {
                adder->is_starving = false;
                ipfs_call_resume_upload(adder->call);
        }
        return adder->is_over ? n : taken;
}

void adder_finish(Adder *adder) {
        Error cut = { .code = ERROR_INVALID, .message = (char *) "multipart: NextPart: EOF" };

        if (!adder_multipart_is_whole(&adder->form))
                adder_fail(adder, -EINVAL, &cut);
}

void adder_resume(Adder *adder) {
        if (adder->call && !adder->is_car)
                ipfs_call_resume(adder->call);
}

bool adder_has_begun(const Adder *adder) {
        return adder->form.n_parts > 0;
}

const Cid *adder_roots(const Adder *adder, size_t *ret_n) {
        *ret_n = adder->n_roots;
        return adder->roots;
}

/* ---- the object ---- */

static int check_options(const AddOptions *options, Error *reterr) {
        if (options->shard)
                return error_set(
                                reterr,
                                ERROR_UNSUPPORTED,
                                "shard=true: sharding is not offered: add without it, and the whole graph is pinned by each allocated peer");
        return 0;
}

static int copy_options(AddOptions *to, const AddOptions *from) {
        *to = *from;
        to->layout = to->chunker = to->hash = to->format = NULL;
        if (str_copy(&to->layout, from->layout) < 0 || str_copy(&to->chunker, from->chunker) < 0 ||
            str_copy(&to->hash, from->hash) < 0 || str_copy(&to->format, from->format) < 0)
                return -ENOMEM;
        return 0;
}

static void make_boundary(char boundary[static ADDER_BOUNDARY_SIZE]) {
        uint8_t bytes[ADDER_BOUNDARY_BYTES];
        char *p = stpcpy(boundary, "ipfs-cluster-");

        random_bytes(bytes, sizeof(bytes));
        for (size_t i = 0; i < sizeof(bytes); i++, p += 2)
                (void) sprintf(p, "%02x", bytes[i]);
}

static int adder_prepare(Adder *adder, sd_event *event, const AddOptions *options) {
        int r;

        r = copy_options(&adder->options, options);
        if (r < 0)
                return r;
        r = adder_ring_init(&adder->ring, ADDER_BUFFER);
        if (r < 0)
                return r;
        r = sd_event_add_defer(event, &adder->end, adder_on_end, adder);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(adder->end, SD_EVENT_OFF);
}

int adder_new(Adder **ret,
              sd_event *event,
              const AdderInput *input,
              const AdderEvents *events,
              void *userdata,
              Error *reterr) {
        _cleanup_(adder_freep) Adder *adder = NULL;
        int r;

        r = check_options(input->options, reterr);
        if (r < 0)
                return r;
        adder = calloc(1, sizeof(Adder));
        if (!adder)
                return error_set_errno(reterr, -ENOMEM, "%m");
        *adder = (Adder){
                .ipfs = input->ipfs,
                .events = events,
                .userdata = userdata,
                .is_car = add_options_is_car(input->options),
        };
        make_boundary(adder->boundary);

        r = adder_multipart_init(&adder->form, input->content_type, reterr);
        if (r < 0)
                return r;
        r = adder_prepare(adder, event, input->options);
        if (r < 0)
                return error_set_errno(reterr, r, "adding: %m");

        *ret = TAKE_PTR(adder);
        return 0;
}

Adder *adder_free(Adder *adder) {
        if (!adder)
                return NULL;

        ipfs_call_unref(adder->call);
        sd_event_source_disable_unref(adder->end);
        add_options_done(&adder->options);
        adder_multipart_done(&adder->form);
        adder_car_done(&adder->car);
        adder_ring_done(&adder->ring);
        free(adder->name);
        free(adder->roots);
        error_done(&adder->error);
        free(adder);
        return NULL;
}
