# SPDX-License-Identifier: MIT
"""Which packets go into the tunnel, what the kill switch keeps in, and what survives a change of the path outside."""
import shutil
import signal
import time

import yaml

from lab import TOP, Instance, alone, expect, expect_equal, wait_until
from resolvers import ask, asking, serve_names

# What may be seen outside: the tunnel itself, and what a link needs to find neighbours.
INNER = 'not arp and not icmp6 and not (ip6 and ip6[6] = 0) and not (tcp port 8443)'
EVERYTHING = ['0.0.0.0/0', '::/0']
SERVER, SERVER6 = '203.0.113.10', '2001:db8:9::10'

# Packets as fast as is fair, to the server by both families, and past the routes by the outer interface itself.
TRAFFIC = '''
import socket, sys, time
def opened(family, *bound):
    made = socket.socket(family, socket.SOCK_DGRAM)
    for name in bound:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
    return made
senders = [(opened(socket.AF_INET), '203.0.113.10'), (opened(socket.AF_INET6), '2001:db8:9::10'),
           (opened(socket.AF_INET, b'wan0'), '203.0.113.10'), (opened(socket.AF_INET6, b'wan0'), '2001:db8:9::10')]
print('sending', flush=True)
while True:
    for made, address in senders:
        try:
            made.sendto(b'inner', (address, 9))
        except OSError:
            pass
    time.sleep(0.002)
'''


def internet(lab, client=None, settings=None, **keys):
    """A hub that forwards to a server, and a laptop whose every packet could also take the router of the outer network."""
    hub = lab.machine('hub', 1, bridge=True)
    hub.sysctl('net.ipv6.conf.br0.disable_ipv6', 0)
    hub.address('br0', '203.0.113.1/24', '2001:db8:9::1/64')
    server = lab.host('server', hub, f'{SERVER}/24')
    server.address('eth0', f'{SERVER6}/64')
    server.ip('route', 'add', 'default', 'via', '203.0.113.1')
    router = lab.namespaces['net']
    router.sysctl('net.ipv6.conf.br0.disable_ipv6', 0)
    router.address('br0', '192.0.2.254/24', '2001:db8::fe/64')
    laptop = lab.machine('laptop', 10)
    laptop.ip('route', 'add', 'default', 'via', '192.0.2.254', 'dev', 'wan0')
    laptop.ip('route', 'add', 'default', 'via', '2001:db8::fe', 'dev', 'wan0')
    lab.conf = lab.new('laptop', layer='ip')
    lab.edit(f'{lab.conf}/hub.yaml', gateway={'to': EVERYTHING, 'masquerade': True})
    lab.edit(f'{lab.conf}/laptop.yaml', settings=settings or {'included-routes': EVERYTHING}, **keys)
    lab.server, lab.router, lab.laptop, lab.hub_machine = server, router, laptop, hub
    return laptop


def start(lab):
    lab.hub = Instance(lab.hub_machine, 'hub', f'{lab.conf}/hub.yaml').wait_ready()
    lab.tunnel = Instance(lab.laptop, 'up', f'{lab.conf}/laptop.yaml').wait_ready()
    lab.laptop.wait_for_ping(SERVER)
    lab.laptop.wait_for_ping(SERVER6)


def way(machine, address, *more):
    return machine.ip('route', 'get', address, *more, check=False).stdout


def is_locked(machine):
    return 'longwire_lock_lw0' in machine.run('nft', 'list', 'tables').stdout


def end_by_user(lab):
    """Ctrl-C, which opens the kill switch; everything is as it was found."""
    lab.tunnel.stop(signal.SIGINT)
    expect(not is_locked(lab.laptop), 'the kill switch is open after Ctrl-C')


def outside(lab, device):
    """What the laptop sends through this interface and may not."""
    port = 'to-laptop' if device == 'wan0' else 'to-laptop1'
    return lab.router.capture(port, f'ether src {lab.laptop.mac(device)} and {INNER}')


def expect_nothing_left(seen):
    frames = seen.stop()
    expect(not frames, f'{len(frames)} inner packets outside, the first: {frames[0][:80].hex() if frames else ""}')


