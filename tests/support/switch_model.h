/* SPDX-License-Identifier: MIT */
/*
 * A switch without a table, a hash or a batch: lists, walked for each packet. A stream of
 * operations is done to it and to a real switch, and after each of them every counter of every port
 * must agree; aborts where one does not. Shared by the unit test, which feeds it random bytes, and
 * the fuzz target.
 */
#ifndef SUPPORT_SWITCH_MODEL_H
#define SUPPORT_SWITCH_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "switch/vswitch.h"

enum {
	MODEL_PORTS = 6,
	MODEL_MACS = 32,
	MODEL_PREFIXES = 64,
	MODEL_OPERATION = 4,
	MODEL_FRAME_SIZE = 1700,
	MODEL_OWN = MODEL_PORTS, /* a prefix's port: this machine */
	MODEL_NOBODY = -1,
};

/* Numbers of MACs with a meaning; the others are hosts. */
enum { MODEL_MAC_OWN = 24, MODEL_MAC_ZERO, MODEL_MAC_BROADCAST, MODEL_MAC_MULTICAST };

struct model_bucket {
	unsigned __int128 tokens; /* nanoseconds times rate */
	uint64_t last;
};

struct model_port {
	bool is_there, is_device, is_host;
	uint32_t mtu, macs_max, rates[3];
	struct model_bucket buckets[3], icmp;
	uint64_t received, sent, drops[LW_DROP_COUNT];
};

struct model_mac {
	int port; /* MODEL_NOBODY: not known */
	uint64_t seen, moves;
};

struct model_prefix {
	struct ip_prefix prefix;
	int port;
};

struct real_port {
	struct vport port;
	uint64_t outputs, flushes, unflushed;
};

struct model {
	enum lw_layer layer;
	bool is_pipe, has_own_mac;
	enum lw_between between;
	struct model_port ports[MODEL_PORTS];
	struct model_mac macs[MODEL_MACS];
	struct model_prefix prefixes[MODEL_PREFIXES];
	size_t n_prefixes;
	uint64_t now;
	struct real_port real[MODEL_PORTS];
	struct vswitch *vswitch;
};

static inline void model_expect(uint64_t got, uint64_t expected, const char *what, int port)
{
	if (got == expected)
		return;
	fprintf(stderr, "port %d, %s: the switch says %llu, the model %llu\n", port, what,
		(unsigned long long)got, (unsigned long long)expected);
	abort();
}

static inline void model_output(struct vport *port, const struct lw_packet *packet)
{
	struct real_port *real = container_of(port, struct real_port, port);

	model_expect(packet->length > 0, true, "a length", (int)port->lane.index);
	real->outputs++;
	real->unflushed++;
}

static inline void model_flush(struct vport *port)
{
	struct real_port *real = container_of(port, struct real_port, port);

	model_expect(real->unflushed > 0, true, "something to flush", (int)port->lane.index);
	real->flushes++;
	real->unflushed = 0;
}

static const struct vport_ops model_ops = { .output = model_output, .flush = model_flush };

static inline bool model_take(struct model_bucket *bucket, uint32_t rate, uint32_t burst,
			      uint64_t now)
{
	const uint64_t second = 1000000000;
	unsigned __int128 full = (unsigned __int128)second * rate * burst;

	if (now > bucket->last) {
		bucket->tokens += (unsigned __int128)(now - bucket->last) * rate;
		bucket->last = now;
	}
	if (bucket->tokens > full)
		bucket->tokens = full;
	if (bucket->tokens < second)
		return false;
	bucket->tokens -= second;
	return true;
}

static inline struct model_bucket model_full(uint32_t rate, uint32_t burst)
{
	return (struct model_bucket){ .tokens = (unsigned __int128)1000000000 * rate * burst };
}

/* ---- Ports */

static inline bool model_device_is_there(const struct model *m)
{
	for (int i = 0; i < MODEL_PORTS; i++)
		if (m->ports[i].is_there && m->ports[i].is_device)
			return true;
	return false;
}

static inline int model_count_ports(const struct model *m)
{
	int n = 0;

	for (int i = 0; i < MODEL_PORTS; i++)
		n += m->ports[i].is_there;
	return n;
}

