/* SPDX-License-Identifier: MIT */
/* From plans and facts to changes, and from changes to steps: nothing here touches the machine. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/memory.h"
#include "base/settings.h"
#include "network/guard.h"
#include "network/network.h"
#include "network/nftables.h"
#include "network/plan.h"

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix result;

	assert_int_equal(ip_prefix_parse(text, &result), 0);
	return result;
}

static struct facts tap_facts(void)
{
	struct facts facts = {
		.has_ipv6 = true, .accept_ra = "1", .ip4_forward = "0", .ip6_forward = "0"
	};

	facts.link = (struct link){ .index = 7,
				    .name = "lw0",
				    .kind = "tun",
				    .mac = { 2, 0, 0, 0, 0, 7 },
				    .type = ARPHRD_ETHER,
				    .mtu = 1500,
				    .queue_length = 1000,
				    .mtu_min = 68,
				    .mtu_max = 65521 };
	return facts;
}

static struct network_plan tap_plan(const struct network_settings *settings)
{
	return (struct network_plan){ .layer = LW_LAYER_ETHERNET,
				      .settings = settings,
				      .up = true };
}

static struct changes build(const struct network_plan *plan, const struct facts *facts)
{
	struct lw_error error = { 0 };
	struct changes changes = { 0 };

	if (plan_build("lw0", plan, facts, &changes, &error) < 0)
		fail_msg("%s", error.text);
	return changes;
}

/* The kinds of a list in order, as letters; found ones are small. */
static const char *kinds(const struct changes *changes, char text[64])
{
	static const char letters[] = "?MQGAJUIRFDPS";

	for (size_t i = 0; i < changes->n; i++) {
		char letter = letters[changes->items[i].kind];

		text[i] = changes->items[i].is_found ? (char)(letter | 0x20) : letter;
	}
	text[changes->n] = '\0';
	return text;
}

/* ---- Lists */

static void build__nothing_but_up__is_quiet_and_up(void **state)
{
	struct facts facts = tap_facts();
	struct network_plan plan = tap_plan(NULL);
	struct changes changes = build(&plan, &facts);
	char text[64];

	(void)state;
	assert_string_equal(kinds(&changes, text), "qGSU");
	assert_string_equal(changes.items[2].path, "net/ipv6/conf/lw0/accept_ra");
	changes_done(&changes);
	plan.up = false;
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "qGS");
	changes_done(&changes);
	plan.up = true;
	facts.is_ipv6_disabled = true;
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "qGU");
	changes_done(&changes);
	facts.has_ipv6 = false;
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "qU");
	changes_done(&changes);
}

static void build__administrators_device__is_not_touched(void **state)
{
	struct facts facts = tap_facts();
	struct network_plan plan = tap_plan(NULL);
	struct changes changes;
	char text[64];

	(void)state;
	plan.is_persistent = true;
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "GSU");
	changes_done(&changes);
	facts.link.flags = IFF_UP;
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "u");
	changes_done(&changes);
}

static void build__bridge__mac_and_mtu_come_before_joining_and_that_before_up(void **state)
{
	struct network_settings settings = { .bridge = "br0", .mtu = 1400 };
	struct facts facts = tap_facts();
	struct network_plan plan = tap_plan(&settings);
	struct changes changes;
	char text[64];

	(void)state;
	facts.has_bridge = true;
	facts.bridge = (struct link){ .index = 3, .mtu = 1480, .kind = "bridge" };
	facts.port_mac[0] = 0xfe;
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "MqGAJU");
	assert_int_equal(changes.items[0].value.number, 1480);
	assert_int_equal(changes.items[0].before.number, 1500);
	assert_int_equal(changes.items[4].value.number, 3);
	changes_done(&changes);
}

static void expect_rule(const struct change *change, uint32_t priority, bool is_own, int suppress)
{
	const struct rule *rule = &change->value.rule;

	assert_int_equal(change->kind, CHANGE_RULE);
	assert_int_equal(rule->priority, priority);
	assert_int_equal(rule->table, is_own ? 0x6c000007 : 0);
	assert_int_equal(rule->not_mark, is_own ? 0x6c770000 : 0x6c000007);
	assert_int_equal(rule->suppress, suppress);
	assert_int_equal(rule->protocol, 0x6c);
	assert_int_equal(routing_owner(rule), 7);
}

