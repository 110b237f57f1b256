#include <glib.h>
#include <string.h>

#include "daemon/adder/multipart.h"
#include "tests/lib/fault.h"

#define TYPE "multipart/form-data; boundary=B"
#define DISPOSITION "Content-Disposition: form-data; name=\"file\"; filename="

/* What the form says, as text; data that follow one another are one. */
static int read_form(
                const char *type,
                const char *body,
                size_t n,
                const size_t *cuts,
                GString *to,
                Error *error) {
        AdderMultipart form;
        size_t at = 0;
        bool in_data = false;
        int r = adder_multipart_init(&form, type, error);

        if (r < 0)
                return r;
        while (r >= 0 && at < n) {
                /* In memory of just that size, so that what is read beyond is found. */
                size_t end = *cuts > at && *cuts < n ? *cuts : n;
                char *piece = g_memdup2(body + at, end - at);

                cuts += *cuts <= at && *cuts > 0;
                for (size_t k = 0; k < end - at;) {
                        AdderEvent event;
                        ssize_t used = adder_multipart_next(&form, piece + k, end - at - k, &event, error);

                        if (used < 0) {
                                r = (int) used;
                                break;
                        }
                        g_assert_cmpint(used > 0 || event.type != ADDER_EVENT_NONE, ==, true);
                        k += (size_t) used;
                        if (in_data && event.type > ADDER_EVENT_DATA)
                                g_string_append_c(to, '>');
                        if (event.type == ADDER_EVENT_PART)
                                g_string_append_printf(
                                                to,
                                                "[%d %s%s%s",
                                                form.part.type,
                                                form.part.filename ?: "-",
                                                form.part.abspath ? " at " : "",
                                                form.part.abspath ?: "");
                        else if (event.type == ADDER_EVENT_DATA) {
                                g_string_append(to, in_data ? "" : " <");
                                g_string_append_len(to, event.data, (gssize) event.n);
                        } else if (event.type == ADDER_EVENT_PART_END)
                                g_string_append(to, "]");
                        else if (event.type == ADDER_EVENT_END)
                                g_string_append(to, ".");
                        if (event.type != ADDER_EVENT_NONE)
                                in_data = event.type == ADDER_EVENT_DATA;
                }
                g_free(piece);
                at = end;
        }
        g_assert_cmpint(adder_multipart_is_whole(&form), ==, g_str_has_suffix(to->str, "."));
        adder_multipart_done(&form);
        return r;
}

static const struct {
        const char *name, *body, *told;
} forms[] = {
        { "one",
          "--B\r\n" DISPOSITION "\"a\"\r\nContent-Type: application/octet-stream\r\n\r\nabc\r\n--B--\r\n",
          "[0 a <abc>]." },
        { "no-line-at-the-end", "--B\r\n" DISPOSITION "a\r\n\r\nabc\r\n--B--", "[0 a <abc>]." },
        { "two",
          "--B\r\n" DISPOSITION "a\r\n\r\nx\r\n--B\r\n" DISPOSITION "b\r\n\r\ny\r\n--B--\r\n",
          "[0 a <x>][0 b <y>]." },
        { "folder-and-link",
          "--B\r\n" DISPOSITION "a\r\nContent-Type: application/x-directory\r\n\r\n\r\n--B\r\n" DISPOSITION
          "b\r\ncontent-type:application/symlink\r\n\r\nto\r\n--B--\r\n",
          "[1 a][2 b <to>]." },
        { "abspath",
          "--B\r\nAbspath-Encoded: %2Fx\r\n" DISPOSITION "a\r\n\r\n1\r\n--B--",
          "[0 a at %2Fx <1>]." },
        { "empty", "--B\r\n" DISPOSITION "a\r\n\r\n\r\n--B--\r\n", "[0 a]." },
        { "empty-without-a-line", "--B\r\n" DISPOSITION "a\r\n\r\n--B--\r\n", "[0 a]." },
        { "no-head", "--B\r\n\r\nabc\r\n--B--", "[0 - <abc>]." },
        { "no-part", "--B--\r\n", "." },
        { "around", "preamble\r\n--Bx\r\n\r\n--B \t\r\n\r\n1\r\n--B--  \r\nepilogue --B\r\n", "[0 - <1>]." },
        { "almost-boundaries",
          "--B\r\n\r\n\r\r\n\r\n-\r\n--\r\n--C\r\n--Bx\r\n--BB\r\r\n--B--",
          "[0 - <\r\r\n\r\n-\r\n--\r\n--C\r\n--Bx\r\n--BB\r>]." },
        { "boundary-first", "--B\r\n\r\n--Bx\r\n--B--", "[0 - <--Bx>]." },
        { "dashes-first", "--B\r\n\r\n--\r\n--B--", "[0 - <-->]." },
        { "lines-only", "--B\r\n\r\n\r\n\r\n\r\n--B--", "[0 - <\r\n\r\n>]." },
        { "open", "--B\r\n\r\nabc", "[0 - <abc" },
        { "open-in-head", "--B\r\n" DISPOSITION "a\r\n", "" },
        { "nothing", "", "" },
        { "junk", "this is no form at all\r\n", "" },
};

