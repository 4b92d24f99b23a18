# SPDX-License-Identifier: MIT
"""Name servers through the tunnel: by systemd-resolved, by resolvconf, and by neither."""
import os
import signal

from lab import Instance, Skip, expect, expect_equal, run, wait_until
from resolvers import NO_BUS, Bus, Resolvconf, Resolved, ask, serve_names

HERE = os.path.dirname(os.path.abspath(__file__))


def private_network(lab, **settings):
    """A client of an IP hub; behind the hub's address are name servers, another is on the client's own network."""
    hub = lab.machine('hub', 1)
    client = lab.machine('client', 2)
    conf = lab.new('client', layer='ip')
    lab.edit(f'{conf}/hub.yaml', settings={'included-routes': ['10.9.0.0/16'], **settings})
    hub.address('lo', '10.9.0.53/32')
    lab.edit(f'{conf}/client.yaml', accept=['addresses', 'mtu', 'included-routes', 'dns'])
    lab.inner = serve_names(hub, '10.9.0.53', host_corp_example='10.9.0.7', www_example_net='10.9.0.66')
    lab.outer = serve_names(lab.namespaces['hub'], '192.0.2.1', www_example_net='198.51.100.1')
    lab.hub = Instance(hub, 'hub', f'{conf}/hub.yaml').wait_ready()
    lab.conf = conf
    return client


def resolving(lab, client):
    bus = Bus(client)
    lab.resolved = Resolved(bus)
    lab.resolved.control('dns', 'wan0', '192.0.2.1')
    return bus


def up(lab, client, bus):
    lab.tunnel = Instance(client, 'up', f'{lab.conf}/client.yaml', env=bus.env).wait_ready()
    return lab.tunnel


def test_split_dns_asks_the_tunnel_for_its_domains_alone(lab):
    client = private_network(lab, dns={'servers': ['10.9.0.53'], 'match-domains': ['corp.example']})
    bus = resolving(lab, client)
    expect_equal(ask(client, '127.0.0.53', 'www.example.net'), ['198.51.100.1'], 'before')
    tunnel = up(lab, client, bus)
    link = lab.resolved.link('lw0')
    expect_equal(link.get('DNS Servers'), '10.9.0.53', f'{link}')
    expect_equal(link.get('DNS Domain'), 'corp.example', f'{link}')
    expect('-DefaultRoute' in link['Protocols'], f'{link}')
    expect_equal(ask(client, '127.0.0.53', 'host.corp.example'), ['10.9.0.7'], 'a name of the tunnel')
    expect_equal(ask(client, '127.0.0.53', 'www.example.net'), ['198.51.100.1'], 'another name')
    expect('www.example.net' not in lab.inner.output(), 'the tunnel was asked for a name that is not its own')
    expect('host.corp.example' not in lab.outer.output(), 'a name of the tunnel was asked outside')
    expect_equal(tunnel.report()['dns']['resolver'], 'systemd-resolved', 'status')
    tunnel.stop()
    expect('10.9.0.53' not in lab.resolved.control('status'), 'servers stay after the end')


def test_full_tunnel_asks_the_tunnel_for_everything(lab):
    client = private_network(lab, dns={'servers': ['10.9.0.53'], 'match-domains': ['corp.example'],
                                       'match-domains-no-search': True},
                             **{'included-routes': ['0.0.0.0/0']})
    bus = resolving(lab, client)
    up(lab, client, bus)
    link = lab.resolved.link('lw0')
    expect_equal(link.get('DNS Domain'), '~.', f'{link}')
    expect('+DefaultRoute' in link['Protocols'], f'{link}')
    expect_equal(ask(client, '127.0.0.53', 'host.corp.example'), ['10.9.0.7'], 'a name of the tunnel')
    wait_until(lambda: ask(client, '127.0.0.53', 'www.example.net') == ['10.9.0.66'], what='any name from the tunnel')
    expect('example' not in lab.outer.output().partition('started')[2], f'asked outside: {lab.outer.output()[-300:]}')


