/* SPDX-License-Identifier: MIT */
/* An instance's state as a tree. */
#include "program/report.h"

#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/memory.h"
#include "base/tree.h"
#include "network/network.h"

/* Builders: r carries the first failure along, so that a tree reads as a list of its keys. */
static void text(struct tree *map, const char *key, const char *value, int *r)
{
	if (*r == 0)
		*r = value && *value ? tree_add_text(map, key, value) : tree_add_null(map, key);
}

static void number(struct tree *map, const char *key, uint64_t value, int *r)
{
	if (*r == 0)
		*r = tree_add_uint(map, key, value);
}

static void boolean(struct tree *map, const char *key, bool value, int *r)
{
	if (*r == 0)
		*r = tree_add_bool(map, key, value);
}

/* A time or measure of which 0 says that there is none. */
static void number_or_null(struct tree *map, const char *key, int64_t value, int *r)
{
	if (*r == 0)
		*r = value ? tree_add_int(map, key, value) : tree_add_null(map, key);
}

static struct tree *map_in(struct tree *map, const char *key, int *r)
{
	struct tree *child = NULL;

	if (*r == 0)
		*r = tree_add_map(map, key, &child);
	return child;
}

static struct tree *list_in(struct tree *map, const char *key, int *r)
{
	struct tree *child = NULL;

	if (*r == 0)
		*r = tree_add_list(map, key, &child);
	return child;
}

static void traffic(struct tree *map, const char *key, uint64_t packets, uint64_t bytes,
		    uint64_t rate, int *r)
{
	struct tree *child = map_in(map, key, r);

	number(child, "packets", packets, r);
	number(child, "bytes", bytes, r);
	number(child, "bytes-per-second", rate, r);
}

static void drops(struct tree *map, const uint64_t counters[LW_DROP_COUNT], int *r)
{
	struct tree *child = map_in(map, "drops", r);

	for (unsigned i = LW_DROP_NONE + 1; i < LW_DROP_COUNT; i++)
		if (counters[i])
			number(child, lw_drop_name(i), counters[i], r);
}

void report_add_rtt(struct report_rtts *rtts, uint64_t rtt_us)
{
	if (rtts->n == REPORT_RTTS)
		memmove(rtts->us, rtts->us + 1, (size_t)--rtts->n * sizeof(rtts->us[0]));
	rtts->us[rtts->n++] = (uint32_t)MIN(rtt_us, (uint64_t)UINT32_MAX);
}

static void history(struct tree *map, const struct report_rtts *rtts, int *r)
{
	struct tree *list = list_in(map, "rtt-history-us", r);

	for (unsigned i = 0; rtts && i < rtts->n && *r == 0; i++)
		*r = tree_add_uint(list, NULL, rtts->us[i]);
}

/* "10.86.0.2/32 fd86::2/128" → a list. */
static void words(struct tree *map, const char *key, const char *value, int *r)
{
	struct tree *list = list_in(map, key, r);
	char word[sizeof(((struct lw_network_status *)0)->match_domains)];

	while (*r == 0 && *(value += strspn(value, " "))) {
		size_t length = MIN(strcspn(value, " "), sizeof(word) - 1);

		memcpy(word, value, length);
		word[length] = '\0';
		*r = tree_add_text(list, NULL, word);
		value += length;
	}
}

static void add_interface(struct tree *tree, const struct report *report, int *r)
{
	const struct network_link *link = report->interface;
	struct tree *map, *list;
	char mac[MAC_TEXT_SIZE];
	struct mac_address address;

	if (!report->interface_name) {
		if (*r == 0)
			*r = tree_add_null(tree, "interface");
		return;
	}
	map = map_in(tree, "interface", r);
	text(map, "name", report->interface_name, r);
	if (link) {
		memcpy(address.bytes, link->mac, sizeof(address.bytes));
		text(map, "ethernet-address",
		     report->layer == LW_LAYER_ETHERNET ? mac_address_format(&address, mac) : NULL,
		     r);
		number(map, "mtu", link->mtu, r);
		boolean(map, "up", link->is_up, r);
		boolean(map, "carrier", link->has_carrier, r);
		text(map, "bridge", link->master_name, r);
	}
	list = list_in(map, "addresses", r);
	for (size_t i = 0; i < report->n_addresses && *r == 0; i++)
		*r = tree_add_text(list, NULL, report->addresses[i]);
}

