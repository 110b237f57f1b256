#pragma once

/*
 * The machine under a simulated peer: clock, event loop, worker threads, disk and chance.
 *
 * The linker sends here what the consensus code calls of sd-event(3), daemon/base/worker.h,
 * time_monotonic(), random_bytes() and the calls that change files (meson.build): the daemon's own code
 * runs, in one thread and on a clock that only sim_now moves. Only what that code uses is there.
 *
 * A job of a worker is carried out at once when its time has come; a crash decides of those that wait which
 * have reached the disk, the last of them perhaps in part.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

extern uint64_t sim_now; /* milliseconds */
extern bool sim_slow_disk;

void sim_seed(uint64_t seed);
uint64_t sim_random(void);
unsigned sim_below(unsigned n);
bool sim_one_in(unsigned n);

sd_event *sim_loop_new(void);
void sim_loop_free(sd_event *event); /* everything in it must be gone */
/* Do the next thing that is due. Answers false when nothing is. */
bool sim_loop_step(sd_event *event);
/* The power goes: some of what waits for the disk has reached it. The owner is freed next. */
void sim_loop_crash(sd_event *event);
