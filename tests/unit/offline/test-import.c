#include "tests/unit/offline/stopped.h"

/* Import and export, as they were recorded with raft; the pinset is the arbiter. */

#define PIN_1                                                                                                      \
        "{\"replication_factor_min\":-1,\"replication_factor_max\":-1,\"name\":\"imp\",\"mode\":\"recursive\","    \
        "\"shard_size\":0,\"user_allocations\":null,\"expire_at\":\"0001-01-01T00:00:00Z\",\"metadata\":{"         \
        "\"k\":\"v\"},\"pin_update\":null,\"origins\":[],\"cid\":"                                                 \
        "\"QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX\",\"type\":\"pin\",\"allocations\":[],\"max_depth\":-1," \
        "\"reference\":null,\"timestamp\":\"2026-05-11T12:00:00+02:00\"}\n"

static int import(const void *data) {
        return offline_import(data);
}

static int export(const void *data) {
        const OfflineImportOptions *options = data;

        return offline_export(options->folder, options->file);
}

static char *sorted(const char *text) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (size_t i = 0; lines[i]; i++)
                for (size_t j = i + 1; lines[j]; j++)
                        if (strcmp(lines[i], lines[j]) > 0) {
                                char *line = lines[i];

                                lines[i] = lines[j];
                                lines[j] = line;
                        }
        return g_strjoinv("\n", lines);
}

/* The order of the lines is that of the store. */
static void check_exported(const Stopped *s, const char *name) {
        OfflineImportOptions options = { .folder = s->folder };
        Said expected = recording_read(name, "<DIR>/a", s->folder), said;
        g_autofree char *a = NULL, *b = NULL;

        said = stopped_said_by(export, &options, NULL);
        a = sorted(said.out);
        b = sorted(expected.out);
        g_assert_cmpstr(a, ==, b);
        g_assert_cmpstr(said.err, ==, "");
        g_assert_cmpint(said.status, ==, 0);
        said_done(&said);
        said_done(&expected);
}

static void check_imported(const Stopped *s, OfflineImportOptions options, const char *input) {
        Said said;

        options.folder = s->folder;
        options.force = true;
        said = stopped_said_by(import, &options, input);
        g_assert_cmpstr(said.err, ==, "");
        g_assert_cmpstr(said.out, ==, options.file ? "" : "reading from stdin, Ctrl-D to finish\n");
        g_assert_cmpint(said.status, ==, 0);
        said_done(&said);
}

static void test_nothing(Stopped *s, const void *data G_GNUC_UNUSED) {
        check_exported(s, "140-raft-state-export-empty.txt");
        g_assert_false(stopped_has(s, "raft"));
}

static void test_recorded(Stopped *s, const void *data G_GNUC_UNUSED) {
        g_autofree char *overrides = recording_stdin("145-raft-import-overrides.txt");

        check_imported(s,
                       (OfflineImportOptions){},
                       PIN_1
                       "{\"cid\":\"bafkreiakniykocnzomwmu3lcktxdv3647n3p7giju6rqnd4qvgmxv4iz5y\",\"type\":\"pin\","
                       "\"max_depth\":0}\n");
        check_exported(s, "144-raft-export-after-import.txt");

        check_imported(s,
                       (OfflineImportOptions){
                                       .replication_factor_min = 2,
                                       .replication_factor_max = 3,
                                       .allocations = "12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM",
                       },
                       overrides);
        check_exported(s, "146-raft-export-after-overrides.txt");
        g_assert_true(stopped_has(s, "raft.old.0"));
        g_assert_false(stopped_has(s, "raft.new"));
        g_assert_false(stopped_has(s, "import.new"));
}

/* What the Go program cannot read: exports of its own releases 0.10 to 0.14. */
static void test_old_form(Stopped *s, const void *data G_GNUC_UNUSED) {
        g_autofree char *old = recording_stdin("152-raft-import-old-cid-form.txt");

        check_imported(s, (OfflineImportOptions){}, old);
        check_exported(s, "157-raft-export-final.txt");
}

