# SPDX-License-Identifier: MIT
"""longwire doctor, of machines that are broken here: it finds what was done, its first line says so, the very command that
it prints mends it, and then it is silent."""
import json
import os
import re

import yaml

from lab import Instance, expect, expect_equal, join, two_lans, wait_until

MACHINE = ('clock', 'ciphers', 'limits')  # of this machine, not of the lab


def doctor(namespace, lab, *words, status=None, wrap=(), env=None):
    """The findings but for those of the machine itself."""
    done = namespace.run(*wrap, lab.program, 'doctor', '--json', *words, check=False,
                         env={**os.environ, 'ASAN_OPTIONS': 'detect_leaks=0', **(env or {})})
    expect(done.returncode in (0, 1), f'status {done.returncode}: {done.stdout}')
    expect(done.stdout.startswith('{'), done.stdout)
    rows = json.loads(done.stdout)['findings']
    faults = [row for row in rows if row['fault']]
    expect_equal(done.returncode, 1 if faults else 0, f'exit status, with {faults}')
    expect_equal(rows[:len(faults)], faults, 'faults come first')
    rows = [row for row in rows if row['topic'] not in MACHINE]
    if status is not None:
        expect_equal(1 if any(row['fault'] for row in rows) else 0, status, f'{rows}')
    return rows


def healthy(namespace, lab, *words, **options):
    expect_equal([row for row in doctor(namespace, lab, *words, **options) if row['fault']], [], 'faults where all is well')


def only_fault(rows, topic, said):
    faults = [row for row in rows if row['fault']]
    expect_equal([row['topic'] for row in faults], [topic], f'{faults}')
    expect(re.search(said, faults[0]['text']), f'no {said!r} in {faults}')
    return faults[0]['mend']


def mended(lab, namespace, topic, said, *words, where=None, **options):
    """Exactly this fault is there; its command, in a namespace, makes it go away."""
    command = only_fault(doctor(namespace, lab, *words, **options), topic, said)
    expect(command, f'nothing mends "{said}"')
    (where or namespace).run(*options.get('wrap', ()), 'sh', '-ec', command)
    healthy(namespace, lab, *words, **options)
    return command


def remark(rows, topic, said):
    found = [row for row in rows if row['topic'] == topic and not row['fault'] and re.search(said, row['text'])]
    expect_equal(len(found), 1, f'remarks on {topic} that say "{said}" in {rows}')
    return found[0]['mend']


# ---- the machine

def test_a_device_that_is_not_there_or_not_allowed(lab):
    machine = lab.machine('hub', 1)
    # A /dev/net of its own, for as long as one shell runs.
    script = f'''
        say() {{ "$@" {lab.program} doctor --json || true; }}
        heal() {{ sh -ec "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["findings"][0]["mend"])' <$1)"; }}
        cd {lab.folder}
        nobody='setpriv --reuid 65534 --regid 65534 --clear-groups'
        mount -t tmpfs tmpfs /dev/net
        say env >1; heal 1; say env >2
        say setpriv --bounding-set -net_admin --inh-caps -net_admin >3
        chmod 600 /dev/net/tun
        say $nobody >4; heal 4; say $nobody >5'''
    os.chmod(lab.folder, 0o755)
    machine.run('unshare', '--mount', '--propagation', 'private', 'sh', '-ec', script)
    found = []
    for number in range(1, 6):
        with open(f'{lab.folder}/{number}', encoding='utf-8') as file:
            found.append([row for row in json.load(file)['findings'] if row['topic'] not in MACHINE])
    only_fault(found[0], 'device', 'is not there')
    expect_equal([row for row in found[1] if row['fault']], [], 'faults when the node was made')
    only_fault(found[2], 'device', 'root without CAP_NET_ADMIN')
    only_fault(found[3], 'device', 'Permission denied')
    expect_equal([row for row in found[4] if row['fault']], [], 'faults when the node may be opened')
    expect_equal(remark(found[4], 'device', 'without CAP_NET_ADMIN'), 'sudo longwire doctor', 'what helps')


def test_a_clock_that_is_behind(lab):
    machine = lab.machine('hub', 1)
    conf = lab.new('branch')
    os.utime(f'{conf}/hub.yaml', (2 ** 31 - 1, ) * 2)
    done = machine.run(lab.program, 'doctor', f'{conf}/hub.yaml', check=False)
    first = done.stdout.splitlines()
    expect(re.match(r'FAULT   clock: the clock is behind: .* \d+ days from now', first[0]), done.stdout)
    expect_equal(first[1].strip(), 'timedatectl set-ntp true', 'what mends it')


