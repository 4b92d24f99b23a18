/* SPDX-License-Identifier: MIT */
/* longwire top: the terminal, the keys, the second. */
#include "program/top.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/tree.h"
#include "loop/loop.h"
#include "loop/signals.h"
#include "program/ask.h"
#include "program/command.h"
#include "program/control_client.h"

enum { SECOND_MS = 1000, KEYS = 64 };

struct top {
	struct lw_loop *loop;
	struct signals *signals;
	struct loop_timer timer;
	struct loop_source keys;
	struct control_peer *peer;
	struct tree *reply, *before; /* what was heard last, and before that */
	struct termios cooked;
	struct top_view view;
	struct top_drawn drawn; /* last */
	bool is_raw;
	int result; /* of asking: 0, or a negative errno with error */
	struct lw_error error;
};

/* ---- the terminal */

static void say_raw(const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = write(STDOUT_FILENO, text, length);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		text += n > 0 ? n : 0;
		length -= n > 0 ? (size_t)n : 0;
	}
}

static void say(const char *text)
{
	say_raw(text, strlen(text));
}

static int enter_screen(struct top *top)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &top->cooked) < 0)
		return -errno;
	raw = top->cooked;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return -errno;
	top->is_raw = true;
	say("\033[?1049h\033[?25l");
	return 0;
}

static void leave_screen(struct top *top)
{
	if (!top->is_raw)
		return;
	top->is_raw = false;
	say("\033[?25h\033[?1049l");
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &top->cooked);
}

static bool speaks_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

/* ---- the picture */

/* The last row: the keys, and which ports are shown if not all are. */
static void draw_foot(const struct top *top, unsigned row, unsigned columns, FILE *page)
{
	const struct top_drawn *drawn = &top->drawn;
	char text[80] = "q quits";

	if (drawn->shown < drawn->ports)
		snprintf(text, sizeof(text), "q quits  ports %u-%u of %u: arrow keys, page keys",
			 drawn->first + 1, drawn->first + drawn->shown, drawn->ports);
	fprintf(page, "\033[J\033[%u;1H%.*s", row, (int)columns, text);
}

static void draw(struct top *top)
{
	struct winsize window = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	FILE *page;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) < 0 || !window.ws_col || !window.ws_row)
		window = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	top->view.columns = window.ws_col;
	top->view.rows = MAX(window.ws_row - 1u, 1u);
	page = open_memstream(&text, &length);
	if (!page)
		return;
	fputs("\033[H", page);
	top->drawn = top_draw(tree_get(top->reply, "status"), tree_get(top->before, "status"),
			      &top->view, page);
	top->view.first = top->drawn.first;
	draw_foot(top, window.ws_row, window.ws_col, page);
	if (fclose(page) == 0)
		say_raw(text, length);
}

static int ask(struct top *top)
{
	struct tree *request = control_ask("status"), *reply = NULL;
	int r = request ? control_say(top->peer, request, -1, &top->error)
			: error_errno(&top->error, ENOMEM, "top");

	tree_free(request);
	if (r == 0)
		r = control_hear(top->peer, ASK_TIMEOUT_MS, &reply, &top->error);
	if (r == 0 && !tree_get(reply, "status"))
		r = error_set(&top->error, -EPROTO, LW_DOMAIN_SYSTEM, EPROTO,
			      "an answer that says nothing");
	if (r < 0) {
		tree_free(reply);
		return r;
	}
	tree_free(top->before);
	top->before = top->reply;
	top->reply = reply;
	return 0;
}

static void on_second(struct loop_timer *timer)
{
	struct top *top = container_of(timer, struct top, timer);

	top->result = ask(top);
	if (top->result < 0) {
		lw_loop_stop(top->loop);
		return;
	}
	draw(top);
	loop_timer_set_in_ms(top->loop, timer, SECOND_MS);
}

/* Ports further down (or up, negative); what is beyond the end is taken back by drawing. */
static void scroll(struct top *top, int by)
{
	unsigned first = top->view.first;

	if (by < 0)
		top->view.first = first - MIN(first, (unsigned)-by);
	else
		top->view.first = MIN(first + (unsigned)by, top->drawn.ports);
	draw(top);
}