static inline void model_add(struct model *m, int i, uint8_t flags, uint8_t limits)
{
	static const uint32_t mtus[] = { 0, 576, 600, 1500 };
	struct model_port *p = &m->ports[i];
	struct vport *v = &m->real[i].port;
	bool may =
		!(i == 0 && model_device_is_there(m)) && !(m->is_pipe && model_count_ports(m) == 2);

	if (p->is_there)
		return;
	p->is_device = i == 0;
	p->is_host = !p->is_device && !(flags & 1);
	p->mtu = mtus[flags >> 1 & 3];
	p->macs_max = 1 + (flags >> 3 & 7);
	for (int k = 0; k < 3; k++) {
		p->rates[k] = 1 + (limits >> 2 * k & 3) * 7;
		p->buckets[k] = model_full(p->rates[k], 2);
	}
	p->icmp = model_full(VSWITCH_ICMP_PER_SECOND, 1);
	p->is_there = may;
	v->ops = &model_ops;
	v->name = "port";
	v->is_device = p->is_device;
	v->mtu = p->mtu;
	v->policy = (struct vport_policy){
		.behind = p->is_host ? LW_BEHIND_HOST : LW_BEHIND_LAN,
		.macs_max = p->macs_max,
		.broadcast_per_second = p->rates[0],
		.multicast_per_second = p->rates[1],
		.unknown_per_second = p->rates[2],
	};
	model_expect(vswitch_add(m->vswitch, v) == 0, may, "a place for it", i);
}

static inline void model_forget_macs(struct model *m, int i)
{
	for (int k = 0; k < MODEL_MACS; k++)
		if (m->macs[k].port == i)
			m->macs[k].port = MODEL_NOBODY;
}

static inline void model_forget_prefixes(struct model *m, int i)
{
	for (size_t k = m->n_prefixes; k-- > 0;)
		if (m->prefixes[k].port == i)
			m->prefixes[k] = m->prefixes[--m->n_prefixes];
}

static inline void model_remove(struct model *m, int i)
{
	vswitch_remove(m->vswitch, &m->real[i].port);
	m->ports[i].is_there = false;
	model_forget_macs(m, i);
	model_forget_prefixes(m, i);
}

static inline uint32_t model_count_macs(const struct model *m, int i)
{
	uint32_t n = 0;

	for (int k = 0; k < MODEL_MACS; k++)
		n += m->macs[k].port == i;
	return n;
}

/* ---- What happens to one packet */

static inline bool model_give(struct model *m, int to, size_t length, size_t room)
{
	struct model_port *p = &m->ports[to];

	if (p->mtu && length > p->mtu + room) {
		p->drops[LW_DROP_TOO_BIG]++;
		return false;
	}
	p->sent++;
	return true;
}

static inline bool model_may_pass(const struct model *m, int a, int b)
{
	return m->between != LW_BETWEEN_ISOLATED || m->ports[a].is_device || m->ports[b].is_device;
}

static inline enum lw_drop model_flood(struct model *m, int from, size_t length)
{
	enum lw_drop reason = LW_DROP_SAME_PORT;
	int n = 0;

	for (int i = 0; i < MODEL_PORTS; i++) {
		if (i == from || !m->ports[i].is_there)
			continue;
		if (!model_may_pass(m, from, i)) {
			reason = LW_DROP_ISOLATED;
			continue;
		}
		model_give(m, i, length, 22);
		n++;
	}
	return n ? LW_DROP_NONE : reason;
}

static inline enum lw_drop model_learn(struct model *m, int from, int mac)
{
	struct model_mac *e = &m->macs[mac];

	if (e->port == from) {
		e->seen = m->now;
		return LW_DROP_NONE;
	}
	if (e->port != MODEL_NOBODY && (m->ports[e->port].is_host || m->ports[from].is_host)) {
		if (m->now - e->seen < VSWITCH_HOLD_SECONDS * 1000000000ULL)
			return LW_DROP_SOURCE_CONFLICT;
	} else if (e->port != MODEL_NOBODY) {
		if (e->moves > m->now + 8000000000ULL)
			return LW_DROP_SOURCE_CONFLICT;
		e->moves = MAX(e->moves, m->now) + 2000000000ULL;
	}
	if (model_count_macs(m, from) == m->ports[from].macs_max)
		return LW_DROP_NONE;
	if (e->port == MODEL_NOBODY)
		e->moves = 0;
	e->port = from;
	e->seen = m->now;
	return LW_DROP_NONE;
}

