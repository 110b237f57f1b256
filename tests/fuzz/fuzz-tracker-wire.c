#include <stdlib.h>
#include <string.h>

#include "daemon/tracker/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written again, and read again as the same. */
static void fuzz_question(const uint8_t *data, size_t size) {
        TrackerQuestion question, again;
        Str text = {};

        if (tracker_wire_read_question(data, size, &question) < 0)
                return;
        if (tracker_wire_write_question(&text, &question) == 0) {
                if (tracker_wire_read_question(text.data, text.len, &again) < 0 ||
                    again.verb != question.verb || again.filter != question.filter ||
                    again.n != question.n ||
                    memcmp(again.cids, question.cids, question.n * sizeof(Cid)) != 0)
                        abort();
                tracker_wire_question_done(&again);
        }
        str_done(&text);
        tracker_wire_question_done(&question);
}

static void fuzz_answer(const uint8_t *data, size_t size) {
        TrackerWireReader reader;
        TrackerWireEntry entry;
        PinInfo who;

        if (tracker_wire_read_answer(data, size, &who, &reader) < 0)
                return;
        while (tracker_wire_next_entry(&reader, &entry) > 0)
                if (!str_is_utf8(entry.error, entry.error_size) ||
                    (entry.status != 0 && !pin_status_to_string(entry.status)))
                        abort();
        json_done(&pin_info_shape, &who);
}

static void fuzz_page(const uint8_t *data, size_t size) {
        TrackerPage page, again;
        Str text = {};

        if (tracker_wire_read_page(data, size, &page) < 0)
                return;
        if (tracker_wire_write_page(&text, &page) == 0) {
                if (tracker_wire_read_page(text.data, text.len, &again) < 0 ||
                    again.is_last != page.is_last || again.n != page.n ||
                    again.position.number != page.position.number)
                        abort();
                tracker_wire_page_done(&again);
        }
        str_done(&text);
        tracker_wire_page_done(&page);
}

static void fuzz_rest(const uint8_t *data, size_t size) {
        TrackerPageQuestion question;
        size_t n;
        Cid *cids;

        (void) tracker_wire_read_page_question(data, size, &question);
        if (tracker_wire_read_cids(data, size, &cids, &n) == 0)
                free(cids);
}

/* The first byte says which reader is meant. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const readers[])(const uint8_t *data, size_t size) = {
                fuzz_question,
                fuzz_answer,
                fuzz_page,
                fuzz_rest,
        };

        if (size > 0)
                readers[data[0] % ELEMENTSOF(readers)](data + 1, size - 1);
        return 0;
}
