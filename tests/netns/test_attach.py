# SPDX-License-Identifier: MIT
"""Captures that are attached to running instances: longwire capture."""
import itertools
import os
import re
import signal
import stat
import subprocess
import time

from lab import Instance, Skip, expect, expect_equal, join, run, two_lans, wait_until
from services import Transfer

numbers = itertools.count()


def joined(lab, **hub):
    a, b = two_lans(lab)
    lab.edit(f'{lab.conf}/hub.yaml', **hub)
    lab.a1.address('eth0', '10.1.0.1/24')
    lab.b1.address('eth0', '10.1.0.2/24')
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    # Captures are descriptors and threads of their own.
    lab.tunnel.descriptors = None


class Capture:
    """longwire capture, beside the test."""

    def __init__(self, lab, *options, instance=None, file=None, stdout=subprocess.PIPE):
        self.instance = instance or lab.hub
        self.file = file or f'{lab.folder}/{next(numbers)}.pcapng'
        self.process = subprocess.Popen([lab.program, 'capture', self.instance.instance, '-w', self.file, *options],
                                        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True)

    def started(self):
        wait_until(lambda: self.status() or self.process.poll() is not None, what='the capture is attached')
        expect(self.process.poll() is None, f'it has ended: {self.process.poll() and self.process.stderr.read()}')
        return self

    def status(self):
        found = [c for c in self.instance.report()['captures'] if c['file'] == self.file]
        return found[0] if found else None

    def end(self, how=signal.SIGINT):
        """(exit status, {word: number} of its last line)"""
        if how:
            self.process.send_signal(how)
        said = self.process.communicate(timeout=20)[1]
        found = re.search(r'(\d+) packets captured, (\d+) lost, (\d+) seen, (\d+) matched', said)
        counts = dict(zip(('captured', 'lost', 'seen', 'matched'), map(int, found.groups()))) if found else said
        return self.process.returncode, counts


def tshark(file, *options):
    out = run('tshark', '-n', '-r', file, *options)
    expect('appears to be damaged' not in out.stdout and 'cut short' not in out.stdout, out.stdout)
    return [line for line in out.stdout.splitlines() if 'Running as user' not in line]


def packets(file):
    return int(re.search(r'Number of packets: +(\d+)', run('capinfos', '-M', '-c', file).stdout).group(1))


def refuse(lab, status, text, *arguments):
    done = run(lab.program, 'capture', *arguments, check=False)
    expect_equal(done.returncode, status, f'{arguments}: {done.stdout}')
    expect(text in done.stdout, f'{arguments}: {done.stdout}')


def test_capture_is_attached_and_ended_in_order(lab):
    joined(lab)
    capture = Capture(lab, '--filter', 'icmp', '--snaplen', '60').started()
    expect_equal(lab.b1.ping_losses('10.1.0.1', 20), 0, 'lost pings')
    wait_until(lambda: capture.status()['written'] == 40, what=f'40 packets: {capture.status()}')
    status, counts = capture.end()
    expect_equal((status, counts['captured'], counts['lost'], counts['matched']), (0, 40, 0, 40), 'at the end')
    expect_equal(packets(capture.file), 40, 'packets in the file')
    expect_equal(stat.S_IMODE(os.stat(capture.file).st_mode), 0o600, 'mode')
    seen = tshark(capture.file, '-T', 'fields', '-e', 'frame.interface_name', '-e', 'frame.cap_len', '-e', 'icmp.type')
    expect_equal({line.split('\t')[1] for line in seen}, {'60'}, 'snap length')
    expect_equal({line.split('\t')[0] for line in seen}, {'lw0'}, 'interfaces')
    expect_equal(lab.hub.report()['captures'], [], 'afterwards')
    expect_equal([name for name in os.listdir(lab.folder) if 'pcapng.' in name], [], 'files of the way')