static inline enum lw_drop model_frame(struct model *m, int from, int source, int target,
				       size_t length, enum lw_drop guarded)
{
	struct model_port *p = &m->ports[from];
	enum lw_drop reason;
	int to;

	if (length < 14)
		return LW_DROP_SHORT;
	if (source >= MODEL_MAC_ZERO && source <= MODEL_MAC_MULTICAST)
		return LW_DROP_SOURCE_MULTICAST;
	if (m->has_own_mac && source == MODEL_MAC_OWN) {
		if (!p->is_device)
			return LW_DROP_SOURCE_OWN;
	} else {
		if (p->is_host && guarded != LW_DROP_NONE)
			return guarded;
		reason = model_learn(m, from, source);
		if (reason != LW_DROP_NONE)
			return reason;
	}
	if (target == MODEL_MAC_BROADCAST)
		return model_take(&p->buckets[0], p->rates[0], 2, m->now)
			       ? model_flood(m, from, length)
			       : LW_DROP_LIMIT_BROADCAST;
	if (target == MODEL_MAC_MULTICAST)
		return model_take(&p->buckets[1], p->rates[1], 2, m->now)
			       ? model_flood(m, from, length)
			       : LW_DROP_LIMIT_MULTICAST;
	to = m->macs[target].port;
	if (to == MODEL_NOBODY && target == MODEL_MAC_OWN && m->has_own_mac && m->ports[0].is_there)
		to = 0;
	if (to == MODEL_NOBODY)
		return model_take(&p->buckets[2], p->rates[2], 2, m->now)
			       ? model_flood(m, from, length)
			       : LW_DROP_LIMIT_UNKNOWN;
	if (to == from)
		return LW_DROP_SAME_PORT;
	if (!model_may_pass(m, from, to))
		return LW_DROP_ISOLATED;
	model_give(m, to, length, 22);
	return LW_DROP_NONE;
}

static inline int model_lookup(const struct model *m, const struct ip_address *address)
{
	int port = MODEL_NOBODY, longest = -1;

	for (size_t i = 0; i < m->n_prefixes; i++) {
		const struct model_prefix *p = &m->prefixes[i];

		if (!ip_prefix_contains(&p->prefix, address) || p->prefix.length <= longest)
			continue;
		longest = p->prefix.length;
		port = p->port;
	}
	return port;
}

static inline void model_answer(struct model *m, int from)
{
	if (model_take(&m->ports[from].icmp, VSWITCH_ICMP_PER_SECOND, 1, m->now))
		m->ports[from].sent++;
}

static inline void model_ip_output(struct model *m, int from, int to, size_t length)
{
	if (!model_give(m, to, length, 0))
		model_answer(m, from);
}

static inline enum lw_drop model_route(struct model *m, int from, int to, size_t length)
{
	bool is_device = m->ports[from].is_device;
	int device = m->ports[0].is_there ? 0 : MODEL_NOBODY;

	if (to == MODEL_OWN || (to == MODEL_NOBODY && !is_device))
		to = device;
	if (to == MODEL_NOBODY) {
		model_answer(m, from);
		return LW_DROP_NO_ROUTE;
	}
	if (to == from)
		return LW_DROP_SAME_PORT;
	if (!is_device && to != 0 && m->between == LW_BETWEEN_ISOLATED)
		return LW_DROP_ISOLATED;
	if (!is_device && to != 0 && m->between == LW_BETWEEN_KERNEL) {
		if (device == MODEL_NOBODY) {
			model_answer(m, from);
			return LW_DROP_NO_ROUTE;
		}
		to = device;
	}
	model_ip_output(m, from, to, length);
	return LW_DROP_NONE;
}

static inline int model_other(const struct model *m, int from)
{
	for (int i = 0; i < MODEL_PORTS; i++)
		if (i != from && m->ports[i].is_there)
			return i;
	return MODEL_NOBODY;
}

static inline bool model_is_ours(const struct model *m, const struct ip_address *address)
{
	bool is_any = false;
	int port = model_lookup(m, address);

	for (size_t i = 0; i < m->n_prefixes; i++)
		is_any |= m->prefixes[i].port == 0;
	return !is_any || port == 0 || (port == MODEL_OWN && m->ports[0].is_there);
}

