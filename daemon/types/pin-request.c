#include "daemon/types/pin-request.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/le.h"
#include "daemon/types/multiaddr.h"

#define CREATED_DIGITS 16
#define RANDOM_DIGITS 8
#define HEAD_DIGITS (CREATED_DIGITS + RANDOM_DIGITS)

/* ---- ids */

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_hex(const char *text, size_t n, uint64_t *ret) {
        *ret = 0;
        for (size_t i = 0; i < n; i++) {
                int digit = hex_digit(text[i]);

                if (digit < 0)
                        return -EINVAL;
                *ret = *ret << 4 | (uint64_t) digit;
        }
        return 0;
}

int pin_request_id_parse(const char *text, PinRequestId *ret) {
        PinRequestId id = {};
        uint64_t random = 0;

        if (strcspn(text, "-") != HEAD_DIGITS || text[HEAD_DIGITS] == '\0') {
                id.is_plain = true;
                if (cid_parse(text, &id.cid, NULL) < 0)
                        return -EINVAL;
        } else if (parse_hex(text, CREATED_DIGITS, &id.created) < 0 ||
                   parse_hex(text + CREATED_DIGITS, RANDOM_DIGITS, &random) < 0 ||
                   id.created > PIN_REQUEST_CREATED_MAX ||
                   cid_parse(text + HEAD_DIGITS + 1, &id.cid, NULL) < 0)
                return -EINVAL;

        id.random = (uint32_t) random;
        *ret = id;
        return 0;
}

static char *format_hex(char *to, uint64_t value, size_t n) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = n; i > 0; i--, value >>= 4)
                to[i - 1] = digits[value & 15];
        return to + n;
}

char *pin_request_id_format(const PinRequestId *id, char text[static PIN_REQUEST_ID_TEXT_MAX]) {
        char *at = text;

        if (!id->is_plain) {
                at = format_hex(at, id->created, CREATED_DIGITS);
                at = format_hex(at, id->random, RANDOM_DIGITS);
                *at++ = '-';
        }
        (void) cid_format(&id->cid, at);
        return text;
}

bool pin_request_id_equal(const PinRequestId *a, const PinRequestId *b) {
        return a->is_plain == b->is_plain && a->created == b->created && a->random == b->random &&
               cid_equal(&a->cid, &b->cid);
}

enum {
        ID_NONE,
        ID_REQUEST,
        ID_PLAIN,
};

int pin_request_id_write(const PinRequestId *id, Str *to) {
        uint8_t head[8 + 4];

        if (!cid_is_defined(&id->cid))
                return str_append_char(to, ID_NONE);

        (void) str_append_char(to, id->is_plain ? ID_PLAIN : ID_REQUEST);
        le_put64(head, id->created);
        le_put32(head + 8, id->random);
        if (!id->is_plain)
                (void) str_append_bytes(to, head, sizeof(head));
        (void) str_append_char(to, (char) id->cid.size);
        return str_append_bytes(to, id->cid.bytes, id->cid.size);
}

ssize_t pin_request_id_read(const void *bytes, size_t n, PinRequestId *ret) {
        const uint8_t *start = bytes, *at = start, *end = start + n;
        PinRequestId id = {};

        if (n == 0 || *at > ID_PLAIN)
                return -EBADMSG;
        if (*at == ID_NONE) {
                *ret = id;
                return 1;
        }
        id.is_plain = *at++ == ID_PLAIN;
        if (!id.is_plain) {
                if (end - at < 8 + 4)
                        return -EBADMSG;
                id.created = le_get64(at);
                id.random = le_get32(at + 8);
                at += 8 + 4;
        }
        if (at == end || *at > end - at - 1 || id.created > PIN_REQUEST_CREATED_MAX ||
            cid_from_bytes(at + 1, *at, &id.cid) < 0)
                return -EBADMSG;

        *ret = id;
        return at + 1 + *at - start;
}

/* ---- a request */

void pin_request_done(PinRequest *request) {
        free(request->name);
        str_map_done(&request->meta);
        str_list_done(&request->origins);
        *request = (PinRequest){};
}

int pin_request_copy(PinRequest *to, const PinRequest *from) {
        PinRequest copy = { .created = from->created, .random = from->random };
        int r;

        r = str_copy(&copy.name, from->name);
        if (r >= 0)
                r = str_map_copy(&copy.meta, &from->meta);
        if (r >= 0)
                r = str_list_copy(&copy.origins, &from->origins);
        if (r < 0) {
                pin_request_done(&copy);
                return r;
        }
        pin_request_done(to);
        *to = copy;
        return 0;
}

static bool pin_request_equal(const PinRequest *a, const PinRequest *b) {
        return a->created == b->created && a->random == b->random && !strcmp(a->name ?: "", b->name ?: "") &&
               str_map_equal(&a->meta, &b->meta) && str_list_equal(&a->origins, &b->origins);
}

/* ---- the list */

void pin_request_list_done(PinRequestList *list) {
        for (size_t i = 0; i < list->n; i++)
                pin_request_done(&list->items[i]);
        free(list->items);
        *list = (PinRequestList){};
}

int pin_request_list_copy(PinRequestList *to, const PinRequestList *from) {
        PinRequestList copy = {};
        int r = 0;

        for (size_t i = 0; i < from->n && r >= 0; i++) {
                PinRequest request = {};

                r = pin_request_copy(&request, &from->items[i]);
                if (r >= 0)
                        r = pin_request_list_take(&copy, &request);
                pin_request_done(&request);
        }
        if (r < 0) {
                pin_request_list_done(&copy);
                return r;
        }
        pin_request_list_done(to);
        *to = copy;
        return 0;
}