/* What a key does; a terminal sends those without a letter in one piece. Return: its length. */
static size_t take_key(struct top *top, const char *keys)
{
	const int page = (int)MAX(top->drawn.shown, 1u), all = (int)top->drawn.ports;
	const struct {
		const char *key;
		int by;
	} moves[] = {
		{ "\033[A", -1 },  { "\033OA", -1 },   { "k", -1 },          { "\033[B", 1 },
		{ "\033OB", 1 },   { "j", 1 },         { "\033[5~", -page }, { "\033[6~", page },
		{ " ", page },     { "\033[H", -all }, { "\033OH", -all },   { "\033[1~", -all },
		{ "\033[F", all }, { "\033OF", all },  { "\033[4~", all },
	};

	for (size_t i = 0; i < ARRAY_SIZE(moves); i++)
		if (!strncmp(keys, moves[i].key, strlen(moves[i].key))) {
			scroll(top, moves[i].by);
			return strlen(moves[i].key);
		}
	if (keys[0] == 'q' || keys[0] == 'Q' || keys[0] == 3) /* Ctrl-C */
		lw_loop_stop(top->loop);
	return 1;
}

static void on_keys(struct loop_source *source, uint32_t events)
{
	struct top *top = container_of(source, struct top, keys);
	char keys[KEYS + 1];
	ssize_t n = read(STDIN_FILENO, keys, KEYS);

	if ((n <= 0 && events & (EPOLLHUP | EPOLLERR)) || (n < 0 && errno != EAGAIN))
		lw_loop_stop(top->loop);
	keys[MAX(n, 0)] = '\0';
	for (ssize_t i = 0; i < n;)
		i += (ssize_t)take_key(top, keys + i);
}

static void on_signal(int number, void *user)
{
	struct top *top = user;

	if (number == SIGWINCH)
		draw(top);
	else
		lw_loop_stop(top->loop);
}

/* ---- the command */

static int prepare(struct top *top)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, 0 };
	int r = lw_loop_new(NULL, &top->loop);

	if (r == 0)
		r = loop_timer_init(top->loop, &top->timer, on_second);
	if (r == 0)
		r = signals_new(top->loop, numbers, on_signal, top, &top->signals);
	top->keys = (struct loop_source){ .fd = STDIN_FILENO, .function = on_keys };
	if (r == 0)
		r = loop_add(top->loop, &top->keys, EPOLLIN);
	if (r == 0)
		r = enter_screen(top);
	return r;
}

static int watch(struct top *top)
{
	int r = prepare(top);

	if (r == 0) {
		draw(top);
		loop_timer_set_in_ms(top->loop, &top->timer, SECOND_MS);
		r = lw_loop_run(top->loop);
	}
	leave_screen(top);
	if (top->loop) {
		loop_remove(&top->keys);
		loop_timer_done(top->loop, &top->timer);
	}
	signals_free(top->signals);
	lw_loop_free(top->loop);
	if (r < 0)
		return command_fail(PROGRAM_FAILED, "top: %s", strerror(-r));
	if (top->result == -ECONNRESET)
		return command_fail(PROGRAM_FAILED, "the instance has ended");
	return top->result < 0 ? command_fail(PROGRAM_FAILED, "%s", top->error.text) : PROGRAM_DONE;
}

static int show_once(struct top *top)
{
	top->view.end = "\n";
	(void)top_draw(tree_get(top->reply, "status"), NULL, &top->view, stdout);
	return fflush(stdout) ? PROGRAM_FAILED : PROGRAM_DONE;
}

int command_top(const struct arguments *arguments)
{
	struct top top = { .view = { .has_utf8 = speaks_utf8(), .end = "\033[K\n" } };
	struct instance_found instance;
	int status;

	if (!arguments->once && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		return command_fail(PROGRAM_USAGE, "top: this is no terminal; --once prints one "
						   "picture");
	status = ask_choose(arguments->n_words ? arguments->words[0] : NULL, &instance);
	if (status != PROGRAM_DONE)
		return status;
	if (control_dial(instance.socket, &top.peer, &top.error) < 0 || ask(&top) < 0)
		status = command_fail(PROGRAM_FAILED, "%s", top.error.text);
	else
		status = arguments->once ? show_once(&top) : watch(&top);
	control_hang_up(top.peer);
	tree_free(top.reply);
	tree_free(top.before);
	return status;
}
