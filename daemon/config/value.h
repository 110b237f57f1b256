#pragma once

/*
 * The value of one row of the table on its way between JSON, environment variable, and member: read, checked
 * by the row's rule (which also makes addresses and IDs canonical), stored, written.
 */

#include "daemon/config/table.h"

typedef union ConfigValue {
        char *string;   /* STRING, OBJECT (its text) */
        bool boolean;   /* BOOL, TYPE */
        int64_t number; /* INT, DURATION */
        double real;
        StrList list; /* STRINGS, ONE_OR_MORE */
        StrMap map;
} ConfigValue;

/* What was wrong. EXPECTED is static. VALUE is "" when it is secret. */
typedef struct ConfigProblem {
        char value[96];
        const char *expected;
} ConfigProblem;

/* Each fills *RET, or leaves it empty. OBJECT has the row's key. TEXT is in the form of an environment
 * variable: lists "a,b", maps "k:v,k:v", "null" for a map that is not there. Errors: -EINVAL and *RETERR,
 * -ENOMEM. */
int config_value_read(
                const ConfigRow *row, struct json_object *object, ConfigValue *ret, ConfigProblem *reterr);
int config_value_parse(const ConfigRow *row, const char *text, ConfigValue *ret, ConfigProblem *reterr);

/* What the row's rule says. On failure VALUE is released. */
int config_value_check(const ConfigRow *row, ConfigValue *value, ConfigProblem *reterr);

/* Answers 1 when MEMBER has the value of the row's preset (without one: is empty), else 0. */
int config_value_is_preset(const ConfigRow *row, const void *member);
bool config_value_is_zero(const ConfigRow *row, const void *member);
/* Answers 1 when both members have the same value, else 0. */
int config_value_is_equal(const ConfigRow *row, const void *a, const void *b);

void config_value_store(const ConfigRow *row, ConfigValue *value, void *member); /* what it held is freed */
void config_value_exchange(const ConfigRow *row, void *a, void *b);
void config_value_done(const ConfigRow *row, void *member);

/* Append `"key":value`; nothing with FLAGS JSON_OMIT_EMPTY when it is empty. */
int config_value_write(const ConfigRow *row, const void *member, unsigned flags, Str *to);
