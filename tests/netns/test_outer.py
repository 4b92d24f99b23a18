# SPDX-License-Identifier: MIT
"""The outer view: the TCP connection as others see it, and what a key log and the dissector make of it."""
import os
import random
import shutil
import socket
import stat
import struct
import tempfile

from lab import TOP, Instance, expect, expect_equal, run, two_lans, wait_until, went_out
from services import Transfer, ethernet, pattern

OUTER = 'tcp port 8443'
SCRIPT = f'{TOP}/configs/longwire.lua'
FRAME, OFFLOAD_FRAME, HELLO, SETTINGS, MESSAGE, JOIN, GOODBYE, PROBE, LAST = range(1, 10)


def tshark(file, *options):
    return [line for line in run('tshark', '-n', '-r', file, *options).stdout.splitlines() if 'Running as user' not in line]


def joined(lab, hub_keys=None, client_keys=None, env=None):
    """Two LANs, the whole connection between them captured; returns the capture."""
    a, b = two_lans(lab)
    lab.a1.address('eth0', '10.1.0.1/24')
    lab.b1.address('eth0', '10.1.0.2/24')
    if hub_keys:
        lab.edit(f'{lab.conf}/hub.yaml', key_log=hub_keys)
    outer = b.capture('wan0', OUTER)
    lab.hub = Instance(a, 'hub', f'{lab.conf}/hub.yaml', env=env).wait_ready()
    options = ['--key-log', client_keys] if client_keys else []
    lab.tunnel = Instance(b, 'up', f'{lab.conf}/branch.yaml', *options, env=env).wait_ready()
    lab.b1.wait_for_ping('10.1.0.1')
    return outer


def plain_of(outer, keys):
    """Everything that tshark decrypts of the connection, as hex."""
    lines = tshark(outer.file, '-o', f'tls.keylog_file:{keys}', '-d', 'tls.port==8443,data', '-T', 'fields', '-e', 'data.data')
    return ''.join(lines).replace(',', '')


def lines_of(file):
    with open(file) as opened:
        return sorted(opened)


def warnings(instance):
    return [line for line in instance.output().splitlines() if 'key log' in line and 'decrypt' in line]


def test_tshark_decrypts_with_the_key_log_of_either_end(lab):
    ours, theirs = f'{lab.folder}/hub.keys', f'{lab.folder}/client.keys'
    outer = joined(lab, ours, theirs)
    pattern = '5ca1ab1e' * 4
    lab.b1.run('ping', '-n', '-c', '3', '-i', '0.05', '-s', '64', '-p', pattern, '10.1.0.1')
    for instance, keys in ((lab.hub, ours), (lab.tunnel, theirs)):
        report = instance.report()['key-log']
        expect_equal((report['file'], report['failed'], report['error']), (keys, 0, None), 'status')
        expect_equal(len(lines_of(keys)), report['lines'], 'lines')
        expect_equal(stat.S_IMODE(os.stat(keys).st_mode), 0o600, 'mode')
        expect_equal(len(warnings(instance)), 1, 'warned at the start')
        expect('decrypt' in run(lab.program, 'status', instance.instance).stdout, 'warned in the status')
    lab.tunnel.stop()
    lab.hub.stop()
    outer.stop()
    expect_equal(lines_of(ours), lines_of(theirs), 'what both ends know')
    for keys in (ours, theirs):
        plain = plain_of(outer, keys)
        expect(plain.count(pattern) >= 6, f'pings in clear: {len(plain)} hex digits')
        expect('"layer":"ethernet"'.encode().hex() in plain, 'the hello in clear')
    expect(pattern not in plain_of(outer, '/dev/null'), 'nothing without the keys')


def test_environment_never_asks_for_a_key_log(lab):
    keys = f'{lab.folder}/env.keys'
    joined(lab, env={'SSLKEYLOGFILE': keys})
    expect(not os.path.exists(keys), 'the environment made a key log')
    expect_equal(lab.hub.report()['key-log'], None, 'status')
    expect(not warnings(lab.hub), 'warned of nothing')


def test_full_disk_loses_keys_and_never_the_tunnel(lab):
    folder = f'{lab.folder}/small'
    os.mkdir(folder)
    run('mount', '-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', folder)
    try:
        run('sh', '-c', f'head -c 4096 /dev/zero >{folder}/ballast')
        joined(lab, f'{folder}/keys')
        report = wait_until(lambda: lab.hub.report()['key-log'], what='status')
        expect(report['failed'] > 0 and report['lines'] == 0, f'counted: {report}')
        expect_equal(report['error'], 'No space left on device', 'said')
        expect_equal(lab.b1.ping_losses('10.1.0.1', 20), 0, 'lost pings')
        lab.hub.stop()
    finally:
        run('umount', '-l', folder)