def test_nothing_leaves_during_a_hundred_kills_restarts_and_reconnections(lab):
    laptop = internet(lab, include_all_networks=True)
    start(lab)
    seen = outside(lab, 'wan0')
    traffic = laptop.start('/usr/bin/python3', '-c', TRAFFIC, name='traffic')
    wait_until(lambda: 'sending' in traffic.output(), what='traffic')
    for turn in range(100):
        if turn % 4 == 0:
            lab.tunnel.crash()
            lab.tunnel = lab.tunnel.again()
            lab.tunnel.before = None
        elif turn % 20 == 1:
            lab.tunnel.wait_ready(30)
            lab.tunnel.is_expected_to_run = False
            expect_equal(lab.tunnel.end(signal.SIGTERM), 0, 'exit status')
            lab.tunnel = lab.tunnel.again()
        else:
            lab.tunnel.wait_ready(30)
            laptop.run('ss', '-K', 'dport', '=', '8443')
        if turn % 10 == 9:
            lab.tunnel.wait_ready(30)
            laptop.wait_for_ping(SERVER, 20)
    expect(traffic.is_running(), 'the traffic went on')
    expect(lab.hub.port('laptop')['sessions'] >= 60, f"sessions: {lab.hub.port('laptop')['sessions']}")
    counters = laptop.run('nft', 'list', 'table', 'inet', 'longwire_lock_lw0').stdout
    expect('counter packets 0 ' not in counters.split('chain forward')[0], f'something was kept in: {counters}')
    expect_nothing_left(seen)
    lab.tunnel.wait_ready(30)
    traffic.kill()
    lab.tunnel.is_expected_to_run = False
    expect_equal(lab.tunnel.end(signal.SIGINT), 0, 'exit status')
    expect(not is_locked(laptop), 'the kill switch is open after Ctrl-C')
    laptop.wait_for_ping('192.0.2.254')


test_nothing_leaves_during_a_hundred_kills_restarts_and_reconnections.seconds_max = 400


def test_kill_switch_is_closed_before_the_first_attempt_and_after_the_last(lab):
    laptop = internet(lab, include_all_networks=True)
    laptop.wait_for_ping('192.0.2.254')
    seen = outside(lab, 'wan0')
    lab.tunnel = Instance(laptop, 'up', f'{lab.conf}/laptop.yaml')
    wait_until(lambda: is_locked(laptop), what='the kill switch is closed')
    wait_until(lambda: 'next attempt' in lab.tunnel.output(), what='an attempt failed')
    for address in ('192.0.2.254', '2001:db8::fe', SERVER, SERVER6):
        expect(not laptop.can_ping(address), f'{address} was reached')
    expect(laptop.can_ping('127.0.0.1') and laptop.can_ping('192.0.2.10'), 'the machine itself is reached')
    expect_nothing_left(seen)
    end_by_user(lab)
    laptop.wait_for_ping('192.0.2.254')


def test_kill_switch_stays_closed_until_it_is_unlocked(lab):
    laptop = internet(lab, include_all_networks=True)
    start(lab)
    lab.tunnel.is_expected_to_run = False
    expect_equal(lab.tunnel.end(signal.SIGTERM), 0, 'exit status')
    expect('longwire unlock lw0' in lab.tunnel.output(), 'the log says how to open it')
    expect(is_locked(laptop) and not laptop.can_ping('192.0.2.254'), 'it is closed after SIGTERM')
    wrong = laptop.run(lab.program, 'unlock', 'lw9', check=False)
    expect(wrong.returncode == 1 and 'lw9' in wrong.stdout, f'another interface: {wrong.stdout}')
    expect(is_locked(laptop), 'it is closed after a wrong name')
    expect_equal(laptop.run(lab.program, 'unlock', 'lw0').stdout, 'lw0: the kill switch is open\n', 'unlock')
    laptop.wait_for_ping('192.0.2.254')
    expect_equal(laptop.run(lab.program, 'unlock').stdout, 'no kill switch is closed\n', 'unlock again')
    expect_equal(laptop.run('nft', 'list', 'ruleset').stdout, '', 'nftables')


