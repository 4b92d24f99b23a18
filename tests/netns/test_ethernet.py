# SPDX-License-Identifier: MIT
"""Two LANs as one segment: what hosts on them do works as on one switch."""
import struct

from lab import Instance, expect, expect_equal, join, two_lans, wait_until
from services import BROADCAST, Transfer, ask_dhcp, ethernet, pattern, serve_dhcp


def addressed_lans(lab, **options):
    a, b = two_lans(lab, **options)
    lab.a1.address('eth0', '10.1.0.1/24', 'fd00:a::1/64')
    lab.b1.address('eth0', '10.1.0.2/24', 'fd00:a::2/64')
    return a, b


def test_ping_and_arp_cross_the_tunnel(lab):
    a, b = addressed_lans(lab)
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    lab.b1.wait_for_ping('fd00:a::1')
    neighbours = lab.b1.ip('neighbour', 'show', '10.1.0.1').stdout
    expect(lab.a1.mac('eth0') in neighbours, f'ARP answered with the MAC of a1: {neighbours}')
    neighbours = lab.b1.ip('-6', 'neighbour', 'show', 'fd00:a::1').stdout
    expect(lab.a1.mac('eth0') in neighbours, f'ND answered with the MAC of a1: {neighbours}')
    expect_equal(lab.b1.ping_losses('10.1.0.1', 50), 0, 'lost pings of 50')


def test_bridge_keeps_its_mac_mtu_and_has_no_address_from_us(lab):
    a, b = addressed_lans(lab)
    before = {side.name: side.link('br0') for side in (a, b)}
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    for side in (a, b):
        tap, bridge = side.link('lw0'), side.link('br0')
        expect_equal(bridge['address'], before[side.name]['address'], f'{side.name}: MAC of the bridge')
        expect_equal(bridge['mtu'], 1500, f'{side.name}: MTU of the bridge')
        expect_equal(tap['mtu'], 1500, f'{side.name}: MTU of the TAP')
        expect_equal(tap['master'], 'br0', f'{side.name}: master of the TAP')
        expect(tap['address'].startswith('fe:'), f'{side.name}: MAC of the TAP: {tap["address"]}')
        expect_equal(side.addresses('lw0'), [], f'{side.name}: addresses of the TAP')


def test_dhcp_server_behind_the_hub(lab):
    a, b = two_lans(lab)
    lab.a1.address('eth0', '10.1.0.1/24')
    join(lab, a, b)
    serve_dhcp(lab.a1, '10.1.0.100,10.1.0.150')
    lease = ask_dhcp(lab.b1)
    expect(lease and lease.startswith('10.1.0.1'), f'lease at b1: {lease}')
    lab.b1.wait_for_ping('10.1.0.1')


def test_dhcp_server_behind_a_client_that_is_a_lan(lab):
    a, b = two_lans(lab, behind='lan')
    lab.b1.address('eth0', '10.1.0.2/24')
    join(lab, a, b)
    serve_dhcp(lab.b1, '10.1.0.100,10.1.0.150')
    lease = ask_dhcp(lab.a1)
    expect(lease and lease.startswith('10.1.0.1'), f'lease at a1: {lease}')


def test_dhcp_server_behind_a_client_that_is_a_host_is_dropped_and_counted(lab):
    a, b = two_lans(lab, behind='host')
    lab.b1.address('eth0', '10.1.0.2/24')
    join(lab, a, b)
    serve_dhcp(lab.b1, '10.1.0.100,10.1.0.150')
    expect_equal(ask_dhcp(lab.a1, tries=3), None, 'lease at a1')
    expect(lab.hub.drops('branch').get('guard-dhcp', 0) >= 1, f'counted: {lab.hub.drops("branch")}')
    lab.a1.address('eth0', '10.1.0.1/24')
    lab.a1.wait_for_ping('10.1.0.2')


def advertise(host):
    serve_dhcp(host, 'fd00:a::,ra-only,64', '--enable-ra', '--ra-param=eth0,high,4')


