/* SPDX-License-Identifier: MIT */
/* Numbers and words from text, the whole text or nothing. */
#include "base/parse.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"

enum { WORD_MAX = 48, EDITS_MAX = 3 };

int parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;
	bool too_big = false;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(unsigned char)*text - '0';

		if (*text < '0' || *text > '9')
			return -EINVAL;
		too_big |= value > (UINT64_MAX - digit) / 10;
		value = value * 10 + digit;
	}
	if (too_big || value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int parse_bool(const char *text, bool *ret_value)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return -EINVAL;
	*ret_value = text[0] == 't';
	return 0;
}

/*
 * The edits that make one word the other: a character more, less or other, or two neighbours
 * swapped, which is what fingers do most. Words of at most WORD_MAX bytes; three rows of the matrix
 * at a time.
 */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t rows[3][WORD_MAX + 1];

	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		const size_t *before = rows[(i - 1) % 3], *earlier = rows[(i + 1) % 3];
		size_t *row = rows[i % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t change = before[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = MIN(change, MIN(before[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], earlier[j - 2] + 1);
		}
	}
	return rows[a_length % 3][b_length];
}

static size_t common_prefix(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && a[n] == b[n])
		n++;
	return n;
}

const char *parse_nearest(const char *text, const char *const *words, size_t n)
{
	size_t length = strlen(text), best = EDITS_MAX + 1;
	const char *nearest = NULL;

	if (length > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t word_length = strlen(words[i]), edits;

		if (word_length > WORD_MAX)
			continue;
		edits = distance(text, length, words[i], word_length);
		if (edits >= word_length || edits > best)
			continue;
		/* Of two as near, the one that begins alike. */
		if (edits < best ||
		    (nearest && common_prefix(text, words[i]) > common_prefix(text, nearest))) {
			best = edits;
			nearest = words[i];
		}
	}
	return nearest;
}

static bool is_word(const char *text, size_t max)
{
	size_t length = strlen(text);

	if (length == 0 || length > max)
		return false;
	for (const char *p = text; *p; p++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-",
			    *p))
			return false;
	return true;
}

bool parse_is_interface_name(const char *text)
{
	return is_word(text, 15) && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

bool parse_is_name(const char *text)
{
	return is_word(text, 63) && text[0] != '.' && text[0] != '-';
}
