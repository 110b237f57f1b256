#include <string.h>

#include "daemon/types/peer-id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const PeerId *id) {
        char text[PEER_ID_TEXT_MAX];
        PeerId again;

        if (peer_id_from_bytes(id->bytes, id->size, &again) < 0 || !peer_id_equal(id, &again))
                abort();
        /* Only the two usual kinds have a text that parse() takes for base58: "1…" and "Qm…". */
        if (peer_id_parse(peer_id_format(id, text), &again) < 0 || !peer_id_equal(id, &again))
                abort();
        if (peer_id_compare(id, &again) != 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size);
        PeerId id;

        if (peer_id_from_bytes(data, size, &id) >= 0)
                check_again(&id);
        if (text && peer_id_parse(text, &id) >= 0)
                check_again(&id);
        return 0;
}