static void test_forms(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
                g_autoptr(GString) told = g_string_new(NULL);

                g_test_message("%s", forms[i].name);
                g_assert_cmpint(read_form(TYPE,
                                          forms[i].body,
                                          strlen(forms[i].body),
                                          (size_t[]){ 0 },
                                          told,
                                          NULL),
                                ==,
                                0);
                g_assert_cmpstr(told->str, ==, forms[i].told);
        }
}

/* In two or three pieces, cut at every byte. */
static void test_cut(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
                size_t n = strlen(forms[i].body);

                for (size_t a = 1; a < n; a++)
                        for (size_t b = a + 1; b <= n; b++) {
                                g_autoptr(GString) told = g_string_new(NULL);

                                if (read_form(TYPE, forms[i].body, n, (size_t[]){ a, b, 0 }, told, NULL) <
                                                    0 ||
                                    strcmp(told->str, forms[i].told) != 0)
                                        g_error("%s, cut at %zu and %zu: %s",
                                                forms[i].name,
                                                a,
                                                b,
                                                told->str);
                        }
        }
}

/* What ends early is told up to there, and is not whole. */
static void test_truncated(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++)
                for (size_t n = 0; n < strlen(forms[i].body); n++) {
                        g_autoptr(GString) told = g_string_new(NULL);

                        g_assert_cmpint(read_form(TYPE, forms[i].body, n, (size_t[]){ 0 }, told, NULL),
                                        ==,
                                        0);
                        if (!g_str_has_prefix(forms[i].told, told->str))
                                g_error("%s, %zu bytes of it: %s", forms[i].name, n, told->str);
                }
}

static void test_bad(void) {
        g_autofree char *long_name = g_strnfill(ADDER_PART_HEAD_MAX, 'x');
        g_autofree char *long_head = g_strconcat("--B\r\nX: ", long_name, NULL);
        const struct {
                const char *body, *words;
        } cases[] = {
                { "--B\r\nno colon\r\n\r\n",
                  "multipart: head of a part: 'no colon': expected 'Name: value' and CRLF" },
                { "--B\r\n: x\r\n\r\n", "multipart: head of a part: ': x': expected" },
                { "--B\r\nX: y\n\r\n", "multipart: head of a part: 'X: y\n': expected" },
                { "--B\r\nContent-Disposition: form-data; filename\r\n\r\n",
                  "multipart: Content-Disposition 'form-data; filename': expected" },
                { "--B\r\nContent-Type: multipart/mixed; boundary=C\r\n\r\n",
                  "multipart: a part that is itself 'multipart/mixed; boundary=C'" },
                { "--B \rx", "multipart: behind a boundary: expected the end of the line, or '--'" },
                { "--B\rx", "multipart: behind a boundary" },
                { "--B -", "multipart: behind a boundary" },
                { "--B-x", "multipart: behind a boundary" },
                { long_head, "multipart: the head of a part is larger than 16384 bytes" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GString) told = g_string_new(NULL);
                _cleanup_(error_done) Error error = {};
                int r = read_form(TYPE, cases[i].body, strlen(cases[i].body), (size_t[]){ 0 }, told, &error);

                g_assert_cmpint(r, <, 0);
                if (!g_str_has_prefix(error_message(&error), cases[i].words))
                        g_error("'%.60s': %s", cases[i].body, error_message(&error));
        }
}