/* Bad input says where, and nothing of the state is changed by it. */
static void test_bad(Stopped *s, const void *data G_GNUC_UNUSED) {
        static const struct {
                const char *input, *begins;
        } cases[] = {
                { PIN_1 "{bad\n", "error importing state: pin 2: " },
                { PIN_1 "{bad}\n", "error importing state: pin 2: " },
                { "[" PIN_1 "]", "error importing state: pin 1: expected a JSON object, not '['" },
                { PIN_1 "{\"cid\":\"x\"}", "error importing state: pin 2: " },
                { PIN_1 "{\"cid\":\"QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX\",\"type\":\"zz\"}",
                  "error importing state: pin 2: " },
        };

        check_imported(s, (OfflineImportOptions){}, PIN_1);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                OfflineImportOptions options = { .folder = s->folder, .force = true };
                Said said = stopped_said_by(import, &options, cases[i].input);

                if (!g_str_has_prefix(said.err, cases[i].begins))
                        g_error("%s: %s", cases[i].input, said.err);
                g_assert_cmpint(said.status, ==, 1);
                said_done(&said);
                check_exported(s, "157-raft-export-final.txt");
                g_assert_false(stopped_has(s, "raft.old.0"));
        }
}

static void test_asks(Stopped *s, const void *data G_GNUC_UNUSED) {
        g_autofree char *file = stopped_path(s, "exp1.json"), *none = stopped_path(s, "none.json");
        OfflineImportOptions options = { .folder = s->folder, .file = none };
        g_autofree char *words = NULL;
        Said said, expected;

        expected = recording_read("141-raft-import-no.txt", "<DIR>/a", s->folder);
        said = stopped_said_by(import, &options, "n\n");
        said_check(&said, &expected);
        said_done(&said);
        said_done(&expected);

        options.force = true;
        words = g_strdup_printf("error reading import file: open %s: no such file or directory\n", none);
        said = stopped_said_by(import, &options, NULL);
        g_assert_cmpstr(said.err, ==, words);
        g_assert_cmpint(said.status, ==, 1);
        said_done(&said);

        stopped_put(s, "exp1.json", PIN_1);
        options = (OfflineImportOptions){ .folder = s->folder, .file = file };
        expected = recording_read("156-raft-import-prompt-yes.txt", "<DIR>/a", s->folder);
        said = stopped_said_by(import, &options, "y\n");
        g_assert_cmpstr(said.out, ==, expected.out);
        g_assert_cmpint(said.status, ==, 0);
        said_done(&said);
        said_done(&expected);
        check_exported(s, "157-raft-export-final.txt");
}

static void test_bad_allocations(Stopped *s, const void *data G_GNUC_UNUSED) {
        OfflineImportOptions options = { .folder = s->folder, .force = true, .allocations = "junk" };
        Said said = stopped_said_by(import, &options, PIN_1);

        g_assert_cmpstr(said.err,
                        ==,
                        "error parsing allocations: --allocations: \"junk\": expected a peer ID\n");
        g_assert_cmpint(said.status, ==, 1);
        said_done(&said);
}

#define PIN_2 "{\"cid\":\"bafkreiakniykocnzomwmu3lcktxdv3647n3p7giju6rqnd4qvgmxv4iz5y\",\"name\":\"two\"}\n"
#define PIN_1_RENAMED "{\"cid\":\"QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX\",\"name\":\"new\"}\n"

static void check_dry_run(const Stopped *s, bool merge, const char *input, const char *words) {
        OfflineImportOptions options = { .folder = s->folder, .dry_run = true, .merge = merge };
        g_autofree char *out = g_strdup_printf("reading from stdin, Ctrl-D to finish\n%s\n", words);
        Said said = stopped_said_by(import, &options, input);

        g_assert_cmpstr(said.err, ==, "");
        g_assert_cmpstr(said.out, ==, out);
        g_assert_cmpint(said.status, ==, 0);
        said_done(&said);
        g_assert_false(stopped_has(s, "raft.new"));
        g_assert_false(stopped_has(s, "import.new"));
        g_assert_false(stopped_has(s, "raft.old.0"));
}

static void test_dry_run(Stopped *s, const void *data G_GNUC_UNUSED) {
        check_dry_run(s,
                      false,
                      PIN_1 PIN_2 PIN_1,
                      "3 pins read: 2 would be added, 0 changed, 0 removed, 0 stay as they are");
        g_assert_false(stopped_has(s, "raft"));
        check_imported(s, (OfflineImportOptions){}, PIN_1);
        check_dry_run(s,
                      false,
                      PIN_2,
                      "1 pins read: 1 would be added, 0 changed, 1 removed, 0 stay as they are");
        check_dry_run(s,
                      true,
                      PIN_2,
                      "1 pins read: 1 would be added, 0 changed, 0 removed, 1 stay as they are");
        check_dry_run(s,
                      true,
                      PIN_1_RENAMED,
                      "1 pins read: 0 would be added, 1 changed, 0 removed, 0 stay as they are");
        check_dry_run(s,
                      false,
                      "",
                      "0 pins read: 0 would be added, 0 changed, 1 removed, 0 stay as they are");
        check_exported(s, "157-raft-export-final.txt");
}

