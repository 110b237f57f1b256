#include "tests/unit/ctl/fake.h"

#define CID "QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"
#define CID1 "bafkreiakniykocnzomwmu3lcktxdv3647n3p7giju6rqnd4qvgmxv4iz5y"
#define INFO "{\"cid\":\"" CID "\",\"peer_map\":{}}"
#define INFO1 "{\"cid\":\"" CID1 "\",\"peer_map\":{}}"
#define BAD_CID "error parsing cid: invalid cid: selected encoding not supported\n"

static const FakeCase cases[] = {
        { "status", {}, "status_list filter=\n", "", "" },
        { "status", { { INFO, INFO1 } }, "status_list filter=\n", CID ":\n" CID1 ":\n", "" },
        { "status --local --filter pinned,error", {}, "status_list filter=pinned,error local\n", "", "" },
        { "status --filter junk,pinned", {}, "status_list filter=junk,pinned\n", "", "" },
        { "status --filter junk", {}, "", "", "error parsing filter flag: invalid filter name\n", 1 },
        { "status --filter undefined", {}, "", "", "error parsing filter flag: invalid filter name\n", 1 },
        { "status " CID, { { INFO } }, "status " CID "\n", CID ":\n", "" },
        { "status " CID " --local", { { INFO } }, "status " CID " local\n", CID ":\n", "" },
        { "status " CID " " CID1,
          { { INFO, INFO1 } },
          "status_list " CID "," CID1 "\n",
          CID ":\n" CID1 ":\n",
          "" },
        { "status junk", {}, "", "", BAD_CID, 1 },
        { "status " CID " junk", {}, "", "", BAD_CID, 1 },
        { "sync", { { INFO } }, "sync_all\n", CID ":\n", "" },
        { "sync " CID, { { INFO } }, "sync " CID "\n", CID ":\n", "" },
        { "sync junk", {}, "", "", BAD_CID, 1 },
        { "recover", {}, "recover_all\n", "", "" },
        { "recover --local", {}, "recover_all local\n", "", "" },
        { "recover --local " CID, { { INFO } }, "recover " CID " local\n", CID ":\n", "" },
        { "recover junk", {}, "", "", BAD_CID, 1 },
};

static void test_cases(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                fake_check(&cases[i]);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/verb-status/cases", test_cases);
        return g_test_run();
}
