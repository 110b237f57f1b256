#include "daemon/base/time.h"
#include "tests/unit/ctl/fake.h"

#define CID "QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"
#define A "12D3KooWBBfAXrawDUsdPnWUjBbY6ChgpkZHHjNXokyd46uApg9T"
#define PIN                                                                                                 \
        "{\"cid\":\"" CID                                                                                   \
        "\",\"type\":\"pin\",\"replication_factor_min\":-1,\"replication_factor_max\":-1,"                  \
        "\"max_depth\":-1}"
#define PIN_TEXT                                                                                            \
        CID " |  | PIN | Repl. Factor: -1 | Allocations: [everywhere] | Recursive | Metadata: no | "        \
            "Exp: \u221e | Added: unknown\n"
#define BAD_PATH(path, why) "error : invalid path \"" path "\": " why "\n"

static const FakeCase cases[] = {
        { "pin add --ns " CID, { { PIN } }, "pin /ipfs/" CID "\n", PIN_TEXT, "" },
        { "pin add --ns /ipfs/" CID "/a", { { PIN } }, "pin /ipfs/" CID "/a\n", PIN_TEXT, "" },
        { "pin add --ns /ipns/example.org", { { PIN } }, "pin /ipns/example.org\n", PIN_TEXT, "" },
        { "pin rm --no-status " CID, { { PIN } }, "unpin /ipfs/" CID "\n", PIN_TEXT, "" },
        { "pin update --ns " CID " " CID, { { PIN } }, "pin /ipfs/" CID "\n", PIN_TEXT, "" },
        { "pin ls", { { PIN, PIN } }, "allocations filter=all\n", PIN_TEXT PIN_TEXT, "" },
        { "pin ls --filter all", {}, "allocations filter=all\n", "", "" },
        { "pin ls --filter shard-pin,meta-pin", {}, "allocations filter=meta-pin,shard-pin\n", "", "" },
        { "pin ls --filter zz", {}, "allocations filter=\n", "", "" },
        { "pin ls --filter zz,pin", {}, "allocations filter=pin\n", "", "" },
        { "pin ls " CID, { { PIN } }, "allocation " CID "\n", PIN_TEXT, "" },

        { "pin add", {}, "", "", BAD_PATH("/ipfs/", "path does not have enough components"), 1 },
        { "pin add junk",
          {},
          "",
          "",
          BAD_PATH("/ipfs/junk", "invalid cid: selected encoding not supported"),
          1 },
        { "pin add /", {}, "", "", BAD_PATH("/", "path does not have enough components"), 1 },
        { "pin add //x", {}, "", "", BAD_PATH("//x", "path does not have enough components"), 1 },
        { "pin add /ipfs", {}, "", "", BAD_PATH("/ipfs", "path does not have enough components"), 1 },
        { "pin add /frob/x", {}, "", "", BAD_PATH("/frob/x", "unknown namespace: \"frob\""), 1 },
        { "pin rm /ipld/x", {}, "", "", BAD_PATH("/ipld/x", "invalid cid: cid too short"), 1 },
        { "pin update " CID, {}, "", "", BAD_PATH("/ipfs/", "path does not have enough components"), 1 },
        { "pin update x " CID, {}, "", "", "error parsing from Cid: invalid cid: cid too short\n", 1 },
        { "pin ls junk",
          {},
          "",
          "",
          "error parsing cid: invalid cid: selected encoding not supported\n",
          1 },
        { "pin add --mode x " CID,
          {},
          "",
          "",
          "error parsing mode: \"x\" is neither recursive nor direct\n",
          1 },
        { "pin add --expire-in soon " CID,
          {},
          "",
          "",
          "error parsing expire-in: time: invalid duration \"soon\"\n",
          1 },
        { "pin add --expire-in -1h " CID,
          {},
          "",
          "",
          "error parsing expire-in: \"-1h\" is not in the future\n",
          1 },
        { "pin add --allocations " A ",junk " CID,
          {},
          "",
          "",
          "error decoding allocations: some peer IDs could not be decoded\n",
          1 },
        { "pin add --metadata a=b --metadata novalue " CID,
          {},
          "",
          "",
          "error parsing metadata: metadata were not in the format key=value\n",
          1 },
        { "pin add --metadata =v " CID,
          {},
          "",
          "",
          "error parsing metadata: metadata were not in the format key=value\n",
          1 },
        { "pin add --ns " CID,
          { .r = -EREMOTEIO, .code = 500, .message = "m" },
          "pin /ipfs/" CID "\n",
          "An error occurred:\n  Code: 500\n  Message: m\n",
          "",
          2 },
};

static void test_cases(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                fake_check(&cases[i]);
}

/* ---- the options as they are sent */

static Pin sent;

