#include "daemon/base/variant.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define VALUE_COST 16 /* of a value in a message beyond its text, with its signature and padding */

/* A JSON value on its way into a message. SHAPE says what an object is made of, ELEMENTS the same of the
 * objects in a list or map; both may be NULL. */
typedef struct VariantWriter {
        sd_bus_message *message;
        size_t left;
} VariantWriter;

/* ---- writing */

static int writer_spend(VariantWriter *writer, size_t n) {
        if (n + VALUE_COST > writer->left)
                return -EMSGSIZE;
        writer->left -= n + VALUE_COST;
        return 0;
}

static int writer_text(VariantWriter *writer, const char *text) {
        int r;

        if (!text) /* null in a list */
                text = "";
        r = writer_spend(writer, strlen(text));
        return r < 0 ? r : variant_append_text(writer->message, text);
}

static int writer_dict(
                VariantWriter *writer,
                const JsonShape *shape,
                const JsonShape *elements,
                json_object *object);

static const char *array_signature(json_object *array, const JsonShape *elements) {
        static const char *const by_type[] = {
                [json_type_string] = "as",
                [json_type_int] = "ax",
                [json_type_object] = "aa{sv}",
        };
        size_t n = json_object_array_length(array);
        json_type type = elements ? json_type_object : json_type_string;

        if (n > 0)
                type = json_object_get_type(json_object_array_get_idx(array, 0));
        for (size_t i = 1; i < n; i++)
                if (json_object_get_type(json_object_array_get_idx(array, i)) != type)
                        return "av";
        return type < ELEMENTSOF(by_type) && by_type[type] ? by_type[type] : "av";
}

static const char *value_signature(const JsonField *field, json_object *value, const JsonShape *elements) {
        switch (json_object_get_type(value)) {
        case json_type_boolean:
                return "b";
        case json_type_double:
                return "d";
        case json_type_int:
                if (field && field->kind == JSON_DOUBLE)
                        return "d";
                return field && field->kind == JSON_UINT ? "t" : "x";
        case json_type_object:
                return "a{sv}";
        case json_type_array:
                return array_signature(value, elements);
        default:
                return field && field->kind == JSON_ONE_OR_MORE ? "as" : "s";
        }
}

static int writer_value(
                VariantWriter *writer,
                const JsonField *field,
                const JsonShape *elements,
                json_object *value);

static int writer_elements(
                VariantWriter *writer,
                const char *signature,
                const JsonShape *elements,
                json_object *array) {
        size_t n = json_object_array_length(array);
        int r;

        r = sd_bus_message_open_container(writer->message, 'a', signature);
        for (size_t i = 0; i < n && r >= 0; i++) {
                json_object *value = json_object_array_get_idx(array, i);

                if (*signature == 's')
                        r = writer_text(writer, json_object_get_string(value));
                else if (*signature == 'a')
                        r = writer_dict(writer, elements, NULL, value);
                else if (*signature == 'v')
                        r = writer_value(writer, NULL, NULL, value);
                else if ((r = writer_spend(writer, 0)) >= 0)
                        r = sd_bus_message_append(writer->message, "x", json_object_get_int64(value));
        }
        return r < 0 ? r : sd_bus_message_close_container(writer->message);
}

static int writer_basic(VariantWriter *writer, char type, json_object *value) {
        int r;

        if (type == 's')
                return writer_text(writer, json_object_get_string(value));

        r = writer_spend(writer, 0);
        if (r < 0)
                return r;
        switch (type) {
        case 'b':
                return sd_bus_message_append(writer->message, "b", json_object_get_boolean(value));
        case 'd':
                return sd_bus_message_append(writer->message, "d", json_object_get_double(value));
        case 't':
                return sd_bus_message_append(writer->message, "t", json_object_get_uint64(value));
        default:
                return sd_bus_message_append(writer->message, "x", json_object_get_int64(value));
        }
}

/* One text where there may be more: a list all the same. */
static int writer_single(VariantWriter *writer, json_object *value) {
        int r;

        r = sd_bus_message_open_container(writer->message, 'a', "s");
        if (r >= 0)
                r = writer_text(writer, json_object_get_string(value));
        return r < 0 ? r : sd_bus_message_close_container(writer->message);
}

