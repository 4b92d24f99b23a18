#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A logind that sleeps when it is told: on SIGUSR1 it prepares, waits until no lock is held or 5 s have passed, says so,
and says that it woke on SIGUSR2. Its output has a line for each lock that was taken and for each step."""
import os
import signal
import sys
import time

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

PATH, NAME = '/org/freedesktop/login1', 'org.freedesktop.login1'


def say(text):
    print(text, flush=True)


class Manager(dbus.service.Object):
    def __init__(self, bus):
        super().__init__(dbus.service.BusName(NAME, bus, do_not_queue=True), PATH)
        self.held = set()
        self.since = 0.0

    @dbus.service.method(f'{NAME}.Manager', in_signature='ssss', out_signature='h')
    def Inhibit(self, what, who, why, mode):  # pylint: disable=invalid-name
        reading, writing = os.pipe()
        self.held.add(reading)
        GLib.io_add_watch(reading, GLib.IO_HUP, self.released)
        say(f'lock {what} {mode} {who}: {why}')
        given = dbus.types.UnixFd(writing)
        os.close(writing)
        return given

    def released(self, reading, _condition):
        self.held.discard(reading)
        os.close(reading)
        say('released')
        return False

    @dbus.service.signal(f'{NAME}.Manager', signature='b')
    def PrepareForSleep(self, is_before):  # pylint: disable=invalid-name
        pass

    def sleep(self):
        self.since = time.monotonic()
        self.PrepareForSleep(True)
        GLib.timeout_add(10, self.wait)
        return True

    def wait(self):
        took = time.monotonic() - self.since
        if self.held and took < 5:
            return True
        say(f'asleep after {took:.1f} s with {len(self.held)} locks')
        return False

    def wake(self):
        self.PrepareForSleep(False)
        say('awake')
        return True


def main():
    DBusGMainLoop(set_as_default=True)
    manager = Manager(dbus.SystemBus())
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGUSR1, manager.sleep)
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGUSR2, manager.wake)
    say('ready')
    GLib.MainLoop().run()


if __name__ == '__main__':
    sys.exit(main())
