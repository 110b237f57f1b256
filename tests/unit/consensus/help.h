#pragma once

/* What the tests of this folder share: a temporary folder, whole files, peers, entries. */

#include "daemon/consensus/entry.h"
#include "daemon/consensus/log.h"

typedef struct HelpFolder {
        char *path;
        int fd;
} HelpFolder;

void help_folder_make(HelpFolder *folder);
void help_folder_done(HelpFolder *folder); /* removes it */
void help_folder_empty(const HelpFolder *folder);

char *help_read(const HelpFolder *folder, const char *name, size_t *ret_n);
void help_write(const HelpFolder *folder, const char *name, const void *bytes, size_t n);

/* Peer number N; always the same. */
PeerId help_peer(unsigned n);
/* Entry INDEX: its payload, of SIZE bytes, follows from the index. */
ConsensusEntry help_entry(uint64_t index, uint64_t term, size_t size);
bool help_entry_is(const ConsensusEntry *entry, uint64_t index);

/* The bytes as hexadecimal digits, 32 bytes a line. To be freed. */
char *help_hex(const void *bytes, size_t n);

/* What was written to standard error since the start of the capture. */
void help_capture_start(void);
char *help_capture_end(void);