def test_limits_files_and_use(lab):
    machine = lab.machine('hub', 1)
    conf = lab.new('branch')
    words = f'{lab.program} doctor {conf}/hub.yaml'
    few = machine.run('sh', '-c', f'ulimit -n 20; {words}', check=False).stdout
    mend = re.search(r'FAULT   limits: 20 open files are allowed.*\n +(ulimit -n \d+)\n', few)
    expect(mend, few)
    machine.run('sh', '-c', f'ulimit -S -n 20; {mend.group(1)}; {words} | grep limits && exit 1 || true')
    copies = remark(doctor(machine, lab, f'{conf}/hub.yaml'), 'identity', "the client's private key")
    machine.run('sh', '-c', copies)
    expect_equal([row for row in doctor(machine, lab, f'{conf}/hub.yaml') if row['topic'] == 'identity'], [], 'copies')
    for arguments, said in ((['--probe'], '--probe needs a FILE'), (['--host', '10.1.0.1', f'{conf}/hub.yaml'], 'for --probe'),
                            (['--probe', '--host', 'a1', f'{conf}/hub.yaml'], '"a1" is no IPv4 address')):
        done = machine.run(lab.program, 'doctor', *arguments, check=False)
        expect_equal(done.returncode, 2, f'exit status: {done.stdout}')
        expect(said in done.stdout, done.stdout)
    os.chmod(f'{conf}/hub.pem', 0o644)
    done = machine.run(lab.program, 'doctor', f'{conf}/hub.yaml', check=False)
    expect_equal(done.returncode, 2, f'a key that others may read: {done.stdout}')
    expect('hub.pem' in done.stdout and 'can be read by others; chmod 600 it' in done.stdout, done.stdout)


# ---- the interface, the bridge and its ports

def test_an_interface_that_is_taken(lab):
    a, _ = two_lans(lab)
    file = f'{lab.conf}/hub.yaml'
    healthy(a, lab, file)
    other = lab.new('other', folder='other')
    lab.edit(f'{other}/hub.yaml', listen=['[::]:8444'], interface={'name': 'lw0', 'bridge': 'br0'})
    running = Instance(a, 'hub', f'{other}/hub.yaml', name='other').wait_ready()
    running.is_expected_to_run = False
    mended(lab, a, 'interface', rf'lw0 is taken by process {running.pid}, longwire', file)
    expect_equal(running.wait(), 0, 'its exit status')
    lab.edit(f'{other}/hub.yaml', listen=['[::]:8443'], interface={'name': 'lw1', 'bridge': 'br0'})
    running = Instance(a, 'hub', f'{other}/hub.yaml', name='other').wait_ready()
    running.is_expected_to_run = False
    mended(lab, a, 'listen', rf'8443 is taken by process {running.pid}, longwire', file)
    expect_equal(running.wait(), 0, 'its exit status')
    # Left behind, of the wrong kind; and something else of that name.
    a.ip('tuntap', 'add', 'dev', 'lw0', 'mode', 'tun')
    mended(lab, a, 'interface', 'lw0 is there as a tun, and a tap is needed', file)
    a.ip('link', 'add', 'lw0', 'type', 'veth', 'peer', 'name', 'x0')
    mended(lab, a, 'interface', 'neither a TAP nor a TUN', file)
    a.ip('link', 'delete', 'lw0')


def test_an_interface_that_needs_more_rights(lab):
    a, _ = two_lans(lab)
    file = f'{lab.conf}/hub.yaml'
    os.chmod(lab.folder, 0o755)
    weak_root = ('setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin')
    only_fault(doctor(a, lab, file, wrap=weak_root), 'device', 'root without CAP_NET_ADMIN')
    user = ('setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups')
    a.run('chown', '-R', '65534', lab.conf)
    script = f'''
        mount -t tmpfs tmpfs /dev/net; mknod -m 666 /dev/net/tun c 10 200
        {' '.join(user)} "$@"'''
    wrap = ('unshare', '--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh')
    expect_equal(only_fault(doctor(a, lab, file, wrap=wrap), 'interface', 'lw0 cannot be made and set up without CAP_NET_ADMIN'),
                 f'sudo longwire doctor {file}', 'what helps')
    lab.edit(file, interface=None)
    lab.edit(file, interface={'name': 'lw0'})
    command = only_fault(doctor(a, lab, file, wrap=wrap), 'interface', 'lw0 cannot be made without CAP_NET_ADMIN')
    a.run('sh', '-ec', command.replace('$(id -un)', 'nobody'))
    healthy(a, lab, file, wrap=wrap)