def test_points_ports_peers_and_reasons_select(lab):
    joined(lab)
    file = f'{lab.folder}/client.pcapng'
    captures = [Capture(lab, '--point', 'session-in,session-out', '--peer', 'branch', '--filter', 'icmp').started(),
                Capture(lab, '--port', 'lw0', '--filter', 'icmp').started(),
                Capture(lab, '--reason', 'queue-full,too-big').started(),
                Capture(lab, '--filter', 'icmp', instance=lab.tunnel, file=file).started()]
    expect_equal(lab.b1.ping_losses('10.1.0.1', 10), 0, 'lost pings')
    wait_until(lambda: captures[3].status()['written'] == 20, what='the last one is written')
    counts = [capture.end() for capture in captures]
    expect_equal([(status, n['captured'], n['lost']) for status, n in counts], [(0, 20, 0), (0, 20, 0), (0, 0, 0), (0, 20, 0)],
                 'all of them')
    for capture, (_, count) in zip(captures, counts):
        expect_equal(packets(capture.file), count['captured'], capture.file)


def test_pipe_into_tshark(lab):
    joined(lab)
    output = f'{lab.folder}/lines'
    command = f'{lab.program} capture {lab.hub.instance} -w - --filter icmp --count 10 | tshark -n -l -r - >{output}'
    with subprocess.Popen(['sh', '-c', command], stderr=subprocess.PIPE, text=True) as shell:
        wait_until(lambda: lab.hub.report()['captures'], what='the capture is attached')
        lab.b1.ping_losses('10.1.0.1', 20)
        said = shell.communicate(timeout=20)[1]
        expect_equal(shell.returncode, 0, said)
    expect('10 packets captured, 0 lost' in said, said)
    with open(output) as lines:
        expect_equal(len([line for line in lines if 'ICMP' in line]), 10, 'lines of tshark')


def test_count_and_duration_end_it(lab):
    joined(lab)
    counted = Capture(lab, '--count', '5', '--filter', 'icmp', '--format', 'pcap').started()
    timed = Capture(lab, '--duration', '1').started()
    lab.b1.ping_losses('10.1.0.1', 10)
    expect_equal(counted.end(None)[0], 0, 'the counted one')
    expect_equal(timed.end(None)[0], 0, 'the timed one')
    expect_equal(packets(counted.file), 5, 'packets of the counted one')
    expect_equal(len(tshark(timed.file, '-Y', 'icmp')), 20, 'packets of the timed one')
    with open(counted.file, 'rb') as file:
        expect_equal(file.read(4), bytes.fromhex('4d3cb2a1'), 'a classic savefile with nanoseconds')


def test_who_captures_may_vanish(lab):
    joined(lab)
    before = lab.hub.count_descriptors()
    capture = Capture(lab).started()
    lab.b1.ping_losses('10.1.0.1', 5)
    capture.end(signal.SIGKILL)
    wait_until(lambda: not lab.hub.report()['captures'], what='the capture has ended')
    wait_until(lambda: 'ended, ' in lab.hub.output(), what='and is written')
    expect(packets(capture.file) >= 10, 'what was captured is whole')
    wait_until(lambda: lab.hub.count_descriptors() <= before, what='descriptors are returned')
    expect_equal(lab.b1.ping_losses('10.1.0.1', 10), 0, 'lost pings')


def test_instance_may_end_first(lab):
    joined(lab)
    capture = Capture(lab).started()
    lab.b1.ping_losses('10.1.0.1', 5)
    lab.hub.stop()
    status, counts = capture.end(None)
    expect_equal(status, 0, f'exit status: {counts}')
    expect_equal(packets(capture.file), counts['captured'], 'packets')


def test_killed_instance_leaves_whole_packets_only(lab):
    joined(lab)
    for number in range(3):
        capture = Capture(lab, '--point', 'device-in,session-out', *(['--format', 'pcap'] if number == 1 else [])).started()
        Transfer(lab.b1, lab.a1, '10.1.0.1', 400, port=5100 + number)     # it does not come to its end
        wait_until(lambda: capture.status()['records'] > 2000, what='it is written')
        lab.hub.crash()
        status, said = capture.end(None)
        expect_equal(status, 1, f'exit status: {said}')
        expect(packets(capture.file) > 2000, 'packets')
        expect(tshark(capture.file, '-c', '1'), 'read')
        lab.hub = lab.hub.again().wait_ready()
        lab.b1.wait_for_ping('10.1.0.1')


