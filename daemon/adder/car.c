#include "daemon/adder/car.h"

#include <string.h>

#include "daemon/base/le.h"
#include "daemon/base/varint.h"

/* CAR 2 (ipld.io/specs/transport/car/carv2): the header of a CAR 1 that says "version 2", then 40 bytes:
 * characteristics (16), where the CAR 1 begins (8), its size (8), where the index begins (8). */
#define CAR2_FRAME 40
#define CAR2_DATA_OFFSET 16

/* ---- the little of CBOR (RFC 8949) that a header is made of ---- */

enum {
        CBOR_UINT = 0,
        CBOR_BYTES = 2,
        CBOR_TEXT = 3,
        CBOR_ARRAY = 4,
        CBOR_MAP = 5,
        CBOR_TAG = 6,
};

#define CBOR_TAG_CID 42

typedef struct Cbor {
        const uint8_t *at, *end;
} Cbor;

static int cbor_head(Cbor *cbor, unsigned *ret_major, uint64_t *ret) {
        unsigned size;
        uint8_t first;

        if (cbor->at == cbor->end)
                return -EBADMSG;
        first = *cbor->at++;
        *ret_major = first >> 5;
        first &= 31;
        if (first < 24) {
                *ret = first;
                return 0;
        }
        if (first > 27)
                return -EBADMSG; /* of no fixed length */

        size = 1U << (first - 24);
        if (size > (size_t) (cbor->end - cbor->at))
                return -EBADMSG;
        for (*ret = 0; size > 0; size--)
                *ret = *ret << 8 | *cbor->at++;
        return 0;
}

static int cbor_expect(Cbor *cbor, unsigned major, uint64_t *ret) {
        unsigned found;
        int r;

        r = cbor_head(cbor, &found, ret);
        return r >= 0 && found != major ? -EBADMSG : r;
}

static int cbor_string(Cbor *cbor, unsigned major, const uint8_t **ret, size_t *ret_n) {
        uint64_t n;
        int r;

        r = cbor_expect(cbor, major, &n);
        if (r < 0)
                return r;
        if (n > (uint64_t) (cbor->end - cbor->at))
                return -EBADMSG;
        *ret = cbor->at;
        *ret_n = (size_t) n;
        cbor->at += n;
        return 0;
}

/* A link: the tag 42, and the bytes of the CID behind a zero. */
static int cbor_cid(Cbor *cbor, Cid *ret) {
        const uint8_t *bytes;
        uint64_t tag;
        size_t n;
        int r;

        r = cbor_expect(cbor, CBOR_TAG, &tag);
        if (r >= 0)
                r = cbor_string(cbor, CBOR_BYTES, &bytes, &n);
        if (r < 0)
                return r;
        if (tag != CBOR_TAG_CID || n < 1 || bytes[0] != 0)
                return -EBADMSG;
        return cid_from_bytes(bytes + 1, n - 1, ret);
}

/* ---- the header ---- */

typedef struct CarHeader {
        uint64_t version;
        uint64_t n_roots;
        Cid root; /* the last one */
} CarHeader;

static int read_entry(Cbor *cbor, CarHeader *header) {
        const uint8_t *key;
        size_t n;
        int r;

        r = cbor_string(cbor, CBOR_TEXT, &key, &n);
        if (r < 0)
                return r;
        if (str_equal_n("version", (const char *) key, n))
                return cbor_expect(cbor, CBOR_UINT, &header->version);
        if (!str_equal_n("roots", (const char *) key, n))
                return -EBADMSG;

        r = cbor_expect(cbor, CBOR_ARRAY, &header->n_roots);
        for (uint64_t i = 0; i < header->n_roots && r >= 0; i++)
                r = cbor_cid(cbor, &header->root);
        return r;
}

static int read_header(const uint8_t *bytes, size_t n, CarHeader *ret) {
        Cbor cbor = { bytes, bytes + n };
        uint64_t entries = 0;
        int r;

        *ret = (CarHeader){};
        r = cbor_expect(&cbor, CBOR_MAP, &entries);
        for (uint64_t i = 0; i < entries && r >= 0; i++)
                r = read_entry(&cbor, ret);
        return r >= 0 && cbor.at != cbor.end ? -EBADMSG : r;
}

