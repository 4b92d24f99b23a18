# SPDX-License-Identifier: MIT
"""The outer view: the TCP connection as others see it, and with a key log what is in it."""
import os
import stat

from lab import Instance, expect, expect_equal, run, two_lans, wait_until

OUTER = 'tcp port 8443'


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