def test_a_bridge_and_its_ports(lab):
    a, b = two_lans(lab)
    join(lab, a, b)
    file = f'{lab.conf}/hub.yaml'
    healthy(a, lab, file)
    remark(doctor(a, lab, file), 'instance', rf'runs already, as process {lab.hub.pid}')
    for broken, topic, said in (
            ('ip link set br0 down', 'bridge', 'br0 is down'),
            ('ip link set to-a1 down', 'bridge port', 'to-a1 in br0 is down'),
            ('ip link set to-a1 nomaster', 'bridge', 'br0 has no port to a LAN'),
            ('ip link set lw0 nomaster', 'interface', 'lw0 is in no bridge, and should be in br0'),
            ('ip link set lw0 down', 'interface', 'lw0 is down'),
            ('ip link set to-a1 mtu 1400; ip link set br0 mtu 1500', 'bridge port', 'an MTU of 1400, its bridge br0 1500'),
            ('ip link set br0 mtu 1400', 'bridge', 'MTU of 1400, the tunnel'),
            ('nft add table ip filter; nft "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }"',
             'bridge', 'firewall for routed packets')):
        a.run('sh', '-ec', broken)
        mended(lab, a, topic, said, file)
    a.run('nft', 'delete', 'table', 'ip', 'filter')
    a.run('sh', '-c', remark(doctor(a, lab, file), 'bridge', 'MAC address of br0'))
    a.ip('link', 'set', 'br0', 'type', 'bridge', 'stp_state', '1')
    a.run('sh', '-c', remark(doctor(a, lab, file), 'bridge', 'spanning tree'))
    expect_equal([row['topic'] for row in doctor(a, lab, file)], ['identity', 'instance'], 'all that is left to be said')
    lab.a1.ip('link', 'set', 'eth0', 'down')
    only_fault(doctor(a, lab, file), 'bridge port', 'no carrier')
    lab.hub.stop(is_alone=False)
    a.ip('link', 'delete', 'br0')
    command = only_fault(doctor(a, lab, file), 'bridge', 'br0, the bridge, is not there')
    a.run('sh', '-ec', command)
    only_fault(doctor(a, lab, file), 'bridge', 'no port to a LAN')


def test_a_kill_switch_that_was_left_closed(lab):
    lab.machine('hub', 1)
    client = lab.machine('client', 2)
    conf = lab.new('client', layer='ip')
    lab.edit(f'{conf}/client.yaml', include_all_networks=True)
    tunnel = Instance(client, 'up', f'{conf}/client.yaml')
    wait_until(lambda: 'longwire_lock' in client.run('nft', 'list', 'tables').stdout, what='the kill switch')
    tunnel.crash()
    rows = doctor(client, lab, f'{conf}/client.yaml')
    faults = [row for row in rows if row['fault']]
    expect_equal([row['topic'] for row in faults], ['kill switch', 'hub'], f'{faults}')
    expect('refused: no hub listens' in faults[1]['text'], 'the kill switch is not in the way of the question')
    expect_equal(faults[0]['mend'], 'longwire unlock lw0', 'what mends it')
    client.run(lab.program, *faults[0]['mend'].split()[1:])
    only_fault(doctor(client, lab, f'{conf}/client.yaml'), 'hub', 'refused')


# ---- the LAN behind the bridge

def test_foreign_macs_that_a_hypervisor_drops(lab):
    a, _ = two_lans(lab)
    file = f'{lab.conf}/hub.yaml'
    lab.a1.address('eth0', '10.1.0.1/24')
    asked = (file, '--probe')
    remark(doctor(a, lab, *asked), 'foreign MACs', 'nobody to ask at to-a1, since br0 has no gateway')
    a.address('br0', '10.1.0.9/24')
    a.ip('route', 'add', 'default', 'via', '10.1.0.1')
    expect_equal([row for row in doctor(a, lab, *asked) if row['topic'] == 'foreign MACs'], [], 'nothing is filtered')
    own = a.mac('to-a1')
    table = 'add table netdev f; add chain netdev f c { type filter hook %s device eth0 priority 0; }; '

    def filtered(rules, hook='ingress'):
        lab.a1.run('nft', table % hook + rules)
        rows = doctor(a, lab, *asked)
        lab.a1.run('nft', 'delete', 'table', 'netdev', 'f')
        return rows

    # Forged transmits rejected; not promiscuous: nothing is delivered to others; one MAC address to a port.
    only_fault(filtered(f'add rule netdev f c ether saddr != {own} drop'), 'foreign MACs', 'no foreign one: a hypervisor')
    only_fault(filtered(f'add rule netdev f c ether daddr != {own} ether daddr != ff:ff:ff:ff:ff:ff drop', 'egress'),
               'foreign MACs', 'no foreign one')
    limit = ('add set netdev f known { type ether_addr; size %d; flags dynamic; }; add rule netdev f c ether saddr @known accept; '
             'add rule netdev f c add @known { ether saddr } accept; add rule netdev f c drop')
    only_fault(filtered(limit % 1), 'foreign MACs', 'no foreign one')
    only_fault(filtered(limit % 3), 'foreign MACs', '10.1.0.1 answers 2 of 3 foreign MAC addresses')
    remark(doctor(a, lab, *asked, '--host', '10.1.0.77'), 'foreign MACs', '10.1.0.77 answers nobody')
    expect_equal([row for row in doctor(a, lab, *asked) if row['topic'] == 'foreign MACs'], [], 'nothing is filtered again')