static int take_header(AdderCar *car, const CarHeader *header, Error *reterr) {
        if (header->version != 1)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "CAR: version %llu: expected 1 or 2",
                                (unsigned long long) header->version);
        if (header->n_roots == 0)
                return error_set(reterr, ERROR_INVALID, "empty car, no roots");
        if (header->n_roots > 1)
                return error_set(reterr, ERROR_INVALID, "only CAR files with a single root are supported");
        car->root = header->root;
        car->is_done = true;
        return 1;
}

/* ---- the bytes ---- */

static void drop_front(Str *s, size_t n) {
        memmove(s->data, s->data + n, s->len - n);
        s->len -= n;
}

/* Behind the SIZE bytes of version 2's header stands its frame. Answers 1 when it was there. */
static int take_frame(AdderCar *car, size_t size, Error *reterr) {
        uint64_t offset;

        if (car->bytes.len < size + CAR2_FRAME)
                return 0;
        offset = le_get64((const uint8_t *) car->bytes.data + size + CAR2_DATA_OFFSET);
        if (offset < size + CAR2_FRAME)
                return error_set(reterr, ERROR_INVALID, "CAR: the offset of the data is inside the header");

        car->is_inner = true;
        car->skip = offset;
        return 1;
}

static void skip_some(AdderCar *car) {
        size_t n = (size_t) MIN(car->skip, (uint64_t) car->bytes.len);

        if (n == 0)
                return;
        drop_front(&car->bytes, n);
        car->skip -= n;
}

/* Answers 1 when a header was read, 0 when more is needed. */
static int step(AdderCar *car, Error *reterr) {
        const uint8_t *bytes = (const uint8_t *) car->bytes.data;
        CarHeader header;
        uint64_t size;
        ssize_t used;

        skip_some(car);
        if (car->skip > 0 || car->bytes.len == 0)
                return 0;
        used = varint_read(bytes, car->bytes.len, &size);
        if (used == -ENODATA)
                return 0;
        if (used < 0 || size == 0 || size > ADDER_CAR_HEADER_MAX)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "CAR: the size of the header: expected 1 to %d",
                                ADDER_CAR_HEADER_MAX);
        if (car->bytes.len - (size_t) used < size)
                return 0;
        if (read_header(bytes + used, (size_t) size, &header) < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "CAR: the header: expected a map with 'version' and 'roots'");
        if (header.version == 2 && !car->is_inner)
                return take_frame(car, (size_t) used + (size_t) size, reterr);
        return take_header(car, &header, reterr);
}

static size_t take_some(AdderCar *car, const char *data, size_t n) {
        if (car->bytes.len == 0 && car->skip > 0) {
                n = (size_t) MIN(car->skip, (uint64_t) n);
                car->skip -= n;
                return n;
        }

        n = MIN(n, (size_t) ADDER_CAR_HEADER_MAX);
        (void) str_append_bytes(&car->bytes, data, n);
        return n;
}

int adder_car_feed(AdderCar *car, const char *data, size_t n, Error *reterr) {
        int r;

        while (n > 0 && !car->is_done) {
                size_t k = take_some(car, data, n);

                data += k;
                n -= k;
                if (str_error(&car->bytes) < 0)
                        return -ENOMEM;
                do
                        r = step(car, reterr);
                while (r > 0 && !car->is_done);
                if (r < 0)
                        return r;
        }
        return car->is_done;
}

int adder_car_finish(const AdderCar *car, Error *reterr) {
        if (car->is_done)
                return 0;
        return error_set(
                        reterr,
                        ERROR_INVALID,
                        "%s",
                        car->bytes.len == 0 && !car->is_inner ? "EOF" : "unexpected EOF");
}

void adder_car_done(AdderCar *car) {
        str_done(&car->bytes);
}
