#include "tests/unit/ctl/backend/fake-bus.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- messages as GVariant text */

static void fake_bus_note_value(sd_bus_message *m, GString *to);

static void fake_bus_note_container(sd_bus_message *m, char type, const char *contents, GString *to) {
        bool is_first = true;

        g_assert_cmpint(sd_bus_message_enter_container(m, type, contents), >, 0);
        if (type == SD_BUS_TYPE_ARRAY)
                g_string_append_c(to, contents[0] == '{' ? '{' : '[');
        while (sd_bus_message_at_end(m, false) == 0) {
                if (!is_first)
                        g_string_append(to, type == SD_BUS_TYPE_DICT_ENTRY ? ": " : ", ");
                fake_bus_note_value(m, to);
                is_first = false;
        }
        if (type == SD_BUS_TYPE_ARRAY)
                g_string_append_c(to, contents[0] == '{' ? '}' : ']');
        g_assert_cmpint(sd_bus_message_exit_container(m), >=, 0);
}

static void fake_bus_note_value(sd_bus_message *m, GString *to) {
        const char *contents, *text;
        uint64_t number;
        char type;
        int flag;

        g_assert_cmpint(sd_bus_message_peek_type(m, &type, &contents), >, 0);
        switch (type) {
        case SD_BUS_TYPE_STRING:
                g_assert_cmpint(sd_bus_message_read(m, "s", &text), >, 0);
                g_string_append_printf(to, "'%s'", text);
                break;
        case SD_BUS_TYPE_BOOLEAN:
                g_assert_cmpint(sd_bus_message_read(m, "b", &flag), >, 0);
                g_string_append(to, flag ? "true" : "false");
                break;
        case SD_BUS_TYPE_INT64:
        case SD_BUS_TYPE_UINT64:
                g_assert_cmpint(sd_bus_message_read_basic(m, type, &number), >, 0);
                g_string_append_printf(to, "%lld", (long long) number);
                break;
        default:
                fake_bus_note_container(m, type, contents, to);
        }
}

static void fake_bus_append(sd_bus_message *m, GVariant *value);

static void fake_bus_append_children(sd_bus_message *m, GVariant *value) {
        for (gsize i = 0; i < g_variant_n_children(value); i++) {
                GVariant *child = g_variant_get_child_value(value, i);

                fake_bus_append(m, child);
                g_variant_unref(child);
        }
}

static void fake_bus_append(sd_bus_message *m, GVariant *value) {
        char type = (char) g_variant_classify(value);
        const char *contents = g_variant_get_type_string(value) + 1;
        g_autofree char *inner = NULL;

        switch (type) {
        case 's':
                g_assert_cmpint(sd_bus_message_append(m, "s", g_variant_get_string(value, NULL)), >=, 0);
                return;
        case 'b':
                g_assert_cmpint(sd_bus_message_append(m, "b", (int) g_variant_get_boolean(value)), >=, 0);
                return;
        case 'x':
                g_assert_cmpint(sd_bus_message_append(m, "x", g_variant_get_int64(value)), >=, 0);
                return;
        case 't':
                g_assert_cmpint(sd_bus_message_append(m, "t", g_variant_get_uint64(value)), >=, 0);
                return;
        case 'v': {
                GVariant *child = g_variant_get_variant(value);

                g_assert_cmpint(sd_bus_message_open_container(m, 'v', g_variant_get_type_string(child)),
                                >=,
                                0);
                fake_bus_append(m, child);
                g_variant_unref(child);
                break;
        }
        case '{':
                inner = g_strndup(contents, strlen(contents) - 1);
                g_assert_cmpint(sd_bus_message_open_container(m, 'e', inner), >=, 0);
                fake_bus_append_children(m, value);
                break;
        case 'a':
                g_assert_cmpint(sd_bus_message_open_container(m, 'a', contents), >=, 0);
                fake_bus_append_children(m, value);
                break;
        default:
                g_error("a value of type %c", type);
        }
        g_assert_cmpint(sd_bus_message_close_container(m), >=, 0);
}

/* ---- answers */

static void fake_bus_answer_pipe(sd_bus_message *m, const char *text) {
        int fds[2];

        g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
        g_assert_cmpint(write(fds[1], text, strlen(text)), ==, (gssize) strlen(text));
        g_assert_cmpint(sd_bus_reply_method_return(m, "h", fds[0]), >=, 0);
        close(fds[0]);
        close(fds[1]);
}

