# SPDX-License-Identifier: MIT
"""One machine on a far LAN that gets its addresses from there: DHCP by dnsmasq behind the hub, routers' advertisements."""
import os
import shutil
import socket
import struct

from lab import Instance, expect, expect_equal, mac_bytes, wait_until
from resolvers import NO_BUS, Resolvconf, mounted_over
from services import BROADCAST, BriefDhcp, ethernet, serve_dhcp


def far_host(lab, **settings):
    """LAN A with a server behind the hub; the laptop is one host of it."""
    hub = lab.machine('hub', 1, bridge=True)
    laptop = lab.machine('laptop', 2)
    lab.a1 = lab.host('a1', hub, '10.1.0.1/24')
    conf = lab.new('laptop')
    lab.edit(f'{conf}/hub.yaml', interface={'name': 'lw0', 'bridge': 'br0'})
    lab.edit(f'{conf}/laptop.yaml', settings=settings)
    lab.hub = Instance(hub, 'hub', f'{conf}/hub.yaml').wait_ready()
    lab.conf = conf
    return laptop


def up(lab, laptop, *options, **more):
    return Instance(laptop, 'up', f'{lab.conf}/laptop.yaml', *options, **more).wait_ready()


def ipv4(laptop):
    return [a for a in laptop.addresses('lw0') if ':' not in a]


def wait_address(laptop, tunnel):
    """What the tunnel holds from then on has come with the address: the watch over the tables that guard it."""
    found = wait_until(lambda: ipv4(laptop), 20, f'an address: {tunnel.output()[-500:]}')
    expect(tunnel.report(), 'a status, after all that the address has brought')
    tunnel.descriptors = tunnel.count_descriptors()
    return found


def test_dhcp_gives_address_router_and_mtu(lab):
    laptop = far_host(lab, ipv4='automatic', **{'included-routes': ['10.77.0.0/16']})
    lab.a1.address('lo', '10.77.0.1/32')
    serve_dhcp(lab.a1, '10.1.0.100,10.1.0.150', '--dhcp-option=3,10.1.0.1', '--dhcp-option=26,1400')
    tunnel = up(lab, laptop, '--wait', '20')
    wait_until(lambda: tunnel.report()['lease'], what=f'a lease: {tunnel.output()[-800:]}')
    address = tunnel.report()['lease']['address']
    expect(address.startswith('10.1.0.1') and address.endswith('/24'), address)
    expect_equal(ipv4(laptop), [address], 'the addresses of lw0')
    expect_equal(laptop.link('lw0')['mtu'], 1400, 'the MTU of the lease')
    expect(any('10.77.0.0/16 via 10.1.0.1' in route for route in laptop.routes()), f'{laptop.routes()}')
    expect(not any(route.startswith('default') and 'lw0' in route for route in laptop.routes()), 'no default route')
    laptop.wait_for_ping('10.1.0.1')
    expect(laptop.can_ping('10.77.0.1'), 'by the lease\'s router')
    tunnel.stop()


def test_nobody_gives_an_address__wait_fails(lab):
    laptop = far_host(lab, ipv4='automatic')
    before = laptop.snapshot()
    tunnel = Instance(laptop, 'up', f'{lab.conf}/laptop.yaml', '--wait', '3')
    tunnel.is_expected_to_run = False
    expect_equal(tunnel.wait(20), 1, tunnel.output()[-500:])
    expect('not given an address within the time' in tunnel.output(), tunnel.output()[-500:])
    expect_equal(laptop.snapshot(), before, 'the machine')


def test_lease_survives_a_reconnect_and_is_lost_when_it_ends(lab):
    laptop = far_host(lab, ipv4='automatic')
    server = serve_dhcp(lab.a1, '10.1.0.100,10.1.0.150')
    tunnel = up(lab, laptop)
    wait_address(laptop, tunnel)
    first = ipv4(laptop)
    lab.hub.crash()
    wait_until(lambda: not tunnel.is_connected(), 20, 'it reconnects')
    expect_equal(ipv4(laptop), first, 'while it reconnects')
    lab.hub = lab.hub.again().wait_ready()
    wait_until(tunnel.is_connected, 20, 'it is back')
    wait_until(lambda: server.output().count('DHCPACK') > 1, 15, 'the lease is asked for again')
    expect_equal(ipv4(laptop), first, 'after')