def test_kill_switch_is_opened_by_a_configuration_without_it(lab):
    laptop = internet(lab, include_all_networks=True)
    start(lab)
    lab.tunnel.crash()
    expect(is_locked(laptop), 'it is closed after a kill')
    lab.edit(f'{lab.conf}/laptop.yaml', include_all_networks=None)
    lab.tunnel = lab.tunnel.again().wait_ready()
    expect(not is_locked(laptop), 'it is open')
    expect('the kill switch is opened' in lab.tunnel.output(), 'the log says so')
    lab.tunnel.before = None
    lab.tunnel.stop(is_alone=False)


def lock_of(tunnel):
    return (tunnel.report() or {}).get('kill-switch')


def test_kill_switch_with_the_hubs_name_lets_questions_out_until_it_is_known(lab):
    laptop = internet(lab, include_all_networks=True)
    lab.edit(f'{lab.conf}/laptop.yaml', hub={'address': 'hub.example.net:8443'})
    lab.program = asking(laptop, '192.0.2.254', lab.program)
    hub = Instance(lab.hub_machine, 'hub', f'{lab.conf}/hub.yaml').wait_ready()
    tunnel = Instance(laptop, 'up', f'{lab.conf}/laptop.yaml')
    wait_until(lambda: (lock_of(tunnel) or {}).get('asks-names'), what=f'it asks: {tunnel.output()[-500:]}')
    expect(not laptop.can_ping('192.0.2.254'), 'but nothing else gets out')
    wait_until(lambda: 'next attempt' in tunnel.output(), what='nobody answers')
    names = serve_names(lab.router, '192.0.2.254', hub_example_net='192.0.2.1')
    tunnel.wait_ready(30)
    expect_equal(lock_of(tunnel)['state'], 'locked', 'state')
    expect_equal(lock_of(tunnel)['hub'], ['192.0.2.1:8443'], 'what is noted')
    expect(not lock_of(tunnel)['asks-names'], 'no more questions')
    laptop.wait_for_ping(SERVER)
    asked = names.output().count('query')
    since = lock_of(tunnel)['since']
    tunnel.crash()
    expect_equal(ask(laptop, '192.0.2.254', 'hub.example.net', seconds=1), None, 'an answer from outside')
    tunnel = tunnel.again()
    tunnel.before = None
    tunnel.wait_ready(20)
    expect_equal(names.output().count('query'), asked, 'nobody was asked again')
    expect_equal(lock_of(tunnel)['since'], since, 'it is the same kill switch')
    text = laptop.run(lab.program, 'status', tunnel.instance).stdout
    expect('kill switch  locked for ' in text and 'include-all-networks' in text, text)
    hub.stop(is_alone=False)
    wait_until(lambda: "end this, 'longwire unlock lw0', start anew" in (tunnel.report()['link']['last-failure'] or ''), 20,
               f"the way out is said: {tunnel.report()['link']['last-failure']}")
    tunnel.is_expected_to_run = False
    expect_equal(tunnel.end(signal.SIGTERM), 0, 'exit status')
    expect_equal(laptop.run(lab.program, 'unlock', 'lw0').stdout, 'lw0: the kill switch is open\n', 'unlock')
    expect_equal(ask(laptop, '192.0.2.254', 'hub.example.net'), ['192.0.2.1'], 'names can be asked again')


def test_unlock_removes_the_routing_of_killed_tunnels(lab):
    laptop = internet(lab, settings={'included-routes': ['0.0.0.0/0'], 'addresses': ['10.86.0.2/24']})
    lab.hub = Instance(lab.hub_machine, 'hub', f'{lab.conf}/hub.yaml').wait_ready()
    before = laptop.snapshot()
    lab.tunnel = Instance(laptop, 'up', f'{lab.conf}/laptop.yaml').wait_ready()
    expect(not laptop.can_ping('2001:db8:77::1') and 'unreachable' in ' '.join(laptop.routes('-6')),
           'IPv6 does not go outside beside the tunnel')
    lab.tunnel.crash()
    laptop.run(lab.program, 'unlock')
    after = laptop.snapshot()
    expect_equal((after['rules'], after['routes']), (before['rules'], before['routes']), 'rules and routes')