static void add_hub(struct tree *tree, const struct lw_hub_status *hub, int *r)
{
	struct tree *map = map_in(tree, "hub", r);

	number(map, "clients", hub->clients, r);
	number(map, "connected", hub->connected, r);
	number(map, "macs", hub->macs, r);
	number(map, "workers", hub->workers, r);
	map = map_in(tree, "handshakes", r);
	number(map, "accepted", hub->handshakes_accepted, r);
	number(map, "refused", hub->handshakes_refused, r);
	number(map, "expired", hub->handshakes_expired, r);
	number(map, "pending", hub->handshakes_pending, r);
	text(map, "last-refusal", hub->last_refusal, r);
}

static void add_port(struct tree *list, const struct report_port *port, int *r)
{
	const struct lw_port_status *status = &port->status;
	struct tree *map = map_in(list, NULL, r);

	text(map, "name", status->name, r);
	boolean(map, "device", status->is_device, r);
	boolean(map, "connected", status->connected, r);
	text(map, "behind", status->behind == LW_BEHIND_LAN ? "lan" : "host", r);
	text(map, "address", status->address, r);
	text(map, "tls", status->tls, r);
	number_or_null(map, "since", status->since, r);
	number(map, "sessions", status->sessions, r);
	number_or_null(map, "rtt-us", (int64_t)status->rtt_us, r);
	history(map, port->rtts, r);
	number_or_null(map, "mtu", status->peer_mtu, r);
	number(map, "macs", status->macs, r);
	number(map, "streams", status->streams, r);
	number(map, "streams-up", status->streams_up, r);
	traffic(map, "received", status->received_packets, status->received_bytes,
		port->received_rate, r);
	traffic(map, "sent", status->sent_packets, status->sent_bytes, port->sent_rate, r);
	drops(map, status->drops, r);
	words(map, "addresses", status->addresses, r);
	text(map, "last-end", status->last_end, r);
}

static const char *domain_name(enum lw_error_domain domain)
{
	switch (domain) {
	case LW_DOMAIN_NONE:
		return "none";
	case LW_DOMAIN_SYSTEM:
		return "system";
	case LW_DOMAIN_CONFIGURATION:
		return "configuration";
	case LW_DOMAIN_CONNECTION:
		return "connection";
	case LW_DOMAIN_TUNNEL:
		return "tunnel";
	case LW_DOMAIN_PROVIDER:
		return "provider";
	}
	return "?";
}

static void put_error(struct tree *map, const struct lw_error *error, int *r)
{
	text(map, "domain", domain_name(error->domain), r);
	if (*r == 0)
		*r = tree_add_int(map, "code", error->code);
	text(map, "text", error->text, r);
}

static void add_incidents(struct tree *tree, const struct report_connection *connection, int *r)
{
	struct tree *list = list_in(tree, "errors", r);

	for (size_t i = 0; i < connection->n_incidents; i++) {
		const struct lw_connection_incident *incident = &connection->incidents[i];
		struct tree *map = map_in(list, NULL, r);

		number(map, "date", (uint64_t)incident->date, r);
		number(map, "times", incident->times, r);
		boolean(map, "ended", incident->was_ending, r);
		put_error(map, &incident->error, r);
	}
}

