#include <glib.h>

#include "daemon/base/macro.h"
#include "daemon/base/turn.h"

typedef struct Fixture {
        sd_event *event;
        sd_event_source *greedy, *other;
        unsigned n_greedy, n_other;
} Fixture;

static int on_greedy(sd_event_source *source _unused_, void *userdata) {
        Fixture *f = userdata;

        turn_renew(f->event, &f->greedy, on_greedy, f);
        f->n_greedy++;
        return sd_event_source_set_enabled(f->greedy, SD_EVENT_ONESHOT);
}

static int on_other(sd_event_source *source _unused_, void *userdata) {
        Fixture *f = userdata;

        f->n_other++;
        return 0;
}

/* One that always wants another turn lets a later one have its own. */
static void test_is_fair(void) {
        Fixture f = {};

        g_assert_cmpint(sd_event_new(&f.event), >=, 0);
        g_assert_cmpint(sd_event_add_defer(f.event, &f.greedy, on_greedy, &f), >=, 0);
        for (unsigned i = 0; i < 10; i++)
                g_assert_cmpint(sd_event_run(f.event, 0), >, 0);
        g_assert_cmpint(sd_event_add_defer(f.event, &f.other, on_other, &f), >=, 0);
        for (unsigned i = 0; i < 10; i++)
                g_assert_cmpint(sd_event_run(f.event, 0), >, 0);

        g_assert_cmpuint(f.n_greedy, >=, 15);
        g_assert_cmpuint(f.n_other, ==, 1);
        sd_event_source_disable_unref(f.greedy);
        sd_event_source_disable_unref(f.other);
        sd_event_unref(f.event);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/base/turn/is-fair", test_is_fair);
        return g_test_run();
}