static inline enum lw_drop model_packet(struct model *m, int from, const struct ip_prefix *source,
					const struct ip_prefix *target, bool is_group,
					size_t length)
{
	bool is_device = m->ports[from].is_device;
	int to;

	if (m->is_pipe) {
		if (!model_is_ours(m, is_device ? &source->address : &target->address))
			return is_device ? LW_DROP_SOURCE_ADDRESS : LW_DROP_DESTINATION_ADDRESS;
		if (is_group)
			return LW_DROP_NO_ROUTE;
		to = model_other(m, from);
		if (to == MODEL_NOBODY)
			return LW_DROP_PORT_DOWN;
		model_ip_output(m, from, to, length);
		return LW_DROP_NONE;
	}
	if (!is_device && model_lookup(m, &source->address) != from)
		return LW_DROP_SOURCE_ADDRESS;
	if (is_group)
		return LW_DROP_NO_ROUTE;
	return model_route(m, from, model_lookup(m, &target->address), length);
}

/* ---- Packets */

static inline void model_put_mac(uint8_t *p, int number)
{
	memset(p, 0, 6);
	if (number == MODEL_MAC_BROADCAST)
		memset(p, 0xff, 6);
	else if (number == MODEL_MAC_MULTICAST)
		p[0] = 1;
	else if (number != MODEL_MAC_ZERO)
		p[0] = 2;
	if (number != MODEL_MAC_ZERO && number != MODEL_MAC_BROADCAST)
		p[5] = (uint8_t)number;
}

struct model_kind {
	size_t length;
	enum lw_drop guarded;
};

static inline struct model_kind model_build_frame(uint8_t *p, int source, int target, unsigned kind)
{
	static const size_t lengths[] = { 0, 13, 14, 60, 598, 599, 622, 623 };

	model_put_mac(p, target);
	model_put_mac(p + 6, source);
	if (kind < 8) {
		store_be16(p + 12, 0x88b5);
		return (struct model_kind){ lengths[kind], LW_DROP_NONE };
	}
	if (kind == 8 || kind == 9) {
		store_be16(p + 12, 0x0800);
		p[14] = 0x45;
		p[23] = 17;
		store_be16(p + 34, kind == 8 ? 67 : 68);
		store_be16(p + 36, kind == 8 ? 68 : 67);
		return (struct model_kind){ 64, kind == 8 ? LW_DROP_GUARD_DHCP : LW_DROP_NONE };
	}
	if (kind == 10 || kind == 11) {
		store_be16(p + 12, 0x8100);
		store_be16(p + 16, 0x86dd);
		p[18] = 0x60;
		p[24] = 58;
		p[58] = kind == 10 ? 134 : 135;
		return (struct model_kind){ 80, kind == 10 ? LW_DROP_GUARD_RA : LW_DROP_NONE };
	}
	if (kind == 12) {
		store_be16(p + 12, 38);
		p[14] = p[15] = 0x42;
		return (struct model_kind){ 60, LW_DROP_GUARD_BPDU };
	}
	store_be16(p + 12, 0x0806);
	return (struct model_kind){ 60, LW_DROP_NONE };
}

/* 10.0.0.number or fd00::number; 255 as a target is a group. */
static inline struct ip_prefix model_address(bool is_ipv6, uint8_t number)
{
	struct ip_prefix p = { .address.family = is_ipv6 ? AF_INET6 : AF_INET };

	p.length = is_ipv6 ? 128 : 32;
	p.address.bytes[0] = is_ipv6 ? 0xfd : 10;
	p.address.bytes[is_ipv6 ? 15 : 3] = number;
	return p;
}

static inline void model_send(struct model *m, int from, const uint8_t *data, size_t length,
			      unsigned n)
{
	struct lw_packet packets[4];

	for (unsigned i = 0; i < n; i++)
		packets[i] =
			(struct lw_packet){ .data = data, .length = length, .layer = m->layer };
	vswitch_input(m->vswitch, &m->real[from].port, packets, n, m->now);
}

