/* SPDX-License-Identifier: MIT */
/*
 * longwire doctor: what on this machine keeps a hub or a tunnel from working, and the command that
 * mends it.
 *
 * Theory of operation. Looking and judging are apart. To look is to fill plain facts from the kernel,
 * files and, for a client's file, the hub itself (doctor_look.c, doctor_reach.c); nothing is changed
 * and no identity is shown to anybody: the hub is asked by a handshake that this side breaks off as
 * soon as it has seen the hub's key. To judge is to turn facts into findings, by functions without any
 * other input (doctor_judge.c). A finding is a fault, which makes the exit status 1, or a remark,
 * which does not; each has a sentence and, where there is one, a command.
 */
#ifndef PROGRAM_DOCTOR_H
#define PROGRAM_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/api.h>

enum { DOCTOR_FINDINGS_MAX = 64, DOCTOR_TEXT = 400, DOCTOR_PINS_MAX = 8, DOCTOR_PIN_SIZE = 64 };

struct finding {
	bool is_fault; /* else a remark */
	const char *topic;
	char text[DOCTOR_TEXT];
	char mend[DOCTOR_TEXT]; /* a command; empty: none */
};

/* More than fit are counted only. */
struct findings {
	struct finding items[DOCTOR_FINDINGS_MAX];
	size_t n, faults;
};

void doctor_find(struct findings *findings, bool is_fault, const char *topic, const char *mend,
		 const char *format, ...) LW_PRINTF(5, 6);

/* /dev/net/tun. */
struct doctor_device {
	int error;         /* errno of opening it; 0: open */
	unsigned features; /* IFF_… of TUNGETFEATURES */
	bool may_make;     /* CAP_NET_ADMIN is there: the rest is known */
	int make_error;    /* of making an interface */
	bool has_tso, has_uso;
};
void doctor_judge_device(const struct doctor_device *facts, struct findings *findings);

struct doctor_machine {
	int64_t now;           /* wall clock, seconds */
	bool is_synchronised;  /* the kernel's clock */
	uint64_t files_max;    /* RLIMIT_NOFILE */
	uint64_t files_needed; /* for what is configured */
	bool has_aes;          /* instructions of the processor */
	const char *backend;   /* of ciphers */
	bool is_x86;
};
void doctor_judge_machine(const struct doctor_machine *facts, struct findings *findings);

/* The bridge that the interface is to join. */
struct doctor_bridge {
	const char *name, *interface;
	bool is_there, is_bridge, is_up, has_stp, filters_vlans;
	bool has_fixed_mac;
	unsigned forward_delay; /* seconds, with spanning tree */
	uint32_t mtu, network_mtu;
	unsigned ports; /* others than the interface */
};
void doctor_judge_bridge(const struct doctor_bridge *facts, struct findings *findings);

/* Another port of it. */
struct doctor_bridge_port {
	const char *name, *bridge;
	bool is_up, has_carrier, is_wireless, has_lro;
	uint32_t mtu, bridge_mtu;
};
void doctor_judge_bridge_port(const struct doctor_bridge_port *facts, struct findings *findings);

/* Does a frame from a foreign MAC address come through? By ARP requests for the gateway. */
struct doctor_macs {
	const char *port, *gateway;
	bool own_is_answered, foreign_is_answered;
};
void doctor_judge_macs(const struct doctor_macs *facts, struct findings *findings);

/* Programs that manage interfaces by themselves. */
struct doctor_managers {
	const char *interface;
	bool has_network_manager,
		is_unmanaged;    /* NetworkManager runs; a file of it leaves ours alone */
	char networkd_file[200]; /* whose [Match] takes our interface; empty: none */
};
void doctor_judge_managers(const struct doctor_managers *facts, struct findings *findings);

/* Where a client's file says that its hub is. */
struct doctor_hub {
	const char *address;
	const char *resolve_error;         /* NULL: it was resolved */
	int connect_error;                 /* errno; 0: connected */
	bool speaks_tls;                   /* it showed a certificate */
	char shown_pin[DOCTOR_PIN_SIZE];   /* of it; empty: nothing to see */
	char said[200];                    /* why the handshake ended, unless as it should */
	const char *pins[DOCTOR_PINS_MAX]; /* configured */
	size_t n_pins;
	uint32_t path_mtu;                       /* of the connection; 0: unknown */
	bool was_pinged, small_came, large_came; /* echoes that may not be fragmented */
};
void doctor_judge_hub(const struct doctor_hub *facts, struct findings *findings);

/* doctor_look.c, doctor_reach.c */
void doctor_look_device(struct doctor_device *ret_facts);
void doctor_look_machine(uint64_t files_needed, struct doctor_machine *ret_facts);
/* Judges the ports it finds as well. */
void doctor_look_bridge(const char *bridge, const char *interface, uint32_t mtu, bool may_send,
			struct findings *findings);
void doctor_look_managers(const char *interface, struct doctor_managers *ret_facts);
void doctor_reach(const char *address, struct doctor_hub *facts);
/* Fills port, and gateway's text; false: there is nothing to ask, or nobody may. */
bool doctor_ask_macs(const char *bridge, const char *port, char gateway[16],
		     struct doctor_macs *facts);

#endif
