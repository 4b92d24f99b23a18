/* SPDX-License-Identifier: MIT */
/*
 * longwire-lease: what udhcpc calls instead of a script. It says on its standard output, which is a
 * pipe to whoever runs udhcpc, what happened and what is known, as one line; see network/lease.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 2048 };

static size_t add(char *line, size_t used, const char *text)
{
	for (; *text && used + 1 < LINE_SIZE; text++)
		line[used++] = (unsigned char)*text < ' ' ? '?' : *text;
	return used;
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"ip", "mask", "router", "dns", "domain", "mtu", "lease"
	};
	char line[LINE_SIZE];
	size_t used = add(line, 0, "lease");

	if (argc != 2)
		return 2;
	line[used++] = '\t';
	used = add(line, used, argv[1]);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = getenv(names[i]);

		if (!value || used + 2 >= LINE_SIZE)
			continue;
		line[used++] = '\t';
		used = add(line, used, names[i]);
		used = add(line, used, "=");
		used = add(line, used, value);
	}
	line[used++] = '\n';
	return write(STDOUT_FILENO, line, used) == (ssize_t)used ? 0 : 1;
}
