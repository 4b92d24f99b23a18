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
 * which does not; each has a sentence and, where there is one, the command that mends it: running it makes
 * the finding go away. Faults are told first. What only another machine can mend says so behind a #.
 *
 * Other processes. An interface or a port that is taken is no fault where the process that has it
 * was started with this very file: then it runs already. Who has it is looked up in /proc, within
 * this network namespace; a user who may not look there hears less.
 *
 * Sent are: a connection to the hub that bears the mark of outer connections, so that no tunnel of
 * ours and no kill switch is in its way; echoes to it; and, only with --probe, ARP probes on the
 * bridge's LAN, from MAC addresses that nobody has. A switch that shuts a port down when it sees
 * those is what --probe looks for, and the reason that it has to be asked for.
 */
#ifndef PROGRAM_DOCTOR_H
#define PROGRAM_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <longwire/api.h>

#include "network/managers.h"
#include "network/path.h"

enum {
	DOCTOR_FINDINGS_MAX = 64,
	DOCTOR_TEXT = 400,
	DOCTOR_PINS_MAX = 8,
	DOCTOR_PIN_SIZE = 64,
	DOCTOR_FOREIGN_MACS = 3,
};

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
	bool is_root;      /* and without CAP_NET_ADMIN all the same: a container */
	bool may_make;     /* CAP_NET_ADMIN is there: the rest is known */
	int make_error;    /* of making an interface */
	bool has_tso, has_uso;
};
void doctor_judge_device(const struct doctor_device *facts, struct findings *findings);

struct doctor_machine {
	int64_t now;           /* wall clock, seconds */
	int64_t written;       /* when the newest of the files that are looked at was; 0: none */
	bool is_synchronised;  /* the kernel's clock */
	uint64_t files_max;    /* RLIMIT_NOFILE */
	uint64_t files_needed; /* for what is configured */
	bool has_aes;          /* instructions of the processor */
	const char *backend;   /* of ciphers */
	bool is_x86;
};
void doctor_judge_machine(const struct doctor_machine *facts, struct findings *findings);

/* The process that has something. */
struct doctor_holder {
	int pid; /* 0: none, or none that this user may see */
	char name[32];
	bool runs_file; /* it was started with the file that is looked at */
};

/* The interface that the file names. */
struct doctor_interface {
	const char *name, *file;
	const char *bridge; /* that it is to be in; NULL: none */
	bool wants_tap;
	bool is_set_up; /* its addresses or its bridge are longwire's to set */
	bool may_make;
	bool is_there, is_tap, is_tun, is_up;
	bool is_ours; /* it was made for this user */
	char master[16];
	struct doctor_holder holder;
};
void doctor_judge_interface(const struct doctor_interface *facts, struct findings *findings);

/* An address that a hub listens on. */
struct doctor_listen {
	const char *address;
	uint16_t port;
	int error; /* errno; 0: it can */
	struct doctor_holder holder;
};
void doctor_judge_listen(const struct doctor_listen *facts, struct findings *findings);

/* The packet filter of this machine. */
struct doctor_filter {
	bool is_needed;    /* for what is configured */
	const char *error; /* NULL: the kernel has nftables */
	const char
		*fence; /* an interface whose kill switch is closed without a tunnel; NULL: none */
};
void doctor_judge_filter(const struct doctor_filter *facts, struct findings *findings);

/* The bridge that the interface is to join. */
struct doctor_bridge {
	const char *name, *interface;
	bool is_there, is_bridge, is_up, has_stp, filters_vlans;
	bool has_fixed_mac;
	bool is_filtered;       /* IPv4 within it passes a firewall that drops */
	unsigned forward_delay; /* seconds, with spanning tree */
	uint32_t mtu, network_mtu;
	unsigned ports;     /* others than the interface */
	char candidate[16]; /* an interface that could be one; empty: none is seen */
};
void doctor_judge_bridge(const struct doctor_bridge *facts, struct findings *findings);

/* Another port of it. */
struct doctor_bridge_port {
	const char *name, *bridge;
	bool is_up, has_carrier, is_wireless, has_lro;
	uint32_t mtu, bridge_mtu;
};
void doctor_judge_bridge_port(const struct doctor_bridge_port *facts, struct findings *findings);

/* Do frames from foreign MAC addresses come through? By ARP probes for a host of the LAN. */
struct doctor_macs {
	const char *bridge, *port;
	char host[16]; /* who was asked; empty: there was nobody to ask, or no way to */
	bool own_is_answered;
	unsigned foreign_answered; /* of DOCTOR_FOREIGN_MACS */
};
void doctor_judge_macs(const struct doctor_macs *facts, struct findings *findings);

/* Programs that manage interfaces by themselves. */
struct doctor_managers {
	const char *interface;
	const char *bridge; /* that it is to be in; NULL: none */
	bool is_port;       /* of the bridge, and not ours */
	struct managers say;
};
void doctor_judge_managers(const struct doctor_managers *facts, struct findings *findings);

/* The path to a hub. */
struct doctor_path {
	struct ip_address to;
	struct path route;
	uint32_t known, link_mtu; /* MTU as the kernel knows it, and that of the interface */
	bool was_asked, answers;  /* echoes */
	uint32_t takes;           /* bytes of a packet; 0: not known */
	bool loses_large;         /* without a word */
};

/* Where a client's file says that its hub is. */
struct doctor_hub {
	const char *file, *address;
	const char *resolve_error;         /* NULL: it was resolved */
	int connect_error;                 /* errno; 0: connected */
	bool speaks_tls;                   /* it showed a certificate */
	char shown_pin[DOCTOR_PIN_SIZE];   /* of it; empty: nothing to see */
	char said[200];                    /* why the handshake ended, unless as it should */
	const char *pins[DOCTOR_PINS_MAX]; /* configured */
	size_t n_pins;
	struct doctor_path path;
};
void doctor_judge_hub(const struct doctor_hub *facts, struct findings *findings);

/* What is asked of doctor. */
struct doctor_question {
	const char *file;
	bool may_probe;
	const char *host; /* of the LAN, to be asked; NULL: the bridge's gateway */
};

/* doctor_look.c */
void doctor_look_device(struct doctor_device *ret_facts);
void doctor_look_machine(uint64_t files_needed, struct doctor_machine *ret_facts);
void doctor_look_interface(const char *name, const char *file, struct doctor_interface *ret_facts);
/* Judges the ports it finds as well. */
void doctor_look_bridge(const char *bridge, const char *interface, uint32_t mtu,
			const struct doctor_question *question, struct findings *findings);
/* doctor_managers.c: interface, bridge and is_port are given. */
void doctor_look_managers(struct doctor_managers *facts);
/* doctor_holders.c */
void doctor_find_interface_holder(const char *interface, const char *file,
				  struct doctor_holder *ret_holder);
void doctor_look_listen(const char *address, const char *file, struct doctor_listen *ret_facts);
/* doctor_probe.c */
void doctor_ask_macs(const char *bridge, const char *port, const char *host,
		     struct doctor_macs *ret_facts);
/* doctor_path.c */
void doctor_look_path(const struct sockaddr *to, socklen_t size, struct doctor_path *ret_facts);
/* doctor_reach.c: file and pins are given. */
void doctor_reach(const char *address, struct doctor_hub *facts);
int64_t doctor_now_ms(void);
/* Return: whether fd got ready before until_ms. */
bool doctor_wait(int fd, short events, int64_t until_ms);
/* As an outer connection, if this user may. */
void doctor_mark(int fd);

#endif
