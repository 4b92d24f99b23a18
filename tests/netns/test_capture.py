# SPDX-License-Identifier: MIT
"""Captures of the configuration: what is in the files, and what a full disk does."""
import os
import socket
import stat

from lab import Instance, expect, expect_equal, join, run, two_lans, wait_until
from services import Transfer


def tshark(file, *options, check=True):
    return [line for line in run('tshark', '-n', '-r', file, *options, check=check).stdout.splitlines() if 'Running as user' not in line]


def joined(lab, **hub):
    a, b = two_lans(lab)
    lab.a1.address('eth0', '10.1.0.1/24')
    lab.b1.address('eth0', '10.1.0.2/24')
    lab.edit(f'{lab.conf}/hub.yaml', **hub)
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')


def capture_of(lab):
    """Its counters, when what was seen is written: the capture's thread has time while packets have none."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(f'/run/longwire/{lab.hub.instance}/control')
        control.sendall(b'{"verb":"capture-flush"}\n')
        control.recv(1000)
    return lab.hub.report()['captures'][0]


def test_filtered_capture_is_read_back_by_tshark(lab):
    file = f'{lab.folder}/hub.pcap'
    joined(lab, capture=[{'file': file, 'points': ['device-in', 'device-out'], 'filter': 'arp or icmp',
                          'snap-length': 96}])
    expect_equal(lab.b1.ping_losses('10.1.0.1', 20), 0, 'lost pings')
    lab.hub.stop()
    expect_equal(stat.S_IMODE(os.stat(file).st_mode), 0o600, 'mode of the file')
    kinds = tshark(file, '-T', 'fields', '-e', 'icmp.type')
    expect(kinds.count('8') >= 20 and kinds.count('0') >= 20, f'requests and answers: {kinds}')
    expect(tshark(file, '-Y', 'arp'), 'ARP is in it')
    expect_equal(tshark(file, '-Y', 'not arp and not icmp'), [], 'anything else')
    expect('Ethernet' in run('capinfos', '-E', file).stdout, 'link type')


def test_points_of_session_see_what_the_device_sees(lab):
    files = {point: f'{lab.folder}/{point}.pcap' for point in ('device-in', 'device-out', 'session-in', 'session-out')}
    joined(lab, capture=[{'file': file, 'points': [point], 'filter': 'icmp'} for point, file in files.items()])
    expect_equal(lab.b1.ping_losses('10.1.0.1', 10), 0, 'lost pings')
    lab.hub.stop()
    seen = {point: [line for line in tshark(file, '-T', 'fields', '-e', 'icmp.seq', '-e', 'icmp.type') if line.strip()]
            for point, file in files.items()}
    expect(seen['device-in'], f'something was seen: {seen}')
    expect_equal(seen['device-in'], seen['session-out'], 'from the LAN to the client')
    expect_equal(seen['session-in'], seen['device-out'], 'from the client to the LAN')


def test_drops_are_captured_with_the_filter(lab):
    from services import BROADCAST, ethernet, pattern
    file = f'{lab.folder}/drop.pcap'
    joined(lab, capture=[{'file': file, 'points': ['drop']}])
    lab.edit_client(lab.conf, 'branch', behind='host')
    lab.hub.stop()
    lab.hub = lab.hub.again().wait_ready()
    lab.b1.wait_for_ping('10.1.0.1')
    advertisement = ethernet('33:33:00:00:00:01', lab.b1.mac('eth0'), 0x86dd,
                             b'\x60\x00\x00\x00\x00\x10\x3a\xff' + bytes.fromhex('fe80' + '00' * 13 + '01') +
                             bytes.fromhex('ff02' + '00' * 13 + '01') + b'\x86' + bytes(15))
    mark = ethernet(BROADCAST, lab.b1.mac('eth0'), 0x88b5, pattern(50))
    seen = lab.a1.capture('eth0', 'ether proto 0x88b5')
    lab.b1.send_frames('eth0', [advertisement, mark])
    seen.wait_for(mark)
    lab.hub.stop()
    expect_equal(len(tshark(file, '-Y', 'icmpv6.type == 134')), 1, 'dropped router advertisements in the capture')


def test_full_disk_stops_the_capture_and_never_the_tunnel(lab):
    folder = f'{lab.folder}/small'
    os.mkdir(folder)
    run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder)
    try:
        file = f'{folder}/hub.pcap'
        joined(lab, capture=[{'file': file, 'points': ['device-in', 'device-out']}])
        Transfer(lab.b1, lab.a1, '10.1.0.1', 20).finish()
        report = wait_until(lambda: capture_of(lab)['stopped'] and capture_of(lab), 5, 'the capture stopped')
        expect(report['dropped'] > 0, f'counted: {report}')
        expect_equal(lab.b1.ping_losses('10.1.0.1', 20), 0, 'lost pings afterwards')
        lines = [line for line in lab.hub.output().splitlines() if 'capture' in line and 'warning' in line.lower()]
        expect(len(lines) <= 2, f'warned once: {lines}')
        done = run('capinfos', '-c', file, check=False)
        expect_equal(done.returncode, 0, f'whole packets only: {done.stdout}')
        lab.hub.stop()
    finally:
        run('umount', '-l', folder)


def test_ip_capture_has_the_raw_link_type(lab):
    machine, laptop = lab.machine('hub', 1), lab.machine('laptop', 2)
    conf = lab.new('laptop', layer='ip')
    file = f'{lab.folder}/ip.pcap'
    lab.edit(f'{conf}/laptop.yaml', capture=[{'file': file, 'points': ['device-in', 'device-out'], 'filter': 'icmp'}])
    lab.hub = Instance(machine, 'hub', f'{conf}/hub.yaml').wait_ready()
    tunnel = Instance(laptop, 'up', f'{conf}/laptop.yaml').wait_ready()
    laptop.wait_for_ping('10.86.0.1')
    tunnel.stop()
    expect('Raw IP' in run('capinfos', '-E', file).stdout, 'link type')
    kinds = tshark(file, '-T', 'fields', '-e', 'icmp.type')
    expect('8' in kinds and '0' in kinds, f'request and answer: {kinds}')


def test_bad_filter_and_place_are_refused_at_start(lab):
    machine = lab.machine('hub', 1)
    conf = lab.new('laptop')
    for what, capture in (('bad syntax', {'file': 'a.pcap', 'filter': 'arp or or'}),
                          ('host name', {'file': 'a.pcap', 'filter': 'host example.net'}),
                          ('too long', {'file': 'a.pcap', 'filter': 'arp or ' * 1000 + 'arp'})):
        lab.edit(f'{conf}/hub.yaml', capture=[capture])
        instance = Instance(machine, 'hub', f'{conf}/hub.yaml', name=what.replace(' ', '-'))
        instance.is_expected_to_run = False
        expect_equal(instance.wait(5), 2, f'{what}: exit status: {instance.output()}')
        instance.check_gone()


def test_pcapng_tells_ports_directions_and_reasons(lab):
    file = f'{lab.folder}/all.pcapng'
    points = ['device-in', 'device-out', 'session-in', 'session-out', 'drop']
    joined(lab, capture=[{'file': file, 'points': points}])
    Transfer(lab.b1, lab.a1, '10.1.0.1', 20).finish()
    expect_equal(lab.b1.ping_losses('10.1.0.1', 10), 0, 'lost pings')
    counters = wait_until(lambda: settled(lab), 5, 'the capture has written what it matched')
    lab.hub.stop()
    fields = tshark(file, '-T', 'fields', '-e', 'frame.interface_name', '-e', 'frame.packet_flags_direction',
                    '-e', 'frame.time_epoch')
    expect(len(fields) >= counters['records'], f'{len(fields)} packets are read, {counters} were counted')
    kinds = {tuple(line.split('\t')[:2]) for line in fields}
    for port in ('lw0', 'branch'):
        for direction in ('0x00000001', '0x00000002'):
            expect((port, direction) in kinds or (port, str(int(direction, 16))) in kinds, f'{port} {direction}: {kinds}')
    out = tshark(file, '-T', 'fields', '-e', 'frame.interface_name', '-e', 'frame.comment', '-Y',
                 'frame.packet_flags_direction == 2')
    expect({('lw0', 'from branch, known'), ('branch', 'from lw0, known')} <= {tuple(line.split('\t')) for line in out},
           f'verdicts of the switch: {set(out)}')
    broadcasts = 'eth.dst == ff:ff:ff:ff:ff:ff and frame.packet_flags_direction == 2'
    expect(tshark(file, '-Y', f'{broadcasts} and frame.comment contains "flooded"'), 'broadcasts are flooded')
    expect_equal(tshark(file, '-Y', f'{broadcasts} and not frame.comment contains "flooded"'), [], 'others')
    expect_equal(tshark(file, '-Y', 'frame.packet_flags_direction == 1 and frame.comment'), [], 'verdicts at the ingress')
    times = [float(line.split('\t')[2]) for line in fields]
    expect_equal(times, sorted(times), 'monotonic times')
    expect_equal(tshark(file, '-Y', 'tcp.len > 1460 or tcp.checksum.status == 0', '-o', 'tcp.check_checksum:TRUE'), [],
                 'super-frames, or bad checksums')
    about = run('capinfos', file).stdout
    expect('pcapng' in about and 'nanosecond' in about and 'peer branch' in about, about)


def settled(lab):
    counters = capture_of(lab)
    return counters['matched'] == counters['written'] + counters['dropped'] and counters


def test_recorder_has_what_came_before_the_peer_was_lost(lab):
    folder = f'{lab.folder}/flight'
    os.mkdir(folder)
    joined(lab, capture=[{'file': f'{folder}/hub.pcapng', 'points': ['session-in', 'session-out'], 'filter': 'icmp',
                          'recorder': {'size': 1, 'events': ['peer-lost']}}])
    expect_equal(lab.b1.ping_losses('10.1.0.1', 10), 0, 'lost pings')
    expect_equal(os.listdir(folder), [], 'written without a reason')
    expect(wait_until(lambda: capture_of(lab)['held'] >= 20, 5, 'requests and answers are held'), 'held')
    lab.tunnel.crash()
    name = wait_until(lambda: os.listdir(folder), 20, 'the recorder is written')[0]
    wait_until(lambda: capture_of(lab)['held'] == 0, 5, 'all of it')
    counters = capture_of(lab)
    kinds = tshark(f'{folder}/{name}', '-T', 'fields', '-e', 'icmp.type')
    expect(kinds.count('8') >= 10 and kinds.count('0') >= 10, f'requests and answers: {kinds}')
    expect_equal(len(kinds), counters['records'], 'packets as counted')
    expect('peer lost' in run('capinfos', f'{folder}/{name}').stdout, 'the file says why')


def test_files_in_turn_are_whole_and_never_more(lab):
    folder = f'{lab.folder}/turn'
    os.mkdir(folder)
    joined(lab, capture=[{'file': f'{folder}/hub.pcapng', 'points': ['session-in'], 'snap-length': 200,
                          'rotate': {'size': 1, 'count': 3}}])
    Transfer(lab.b1, lab.a1, '10.1.0.1', 40).finish()
    counters = wait_until(lambda: settled(lab), 5, 'the capture has written what it matched')
    expect(counters['files'] > 3 and counters['dropped'] == 0, f'{counters}')
    names = sorted(os.listdir(folder))
    expect_equal(len(names), 3, f'files: {names}')
    for name in names:
        expect(os.stat(f'{folder}/{name}').st_size <= 1 << 20, f'{name} is larger than was said')
        expect_equal(run('capinfos', '-c', f'{folder}/{name}', check=False).returncode, 0, f'{name} is whole')
    lab.hub.stop()


def test_captures_of_a_deleted_folder_end_and_the_tunnel_goes_on(lab):
    folder = f'{lab.folder}/gone'
    os.mkdir(folder)
    joined(lab, capture=[{'file': f'{folder}/hub.pcapng', 'points': ['device-in', 'device-out']}])
    lab.b1.ping_losses('10.1.0.1', 3)
    os.unlink(f'{folder}/hub.pcapng')
    os.rmdir(folder)
    expect_equal(lab.b1.ping_losses('10.1.0.1', 10), 0, 'lost pings')
    report = wait_until(lambda: capture_of(lab)['stopped'] and capture_of(lab), 5, 'the capture stopped')
    expect('No such file' in report['error'], f'{report}')
    expect_equal(lab.b1.ping_losses('10.1.0.1', 10), 0, 'lost pings afterwards')
    lab.hub.stop()


def test_killed_hub_leaves_a_file_that_is_read(lab):
    file = f'{lab.folder}/killed.pcapng'
    joined(lab, capture=[{'file': file, 'points': ['device-in', 'device-out', 'session-in', 'session-out']}])
    Transfer(lab.b1, lab.a1, '10.1.0.1', 400)     # it does not come to its end
    wait_until(lambda: capture_of(lab)['records'] > 10000, 10, 'it is written')
    lab.hub.crash()
    lines = tshark(file, '-T', 'fields', '-e', 'frame.number', check=False)
    expect_equal([line for line in lines if line.strip() and not line.isdigit() and 'cut short' not in line], [],
                 'anything but a cut last block')
    expect(len(lines) > 10000, f'{len(lines)} packets are read')
