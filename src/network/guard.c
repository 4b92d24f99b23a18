/* SPDX-License-Identifier: MIT */
/* Nobody but the tunnel speaks to the tunnel's addresses. */
#include "network/guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <longwire/provider.h>

#include "base/address.h"
#include "base/memory.h"
#include "network/nftables.h"

enum { REMOVAL_SIZE = 256 };

/* Deleting what may not be there fails, adding what is there does not. */
static void print_removal(FILE *out, const char *name)
{
	static const char *const families[] = { "inet", "arp" };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		fprintf(out,
			"add table %s longwire_guard_%s\n"
			"delete table %s longwire_guard_%s\n",
			families[i], name, families[i], name);
}

static void print_addresses(FILE *out, const char *name, const struct ip_prefix *addresses,
			    size_t n, uint8_t family)
{
	char text[IP_TEXT_SIZE];

	for (size_t i = 0; i < n; i++)
		if (addresses[i].address.family == family)
			fprintf(out,
				"\t\tiifname != \"%s\" %s daddr %s fib saddr type != local counter "
				"drop\n",
				name, family == AF_INET ? "ip" : "ip6",
				ip_address_format(&addresses[i].address, text));
}

static void print_marks(FILE *out)
{
	fprintf(out,
		"\tchain restore {\n"
		"\t\ttype filter hook prerouting priority mangle; policy accept;\n"
		"\t\tct mark 0x%x meta mark set ct mark\n\t}\n"
		"\tchain save {\n"
		"\t\ttype filter hook postrouting priority mangle; policy accept;\n"
		"\t\tmeta mark 0x%x ct mark set meta mark\n\t}\n",
		LW_OUTER_MARK, LW_OUTER_MARK);
}

static void print_arp(FILE *out, const char *name, const struct ip_prefix *addresses, size_t n)
{
	char text[IP_TEXT_SIZE];

	fprintf(out,
		"table arp longwire_guard_%s {\n\tchain input {\n"
		"\t\ttype filter hook input priority filter; policy accept;\n",
		name);
	for (size_t i = 0; i < n; i++)
		if (addresses[i].address.family == AF_INET)
			fprintf(out,
				"\t\tiifname != \"%s\" arp operation request arp daddr ip %s drop\n",
				name, ip_address_format(&addresses[i].address, text));
	fprintf(out, "\t}\n}\n");
}

int guard_script(const char *name, const struct ip_prefix *addresses, size_t n,
		 bool has_strict_filter, char **ret_script)
{
	char *script = NULL;
	size_t length;
	FILE *out = open_memstream(&script, &length);

	if (!out)
		return -ENOMEM;
	print_removal(out, name);
	fprintf(out,
		"table inet longwire_guard_%s {\n\tchain prerouting {\n"
		"\t\ttype filter hook prerouting priority raw; policy accept;\n",
		name);
	print_addresses(out, name, addresses, n, AF_INET);
	print_addresses(out, name, addresses, n, AF_INET6);
	fprintf(out, "\t}\n");
	if (has_strict_filter)
		print_marks(out);
	fprintf(out, "}\n");
	print_arp(out, name, addresses, n);
	if (ferror(out) | fclose(out)) {
		free(script);
		return -ENOMEM;
	}
	*ret_script = script;
	return 0;
}

int guard_remove(const char *name, char *detail, size_t size)
{
	char script[REMOVAL_SIZE];
	FILE *out = fmemopen(script, sizeof(script), "w");

	if (!out)
		return -ENOMEM;
	print_removal(out, name);
	fclose(out);
	return nftables_run(script, detail, size);
}
