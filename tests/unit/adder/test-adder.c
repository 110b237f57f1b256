/* A form on its way into the Kubo of the test. */

#include <glib.h>
#include <string.h>

#include "daemon/adder/adder.h"
#include "tests/lib/fake-kubo.h"
#include "tests/lib/fault.h"

#define TYPE "multipart/form-data; boundary=B"
#define PART(name, data)                                                                                    \
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" name                            \
        "\"\r\nContent-Type: application/octet-stream\r\n\r\n" data "\r\n"
#define END "--B--\r\n"
#define CID_A "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
#define PATIENCE_USEC (20 * G_USEC_PER_SEC)

/* A CAR of one root, as tests/unit/adder/test-car.c has it. */
#define CAR                                                                                                 \
        "\x3a\xa2\x65roots\x81\xd8\x2a\x58\x25\x00\x01\x70\x12\x20"                                         \
        "0123456789abcdef0123456789abcdef\x67version\x01"

typedef struct Fixture {
        sd_event *event;
        FakeKubo *kubo;
        HttpClient *client;
        Ipfs *ipfs;
        AddOptions options;
        Adder *adder;

        GString *lines;
        unsigned n_wanted, n_lines, n_done;
        unsigned pause_at; /* the line after which no more are wanted; 0: none */
        bool frees;        /* the adder, in done() */
        int r;
        char *error;
} Fixture;

static void set_up(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(sd_event_new(&f->event), >=, 0);
        g_assert_cmpint(fake_kubo_new(&f->kubo, f->event), ==, 0);
        g_assert_cmpint(http_client_new(&f->client, f->event), ==, 0);
        g_assert_cmpint(ipfs_new(&f->ipfs,
                                 f->event,
                                 f->client,
                                 &(IpfsOptions){
                                                 .node_multiaddress = fake_kubo_multiaddr(f->kubo),
                                                 .request_timeout_usec = 10 * USEC_PER_SEC,
                                 },
                                 NULL),
                        ==,
                        0);
        g_assert_cmpint(add_options_read(&f->options, NULL, 0, NULL), ==, 0);
        f->lines = g_string_new(NULL);
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        adder_free(f->adder);
        add_options_done(&f->options);
        ipfs_free(f->ipfs);
        http_client_free(f->client);
        fake_kubo_free(f->kubo);
        sd_event_unref(f->event);
        g_string_free(f->lines, TRUE);
        g_free(f->error);
}

static void on_wanted(void *userdata) {
        ((Fixture *) userdata)->n_wanted++;
}

static int on_added(const Added *added, void *userdata) {
        Fixture *f = userdata;
        _cleanup_(str_done) Str line = {};

        g_assert_cmpint(json_write(&added_shape, added, &line), ==, 0);
        g_string_append_printf(f->lines, "%s\n", line.data);
        return ++f->n_lines == f->pause_at;
}

static void on_done(int r, const Error *error, void *userdata) {
        Fixture *f = userdata;

        f->n_done++;
        f->r = r;
        f->error = g_strdup(r < 0 ? error_message(error) : NULL);
        if (f->frees)
                f->adder = adder_free(f->adder);
}

static const AdderEvents events = { .wanted = on_wanted, .added = on_added, .done = on_done };

static int open_adder(Fixture *f, Error *error) {
        return adder_new(
                        &f->adder,
                        f->event,
                        &(AdderInput){ .ipfs = f->ipfs, .options = &f->options, .content_type = TYPE },
                        &events,
                        f,
                        error);
}

static void turn(Fixture *f, gint64 deadline) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_assert_cmpint(sd_event_run(f->event, 10000), >=, 0);
}

#define UNTIL(f, condition)                                                                                 \
        do {                                                                                                \
                gint64 _deadline = g_get_monotonic_time() + PATIENCE_USEC;                                  \
                                                                                                            \
                while (!(condition))                                                                        \
                        turn(f, _deadline);                                                                 \
        } while (0)

