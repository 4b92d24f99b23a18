# SPDX-License-Identifier: MIT
"""What breaks, and how it comes back."""
import time

from lab import Instance, alone, expect, expect_equal, join, two_lans, wait_until
from services import Transfer

DEAD_SECONDS = 10


def joined(lab):
    a, b = two_lans(lab)
    lab.a1.address('eth0', '10.1.0.1/24')
    lab.b1.address('eth0', '10.1.0.2/24')
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    return a, b


def begin_transfer(lab, megabytes=400):
    transfer = Transfer(lab.b1, lab.a1, '10.1.0.1', megabytes)
    transfer.wait_for(20)
    return transfer


def test_killed_client_comes_back_and_inner_tcp_survives(lab):
    joined(lab)
    transfer = begin_transfer(lab)
    lab.tunnel.crash()
    expect(transfer.received < transfer.megabytes << 20, 'killed in the middle')
    wait_until(lambda: not lab.hub.port('branch')['connected'], 2, 'the hub freed the session')
    lab.tunnel = lab.tunnel.again().wait_ready()
    transfer.finish(80)


def test_killed_hub_comes_back_and_inner_tcp_survives(lab):
    _, b = joined(lab)
    index = b.link('lw0')['ifindex']
    transfer = begin_transfer(lab)
    lab.hub.crash()
    expect(transfer.received < transfer.megabytes << 20, 'killed in the middle')
    wait_until(lambda: lab.tunnel.report()['connection']['status'] == 'reasserting', 2, 'the tunnel says reasserting')
    lab.hub = lab.hub.again().wait_ready()
    wait_until(lab.tunnel.is_connected, 5, 'the tunnel is connected again')
    transfer.finish(80)
    expect_equal(b.link('lw0')['ifindex'], index, 'the TAP is the same device')
    expect_equal(b.link('lw0')['master'], 'br0', 'and in the bridge')


@alone('twenty handshakes have three seconds')
def test_twenty_clients_are_back_three_seconds_after_the_hub(lab):
    names = [f'c{number}' for number in range(20)]
    hub, machine = lab.machine('hub', 1), lab.machine('many', 2)
    conf = lab.new(*names)
    lab.edit(f'{conf}/hub.yaml', interface=None)
    lab.hub = Instance(hub, 'hub', f'{conf}/hub.yaml').wait_ready()
    for number, name in enumerate(names):
        lab.edit(f'{conf}/{name}.yaml', interface={'name': f'lw{number}'})
    tunnels = [Instance(machine, 'up', f'{conf}/{name}.yaml') for name in names]
    for tunnel in tunnels:
        tunnel.wait_ready(30)
        tunnel.before = None

    def connected():
        return sum(port['connected'] for port in lab.hub.report()['ports'])

    lab.hub.crash()
    gap = time.monotonic() + 3
    wait_until(lambda: time.monotonic() > gap, 4)
    lab.hub = lab.hub.again().wait_ready()
    wait_until(lambda: connected() == len(names), 3, 'all are back')
    for tunnel in tunnels:
        tunnel.is_expected_to_run = False
        expect_equal(tunnel.end(), 0, 'exit status')


test_twenty_clients_are_back_three_seconds_after_the_hub.seconds_max = 150


def set_port(lab, state):
    lab.namespaces['net'].ip('link', 'set', 'to-branch', state)


def sessions(lab):
    return lab.hub.port('branch')['sessions']


def test_short_link_flaps_keep_the_session(lab):
    joined(lab)
    before = sessions(lab)
    for _ in range(10):
        set_port(lab, 'down')
        end = time.monotonic() + 0.2
        wait_until(lambda: time.monotonic() > end, 1)
        set_port(lab, 'up')
        lab.b1.wait_for_ping('10.1.0.1', 8)
    expect_equal(sessions(lab), before, 'sessions')


def test_link_down_for_five_seconds_keeps_the_session(lab):
    joined(lab)
    before = sessions(lab)
    set_port(lab, 'down')
    end = time.monotonic() + 5
    wait_until(lambda: time.monotonic() > end, 6)
    set_port(lab, 'up')
    lab.b1.wait_for_ping('10.1.0.1', 5)
    expect_equal(sessions(lab), before, 'sessions')


def is_up(instance):
    return instance.is_connected() if instance.command == 'up' else instance.port('branch')['connected']


def check_dead_within_limit(lab, start):
    for instance in (lab.tunnel, lab.hub):
        wait_until(lambda: not is_up(instance), DEAD_SECONDS + 4 - (time.monotonic() - start), f'{instance.name} noticed')
        took = time.monotonic() - start
        expect(took > DEAD_SECONDS - 4, f'{instance.name} gave up after {took:.1f} s already')