def test_local_networks_are_reached_if_they_are_excluded(lab):
    laptop = internet(lab, include_all_networks=True, exclude_local_networks=True)
    printer = lab.machine('printer', 20)
    printer.address('wan0', '192.168.7.20/24')
    laptop.address('wan0', '192.168.7.10/24')
    start(lab)
    laptop.wait_for_ping('192.168.7.20')
    expect('dev lw0' in way(laptop, '192.0.2.20'), 'a network of public addresses is no local one')
    laptop.ip('address', 'del', '192.168.7.10/24', 'dev', 'wan0')
    laptop.address('wan0', '172.16.7.10/24')
    printer.address('wan0', '172.16.7.20/24')
    laptop.wait_for_ping('172.16.7.20', 5)
    expect(not laptop.can_ping('192.168.7.20'), 'the former local network is reached')
    lab.tunnel.stop(signal.SIGINT, is_alone=False)


def expect_no_leak(lab, address, seconds=1.0):
    seen = lab.router.capture('to-laptop', f'host {address} and not (tcp port 8443) and not arp and not icmp6')
    for _ in range(5):
        expect(lab.laptop.can_ping(address, seconds=seconds), f'{address} is reached through the tunnel')
    expect_equal(len(seen.stop()), 0, f'packets for {address} outside')


def test_routes_of_the_outer_link_do_not_pull_packets_out_of_enforced_ones(lab):
    """TunnelVision (CVE-2024-3661): what a DHCP server says with option 121."""
    laptop = internet(lab, enforce_routes=True)
    start(lab)
    for route in (f'{SERVER}/32', '0.0.0.0/1', '128.0.0.0/1', '203.0.113.0/24'):
        laptop.ip('route', 'add', route, 'via', '192.0.2.254', 'dev', 'wan0')
    for route in (f'{SERVER6}/128', '2000::/4'):
        laptop.ip('route', 'add', route, 'via', '2001:db8::fe', 'dev', 'wan0')
    expect_no_leak(lab, SERVER)
    expect_no_leak(lab, SERVER6)
    # The tunnel's own connection may be led astray, and is nevertheless nobody's to read.
    expect('dev wan0' in way(laptop, '192.0.2.1', 'mark', '0x6c770000'), 'the connection goes outside')
    lab.tunnel.stop(is_alone=False)


def test_addresses_of_the_outer_link_do_not_pull_packets_out_of_enforced_routes(lab):
    """TunnelCrack, LocalNet: an access point that gives out addresses of the server's network."""
    laptop = internet(lab, enforce_routes=True, exclude_local_networks=True)
    start(lab)
    laptop.address('wan0', '203.0.113.77/24', '2001:db8:9::77/64')
    expect_no_leak(lab, SERVER)
    expect_no_leak(lab, SERVER6)
    lab.tunnel.stop(is_alone=False)


def test_packets_to_the_hubs_address_go_into_the_tunnel(lab):
    """TunnelCrack, ServerIP: only the tunnel itself goes to that address in the open."""
    laptop = internet(lab, enforce_routes=True)
    start(lab)
    expect('dev lw0' in way(laptop, '192.0.2.1'), way(laptop, '192.0.2.1'))
    expect_no_leak(lab, '192.0.2.1')


def test_excluded_routes_go_outside(lab):
    for keys in ({}, {'enforce_routes': True}, {'include_all_networks': True}):
        laptop = lab.namespaces.get('laptop') or internet(lab)
        lab.edit(f'{lab.conf}/laptop.yaml', enforce_routes=None, include_all_networks=None,
                 settings={'included-routes': EVERYTHING, 'excluded-routes': ['192.0.2.0/24']})
        lab.edit(f'{lab.conf}/laptop.yaml', **keys)
        if not hasattr(lab, 'hub'):
            lab.hub = Instance(lab.hub_machine, 'hub', f'{lab.conf}/hub.yaml').wait_ready()
        lab.tunnel = Instance(laptop, 'up', f'{lab.conf}/laptop.yaml').wait_ready()
        laptop.wait_for_ping(SERVER)
        seen = lab.router.capture('to-laptop', 'icmp and host 192.0.2.254')
        laptop.wait_for_ping('192.0.2.254', 3)
        expect(seen.stop(), f'{keys}: the router was reached outside')
        end_by_user(lab)