/* All of BODY, as fast as it is taken. */
static void feed(Fixture *f, const char *body, size_t n) {
        gint64 deadline = g_get_monotonic_time() + PATIENCE_USEC;

        while (n > 0) {
                size_t taken = adder_feed(f->adder, body, n);

                body += taken;
                n -= taken;
                if (n > 0)
                        turn(f, deadline);
        }
}

static void add(Fixture *f, const char *body, size_t n) {
        g_assert_cmpint(open_adder(f, NULL), ==, 0);
        feed(f, body, n);
        adder_finish(f->adder);
        g_assert_cmpuint(f->n_done, ==, 0); /* nothing from inside a call */
        UNTIL(f, f->n_done > 0);
}

static void expect_refusal(Fixture *f, const char *words) {
        g_assert_cmpuint(f->n_done, ==, 1);
        g_assert_cmpint(f->r, <, 0);
        if (!g_str_has_prefix(f->error, words))
                g_error("%s, expected %s", f->error, words);
}

/* ---- files */

static void test_file(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = PART("a.txt", "hello cluster\n") END;
        size_t n;

        add(f, body, strlen(body));
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpstr(f->lines->str,
                        ==,
                        "{\"name\":\"a.txt\",\"cid\":\"bafkreicx3mxcmx3eg5ct3tsv54ijv5rgz5vxg2g56q66qvnjrdhnogif5a\",\"size\":14}\n");
        g_assert_cmpint(adder_has_begun(f->adder), ==, true);
        (void) adder_roots(f->adder, &n);
        g_assert_cmpuint(n, ==, 1);
        g_assert_cmpstr(fake_kubo_requests(f->kubo)->items[0],
                        ==,
                        "add?chunker=size-262144&hash=sha2-256&cid-version=0&raw-leaves=false&trickle=false"
                        "&wrap-with-directory=false&nocopy=false&progress=false"
                        "&pin=false&fast-provide-root=false&stream-channels=true");
}

/* What Kubo gets is a form of our own, with what it has to know and nothing else. */
static void test_form(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = "preamble\r\n--B\r\nX-Other: x\r\nAbspath-Encoded: %2Fetc\r\n"
                                   "Content-Disposition: form-data; name=\"file\"; filename=\"d\"\r\n"
                                   "Content-Type: application/x-directory\r\n\r\n\r\n"
                                   "--B\r\nContent-Type: application/symlink\r\n"
                                   "Content-Disposition: form-data; filename=\"d%2Fl\"\r\n\r\nto\r\n"
                                   "--B\r\nContent-Type: text/plain\r\n\r\nx\r\n--B--\r\nepilogue";
        g_autofree char *expected = NULL, *boundary = NULL;

        add(f, body, strlen(body));
        boundary = g_strndup(fake_kubo_body(f->kubo) + 2, strcspn(fake_kubo_body(f->kubo), "\r") - 2);
        g_assert_cmpuint(strlen(boundary), ==, strlen("ipfs-cluster-") + 32);
        expected = g_strdup_printf(
                        "--%1$s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"d\"\r\n"
                        "Content-Type: application/x-directory\r\n\r\n\r\n"
                        "--%1$s\r\nContent-Disposition: form-data; filename=\"d%%2Fl\"\r\n"
                        "Content-Type: application/symlink\r\n\r\nto\r\n"
                        "--%1$s\r\nContent-Disposition: form-data; name=\"file\"\r\n"
                        "Content-Type: application/octet-stream\r\n\r\nx\r\n--%1$s--\r\n",
                        boundary);
        g_assert_cmpstr(fake_kubo_body(f->kubo), ==, expected);
}

