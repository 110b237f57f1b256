#include <glib.h>
#include <sys/socket.h>

#include "daemon/base/variant.h"
#include "tests/lib/fault.h"
#include "tests/lib/json-sample.h"

/* Messages want a connection; nothing is sent over this one. */
static sd_bus *bus;
static int other_end;

static void open_bus(void) {
        int fds[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
        other_end = fds[1];
        g_assert_cmpint(sd_bus_new(&bus), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(bus, fds[0], fds[0]), >=, 0);
        g_assert_cmpint(sd_bus_start(bus), >=, 0);
}

static sd_bus_message *new_message(void) {
        sd_bus_message *m = NULL;

        g_assert_cmpint(sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C"), >=, 0);
        return m;
}

static void seal(sd_bus_message *m) {
        g_assert_cmpint(sd_bus_message_seal(m, 1, 0), >=, 0);
        g_assert_cmpint(sd_bus_message_rewind(m, 1), >=, 0);
}

static sd_bus_message *message_of(const JsonShape *shape, const void *from) {
        sd_bus_message *m = new_message();

        g_assert_cmpint(variant_append(m, shape, from, NULL), ==, 0);
        seal(m);
        return m;
}

/* "key:signature" of each entry. */
static char *signatures_of(sd_bus_message *m) {
        GString *text = g_string_new(NULL);
        const char *key, *signature;
        char type;

        g_assert_cmpint(sd_bus_message_enter_container(m, 'a', "{sv}"), >, 0);
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                g_assert_cmpint(sd_bus_message_read_basic(m, 's', &key), >, 0);
                g_assert_cmpint(sd_bus_message_peek_type(m, &type, &signature), >, 0);
                g_string_append_printf(text, "%s%s:%s", text->len > 0 ? " " : "", key, signature);
                g_assert_cmpint(sd_bus_message_skip(m, "v"), >=, 0);
                g_assert_cmpint(sd_bus_message_exit_container(m), >=, 0);
        }
        return g_string_free(text, FALSE);
}

static void sample_read(Sample *sample) {
        static const char text[] = SAMPLE_TEXT;

        *sample = (Sample){};
        g_assert_cmpint(json_read_text(&sample_shape, text, strlen(text), sample, NULL), ==, 0);
}

static void test_types(void) {
        g_autofree char *signatures = NULL;
        sd_bus_message *m;
        Sample s;

        sample_read(&s);
        m = message_of(&sample_shape, &s);
        signatures = signatures_of(m);
        g_assert_cmpstr(signatures,
                        ==,
                        "name:s flag:b number:x size:t weight:d mode:s created:s timeout:s tags:as addresses:as "
                        "metadata:a{sv} limits:a{sv} peers:aa{sv} by_name:a{sv} raw:a{sv} letter:s derived:x");
        sd_bus_message_unref(m);
        json_done(&sample_shape, &s);
}

static void test_null_is_left_out(void) {
        g_autofree char *signatures = NULL, *empty = NULL;
        sd_bus_message *m;
        Sample s = {};

        m = message_of(&sample_shape, &s);
        signatures = signatures_of(m);
        g_assert_cmpstr(signatures,
                        ==,
                        "name:s flag:b number:x size:t weight:d mode:s created:s timeout:s limits:a{sv} derived:x");
        sd_bus_message_unref(m);

        s = (Sample){ .tags.is_set = true,
                      .addresses.is_set = true,
                      .metadata.is_set = true,
                      .peers.is_set = true,
                      .by_name.is_set = true };
        m = message_of(&sample_shape, &s);
        empty = signatures_of(m);
        g_assert_nonnull(strstr(empty, "tags:as addresses:as metadata:a{sv}"));
        g_assert_nonnull(strstr(empty, "peers:aa{sv} by_name:a{sv}"));
        sd_bus_message_unref(m);
}

/* There and back: what JSON says is the same. */
static void test_round_trip(void) {
        static const char text[] = SAMPLE_TEXT;
        _cleanup_(str_done) Str again = {};
        g_auto(GStrv) parts = NULL;
        g_autofree char *expected = NULL;
        JsonProblem problem;
        sd_bus_message *m;
        Sample s, back = {};

        sample_read(&s);
        m = message_of(&sample_shape, &s);
        g_assert_cmpint(variant_read(m, &sample_shape, &back, false, &problem), ==, 0);
        g_assert_cmpint(json_write(&sample_shape, &back, &again), ==, 0);
        parts = g_strsplit(text, "[1,2.50,null]", 2); /* D-Bus has no null, and no decimals */
        expected = g_strjoin("[1,2.5,\"\"]", parts[0], parts[1], NULL);
        g_assert_cmpstr(again.data, ==, expected);
        sd_bus_message_unref(m);
        json_done(&sample_shape, &s);
        json_done(&sample_shape, &back);
}

static void test_text(void) {
        static const struct {
                const char *text, *clean;
        } cases[] = {
                { "", "" },
                { "plain", "plain" },
                { "\xc3\xa4", "\xc3\xa4" },
                { "a\xff"
                  "b",
                  "a\xef\xbf\xbd"
                  "b" },
                { "\xc3", "\xef\xbf\xbd" },
                { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                sd_bus_message *m = new_message();
                const char *text;

                g_assert_cmpint(variant_append_text(m, cases[i].text), >=, 0);
                seal(m);
                g_assert_cmpint(sd_bus_message_read_basic(m, 's', &text), >, 0);
                g_assert_cmpstr(text, ==, cases[i].clean);
                sd_bus_message_unref(m);
        }
}

static void test_size(void) {
        size_t left = 100 * 1000, before = left;
        sd_bus_message *m = new_message();
        Sample s;
        int r;

        sample_read(&s);
        g_assert_cmpint(sd_bus_message_open_container(m, 'a', "a{sv}"), >=, 0);
        while ((r = variant_append(m, &sample_shape, &s, &left)) == 0) {
                g_assert_cmpuint(left, <, before);
                before = left;
        }
        g_assert_cmpint(r, ==, -EMSGSIZE);
        sd_bus_message_unref(m);

        free(s.name);
        s.name = g_strnfill(VARIANT_SIZE_MAX, 'x');
        m = new_message();
        g_assert_cmpint(variant_append(m, &sample_shape, &s, NULL), ==, -EMSGSIZE);
        sd_bus_message_unref(m);
        json_done(&sample_shape, &s);
}

/* ---- reading what others wrote */

static int read_entry(
                const char *key,
                const char *type,
                const void *value,
                bool strict,
                Sample *s,
                JsonProblem *problem) {
        sd_bus_message *m = new_message();
        int r;

        g_assert_cmpint(sd_bus_message_open_container(m, 'a', "{sv}"), >=, 0);
        g_assert_cmpint(sd_bus_message_open_container(m, 'e', "sv"), >=, 0);
        g_assert_cmpint(sd_bus_message_append_basic(m, 's', key), >=, 0);
        g_assert_cmpint(sd_bus_message_open_container(m, 'v', type), >=, 0);
        if (*type == '(') {
                g_assert_cmpint(sd_bus_message_append(m, type, value), >=, 0);
        } else
                g_assert_cmpint(sd_bus_message_append_basic(m, *type, value), >=, 0);
        for (unsigned i = 0; i < 3; i++)
                g_assert_cmpint(sd_bus_message_close_container(m), >=, 0);
        seal(m);
        *s = (Sample){};
        r = variant_read(m, &sample_shape, s, strict, problem);
        sd_bus_message_unref(m);
        return r;
}

static void test_integers(void) {
        static const struct {
                const char *type;
                uint64_t bits;
                int64_t number;
        } cases[] = {
                { "y", 200, 200 },     { "n", (uint16_t) -7, -7 },
                { "q", 65535, 65535 }, { "i", (uint32_t) -7, -7 },
                { "u", 7, 7 },         { "x", (uint64_t) -7, -7 },
                { "t", 7, 7 },
        };
        Sample s;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_test_message("%s", cases[i].type);
                g_assert_cmpint(read_entry("number", cases[i].type, &cases[i].bits, true, &s, NULL), ==, 0);
                g_assert_cmpint(s.number, ==, cases[i].number);
        }
        g_assert_cmpint(read_entry("size", "t", &(uint64_t){ UINT64_MAX }, true, &s, NULL), ==, 0);
        g_assert_cmpuint(s.size, ==, UINT64_MAX);
        g_assert_cmpint(read_entry("weight", "d", &(double){ 0.5 }, true, &s, NULL), ==, 0);
        g_assert_cmpfloat(s.weight, ==, 0.5);
        g_assert_cmpint(read_entry("flag", "b", &(int){ 1 }, true, &s, NULL), ==, 0);
        g_assert_true(s.flag);
}

static void test_bad(void) {
        static const struct {
                const char *key, *type, *value;
                int strict, lax;
                const char *field;
        } cases[] = {
                { "name", "s", "x", 0, 0, "" },
                { "nothing", "s", "x", -ENOENT, 0, "nothing" },
                { "id", "s", "x", -ENOENT, 0, "id" }, /* a key of what lies within */
                { "number", "s", "x", -EPROTOTYPE, -EPROTOTYPE, "number" },
                { "mode", "s", "wild", -EBADMSG, -EBADMSG, "mode" },
                { "created", "s", "soon", -EBADMSG, -EBADMSG, "created" },
                { "letter", "s", "two", -EBADMSG, -EBADMSG, "letter" },
                { "name", "(s)", "x", -EBADMSG, -EBADMSG, "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                JsonProblem problem = {};
                Sample s;

                g_test_message("%s as %s", cases[i].key, cases[i].type);
                g_assert_cmpint(read_entry(cases[i].key, cases[i].type, cases[i].value, true, &s, &problem),
                                ==,
                                cases[i].strict);
                g_assert_cmpstr(problem.field, ==, cases[i].field);
                json_done(&sample_shape, &s);
                g_assert_cmpint(read_entry(cases[i].key, cases[i].type, cases[i].value, false, &s, &problem),
                                ==,
                                cases[i].lax);
                json_done(&sample_shape, &s);
        }
}

/* Whatever is nested, the end of the stack is not found. */
static void test_deep(void) {
        static const unsigned depths[] = { 1, 10, 40, 100 };

        for (size_t i = 0; i < ELEMENTSOF(depths); i++) {
                sd_bus_message *m = new_message();
                Sample s = {};
                int r;

                g_assert_cmpint(sd_bus_message_open_container(m, 'a', "{sv}"), >=, 0);
                g_assert_cmpint(sd_bus_message_open_container(m, 'e', "sv"), >=, 0);
                g_assert_cmpint(sd_bus_message_append_basic(m, 's', "name"), >=, 0);
                for (unsigned n = 1; n < depths[i]; n++)
                        g_assert_cmpint(sd_bus_message_open_container(m, 'v', "v"), >=, 0);
                g_assert_cmpint(sd_bus_message_append(m, "v", "s", "deep"), >=, 0);
                for (unsigned n = 1; n < depths[i] + 2; n++)
                        g_assert_cmpint(sd_bus_message_close_container(m), >=, 0);
                seal(m);
                r = variant_read(m, &sample_shape, &s, true, NULL);
                if (depths[i] > 2 * JSON_DEPTH_MAX)
                        g_assert_cmpint(r, ==, -EBADMSG);
                else {
                        g_assert_cmpint(r, ==, 0);
                        g_assert_cmpstr(s.name, ==, "deep");
                }
                json_done(&sample_shape, &s);
                sd_bus_message_unref(m);
        }
}

static void test_no_dictionary(void) {
        sd_bus_message *m = new_message();
        Sample s = {};

        g_assert_cmpint(sd_bus_message_append(m, "s", "x"), >=, 0);
        seal(m);
        g_assert_cmpint(variant_read(m, &sample_shape, &s, true, NULL), ==, -EBADMSG);
        sd_bus_message_unref(m);
        m = new_message();
        seal(m);
        g_assert_cmpint(variant_read(m, &sample_shape, &s, true, NULL), ==, -EBADMSG);
        sd_bus_message_unref(m);
}

static void test_out_of_memory(void) {
        sd_bus_message *whole;
        Sample s;

        sample_read(&s);
        whole = message_of(&sample_shape, &s);
        FOREACH_FAULT {
                sd_bus_message *m = new_message();
                Sample back = {};
                int r;

                r = variant_append(m, &sample_shape, &s, NULL);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                sd_bus_message_unref(m);
                if (r < 0)
                        continue;
                g_assert_cmpint(sd_bus_message_rewind(whole, 1), >=, 0);
                r = variant_read(whole, &sample_shape, &back, false, NULL);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                json_done(&sample_shape, &back);
        }
        sd_bus_message_unref(whole);
        json_done(&sample_shape, &s);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        open_bus();
        g_test_add_func("/base/variant/types", test_types);
        g_test_add_func("/base/variant/null-is-left-out", test_null_is_left_out);
        g_test_add_func("/base/variant/round-trip", test_round_trip);
        g_test_add_func("/base/variant/text", test_text);
        g_test_add_func("/base/variant/size", test_size);
        g_test_add_func("/base/variant/integers", test_integers);
        g_test_add_func("/base/variant/bad", test_bad);
        g_test_add_func("/base/variant/deep", test_deep);
        g_test_add_func("/base/variant/no-dictionary", test_no_dictionary);
        g_test_add_func("/base/variant/out-of-memory", test_out_of_memory);
        r = g_test_run();
        sd_bus_unref(bus);
        close(other_end);
        return r;
}
