#include <string.h>

#include "daemon/config/identity.h"
#include "daemon/config/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The private key of an identity file: its base64, and (whatever the input is) the bytes below it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(config_identity_done) ConfigIdentity identity = {};
        _cleanup_free_ char *text = strndup((const char *) data, size);
        _cleanup_(str_done) Str public = {};
        PeerKeyType type;

        if (text && config_identity_from_private_key(text, &identity, NULL) >= 0 &&
            !peer_id_is_set(&identity.id))
                abort();
        (void) config_key_public(data, size, &type, &public, NULL);
        return 0;
}