static void test_abspath(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = "--B\r\nAbspath-Encoded: http%3A%2F%2Fx\r\n\r\nx\r\n" END;

        f->options.nocopy = true;
        add(f, body, strlen(body));
        g_assert_nonnull(
                        strstr(fake_kubo_body(f->kubo), "\r\nabspath-encoded: http%3A%2F%2Fx\r\n\r\nx\r\n"));
        g_assert_nonnull(strstr(fake_kubo_requests(f->kubo)->items[0], "&nocopy=true&"));
}

static void test_options(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const PinOption given[] = {
                { "chunker", "rabin-1-2-3" }, { "hash", "a&b" },      { "layout", "trickle" },
                { "cid-version", "1" },       { "progress", "true" }, { "wrap-with-directory", "1" },
        };
        static const char body[] = PART("a", "x") END;

        add_options_done(&f->options);
        g_assert_cmpint(add_options_read(&f->options, given, G_N_ELEMENTS(given), NULL), ==, 0);
        add(f, body, strlen(body));
        g_assert_cmpstr(fake_kubo_requests(f->kubo)->items[0],
                        ==,
                        "add?chunker=rabin-1-2-3&hash=a%26b&cid-version=1&raw-leaves=true&trickle=true"
                        "&wrap-with-directory=true&nocopy=false&progress=true"
                        "&pin=false&fast-provide-root=false&stream-channels=true");
}

static void test_unnamed(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = PART("", "hello cluster\n") END;

        add(f, body, strlen(body));
        g_assert_true(g_str_has_prefix(f->lines->str, "{\"name\":\"\",\"cid\":\"bafk"));
}

/* ---- roots */

static void check_roots(Fixture *f, const char *answer, bool wrap, size_t n_roots) {
        static const char body[] = PART("a", "x") END;
        size_t n;

        fake_kubo_plan(f->kubo, "add", NULL, &(FakeAnswer){ .body = answer, .status = 200 });
        f->options.wrap = wrap;
        g_assert_cmpint(open_adder(f, NULL), ==, 0);
        feed(f, body, strlen(body));
        adder_finish(f->adder);
        UNTIL(f, f->n_done > 0);
        (void) adder_roots(f->adder, &n);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpuint(n, ==, n_roots);
}

#define LINE(name) "{\"Name\":\"" name "\",\"Hash\":\"" CID_A "\",\"Size\":\"5\"}\n"

static void test_roots(Fixture *f, const void *data G_GNUC_UNUSED) {
        check_roots(f,
                    "{\"Name\":\"a\",\"Bytes\":5}\n" LINE("d/a") LINE("d/b/c") LINE("d/b") LINE("d")
                                    LINE("e"),
                    false,
                    2);
        g_assert_true(g_str_has_prefix(
                        f->lines->str, "{\"name\":\"\",\"cid\":null,\"bytes\":5}\n{\"name\":\"d/a\""));
        g_assert_cmpuint(f->n_lines, ==, 6);
}

static void test_roots_wrapped(Fixture *f, const void *data G_GNUC_UNUSED) {
        check_roots(f, LINE("d/a") LINE("d") LINE("e") LINE(""), true, 1);
}

static void test_too_many_roots(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autoptr(GString) answer = g_string_new(NULL);
        static const char body[] = PART("a", "x") END;

        for (size_t i = 0; i <= ADDER_ROOTS_MAX; i++)
                g_string_append(answer, LINE("a"));
        fake_kubo_plan(f->kubo, "add", NULL, &(FakeAnswer){ .body = answer->str });
        add(f, body, strlen(body));
        expect_refusal(f, "more than 10000 entries beside each other");
}

/* ---- CARs */

