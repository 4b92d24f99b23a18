/* SPDX-License-Identifier: MIT */
/* Text for people, made harmless. */
#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Return: the length without a UTF-8 character whose end was cut off. */
static size_t without_half(const char *text, size_t length)
{
	size_t start = length;
	unsigned char lead;
	size_t wanted;

	while (start > 0 && length - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0)
		return length;
	lead = (unsigned char)text[start - 1];
	wanted = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
	return length - start < wanted ? start - 1 : length;
}

void text_format(char *text, size_t size, const char *format, va_list arguments)
{
	char line[TEXT_MAX];
	size_t length;
	int n;

	assert(size >= 1 && size <= sizeof(line));
	n = vsnprintf(line, size, format, arguments);
	if (n < 0)
		line[0] = '\0';
	length = strlen(line);
	if (n > 0 && (size_t)n > length)
		length = without_half(line, length);
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	memcpy(text, line, length);
	text[length] = '\0';
}
