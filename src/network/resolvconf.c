/* SPDX-License-Identifier: MIT */
/* resolvconf, run as a program. */
#include "network/resolvconf.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/dns_settings.h"
#include "base/log.h"
#include "base/memory.h"
#include "loop/child.h"
#include "network/fault.h"

enum { RECORD_SIZE = IFNAMSIZ + 16, TEXT_SIZE = CHILD_LINE_MAX };

static const char *const programs[] = { "/usr/sbin/resolvconf", "/sbin/resolvconf",
					"/usr/bin/resolvconf", "/usr/local/sbin/resolvconf" };
/* Where Debian's own and openresolv keep what they were told. */
static const char *const folders[] = { "/run/resolvconf/interface", "/run/resolvconf/interfaces",
				       "/run/resolvconf/keys" };

static bool is_resolvectl(const char *path)
{
	static const char name[] = "resolvectl";
	char target[256];
	ssize_t n = readlink(path, target, sizeof(target));

	return n >= (ssize_t)sizeof(name) - 1 &&
	       memcmp(target + n - (sizeof(name) - 1), name, sizeof(name) - 1) == 0;
}

static const char *find_program(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (access(programs[i], X_OK) == 0 && !is_resolvectl(programs[i]))
			return programs[i];
	return NULL;
}

bool resolvconf_is_there(void)
{
	return find_program();
}

static const char *record_of(const char *name, char record[RECORD_SIZE])
{
	snprintf(record, RECORD_SIZE, "%s.longwire", name);
	return record;
}

static int run(const char *const *argv, const char *input, char detail[DNS_DETAIL_SIZE])
{
	int r = fault_check();

	if (r < 0) {
		detail[0] = '\0';
		return r;
	}
	return child_run(argv, input, DNS_BUDGET_MS, detail, DNS_DETAIL_SIZE);
}

static size_t add(char *text, size_t used, const char *before, const char *word)
{
	if (used < TEXT_SIZE)
		used += (size_t)snprintf(text + used, TEXT_SIZE - used, "%s%s", before, word);
	return used;
}

static size_t add_domains(char *text, size_t used, const struct domain_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		used = add(text, used, " ", list->items[i]);
	return used;
}

/* resolv.conf(5). Parsed names and addresses have no byte that could mean anything else in it.
 * Return: whether it fits. */
static bool write_text(const struct dns_settings *dns, char text[TEXT_SIZE])
{
	bool is_searched = dns->search.n || (dns->match.n && !dns->match_no_search);
	char address[IP_TEXT_SIZE];
	size_t used = 0;

	for (size_t i = 0; i < dns->n_servers; i++) {
		used = add(text, used, "nameserver ", ip_address_format(&dns->servers[i], address));
		used = add(text, used, "\n", "");
	}
	if (is_searched) {
		used = add(text, used, "search", "");
		used = add_domains(text, used, &dns->search);
		if (!dns->match_no_search)
			used = add_domains(text, used, &dns->match);
		used = add(text, used, "\n", "");
	}
	return used < TEXT_SIZE;
}

int resolvconf_apply(const char *name, const struct dns_settings *dns, char detail[DNS_DETAIL_SIZE])
{
	char record[RECORD_SIZE], text[TEXT_SIZE], ignored[DNS_DETAIL_SIZE];
	const char *argv[] = {
		find_program(), "-a", record_of(name, record), "-m", "0", "-x", NULL
	};
	int r;

	if (!argv[0])
		return -ENOENT;
	if (!write_text(dns, text)) {
		snprintf(detail, DNS_DETAIL_SIZE, "more domains than resolvconf is given");
		return -E2BIG;
	}
	r = run(argv, text, detail);
	if (r < 0 && r != -ENOENT)
		(void)resolvconf_revert(name, ignored);
	return r;
}

int resolvconf_revert(const char *name, char detail[DNS_DETAIL_SIZE])
{
	char record[RECORD_SIZE];
	const char *argv[] = { find_program(), "-d", record_of(name, record), NULL };

	return argv[0] ? run(argv, NULL, detail) : -ENOENT;
}

void resolvconf_clean(const char *name)
{
	char record[RECORD_SIZE], path[128], detail[DNS_DETAIL_SIZE];
	bool is_left = false;

	record_of(name, record);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], record);
		is_left = is_left || access(path, F_OK) == 0;
	}
	if (!is_left || !find_program())
		return;
	log_info("%s: the name servers of an instance that was killed are taken away", name);
	if (resolvconf_revert(name, detail) < 0)
		log_warning("%s: resolvconf -d: %s", name, detail);
}