static void test_car(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = PART("a+b%2Fx.car", CAR "blocks") PART("second.car", "is dropped") END;
        size_t n;

        (void) str_copy(&f->options.format, "car");
        add(f, body, sizeof(body) - 1);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_true(g_str_has_prefix(f->lines->str, "{\"name\":\"a b/x.car\",\"cid\":\"bafybei"));
        g_assert_true(g_str_has_suffix(f->lines->str, "\",\"bytes\":223,\"size\":14}\n"));
        (void) adder_roots(f->adder, &n);
        g_assert_cmpuint(n, ==, 1);
        g_assert_cmpuint(fake_kubo_count(f->kubo, "dag/import?pin-roots=false&stats=true"), ==, 1);
        g_assert_cmpuint(fake_kubo_count(f->kubo, "files/stat?arg=/ipfs/bafybei"), ==, 1);
        g_assert_null(strstr(fake_kubo_body(f->kubo), "second"));
}

static void test_car_is_no_file(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = PART("x.car", CAR) END;

        fake_kubo_plan(f->kubo,
                       "files/stat",
                       NULL,
                       &(FakeAnswer){ .status = 500,
                                      .body = "{\"Message\":\"not unixfs node\",\"Code\":0,\"Type\":\"error\"}" });
        (void) str_copy(&f->options.format, "car");
        add(f, body, sizeof(body) - 1);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_true(g_str_has_suffix(f->lines->str, "\",\"bytes\":223}\n"));
}

static void test_bad_cars(Fixture *f, const void *data) {
        static const struct {
                const char *body;
                size_t n;
                bool wrap;
                const char *words;
        } cases[] = {
                { PART("x", "this is not a car file") END,
                  sizeof(PART("x", "this is not a car file") END) - 1,
                  false,
                  "unexpected EOF" },
                { PART("x", "") END, sizeof(PART("x", "") END) - 1, false, "EOF" },
                { PART("x", CAR) END,
                  sizeof(PART("x", CAR) END) - 1,
                  true,
                  "cannot wrap a CAR file upload" },
        };
        size_t i = GPOINTER_TO_SIZE(data);

        (void) str_copy(&f->options.format, "car");
        f->options.wrap = cases[i].wrap;
        add(f, cases[i].body, cases[i].n);
        expect_refusal(f, cases[i].words);
        g_assert_cmpuint(f->n_lines, ==, 0);
}

/* ---- refusals */