def test_broken_disk_ends_what_is_on_it_and_never_the_tunnel(lab):
    """ext4 is told that it found an error: it lets nothing more be written."""
    disk, image = f'{lab.folder}/disk', f'{lab.folder}/image'
    os.mkdir(disk)
    made = run('sh', '-c', f'truncate -s 8M {image} && mkfs.ext4 -q {image} && mount -o loop,errors=remount-ro {image} {disk}',
               check=False)
    if made.returncode != 0:
        raise Skip(f'no ext4 on a loop device: {made.stdout.strip()}')
    try:
        device = os.path.basename(run('findmnt', '-no', 'SOURCE', disk).stdout.strip())
        captures = [{'file': f'{disk}/one.pcapng'}, {'file': f'{disk}/turn.pcapng', 'rotate': {'packets': 10}},
                    {'file': f'{disk}/flight.pcapng', 'recorder': {'size': 1}}]
        joined(lab, capture=captures)
        attached = Capture(lab, file=f'{disk}/attached.pcapng').started()
        lab.b1.ping_losses('10.1.0.1', 10)
        wait_until(lambda: all(max(c['written'], c.get('held', 0)) >= 20 for c in lab.hub.report()['captures']), what='packets')
        with open(f'/sys/fs/ext4/{device}/trigger_fs_error', 'w') as file:
            file.write('broken')
        expect_equal(lab.b1.ping_losses('10.1.0.1', 20), 0, 'lost pings')
        run(lab.program, 'capture', lab.hub.instance, '--trigger-recorder')
        status, said = attached.end(None)
        expect_equal(status, 1, f'the attached one: {said}')
        reports = wait_until(lambda: [c for c in lab.hub.report()['captures'] if c['error']][2:] and lab.hub.report()['captures'],
                             what='all three have failed')
        expect_equal({c['error'] for c in reports}, {'Read-only file system'}, 'errors')
        expect_equal([c['stopped'] for c in reports], [True, True, False], 'which go on')
        expect(reports[0]['dropped'] > 0 and reports[2]['held'] >= 40, f'counted: {reports}')
        time.sleep(1.2)     # the log is told once a second
        for name in ('one', 'turn', 'flight'):
            lines = [line for line in lab.hub.output().splitlines() if f'/{name}.pcapng' in line and 'Read-only' in line]
            expect_equal(len(lines), 1, f'{name}: said: {lines}')
        expect(packets(f'{disk}/one.pcapng') >= 20, 'whole packets')
        expect_equal(lab.b1.ping_losses('10.1.0.1', 10), 0, 'lost pings')
        lab.hub.stop()
        refused = Instance(lab.hub.namespace, 'hub', f'{lab.conf}/hub.yaml', name='again')
        refused.is_expected_to_run = False
        expect(refused.wait(5) != 0, 'it starts')
        expect('one.pcapng: Read-only file system' in refused.output(), refused.output())
    finally:
        lab.hub.stop()
        run('umount', '-l', disk)


def test_readers_that_leave_or_sleep_never_hurt_the_tunnel(lab):
    joined(lab)
    with subprocess.Popen(['sh', '-c', f'{lab.program} capture {lab.hub.instance} -w - | head -c 100 >/dev/null'],
                          stderr=subprocess.PIPE, text=True) as shell:
        lab.b1.ping_losses('10.1.0.1', 5)
        said = shell.communicate(timeout=20)[1]
    expect('packets captured' in said and 'Broken pipe' not in said, said)
    wait_until(lambda: not lab.hub.report()['captures'], what='the capture has ended')
    sleeper = Capture(lab, file='-').started()
    Transfer(lab.b1, lab.a1, '10.1.0.1', 40).finish()
    wait_until(lambda: sleeper.status()['dropped'] > 0, what=f'a full pipe drops: {sleeper.status()}')
    flood = lab.b1.start('ping', '-n', '-q', '-c', '150', '-i', '0.02', '10.1.0.1')
    sleeper.process.send_signal(signal.SIGINT)
    expect_equal(flood.wait(15), 0, f'pings while it ends: {flood.output()}')
    expect(' 0% packet loss' in flood.output(), flood.output())
    longest = float(re.search(r'= [\d.]+/[\d.]+/([\d.]+)/', flood.output()).group(1))
    expect(longest < 400, f'a ping took {longest} ms while the capture ended')
    sleeper.process.stdout.close()
    sleeper.process.wait(10)
    sleeper.process.stderr.close()