def test_lease_that_is_not_renewed_is_lost_and_another_found(lab):
    laptop = far_host(lab, ipv4='automatic')
    server = BriefDhcp(lab.a1, '10.1.0.77', 16)
    tunnel = up(lab, laptop, '--wait', '20')
    expect_equal(wait_address(laptop, tunnel), ['10.1.0.77/24'], 'the addresses of lw0')
    laptop.wait_for_ping('10.1.0.1')
    server.is_silent = True
    wait_until(lambda: not ipv4(laptop), 40, f'it expires: {tunnel.output()[-500:]}')
    expect('the lease is lost' in tunnel.output(), 'it is told')
    expect_equal(tunnel.report()['lease'], None, 'status')
    expect(tunnel.is_connected(), 'the tunnel stays')
    server.is_silent = False
    wait_until(lambda: ipv4(laptop) == ['10.1.0.77/24'], 20, 'an address again')
    laptop.wait_for_ping('10.1.0.1')


def test_machine_without_udhcpc_is_told_what_to_install(lab):
    laptop = far_host(lab, ipv4='automatic')
    lab.program = mounted_over(laptop, '/dev/null', os.path.realpath(shutil.which('udhcpc', path='/usr/sbin:/sbin:/usr/bin')),
                               lab.program)
    before = laptop.snapshot()
    tunnel = Instance(laptop, 'up', f'{lab.conf}/laptop.yaml', '--once')
    tunnel.is_expected_to_run = False
    expect_equal(tunnel.wait(20), 1, tunnel.output()[-500:])
    expect('ipv4: automatic is done by udhcpc, and this machine has none: install it (Debian: udhcpc)' in tunnel.output(),
           tunnel.output()[-500:])
    expect_equal(laptop.snapshot(), before, 'the machine')


def test_dhcp_client_that_dies_is_started_again(lab):
    laptop = far_host(lab, ipv4='automatic')
    server = serve_dhcp(lab.a1, '10.1.0.100,10.1.0.150')
    tunnel = up(lab, laptop)
    wait_until(lambda: ipv4(laptop), 20, 'an address')
    child = laptop.run('cat', f'/proc/{tunnel.pid}/task/{tunnel.pid}/children').stdout.split()
    expect_equal(len(child), 1, 'children')
    os.kill(int(child[0]), 9)
    wait_until(lambda: 'the DHCP client ended' in tunnel.output(), what='it is told')
    wait_until(lambda: server.output().count('DHCPACK') > 1, 15, 'a new client')
    wait_until(lambda: ipv4(laptop), 10, 'an address')
    tunnel.descriptors = None


def test_killed_instance_leaves_no_client(lab):
    laptop = far_host(lab, ipv4='automatic')
    serve_dhcp(lab.a1, '10.1.0.100,10.1.0.150')
    tunnel = up(lab, laptop)
    wait_until(lambda: ipv4(laptop), 20, 'an address')
    child = int(laptop.run('cat', f'/proc/{tunnel.pid}/task/{tunnel.pid}/children').stdout.split()[0])
    tunnel.crash()
    wait_until(lambda: not os.path.exists(f'/proc/{child}'), 5, 'the client is gone')


def test_hostile_server_gives_nothing_absurd(lab):
    laptop = far_host(lab, ipv4='automatic')
    serve_dhcp(lab.a1, '10.1.0.100,10.1.0.150', '--dhcp-option=3,192.0.2.1', '--dhcp-option=26,68',
               '--dhcp-option=121,192.0.2.0/25,10.1.0.1,0.0.0.0/1,10.1.0.1', '--dhcp-option=6,10.1.0.1')
    before = [route for route in laptop.routes() if 'lw0' not in route]
    tunnel = up(lab, laptop, '--wait', '20')
    wait_address(laptop, tunnel)
    expect_equal([route for route in laptop.routes() if 'lw0' not in route], before, 'the other routes')
    expect(not any('192.0.2.0/25' in r or '0.0.0.0/1' in r or r.startswith('default') for r in laptop.routes()),
           f'{laptop.routes()}')
    expect_equal(laptop.link('lw0')['mtu'], 1500, 'the MTU')
    expect_equal(tunnel.report()['dns'], None, 'name servers of a split tunnel')
    expect_equal(tunnel.report()['lease']['router'], None, 'a router that is not in the network')


def test_routers_give_ipv6_addresses_and_no_default_route(lab):
    laptop = far_host(lab, ipv6='automatic')
    lab.a1.address('eth0', '2001:db8:1::1/64')
    lab.a1.sysctl('net.ipv6.conf.all.forwarding', 1)
    serve_dhcp(lab.a1, '2001:db8:1::,ra-only', '--enable-ra')
    tunnel = up(lab, laptop)
    wait_until(lambda: [a for a in laptop.addresses('lw0') if a.startswith('2001:db8:1:')], 20,
               f'an address: {laptop.addresses("lw0")}')
    laptop.wait_for_ping('2001:db8:1::1')
    expect(not any(route.startswith('default') for route in laptop.routes('-6')), f'{laptop.routes("-6")}')
    tunnel.stop()


