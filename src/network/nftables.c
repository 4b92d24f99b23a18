/* SPDX-License-Identifier: MIT */
/*
 * The gateway's firewall table, named longwire_<interface>.
 *
 * Forwarding is a switch of the whole machine, so the table says what it is for: from the tunnel
 * only into the gateway's networks and to other clients, into the tunnel only from those networks
 * or in answer (errors of routers on the way are answers, too). Everything else through this
 * interface is refused aloud. Other interfaces' traffic is not judged.
 */
#include "network/nftables.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/memory.h"
#include "network/fault.h"
#include "network/network.h"

enum { REMOVAL_SIZE = 128 };

static bool has_family(const struct ip_prefix *prefixes, size_t n, uint8_t family)
{
	for (size_t i = 0; i < n; i++)
		if (prefixes[i].address.family == family)
			return true;
	return false;
}

int nftables_has_family(const struct network_gateway *gateway, uint8_t family)
{
	return has_family(gateway->from, gateway->n_from, family) &&
	       has_family(gateway->to, gateway->n_to, family);
}

static void print_set(FILE *out, const struct ip_prefix *prefixes, size_t n, uint8_t family)
{
	const char *separator = "{ ";
	char text[IP_PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < n; i++) {
		struct ip_prefix network = ip_prefix_network(&prefixes[i]);

		if (network.address.family != family)
			continue;
		fprintf(out, "%s%s", separator, ip_prefix_format(&network, text));
		separator = ", ";
	}
	fprintf(out, " }");
}

static void print_match(FILE *out, const struct network_gateway *gateway, uint8_t family,
			bool is_from_tunnel)
{
	const char *word = family == AF_INET ? "ip" : "ip6";

	fprintf(out, " %s %s ", word, is_from_tunnel ? "saddr" : "daddr");
	print_set(out, gateway->from, gateway->n_from, family);
	fprintf(out, " %s %s ", word, is_from_tunnel ? "daddr" : "saddr");
	print_set(out, gateway->to, gateway->n_to, family);
}

static void print_forward(FILE *out, const char *name, const struct network_gateway *gateway)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	fprintf(out, "\tchain forward {\n"
		     "\t\ttype filter hook forward priority filter; policy accept;\n");
	fprintf(out, "\t\toifname \"%s\" ct state established,related accept\n", name);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const char *word = families[i] == AF_INET ? "ip" : "ip6";

		if (has_family(gateway->from, gateway->n_from, families[i])) {
			fprintf(out, "\t\tiifname \"%s\" oifname \"%s\" %s daddr ", name, name,
				word);
			print_set(out, gateway->from, gateway->n_from, families[i]);
			fprintf(out, " accept\n");
		}
		if (!nftables_has_family(gateway, families[i]))
			continue;
		fprintf(out, "\t\tiifname \"%s\"", name);
		print_match(out, gateway, families[i], true);
		fprintf(out, " accept\n\t\toifname \"%s\"", name);
		print_match(out, gateway, families[i], false);
		fprintf(out, " accept\n");
	}
	fprintf(out, "\t\tiifname \"%s\" counter reject with icmpx admin-prohibited\n", name);
	fprintf(out, "\t\toifname \"%s\" counter reject with icmpx admin-prohibited\n\t}\n", name);
}

static void print_masquerade(FILE *out, const char *name, const struct network_gateway *gateway)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	fprintf(out, "\tchain postrouting {\n"
		     "\t\ttype nat hook postrouting priority srcnat; policy accept;\n");
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (!nftables_has_family(gateway, families[i]))
			continue;
		fprintf(out, "\t\toifname != \"%s\"", name);
		print_match(out, gateway, families[i], true);
		fprintf(out, " masquerade\n");
	}
	fprintf(out, "\t}\n");
}

/* Deleting what may not be there fails, adding what is there does not. */
static void print_removal(FILE *out, const char *name)
{
	fprintf(out, "add table inet longwire_%s\ndelete table inet longwire_%s\n", name, name);
}

int nftables_script(const char *name, const struct network_gateway *gateway, char **ret_script)
{
	char *script = NULL;
	size_t length;
	FILE *out = open_memstream(&script, &length);

	if (!out)
		return -ENOMEM;
	print_removal(out, name);
	fprintf(out, "table inet longwire_%s {\n", name);
	print_forward(out, name, gateway);
	if (gateway->masquerade)
		print_masquerade(out, name, gateway);
	fprintf(out, "}\n");
	if (ferror(out) | fclose(out)) {
		free(script);
		return -ENOMEM;
	}
	*ret_script = script;
	return 0;
}

/* Everything before the first line's end is the reason; what follows repeats the script. */
static void copy_reason(struct nft_ctx *context, char *detail, size_t size)
{
	const char *text = nft_ctx_get_error_buffer(context);

	snprintf(detail, size, "%.*s", text ? (int)strcspn(text, "\n") : 0, text ? text : "");
}

static int run_in(struct nft_ctx *context, const char *script, char **ret_text, char *detail,
		  size_t size)
{
	int r;

	if (nft_ctx_buffer_output(context) || nft_ctx_buffer_error(context))
		return -ENOMEM;
	errno = 0;
	if (nft_run_cmd_from_buffer(context, script)) {
		r = errno ? -errno : -EIO;
		copy_reason(context, detail, size);
		/* What there is none of is told in words alone. */
		return strstr(detail, strerror(ENOENT)) ? -ENOENT : r;
	}
	if (!ret_text)
		return 0;
	*ret_text = strdup(nft_ctx_get_output_buffer(context));
	return *ret_text ? 0 : -ENOMEM;
}

int nftables_ask(const char *script, char **ret_text, char *detail, size_t size)
{
	struct nft_ctx *context;
	int r = fault_check();

	if (r < 0)
		return r;
	context = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!context)
		return -ENOMEM;
	r = run_in(context, script, ret_text, detail, size);
	nft_ctx_free(context);
	return r;
}

int nftables_run(const char *script, char *detail, size_t size)
{
	return nftables_ask(script, NULL, detail, size);
}

int nftables_has(const char *table)
{
	char script[128], detail[128], *text = NULL;
	int r;

	snprintf(script, sizeof(script), "list table %s\n", table);
	r = nftables_ask(script, &text, detail, sizeof(detail));
	free(text);
	return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

int nftables_remove(const char *name, char *detail, size_t size)
{
	char script[REMOVAL_SIZE];
	FILE *out = fmemopen(script, sizeof(script), "w");

	if (!out)
		return -ENOMEM;
	print_removal(out, name);
	fclose(out);
	return nftables_run(script, detail, size);
}