static void build__routes__in_their_table_before_the_rules_that_lead_there(void **state)
{
	struct ip_prefix addresses[] = { prefix("10.86.0.2/24") };
	struct ip_prefix included[] = { prefix("10.0.0.0/8"), prefix("10.86.0.0/24"),
					prefix("10.1.0.0/16") };
	struct ip_prefix excluded[] = { prefix("10.9.0.0/16"), prefix("172.16.0.0/12") };
	struct network_settings settings = { .addresses = addresses,
					     .n_addresses = 1,
					     .included_routes = included,
					     .n_included_routes = 3,
					     .excluded_routes = excluded,
					     .n_excluded_routes = 2 };
	struct network_routing routing = { 0 };
	struct facts facts = tap_facts();
	struct network_plan plan = tap_plan(&settings);
	struct changes changes;
	char text[64];

	(void)state;
	/* A hub: 10.9.0.0/16 thrown, then what is included and not connected; not what nobody
	 * includes. */
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "qGSUIRRRPPPP");
	assert_int_equal(changes.items[5].value.route.type, RTN_THROW);
	assert_int_equal(changes.items[5].value.route.table, 0x6c000007);
	assert_int_equal(changes.items[6].value.route.index, 7);
	assert_int_equal(changes.items[6].value.route.protocol, 0x6c);
	expect_rule(&changes.items[8], 20300 + 2 * 112, false, 15);
	expect_rule(&changes.items[9], 20301 + 2 * 112, true, 15);
	expect_rule(&changes.items[10], 20300 + 2 * 120, false, 7);
	expect_rule(&changes.items[11], 20301 + 2 * 120, true, 7);
	changes_done(&changes);
	/* A client: the guard before its addresses. */
	plan.routing = &routing;
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "qGSUDIRRRPPPP");
	changes_done(&changes);
	/* Enforced: the tunnel's own network too, and only our table. */
	routing.enforce = true;
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "qGSUDIRRRRPPP");
	expect_rule(&changes.items[10], 20100 + 104, true, 23);
	expect_rule(&changes.items[12], 20100 + 120, true, 7);
	changes_done(&changes);
	/* Everything: two defaults more, the IPv6 one unreachable. */
	routing.include_all = true;
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "qGSUDIRRRRRRRPPPPP");
	assert_int_equal(changes.items[12].value.route.type, RTN_UNREACHABLE);
	expect_rule(&changes.items[16], 20100 + 128, true, -1);
	changes_done(&changes);
	/* Down there are neither. */
	plan.up = false;
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "qGS");
	changes_done(&changes);
}

static void local__routes__are_private_and_connected(void **state)
{
	static const struct {
		const char *destination;
		uint8_t type, protocol;
		bool has_via, is_local;
	} rows[] = {
		{ "192.168.7.0/24", RTN_UNICAST, RTPROT_KERNEL, false, true },
		{ "10.0.0.0/8", RTN_UNICAST, RTPROT_KERNEL, false, true },
		{ "fd12::/64", RTN_UNICAST, RTPROT_KERNEL, false, true },
		{ "fe80::/64", RTN_UNICAST, RTPROT_KERNEL, false, true },
		{ "192.0.2.0/24", RTN_UNICAST, RTPROT_KERNEL, false, false },
		{ "0.0.0.0/0", RTN_UNICAST, RTPROT_KERNEL, false, false },
		{ "10.0.0.0/7", RTN_UNICAST, RTPROT_KERNEL, false, false },
		{ "2001:db8::/64", RTN_UNICAST, RTPROT_KERNEL, false, false },
		{ "192.168.7.0/24", RTN_UNICAST, RTPROT_DHCP, false, false },
		{ "192.168.7.0/24", RTN_UNICAST, RTPROT_KERNEL, true, false },
		{ "192.168.7.0/24", RTN_UNREACHABLE, RTPROT_KERNEL, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct route route = { .destination = prefix(rows[i].destination),
				       .type = rows[i].type,
				       .protocol = rows[i].protocol,
				       .via.family = rows[i].has_via ? AF_INET : 0 };

		assert_int_equal(routing_is_local(&route), rows[i].is_local);
		route.table = 0x6c000007;
		assert_false(routing_is_local(&route));
	}
}

static void build__gateway__firewall_before_forwarding(void **state)
{
	struct ip_prefix to[] = { prefix("10.0.0.0/8"), prefix("fd00::/8") };
	struct ip_prefix from[] = { prefix("10.86.0.1/24"), prefix("fd86::1/64") };
	struct network_gateway gateway = { .to = to, .n_to = 2, .from = from, .n_from = 2 };
	struct facts facts = tap_facts();
	struct network_plan plan = tap_plan(NULL);
	struct changes changes;
	char text[64];

	(void)state;
	plan.gateway = &gateway;
	facts.n_listeners = 1;
	snprintf(facts.listeners[0], IFNAMSIZ, "e0");
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "qGSUFSSS");
	assert_string_equal(changes.items[5].path, "net/ipv4/ip_forward");
	assert_string_equal(changes.items[6].path, "net/ipv6/conf/e0/accept_ra");
	assert_string_equal(changes.items[6].value.text, "2");
	assert_string_equal(changes.items[7].path, "net/ipv6/conf/all/forwarding");
	changes_done(&changes);
	gateway.n_to = 1;
	memcpy(facts.ip4_forward, "1", 2);
	changes = build(&plan, &facts);
	assert_string_equal(kinds(&changes, text), "qGSUFs");
	changes_done(&changes);
}

