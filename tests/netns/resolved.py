#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A systemd-resolved that refuses one method, or never answers it: resolved.py refuse|hang METHOD. It says each call."""
import sys

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME, PATH = 'org.freedesktop.resolve1', '/org/freedesktop/resolve1'
HOW, BAD = sys.argv[1:]


def take(method, reply, error):
    print(method, flush=True)
    if method != BAD:
        reply()
    elif HOW == 'refuse':
        error(dbus.DBusException('it is refused here', name='org.freedesktop.DBus.Error.Failed'))


def method(name, signature):
    names = ', '.join(f'a{i}' for i in range(len(list(dbus.Signature(signature)))))
    scope = {'take': take}
    exec(f'def {name}(self, {names}, reply, error):\n take({name!r}, reply, error)', scope)  # pylint: disable=exec-used
    return dbus.service.method(f'{NAME}.Manager', in_signature=signature, async_callbacks=('reply', 'error'))(scope[name])


class Manager(dbus.service.Object):
    SetLinkDNSEx = method('SetLinkDNSEx', 'ia(iayqs)')
    SetLinkDomains = method('SetLinkDomains', 'ia(sb)')
    SetLinkDefaultRoute = method('SetLinkDefaultRoute', 'ib')
    SetLinkDNSOverTLS = method('SetLinkDNSOverTLS', 'is')
    RevertLink = method('RevertLink', 'i')


DBusGMainLoop(set_as_default=True)
manager = Manager(dbus.service.BusName(NAME, dbus.SystemBus()), PATH)
print('ready', flush=True)
GLib.MainLoop().run()