static int keep_options(
                _unused_ CtlBackend *backend,
                const CtlRequest *request,
                CtlItemFunc on_item,
                void *userdata,
                _unused_ CtlFailure *reterr) {
        g_assert_cmpint(pin_copy(&sent, request->pin), ==, 0);
        return ctl_call_deliver(request->call, PIN, strlen(PIN), on_item, userdata, NULL);
}

static void send_options(const char *words) {
        static const CtlBackendOps ops = { .call = keep_options };
        static const FakeAnswer none = {};
        Fake fake;

        pin_done(&sent);
        fake_init(&fake, &none, 1);
        fake.backend.ops = &ops;
        g_assert_cmpint(fake_run(&fake, words), ==, 0);
        fake_done(&fake);
}

static void test_options(void) {
        uint64_t before = time_now();

        send_options("pin add --ns -n name --rmin 1 --rmax 3 --mode direct --metadata a=b=c --metadata d= --allocs " A
                     " --expire-in 1h " CID);
        g_assert_cmpstr(sent.name, ==, "name");
        g_assert_cmpint(sent.replication_factor_min, ==, 1);
        g_assert_cmpint(sent.replication_factor_max, ==, 3);
        g_assert_cmpint(sent.mode, ==, PIN_MODE_DIRECT);
        g_assert_cmpstr(str_map_get(&sent.metadata, "a"), ==, "b=c");
        g_assert_cmpstr(str_map_get(&sent.metadata, "d"), ==, "");
        g_assert_cmpuint(sent.user_allocations.n, ==, 1);
        g_assert_cmpuint(sent.expire_at, >=, before + 3600 * USEC_PER_SEC);
        g_assert_cmpuint(sent.expire_at, <=, time_now() + 3600 * USEC_PER_SEC);

        send_options("pin add --ns --rmin 1 --rmax 3 -r 2 " CID);
        g_assert_cmpint(sent.replication_factor_min, ==, 2);
        g_assert_cmpint(sent.replication_factor_max, ==, 2);
        g_assert_cmpint(sent.mode, ==, PIN_MODE_RECURSIVE);
        g_assert_cmpuint(sent.expire_at, ==, 0);

        send_options("pin update --ns --name n " CID " " CID);
        g_assert_true(cid_is_defined(&sent.pin_update));
        g_assert_cmpstr(sent.name, ==, "n");
        pin_done(&sent);
}

/* ---- what follows a change */

#define INFO(status)                                                                                        \
        "{\"cid\":\"" CID "\",\"peer_map\":{\"" A "\":{\"peername\":\"a\",\"status\":\"" status             \
        "\",\"timestamp\":\"2026-11-22T15:38:09Z\"}}}"
#define INFO_TEXT(status)                                                                                   \
        CID ":\n    > a                    : " status                                                       \
            " | 2026-11-22T15:38:09Z | Attempts: 0 | Priority: false\n"

static void test_status_follows(void) {
        static const FakeAnswer answers[] = { { { PIN } }, { { INFO("pinning") } } };
        Fake fake;

        fake_init(&fake, answers, ELEMENTSOF(answers));
        g_assert_cmpint(fake_run(&fake, "pin add " CID), ==, 0);
        g_assert_cmpstr(fake.asked->str, ==, "pin /ipfs/" CID "\nstatus " CID "\n");
        g_assert_cmpstr(fake.out, ==, INFO_TEXT("PINNING"));
        fake_done(&fake);
}

static void test_wait_shows_what_it_saw_last(void) {
        static const FakeAnswer answers[] = { { { PIN } }, { { INFO("unpinned") } } };
        Fake fake;

        fake_init(&fake, answers, ELEMENTSOF(answers));
        g_assert_cmpint(fake_run(&fake, "pin rm -w " CID), ==, 0);
        g_assert_cmpstr(fake.asked->str, ==, "unpin /ipfs/" CID "\nstatus " CID "\n");
        g_assert_cmpstr(fake.out, ==, INFO_TEXT("UNPINNED"));
        fake_done(&fake);
}

static void test_wait_without_status_shows_the_pin(void) {
        static const FakeAnswer answers[] = { { { PIN } }, { { INFO("pinned") } } };
        Fake fake;

        fake_init(&fake, answers, ELEMENTSOF(answers));
        g_assert_cmpint(fake_run(&fake, "pin add -w --ns " CID), ==, 0);
        g_assert_cmpstr(fake.out, ==, PIN_TEXT);
        fake_done(&fake);
}

int main(int argc, char **argv) {
        g_setenv("TZ", "UTC", TRUE);
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/verb-pin/cases", test_cases);
        g_test_add_func("/ctl/verb-pin/options", test_options);
        g_test_add_func("/ctl/verb-pin/status-follows", test_status_follows);
        g_test_add_func("/ctl/verb-pin/wait-shows-what-it-saw-last", test_wait_shows_what_it_saw_last);
        g_test_add_func("/ctl/verb-pin/wait-without-status-shows-the-pin",
                        test_wait_without_status_shows_the_pin);
        return g_test_run();
}