/* A NUL in a head would end it for some and not for others. */
static void test_nul(void) {
        static const char body[] = "--B\r\nX: a\0b\r\n\r\n";
        g_autoptr(GString) told = g_string_new(NULL);
        _cleanup_(error_done) Error error = {};

        g_assert_cmpint(read_form(TYPE, body, sizeof(body) - 1, (size_t[]){ 0 }, told, &error), ==, -EINVAL);
}

static void test_types(void) {
        static const struct {
                const char *type, *words; /* NULL: good */
        } types[] = {
                { TYPE, NULL },
                { "multipart/mixed; boundary=\"a b\"", NULL },
                { "Multipart/Form-Data; charset=x; Boundary=B", NULL },
                { NULL, "request Content-Type isn't multipart/form-data" },
                { "", "request Content-Type isn't multipart/form-data" },
                { "text/plain; boundary=B", "request Content-Type isn't multipart/form-data" },
                { "multipart/form-data", "no multipart boundary param in Content-Type" },
                { "multipart/form-data; boundary=", "request Content-Type isn't multipart/form-data" },
                { "multipart/form-data; boundary=\"\"", "Content-Type: boundary ''" },
                { "multipart/form-data; boundary=\"a\r\n\"", "Content-Type: boundary 'a" },
                { "multipart/form-data; boundary=\"a \"", "Content-Type: boundary 'a '" },
                { "multipart/form-data; boundary=12345678901234567890123456789012345678901234567890123456789012345678901",
                  "Content-Type: boundary '1234" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                _cleanup_(error_done) Error error = {};
                AdderMultipart form;
                int r = adder_multipart_init(&form, types[i].type, &error);

                g_test_message("%s", types[i].type);
                g_assert_cmpint(r, ==, types[i].words ? -EINVAL : 0);
                if (types[i].words && !g_str_has_prefix(error_message(&error), types[i].words))
                        g_error("%s: %s", types[i].type, error_message(&error));
        }
}

static void test_longest_boundary(void) {
        static const char boundary[] =
                        "1234567890123456789012345678901234567890123456789012345678901234567890";
        g_autofree char *type = g_strconcat("multipart/form-data; boundary=", boundary, NULL);
        g_autofree char *body = g_strconcat("--", boundary, "\r\n\r\nx\r\n--", boundary, "--", NULL);
        g_autoptr(GString) told = g_string_new(NULL);

        g_assert_cmpint(read_form(type, body, strlen(body), (size_t[]){ 0 }, told, NULL), ==, 0);
        g_assert_cmpstr(told->str, ==, "[0 - <x>].");
}

static void test_no_memory(void) {
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                AdderMultipart form = {};
                AdderEvent event;
                ssize_t n = adder_multipart_init(&form, TYPE, &error);

                for (const char *p = forms[4].body; n >= 0 && *p; p += n)
                        n = adder_multipart_next(&form, p, strlen(p), &event, &error);
                g_assert_cmpint(n < 0, ==, fault_fired());
                if (n < 0)
                        g_assert_cmpint(n, ==, -ENOMEM);
                else
                        g_assert_cmpint(adder_multipart_is_whole(&form), ==, true);
                adder_multipart_done(&form);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/adder/multipart/forms", test_forms);
        g_test_add_func("/adder/multipart/cut-at-every-byte", test_cut);
        g_test_add_func("/adder/multipart/truncated", test_truncated);
        g_test_add_func("/adder/multipart/bad", test_bad);
        g_test_add_func("/adder/multipart/nul", test_nul);
        g_test_add_func("/adder/multipart/types", test_types);
        g_test_add_func("/adder/multipart/longest-boundary", test_longest_boundary);
        g_test_add_func("/adder/multipart/no-memory", test_no_memory);
        return g_test_run();
}