def ends_on_a_full_disk(lab, *options):
    folder = f'{lab.folder}/small'
    os.mkdir(folder)
    run('mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder)
    try:
        joined(lab)
        capture = Capture(lab, *options, file=f'{folder}/full.pcapng').started()
        Transfer(lab.b1, lab.a1, '10.1.0.1', 5).finish()
        status, said = capture.end(None)
        expect_equal(status, 1, f'exit status: {said}')
        expect(packets(f'{folder}/{os.listdir(folder)[0]}') > 0, 'whole packets only')
        expect_equal(lab.b1.ping_losses('10.1.0.1', 20), 0, 'lost pings')
    finally:
        lab.hub.stop()
        run('umount', '-l', folder)


def test_full_disk_ends_the_capture_alone(lab):
    ends_on_a_full_disk(lab)


def test_refusals(lab):
    joined(lab)
    hub, old = lab.hub.instance, f'{lab.folder}/old.pcapng'
    with open(old, 'w') as file:
        file.write('as it was')
    for status, text, arguments in (
            (1, 'no instance called "nobody" is running; these are: ', ('nobody', '-w', old)),
            (2, 'several instances are running, say which', ('-w', old)),
            (2, '-w FILE says where to', (hub, )),
            (2, '--write needs a value: FILE', (hub, '-w')),
            (2, 'unknown option -x', (hub, '-x')),
            (2, 'filter: "arp or or": syntax error after "arp", at "or or"', (hub, '-w', old, '--filter', 'arp or or')),
            (2, 'example.net', (hub, '-w', old, '--filter', 'host example.net')),
            (2, 'point: "device" is not allowed', (hub, '-w', old, '--point', 'device')),
            (2, 'reason: "bad luck" is not allowed', (hub, '-w', old, '--reason', 'bad luck')),
            (2, 'has no port called "nobody"', (hub, '-w', old, '--port', 'nobody')),
            (2, 'has no port called "nobody"', (hub, '-w', old, '--peer', 'branch,nobody')),
            (2, 'snaplen: "0" is not allowed', (hub, '-w', old, '--snaplen', '0')),
            (2, 'format: "text" is not allowed', (hub, '-w', old, '--format', 'text')),
            (2, '--duration takes 1 or more', (hub, '-w', old, '--duration', '0')),
            (1, 'No such file or directory', (hub, '-w', f'{lab.folder}/none/x')),
            (1, '/proc/', (hub, '-w', '/proc/x'))):
        refuse(lab, status, text, *arguments)
    with open(old) as file:
        expect_equal(file.read(), 'as it was', 'the old file after refusals')
    others = run('setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', lab.program, 'capture', hub, '-w', '-',
                 check=False)
    expect(others.returncode == 1 and 'that this user may see' in others.stdout, f'somebody else: {others.stdout}')
    many = [Capture(lab) for _ in range(16)]
    for capture in many:
        capture.started()
    refuse(lab, 1, '16 captures are attached already, which is the most; end one', hub, '-w', old)
    expect_equal(len(lab.hub.report()['captures']), 16, 'all of them in the status, which others may ask for')
    with open(old) as file:
        expect_equal(file.read(), 'as it was', 'the old file after a refusal of the instance')
    expect_equal([capture.end()[0] for capture in many], [0] * 16, 'the others')
    expect_equal(lab.b1.ping_losses('10.1.0.1', 10), 0, 'lost pings')


# ---- the flight recorder


def recording(lab, *files):
    a, b = two_lans(lab)
    lab.a1.address('eth0', '10.1.0.1/24')
    lab.b1.address('eth0', '10.1.0.2/24')
    lab.edit(f'{lab.conf}/hub.yaml', capture=[{'file': file, 'filter': 'icmp', 'recorder': {'size': 1}} for file in files])
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')


def test_flight_recorder_is_read_and_triggered(lab):
    folder = f'{lab.folder}/flights'
    os.mkdir(folder)
    recording(lab, f'{folder}/a.pcapng')
    before = lab.hub.count_descriptors()
    lab.b1.run('ping', '-n', '-c', '10', '-i', '0.02', '-s', '77', '10.1.0.1')
    expect_equal(os.listdir(folder), [], 'nothing is written by itself')
    for file in (f'{lab.folder}/one.pcapng', f'{lab.folder}/two.pcapng'):
        done = run(lab.program, 'capture', lab.hub.instance, '--dump-recorder', '-w', file)
        expect(f'the flight recorder of {lab.hub.instance}, {os.path.getsize(file)} bytes' in done.stdout, done.stdout)
        expect_equal(len(tshark(file, '-Y', 'frame.len == 119')), 20, 'pings that were there before')
        expect_equal(stat.S_IMODE(os.stat(file).st_mode), 0o600, 'mode')
    piped = run('sh', '-c', f'{lab.program} capture {lab.hub.instance} --dump-recorder -w - | tshark -n -r - -Y "frame.len == 119"')
    expect_equal(len([line for line in piped.stdout.splitlines() if 'ICMP' in line]), 20, 'through a pipe')
    run(lab.program, 'capture', lab.hub.instance, '--trigger-recorder')
    wait_until(lambda: os.listdir(folder), what='its own file')
    wait_until(lambda: packets(f'{folder}/{os.listdir(folder)[0]}') >= 20, what='its own file has all')
    wait_until(lambda: lab.hub.count_descriptors() <= before + 1, what='descriptors are returned')
    done = run(lab.program, 'capture', lab.hub.instance, '--dump-recorder', '-w', '/dev/full', check=False)
    expect(done.returncode == 1 and 'No space left' in done.stdout, f'{done.returncode} {done.stdout}')
    expect_equal(lab.b1.ping_losses('10.1.0.1', 10), 0, 'lost pings')


def test_dump_that_is_interrupted_leaves_nothing(lab):
    recording(lab, f'{lab.folder}/a.pcapng')
    folder = f'{lab.folder}/dumps'
    os.mkdir(folder)
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        lab.hub.popen.send_signal(signal.SIGSTOP)
        with subprocess.Popen([lab.program, 'capture', lab.hub.instance, '--dump-recorder', '-w', f'{folder}/it']) as dump:
            wait_until(lambda: os.listdir(folder), what='a file under a name of its own')
            dump.send_signal(how)
            expect_equal(dump.wait(5), -how, 'ended by the signal')
        lab.hub.popen.send_signal(signal.SIGCONT)
        expect_equal(os.listdir(folder), [], f'files after {how.name}')


def test_flight_recorder_refusals(lab):
    files = [f'{lab.folder}/a.pcapng', f'{lab.folder}/b.pcapng']
    recording(lab, *files)
    hub, old = lab.hub.instance, f'{lab.folder}/old.pcapng'
    with open(old, 'w') as file:
        file.write('as it was')
    for status, text, arguments in (
            (1, f'several flight recorders; these are: {files[0]}, {files[1]}', (hub, '--dump-recorder', '-w', old)),
            (1, f'no flight recorder is called /x; these are: {files[0]}', (hub, '--dump-recorder', '-w', old, '--recorder', '/x')),
            (1, 'several flight recorders', (hub, '--trigger-recorder')),
            (1, 'no flight recorder is configured', (lab.tunnel.instance, '--dump-recorder', '-w', old)),
            (2, '-w FILE says where to', (hub, '--dump-recorder')),
            (2, 'so nothing else is said', (hub, '--trigger-recorder', '-w', old)),
            (2, '--recorder goes with', (hub, '-w', old, '--recorder', files[0]))):
        refuse(lab, status, text, *arguments)
    with open(old) as file:
        expect_equal(file.read(), 'as it was', 'the old file after refusals')
    run(lab.program, 'capture', hub, '--dump-recorder', '-w', old, '--recorder', files[1])
    expect(packets(old) >= 2, 'the one that was chosen')


# ---- files in turn


def test_files_in_turn(lab):
    joined(lab)
    folder = f'{lab.folder}/turn'
    os.mkdir(folder)
    capture = Capture(lab, '--filter', 'icmp', '--ring', 'packets=10,count=3', file=f'{folder}/c.pcapng').started()
    lab.b1.run('ping', '-n', '-c', '25', '-i', '0.01', '10.1.0.1')
    status, counts = capture.end()
    expect_equal((status, counts['captured'], counts['lost']), (0, 50, 0), 'at the end')
    files = sorted(os.listdir(folder))
    expect_equal([re.sub(r'_\d{8}T\d{6}', '', name) for name in files], ['c_00003.pcapng', 'c_00004.pcapng', 'c_00005.pcapng'],
                 'the newest files')
    expect_equal([packets(f'{folder}/{name}') for name in files], [10] * 3, 'packets in each')
    sequence = [int(line) for name in files for line in tshark(f'{folder}/{name}', '-T', 'fields', '-e', 'icmp.seq')]
    expect_equal(sequence, [n for n in range(11, 26) for _ in range(2)], 'nothing is lost between files')
    for name in files:
        expect_equal(set(tshark(f'{folder}/{name}', '-T', 'fields', '-e', 'frame.interface_name')), {'lw0'}, 'interface')
        expect_equal(stat.S_IMODE(os.stat(f'{folder}/{name}').st_mode), 0o600, 'mode')
    sized = Capture(lab, '--ring', 'size=1,count=100', '--super-frames', file=f'{folder}/s.pcapng').started()
    Transfer(lab.b1, lab.a1, '10.1.0.1', 5).finish()
    counts = sized.end()[1]
    files = [f'{folder}/{name}' for name in sorted(os.listdir(folder)) if name.startswith('s_')]
    expect(len(files) >= 4 and all(os.path.getsize(file) <= 1 << 20 for file in files), [os.path.getsize(f) for f in files])
    expect_equal(sum(packets(file) for file in files), counts['captured'], 'packets in all files')


def test_files_in_turn_and_a_full_disk(lab):
    ends_on_a_full_disk(lab, '--ring', 'size=1')


def test_files_in_turn_refusals(lab):
    joined(lab)
    hub, file = lab.hub.instance, f'{lab.folder}/c.pcapng'
    takes = '--ring takes size=MIB, seconds=N, packets=N and count=FILES'
    for status, text, arguments in (
            (2, takes, (hub, '-w', file, '--ring', 'size')), (2, takes, (hub, '-w', file, '--ring', 'size=1,size=2')),
            (2, takes, (hub, '-w', file, '--ring', 'age=1')), (2, '"0" is not allowed', (hub, '-w', file, '--ring', 'size=0')),
            (2, 'size, seconds or packets end a file', (hub, '-w', file, '--ring', 'count=5')),
            (2, '"1001" is not allowed', (hub, '-w', file, '--ring', 'size=1,count=1001')),
            (2, 'of pcapng', (hub, '-w', '-', '--ring', 'size=1')),
            (2, 'of pcapng', (hub, '-w', file, '--ring', 'size=1', '--format', 'pcap')),
            (1, 'No such file', (hub, '-w', f'{lab.folder}/none/x', '--ring', 'size=1'))):
        refuse(lab, status, text, *arguments)
    expect_equal([name for name in os.listdir(lab.folder) if name.startswith('c_')], [], 'files after refusals')
