/* Content for Kubo: what it is asked, and what its answers mean. adder/test-adder.c has the rest. */

#include <glib.h>
#include <string.h>

#include "daemon/ipfs/ipfs.h"
#include "tests/lib/fake-kubo.h"

#define FORM "--B\r\nContent-Disposition: form-data; filename=\"a\"\r\n\r\nhello cluster\n\r\n--B--\r\n"
#define CID_A "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmma"

typedef struct Fixture {
        sd_event *event;
        FakeKubo *kubo;
        HttpClient *client;
        Ipfs *ipfs;
        IpfsCall *call;

        const char *content; /* what is left to send */
        bool may_go_on;      /* the rest of it has come */
        unsigned n_paused;
        GString *told;
        uint64_t number;
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
                                                 .authorization = "bearer:token",
                                                 .request_timeout_usec = 10 * USEC_PER_SEC,
                                 },
                                 NULL),
                        ==,
                        0);
        f->content = FORM;
        f->told = g_string_new(NULL);
}

static void tear_down(Fixture *f, const void *data G_GNUC_UNUSED) {
        ipfs_call_unref(f->call);
        ipfs_free(f->ipfs);
        http_client_free(f->client);
        fake_kubo_free(f->kubo);
        sd_event_unref(f->event);
        g_string_free(f->told, TRUE);
        g_free(f->error);
}

/* Half of the content, a pause, the rest. */
static ssize_t on_read(IpfsCall *call G_GNUC_UNUSED, void *buffer, size_t max, void *userdata) {
        Fixture *f = userdata;
        size_t left = strlen(f->content), n = MIN(max, left);

        if (left < sizeof(FORM) / 2 && !f->may_go_on) {
                f->n_paused++;
                return HTTP_PAUSE;
        }
        if (!f->may_go_on)
                n = MIN(n, sizeof(FORM) / 2 + 1);
        memcpy(buffer, f->content, n);
        f->content += n;
        return (ssize_t) n;
}

static const IpfsUpload upload = { .content_type = "multipart/form-data; boundary=B", .read = on_read };

static void heard(Fixture *f, int r, const Error *error) {
        f->r = r;
        f->error = g_strdup(r < 0 ? error_message(error) : NULL);
        f->call = ipfs_call_unref(f->call);
}

static void on_done(IpfsCall *call G_GNUC_UNUSED, int r, const Error *error, void *userdata) {
        heard(userdata, r, error);
}

static void on_number(IpfsCall *call G_GNUC_UNUSED, int r, const Error *error, uint64_t n, void *userdata) {
        Fixture *f = userdata;

        f->number = n;
        heard(f, r, error);
}

static int on_item(IpfsCall *call G_GNUC_UNUSED, const IpfsAdded *added, void *userdata) {
        Fixture *f = userdata;
        char text[CID_TEXT_MAX];

        g_string_append_printf(
                        f->told,
                        "'%s' %s %u %u\n",
                        added->name,
                        cid_format(&added->cid, text),
                        (unsigned) added->bytes,
                        (unsigned) added->size);
        return 0;
}

static void finish(Fixture *f) {
        gint64 deadline = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

        while (f->call) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(f->event, 100000), >=, 0);
                if (f->n_paused > 0 && !f->may_go_on) {
                        f->may_go_on = true;
                        ipfs_call_resume_upload(f->call);
                }
        }
}

static void add(Fixture *f) {
        AddOptions options = {};

        g_assert_cmpint(ipfs_add(f->ipfs, &f->call, &options, &upload, on_item, on_done, f), ==, 0);
        finish(f);
}

