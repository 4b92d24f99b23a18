# SPDX-License-Identifier: MIT
"""longwire top in a pseudo-terminal: what it shows, that it follows the window, and that it leaves no trace."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from lab import Failure, Instance, expect, expect_equal, join, two_lans, wait_until


class Terminal:
    """A command in a namespace, on a terminal of its own."""

    def __init__(self, namespace, *command, size=(24, 120), language='C.UTF-8'):
        self.main, side = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(side)
        self.side = side
        self.text = ''
        self.popen = subprocess.Popen(['ip', 'netns', 'exec', namespace.full_name, *command], stdin=side, stdout=side,
                                      stderr=side, start_new_session=True, env={**os.environ, 'LANG': language, 'LC_ALL': ''})

    def resize(self, rows, columns):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def read(self):
        while select.select([self.main], [], [], 0.05)[0]:
            self.text += os.read(self.main, 65536).decode(errors='replace')
        return self.text

    def wait_for(self, pattern, seconds=10):
        try:
            wait_until(lambda: re.search(pattern, self.read()), seconds)
        except Failure:
            raise Failure(f'no {pattern!r} on the screen: {self.text[-900:]!r}') from None

    def screen(self):
        """The last picture, line by line, without the codes."""
        return re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', self.read().rpartition('\x1b[H')[2]).split('\r\n')

    def end(self, seconds=10):
        """Wait for the end. Return: the exit status; the terminal is as it was."""
        status = self.popen.wait(seconds)
        self.read()
        expect_equal(termios.tcgetattr(self.side), self.before, 'settings of the terminal')
        expect(self.text.endswith('\x1b[?25h\x1b[?1049l') or '\x1b[?25h\x1b[?1049l' in self.text[-200:],
               f'the screen and the cursor were given back: {self.text[-200:]!r}')
        os.close(self.main)
        os.close(self.side)
        return status


def joined(lab):
    join(lab, *two_lans(lab))
    lab.a1.address('eth0', '10.1.0.1/24')
    lab.b1.address('eth0', '10.1.0.2/24')
    lab.b1.wait_for_ping('10.1.0.1')


def top(lab, **options):
    return Terminal(lab.hub.namespace, lab.program, 'top', lab.hub.instance, **options)


def test_ports_rates_and_drops_are_shown_and_q_quits(lab):
    joined(lab)
    lab.hub.namespace.run(lab.program, 'link', lab.hub.instance, 'branch', 'in', 'loss=50%', 'seed=2')
    terminal = top(lab)
    terminal.wait_for(r'branch +connected')
    lab.b1.run('ping', '-q', '-c', '150', '-i', '0.01', '-W', '1', '10.1.0.1', check=False)
    terminal.wait_for(r'link-lost +\d+ +\d+/s')
    terminal.wait_for(r'branch +connected +[\d.]+ k?bit/s +[\d.]+ k?bit/s +\d+ +[1-9]\d*/s')
    expect(', 1 of 1 connected, 1 impaired' in terminal.screen()[0], terminal.screen()[0])
    # Probes go every 3 s: then there is a round-trip time, and bars for the seconds since.
    terminal.wait_for(r'branch .* ms +[▁▂▃▄▅▆▇█ ]*[▁▂▃▄▅▆▇█]')
    os.write(terminal.main, b'xyz q')
    expect_equal(terminal.end(), 0, 'exit status')


def test_it_follows_the_window(lab):
    joined(lab)
    terminal = top(lab, size=(24, 120))
    terminal.wait_for('q quits')
    for rows, columns in ((5, 30), (2, 1), (50, 200)):
        terminal.text = ''
        terminal.resize(rows, columns)
        terminal.popen.send_signal(signal.SIGWINCH)
        time.sleep(0.3)
        terminal.wait_for('q quits' if columns > 6 else 'q')
        lines = terminal.screen()
        expect(len(lines) <= rows and all(len(line) <= columns for line in lines[:-1]), f'{rows}x{columns}: {lines}')
    os.write(terminal.main, b'\x03')
    expect_equal(terminal.end(), 0, 'exit status after Ctrl-C')


def test_many_ports_scroll_in_a_small_window_without_utf8(lab):
    machine = lab.machine('hub', 1)
    clients = [f'client-{number:02}' for number in range(30)]
    conf = lab.new(*clients)
    lab.hub = Instance(machine, 'hub', f'{conf}/hub.yaml').wait_ready()
    terminal = top(lab, size=(24, 80), language='C')
    terminal.wait_for('ports 1-20 of 31: arrow keys')

    def shown_after(keys, pattern):
        terminal.text = ''
        os.write(terminal.main, keys)
        terminal.wait_for(pattern)
        screen = terminal.screen()
        expect(len(screen) <= 24 and all(len(line) <= 80 for line in screen[:-1]), f'{screen}')
        expect(all(ord(letter) < 128 for line in screen for letter in line), f'only ASCII: {screen}')
        return [line.split()[0] for line in screen if line.startswith(('client-', 'lw0'))]

    expect_equal(len(shown_after(b'\x1b[B\x1b[Bj', 'ports 4-23 of')), 20, 'ports after three down')
    expect_equal(shown_after(b'\x1b[F', 'ports 12-31 of')[-1], 'client-29', 'the last port at the end')
    shown_after(b'\x1b[A', 'ports 11-30 of')
    shown_after(b'\x1b[5~', 'ports 1-20 of')
    terminal.text = ''
    terminal.resize(5, 20)
    terminal.popen.send_signal(signal.SIGWINCH)
    terminal.wait_for('q quits')
    expect_equal([len(line) <= 20 for line in terminal.screen()], [True] * 5, f'{terminal.screen()}')
    lab.hub.crash()
    expect_equal(terminal.end(), 1, 'exit status when the instance is killed')
    expect('the instance has ended' in terminal.text, terminal.text[-300:])


def test_every_way_out_gives_the_terminal_back(lab):
    joined(lab)
    for how in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        terminal = top(lab)
        terminal.wait_for('q quits')
        terminal.popen.send_signal(how)
        expect_equal(terminal.end(), 0, f'exit status after {how}')
    terminal = top(lab)
    terminal.wait_for('q quits')
    lab.hub.stop(is_alone=False)
    expect_equal(terminal.end(), 1, 'exit status when the instance ends')
    expect('the instance has ended' in terminal.text, terminal.text[-300:])


def test_once_prints_what_the_status_says(lab):
    joined(lab)
    namespace = lab.hub.namespace
    shown = namespace.run(lab.program, 'top', '--once', lab.hub.instance).stdout
    expect('\x1b' not in shown and re.search(r'^branch +connected', shown, re.M), shown)
    refused = namespace.run(lab.program, 'top', lab.hub.instance, check=False)
    expect_equal(refused.returncode, 2, refused.stdout)
    expect('--once' in refused.stdout, refused.stdout)
    history = lambda: lab.hub.port('branch')['rtt-history-us']
    wait_until(lambda: any(history()), what='a round-trip time in the history')
    expect_equal(history()[-1], lab.hub.port('branch')['rtt-us'], 'the newest of the history')
    tunnel = lab.tunnel.report()['link']
    expect(isinstance(tunnel['rtt-history-us'], list), f'{tunnel}')
