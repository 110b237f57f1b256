#include <string.h>

#include "daemon/types/cid.h"
#include "daemon/types/ipfs-path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted has a text that reads as the same bytes. */
static void check_again(const Cid *cid) {
        char text[CID_TEXT_MAX];
        const uint8_t *hash;
        size_t n;
        Cid again;

        if (cid_parse(cid_format(cid, text), &again, NULL) < 0 || !cid_equal(cid, &again))
                abort();
        hash = cid_multihash(cid, &n);
        if (n < 2 || hash + n != cid->bytes + cid->size)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size);
        const char *problem = NULL;
        IpfsPath path;
        Cid cid;

        if (cid_from_bytes(data, size, &cid) >= 0)
                check_again(&cid);

        if (cid_parse_n((const char *) data, size, &cid, &problem) >= 0)
                check_again(&cid);
        else if (!problem)
                abort();

        if (text && ipfs_path_parse(text, &path, NULL) >= 0 && cid_is_defined(&path.root))
                check_again(&path.root);
        return 0;
}
