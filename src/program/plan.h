/* SPDX-License-Identifier: MIT */
/*
 * Plans: what a configuration means for the library, the interface and the machine, before any of
 * it is done.
 *
 * A plan borrows the configuration's strings and owns the rest. Making one finds everything that
 * can be wrong without changing anything: `longwire check` makes plans and throws them away, `hub`
 * and `up` go on with them.
 */
#ifndef PROGRAM_PLAN_H
#define PROGRAM_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include <longwire/flow.h>
#include <longwire/hub.h>
#include <longwire/settings.h>
#include <longwire/tunnel.h>

#include "base/address.h"
#include "base/settings.h"
#include "config/config.h"
#include "network/network.h"

struct schema_errors;

/* Texts of a list that is put together from several; the texts are borrowed. */
struct plan_texts {
	const char **items;
	size_t n, room;
};

/* settings.dns and settings.proxy as the library wants them. */
struct plan_services {
	struct lw_dns_settings dns;
	struct lw_proxy_settings proxy;
};

struct hub_plan {
	struct lw_hub_options hub; /* but for its flow */
	struct lw_device_options device;
	struct lw_network_settings settings; /* of the hub's interface */
	struct network_settings parsed;
	struct network_gateway gateway;
	bool has_interface, has_gateway;
	struct plan_texts routes; /* to what is behind clients */
	struct ip_prefix *to, *from;
	struct plan_services services; /* offered */
	char ethernet_address[MAC_TEXT_SIZE];
};

struct tunnel_plan {
	struct lw_tunnel_options tunnel;
	struct lw_device_options device;
	struct lw_network_settings settings;
	struct network_settings parsed;
	struct plan_texts addresses;
	struct plan_services services;
	char ethernet_address[MAC_TEXT_SIZE];
};

/* 0; -EINVAL with everything that is wrong appended to errors; -ENOMEM. The plan holds pointers
 * into itself: it must not move. */
int plan_hub(const struct hub_config *config, struct hub_plan *plan, struct schema_errors *errors);
void plan_hub_done(struct hub_plan *plan);
void plan_peer(const struct client_config *client, struct lw_peer_options *ret_options);

int plan_tunnel(const struct tunnel_config *config, struct tunnel_plan *plan,
		struct schema_errors *errors);
void plan_tunnel_done(struct tunnel_plan *plan);

/* config_load, and every error told on the error output. 0 or a negative errno. kind 0: either. */
int plan_load(const char *file, enum config_kind kind, struct config *ret_config);
/* Tell errors, one a line, and empty them. Return: -EINVAL if there were any, else 0. */
int plan_tell(struct schema_errors *errors);

#endif