static void test_refused(Fixture *f, const void *data G_GNUC_UNUSED) {
        _cleanup_(error_done) Error error = {}, no_form = {};

        f->options.shard = true;
        g_assert_cmpint(open_adder(f, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_UNSUPPORTED);
        f->options.shard = false;
        g_assert_cmpint(adder_new(&f->adder,
                                  f->event,
                                  &(AdderInput){ .ipfs = f->ipfs,
                                                 .options = &f->options,
                                                 .content_type = "text/plain" },
                                  &events,
                                  f,
                                  &no_form),
                        ==,
                        -EINVAL);
        g_assert_null(f->adder);
}

static void test_no_part(Fixture *f, const void *data G_GNUC_UNUSED) {
        add(f, END, strlen(END));
        expect_refusal(f, "the form has no part: expected at least one file");
        g_assert_cmpint(adder_has_begun(f->adder), ==, false);
        g_assert_cmpuint(fake_kubo_requests(f->kubo)->n, ==, 0);
}

static void test_nothing(Fixture *f, const void *data G_GNUC_UNUSED) {
        add(f, "", 0);
        expect_refusal(f, "multipart: NextPart: EOF");
        g_assert_cmpint(adder_has_begun(f->adder), ==, false);
}

/* Wherever the form is cut, it is an error, and Kubo never gets the end of one. */
static void test_cut(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = PART("a", "x") PART("b", "y") "--B--";

        for (size_t n = 0; n < strlen(body); n++) {
                g_clear_pointer(&f->error, g_free);
                f->n_done = 0;
                add(f, body, n);
                expect_refusal(f, "multipart: NextPart: EOF");
                f->adder = adder_free(f->adder);
        }
        for (unsigned i = 0; i < 100; i++)
                g_assert_cmpint(sd_event_run(f->event, 1000), >=, 0);
        g_assert_cmpstr(fake_kubo_body(f->kubo), ==, "");
}

static void test_bad_form(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = PART("a", "x") "--B\r\nno colon\r\n\r\n";

        add(f, body, strlen(body));
        expect_refusal(f, "multipart: head of a part: 'no colon'");
}

static void test_failed(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const Error why = { .code = ERROR_CANCELED, .message = (char *) "enough" };

        g_assert_cmpint(open_adder(f, NULL), ==, 0);
        adder_fail(f->adder, -ECANCELED, &why);
        adder_fail(f->adder, -EIO, NULL); /* the first one counts */
        g_assert_cmpuint(adder_feed(f->adder, "anything", 8), ==, 8);
        adder_finish(f->adder);
        UNTIL(f, f->n_done > 0);
        expect_refusal(f, "enough");
}

/* ---- Kubo */

static const struct {
        const char *name;
        FakeAnswer answer;
        const char *words;
} troubles[] = {
        { "refuses",
          { .status = 500,
            .body = "{\"Message\":\"unrecognized chunker option: zz\",\"Code\":0,\"Type\":\"error\"}" },
          "unrecognized chunker option: zz" },
        { "fails-late", { .body = LINE("a"), .trailer = "the disk is full" }, "the disk is full" },
        { "breaks-off", { .body = LINE("a"), .fault = FAKE_CUT }, "IPFS request failed (add): " },
        { "talks-nonsense", { .body = "<html>\n" }, "IPFS gave an answer to add that cannot be used" },
        { "gives-no-cid",
          { .body = "{\"Name\":\"a\",\"Hash\":\"junk\"}\n" },
          "IPFS gave an answer to add that cannot be used" },
};

static void test_trouble(Fixture *f, const void *data) {
        static const char body[] = PART("a", "x") END;
        size_t i = GPOINTER_TO_SIZE(data);

        fake_kubo_plan(f->kubo, "add", NULL, &troubles[i].answer);
        f->frees = true;
        add(f, body, strlen(body));
        expect_refusal(f, troubles[i].words);
        g_assert_null(f->adder);
}

static void test_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = PART("a", "x") END;

        fake_kubo_stop(f->kubo);
        add(f, body, strlen(body));
        expect_refusal(f, "IPFS request failed (add): connect to 127.0.0.1:");
}

/* An end that is fine, and came before the content did. */
static void test_early_end(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = PART("a", "x");

        fake_kubo_plan(f->kubo, "add", NULL, &(FakeAnswer){ .body = LINE("a") });
        g_assert_cmpint(open_adder(f, NULL), ==, 0);
        feed(f, body, strlen(body));
        UNTIL(f, f->n_done > 0);
        expect_refusal(f, "IPFS has ended its answer before all of the content was sent");
}

/* ---- back-pressure, and the end in the middle */

