# SPDX-License-Identifier: MIT
"""IP mode: clients reach the hub, each other where that is allowed, and networks behind both."""
from lab import Instance, expect, expect_equal, wait_until

BEHIND_HUB = '10.20.0.0/24'


def network(lab, clients=('laptop', 'tablet'), hub=None, client=None):
    """A hub with the LAN 10.20.0.0/24 and its host behind it, and clients."""
    machine = lab.machine('hub', 1, bridge=True)
    machine.address('br0', '10.20.0.1/24')
    lab.server = lab.host('server', machine, '10.20.0.10/24')
    lab.conf = lab.new(*clients, layer='ip')
    lab.edit(f'{lab.conf}/hub.yaml', **(hub or {}))
    lab.hub_machine = machine
    lab.machines = {}
    for number, name in enumerate(clients):
        lab.edit(f'{lab.conf}/{name}.yaml', **(client or {}))
        lab.machines[name] = lab.machine(name, 10 + number)
    return [lab.machines[name] for name in clients]


def start(lab):
    lab.hub = Instance(lab.hub_machine, 'hub', f'{lab.conf}/hub.yaml').wait_ready()
    lab.tunnels = {name: Instance(machine, 'up', f'{lab.conf}/{name}.yaml').wait_ready()
                   for name, machine in lab.machines.items()}


GATEWAY = {'gateway': {'to': [BEHIND_HUB], 'masquerade': True}, 'settings': {'included-routes': [BEHIND_HUB]}}
WELCOME = {'accept': ['addresses', 'mtu', 'included-routes']}


def test_clients_get_their_addresses_and_reach_the_hub(lab):
    laptop, tablet = network(lab)
    start(lab)
    expect('10.86.0.2/24' in laptop.addresses('lw0') or '10.86.0.2/32' in laptop.addresses('lw0'),
           f'addresses of the laptop: {laptop.addresses("lw0")}')
    expect(any(x.startswith('10.86.0.3/') for x in tablet.addresses('lw0')), f'of the tablet: {tablet.addresses("lw0")}')
    for machine in (laptop, tablet):
        machine.wait_for_ping('10.86.0.1')
        machine.wait_for_ping('fd86::1')
    lab.hub_machine.wait_for_ping('10.86.0.2')
    expect_equal(laptop.ping_losses('10.86.0.1', 50), 0, 'lost pings of 50')


def test_packets_up_to_the_mtu_pass_both_ways(lab):
    laptop, _ = network(lab)
    start(lab)
    laptop.wait_for_ping('10.86.0.1')
    expect(laptop.can_ping('10.86.0.1', '-M', 'do', '-s', 1472), 'a packet of 1500 bytes')
    expect(lab.hub_machine.can_ping('10.86.0.2', '-M', 'do', '-s', 1472), 'a packet of 1500 bytes from the hub')
    expect(laptop.can_ping('10.86.0.1', '-s', 4000), 'a fragmented packet')


def test_host_behind_the_hub_through_its_gateway(lab):
    laptop, _ = network(lab, hub=GATEWAY, client=WELCOME)
    start(lab)
    laptop.wait_for_ping('10.20.0.10')
    seen = lab.server.capture('eth0', 'icmp')
    expect(laptop.can_ping('10.20.0.10'), 'ping of the server')
    source = seen.wait_for(lambda frame: frame[23] == 1)[0][26:30]
    expect_equal(source, bytes([10, 20, 0, 1]), 'masqueraded as the hub')
    lab.hub.stop()
    expect_equal(lab.hub_machine.sysctl('net.ipv4.ip_forward'), '0', 'forwarding after the hub')
    expect_equal(lab.hub_machine.run('nft', 'list', 'ruleset').stdout, '', 'nftables after the hub')


def test_host_behind_the_hub_without_masquerade_sees_the_client(lab):
    gateway = {**GATEWAY, 'gateway': {'to': [BEHIND_HUB], 'masquerade': False}}
    laptop, _ = network(lab, hub=gateway, client=WELCOME)
    lab.server.ip('route', 'add', '10.86.0.0/24', 'via', '10.20.0.1')
    start(lab)
    laptop.wait_for_ping('10.20.0.10')
    seen = lab.server.capture('eth0', 'icmp')
    expect(laptop.can_ping('10.20.0.10'), 'ping of the server')
    source = seen.wait_for(lambda frame: frame[23] == 1)[0][26:30]
    expect_equal(source, bytes([10, 86, 0, 2]), 'the source that the server sees')


def test_gateway_forwards_into_its_networks_only(lab):
    laptop, _ = network(lab, hub=GATEWAY, client=WELCOME)
    other = lab.namespace('other')
    lab.wire(lab.hub_machine, 'lan2', other, 'eth0')
    lab.hub_machine.address('lan2', '10.30.0.1/24')
    other.address('eth0', '10.30.0.10/24')
    other.ip('route', 'add', 'default', 'via', '10.30.0.1')
    start(lab)
    laptop.wait_for_ping('10.20.0.10')
    laptop.ip('route', 'add', '10.30.0.0/24', 'dev', 'lw0')
    expect(not laptop.can_ping('10.30.0.10'), 'a network that the gateway does not name is not reached')