# ---- the hub

def test_a_hub_that_cannot_be_used(lab):
    a, b = two_lans(lab)
    join(lab, a, b)
    file = f'{lab.conf}/branch.yaml'
    healthy(b, lab, file)
    accepted = lab.hub.report()['handshakes']['accepted']
    with open(file, encoding='utf-8') as opened:
        right = yaml.safe_load(opened)['hub']['pin']
    lab.edit(file, hub={'pin': 'SHA256:' + 'A' * 43})
    expect(right in mended(lab, b, 'hub', 'not the one that is pinned', file), 'the pin is named')
    for firewall in ('drop', 'reject with icmpx admin-prohibited'):
        a.run('nft', 'add table inet filter; add chain inet filter input { type filter hook input priority 0; }; '
              f'add rule inet filter input tcp dport 8443 {firewall}')
        mended(lab, b, 'hub', 'a firewall is in the way', file, where=a)
        a.run('nft', 'delete', 'table', 'inet', 'filter')
    for address, said in (('192.0.2.1:9', 'refused: no hub listens there'), ('192.0.2.77:8443', 'no machine answers: the address is wrong'),
                          ('203.0.113.1:8443', 'no route leads there'), ('hub.invalid:8443', 'its name is not known')):
        lab.edit(file, hub={'address': address})
        only_fault(doctor(b, lab, file), 'hub', said)
    listener = a.start('python3', '-c', 'import socket; s = socket.create_server(("", 9)); c, _ = s.accept(); c.send(b"SSH-2.0-x\\n"); '
                       'c.recv(9999)')
    wait_until(lambda: ':9 ' in a.run('ss', '-ltn').stdout, what='the listener')
    lab.edit(file, hub={'address': '192.0.2.1:9'})
    only_fault(doctor(b, lab, file), 'hub', 'somebody listens who is no longwire hub')
    listener.kill()
    lab.edit(file, hub={'address': '192.0.2.1:8443'})
    expect_equal(lab.hub.report()['handshakes']['accepted'], accepted, 'handshakes that were accepted')
    expect_equal(lab.hub.port('branch')['sessions'], 1, 'sessions: the running one was not touched')


def test_a_path_that_takes_less(lab):
    """The hub is behind a router; beyond that the wire takes 1400 bytes."""
    hub, client, router = lab.namespace('hub'), lab.namespace('client'), lab.namespace('router')
    lab.wire(client, 'wan0', router, 'r0')
    lab.wire(hub, 'wan0', router, 'r1', 1400)
    client.address('wan0', '192.0.2.2/24', '2001:db8:2::2/64')
    router.address('r0', '192.0.2.254/24', '2001:db8:2::fe/64')
    router.address('r1', '198.51.100.254/24', '2001:db8:1::fe/64')
    hub.address('wan0', '198.51.100.1/24', '2001:db8:1::1/64')
    router.sysctl('net.ipv4.ip_forward', 1)
    router.sysctl('net.ipv6.conf.all.forwarding', 1)
    for machine, near in ((client, ('192.0.2.254', '2001:db8:2::fe')), (hub, ('198.51.100.254', '2001:db8:1::fe'))):
        for gateway in near:
            machine.ip('route', 'add', 'default', 'via', gateway)
    conf = lab.new('client', hub='198.51.100.1:8443')
    file = f'{conf}/client.yaml'
    lab.edit(f'{conf}/hub.yaml', interface=None)
    Instance(hub, 'hub', f'{conf}/hub.yaml').wait_ready()
    # Routers say what they do not pass, or do not: a black hole.
    silent = 'add table inet f; add chain inet f o { type filter hook output priority 0; }; ' \
             'add rule inet f o icmp type destination-unreachable drop; add rule inet f o icmpv6 type packet-too-big drop'
    for address in ('198.51.100.1:8443', '[2001:db8:1::1]:8443'):
        lab.edit(file, hub={'address': address})
        router.run('nft', silent)
        wait_until(lambda: client.can_ping(address.rpartition(':')[0].strip('[]')), what='the hub')
        mended(lab, client, 'path', 'more than 1400 bytes vanish without a word', file)
        router.run('nft', 'delete', 'table', 'inet', 'f')
        client.ip('route', 'del', address.rpartition(':')[0].strip('[]'))
        rows = doctor(client, lab, file, status=0)
        remark(rows, 'path', r'takes packets of 1400 bytes \(wan0: 1500\)')