/* A Kubo that takes nothing: what waits is bounded. */
static void test_kubo_waits(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_autofree char *block = g_strnfill(65536, 'x');
        size_t total = 0, n = 1;

        fake_kubo_plan(f->kubo, "add", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        g_assert_cmpint(open_adder(f, NULL), ==, 0);
        feed(f, PART("a", ""), strlen(PART("a", "")) - 2);
        for (unsigned idle = 0; idle<20; idle = n> 0 ? 0 : idle + 1) {
                n = adder_feed(f->adder, block, 65536);
                total += n;
                g_assert_cmpint(sd_event_run(f->event, 1000), >=, 0);
        }
        g_assert_cmpuint(total, >, ADDER_BUFFER / 2);
        g_assert_cmpuint(total, <, 64 * 1024 * 1024); /* the rest is in the sockets */
        f->adder = adder_free(f->adder);
}

static void test_large(Fixture *f, const void *data G_GNUC_UNUSED) {
        size_t n = 8 * 1024 * 1024;
        g_autofree char *content = g_strnfill(n, 'x');
        g_autofree char *body = g_strconcat(PART("a", ""), content, "\r\n" END, NULL);
        const char *sent;

        /* An empty part, and then what the preamble of another form would be: a part's end in the data. */
        memcpy(body + strlen(PART("a", "")) - 2, "xx", 2);
        add(f, body, strlen(body));
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpuint(f->n_wanted, >, 0);
        sent = strstr(fake_kubo_body(f->kubo), "\r\n\r\n");
        g_assert_nonnull(sent);
        g_assert_cmpuint(strspn(sent + 4, "x"), ==, n + 2);
}

static void test_lines_wait(Fixture *f, const void *data G_GNUC_UNUSED) {
        static const char body[] = PART("a", "x") PART("b", "y") PART("c", "z") END;

        f->pause_at = 2;
        g_assert_cmpint(open_adder(f, NULL), ==, 0);
        feed(f, body, strlen(body));
        adder_finish(f->adder);
        UNTIL(f, f->n_lines == 2);
        for (unsigned i = 0; i < 50; i++)
                g_assert_cmpint(sd_event_run(f->event, 1000), >=, 0);
        g_assert_cmpuint(f->n_lines, ==, 2);
        g_assert_cmpuint(f->n_done, ==, 0);
        adder_resume(f->adder);
        UNTIL(f, f->n_done > 0);
        g_assert_cmpuint(f->n_lines, ==, 3);
        g_assert_cmpint(f->r, ==, 0);
}

static void test_dropped(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(open_adder(f, NULL), ==, 0);
        feed(f, PART("a", "x"), strlen(PART("a", "x")));
        UNTIL(f, fake_kubo_count(f->kubo, "add") == 1);
        f->adder = adder_free(f->adder);
        for (unsigned i = 0; i < 50; i++)
                g_assert_cmpint(sd_event_run(f->event, 1000), >=, 0);
        g_assert_cmpuint(f->n_done, ==, 0);
        g_assert_cmpstr(fake_kubo_body(f->kubo), ==, "");
}

static void test_no_memory(Fixture *f, const void *data G_GNUC_UNUSED) {
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                int r = open_adder(f, &error);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                f->adder = adder_free(f->adder);
        }
}

static void add_tests(const char *path, size_t n, void (*test)(Fixture *f, const void *data)) {
        for (size_t i = 0; i < n; i++) {
                g_autofree char *name = g_strdup_printf("/adder/adder/%s/%zu", path, i);

                g_test_add(name, Fixture, GSIZE_TO_POINTER(i), set_up, test, tear_down);
        }
}

int main(int argc, char **argv) {
        static const struct {
                const char *path;
                void (*test)(Fixture *f, const void *data);
        } tests[] = {
                { "file", test_file },
                { "form", test_form },
                { "abspath", test_abspath },
                { "options", test_options },
                { "unnamed", test_unnamed },
                { "roots", test_roots },
                { "roots-wrapped", test_roots_wrapped },
                { "too-many-roots", test_too_many_roots },
                { "car", test_car },
                { "car-is-no-file", test_car_is_no_file },
                { "refused", test_refused },
                { "no-part", test_no_part },
                { "nothing", test_nothing },
                { "cut-at-every-byte", test_cut },
                { "bad-form", test_bad_form },
                { "failed", test_failed },
                { "down", test_down },
                { "early-end", test_early_end },
                { "kubo-waits", test_kubo_waits },
                { "large", test_large },
                { "lines-wait", test_lines_wait },
                { "dropped", test_dropped },
                { "no-memory", test_no_memory },
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
                g_autofree char *path = g_strdup_printf("/adder/adder/%s", tests[i].path);

                g_test_add(path, Fixture, NULL, set_up, tests[i].test, tear_down);
        }
        add_tests("bad-car", 3, test_bad_cars);
        add_tests("trouble", G_N_ELEMENTS(troubles), test_trouble);
        return g_test_run();
}