def test_servers_are_set_again_when_resolved_restarts(lab):
    client = private_network(lab, dns={'servers': ['10.9.0.53'], 'match-domains': ['corp.example']})
    bus = resolving(lab, client)
    tunnel = up(lab, client, bus)
    lab.resolved.stop()
    run_state = f'{lab.resolved.state}/resolve/netif'
    for name in os.listdir(run_state):
        os.unlink(f'{run_state}/{name}')
    lab.resolved.start()
    wait_until(lambda: lab.resolved.link('lw0').get('DNS Servers') == '10.9.0.53', what='the servers are back')
    expect('told its name servers again' in tunnel.output(), 'it is logged')


def test_servers_are_set_again_when_the_bus_restarts(lab):
    client = private_network(lab, dns={'servers': ['10.9.0.53'], 'match-domains': ['corp.example']})
    bus = resolving(lab, client)
    up(lab, client, bus)
    lab.resolved.stop()
    bus.stop()
    for name in os.listdir(f'{lab.resolved.state}/resolve/netif'):
        os.unlink(f'{lab.resolved.state}/resolve/netif/{name}')
    bus.start()
    lab.resolved.start()
    wait_until(lambda: lab.resolved.link('lw0').get('DNS Servers') == '10.9.0.53', 15, 'the servers are back')


def test_killed_instance_leaves_no_servers(lab):
    client = private_network(lab, dns={'servers': ['10.9.0.53'], 'match-domains': ['corp.example']})
    bus = resolving(lab, client)
    up(lab, client, bus).crash()
    wait_until(lambda: '10.9.0.53' not in lab.resolved.control('status'), what='the servers went with the link')
    expect_equal(ask(client, '127.0.0.53', 'www.example.net'), ['198.51.100.1'], 'after')


def test_dns_over_tls_and_search_domains_are_set_on_the_link(lab):
    client = private_network(lab)
    lab.edit(f'{lab.conf}/client.yaml', settings={'dns': {
        'servers': ['10.9.0.53', 'fd86::53'], 'protocol': 'tls', 'server-name': 'dns.corp.example',
        'match-domains': ['corp.example'], 'match-domains-no-search': True, 'search-domains': ['lab.example']}})
    up(lab, client, resolving(lab, client))
    link = lab.resolved.link('lw0')
    expect('+DNSOverTLS' in link['Protocols'], f'{link}')
    expect_equal(link['DNS Servers'], '10.9.0.53#dns.corp.example fd86::53#dns.corp.example', f'{link}')
    expect_equal(sorted(link['DNS Domain'].split()), ['lab.example', '~corp.example'], f'{link}')


def test_offer_that_is_not_accepted_changes_nothing(lab):
    client = private_network(lab, dns={'servers': ['10.9.0.53'], 'match-domains': ['corp.example']})
    lab.edit(f'{lab.conf}/client.yaml', accept=['addresses', 'included-routes'])
    tunnel = up(lab, client, resolving(lab, client))
    expect('dns (not in accept)' in tunnel.report()['link']['refused-offers'], 'it is told')
    expect('10.9.0.53' not in lab.resolved.control('status'), 'nothing is set')


def test_every_name_for_a_split_tunnel_is_not_accepted(lab):
    client = private_network(lab, dns={'servers': ['10.9.0.53'], 'match-domains': ['']})
    tunnel = up(lab, client, resolving(lab, client))
    expect('every name, of a tunnel that carries only a part' in tunnel.report()['link']['refused-offers'],
           f'{tunnel.report()["link"]}')
    expect('10.9.0.53' not in lab.resolved.control('status'), 'nothing is set')


def test_neither_resolver__refused_and_nothing_left(lab):
    client = private_network(lab, dns={'servers': ['10.9.0.53'], 'match-domains': ['corp.example']})
    before = client.snapshot()
    tunnel = Instance(client, 'up', f'{lab.conf}/client.yaml', '--once',
                      env={'DBUS_SYSTEM_BUS_ADDRESS': 'unix:path=/nowhere'})
    tunnel.is_expected_to_run = False
    expect_equal(tunnel.wait(15), 1, tunnel.output()[-500:])
    expect('neither systemd-resolved nor resolvconf' in tunnel.output(), tunnel.output()[-500:])
    expect_equal(client.snapshot(), before, 'the machine')


def by_resolvconf(lab, client):
    resolvconf = Resolvconf(client)
    lab.plain_program, lab.program = lab.program, resolvconf.program(lab.program)
    return resolvconf


FULL = {'dns': {'servers': ['10.9.0.53'], 'match-domains': ['corp.example']}, 'included-routes': ['0.0.0.0/0']}


