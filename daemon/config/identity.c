#include "daemon/config/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>

#include "daemon/base/file.h"
#include "daemon/base/json.h"
#include "daemon/base/log.h"
#include "daemon/base/multibase.h"
#include "daemon/config/config.h"
#include "daemon/config/environment.h"
#include "daemon/config/key.h"

#define IDENTITY_FILE_MAX (64 * 1024)
#define IDENTITY_INDENT 4

/* The two texts, and where each comes from, for messages. */
typedef struct IdentityText {
        char *id;
        char *private_key;
        const char *id_from;
        const char *key_from;
} IdentityText;

static const JsonField identity_fields[] = {
        { .key = "id", .kind = JSON_STRING, .offset = offsetof(IdentityText, id) },
        { .key = "private_key", .kind = JSON_STRING, .offset = offsetof(IdentityText, private_key) },
        JSON_END,
};
static const JsonShape identity_shape = { "identity", sizeof(IdentityText), identity_fields };

static void identity_free_secret(char **secret) {
        if (*secret)
                explicit_bzero(*secret, strlen(*secret));
        free(*secret);
        *secret = NULL;
}

static void identity_text_done(IdentityText *text) {
        identity_free_secret(&text->private_key);
        free(text->id);
        *text = (IdentityText){};
}

static void identity_str_done(Str *s) {
        if (s->data)
                explicit_bzero(s->data, s->capacity);
        str_done(s);
}

void config_identity_done(ConfigIdentity *identity) {
        identity_free_secret(&identity->private_key);
        *identity = (ConfigIdentity){};
}

/* *RET has the base64 of BYTES. */
static int identity_encode(const Str *bytes, char **ret) {
        _cleanup_(identity_str_done) Str text = {};
        int r;

        r = str_reserve(&text, bytes->len * 4 / 3 + 8);
        if (r >= 0)
                r = multibase_encode(MULTIBASE_64_PAD, bytes->data, bytes->len, &text);
        if (r < 0)
                return r;

        *ret = strdup(text.data);
        return *ret ? 0 : -ENOMEM;
}

int config_identity_generate(ConfigIdentity *ret, Error *reterr) {
        _cleanup_(identity_str_done) Str bytes = {};
        _cleanup_(identity_free_secret) char *text = NULL;
        int r;

        r = config_key_generate(&bytes);
        if (r >= 0)
                r = identity_encode(&bytes, &text);
        if (r < 0)
                return error_set_errno(reterr, r, "cannot make a key: %m");
        return config_identity_from_private_key(text, ret, reterr);
}

static int identity_from_bytes(const void *bytes, size_t n, ConfigIdentity *ret, Error *reterr) {
        _cleanup_(str_done) Str public = {};
        int r;

        r = config_key_public(bytes, n, &ret->type, &public, reterr);
        if (r < 0)
                return r;
        r = peer_id_from_public_key(public.data, public.len, &ret->id);
        return r < 0 ? error_set_errno(reterr, r, "cannot make an ID of it: %m") : 0;
}

int config_identity_from_private_key(const char *base64, ConfigIdentity *ret, Error *reterr) {
        _cleanup_(config_identity_done) ConfigIdentity identity = {};
        uint8_t bytes[CONFIG_KEY_MAX];
        ssize_t n;
        int r;

        n = multibase_decode(MULTIBASE_64_PAD, base64, strlen(base64), bytes, sizeof(bytes));
        if (n < 0)
                return error_set(reterr, ERROR_INVALID, "not base64, expected that of a libp2p private key");

        r = identity_from_bytes(bytes, (size_t) n, &identity, reterr);
        explicit_bzero(bytes, sizeof(bytes));
        if (r < 0)
                return r;

        identity.private_key = strdup(base64);
        if (!identity.private_key)
                return error_set_errno(reterr, -ENOMEM, "%m");
        *ret = identity;
        identity = (ConfigIdentity){};
        return 0;
}

/* ---- files */