def test_router_advertisement_crosses_and_gives_an_address(lab):
    a, b = two_lans(lab)
    lab.a1.address('eth0', 'fd00:a::1/64')
    join(lab, a, b)
    advertise(lab.a1)
    lab.b1.ip('link', 'set', 'eth0', 'down')
    lab.b1.up('eth0')
    wait_until(lambda: any(x.startswith('fd00:a:') for x in lab.b1.addresses('eth0')), 20, 'b1 has an address of the prefix')
    lab.b1.wait_for_ping('fd00:a::1')


def test_router_advertisement_of_a_host_is_dropped_and_counted(lab):
    a, b = two_lans(lab, behind='host')
    lab.b1.address('eth0', 'fd00:a::2/64')
    join(lab, a, b)
    seen = lab.a1.capture('eth0', 'icmp6 and ip6[40] == 134')
    advertise(lab.b1)
    wait_until(lambda: lab.hub.drops('branch').get('guard-ra', 0) >= 1, 20, 'guard-ra counted at the hub')
    expect_equal(seen.stop(), [], 'router advertisements at a1')


def odd_frames(destination, source):
    """(what, frame): every kind that a switch passes."""
    yield 'bare header', ethernet(destination, source, 0x88b5, b'')
    yield 'one byte', ethernet(destination, source, 0x88b5, b'x')
    for ether_type in (0x88b5, 0x8847, 0x8863, 0x0600, 0xffff, 0x9100):
        yield f'type {ether_type:#06x}', ethernet(destination, source, ether_type, pattern(60, ether_type))
    yield '802.3 with LLC', ethernet(destination, source, 46, b'\xe0\xe0\x03' + pattern(43))
    yield '802.3 with SNAP', ethernet(destination, source, 100, b'\xaa\xaa\x03\x00\x00\x0c\x20\x04' + pattern(92))
    yield 'tagged', ethernet(destination, source, 0x88b5, pattern(80, 1), [(0x8100, 10)])
    yield 'priority tag', ethernet(destination, source, 0x88b5, pattern(80, 2), [(0x8100, 0xe000)])
    yield 'VLAN 4095', ethernet(destination, source, 0x88b5, pattern(80, 3), [(0x8100, 0xffff)])
    yield '802.1ad', ethernet(destination, source, 0x88b5, pattern(80, 4), [(0x88a8, 20)])
    yield 'double-tagged', ethernet(destination, source, 0x88b5, pattern(80, 5), [(0x88a8, 20), (0x8100, 30)])
    yield 'twice 802.1Q', ethernet(destination, source, 0x88b5, pattern(80, 6), [(0x8100, 20), (0x8100, 30)])
    yield 'tagged 802.3', ethernet(destination, source, 50, b'\xe0\xe0\x03' + pattern(47), [(0x8100, 7)])


def check_identical(lab, frames):
    """Frames from b1 to a1 and back arrive byte-identical, each once."""
    for sender, receiver in ((lab.b1, lab.a1), (lab.a1, lab.b1)):
        source, destination = sender.mac('eth0'), receiver.mac('eth0')
        kinds = list(frames(destination, source))
        sender.wait_for_ping('10.1.0.1' if receiver is lab.a1 else '10.1.0.2')
        seen = receiver.capture('eth0', f'ether src {source} and not arp and not icmp')
        sender.send_frames('eth0', [frame for _, frame in kinds])
        for what, frame in kinds:
            seen.wait_for(frame, what=f'{what} of {len(frame)} bytes from {sender.name}')
        arrived = seen.stop()
        for what, frame in kinds:
            expect_equal(arrived.count(frame), 1, f'{what} from {sender.name}: times seen')


def test_frames_of_every_kind_arrive_byte_identical(lab):
    a, b = addressed_lans(lab)
    join(lab, a, b)
    check_identical(lab, odd_frames)


def sizes(destination, source):
    for size in (14, 15, 59, 60, 61, 63, 64, 65, 127, 512, 1513, 1514, 1515, 1518, 4095, 4096, 8999, 9000, 9013, 9014):
        yield f'{size} bytes', ethernet(destination, source, 0x88b5, pattern(size - 14, size))
    yield 'tagged 9018 bytes', ethernet(destination, source, 0x88b5, pattern(9000, 9), [(0x8100, 5)])