def test_resolvconf_is_told_of_a_full_tunnel_and_reverted(lab):
    client = private_network(lab, **FULL)
    resolvconf = by_resolvconf(lab, client)
    before = resolvconf.text()
    expect_equal(before, 'search example.net nameserver 192.0.2.1', 'before')
    tunnel = Instance(client, 'up', f'{lab.conf}/client.yaml', env=NO_BUS).wait_ready()
    expect_equal(resolvconf.text(), 'search corp.example nameserver 10.9.0.53', 'while it runs')
    expect_equal(os.stat(f'{resolvconf.folder}/resolv.conf').st_mode & 0o777, 0o644, 'everybody can read it')
    expect_equal(tunnel.report()['dns']['resolver'], 'resolvconf', 'status')
    tunnel.stop()
    expect_equal(resolvconf.text(), before, 'after')


def test_what_a_killed_instance_left_at_resolvconf_is_taken_away(lab):
    client = private_network(lab, **FULL)
    resolvconf = by_resolvconf(lab, client)
    before = resolvconf.text()
    tunnel = Instance(client, 'up', f'{lab.conf}/client.yaml', env=NO_BUS).wait_ready()
    tunnel.crash()
    expect_equal(resolvconf.text(), 'search corp.example nameserver 10.9.0.53', 'nobody could take it back')
    lab.edit(f'{lab.conf}/client.yaml', accept=['addresses'])
    again = Instance(client, 'up', f'{lab.conf}/client.yaml', env=NO_BUS).wait_ready()
    expect_equal(resolvconf.text(), before, 'the next start')
    again.stop(is_alone=False)


def refused_at_once(lab, client, words):
    before = client.snapshot()
    tunnel = Instance(client, 'up', f'{lab.conf}/client.yaml', '--once', env=NO_BUS)
    tunnel.is_expected_to_run = False
    expect_equal(tunnel.wait(15), 1, tunnel.output()[-500:])
    expect(words in tunnel.output(), tunnel.output()[-500:])
    expect_equal(client.snapshot(), before, 'the machine')


def test_resolvconf_cannot_split__refused(lab):
    client = private_network(lab, dns={'servers': ['10.9.0.53'], 'match-domains': ['corp.example']})
    resolvconf = by_resolvconf(lab, client)
    before = resolvconf.text()
    refused_at_once(lab, client, 'dns.match-domains: a part of the names needs systemd-resolved')
    expect_equal(resolvconf.text(), before, 'resolv.conf')


def test_resolvconf_cannot_do_tls__refused(lab):
    client = private_network(lab, **{**FULL, 'dns': {'servers': ['10.9.0.53'], 'protocol': 'tls'}})
    resolvconf = by_resolvconf(lab, client)
    before = resolvconf.text()
    refused_at_once(lab, client, 'dns.protocol: tls needs systemd-resolved')
    expect_equal(resolvconf.text(), before, 'resolv.conf')


def test_resolvconf_that_fails__refused_and_nothing_left(lab):
    client = private_network(lab, **FULL)
    resolvconf = by_resolvconf(lab, client)
    with open(f'{resolvconf.folder}/bin/resolvconf', 'w') as opened:
        opened.write('#!/bin/sh\necho "no space left" >&2\nexit 3\n')
    refused_at_once(lab, client, 'cannot set the name servers (no space left)')


def test_resolvconf_that_hangs__killed_and_nothing_left(lab):
    client = private_network(lab, **FULL)
    resolvconf = by_resolvconf(lab, client)
    with open(f'{resolvconf.folder}/bin/resolvconf', 'w') as opened:
        opened.write('#!/bin/sh\nsleep 4711 & sleep 4712\n')
    refused_at_once(lab, client, 'no end of it in time')
    left = [pid for pid in run('ip', 'netns', 'pids', client.full_name).stdout.split() if is_sleep(f'/proc/{pid}/cmdline')]
    expect_equal(left, [], 'processes that it started')


def is_sleep(path):
    try:
        with open(path, 'rb') as opened:
            return opened.read().startswith(b'sleep\x00')
    except OSError:
        return False


