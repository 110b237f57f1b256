#pragma once

/* Figures for people, in the words of the Go library that the Go program uses (dustin/go-humanize). */

#include <stdint.h>

#define CTL_HUMANIZE_MAX 40

char *ctl_humanize_bytes(uint64_t bytes, char text[static CTL_HUMANIZE_MAX]); /* "0 B", "1.2 kB", "10 GB" */

/* "29 seconds from now", "1 minute ago", "now". Both in µs since 1970. */
char *ctl_humanize_time(uint64_t then_usec, uint64_t now_usec, char text[static CTL_HUMANIZE_MAX]);