/* ---- Firewall */

static void script__gateway__says_exactly_this(void **state)
{
	struct ip_prefix to[] = { prefix("10.0.0.0/8"), prefix("fd00::/8"),
				  prefix("192.0.2.0/24") };
	struct ip_prefix from[] = { prefix("10.86.0.1/24") };
	struct network_gateway gateway = {
		.to = to, .n_to = 3, .from = from, .n_from = 1, .masquerade = true
	};
	char *script;

	(void)state;
	assert_int_equal(nftables_script("lw0", &gateway, &script), 0);
	assert_string_equal(
		script,
		"add table inet longwire_lw0\n"
		"delete table inet longwire_lw0\n"
		"table inet longwire_lw0 {\n"
		"\tchain forward {\n"
		"\t\ttype filter hook forward priority filter; policy accept;\n"
		"\t\toifname \"lw0\" ct state established,related accept\n"
		"\t\tiifname \"lw0\" oifname \"lw0\" ip daddr { 10.86.0.0/24 } accept\n"
		"\t\tiifname \"lw0\" ip saddr { 10.86.0.0/24 } ip daddr { 10.0.0.0/8, 192.0.2.0/24 } accept\n"
		"\t\toifname \"lw0\" ip daddr { 10.86.0.0/24 } ip saddr { 10.0.0.0/8, 192.0.2.0/24 } accept\n"
		"\t\tiifname \"lw0\" counter reject with icmpx admin-prohibited\n"
		"\t\toifname \"lw0\" counter reject with icmpx admin-prohibited\n"
		"\t}\n"
		"\tchain postrouting {\n"
		"\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
		"\t\toifname != \"lw0\" ip saddr { 10.86.0.0/24 } ip daddr { 10.0.0.0/8, 192.0.2.0/24 } "
		"masquerade\n"
		"\t}\n"
		"}\n");
	free(script);
	assert_true(nftables_has_family(&gateway, AF_INET));
	assert_false(nftables_has_family(&gateway, AF_INET6));
}

static void script__guard__says_exactly_this(void **state)
{
	struct ip_prefix addresses[] = { prefix("10.86.0.2/24"), prefix("fd86::2/64") };
	char *script;

	(void)state;
	assert_int_equal(guard_script("lw0", addresses, 2, true, &script), 0);
	assert_string_equal(
		script,
		"add table inet longwire_guard_lw0\n"
		"delete table inet longwire_guard_lw0\n"
		"add table arp longwire_guard_lw0\n"
		"delete table arp longwire_guard_lw0\n"
		"table inet longwire_guard_lw0 {\n"
		"\tchain prerouting {\n"
		"\t\ttype filter hook prerouting priority raw; policy accept;\n"
		"\t\tiifname != \"lw0\" ip daddr 10.86.0.2 fib saddr type != local counter drop\n"
		"\t\tiifname != \"lw0\" ip6 daddr fd86::2 fib saddr type != local counter drop\n"
		"\t}\n"
		"\tchain restore {\n"
		"\t\ttype filter hook prerouting priority mangle; policy accept;\n"
		"\t\tct mark 0x6c770000 meta mark set ct mark\n"
		"\t}\n"
		"\tchain save {\n"
		"\t\ttype filter hook postrouting priority mangle; policy accept;\n"
		"\t\tmeta mark 0x6c770000 ct mark set meta mark\n"
		"\t}\n"
		"}\n"
		"table arp longwire_guard_lw0 {\n"
		"\tchain input {\n"
		"\t\ttype filter hook input priority filter; policy accept;\n"
		"\t\tiifname != \"lw0\" arp operation request arp daddr ip 10.86.0.2 drop\n"
		"\t}\n"
		"}\n");
	free(script);
}

/* ---- Differences */

static void add(struct changes *changes, enum change_kind kind, uint32_t number)
{
	struct change change = { .kind = kind };

	change.value.number = number;
	assert_int_equal(changes_append(changes, &change), 0);
}

static void add_address(struct changes *changes, const char *text)
{
	struct change change = { .kind = CHANGE_ADDRESS, .value.address = prefix(text) };

	assert_int_equal(changes_append(changes, &change), 0);
}

