#include "daemon/types/pin-status.h"

#include <json-c/json.h>
#include <string.h>

#include "daemon/base/macro.h"

static const struct {
        const char *name;
        PinStatus status;
} pin_statuses[] = {
        { "undefined", PIN_STATUS_UNDEFINED },
        { "cluster_error", PIN_STATUS_CLUSTER_ERROR },
        { "pin_error", PIN_STATUS_PIN_ERROR },
        { "unpin_error", PIN_STATUS_UNPIN_ERROR },
        { "pinned", PIN_STATUS_PINNED },
        { "pinning", PIN_STATUS_PINNING },
        { "unpinning", PIN_STATUS_UNPINNING },
        { "unpinned", PIN_STATUS_UNPINNED },
        { "remote", PIN_STATUS_REMOTE },
        { "pin_queued", PIN_STATUS_PIN_QUEUED },
        { "unpin_queued", PIN_STATUS_UNPIN_QUEUED },
        { "sharded", PIN_STATUS_SHARDED },
        { "unexpectedly_unpinned", PIN_STATUS_UNEXPECTEDLY_UNPINNED },
        { "error", PIN_STATUS_ERROR },
        { "queued", PIN_STATUS_QUEUED },
};

const char *pin_status_to_string(PinStatus status) {
        for (size_t i = 0; i < ELEMENTSOF(pin_statuses); i++)
                if (pin_statuses[i].status == status)
                        return pin_statuses[i].name;
        return pin_statuses[0].name; /* a mix of bits is a filter, nobody's status */
}

static PinStatus pin_status_from_string_n(const char *text, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(pin_statuses); i++)
                if (str_equal_n(pin_statuses[i].name, text, n))
                        return pin_statuses[i].status;
        return PIN_STATUS_UNDEFINED;
}

PinStatus pin_status_from_string(const char *text) {
        return pin_status_from_string_n(text, strlen(text));
}

/* Copy the part up to the next comma without its spaces; what does not fit is no name. */
static size_t pin_status_next_name(const char **at, char *name, size_t max) {
        size_t n = 0;

        for (; **at != '\0' && **at != ','; (*at)++)
                if (**at != ' ' && n < max)
                        name[n++] = **at;
        if (**at == ',')
                (*at)++;
        return n;
}

PinStatus pin_status_filter(const char *text) {
        PinStatus filter = PIN_STATUS_UNDEFINED;
        char name[32];
        size_t n;

        while (*text != '\0') {
                n = pin_status_next_name(&text, name, sizeof(name));
                filter |= pin_status_from_string_n(name, n);
        }
        return filter;
}

static int pin_status_json_read(json_object *from, void *member) {
        if (!json_object_is_type(from, json_type_string))
                return -EPROTOTYPE;

        *(int *) member = pin_status_from_string(json_object_get_string(from));
        return 0;
}

static int pin_status_json_write(const void *member, Str *to) {
        return json_write_string(to, pin_status_to_string((PinStatus) * (const int *) member));
}

const JsonType pin_status_json = {
        .expected = "a status",
        .read = pin_status_json_read,
        .write = pin_status_json_write,
};