/* A variant. ELEMENTS is the shape of an object, or of those in a list or map, by FIELD. */
static int writer_value(
                VariantWriter *writer,
                const JsonField *field,
                const JsonShape *elements,
                json_object *value) {
        const char *signature = value_signature(field, value, elements);
        bool is_map = field && field->kind == JSON_OBJECTS;
        int r;

        r = sd_bus_message_open_container(writer->message, 'v', signature);
        if (r < 0)
                return r;
        if (json_object_is_type(value, json_type_array))
                r = writer_elements(writer, signature + 1, elements, value);
        else if (json_object_is_type(value, json_type_object))
                r = writer_dict(writer, is_map ? NULL : elements, is_map ? elements : NULL, value);
        else if (*signature == 'a')
                r = writer_single(writer, value);
        else
                r = writer_basic(writer, *signature, value);
        return r < 0 ? r : sd_bus_message_close_container(writer->message);
}

static const JsonField *shape_find(const JsonShape *shape, const char *key) {
        for (const JsonField *field = shape->fields; field->key; field++)
                if (field->kind != JSON_KEY && !strcmp(field->key, key))
                        return field;
        return NULL;
}

static int writer_entry(
                VariantWriter *writer,
                const JsonField *field,
                const JsonShape *elements,
                const char *key,
                json_object *value) {
        /* elements of a map are objects of that shape, as if each were a field of its own */
        const JsonField of_map = { .key = key, .kind = JSON_OBJECT };
        int r;

        r = sd_bus_message_open_container(writer->message, 'e', "sv");
        if (r >= 0)
                r = writer_text(writer, key);
        if (r >= 0)
                r = writer_value(
                                writer,
                                field      ? field
                                : elements ? &of_map
                                           : NULL,
                                field ? field->shape : elements,
                                value);
        return r < 0 ? r : sd_bus_message_close_container(writer->message);
}

static int writer_dict(
                VariantWriter *writer,
                const JsonShape *shape,
                const JsonShape *elements,
                json_object *object) {
        int r;

        r = sd_bus_message_open_container(writer->message, 'a', "{sv}");
        if (r < 0)
                return r;
        json_object_object_foreach(object, key, value) {
                if (json_object_is_type(value, json_type_null))
                        continue;
                r = writer_entry(writer, shape ? shape_find(shape, key) : NULL, elements, key, value);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(writer->message);
}

/* By way of the JSON text, which is what the dictionary shall say: one writer knows how each member is told.
 */
int variant_append(sd_bus_message *to, const JsonShape *shape, const void *from, size_t *left) {
        _cleanup_(json_object_putp) json_object *object = NULL;
        VariantWriter writer = { .message = to, .left = left ? *left : VARIANT_SIZE_MAX };
        _cleanup_(str_done) Str text = {};
        int r;

        r = json_write(shape, from, &text);
        if (r >= 0)
                r = json_parse(text.data, text.len, &object, NULL);
        if (r >= 0)
                r = writer_dict(&writer, shape, NULL, object);
        if (left)
                *left = writer.left;
        return r;
}

int variant_append_text(sd_bus_message *to, const char *text) {
        _cleanup_(str_done) Str clean = {};
        size_t n = strlen(text);

        if (str_is_utf8(text, n))
                return sd_bus_message_append_basic(to, 's', text);

        for (size_t at = 0, size; at < n; at += MAX(size, 1)) {
                size = str_utf8_rune(text + at, n - at);
                (void) str_append_bytes(&clean, size > 0 ? text + at : "\xef\xbf\xbd", size > 0 ? size : 3);
        }
        return str_error(&clean) < 0 ? -ENOMEM : sd_bus_message_append_basic(to, 's', clean.data);
}

/* ---- reading */

/* Numbers of all widths; the message gives them in members of one union. */
static json_object *number_of(char type, const void *bytes) {
        switch (type) {
        case 'y':
                return json_object_new_int64(*(const uint8_t *) bytes);
        case 'n':
                return json_object_new_int64(*(const int16_t *) bytes);
        case 'q':
                return json_object_new_int64(*(const uint16_t *) bytes);
        case 'i':
                return json_object_new_int64(*(const int32_t *) bytes);
        case 'u':
                return json_object_new_int64(*(const uint32_t *) bytes);
        case 'x':
                return json_object_new_int64(*(const int64_t *) bytes);
        case 't':
                return json_object_new_uint64(*(const uint64_t *) bytes);
        case 'd':
                return json_object_new_double(*(const double *) bytes);
        default:
                return json_object_new_boolean(*(const int *) bytes);
        }
}

static int read_basic(sd_bus_message *from, char type, json_object **ret) {
        union {
                const char *text;
                uint64_t number;
                double fraction;
        } value = {};
        int r;

        if (!strchr("ybnqiuxtdsog", type))
                return -EBADMSG;
        r = sd_bus_message_read_basic(from, type, &value);
        if (r < 0)
                return r;
        *ret = strchr("sog", type) ? json_object_new_string(value.text) : number_of(type, &value);
        return *ret ? 0 : -ENOMEM;
}

static int read_value(sd_bus_message *from, unsigned depth, json_object **ret);

static int read_entry(sd_bus_message *from, const char *contents, unsigned depth, json_object *object) {
        _cleanup_(json_object_putp) json_object *value = NULL;
        const char *key;
        int r;

        r = sd_bus_message_enter_container(from, 'e', contents);
        if (r <= 0)
                return r;
        r = sd_bus_message_read_basic(from, 's', &key);
        if (r >= 0)
                r = read_value(from, depth, &value);
        if (r < 0)
                return r;
        if (json_object_object_add(object, key, value) < 0)
                return -ENOMEM;
        value = NULL;
        r = sd_bus_message_exit_container(from);
        return r < 0 ? r : 1;
}

/* CONTENTS is "{sT}". */
static int read_dict(sd_bus_message *from, const char *contents, unsigned depth, json_object **ret) {
        _cleanup_(json_object_putp) json_object *object = json_object_new_object();
        _cleanup_free_ char *entry = NULL;
        int r;

        if (contents[1] != 's')
                return -EBADMSG;
        entry = strndup(contents + 1, strlen(contents) - 2);
        if (!object || !entry)
                return -ENOMEM;

        r = sd_bus_message_enter_container(from, 'a', contents);
        if (r < 0)
                return r;
        while ((r = read_entry(from, entry, depth, object)) > 0)
                ;
        if (r >= 0)
                r = sd_bus_message_exit_container(from);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(object);
        return 0;
}

static int read_array(sd_bus_message *from, const char *contents, unsigned depth, json_object **ret) {
        _cleanup_(json_object_putp) json_object *array = json_object_new_array();
        int r;

        if (!array)
                return -ENOMEM;
        r = sd_bus_message_enter_container(from, 'a', contents);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(from, /* complete= */ 0)) == 0) {
                json_object *value = NULL;

                r = read_value(from, depth, &value);
                if (r < 0)
                        return r;
                if (json_object_array_add(array, value) < 0) {
                        json_object_put(value);
                        return -ENOMEM;
                }
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(from);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(array);
        return 0;
}

