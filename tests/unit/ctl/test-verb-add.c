/* The flags and what is shown; forms are tested by add/test-content.c, all of it by the replays. */

#include <glib/gstdio.h>
#include <unistd.h>

#include "tests/unit/ctl/fake.h"

#define CID_A "QmbK8soBPbnx3jH2tzuYZ4RuqN52WKezdVgHUyN8rx4wsi"
#define CID_R "QmRts8w5U2zCFTDSf4PHzP5sJEkwbHKUS7c9jD95f8DG6a"
#define LINE_A "{\"name\":\"d/a\",\"cid\":\"" CID_A "\",\"size\":15}"
#define LINE_R "{\"name\":\"d\",\"cid\":\"" CID_R "\",\"size\":66}"
#define PROGRESS "{\"name\":\"\",\"cid\":null,\"bytes\":262144}"
#define TWO                                                                                                 \
        {                                                                                                   \
                { LINE_A, PROGRESS, LINE_R }                                                                \
        }
#define TEXT "added " CID_A " d/a\nadded " CID_R " d\n"

static const FakeCase cases[] = {
        { "add -", TWO, "add\n", TEXT, "" },
        { "add -q -", TWO, "add\n", CID_A "\n" CID_R "\n", "" },
        { "add -Q -", TWO, "add\n", CID_R "\n", "" },
        { "add -Q --no-stream -", TWO, "add\n", CID_R "\n", "" },
        { "add --no-stream -", TWO, "add\n", TEXT, "" },
        { "add -Q -", {}, "add\n", "", "" },
        { "add --no-stream -", {}, "add\n", "", "" },
        { "add -",
          { { "{\"name\":\"a\\u001b[2J\\nb\",\"cid\":\"" CID_A "\"}" } },
          "add\n",
          "added " CID_A " a\\x1b[2J\\nb\n",
          "" },
        { "add -",
          { { LINE_A }, -EREMOTEIO, 500, "the disk is full" },
          "add\n",
          "added " CID_A " d/a\nAn error occurred:\n  Code: 500\n  Message: the disk is full\n",
          "",
          2 },
        { "add --no-stream -",
          { { LINE_A }, -EREMOTEIO, 500, "no" },
          "add\n",
          "added " CID_A " d/a\nAn error occurred:\n  Code: 500\n  Message: no\n",
          "",
          2 },
        { "add -",
          { {}, -EIO, 0, "no road" },
          "add\n",
          "An error occurred:\n  Code: 0\n  Message: no road\n",
          "",
          1 },
        { "add", {}, "", "", "error : need at least one path\n", 1 },
        { "add --format car -w -",
          {},
          "",
          "",
          "error : only a single CAR file can be added and wrap-with-directory is not supported\n",
          1 },
        { "add --format car - -",
          {},
          "",
          "",
          "error : only a single CAR file can be added and wrap-with-directory is not supported\n",
          1 },
        { "add --nocopy -", {}, "", "", "error : nocopy option is only valid for URLs\n", 1 },
        { "add /nowhere/x", {}, "", "", "error : lstat /nowhere/x: no such file or directory\n", 1 },
        { "add --expire-in soon -",
          {},
          "",
          "",
          "error parsing expire-in: time: invalid duration \"soon\"\n",
          1 },
        { "add --allocations x -",
          {},
          "",
          "",
          "error decoding allocations: some peer IDs could not be decoded\n",
          1 },
        { "add --metadata x -",
          {},
          "",
          "",
          "error parsing metadata: metadata were not in the format key=value\n",
          1 },
};

static void test_cases(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                fake_check(&cases[i]);
}

static void test_json(void) {
        static const FakeAnswer answer = TWO;
        Fake fake;

        fake_init(&fake, &answer, 1);
        fake.ctl.json = true;
        g_assert_cmpint(fake_run(&fake, "add -Q -"), ==, 0);
        g_assert_cmpstr(fake.out,
                        ==,
                        "{\n    \"name\": \"d\",\n    \"cid\": \"" CID_R "\",\n    \"size\": 66\n}\n");
        fake_done(&fake);

        fake_init(&fake, &answer, 1);
        fake.ctl.json = true;
        g_assert_cmpint(fake_run(&fake, "add --no-stream -"), ==, 0);
        g_assert_cmpstr(fake.out,
                        ==,
                        "[\n    {\n        \"name\": \"d/a\",\n        \"cid\": \"" CID_A
                        "\",\n        \"size\": 15\n    },\n    {\n        \"name\": \"d\",\n        \"cid\": \"" CID_R
                        "\",\n        \"size\": 66\n    }\n]\n");
        fake_done(&fake);
}

static void test_wait(void) {
        static const FakeAnswer answers[] = {
                { { LINE_A, LINE_R } },
                { { "{\"cid\":\"" CID_R
                    "\",\"type\":\"pin\",\"replication_factor_min\":-1,\"replication_factor_max\":-1,\"max_depth\":-1}" } },
                { { "{\"cid\":\"" CID_R
                    "\",\"peer_map\":{\"12D3KooWBBfAXrawDUsdPnWUjBbY6ChgpkZHHjNXokyd46uApg9T\":{\"status\":\"pinned\"}}}" } },
        };
        Fake fake;

        fake_init(&fake, answers, G_N_ELEMENTS(answers));
        g_assert_cmpint(fake_run(&fake, "add --wait -"), ==, 0);
        g_assert_cmpstr(fake.asked->str, ==, "add\nallocation " CID_R "\nstatus " CID_R "\n");
        g_assert_cmpstr(fake.out, ==, TEXT);
        fake_done(&fake);

        fake_init(&fake, answers, 1);
        g_assert_cmpint(fake_run(&fake, "add --wait --no-pin -"), ==, 0);
        g_assert_cmpstr(fake.asked->str, ==, "add\n");
        fake_done(&fake);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/verb-add/cases", test_cases);
        g_test_add_func("/ctl/verb-add/json", test_json);
        g_test_add_func("/ctl/verb-add/wait", test_wait);
        return g_test_run();
}