def test_black_hole_is_noticed_by_both_and_left(lab):
    _, b = joined(lab)
    index = b.link('lw0')['ifindex']
    net = lab.namespaces['net']
    start = time.monotonic()
    net.ip('link', 'set', 'to-branch', 'nomaster')
    check_dead_within_limit(lab, start)
    expect_equal(lab.tunnel.report()['connection']['status'], 'reasserting', 'status')
    expect_equal(b.link('lw0')['master'], 'br0', 'the TAP stays in the bridge')
    net.ip('link', 'set', 'to-branch', 'master', 'br0')
    lab.b1.wait_for_ping('10.1.0.1', 8)
    expect_equal(b.link('lw0')['ifindex'], index, 'the TAP is the same device')


def test_one_way_black_hole_is_noticed_by_both(lab):
    joined(lab)
    net = lab.namespaces['net']
    net.run('nft', 'add', 'table', 'bridge', 'hole')
    net.run('nft', 'add', 'chain', 'bridge', 'hole', 'c', '{ type filter hook forward priority 0; }')
    start = time.monotonic()
    net.run('nft', 'add', 'rule', 'bridge', 'hole', 'c', 'iifname', 'to-hub', 'drop')
    check_dead_within_limit(lab, start)
    net.run('nft', 'delete', 'table', 'bridge', 'hole')
    lab.b1.wait_for_ping('10.1.0.1', 8)


def test_reset_connection_is_made_anew_once(lab):
    a, _ = joined(lab)
    before = sessions(lab)
    a.run('ss', '-K', 'sport', '=', ':8443')
    wait_until(lambda: sessions(lab) > before, 3, 'a new session')
    lab.b1.wait_for_ping('10.1.0.1', 3)
    expect_equal(sessions(lab), before + 1, 'sessions')


def test_carrier_of_a_host_follows_the_tunnel(lab):
    hub, client = lab.machine('hub', 1), lab.machine('laptop', 2)
    conf = lab.new('laptop')
    lab.hub = Instance(hub, 'hub', f'{conf}/hub.yaml').wait_ready()
    tunnel = Instance(client, 'up', f'{conf}/laptop.yaml').wait_ready()
    mac = client.mac('lw0')

    def has_carrier():
        return 'LOWER_UP' in client.link('lw0')['flags']

    wait_until(has_carrier, 5, 'carrier while connected')
    lab.hub.stop()
    wait_until(lambda: not has_carrier(), 5, 'no carrier while disconnected')
    lab.hub = lab.hub.again().wait_ready()
    wait_until(has_carrier, 10, 'carrier again')
    tunnel.stop()
    tunnel = tunnel.again().wait_ready()
    expect_equal(client.mac('lw0'), mac, 'the MAC survives a restart')


def test_newest_session_of_a_peer_wins(lab):
    hub = lab.machine('hub', 1)
    conf = lab.new('laptop')
    lab.edit(f'{conf}/hub.yaml', interface=None)
    lab.hub = Instance(hub, 'hub', f'{conf}/hub.yaml').wait_ready()
    first = Instance(lab.machine('first', 2), 'up', f'{conf}/laptop.yaml', name='first').wait_ready()
    Instance(lab.machine('second', 3), 'up', f'{conf}/laptop.yaml', name='second').wait_ready()
    wait_until(lambda: not first.is_connected(), 3, 'the first one was replaced')
    expect_equal(lab.hub.port('laptop')['sessions'], 2, 'sessions')
    end = time.monotonic() + 5
    wait_until(lambda: time.monotonic() > end, 6)
    expect_equal(lab.hub.port('laptop')['sessions'], 2, 'sessions: they do not throw each other out')
    text = first.namespace.run(lab.program, 'status', first.instance).stdout
    expect('replaced' in text or 'elsewhere' in text, f'status says so: {text}')


def test_peer_stopped_for_long_is_dropped_and_comes_back(lab):
    import signal
    joined(lab)
    before = sessions(lab)
    lab.tunnel.popen.send_signal(signal.SIGSTOP)
    wait_until(lambda: not lab.hub.port('branch')['connected'], DEAD_SECONDS + 4, 'the hub noticed')
    lab.tunnel.popen.send_signal(signal.SIGCONT)
    lab.b1.wait_for_ping('10.1.0.1', 8)
    expect_equal(sessions(lab), before + 1, 'sessions')