static void fake_bus_append_text(sd_bus_message *m, const char *text) {
        g_autoptr(GError) error = NULL;
        GVariant *values = g_variant_parse(NULL, text, NULL, NULL, &error);

        g_assert_no_error(error);
        fake_bus_append_children(m, values);
        g_variant_unref(values);
}

static void fake_bus_answer_text(sd_bus_message *m, const char *text) {
        sd_bus_message *reply = NULL;

        g_assert_cmpint(sd_bus_message_new_method_return(m, &reply), >=, 0);
        if (text)
                fake_bus_append_text(reply, text);
        g_assert_cmpint(sd_bus_send(NULL, reply, NULL), >=, 0);
        sd_bus_message_unref(reply);
}

void fake_bus_signal(
                FakeBus *fake,
                const char *sender,
                const char *interface,
                const char *member,
                const char *text) {
        sd_bus_message *signal = NULL;

        g_assert_cmpint(sd_bus_message_new_signal(
                                        fake->connection,
                                        &signal,
                                        sender ? BUS_PATH : BUS_DAEMON_PATH,
                                        interface,
                                        member),
                        >=,
                        0);
        g_assert_cmpint(sd_bus_message_set_sender(signal, sender ? sender : BUS_DAEMON_NAME), >=, 0);
        fake_bus_append_text(signal, text);
        g_assert_cmpint(sd_bus_send(fake->connection, signal, NULL), >=, 0);
        sd_bus_message_unref(signal);
}

static void fake_bus_answer_peer(FakeBus *fake, sd_bus_message *m) {
        const FakeReply *reply = &fake->replies[MIN(fake->n_calls, fake->n_replies - 1)];

        fake->n_calls++;
        fake->may_start = sd_bus_message_get_auto_start(m) > 0;
        fake->is_interactive = sd_bus_message_get_allow_interactive_authorization(m) > 0;
        g_assert_cmpstr(sd_bus_message_get_path(m), ==, BUS_PATH);
        g_string_append(fake->asked, sd_bus_message_get_member(m));
        for (unsigned i = 0; sd_bus_message_at_end(m, true) == 0; i++) {
                g_string_append_c(fake->asked, ' ');
                fake_bus_note_value(m, fake->asked);
        }
        g_string_append_c(fake->asked, '\n');
        if (reply->gone)
                sd_bus_close(fake->connection);
        else if (reply->error)
                sd_bus_reply_method_errorf(m, reply->error, "%s", reply->words);
        else if (reply->pipe)
                fake_bus_answer_pipe(m, reply->pipe);
        else if (!reply->silent)
                fake_bus_answer_text(m, reply->text);
        if (fake->on_call)
                fake->on_call(m, fake->userdata);
}

static void fake_bus_answer_owner(FakeBus *fake, sd_bus_message *m) {
        const char *name;

        g_assert_cmpint(sd_bus_message_read(m, "s", &name), >, 0);
        sd_bus_reply_method_return(m, "b", (int) (fake->is_owned && strcmp(name, fake->name) == 0));
}

static void fake_bus_answer_bus(FakeBus *fake, sd_bus_message *m) {
        const char *member = sd_bus_message_get_member(m);

        if (fake->is_broken && strcmp(member, "Hello") != 0)
                sd_bus_reply_method_errorf(m, SD_BUS_ERROR_FAILED, "broken");
        else if (strcmp(member, "Hello") == 0)
                sd_bus_reply_method_return(m, "s", ":1.7");
        else if (strcmp(member, "NameHasOwner") == 0)
                fake_bus_answer_owner(fake, m);
        else if (strcmp(member, "ListActivatableNames") == 0)
                sd_bus_reply_method_return(
                                m,
                                "as",
                                2,
                                "org.example.Other",
                                fake->is_activatable ? BUS_NAME : "org.example.More");
        else if (strcmp(member, "StartServiceByName") == 0 && fake->start_error)
                sd_bus_reply_method_errorf(m, fake->start_error, "not started");
        else
                sd_bus_reply_method_return(m, NULL);
}

static int fake_bus_on_message(sd_bus_message *m, void *userdata, sd_bus_error *reterr G_GNUC_UNUSED) {
        const char *destination = sd_bus_message_get_destination(m);
        FakeBus *fake = userdata;

        if (!sd_bus_message_is_method_call(m, NULL, NULL) || !destination)
                return 0;
        if (strcmp(destination, BUS_DAEMON_NAME) == 0)
                fake_bus_answer_bus(fake, m);
        else if (strcmp(destination, fake->name) != 0)
                sd_bus_reply_method_errorf(m, SD_BUS_ERROR_SERVICE_UNKNOWN, "nobody");
        else
                fake_bus_answer_peer(fake, m);
        return 1;
}