static void add_connection(struct tree *tree, const struct report_connection *connection, int *r)
{
	struct tree *map = map_in(tree, "connection", r);

	text(map, "status", lw_status_name(connection->status), r);
	number_or_null(map, "connected-date", connection->connected_date, r);
	text(map, "origin", connection->origin ? lw_start_origin_name(connection->origin) : NULL,
	     r);
	text(map, "stop-reason",
	     connection->stop_reason ? lw_stop_reason_name(connection->stop_reason) : NULL, r);
	if (connection->last_error.domain == LW_DOMAIN_NONE)
		text(map, "last-error", NULL, r);
	else
		put_error(map_in(map, "last-error", r), &connection->last_error, r);
	add_incidents(map, connection, r);
}

static void add_link(struct tree *tree, const struct report *report, int *r)
{
	const struct lw_tunnel_status *link = report->link;
	struct tree *map = map_in(tree, "link", r);

	text(map, "state", lw_link_state_name(link->link), r);
	text(map, "hub", link->hub, r);
	text(map, "tls", link->tls, r);
	number_or_null(map, "mtu", link->mtu, r);
	number_or_null(map, "rtt-us", (int64_t)link->rtt_us, r);
	history(map, report->rtts, r);
	number(map, "workers", link->workers, r);
	number(map, "streams", link->streams, r);
	number(map, "streams-up", link->streams_up, r);
	number(map, "connects", link->connects, r);
	number_or_null(map, "retry-ms", (int64_t)link->retry_ms, r);
	traffic(map, "received", link->received_packets, link->received_bytes,
		report->received_rate, r);
	traffic(map, "sent", link->sent_packets, link->sent_bytes, report->sent_rate, r);
	drops(map, link->drops, r);
	text(map, "last-failure", link->last_failure, r);
	text(map, "refused-offers", link->refused_offers, r);
}

static void add_link_local(struct tree *tree, const struct lw_network_status *network, int *r)
{
	struct tree *map;

	if (!network->link_local_state[0]) {
		text(tree, "link-local", NULL, r);
		return;
	}
	map = map_in(tree, "link-local", r);
	text(map, "state", network->link_local_state, r);
	text(map, "address", network->link_local, r);
	number(map, "conflicts", network->link_local_conflicts, r);
	number(map, "defences", network->link_local_defences, r);
}

static void add_network(struct tree *tree, const struct lw_network_status *network, int *r)
{
	struct tree *map;

	add_link_local(tree, network, r);

	if (network->lease[0]) {
		map = map_in(tree, "lease", r);
		text(map, "address", network->lease, r);
		text(map, "router", network->lease_router, r);
	} else {
		text(tree, "lease", NULL, r);
	}
	if (!network->name_servers[0]) {
		text(tree, "dns", NULL, r);
	} else {
		map = map_in(tree, "dns", r);
		text(map, "resolver", network->resolver, r);
		words(map, "servers", network->name_servers, r);
		words(map, "match-domains", network->match_domains, r);
		words(map, "search-domains", network->search_domains, r);
		boolean(map, "all-names", network->all_names, r);
	}
	if (!network->http_proxy[0] && !network->https_proxy[0] &&
	    !network->proxy_configuration_url[0]) {
		text(tree, "proxy", NULL, r);
		return;
	}
	map = map_in(tree, "proxy", r);
	text(map, "http-server", network->http_proxy, r);
	text(map, "https-server", network->https_proxy, r);
	text(map, "auto-configuration-url", network->proxy_configuration_url, r);
	boolean(map, "exclude-simple-hostnames", network->proxy_excludes_simple_hostnames, r);
	words(map, "exception-list", network->proxy_exceptions, r);
	words(map, "match-domains", network->proxy_domains, r);
	boolean(map, "enforced", false, r);
}

static const char *lock_reason(const struct report_lock *lock)
{
	if (!lock->status.is_closed)
		return "the tunnel was not started yet";
	if (lock->is_opened)
		return "somebody else opened it; the next start closes it";
	if (lock->status.asks_names)
		return "include-all-networks; questions to name servers get out until the hub's "
		       "name is known";
	return "include-all-networks";
}

