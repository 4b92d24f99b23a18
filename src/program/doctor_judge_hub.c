/* SPDX-License-Identifier: MIT */
/* Facts about a hub that is to be reached, judged. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "program/doctor.h"

enum { PATH_MTU_SMALL = 1280 };

static const char *port_of(const char *address)
{
	const char *colon = strrchr(address, ':');

	return colon ? colon + 1 : address;
}

/* What the machine that was not reached would have to do, or to be. */
static void judge_connection(const struct doctor_hub *facts, struct findings *findings)
{
	char mend[DOCTOR_TEXT];
	const char *why = strerror(facts->connect_error);

	if (facts->connect_error == ECONNREFUSED) {
		doctor_find(findings, true, "hub", "longwire hub hub.yaml  # on its machine",
			    "%s: refused: no hub listens there, or a firewall refuses it",
			    facts->address);
	} else if (!facts->path.route.is_reachable || facts->connect_error == ENETUNREACH) {
		doctor_find(findings, true, "hub", NULL,
			    "%s: no route leads there: is this machine's network up? (ip route)",
			    facts->address);
	} else if (facts->connect_error == EPERM || facts->connect_error == EACCES) {
		doctor_find(findings, true, "hub", "nft list ruleset",
			    "%s: a firewall of this machine forbids it", facts->address);
	} else if (facts->path.answers) {
		snprintf(mend, sizeof(mend),
			 "nft insert rule inet filter input tcp dport %s accept  # on its machine",
			 port_of(facts->address));
		doctor_find(findings, true, "hub", mend,
			    "%s: the machine answers echoes and this port not: a firewall is in "
			    "the way (%s)",
			    facts->address, why);
	} else {
		doctor_find(
			findings, true, "hub", NULL,
			"%s: no machine answers: the address is wrong, it is off, or a firewall "
			"drops everything (%s)",
			facts->address, why);
	}
}

static void judge_path(const struct doctor_hub *facts, struct findings *findings)
{
	const struct doctor_path *path = &facts->path;
	char to[IP_TEXT_SIZE], via[IP_TEXT_SIZE], mend[DOCTOR_TEXT];

	if (!path->was_asked || !path->answers)
		return;
	ip_address_format(&path->to, to);
	if (path->route.gateway.family)
		ip_address_format(&path->route.gateway, via);
	/* Both directions: the kernel tells the other end what segments to send. */
	snprintf(mend, sizeof(mend), "ip route replace %s %s%s dev %s mtu %u", to,
		 path->route.gateway.family ? "via " : "scope link",
		 path->route.gateway.family ? via : "", path->route.interface, path->takes);
	if (path->loses_large)
		doctor_find(
			findings, true, "path", path->takes ? mend : NULL,
			"packets to %s of more than %u bytes vanish without a word: connections "
			"will hang after they were made",
			facts->address, path->takes ? path->takes : PATH_MTU_SMALL);
	else if (path->takes < path->link_mtu)
		doctor_find(findings, false, "path", NULL,
			    "the path to %s takes packets of %u bytes (%s: %u)%s", facts->address,
			    path->takes, path->route.interface, path->link_mtu,
			    path->takes < PATH_MTU_SMALL ? ": expect less speed"
							 : ", which TCP finds by itself");
}

static bool is_pinned(const struct doctor_hub *facts)
{
	for (size_t i = 0; i < facts->n_pins; i++)
		if (!strcmp(facts->pins[i], facts->shown_pin))
			return true;
	return false;
}

void doctor_judge_hub(const struct doctor_hub *facts, struct findings *findings)
{
	static const char topic[] = "hub";
	char mend[DOCTOR_TEXT];

	if (facts->resolve_error) {
		doctor_find(findings, true, topic, NULL,
			    "%s: its name is not known: %s; write its address, or see to "
			    "/etc/resolv.conf",
			    facts->address, facts->resolve_error);
		return;
	}
	if (facts->connect_error) {
		judge_connection(facts, findings);
		return;
	}
	judge_path(facts, findings);
	if (!facts->speaks_tls) {
		doctor_find(findings, true, topic, NULL,
			    "%s: somebody listens who is no longwire hub: %s", facts->address,
			    facts->said);
		return;
	}
	if (facts->shown_pin[0] && !is_pinned(facts)) {
		snprintf(mend, sizeof(mend),
			 "sed -i 's|%s|%s|' %s  # if that is what its owner says",
			 facts->n_pins ? facts->pins[0] : "", facts->shown_pin, facts->file);
		doctor_find(findings, true, topic, mend,
			    "%s: its key is not the one that is pinned: another hub, a new key, or "
			    "somebody in between",
			    facts->address);
	}
}