static void diff__equal_lists__are_no_steps(void **state)
{
	struct changes a = { 0 }, b = { 0 };
	struct step steps[8];

	(void)state;
	assert_int_equal(change_diff(&a, &b, steps), 0);
	add(&a, CHANGE_MTU, 1400);
	add_address(&a, "10.86.0.2/24");
	add(&b, CHANGE_MTU, 1400);
	add_address(&b, "10.86.0.2/24");
	assert_int_equal(change_diff(&a, &b, steps), 0);
	changes_done(&a);
	changes_done(&b);
}

static void diff__lists__revert_backwards_then_make_forwards(void **state)
{
	struct changes a = { 0 }, b = { 0 };
	struct step steps[8];

	(void)state;
	add(&a, CHANGE_MTU, 1400);
	add(&a, CHANGE_UP, 1);
	add_address(&a, "10.86.0.2/24");
	add_address(&a, "10.86.0.3/24");
	add_address(&a, "10.86.0.4/24");
	add(&b, CHANGE_MTU, 1300);
	add(&b, CHANGE_UP, 1);
	add_address(&b, "10.86.0.4/24");
	add_address(&b, "10.86.0.3/25");
	assert_int_equal(change_diff(&a, &b, steps), 4);
	assert_ptr_equal(steps[0].old, &a.items[3]);
	assert_null(steps[0].next);
	assert_ptr_equal(steps[1].old, &a.items[2]);
	assert_ptr_equal(steps[2].old, &a.items[0]);
	assert_ptr_equal(steps[2].next, &b.items[0]);
	assert_null(steps[3].old);
	assert_ptr_equal(steps[3].next, &b.items[3]);
	changes_done(&a);
	changes_done(&b);
}

static void diff__routes_and_rules__go_when_others_are_there(void **state)
{
	struct changes a = { 0 }, b = { 0 };
	struct change route = { .kind = CHANGE_ROUTE }, rule = { .kind = CHANGE_RULE };
	struct step steps[8];

	(void)state;
	route.value.route.destination = prefix("10.0.0.0/8");
	rule.value.rule.priority = 20100;
	add(&a, CHANGE_MTU, 1400);
	assert_int_equal(changes_append(&a, &route), 0);
	assert_int_equal(changes_append(&a, &rule), 0);
	route.value.route.table = 0x6c000007;
	rule.value.rule.priority = 20101;
	assert_int_equal(changes_append(&b, &route), 0);
	assert_int_equal(changes_append(&b, &rule), 0);
	assert_int_equal(change_diff(&a, &b, steps), 5);
	assert_ptr_equal(steps[0].old, &a.items[0]);
	assert_ptr_equal(steps[1].next, &b.items[0]);
	assert_ptr_equal(steps[2].next, &b.items[1]);
	assert_ptr_equal(steps[3].old, &a.items[2]);
	assert_ptr_equal(steps[4].old, &a.items[1]);
	changes_done(&a);
	changes_done(&b);
}

static void changes__many__are_bounded(void **state)
{
	struct changes changes = { 0 };
	struct change change = { .kind = CHANGE_MTU };

	(void)state;
	for (size_t i = 0; i < CHANGES_MAX; i++)
		assert_int_equal(changes_append(&changes, &change), 0);
	assert_int_equal(changes_append(&changes, &change), -E2BIG);
	changes_done(&changes);
	assert_int_equal(changes.n, 0);
}

static void gone__results__are_those_of_what_is_no_more(void **state)
{
	static const int gone[] = { ENODEV, ENOENT, ESRCH, ENXIO, EADDRNOTAVAIL };
	static const int others[] = { 0, EPERM, EINVAL, EBUSY, EEXIST, EOPNOTSUPP };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		assert_true(change_is_gone(-gone[i]));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(change_is_gone(-others[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(build__nothing_but_up__is_quiet_and_up),
		cmocka_unit_test(build__administrators_device__is_not_touched),
		cmocka_unit_test(build__bridge__mac_and_mtu_come_before_joining_and_that_before_up),
		cmocka_unit_test(build__routes__in_their_table_before_the_rules_that_lead_there),
		cmocka_unit_test(local__routes__are_private_and_connected),
		cmocka_unit_test(build__gateway__firewall_before_forwarding),
		cmocka_unit_test(script__gateway__says_exactly_this),
		cmocka_unit_test(script__guard__says_exactly_this),
		cmocka_unit_test(diff__equal_lists__are_no_steps),
		cmocka_unit_test(diff__lists__revert_backwards_then_make_forwards),
		cmocka_unit_test(diff__routes_and_rules__go_when_others_are_there),
		cmocka_unit_test(changes__many__are_bounded),
		cmocka_unit_test(gone__results__are_those_of_what_is_no_more),
	};

	return cmocka_run_group_tests_name("network/plan", tests, NULL, NULL);
}