static inline void model_send_frame(struct model *m, const uint8_t *op)
{
	int from = op[1] % MODEL_PORTS, source = op[2] % MODEL_MACS, target = op[3] % MODEL_MACS;
	uint8_t data[MODEL_FRAME_SIZE] = { 0 };
	unsigned n = 1 + (op[0] >> 6);
	struct model_kind kind;

	if (!m->ports[from].is_there)
		return;
	kind = model_build_frame(data, source, target, (op[3] >> 5) | (op[2] >> 7) << 3);
	for (unsigned i = 0; i < n; i++) {
		enum lw_drop reason;

		m->ports[from].received++;
		if (!m->is_pipe) {
			reason = model_frame(m, from, source, target, kind.length, kind.guarded);
		} else if (kind.length < 14) {
			reason = LW_DROP_SHORT;
		} else if (model_other(m, from) == MODEL_NOBODY) {
			reason = LW_DROP_PORT_DOWN;
		} else {
			reason = LW_DROP_NONE;
			model_give(m, model_other(m, from), kind.length, 22);
		}
		if (reason != LW_DROP_NONE)
			m->ports[from].drops[reason]++;
	}
	model_send(m, from, data, kind.length, n);
}

/* Half of the sources are such as the port may have, so that more than the source check is seen. */
static inline struct ip_prefix model_source(const struct model *m, int from, const uint8_t *op)
{
	bool is_ipv6 = op[1] & 0x80;
	int family = is_ipv6 ? AF_INET6 : AF_INET;

	for (size_t i = 0; op[0] & 0x20 && i < m->n_prefixes; i++)
		if (m->prefixes[i].port == from && m->prefixes[i].prefix.address.family == family)
			return m->prefixes[i].prefix;
	return model_address(is_ipv6, op[2]);
}

static inline void model_send_packet(struct model *m, const uint8_t *op)
{
	static const size_t lengths[] = { 19, 40, 39, 300, 576, 577, 600, 601 };
	int from = op[1] % MODEL_PORTS;
	bool is_ipv6 = op[1] & 0x80, is_group = op[3] == 255;
	struct ip_prefix source = model_source(m, from, op);
	struct ip_prefix target = model_address(is_ipv6, op[3]);
	uint8_t data[MODEL_FRAME_SIZE] = { is_ipv6 ? 0x60 : 0x45 };
	size_t length = lengths[op[1] >> 3 & 7];
	unsigned n = 1 + (op[0] >> 6);
	bool is_short = length < (is_ipv6 ? 40 : 20);

	if (!m->ports[from].is_there)
		return;
	if (is_group)
		target.address.bytes[0] = is_ipv6 ? 0xff : 239;
	store_be16(data + (is_ipv6 ? 4 : 2), (uint16_t)(is_ipv6 ? length - 40 : length));
	data[is_ipv6 ? 6 : 9] = 17;
	memcpy(data + (is_ipv6 ? 8 : 12), source.address.bytes, is_ipv6 ? 16 : 4);
	memcpy(data + (is_ipv6 ? 24 : 16), target.address.bytes, is_ipv6 ? 16 : 4);
	for (unsigned i = 0; i < n; i++) {
		enum lw_drop reason = LW_DROP_SHORT;

		m->ports[from].received++;
		if (!is_short)
			reason = model_packet(m, from, &source, &target, is_group, length);
		if (reason != LW_DROP_NONE)
			m->ports[from].drops[reason]++;
	}
	model_send(m, from, data, length, n);
}

/* ---- Operations */

static inline void model_add_prefix(struct model *m, const uint8_t *op)
{
	struct ip_prefix prefix = model_address(op[1] & 0x80, op[2]);
	int port = op[1] % (MODEL_PORTS + 1), expected = 0, r;

	if (port != MODEL_OWN && !m->ports[port].is_there)
		return;
	if (port != MODEL_OWN)
		prefix.length = (uint8_t)(prefix.length - op[3] % 9);
	for (size_t i = 0; i < m->n_prefixes; i++)
		if (m->prefixes[i].prefix.length == prefix.length &&
		    ip_prefix_contains(&prefix, &m->prefixes[i].prefix.address))
			expected = m->prefixes[i].port == port ? 1 : -1;
	if (expected == 0 && m->n_prefixes == MODEL_PREFIXES)
		return;
	if (port == MODEL_OWN)
		r = vswitch_add_own_address(m->vswitch, &prefix.address);
	else
		r = vswitch_add_prefix(m->vswitch, &m->real[port].port, &prefix);
	model_expect(r == 0, expected >= 0, "a place for the prefix", port);
	if (expected == 0)
		m->prefixes[m->n_prefixes++] = (struct model_prefix){ prefix, port };
}