/* What is imported counts where both have a pin; overrides are for that alone. */
static void test_merge(Stopped *s, const void *data G_GNUC_UNUSED) {
        OfflineImportOptions options = { .folder = s->folder };
        Said said;

        check_imported(s, (OfflineImportOptions){ .merge = true }, PIN_1);
        check_exported(s, "157-raft-export-final.txt");
        check_imported(s, (OfflineImportOptions){ .merge = true, .replication_factor_min = 3 }, PIN_2);
        said = stopped_said_by(export, &options, NULL);
        g_assert_nonnull(strstr(
                        said.out,
                        "\"replication_factor_min\":-1,\"replication_factor_max\":-1,\"name\":\"imp\","));
        g_assert_nonnull(strstr(
                        said.out,
                        "{\"replication_factor_min\":3,\"replication_factor_max\":0,\"name\":\"two\","));
        said_done(&said);
        check_imported(s, (OfflineImportOptions){ .merge = true }, PIN_1_RENAMED);
        said = stopped_said_by(export, &options, NULL);
        g_assert_null(strstr(said.out, "\"name\":\"imp\""));
        g_assert_nonnull(strstr(said.out, "\"name\":\"new\""));
        g_assert_nonnull(strstr(said.out, "\"name\":\"two\""));
        said_done(&said);
}

/* More than one batch, and a name for each, through a file. */
static void test_many(Stopped *s, const void *data G_GNUC_UNUSED) {
        g_autofree char *file = stopped_path(s, "out.json"), *text = NULL;
        g_autoptr(GString) input = g_string_new("");
        OfflineImportOptions options = { .folder = s->folder, .file = file };
        g_auto(GStrv) lines = NULL;
        Said said;

        for (int i = 0; i < 2500; i++)
                g_string_append_printf(
                                input,
                                "{\"cid\":\"f01551220%064x\",\"type\":\"pin\",\"max_depth\":-1,\"name\":\"%d\"}",
                                i,
                                i);
        check_imported(s, (OfflineImportOptions){}, input->str);
        said = stopped_said_by(export, &options, NULL);
        g_assert_cmpstr(said.out, ==, "");
        g_assert_cmpint(said.status, ==, 0);
        said_done(&said);
        text = stopped_get(s, "out.json");
        lines = g_strsplit(text, "\n", -1);
        g_assert_cmpuint(g_strv_length(lines), ==, 2501);
}

/* The export of yesterday is what a peer with a damaged log begins anew from. */
static void test_damaged(Stopped *s, const void *data G_GNUC_UNUSED) {
        g_autofree char *file = stopped_path(s, "out.json"), *text = NULL;
        OfflineImportOptions options = { .folder = s->folder, .file = file };
        Said said;

        check_imported(s, (OfflineImportOptions){}, PIN_1);
        stopped_put(s, "out.json", "yesterday");
        stopped_put(s, "raft/meta-a", "junk");
        stopped_put(s, "raft/meta-b", "junk");
        said = stopped_said_by(export, &options, NULL);
        g_assert_true(g_str_has_prefix(said.err, "error exporting state: "));
        g_assert_cmpint(said.status, ==, 74);
        said_done(&said);
        text = stopped_get(s, "out.json");
        g_assert_cmpstr(text, ==, "yesterday");
}

int main(int argc, char **argv) {
        g_setenv("TZ", "UTC", true);
        g_test_init(&argc, &argv, NULL);

#define ADD(path, func)                                                                                     \
        g_test_add("/offline/import/" path, Stopped, NULL, stopped_set_up, func, stopped_tear_down)
        ADD("nothing-to-export", test_nothing);
        ADD("damaged-log-leaves-the-export", test_damaged);
        ADD("as-recorded", test_recorded);
        ADD("old-form", test_old_form);
        ADD("bad-input-changes-nothing", test_bad);
        ADD("asks", test_asks);
        ADD("bad-allocations", test_bad_allocations);
        ADD("dry-run-tells-and-changes-nothing", test_dry_run);
        ADD("merge-keeps-what-is-there", test_merge);
        ADD("many", test_many);
        return g_test_run();
}