def test_proxies_are_told_and_exported(lab):
    client = private_network(lab, proxy={'http-server': 'proxy.corp.example:3128', 'https-server': '[fd86::1]:3129',
                                         'exception-list': ['*.lab.example', '10.0.0.0/8']})
    lab.edit(f'{lab.conf}/client.yaml', accept=['addresses', 'proxy'])
    tunnel = Instance(client, 'up', f'{lab.conf}/client.yaml').wait_ready()
    file = f'/run/longwire/{tunnel.instance}/proxy.env'
    with open(file) as opened:
        expect_equal(opened.read(), 'http_proxy=http://proxy.corp.example:3128\nhttps_proxy=http://[fd86::1]:3129\n'
                     'no_proxy=*.lab.example,10.0.0.0/8\n', 'the file')
    proxy = tunnel.report()['proxy']
    expect_equal((proxy['http-server'], proxy['enforced']), ('proxy.corp.example:3128', False), 'status')
    expect('not enforced' in lab.namespaces['client'].run(lab.program, 'status', tunnel.instance).stdout, 'it is said')
    tunnel.stop()
    expect(not os.path.exists(file), 'the file is gone')


def test_proxies_that_are_not_accepted_are_not_exported(lab):
    client = private_network(lab, proxy={'http-server': 'proxy.corp.example:3128'})
    tunnel = Instance(client, 'up', f'{lab.conf}/client.yaml').wait_ready()
    expect('proxy (not in accept)' in tunnel.report()['link']['refused-offers'], 'it is told')
    expect(not os.path.exists(f'/run/longwire/{tunnel.instance}/proxy.env'), 'no file')


def test_every_call_that_resolved_refuses_leaves_nothing(lab):
    client = private_network(lab, dns={'servers': ['10.9.0.53'], 'match-domains': ['corp.example']})
    can = client.run('/usr/bin/python3', '-c', 'import dbus.mainloop.glib; from gi.repository import GLib', check=False)
    if can.returncode != 0:
        raise Skip('needs python3-dbus and python3-gi')
    bus = Bus(client)
    before = client.snapshot()
    for how, method in (('refuse', 'SetLinkDNSOverTLS'), ('refuse', 'SetLinkDNSEx'), ('refuse', 'SetLinkDefaultRoute'),
                        ('refuse', 'SetLinkDomains'), ('hang', 'SetLinkDNSEx')):
        mock = client.start('/usr/bin/python3', os.path.join(HERE, 'resolved.py'), how, method, name='resolved', env=bus.env)
        wait_until(lambda: 'ready' in mock.output(), what=f'the mock: {mock.output()}')
        tunnel = Instance(client, 'up', f'{lab.conf}/client.yaml', '--once', env=bus.env)
        tunnel.is_expected_to_run = False
        expect_equal(tunnel.wait(20), 1, tunnel.output()[-500:])
        expect(f'systemd-resolved, {method}: ' in tunnel.output(), tunnel.output()[-500:])
        expect(mock.output().split()[-2:] == [method, 'RevertLink'], f'{how} {method}: {mock.output()}')
        expect_equal(client.snapshot(), before, f'the machine after {how} {method}')
        mock.end()


def test_resolved_that_stands_still_is_not_waited_for_long(lab):
    client = private_network(lab, dns={'servers': ['10.9.0.53'], 'match-domains': ['corp.example']})
    bus = resolving(lab, client)
    before = client.snapshot()
    lab.resolved.process.popen.send_signal(signal.SIGSTOP)
    tunnel = Instance(client, 'up', f'{lab.conf}/client.yaml', '--once', env=bus.env)
    tunnel.is_expected_to_run = False
    expect_equal(tunnel.wait(20), 1, tunnel.output()[-500:])
    expect('systemd-resolved, SetLinkDNSOverTLS: ' in tunnel.output(), tunnel.output()[-500:])
    expect_equal(client.snapshot(), before, 'the machine')
    lab.resolved.process.popen.send_signal(signal.SIGCONT)
    expect_equal(ask(client, '127.0.0.53', 'www.example.net'), ['198.51.100.1'], 'it goes on')
    tunnel = up(lab, client, bus)
    lab.resolved.process.popen.send_signal(signal.SIGSTOP)
    expect_equal(tunnel.end(signal.SIGTERM), 0, 'it ends nevertheless')
    lab.resolved.process.popen.send_signal(signal.SIGCONT)
    wait_until(lambda: '10.9.0.53' not in lab.resolved.control('status'), what='nothing is left')
    tunnel.is_expected_to_run = False
