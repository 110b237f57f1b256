#pragma once

/*
 * Pinning requests (Pinning Service API): reasons why a CID is pinned. Several may hold one CID; they live
 * in the record of the pin (pin.h), so whatever carries pins carries them too.
 *
 * A request is known by when and where it was made; its id says the CID besides, so that an id tells where
 * its request is. Text: 16 hex digits of CREATED, 8 of RANDOM, "-", the CID. A bare CID is the id of the
 * pin as it is without a request: made by other means, or by the Go program, whose ids are CIDs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/json.h"
#include "daemon/types/cid.h"

#define PIN_REQUESTS_MAX 256                                 /* of one CID */
#define PIN_REQUEST_CREATED_MAX UINT64_C(253402300799999999) /* the end of 9999 */
#define PIN_REQUEST_ID_TEXT_MAX (16 + 8 + 1 + CID_TEXT_MAX)  /* with NUL */
#define PIN_REQUEST_ID_BYTES_MAX (1 + 8 + 4 + 1 + CID_BYTES_MAX)

typedef struct PinRequestId {
        Cid cid;          /* undefined: no id at all */
        uint64_t created; /* µs since 1970; no two of one peer are the same */
        uint32_t random;  /* for two peers in one microsecond */
        bool is_plain;    /* the bare CID; the other members are 0 */
} PinRequestId;

int pin_request_id_parse(const char *text, PinRequestId *ret); /* -EINVAL */
char *pin_request_id_format(const PinRequestId *id, char text[static PIN_REQUEST_ID_TEXT_MAX]);
bool pin_request_id_equal(const PinRequestId *a, const PinRequestId *b);

/* As bytes: 0, no id; 1, CREATED (8, little endian), RANDOM (4), size of the CID, CID; 2, size of the CID,
 * CID: a plain one. */
int pin_request_id_write(const PinRequestId *id, Str *to);
/* Answers how many of the N bytes it takes. Errors: -EBADMSG. */
ssize_t pin_request_id_read(const void *bytes, size_t n, PinRequestId *ret);

typedef struct PinRequest {
        uint64_t created;
        uint32_t random;
        char *name; /* NULL: "" */
        StrMap meta;
        StrList origins;
} PinRequest;

void pin_request_done(PinRequest *request);
int pin_request_copy(PinRequest *to, const PinRequest *from); /* deep; frees what TO held */

/* In order of CREATED, RANDOM; grown by pin_request_list_take() alone. */
typedef struct PinRequestList {
        PinRequest *items;
        size_t n;
} PinRequestList;

void pin_request_list_done(PinRequestList *list);
int pin_request_list_copy(PinRequestList *to, const PinRequestList *from);
bool pin_request_list_equal(const PinRequestList *a, const PinRequestList *b);
/* The one of ID (whose cid is not looked at), or NULL. */
const PinRequest *pin_request_list_find(const PinRequestList *list, const PinRequestId *id);
/* REQUEST (which is moved) comes to its place, instead of the one that it repeats. Errors: -ENOSPC
 * (PIN_REQUESTS_MAX), -ENOMEM: it is as it was. */
int pin_request_list_take(PinRequestList *list, PinRequest *request);
bool pin_request_list_remove(PinRequestList *list, const PinRequestId *id); /* was it there? */

extern const JsonShape pin_request_shape;    /* created, random; name, meta, origins unless empty */
extern const JsonType pin_request_list_json; /* PinRequestList */