static void add_lock(struct tree *tree, const struct report_lock *lock, int *r)
{
	bool is_locked = lock->status.is_closed && !lock->is_opened;
	struct tree *map, *list;

	if (!lock->status.is_wanted) {
		text(tree, "kill-switch", NULL, r);
		return;
	}
	map = map_in(tree, "kill-switch", r);
	text(map, "state", is_locked ? "locked" : "open", r);
	text(map, "reason", lock_reason(lock), r);
	number_or_null(map, "since", is_locked ? lock->status.since : 0, r);
	boolean(map, "asks-names", is_locked && lock->status.asks_names, r);
	list = list_in(map, "hub", r);
	for (size_t i = 0; i < lock->status.n_peers && *r == 0; i++)
		*r = tree_add_text(list, NULL, lock->status.peers[i]);
}

static void add_captures(struct tree *tree, const struct report *report, int *r)
{
	struct tree *list = list_in(tree, "captures", r);

	for (size_t i = 0; i < report->n_captures; i++) {
		const struct report_capture *capture = &report->captures[i];
		struct tree *map = map_in(list, NULL, r);

		text(map, "file", capture->file, r);
		text(map, "format",
		     capture->counters.format == LW_CAPTURE_PCAPNG ? "pcapng" : "pcap", r);
		number(map, "seen", capture->counters.seen, r);
		number(map, "matched", capture->counters.matched, r);
		number(map, "written", capture->counters.written, r);
		number(map, "dropped", capture->counters.dropped, r);
		number(map, "records", capture->counters.records, r);
		number(map, "bytes", capture->counters.bytes, r);
		number(map, "files", capture->counters.files, r);
		if (capture->counters.is_recorder) {
			number(map, "held", capture->counters.held, r);
			number(map, "forgotten", capture->counters.forgotten, r);
		}
		boolean(map, "stopped", capture->counters.stopped, r);
		text(map, "error",
		     capture->counters.error ? strerror(capture->counters.error) : NULL, r);
	}
}

static void add_key_log(struct tree *tree, const struct report_key_log *log, int *r)
{
	struct tree *map;

	if (!log->file) {
		text(tree, "key-log", NULL, r);
		return;
	}
	map = map_in(tree, "key-log", r);
	text(map, "file", log->file, r);
	number(map, "lines", log->lines, r);
	number(map, "failed", log->failed, r);
	text(map, "error", log->error ? strerror(log->error) : NULL, r);
}

static void add_identity(struct tree *tree, const struct report *report, int *r)
{
	text(tree, "name", report->name, r);
	text(tree, "kind", report->kind, r);
	text(tree, "layer", report->layer == LW_LAYER_ETHERNET ? "ethernet" : "ip", r);
	text(tree, "version", lw_version(), r);
	number(tree, "pid", (uint64_t)report->pid, r);
	text(tree, "state", report->state, r);
	number_or_null(tree, "started", report->started, r);
}

int report_build(const struct report *report, struct tree **ret_tree)
{
	struct tree *tree = tree_new(TREE_MAP), *ports;
	int r = tree ? 0 : -ENOMEM;

	add_identity(tree, report, &r);
	add_interface(tree, report, &r);
	if (report->hub) {
		add_hub(tree, report->hub, &r);
		ports = list_in(tree, "ports", &r);
		for (size_t i = 0; i < report->n_ports; i++)
			add_port(ports, &report->ports[i], &r);
	}
	if (report->connection)
		add_connection(tree, report->connection, &r);
	if (report->link)
		add_link(tree, report, &r);
	if (report->network)
		add_network(tree, report->network, &r);
	if (report->lock)
		add_lock(tree, report->lock, &r);
	add_captures(tree, report, &r);
	add_key_log(tree, &report->key_log, &r);
	if (r < 0) {
		tree_free(tree);
		return r;
	}
	*ret_tree = tree;
	return 0;
}