def test_routes_that_were_not_accepted_are_not_set_and_show_in_status(lab):
    laptop, _ = network(lab, hub=GATEWAY, client={'accept': ['addresses', 'mtu']})
    start(lab)
    laptop.wait_for_ping('10.86.0.1')
    expect(not any('10.20.0.0' in route for route in laptop.routes()), f'routes: {laptop.routes()}')
    text = lab.tunnels['laptop'].namespace.run(lab.program, 'status', lab.tunnels['laptop'].instance).stdout
    expect('not accepted' in text and '10.20.0.0/24' in text, f'the offer shows in status: {text}')


def test_clients_are_isolated_by_default(lab):
    laptop, tablet = network(lab)
    start(lab)
    laptop.wait_for_ping('10.86.0.1')
    tablet.wait_for_ping('10.86.0.1')
    expect(not laptop.can_ping('10.86.0.3'), 'the laptop does not reach the tablet')
    expect(lab.hub.drops('laptop').get('isolated', 0) >= 1, f'counted: {lab.hub.drops("laptop")}')


def test_clients_reach_each_other_inside_the_hub(lab):
    laptop, _ = network(lab, hub={'between-clients': 'direct'})
    start(lab)
    laptop.wait_for_ping('10.86.0.3')
    laptop.wait_for_ping('fd86::3')
    expect_equal(laptop.ping_losses('10.86.0.3', 50), 0, 'lost pings of 50')


def test_clients_reach_each_other_through_the_kernel_of_the_hub(lab):
    laptop, _ = network(lab, hub={'between-clients': 'kernel'})
    lab.hub_machine.sysctl('net.ipv4.ip_forward', 1)
    start(lab)
    seen = lab.hub_machine.capture('lw0', 'icmp')
    laptop.wait_for_ping('10.86.0.3')
    expect(seen.stop(), 'the pings passed the interface of the hub')


def test_network_behind_a_client(lab):
    laptop, _ = network(lab)
    laptop.bridge()
    laptop.address('br0', '192.168.7.1/24')
    camera = lab.host('camera', laptop, '192.168.7.10/24')
    camera.ip('route', 'add', 'default', 'via', '192.168.7.1')
    laptop.sysctl('net.ipv4.ip_forward', 1)
    lab.edit_client(lab.conf, 'laptop', networks=['192.168.7.0/24'])
    lab.edit(f'{lab.conf}/laptop.yaml', networks=['192.168.7.0/24'])
    start(lab)
    laptop.wait_for_ping('10.86.0.1')
    expect(any('192.168.7.0/24' in route for route in lab.hub_machine.routes()), f'routes: {lab.hub_machine.routes()}')
    lab.hub_machine.wait_for_ping('192.168.7.10')
    camera.wait_for_ping('10.86.0.1')


def test_spoofed_source_is_dropped_and_counted(lab):
    laptop, tablet = network(lab, hub={'between-clients': 'direct'})
    start(lab)
    laptop.wait_for_ping('10.86.0.3')
    seen = lab.hub_machine.capture('lw0', 'host 10.99.0.1 or host 10.86.0.77')
    at_tablet = tablet.capture('lw0', 'host 10.99.0.1 or host 10.86.0.77')
    for spoofed in ('10.99.0.1', '10.86.0.77'):
        laptop.address('lo', f'{spoofed}/32')
        expect(not laptop.can_ping('10.86.0.1', '-I', spoofed), f'a ping as {spoofed}')
        expect(not laptop.can_ping('10.86.0.3', '-I', spoofed), f'a ping as {spoofed} to the tablet')
        laptop.ip('address', 'del', f'{spoofed}/32', 'dev', 'lo')
    counts = lab.tunnels['laptop'].drops()
    expect(counts.get('source-address', 0) >= 4, f'counted at the client: {counts}')
    expect_equal((seen.stop(), at_tablet.stop()), ([], []), 'spoofed packets that came through')
    expect(laptop.can_ping('10.86.0.1'), 'its own address still works')


def test_client_drops_what_is_not_addressed_to_it(lab):
    laptop, _ = network(lab)
    lab.edit_client(lab.conf, 'laptop', networks=['192.168.7.0/24'])
    start(lab)
    laptop.wait_for_ping('10.86.0.1')
    seen = laptop.capture('lw0', 'host 192.168.7.10')
    lab.hub_machine.can_ping('192.168.7.10')
    wait_until(lambda: lab.tunnels['laptop'].drops().get('destination-address', 0) >= 1, 5, 'counted at the client')
    expect_equal(seen.stop(), [], 'packets that came out of its interface')


def test_local_settings_win_over_what_the_hub_offers(lab):
    laptop, _ = network(lab, client={'settings': {'mtu': 1300}})
    start(lab)
    laptop.wait_for_ping('10.86.0.1')
    expect_equal(laptop.link('lw0')['mtu'], 1300, 'MTU of the interface')