static inline void model_change_address(struct model *m, const uint8_t *op)
{
	int port = op[1] % MODEL_PORTS;

	if (m->layer == LW_LAYER_IP && (op[1] & 0x78) == 0) {
		vswitch_clear_prefixes(m->vswitch, &m->real[port].port);
		model_forget_prefixes(m, port);
	} else if (m->layer == LW_LAYER_IP) {
		model_add_prefix(m, op);
	} else if (op[1] == 1) {
		/* Made ours before anybody is heard with it, as an owner does. */
		uint8_t own[6];

		if (m->macs[MODEL_MAC_OWN].port != MODEL_NOBODY || m->has_own_mac)
			return;
		model_put_mac(own, MODEL_MAC_OWN);
		model_expect((uint64_t)vswitch_add_own_mac(m->vswitch, (struct mac_address *)own),
			     0, "own MAC", 0);
		m->has_own_mac = true;
	}
}

static inline void model_age(struct model *m)
{
	for (int i = 0; i < MODEL_MACS; i++)
		if (m->macs[i].port != MODEL_NOBODY &&
		    m->now - m->macs[i].seen >= VSWITCH_AGE_SECONDS * 1000000000ULL)
			m->macs[i].port = MODEL_NOBODY;
	vswitch_age(m->vswitch, m->now);
}

static inline void model_compare(const struct model *m)
{
	uint32_t macs = 0;

	for (int i = 0; i < MODEL_PORTS; i++) {
		const struct vport *v = &m->real[i].port;
		uint32_t learned = model_count_macs(m, i);

		model_expect(v->lane.received_packets, m->ports[i].received, "received", i);
		model_expect(v->lane.sent_packets, m->ports[i].sent, "sent", i);
		model_expect(m->real[i].outputs, m->ports[i].sent, "outputs", i);
		model_expect(m->real[i].unflushed, 0, "unflushed", i);
		model_expect(v->macs, learned, "MACs", i);
		for (int k = 0; k < LW_DROP_COUNT; k++)
			model_expect(v->lane.drops[k], m->ports[i].drops[k],
				     lw_drop_name((enum lw_drop)k), i);
		macs += learned;
	}
	model_expect(vswitch_macs(m->vswitch), macs, "MACs", MODEL_NOBODY);
}

static inline void model_step(struct model *m, const uint8_t *op)
{
	int port = op[1] % MODEL_PORTS;

	switch (op[0] & 15) {
	case 10:
		m->now += op[1] & 0x80 ? (op[2] % 32) * 1000000000ULL : op[2] * 1000000ULL;
		break;
	case 11:
		model_age(m);
		break;
	case 12:
		vswitch_flush_port(m->vswitch, &m->real[port].port);
		model_forget_macs(m, port);
		break;
	case 13:
		if (op[2] < 32)
			model_remove(m, port);
		break;
	case 14:
		model_add(m, port, op[2], op[3]);
		break;
	case 15:
		model_change_address(m, op);
		break;
	default:
		if (m->layer == LW_LAYER_IP)
			model_send_packet(m, op);
		else
			model_send_frame(m, op);
	}
	model_compare(m);
}

/* The first byte says what kind of switch it is; then operations of four bytes each. */
static inline void model_run(const uint8_t *data, size_t size)
{
	static struct model m;
	struct vswitch_options options = { .layer = LW_LAYER_ETHERNET };

	if (size < 1)
		return;
	options.layer = data[0] & 1 ? LW_LAYER_IP : LW_LAYER_ETHERNET;
	options.is_pipe = (data[0] & 6) == 6;
	options.between = (enum lw_between)(1 + (data[0] >> 3) % (data[0] & 1 ? 3 : 2));
	memset(&m, 0, sizeof(m));
	m.layer = options.layer;
	m.is_pipe = options.is_pipe;
	m.between = options.between;
	m.now = 1000000000ULL * (data[0] >> 5);
	for (int i = 0; i < MODEL_MACS; i++)
		m.macs[i].port = MODEL_NOBODY;
	if (vswitch_new(&options, &m.vswitch) < 0)
		return;
	for (int i = 0; i < MODEL_PORTS; i++)
		model_add(&m, i, (uint8_t)(0xc6 + i * 9), 0xff);
	for (size_t i = 1; i + MODEL_OPERATION <= size; i += MODEL_OPERATION)
		model_step(&m, data + i);
	for (int i = 0; i < MODEL_PORTS; i++)
		model_remove(&m, i);
	vswitch_free(m.vswitch);
}

#endif
