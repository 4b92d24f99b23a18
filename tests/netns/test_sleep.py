# SPDX-License-Identifier: MIT
"""The machine sleeps: a logind on a bus of its own, the program, and what happens to the tunnel."""
import os
import re
import signal
import subprocess

from lab import Instance, Skip, expect, expect_equal, join, two_lans, wait_until
from resolvers import Bus

HERE = os.path.dirname(os.path.abspath(__file__))


class Logind:
    def __init__(self, bus):
        can = subprocess.run(['/usr/bin/python3', '-c', 'import dbus.mainloop.glib; from gi.repository import GLib'],
                             check=False, capture_output=True)
        if can.returncode != 0:
            raise Skip('needs python3-dbus and python3-gi')
        self.bus = bus
        self.start()

    def start(self):
        self.process = self.bus.namespace.start('/usr/bin/python3', os.path.join(HERE, 'logind.py'), name='logind',
                                                env=self.bus.env)
        wait_until(lambda: 'ready' in self.output(), what='logind')

    def output(self):
        return self.process.output()

    def wait_for(self, text, count=1, seconds=10):
        wait_until(lambda: self.output().count(text) >= count, seconds, f'{text} in {self.output()}')

    def sleep(self):
        self.process.popen.send_signal(signal.SIGUSR1)

    def wake(self):
        self.process.popen.send_signal(signal.SIGUSR2)


def with_logind(lab, **keys):
    a, b = two_lans(lab)
    lab.edit(f'{lab.conf}/branch.yaml', **keys)
    lab.bus = Bus(b)
    lab.logind = Logind(lab.bus)
    hub = Instance(a, 'hub', f'{lab.conf}/hub.yaml').wait_ready()
    tunnel = Instance(b, 'up', f'{lab.conf}/branch.yaml', env=lab.bus.env).wait_ready()
    lab.logind.wait_for('lock sleep delay Longwire')
    return hub, tunnel


def test_sleep_is_delayed_until_the_tunnel_knows_and_goes_on_after(lab):
    _, tunnel = with_logind(lab)
    lab.logind.sleep()
    lab.logind.wait_for('asleep after')
    took, locks = re.search(r'asleep after (\S+) s with (\d+) locks', lab.logind.output()).groups()
    expect(float(took) < 2 and locks == '0', f'{took} s, {locks} locks')
    expect('the machine goes to sleep' in tunnel.output(), 'it was told')
    lab.logind.wake()
    lab.logind.wait_for('lock sleep delay', 2)
    wait_until(lambda: 'the machine is awake' in tunnel.output(), what='it was told')
    wait_until(tunnel.is_connected, what='it is connected')
    expect_equal(tunnel.report()['link']['connects'], 1, 'sessions')


def test_disconnect_on_sleep_ends_before_the_machine_sleeps(lab):
    hub, tunnel = with_logind(lab, disconnect_on_sleep=True)
    lab.logind.sleep()
    tunnel.is_expected_to_run = False
    expect_equal(tunnel.wait(10), 0, tunnel.output()[-500:])
    lab.logind.wait_for('asleep after')
    took, locks = re.search(r'asleep after (\S+) s with (\d+) locks', lab.logind.output()).groups()
    expect(float(took) < 3 and locks == '0', f'{took} s, {locks} locks')
    tunnel.check_gone()
    wait_until(lambda: not hub.port('branch')['connected'], what='the hub knows')
    expect('this end was stopped' in (hub.port('branch')['last-end'] or ''), f'{hub.port("branch")}')


def test_logind_that_restarts_is_asked_again(lab):
    _, tunnel = with_logind(lab)
    lab.logind.process.end(signal.SIGKILL)
    lab.logind.start()
    lab.logind.wait_for('lock sleep delay Longwire')
    lab.logind.sleep()
    lab.logind.wait_for('asleep after')
    lab.logind.wake()
    wait_until(lambda: 'the machine is awake' in tunnel.output(), what='it was told')


def test_without_logind_it_works(lab):
    a, b = two_lans(lab)
    lab.bus = Bus(b)
    join(lab, a, b)
    expect(lab.tunnel.is_connected(), 'it is connected')