def test_frames_of_14_to_9014_bytes_arrive_byte_identical(lab):
    a, b = addressed_lans(lab, mtu=9000)
    join(lab, a, b)
    check_identical(lab, sizes)


def test_frame_above_the_mtu_is_dropped_and_counted(lab):
    a, b = addressed_lans(lab)
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    for device in ('to-b1', 'br0', 'lw0'):
        b.ip('link', 'set', device, 'mtu', 3000)
    lab.b1.ip('link', 'set', 'eth0', 'mtu', 3000)
    before = sum(x.get('too-big', 0) for x in (lab.hub.drops(), lab.tunnel.drops()))
    source, destination = lab.b1.mac('eth0'), lab.a1.mac('eth0')
    # A frame may have 22 bytes more than the MTU, for its header and two tags, and these bytes are not looked at.
    largest = ethernet(destination, source, 0x88b5, pattern(1500))
    seen = lab.a1.capture('eth0', f'ether src {source} and ether proto 0x88b5')
    lab.b1.send_frames('eth0', [ethernet(destination, source, 0x88b5, pattern(1509)), largest])
    seen.wait_for(largest)
    expect_equal(seen.stop(), [largest], 'frames at a1')
    after = sum(x.get('too-big', 0) for x in (lab.hub.drops(), lab.tunnel.drops()))
    expect_equal(after - before, 1, 'too-big counted')
    for device in ('to-b1', 'br0', 'lw0'):
        b.ip('link', 'set', device, 'mtu', 1500)


def three_hosts(lab):
    """A hub without an interface and three clients, each a host on the segment."""
    names = ('one', 'two', 'three')
    hub = lab.machine('hub', 1)
    conf = lab.new(*names)
    lab.edit(f'{conf}/hub.yaml', interface=None)
    lab.hub = Instance(hub, 'hub', f'{conf}/hub.yaml').wait_ready()
    machines = []
    for number, name in enumerate(names, 1):
        machine = lab.machine(name, 10 + number)
        machine.tunnel = Instance(machine, 'up', f'{conf}/{name}.yaml').wait_ready()
        machine.address('lw0', f'10.1.0.{number}/24')
        machines.append(machine)
    return machines


def test_hub_without_an_interface_makes_none(lab):
    three_hosts(lab)
    expect_equal(sorted(k['ifname'] for k in lab.hub.namespace.ip_json('link', 'show')), ['lo', 'wan0'], 'links at the hub')


def test_multicast_dns_reaches_the_two_other_clients(lab):
    one, two, three = three_hosts(lab)
    captures = [machine.capture('lw0', 'udp port 5353') for machine in (two, three)]
    query = struct.pack('>6H', 0, 0, 1, 0, 0, 0) + b'\x04_ipp\x04_tcp\x05local\x00\x00\x0c\x00\x01'
    import socket
    sender = one.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('10.1.0.1'))
    sender.sendto(query, ('224.0.0.251', 5353))
    for capture in captures:
        capture.wait_for(lambda frame: frame.endswith(query), what='the mDNS query')


def test_known_unicast_is_not_seen_by_a_third_client(lab):
    one, two, three = three_hosts(lab)
    one.wait_for_ping('10.1.0.2')
    seen = three.capture('lw0', 'icmp or ether proto 0x88b5')
    expect_equal(one.ping_losses('10.1.0.2', 50), 0, 'lost pings of 50')
    last = ethernet(BROADCAST, one.mac('lw0'), 0x88b5, pattern(50))
    one.send_frames('lw0', [last])
    seen.wait_for(last, what='the broadcast after them')
    expect_equal(seen.stop(), [last], 'frames at the third client')


