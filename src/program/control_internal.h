/* SPDX-License-Identifier: MIT */
/* The control socket's two halves: connections (control.c), and what is asked on them
 * (control_verbs.c). */
#ifndef PROGRAM_CONTROL_INTERNAL_H
#define PROGRAM_CONTROL_INTERNAL_H

#include "loop/loop.h"
#include "program/control.h"

struct control_call {
	struct control_client *client; /* NULL: gone */
	const char *verb;
	int descriptor; /* -1: none */
};

struct control_stream {
	struct control_client *client; /* NULL: there is no stream */
	void (*gone)(void *user);
	void *user;
	bool is_status; /* told of each change of state */
};

/* A slot; source.fd -1: free. */
struct control_client {
	struct control *control;
	struct loop_source source;
	struct loop_timer patience;
	struct loop_deferred serving; /* there may be a request in input */
	char input[CONTROL_REQUEST_MAX];
	size_t input_length;
	int descriptor; /* that came with input; -1: none */
	char *output;   /* what the socket would not take yet; NULL: nothing */
	size_t output_length;
	struct control_call *call; /* unanswered */
	struct control_stream stream;
	bool is_ending; /* when output is taken */
	bool is_broken; /* the socket is shut down: the loop will tell */
};

struct control {
	struct lw_loop *loop;
	struct loop_source listener;
	control_status_fn *status;
	void *user;
	struct {
		const struct control_verb *verbs;
		size_t n;
		void *user;
	} tables[CONTROL_TABLES_MAX];
	size_t n_tables;
	struct control_client clients[CONTROL_CLIENTS_MAX];
};

/* control.c: send behind what is pending. A client that cannot be told is broken: it ends from the
 * loop. */
void control_client_send(struct control_client *client, const struct tree *tree);
void control_client_break(struct control_client *client);
/* What the client is waited for has changed. */
void control_client_settle(struct control_client *client);

/* control_verbs.c: a line of input. */
void control_do_request(struct control_client *client, const char *line, size_t length);
void control_send_error(struct control_client *client, const char *text);
int control_add_own_verbs(struct control *control);

#endif
