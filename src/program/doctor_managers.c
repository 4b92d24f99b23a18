/* SPDX-License-Identifier: MIT */
/*
 * Programs that manage interfaces by themselves: what they say, and for an interface that is not
 * there yet what their files say.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "program/doctor.h"

enum { LINE = 512, PATH = 300, PATTERN = 64, NAME = 256 };

/* In the order in which the first of several files of one name is the one that counts. */
static const char *const networkd_folders[] = { "/etc/systemd/network", "/run/systemd/network",
						"/usr/lib/systemd/network", NULL };
static const char *const nm_folders[] = { "/etc/NetworkManager/conf.d",
					  "/run/NetworkManager/conf.d",
					  "/usr/lib/NetworkManager/conf.d", NULL };

/* ---- folders of files */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), end = strlen(suffix);

	return length > end && strcmp(name + length - end, suffix) == 0;
}

/* The first name of a folder behind name, if it comes before next, into next ("": none yet). */
static void look_behind(const char *folder, const char *suffix, const char *name, char next[NAME])
{
	const struct dirent *entry;
	DIR *opened = opendir(folder);

	while (opened && (entry = readdir(opened)))
		if (has_suffix(entry->d_name, suffix) && strcmp(entry->d_name, name) > 0 &&
		    (!next[0] || strcmp(entry->d_name, next) < 0))
			snprintf(next, NAME, "%.255s", entry->d_name);
	if (opened)
		closedir(opened);
}

/*
 * The path of the file that comes behind name, by name, in any of the folders; name becomes its own.
 * Return: false after the last.
 */