static int read_variant(sd_bus_message *from, const char *contents, unsigned depth, json_object **ret) {
        int r;

        r = sd_bus_message_enter_container(from, 'v', contents);
        if (r >= 0)
                r = read_value(from, depth, ret);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(from);
        if (r < 0) {
                json_object_put(*ret);
                *ret = NULL;
        }
        return r;
}

static int read_value(sd_bus_message *from, unsigned depth, json_object **ret) {
        const char *contents;
        char type;
        int r;

        if (depth == 0)
                return -EBADMSG;
        r = sd_bus_message_peek_type(from, &type, &contents);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        if (type == 'v')
                return read_variant(from, contents, depth - 1, ret);
        if (type == 'a')
                return *contents == '{' ? read_dict(from, contents, depth - 1, ret)
                                        : read_array(from, contents, depth - 1, ret);
        return read_basic(from, type, ret);
}

static int check_keys(const JsonShape *shape, json_object *object, JsonProblem *problem) {
        json_object_object_foreach(object, key, value) {
                (void) value;
                if (shape_find(shape, key))
                        continue;
                *problem = (JsonProblem){};
                (void) snprintf(problem->field, sizeof(problem->field), "%.100s", key);
                problem->field[str_utf8_cut(problem->field, 100)] = '\0';
                return -ENOENT;
        }
        return 0;
}

int variant_read(sd_bus_message *from, const JsonShape *shape, void *to, bool strict, JsonProblem *reterr) {
        _cleanup_(json_object_putp) json_object *object = NULL;
        JsonProblem problem = { .expected = "types that have a JSON form" };
        int r;

        r = read_value(from, 2 * JSON_DEPTH_MAX, &object);
        if (r >= 0 && !json_object_is_type(object, json_type_object))
                r = -EBADMSG;
        if (r >= 0 && strict)
                r = check_keys(shape, object, &problem);
        if (r >= 0) {
                problem = (JsonProblem){};
                r = json_read(shape, object, to, &problem);
        }
        if (r < 0 && reterr)
                *reterr = problem;
        return r;
}