def test_hub_behind_the_router_that_the_default_route_names(lab):
    laptop = internet(lab, enforce_routes=True)
    lab.router.ip('route', 'add', '198.51.100.1', 'via', '192.0.2.1')
    lab.router.sysctl('net.ipv4.ip_forward', 1)
    lab.hub_machine.address('lo', '198.51.100.1/32')
    lab.edit(f'{lab.conf}/laptop.yaml', hub={'address': '198.51.100.1:8443'})
    start(lab)
    expect_no_leak(lab, SERVER)
    expect('dev lw0' in way(laptop, '198.51.100.1'), 'others to that address go into the tunnel')


def test_plain_routes_lose_to_longer_ones_of_the_machine(lab):
    laptop = internet(lab)
    start(lab)
    laptop.wait_for_ping('192.0.2.254')
    laptop.ip('route', 'add', f'{SERVER}/32', 'via', '192.0.2.254', 'dev', 'wan0')
    expect(not laptop.can_ping(SERVER), 'the longer route leads elsewhere')
    laptop.ip('route', 'del', f'{SERVER}/32')
    laptop.wait_for_ping(SERVER)


def test_works_where_the_kernel_checks_the_way_back(lab):
    laptop = internet(lab, enforce_routes=True)
    laptop.sysctl('net.ipv4.conf.all.rp_filter', 1)
    laptop.sysctl('net.ipv4.conf.wan0.rp_filter', 1)
    start(lab)
    laptop.run('ss', '-K', 'dport', '=', '8443')
    laptop.wait_for_ping(SERVER, 10)
    lab.tunnel.stop()
    expect_equal(laptop.sysctl('net.ipv4.conf.all.src_valid_mark'), '0', 'src_valid_mark afterwards')


def test_neighbours_do_not_reach_the_tunnels_address(lab):
    """CVE-2019-14899."""
    laptop = internet(lab)
    start(lab)
    neighbour = lab.machine('neighbour', 66)
    neighbour.ip('route', 'add', '10.86.0.2/32', 'dev', 'wan0')
    seen = neighbour.capture('wan0', 'arp and src host 10.86.0.2 or icmp and src host 10.86.0.2')
    expect(not neighbour.can_ping('10.86.0.2'), 'reached by ARP')
    neighbour.ip('neigh', 'replace', '10.86.0.2', 'lladdr', laptop.mac('wan0'), 'dev', 'wan0')
    expect(not neighbour.can_ping('10.86.0.2'), 'reached by its MAC address')
    neighbour.ip('route', 'add', 'fd86::2/128', 'via', '2001:db8::10', 'dev', 'wan0')
    expect(not neighbour.can_ping('fd86::2'), 'reached by IPv6')
    expect_equal(seen.stop(), [], 'answers')
    expect(neighbour.can_ping('192.0.2.10'), 'its other address answers')


def test_samples_of_both_uses_run(lab):
    """configs/: an isolated network, and an insecure one."""
    laptop = internet(lab)
    lab.hub = Instance(lab.hub_machine, 'hub', f'{lab.conf}/hub.yaml').wait_ready()
    with open(f'{lab.conf}/laptop.yaml') as file:
        hub = yaml.safe_load(file)['hub']
    for name, inside in (('isolated-network', '203.0.113.0/24'), ('insecure-network', None)):
        shutil.copy(f'{TOP}/configs/{name}.yaml', f'{lab.conf}/{name}.yaml')
        lab.edit(f'{lab.conf}/{name}.yaml', hub=hub)
        if inside:
            lab.edit(f'{lab.conf}/{name}.yaml', settings={'included-routes': [inside]})
        tunnel = Instance(laptop, 'up', f'{lab.conf}/{name}.yaml').wait_ready()
        laptop.wait_for_ping(SERVER)
        expect(('dev wan0' if inside else 'dev lw0') in way(laptop, '198.51.100.9'), f'{name}: the rest of the world')
        expect_equal(is_locked(laptop), not inside, f'{name}: the kill switch')
        tunnel.stop(signal.SIGINT)


# ---- Changes of the path