def test_key_log_that_others_may_read_is_refused(lab):
    machine = lab.machine('hub', 1)
    conf = lab.new('laptop')
    keys = f'{lab.folder}/open.keys'
    with open(keys, 'w'):
        os.chmod(keys, 0o644)
    for command, file in (('hub', 'hub'), ('up', 'laptop')):
        instance = Instance(machine, command, f'{conf}/{file}.yaml', '--key-log', keys)
        instance.is_expected_to_run = False
        expect_equal(instance.wait(5), 1, f'exit status: {instance.output()}')
        expect(f'{keys}: would hold secrets and is open to others; chmod 600 it' in instance.output(), instance.output())
        expect(not os.path.getsize(keys), 'nothing was written')
        instance.check_gone()


# ---- the dissector


NOBODY = ('setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', 'env', 'HOME=/nonexistent')


def dissect(file, *options, keys=None):
    """tshark with our script; what it says on any channel must be free of errors of the script. Since 4.4 it loads none for
    root, so nobody runs it, on copies."""
    folder = tempfile.mkdtemp(prefix='dissect-', dir='/tmp')
    try:
        decrypt = ['-o', f'tls.keylog_file:{shutil.copy(keys, folder)}'] if keys else []
        script, file = shutil.copy(SCRIPT, folder), shutil.copy(file, folder)
        run('chmod', '-R', 'a+rX', folder)
        done = run(*NOBODY, 'tshark', '-n', '-X', f'lua_script:{script}', '-r', file, *decrypt, *options)
    finally:
        shutil.rmtree(folder)
    for sign in ('Lua Error', 'Lua error', 'lua:', '[Expert Info (Error/Undecoded)'):
        expect(sign not in done.stdout, f'{sign}: {done.stdout[-1500:]}')
    return [line for line in done.stdout.splitlines() if 'Running as user' not in line]


def fields(file, *names, keys=None, only=None, decode=()):
    """[[values of each field]] of the packets that have any."""
    names_of = [word for name in names for word in ('-e', name)]
    lines = dissect(file, *decode, *(['-Y', only] if only else []), '-T', 'fields', '-E', 'occurrence=a', *names_of, keys=keys)
    return [[value.split(',') if value else [] for value in line.split('\t')] for line in lines if line.strip()]


def units_of(file, keys, source):
    """The type of every unit that an address sent."""
    rows = fields(file, 'longwire.type', keys=keys, only=f'longwire && ip.src == {source}')
    return [int(kind, 16) for row in rows for kind in row[0]]


def send_datagrams(host, address, count):
    """As fast as it goes, so that records hold many and packets many records."""
    udp = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number in range(count):
        udp.sendto(pattern(300 + number, number), (address, 4711))


def test_dissector_shows_every_frame_of_a_decrypted_connection(lab):
    keys = f'{lab.folder}/keys'
    outer = joined(lab, keys)
    lab.b1.run('ping', '-n', '-c', '20', '-i', '0.02', '-s', '1000', '10.1.0.1')
    send_datagrams(lab.b1, '10.1.0.1', 200)
    lab.b1.send_frames('eth0', [ethernet(lab.a1.mac('eth0'), lab.b1.mac('eth0'), 0x88b5, pattern(60))])
    Transfer(lab.b1, lab.a1, '10.1.0.1', 2).finish()
    lab.a1.send_frames('eth0', [ethernet(lab.b1.mac('eth0'), lab.a1.mac('eth0'), 0x0800, b'\x45\x00\xff\xff' + pattern(50))])
    wait_until(lambda: lab.tunnel.report()['link']['received']['packets'] >= went_out(lab.hub.port('branch')),
               what='everything has arrived')
    sent, got = went_out(lab.tunnel.report()['link']), went_out(lab.hub.port('branch'))
    lab.hub.stop()
    wait_until(lambda: GOODBYE in units_of(outer.file, keys, '192.0.2.1'), what='the goodbye is in the capture')
    for source, counted in (('192.0.2.2', sent), ('192.0.2.1', got)):
        units = units_of(outer.file, keys, source)
        frames = units.count(FRAME) + units.count(OFFLOAD_FRAME)
        expect(counted <= frames <= counted + 8, f'{frames} frames of {source}, counted {counted}')
        expect_equal(units[0], HELLO, f'first of {source}')
        expect(PROBE in units, f'probes of {source}: {sorted(set(units))}')
        expect_equal([kind for kind in units if not 1 <= kind <= 9], [], 'strange units')
    expect(OFFLOAD_FRAME in units_of(outer.file, keys, '192.0.2.2'), 'super-frames')
    pings = [n for row in fields(outer.file, 'icmp.seq', keys=keys, only='icmp.type == 8') for n in row[0]]
    expect(all(str(n) in pings for n in range(1, 21)), f'every ping: {pings}')
    datagrams = fields(outer.file, 'udp.length', keys=keys, only='udp.dstport == 4711')
    lengths = {int(n) for row in datagrams for n in row[0]}  # a set: errors of ICMP quote some
    expect_equal(lengths, set(range(308, 508)), 'datagrams')
    columns = fields(outer.file, '_ws.col.Source', keys=keys, only='longwire')
    expect_equal({row[0][0] for row in columns}, {'192.0.2.1', '192.0.2.2'}, 'whose packets they are')
    expect_equal(fields(outer.file, 'longwire.goodbye', keys=keys, only='longwire.goodbye')[0], [['the hub is shutting down']],
                 'goodbye')
    expect(fields(outer.file, 'eth.type', keys=keys, only='longwire && eth.type == 0x88b5'), 'a protocol of no name')
    expect_equal(fields(outer.file, 'frame.number', keys=keys, only='longwire.malformed'), [], 'malformed units')
    layers = [row[0] for row in fields(outer.file, 'json.value.string', keys=keys, only='longwire.type == 3')]
    expect(all('ethernet' in layer for layer in layers) and len(layers) == 2, f'hellos by the JSON dissector: {layers}')