def test_ipv6_link_local_alone(lab):
    laptop = far_host(lab, ipv6='link-local')
    lab.a1.address('eth0', '2001:db8:1::1/64')
    lab.a1.sysctl('net.ipv6.conf.all.forwarding', 1)
    serve_dhcp(lab.a1, '2001:db8:1::,ra-only', '--enable-ra')
    up(lab, laptop)
    wait_until(lambda: laptop.addresses('lw0'), what='an address')
    peer = [a.split('/')[0] for a in lab.a1.addresses('eth0') if a.startswith('fe80')][0]
    laptop.wait_for_ping(f'{peer}%lw0')
    expect(all(a.startswith('fe80') for a in laptop.addresses('lw0')), f'{laptop.addresses("lw0")}')


def test_name_servers_of_a_lease_where_all_goes_there(lab):
    laptop = far_host(lab, ipv4='automatic', **{'included-routes': ['0.0.0.0/0']})
    serve_dhcp(lab.a1, '10.1.0.100,10.1.0.150', '--dhcp-option=3,10.1.0.1', '--dhcp-option=6,10.1.0.1',
               '--dhcp-option=15,corp.example')
    resolvconf = Resolvconf(laptop)
    before = resolvconf.text()
    lab.program = resolvconf.program(lab.program)
    tunnel = up(lab, laptop, env=NO_BUS)
    wait_until(lambda: tunnel.report()['lease'], 20, 'a lease')
    expect_equal(resolvconf.text(), 'search corp.example nameserver 10.1.0.1', 'resolv.conf')
    tunnel.stop()
    expect_equal(resolvconf.text(), before, 'after')


def link_local_of(tunnel):
    """The address that a tunnel holds, or None."""
    return ((tunnel.report() or {}).get('link-local') or {}).get('address')


def use_address(host, address):
    """The host announces an address, as who was given it by hand would."""
    mac, ip = mac_bytes(host.mac('eth0')), socket.inet_aton(address)
    arp = struct.pack('>HHBBH', 1, 0x0800, 6, 4, 1) + mac + ip + bytes(6) + ip
    host.send_frames('eth0', [ethernet(BROADCAST, mac, 0x0806, arp + bytes(18))])


def test_link_local_addresses_of_two_clients_reach_each_other_and_are_defended(lab):
    laptop = far_host(lab, ipv4='link-local')
    other = lab.machine('other', 3)
    lab.hub.stop()
    lab.new('other')
    lab.edit(f'{lab.conf}/other.yaml', settings={'ipv4': 'link-local'})
    lab.hub = lab.hub.again().wait_ready()
    a = up(lab, laptop, '--wait', '20')
    b = Instance(other, 'up', f'{lab.conf}/other.yaml', '--wait', '20').wait_ready()
    wait_address(laptop, a)
    wait_address(other, b)
    first, second = (link_local_of(one).split('/')[0] for one in (a, b))
    expect(first != second and first.startswith('169.254.') and second.startswith('169.254.'), f'{first}, {second}')
    laptop.wait_for_ping(second)
    expect(other.can_ping(first), 'the other way')
    expect(f'169.254.0.0/16 dev lw0 proto kernel scope link src {first}' in laptop.routes(), f'{laptop.routes()}')
    expect('scope link lw0' in laptop.ip('-o', '-4', 'address', 'show', 'lw0').stdout, 'scope')
    use_address(lab.a1, first)
    wait_until(lambda: a.report()['link-local']['defences'] == 1, what='it is defended')
    expect_equal(link_local_of(a), f'{first}/16', 'once')
    use_address(lab.a1, first)
    wait_until(lambda: link_local_of(a) not in (None, f'{first}/16'), 15, 'another address')
    expect_equal(ipv4(laptop), [link_local_of(a)], 'the addresses of lw0')
    facts = a.report()['link-local']
    expect_equal((facts['conflicts'], facts['defences']), (2, 1), 'counted')
    expect('2 conflicts, 1 of them answered' in laptop.run(lab.program, 'status', a.instance).stdout, 'it is said')
    other.wait_for_ping(link_local_of(a).split('/')[0])
    expect_equal(link_local_of(b), f'{second}/16', 'the other one')
    before = link_local_of(a)
    lab.hub.crash()
    wait_until(lambda: not a.is_connected(), 20, 'it reconnects')
    expect_equal(ipv4(laptop), [before], 'while it reconnects')
    lab.hub = lab.hub.again().wait_ready()
    wait_until(a.is_connected, 20, 'it is back')
    wait_until(lambda: a.report()['link-local']['state'] == 'probing', what='it is probed again')
    wait_until(lambda: a.report()['link-local']['state'] == 'held', 15, 'and held')
    expect_equal(ipv4(laptop), [before], 'after')
    a.stop()
    expect(not laptop.routes() or not any('169.254' in route for route in laptop.routes()), 'no route is left')
