#include "tests/lib/fault.h"

#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static int fault_countdown = -1;
static bool fault_hit;

void fault_arm(int countdown) {
        fault_countdown = countdown;
        if (countdown >= 0)
                fault_hit = false;
}

bool fault_fired(void) {
        return fault_hit;
}

static bool fault_tick(void) {
        if (fault_countdown < 0 || fault_countdown-- > 0)
                return false;

        fault_hit = true;
        return true;
}

void *__wrap_malloc(size_t size) {
        return fault_tick() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
        return fault_tick() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
        return fault_tick() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s) {
        return fault_tick() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n) {
        return fault_tick() ? NULL : __real_strndup(s, n);
}