def test_dissector_gives_packets_of_the_ip_layer_to_ip(lab):
    machine, laptop = lab.machine('hub', 1), lab.machine('laptop', 2)
    conf = lab.new('laptop', layer='ip')
    keys = f'{lab.folder}/keys'
    outer = laptop.capture('wan0', OUTER)
    Instance(machine, 'hub', f'{conf}/hub.yaml').wait_ready()
    tunnel = Instance(laptop, 'up', f'{conf}/laptop.yaml', '--key-log', keys).wait_ready()
    for address in ('10.86.0.1', 'fd86::1'):
        laptop.wait_for_ping(address)
    tunnel.stop()
    expect(SETTINGS in units_of(outer.file, keys, '192.0.2.1'), 'settings')
    expect('10.86.0.2' in str(fields(outer.file, 'json.value.string', keys=keys, only='longwire.type == 4')), 'what they say')
    for kind, address in (('icmp.type == 8', '10.86.0.1'), ('icmpv6.type == 128', 'fd86::1')):
        found = fields(outer.file, 'ip.dst', 'ipv6.dst', keys=keys, only=f'longwire && {kind}')
        expect(address in str(found), f'{kind}: {found}')


# ---- units of our own making, without TLS


def unit(kind, body=b'', length=None):
    return struct.pack('>I', kind << 24 | (len(body) if length is None else length)) + body


def ip4(payload, protocol=6, source='192.0.2.2', destination='192.0.2.1'):
    head = struct.pack('>BBHHHBBH', 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    return head + bytes(map(int, source.split('.'))) + bytes(map(int, destination.split('.'))) + payload


def write_stream(file, data, pieces=()):
    """A capture of a TCP connection in which these bytes went to port 8443, cut at the places given."""
    cuts = [0, *sorted(pieces), len(data)]
    with open(file, 'wb') as out:
        out.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))
        for number, (start, end) in enumerate(zip(cuts, cuts[1:])):
            tcp = struct.pack('>HHIIBBHHH', 40000, 8443, 1 + start, 1, 0x50, 0x18, 65535, 0, 0) + data[start:end]
            packet = ip4(tcp)
            out.write(struct.pack('<IIII', number, 0, len(packet), len(packet)) + packet)
    return file


DECODE = ('-d', 'tcp.port==8443,longwire')
PING = ip4(b'\x08\x00\x00\x00\x12\x34\x00\x07', 1, '10.0.0.1', '10.0.0.2')
ARP = ethernet('ff:ff:ff:ff:ff:ff', '02:00:00:00:00:01', 0x806,
               bytes.fromhex('0001080006040001020000000001') + bytes([10, 0, 0, 1]) + bytes(6) + bytes([10, 0, 0, 2]))
OFFLOAD = struct.pack('<BBHHHH', 1, 1, 0, 1448, 34, 16)
HELLO_BODY = b'{"version":1,"layer":"%s","mtu":1500}'
ALL = (unit(HELLO, HELLO_BODY % b'ethernet') + unit(FRAME, ARP) + unit(OFFLOAD_FRAME, OFFLOAD + ARP) +
       unit(SETTINGS, b'{"mtu":1400}') + unit(MESSAGE, b'any bytes') + unit(JOIN, b'{"name":"x"}') +
       unit(GOODBYE, b'{"code":7,"text":"closing"}') + unit(PROBE, struct.pack('>QQQ', 5, 6, 7)) + unit(LAST) +
       unit(0x90, b'later'))