def transfer(lab, change, kilobytes=60000):
    """Change something in the middle of a TCP transfer through the tunnel; return the longest pause in seconds."""
    server = lab.server.start('/usr/bin/python3', '-c', '''
import hashlib, socket, time
made = socket.create_server(('', 7000))
print('listening', flush=True)
peer, _ = made.accept()
digest, last, longest, size = hashlib.sha256(), time.monotonic(), 0, 0
while True:
    data = peer.recv(1 << 16)
    if not data:
        break
    now = time.monotonic()
    if size:
        longest = max(longest, now - last)
    last, size = now, size + len(data)
    digest.update(data)
print('got', size, digest.hexdigest(), f'{longest:.2f}', flush=True)
''', name='receiver')
    wait_until(lambda: 'listening' in server.output(), what='the receiver')
    client = lab.laptop.start('/usr/bin/python3', '-c', f'''
import hashlib, socket, time
made = socket.create_connection(('{SERVER}', 7000))
digest = hashlib.sha256()
print('sending', flush=True)
for i in range({kilobytes} // 10):
    data = bytes([i % 251]) * 10240
    digest.update(data)
    made.sendall(data)
    time.sleep(0.001)
made.close()
print('sent', digest.hexdigest(), flush=True)
''', name='sender')
    wait_until(lambda: 'sending' in client.output(), what='the sender')
    end = time.monotonic() + 1.5
    wait_until(lambda: time.monotonic() > end, 3)
    expect(client.is_running(), 'the transfer is under way')
    change()
    wait_until(lambda: 'got' in server.output() and 'sent' in client.output(), 60, 'the transfer ended')
    size, digest, longest = server.output().split()[-3:]
    expect_equal(int(size), kilobytes // 10 * 10240, 'bytes received')
    expect_equal(digest, client.output().split()[-1], 'checksum')
    return float(longest)


def expect_roamed(lab, longest):
    expect(longest <= 2.0, f'the longest pause was {longest} s')
    expect('dev lw0' in way(lab.laptop, SERVER), 'the routes are in place')


def test_transfer_survives_a_change_of_address(lab):
    laptop = internet(lab, enforce_routes=True)
    start(lab)
    index = laptop.link('lw0')['ifindex']

    def change():
        laptop.ip('address', 'del', '192.0.2.10/24', 'dev', 'wan0')
        laptop.ip('address', 'add', '192.0.2.11/24', 'dev', 'wan0')
        laptop.ip('route', 'replace', 'default', 'via', '192.0.2.254', 'dev', 'wan0')

    expect_roamed(lab, transfer(lab, change))
    expect_equal(laptop.link('lw0')['ifindex'], index, 'the interface')
    wait_until(lambda: '192.0.2.11' in str(lab.hub.port('laptop')), what='the hub sees the new address')
    lab.tunnel.before = None
    lab.tunnel.stop(is_alone=False)


def second_link(lab):
    """wan1 on the same outer network, not yet used."""
    laptop = lab.laptop
    lab.wire(laptop, 'wan1', lab.router, 'to-laptop1')
    lab.router.ip('link', 'set', 'to-laptop1', 'master', 'br0')
    laptop.sysctl('net.ipv4.conf.all.arp_ignore', 1)


@alone('it measures a pause')
def test_better_path_is_taken_without_a_pause(lab):
    laptop = internet(lab, include_all_networks=True)
    second_link(lab)
    start(lab)
    connects = lab.tunnel.report()['link']['connects']

    def change():
        laptop.address('wan1', '192.0.2.12/24')
        laptop.ip('route', 'add', '192.0.2.1/32', 'dev', 'wan1', 'src', '192.0.2.12')

    longest = transfer(lab, change)
    expect_roamed(lab, longest)
    expect(longest < 0.8, f'make before break: {longest} s')
    wait_until(lambda: '192.0.2.12' in str(lab.hub.port('laptop')), what='the hub sees the new address')
    expect_equal(lab.tunnel.report()['link']['connects'], connects, 'connections made anew')
    expect('reasserting' not in lab.tunnel.output(), 'nobody noticed')
    lab.tunnel.stop(signal.SIGINT, is_alone=False)


def test_transfer_survives_the_loss_of_a_link(lab):
    laptop = internet(lab, include_all_networks=True)
    second_link(lab)
    laptop.address('wan1', '192.0.2.12/24')
    start(lab)
    seen = outside(lab, 'wan1')

    def change():
        laptop.ip('link', 'set', 'wan0', 'down')

    expect_roamed(lab, transfer(lab, change))
    expect_nothing_left(seen)
    lab.tunnel.stop(signal.SIGINT, is_alone=False)