static int identity_read_text(const char *path, size_t max, char **ret, size_t *ret_n) {
        int r = file_read(AT_FDCWD, path, max, ret, ret_n);

        return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/* Answers 1, or 0 when there is no such file. */
static int identity_read_file(const char *folder, IdentityText *text, Error *reterr) {
        _cleanup_(identity_free_secret) char *bytes = NULL;
        _cleanup_free_ char *path = NULL;
        JsonProblem problem = {};
        size_t n = 0;
        int r;

        r = file_join(&path, folder, CONFIG_IDENTITY_FILE);
        if (r >= 0)
                r = identity_read_text(path, IDENTITY_FILE_MAX, &bytes, &n);
        if (r < 0)
                return error_set_errno(reterr, r, "%s/%s: %m", folder, CONFIG_IDENTITY_FILE);
        if (r == 0)
                return 0;

        r = json_read_text(&identity_shape, bytes, n, text, &problem);
        if (r == -ENOMEM)
                return error_set_errno(reterr, r, "%s: %m", path);
        if (r < 0 && problem.field[0] == '\0')
                return error_set(reterr, ERROR_INVALID, "%s: expected a JSON object", path);
        if (r < 0)
                return error_set(reterr, ERROR_INVALID, "%s: %s: expected a string", path, problem.field);
        return 1;
}

/* Up to 0.10 the identity stood in service.json: in "cluster", and in 2017 at the top. */
static int identity_find_legacy(struct json_object *file, IdentityText *text) {
        struct json_object *object = NULL;
        JsonProblem problem = {};
        int r;

        if (!json_object_object_get_ex(file, "cluster", &object))
                object = file;
        if (!json_object_is_type(object, json_type_object))
                return 0;

        r = json_read(&identity_shape, object, text, &problem);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        return !str_is_empty(text->id) && !str_is_empty(text->private_key);
}

/* Answers 1 when service.json has one. A service.json that cannot be read is config_load()'s to tell. */
static int identity_read_legacy(const char *folder, IdentityText *text, Error *reterr) {
        _cleanup_(json_object_putp) struct json_object *file = NULL;
        _cleanup_(identity_free_secret) char *bytes = NULL;
        _cleanup_free_ char *path = NULL;
        size_t n = 0;
        int r;

        r = file_join(&path, folder, CONFIG_FILE);
        if (r < 0)
                return error_set_errno(reterr, r, "%s: %m", CONFIG_FILE);
        if (identity_read_text(path, CONFIG_FILE_MAX, &bytes, &n) <= 0 ||
            json_parse(bytes, n, &file, NULL) < 0)
                return 0;

        r = identity_find_legacy(file, text);
        return r < 0 ? error_set_errno(reterr, r, "%s: %m", CONFIG_FILE) : r;
}

static int identity_environment(const char *name, char **text, const char **from, Error *reterr) {
        char *value = NULL;
        int r;

        r = config_environment_get(name, &value, reterr);
        if (r <= 0)
                return r;

        identity_free_secret(text);
        *text = value;
        *from = name;
        return 1;
}

/* Words that came from below go after the name of their source. */
static int identity_fail(const char *from, int r, Error *error, Error *reterr) {
        if (reterr && error->code != ERROR_NONE)
                (void) error_set(reterr, error->code, "%s: %s", from, error_message(error));
        error_done(error);
        return r;
}

static int identity_check(const IdentityText *text, ConfigIdentity *ret, Error *reterr) {
        _cleanup_(config_identity_done) ConfigIdentity identity = {};
        char of_key[PEER_ID_TEXT_MAX];
        Error error = {};
        PeerId id;
        int r;

        if (str_is_empty(text->id) || peer_id_parse(text->id, &id) < 0)
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "%s: \"%.100s\" is not allowed, expected a peer ID",
                                text->id_from,
                                text->id ? text->id : "");

        r = config_identity_from_private_key(text->private_key ? text->private_key : "", &identity, &error);
        if (r < 0)
                return identity_fail(text->key_from, r, &error, reterr);
        if (!peer_id_equal(&id, &identity.id))
                return error_set(
                                reterr,
                                ERROR_INVALID,
                                "%s: %s is not the ID of the private key, expected %s",
                                text->id_from,
                                text->id,
                                peer_id_format(&identity.id, of_key));

        *ret = identity;
        identity = (ConfigIdentity){};
        return 0;
}

static int identity_migrate(const char *folder, const IdentityText *text, Error *reterr) {
        _cleanup_(config_identity_done) ConfigIdentity identity = {};
        int r;

        r = identity_check(text, &identity, reterr);
        if (r >= 0)
                r = config_identity_write(&identity, folder, reterr);
        if (r >= 0)
                log_notice("identity information extracted from %s/%s and saved as %s/%s",
                           folder,
                           CONFIG_FILE,
                           folder,
                           CONFIG_IDENTITY_FILE);
        return r;
}

/* identity.json, else what an old service.json has. Answers 1, or 0 when there is neither. */
static int identity_read(const char *folder, IdentityText *text, Error *reterr) {
        int r;

        r = identity_read_file(folder, text, reterr);
        text->id_from = CONFIG_IDENTITY_FILE ": id";
        text->key_from = CONFIG_IDENTITY_FILE ": private_key";
        if (r != 0)
                return r;

        r = identity_read_legacy(folder, text, reterr);
        text->id_from = CONFIG_FILE ": id";
        text->key_from = CONFIG_FILE ": private_key";
        if (r <= 0)
                return r;

        r = identity_migrate(folder, text, reterr);
        return r < 0 ? r : 1;
}

int config_identity_load(ConfigIdentity *ret, const char *folder, Error *reterr) {
        _cleanup_(identity_text_done) IdentityText text = {};
        int r, id, key;

        r = identity_read(folder, &text, reterr);
        if (r < 0)
                return r;
        id = identity_environment("CLUSTER_ID", &text.id, &text.id_from, reterr);
        if (id < 0)
                return id;
        key = identity_environment("CLUSTER_PRIVATEKEY", &text.private_key, &text.key_from, reterr);
        if (key < 0)
                return key;

        if (r == 0 && !(id > 0 && key > 0))
                return error_set(
                                reterr,
                                ERROR_NOT_FOUND,
                                "open %s/%s: no such file or directory; `ipfs-cluster-service init` makes one",
                                folder,
                                CONFIG_IDENTITY_FILE);
        return identity_check(&text, ret, reterr);
}

int config_identity_write(const ConfigIdentity *identity, const char *folder, Error *reterr) {
        _cleanup_(identity_str_done) Str compact = {}, text = {};
        _cleanup_free_ char *path = NULL;
        char id[PEER_ID_TEXT_MAX];
        int r;

        r = file_join(&path, folder, CONFIG_IDENTITY_FILE);
        if (r >= 0)
                r = json_write(&identity_shape,
                               &(IdentityText){
                                               .id = peer_id_format(&identity->id, id),
                                               .private_key = identity->private_key,
                               },
                               &compact);
        if (r >= 0)
                r = json_indent(compact.data, compact.len, IDENTITY_INDENT, &text);
        if (r >= 0)
                r = file_replace(AT_FDCWD, path, text.data, text.len, 0600);
        return r < 0 ? error_set_errno(reterr, r, "%s/%s: %m", folder, CONFIG_IDENTITY_FILE) : 0;
}