def test_dissector_knows_every_unit_however_it_is_cut(lab):
    numbers = random.Random(4)
    cuts = [(), [1, 2, 3], [4], range(1, len(ALL)), sorted(numbers.sample(range(1, len(ALL)), 20))]
    for number, pieces in enumerate(cuts):
        file = write_stream(f'{lab.folder}/{number}.pcap', ALL, pieces)
        rows = fields(file, 'longwire.type', 'longwire.length', decode=DECODE, only='longwire')
        kinds = [int(kind, 16) for row in rows for kind in row[0]]
        expect_equal(kinds, [HELLO, FRAME, OFFLOAD_FRAME, SETTINGS, MESSAGE, JOIN, GOODBYE, PROBE, LAST, 0x90],
                     f'units cut at {list(pieces)}')
        expect_equal(sum(int(n) + 4 for row in rows for n in row[1]), len(ALL), 'bytes')
        arps = [a for row in fields(file, 'arp.dst.proto_ipv4', decode=DECODE, only='arp') for a in row[0]]
        expect_equal(arps, ['10.0.0.2'] * 2, 'frames')
    wanted = {'longwire.offload.gso_type': '1', 'longwire.offload.gso_size': '1448', 'longwire.offload.checksum_start': '34',
              'longwire.offload.checksum_offset': '16', 'longwire.offload.header_length': '0',
              'longwire.offload.needs_checksum': '1', 'longwire.probe.sent': '5', 'longwire.probe.echo': '6',
              'longwire.probe.held': '7', 'longwire.goodbye': 'closing', 'longwire.body': b'any bytes'.hex()}
    row = fields(f'{lab.folder}/0.pcap', *wanted, decode=DECODE, only='longwire')[0]
    for (field, value), found in zip(wanted.items(), row):
        expect(found[0] in (value, 'True'), f'{field}: {found}')


def test_dissector_takes_frames_for_what_the_hello_says(lab):
    for name, data, options, wanted in (
            ('ip', unit(HELLO, HELLO_BODY % b'ip') + unit(FRAME, PING), (), ['7']),
            ('ethernet', unit(HELLO, HELLO_BODY % b'ethernet') + unit(FRAME, PING), (), None),
            ('unseen, looks like IP', unit(FRAME, PING), (), ['7']),
            ('unseen, said to be Ethernet', unit(FRAME, PING), ('-o', 'longwire.layer:Ethernet'), None),
            ('unseen, said to be IP', unit(FRAME, PING), ('-o', 'longwire.layer:IP'), ['7'])):
        file = write_stream(f'{lab.folder}/{name}.pcap', data)
        found = fields(file, 'icmp.seq', decode=(*DECODE, *options), only='icmp')
        expect_equal(found, [[wanted]] if wanted else [], name)


def test_dissector_shows_what_is_malformed_and_never_fails(lab):
    for name, data in (('unknown', unit(0x7f, b'x')), ('zero', bytes(8)), ('too long', unit(HELLO, b'', 1025)),
                       ('too short', unit(PROBE, b'short')), ('last with a body', unit(LAST, b'x')),
                       ('optional too long', unit(0x80, b'', 4097)), ('frame too long', unit(FRAME, b'', 0xffffff))):
        file = write_stream(f'{lab.folder}/{name}.pcap', unit(LAST) + data + unit(LAST))
        rows = fields(file, 'longwire.type', 'longwire.malformed', decode=DECODE, only='longwire.malformed')
        expect_equal([len(row[0]) for row in rows], [2], f'{name}: one unit, then what is none: {rows}')
    numbers = random.Random(5)
    bad = [unit(HELLO, b'{"layer":"ethernet"'), unit(HELLO, b'\xff\x00{'), unit(FRAME, ARP[:20]), unit(FRAME, b''),
           unit(OFFLOAD_FRAME, OFFLOAD), unit(OFFLOAD_FRAME, b'\xff' * 12), unit(GOODBYE, b''), unit(GOODBYE, b'"text":"'),
           unit(FRAME, b'\x45'), unit(FRAME, b'\x60' + bytes(39)), unit(SETTINGS, b'[' * 3000), unit(0xff)]
    stream = b''.join(bad) + b''.join(unit(numbers.choice((1, 2, 3, 4, 5, 6, 7, 0x99)), numbers.randbytes(numbers.randrange(10, 500)))
                                      for _ in range(300)) + numbers.randbytes(5000)
    file = write_stream(f'{lab.folder}/random.pcap', stream, range(1000, len(stream), 1000))
    expect(len(fields(file, 'longwire.type', decode=DECODE, only='longwire')) > 10, 'units among the noise')
    run('editcap', '-s', '60', file, f'{lab.folder}/cut.pcap')
    expect(fields(f'{lab.folder}/cut.pcap', 'longwire.type', decode=DECODE, only='longwire'), 'units of cut packets')
