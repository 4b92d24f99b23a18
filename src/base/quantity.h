/* SPDX-License-Identifier: MIT */
/* Numbers with units, as people write them: "50ms", "0.5%", "10mbit". */
#ifndef BASE_QUANTITY_H
#define BASE_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

/* How many of what is counted one of the unit is. */
struct quantity_unit {
	const char *name;
	uint64_t scale;
};

enum { QUANTITY_TEXT_SIZE = 32 };

/* From small to large, ended by name NULL. */
extern const struct quantity_unit quantity_duration[]; /* us, ms, s: microseconds */
extern const struct quantity_unit quantity_share[];    /* %: millionths */
extern const struct quantity_unit quantity_rate[];     /* bit, kbit, mbit, gbit: bits a second */
extern const struct quantity_unit quantity_size[];     /* none, k, m: bytes, by 1024 */

/* Decimal digits, a fraction if it comes out whole, a unit: 0, -EINVAL, or -ERANGE above max. */
int quantity_parse(const char *text, const struct quantity_unit *units, uint64_t max,
		   uint64_t *ret_value);
/* In the largest unit that says it exactly with at most four decimals: parse reads it back. */
const char *quantity_format(uint64_t value, const struct quantity_unit *units,
			    char text[QUANTITY_TEXT_SIZE]);

#endif