static void test_add(Fixture *f, const void *data G_GNUC_UNUSED) {
        add(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpuint(f->n_paused, >, 0);
        g_assert_cmpstr(f->told->str,
                        ==,
                        "'a' bafkreicx3mxcmx3eg5ct3tsv54ijv5rgz5vxg2g56q66qvnjrdhnogif5a 0 14\n");
        g_assert_cmpstr(fake_kubo_body(f->kubo), ==, FORM);
        g_assert_cmpstr(fake_kubo_authorization(f->kubo), ==, "Bearer token");
        g_assert_true(ipfs_is_reachable(f->ipfs));
}

static void test_progress(Fixture *f, const void *data G_GNUC_UNUSED) {
        fake_kubo_plan(f->kubo,
                       "add",
                       NULL,
                       &(FakeAnswer){ .body = "{\"Name\":\"a\",\"Bytes\":262144}\n{\"Name\":\"\",\"Hash\":\"" CID_A
                                              "\",\"Size\":\"7\"}\n" });
        f->may_go_on = true;
        add(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpstr(f->told->str, ==, "'a'  262144 0\n'' " CID_A " 0 7\n");
}

/* Kubo's words, and nothing about the request, which is not the client's. */
static void test_words(Fixture *f, const void *data G_GNUC_UNUSED) {
        fake_kubo_plan(f->kubo,
                       "add",
                       NULL,
                       &(FakeAnswer){ .status = 500,
                                      .body = "{\"Message\":\"no\",\"Code\":0,\"Type\":\"error\"}" });
        add(f);
        g_assert_cmpint(f->r, <, 0);
        g_assert_cmpstr(f->error, ==, "no");
        g_assert_true(ipfs_is_reachable(f->ipfs));
}

static void test_import(Fixture *f, const void *data G_GNUC_UNUSED) {
        g_assert_cmpint(ipfs_dag_import(f->ipfs, &f->call, &upload, on_number, f), ==, 0);
        finish(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpuint(f->number, ==, 223);
        g_assert_cmpstr(fake_kubo_requests(f->kubo)->items[0],
                        ==,
                        "dag/import?pin-roots=false&stats=true&fast-provide-root=false&allow-big-block=true");
}

static void ask_size(Fixture *f) {
        Cid cid;

        g_assert_cmpint(cid_parse(CID_A, &cid, NULL), ==, 0);
        g_assert_cmpint(ipfs_file_size(f->ipfs, &f->call, &cid, on_number, f), ==, 0);
        finish(f);
}

static void test_size(Fixture *f, const void *data G_GNUC_UNUSED) {
        ask_size(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpuint(f->number, ==, 14);
        g_assert_cmpstr(fake_kubo_requests(f->kubo)->items[0],
                        ==,
                        "files/stat?arg=/ipfs/" CID_A "&offline=true");
}

static void test_size_of_no_file(Fixture *f, const void *data) {
        static const FakeAnswer answers[] = {
                { .body = "{\"Size\":5,\"Type\":\"directory\"}" },
                { .status = 500, .body = "{\"Message\":\"not unixfs node\",\"Code\":0,\"Type\":\"error\"}" },
        };

        fake_kubo_plan(f->kubo, "files/stat", NULL, &answers[GPOINTER_TO_SIZE(data)]);
        ask_size(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpuint(f->number, ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add("/ipfs/upload/add", Fixture, NULL, set_up, test_add, tear_down);
        g_test_add("/ipfs/upload/progress", Fixture, NULL, set_up, test_progress, tear_down);
        g_test_add("/ipfs/upload/words", Fixture, NULL, set_up, test_words, tear_down);
        g_test_add("/ipfs/upload/import", Fixture, NULL, set_up, test_import, tear_down);
        g_test_add("/ipfs/upload/size", Fixture, NULL, set_up, test_size, tear_down);
        g_test_add("/ipfs/upload/size-of-folder",
                   Fixture,
                   GSIZE_TO_POINTER(0),
                   set_up,
                   test_size_of_no_file,
                   tear_down);
        g_test_add("/ipfs/upload/size-of-no-file",
                   Fixture,
                   GSIZE_TO_POINTER(1),
                   set_up,
                   test_size_of_no_file,
                   tear_down);
        return g_test_run();
}