bool pin_request_list_equal(const PinRequestList *a, const PinRequestList *b) {
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (!pin_request_equal(&a->items[i], &b->items[i]))
                        return false;
        return true;
}

/* Where that request is, or would be. Those that are read or added are mostly the newest. */
static size_t find_place(const PinRequestList *list, uint64_t created, uint32_t random, bool *ret_is_there) {
        size_t i = list->n;

        while (i > 0 && (list->items[i - 1].created > created ||
                         (list->items[i - 1].created == created && list->items[i - 1].random > random)))
                i--;
        *ret_is_there = i > 0 && list->items[i - 1].created == created &&
                        list->items[i - 1].random == random;
        return *ret_is_there ? i - 1 : i;
}

const PinRequest *pin_request_list_find(const PinRequestList *list, const PinRequestId *id) {
        bool is_there;
        size_t i = find_place(list, id->created, id->random, &is_there);

        return is_there ? &list->items[i] : NULL;
}

/* There is room up to the next power of two. */
static int make_room(PinRequestList *list) {
        PinRequest *items;

        if (list->n >= PIN_REQUESTS_MAX)
                return -ENOSPC;
        if ((list->n & (list->n - 1)) != 0)
                return 0;
        items = reallocarray(list->items, MAX(2 * list->n, (size_t) 1), sizeof(*items));
        if (!items)
                return -ENOMEM;
        list->items = items;
        return 0;
}

int pin_request_list_take(PinRequestList *list, PinRequest *request) {
        bool is_there;
        size_t i = find_place(list, request->created, request->random, &is_there);
        int r;

        if (is_there)
                pin_request_done(&list->items[i]);
        else {
                r = make_room(list);
                if (r < 0)
                        return r;
                memmove(&list->items[i + 1], &list->items[i], (list->n - i) * sizeof(*list->items));
                list->n++;
        }
        list->items[i] = *request;
        *request = (PinRequest){};
        return 0;
}

bool pin_request_list_remove(PinRequestList *list, const PinRequestId *id) {
        bool is_there;
        size_t i = find_place(list, id->created, id->random, &is_there);

        if (!is_there)
                return false;
        pin_request_done(&list->items[i]);
        list->n--;
        memmove(&list->items[i], &list->items[i + 1], (list->n - i) * sizeof(*list->items));
        return true;
}

/* ---- JSON */

static int random_read(json_object *from, void *member) {
        int64_t value;

        if (!json_object_is_type(from, json_type_int))
                return -EPROTOTYPE;
        value = json_object_get_int64(from);
        if (value < 0 || value > UINT32_MAX)
                return -ERANGE;
        *(uint32_t *) member = (uint32_t) value;
        return 0;
}

static int random_write(const void *member, Str *to) {
        return str_append_uint(to, *(const uint32_t *) member);
}

static const JsonType random_json = {
        .expected = "a number of 32 bits",
        .read = random_read,
        .write = random_write,
};

static const JsonField pin_request_fields[] = {
        { "created", JSON_TIME, offsetof(PinRequest, created), JSON_REQUIRED },
        { "random", JSON_TYPE, offsetof(PinRequest, random), JSON_REQUIRED, .type = &random_json },
        { "name", JSON_STRING, offsetof(PinRequest, name), JSON_OMIT_EMPTY },
        { "meta", JSON_MAP, offsetof(PinRequest, meta), JSON_OMIT_EMPTY },
        { "origins",
          JSON_TYPE,
          offsetof(PinRequest, origins),
          JSON_OMIT_EMPTY,
          .type = &multiaddr_list_json },
        JSON_END,
};

const JsonShape pin_request_shape = {
        .name = "pinning request",
        .size = sizeof(PinRequest),
        .fields = pin_request_fields,
};

static int list_append(PinRequestList *list, json_object *from) {
        PinRequest request = {};
        int r;

        if (!json_object_is_type(from, json_type_object))
                return -EPROTOTYPE;
        r = json_read(&pin_request_shape, from, &request, NULL);
        if (r >= 0)
                r = pin_request_list_take(list, &request);
        pin_request_done(&request);
        return r == -ENOMEM || r >= 0 ? r : -EBADMSG;
}

static int list_read(json_object *from, void *member) {
        PinRequestList list = {};
        int r = 0;

        if (!json_object_is_type(from, json_type_array))
                return -EPROTOTYPE;
        for (size_t i = 0; i < json_object_array_length(from) && r >= 0; i++)
                r = list_append(&list, json_object_array_get_idx(from, i));
        if (r < 0) {
                pin_request_list_done(&list);
                return r;
        }
        *(PinRequestList *) member = list;
        return 0;
}

static int list_write(const void *member, Str *to) {
        const PinRequestList *list = member;

        (void) str_append_char(to, '[');
        for (size_t i = 0; i < list->n; i++) {
                if (i > 0)
                        (void) str_append_char(to, ',');
                (void) json_write(&pin_request_shape, &list->items[i], to);
        }
        return str_append_char(to, ']');
}

static bool list_is_empty(const void *member) {
        return ((const PinRequestList *) member)->n == 0;
}

static void list_done(void *member) {
        pin_request_list_done(member);
}

const JsonType pin_request_list_json = {
        .expected = "a list of at most 256 pinning requests",
        .read = list_read,
        .write = list_write,
        .is_empty = list_is_empty,
        .done = list_done,
};