static void fake_bus_serve(FakeBus *fake, int fd) {
        sd_id128_t id = { .bytes = { 1 } };
        sd_bus *connection = NULL;
        int r;

        g_assert_cmpint(sd_bus_new(&connection), ==, 0);
        g_assert_cmpint(sd_bus_set_fd(connection, fd, fd), ==, 0);
        g_assert_cmpint(sd_bus_set_server(connection, true, id), ==, 0);
        g_assert_cmpint(sd_bus_negotiate_fds(connection, true), >=, 0);
        g_assert_cmpint(sd_bus_start(connection), >=, 0);
        g_assert_cmpint(sd_bus_add_filter(connection, NULL, fake_bus_on_message, fake), >=, 0);
        fake->connection = connection;
        do {
                r = sd_bus_process(connection, NULL);
                if (r == 0)
                        r = sd_bus_wait(connection, UINT64_MAX);
        } while (r >= 0);
        fake->connection = NULL;
        sd_bus_close_unref(connection);
}

static gpointer fake_bus_run(gpointer data) {
        FakeBus *fake = data;

        for (;;) {
                int fd = accept4(fake->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd < 0)
                        return NULL;
                fake_bus_serve(fake, fd);
        }
}

void fake_bus_start(FakeBus *fake, const FakeReply *replies, size_t n_replies) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        g_autofree char *text = NULL;

        *fake = (FakeBus){ .replies = replies, .n_replies = n_replies, .is_owned = true, .name = BUS_NAME };
        fake->folder = g_dir_make_tmp("bus-XXXXXX", NULL);
        fake->path = g_build_filename(fake->folder, "bus", NULL);
        fake->asked = g_string_new(NULL);
        g_strlcpy(address.sun_path, fake->path, sizeof(address.sun_path));
        fake->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_assert_cmpint(bind(fake->fd, (struct sockaddr *) &address, sizeof(address)), ==, 0);
        g_assert_cmpint(listen(fake->fd, 8), ==, 0);
        text = g_strconcat("unix:path=", fake->path, NULL);
        g_assert_cmpint(setenv("DBUS_SYSTEM_BUS_ADDRESS", text, 1), ==, 0);
        fake->thread = g_thread_new("bus", fake_bus_run, fake);
}

/* Connections must be closed by now. */
void fake_bus_stop(FakeBus *fake) {
        shutdown(fake->fd, SHUT_RDWR);
        g_thread_join(fake->thread);
        close(fake->fd);
        g_unlink(fake->path);
        g_rmdir(fake->folder);
        g_free(fake->path);
        g_free(fake->folder);
        g_string_free(fake->asked, TRUE);
}

/* ---- one call */

int fake_bus_take(void *item, void *userdata) {
        FakeBusGot *got = userdata;
        _cleanup_(str_done) Str text = {};

        g_assert_cmpint(ctl_call_write(got->call, item, &text), ==, 0);
        g_string_append_printf(got->items, "%s\n", text.data);
        return 0;
}

int fake_bus_skip(void *item G_GNUC_UNUSED, void *userdata G_GNUC_UNUSED) {
        return 0;
}

void fake_bus_check(const FakeBusCase *c) {
        FakeBusGot got = { c->request.call, g_string_new(NULL) };
        CtlBackend *backend = NULL;
        CtlFailure failure = {};
        FakeBus fake;

        g_test_message("%s", c->asked);
        fake_bus_start(&fake, &c->reply, 1);
        g_assert_cmpint(ctl_backend_bus_new(&backend, &(CtlBusOptions){}, NULL), ==, 0);
        g_assert_cmpint(ctl_backend_call(backend, &c->request, fake_bus_take, &got, &failure), ==, c->r);
        g_assert_cmpstr(fake.asked->str, ==, c->asked);
        g_assert_cmpstr(got.items->str, ==, c->items ? c->items : "");
        g_assert_cmpuint(failure.code, ==, c->code);
        g_assert_cmpstr(failure.message, ==, c->message);
        ctl_failure_done(&failure);
        ctl_backend_free(backend);
        fake_bus_stop(&fake);
        g_string_free(got.items, TRUE);
}
