#include "daemon/base/time.h"
#include "tests/unit/peers/members.h"

#define SECOND INT64_C(1000000000)

static Metric make(Member *from) {
        return (Metric){ .name = (char *) "freespace",
                         .value = (char *) "1000",
                         .peer = from->id,
                         .expire_nsec = (int64_t) time_now() * 1000 + 30 * SECOND,
                         .valid = true,
                         .weight = 1000 };
}

static void test_published(void) {
        Members members;
        Metric metric;
        int64_t left;

        members_open(&members, 2);
        metric = make(&members.member[0]);
        peers_publish(members.member[0].peers, &metric, NULL);
        MEMBERS_UNTIL(members.event, members.member[1].n_metrics > 0);
        g_assert_cmpuint(members.member[0].n_metrics, ==, 0);

        metric = members.member[1].metric;
        g_assert_cmpstr(metric.name, ==, "freespace");
        g_assert_cmpstr(metric.value, ==, "1000");
        g_assert_true(peer_id_equal(&metric.peer, &members.member[0].id));
        g_assert_cmpint(metric.weight, ==, 1000);
        left = metric.expire_nsec - metric.received_at_nsec;
        g_assert_cmpint(left, >, 0);
        g_assert_cmpint(left, <=, 30 * SECOND);
        members_close(&members);
}

/* What a peer says of another one, or what is no metric, is not taken. */
static void test_refused(void) {
        static const char *const bad[] = {
                "",
                "{",
                "[]",
                "{\"name\":\"\",\"peer\":\"@\",\"value\":\"1\",\"expire\":1,\"valid\":true}",
                "{\"name\":\"ping\",\"peer\":\"12D3KooWDpp7U7W9Q8feMZPPEpPP5FKXTUakLgnVLbavfjb9mzrT\",\"value\":\"\",\"expire\":1,\"valid\":true}",
                "{\"name\":\"ping\",\"value\":\"1\",\"expire\":1,\"valid\":true}",
        };
        Members members;
        Member *to;

        members_open(&members, 2);
        to = &members.member[1];
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                peers_metrics_receive(to->peers, &members.member[0].id, bad[i], strlen(bad[i]));
        g_assert_cmpuint(to->n_metrics, ==, 0);
        members_close(&members);
}

/* A clock cannot make a metric live for ever. */
static void test_bounds(void) {
        char id[PEER_ID_TEXT_MAX];
        g_autofree char *text = NULL;
        Members members;
        Member *to;

        members_open(&members, 2);
        to = &members.member[1];
        (void) peer_id_format(&members.member[0].id, id);
        text = g_strdup_printf(
                        "{\"name\":\"ping\",\"peer\":\"%s\",\"value\":\"\",\"expire\":9223372036854775807,"
                        "\"valid\":true}",
                        id);
        peers_metrics_receive(to->peers, &members.member[0].id, text, strlen(text));
        g_assert_cmpuint(to->n_metrics, ==, 1);
        g_assert_cmpint(to->metric.expire_nsec - to->metric.received_at_nsec, ==, 24 * 3600 * SECOND);
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/metrics/published", test_published);
        g_test_add_func("/peers/metrics/refused", test_refused);
        g_test_add_func("/peers/metrics/bounds", test_bounds);
        return g_test_run();
}