static bool next_file(const char *const *folders, const char *suffix, char name[NAME],
		      char path[PATH])
{
	char next[NAME] = "";

	for (size_t i = 0; folders[i]; i++)
		look_behind(folders[i], suffix, name, next);
	memcpy(name, next, NAME);
	for (size_t i = 0; folders[i] && name[0]; i++) {
		snprintf(path, PATH, "%s/%s", folders[i], name);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* ---- NetworkManager's */

/* interface-name: up to , or ; is a pattern; except:interface-name: is the contrary. */
static bool is_unmanaged_by(const char *path, const char *interface)
{
	static const char key[] = "interface-name:", except[] = "except:";
	char line[LINE], pattern[PATTERN];
	bool is_found = false;
	FILE *file = fopen(path, "re");

	while (file && !is_found && fgets(line, sizeof(line), file)) {
		const char *at = line;

		if (strncmp(line, "unmanaged-devices", strlen("unmanaged-devices")) != 0)
			continue;
		while (!is_found && (at = strstr(at, key))) {
			bool is_except = at - line >= (ptrdiff_t)strlen(except) &&
					 !strncmp(at - strlen(except), except, strlen(except));

			at += strlen(key);
			snprintf(pattern, sizeof(pattern), "%.*s", (int)strcspn(at, ",;\n"), at);
			is_found = !is_except && fnmatch(pattern, interface, 0) == 0;
		}
	}
	if (file)
		fclose(file);
	return is_found;
}

static bool is_left_alone(const char *interface)
{
	bool is_unmanaged = is_unmanaged_by("/etc/NetworkManager/NetworkManager.conf", interface);
	char name[NAME] = "", path[PATH];

	while (!is_unmanaged && next_file(nm_folders, ".conf", name, path))
		is_unmanaged = is_unmanaged_by(path, interface);
	return is_unmanaged;
}

/* ---- systemd-networkd's */

/* Whether one of the patterns takes it; a ! before all of them inverts. */
static bool is_named(const char *patterns, const char *interface)
{
	char pattern[PATTERN];
	bool is_inverted = *patterns == '!', is_found = false;

	patterns += is_inverted;
	while (*(patterns += strspn(patterns, " \n"))) {
		size_t length = strcspn(patterns, " \n");

		snprintf(pattern, sizeof(pattern), "%.*s", (int)length, patterns);
		is_found |= fnmatch(pattern, interface, 0) == 0;
		patterns += length;
	}
	return is_found != is_inverted;
}

struct network_file {
	bool is_match; /* by its name; what else a file may ask for is not known before it is there */
	bool is_unmanaged;
	bool keeps_master; /* it says whose port the interface is, or leaves that alone */
};

static void read_network_file(const char *path, const char *interface, struct network_file *ret)
{
	static const char name[] = "Name=";
	bool is_in_match = false;
	FILE *file = fopen(path, "re");
	char line[LINE];

	*ret = (struct network_file){ 0 };
	while (file && fgets(line, sizeof(line), file)) {
		if (line[0] == '[')
			is_in_match = !strncmp(line, "[Match]", strlen("[Match]"));
		else if (is_in_match && !strncmp(line, name, strlen(name)))
			ret->is_match |= is_named(line + strlen(name), interface);
		else if (!strncmp(line, "Unmanaged=yes", strlen("Unmanaged=yes")))
			ret->is_unmanaged = true;
		else if (!strncmp(line, "Bridge=", strlen("Bridge=")) ||
			 !strncmp(line, "KeepMaster=yes", strlen("KeepMaster=yes")))
			ret->keeps_master = true;
	}
	if (file)
		fclose(file);
}

/* The file that will be the interface's: the first that takes it. */
static void guess_file(const char *interface, struct manager_view *networkd)
{
	struct network_file facts = { 0 };
	char name[NAME] = "", path[PATH];

	while (!facts.is_match && next_file(networkd_folders, ".network", name, path))
		read_network_file(path, interface, &facts);
	networkd->manages = facts.is_match && !facts.is_unmanaged;
	if (networkd->manages)
		snprintf(networkd->by, sizeof(networkd->by), "%.199s", path);
}

/* ---- both */

void doctor_look_managers(struct doctor_managers *facts)
{
	const char *interface = facts->interface;
	struct network_file file;

	managers_ask(interface, &facts->say);
	if (facts->say.network_manager.runs && !facts->say.network_manager.knows)
		facts->say.network_manager.manages = !is_left_alone(interface);
	if (facts->say.networkd.runs && !facts->say.networkd.knows)
		guess_file(interface, &facts->say.networkd);
	else if (facts->say.networkd.by[0]) {
		read_network_file(facts->say.networkd.by, interface, &file);
		facts->say.networkd.enslaves = file.keeps_master;
	}
}

static void judge_network_manager(const struct doctor_managers *facts, struct findings *findings)
{
	const struct manager_view *view = &facts->say.network_manager;
	char mend[DOCTOR_TEXT];

	snprintf(mend, sizeof(mend),
		 "mkdir -p /etc/NetworkManager/conf.d && "
		 "printf '[keyfile]\\nunmanaged-devices+=interface-name:%s\\n' "
		 ">/etc/NetworkManager/conf.d/longwire-%s.conf && nmcli general reload",
		 facts->interface, facts->interface);
	if (!view->manages)
		return;
	if (!facts->is_port)
		doctor_find(findings, facts->bridge, "managers", mend,
			    "NetworkManager manages %s%s%s%s", facts->interface,
			    facts->bridge ? ": it takes it out of " : "",
			    facts->bridge ? facts->bridge : "",
			    facts->bridge ? " when it sets up that bridge again" : "");
	else if (view->by[0] && !view->watches && !view->enslaves)
		doctor_find(findings, true, "managers", mend,
			    "NetworkManager has %s, a port of %s, for an interface of its own "
			    "(\"%s\"): it takes it out of the bridge",
			    facts->interface, facts->bridge, view->by);
}

static void judge_networkd(const struct doctor_managers *facts, struct findings *findings)
{
	const struct manager_view *view = &facts->say.networkd;
	char mend[DOCTOR_TEXT];

	snprintf(mend, sizeof(mend),
		 "printf '[Match]\\nName=%s\\n[Link]\\nUnmanaged=yes\\n' "
		 ">/etc/systemd/network/05-longwire-%s.network && networkctl reload",
		 facts->interface, facts->interface);
	if (!view->manages || (facts->bridge && view->enslaves))
		return;
	doctor_find(findings, true, "managers", mend, "systemd-networkd manages %s by %s%s%s%s",
		    facts->interface, view->by[0] ? view->by : "a file of its own",
		    facts->bridge ? ": it takes it out of " : "",
		    facts->bridge ? facts->bridge : "", facts->is_port ? ", whose port it is" : "");
}

void doctor_judge_managers(const struct doctor_managers *facts, struct findings *findings)
{
	judge_network_manager(facts, findings);
	judge_networkd(facts, findings);
}