def test_source_mac_of_another_client_is_held_and_counted(lab):
    one, two, three = three_hosts(lab)
    one.wait_for_ping('10.1.0.2')
    spoofed = ethernet(BROADCAST, two.mac('lw0'), 0x88b5, pattern(50))
    own = ethernet(BROADCAST, three.mac('lw0'), 0x88b5, pattern(51))
    seen = one.capture('lw0', 'ether proto 0x88b5')
    three.send_frames('lw0', [spoofed, own])
    seen.wait_for(own)
    expect_equal(seen.stop(), [own], 'frames at the first client')
    expect_equal(lab.hub.drops('three').get('source-conflict', 0), 1, 'source-conflict counted')
    expect_equal(one.ping_losses('10.1.0.2', 20), 0, 'lost pings of 20')


def test_a_gigabyte_arrives_with_the_same_sha256(lab):
    a, b = addressed_lans(lab)
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    Transfer(lab.b1, lab.a1, '10.1.0.1', 1024).finish(85)


def test_both_directions_at_once(lab):
    a, b = addressed_lans(lab)
    join(lab, a, b)
    lab.b1.wait_for_ping('fd00:a::1')
    both = [Transfer(lab.b1, lab.a1, 'fd00:a::1', 100), Transfer(lab.a1, lab.b1, 'fd00:a::2', 100)]
    for transfer in both:
        transfer.finish(80)


def rx_packets(host):
    return int(host.run('cat', '/sys/class/net/eth0/statistics/rx_packets').stdout)


def test_one_looped_broadcast_does_not_melt_the_lan(lab):
    a, b = addressed_lans(lab)
    for host in (lab.a1, lab.b1):
        host.sysctl('net.ipv6.conf.eth0.disable_ipv6', 1)
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    bystander = lab.host('a2', a, '10.1.0.3/24')
    bystander.sysctl('net.ipv6.conf.eth0.disable_ipv6', 1)
    bystander.wait_for_ping('10.1.0.1')
    for side in (a, b):
        side.sysctl('net.ipv6.conf.default.disable_ipv6', 1)
    lab.wire(a, 'loop', b, 'loop')
    for side in (a, b):
        side.ip('link', 'set', 'loop', 'master', 'br0')
    capture = lab.a1.capture('eth0', 'ether proto 0x88b5')
    lab.b1.send_frames('eth0', [ethernet(BROADCAST, lab.b1.mac('eth0'), 0x88b5, pattern(50))])
    losses = bystander.ping_losses('10.1.0.1', 150)
    seen = len(capture.stop())
    expect(seen > 0, 'the broadcast was seen at all')
    # It goes around both ways; each way has 1 000 a second and twice that at once. The first that is dropped was the last.
    expect(seen <= 2 * (2000 + 3 * 1000), f'it reached a1 {seen} times in 3 s')
    expect(losses <= 15, f'{losses} of 150 pings of a bystander were lost')

    def is_quiet():
        start = rx_packets(lab.a1)
        bystander.ping_losses('10.1.0.1', 10)
        return rx_packets(lab.a1) - start < 100

    wait_until(is_quiet, 10, 'the storm is over')
    for instance in (lab.tunnel, lab.hub):
        instance.stop(is_alone=False)


def test_two_tunnels_on_one_machine(lab):
    client = lab.machine('client', 10)
    tunnels = []
    for number in (1, 2):
        hub = lab.machine(f'hub{number}', number)
        conf = lab.new(f'to{number}', hub=f'192.0.2.{number}:8443', folder=f'conf{number}')
        lab.edit(f'{conf}/to{number}.yaml', interface={'name': f'lw{number}'})
        lab.hub = Instance(hub, 'hub', f'{conf}/hub.yaml', name=f'hub{number}').wait_ready()
        hub.address('lw0', f'10.{number}.0.1/24')
        tunnels.append(Instance(client, 'up', f'{conf}/to{number}.yaml').wait_ready())
        client.address(f'lw{number}', f'10.{number}.0.2/24')
    client.wait_for_ping('10.1.0.1')
    client.wait_for_ping('10.2.0.1')
    tunnels[0].stop(is_alone=False)
    expect(client.link('lw1') is None, 'the interface of the first is gone')
    expect(not client.can_ping('10.1.0.1'), 'the first is gone')
    expect(client.can_ping('10.2.0.1'), 'the second is untouched')
    tunnels[1].stop(is_alone=False)
