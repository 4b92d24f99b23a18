/* SPDX-License-Identifier: MIT */
/* Numbers with units. */
#include "base/quantity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS_MAX = 15, DECIMALS = 10000 };

const struct quantity_unit quantity_duration[] = {
	{ "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { NULL, 0 }
};
const struct quantity_unit quantity_share[] = { { "%", 10000 }, { NULL, 0 } };
const struct quantity_unit quantity_rate[] = {
	{ "bit", 1 }, { "kbit", 1000 }, { "mbit", 1000000 }, { "gbit", 1000000000 }, { NULL, 0 }
};
const struct quantity_unit quantity_size[] = {
	{ "", 1 }, { "k", 1024 }, { "m", 1048576 }, { NULL, 0 }
};

static const struct quantity_unit *find_unit(const struct quantity_unit *units, const char *name)
{
	for (; units->name; units++)
		if (strcmp(units->name, name) == 0)
			return units;
	return NULL;
}

int quantity_parse(const char *text, const struct quantity_unit *units, uint64_t max,
		   uint64_t *ret_value)
{
	const struct quantity_unit *unit;
	uint64_t digits = 0, divisor = 1, value;
	const char *p = text;
	unsigned n = 0;

	for (; *p >= '0' && *p <= '9'; p++, n++)
		digits = digits * 10 + (uint64_t)(*p - '0');
	if (n == 0 || n > DIGITS_MAX)
		return -EINVAL;
	if (*p == '.') {
		const char *point = p++;

		for (; *p >= '0' && *p <= '9' && ++n <= DIGITS_MAX; p++) {
			digits = digits * 10 + (uint64_t)(*p - '0');
			divisor *= 10;
		}
		if (p == point + 1)
			return -EINVAL;
	}
	unit = find_unit(units, p);
	if (!unit || __builtin_mul_overflow(digits, unit->scale, &value) || value % divisor != 0)
		return -EINVAL;
	value /= divisor;
	if (value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

static unsigned count(const struct quantity_unit *units)
{
	unsigned n = 0;

	while (units[n].name)
		n++;
	return n;
}

const char *quantity_format(uint64_t value, const struct quantity_unit *units,
			    char text[QUANTITY_TEXT_SIZE])
{
	unsigned n = count(units), decimals = 4;
	uint64_t scale, rest;

	/* The smallest unit is whole, or (a share) has no more than four decimals. */
	while (n > 1 && (value < units[n - 1].scale ||
			 value % units[n - 1].scale * DECIMALS % units[n - 1].scale != 0))
		n--;
	scale = units[n - 1].scale;
	rest = value % scale * DECIMALS / scale;
	while (decimals > 0 && rest % 10 == 0) {
		rest /= 10;
		decimals--;
	}
	if (decimals == 0)
		snprintf(text, QUANTITY_TEXT_SIZE, "%" PRIu64 "%s", value / scale,
			 units[n - 1].name);
	else
		snprintf(text, QUANTITY_TEXT_SIZE, "%" PRIu64 ".%0*" PRIu64 "%s", value / scale,
			 (int)decimals, rest, units[n - 1].name);
	return text;
}
