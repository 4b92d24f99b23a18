# SPDX-License-Identifier: MIT
"""More than one thread and connection, with real devices: every flow is whole, and all of them are used."""
import json
import os

from lab import Failure, Instance, alone, expect, expect_equal, join, run, two_lans, wait_until


def wide_lans(lab, workers, streams, granted=None):
    a, b = two_lans(lab)
    lab.edit(f'{lab.conf}/hub.yaml', workers=workers, streams=granted or streams)
    lab.edit(f'{lab.conf}/branch.yaml', workers=workers, streams=streams)
    lab.a1.address('eth0', '10.1.0.1/24')
    lab.b1.address('eth0', '10.1.0.2/24')
    return a, b


def connections(namespace, port):
    return namespace.run('ss', '-Htn', 'state', 'established', f'( dport = :{port} or sport = :{port} )').stdout.splitlines()


def threads(instance):
    folder = f'/proc/{instance.pid}/task'
    names = []
    for task in os.listdir(folder):
        with open(f'{folder}/{task}/comm', encoding='ascii') as file:
            names.append(file.read().strip())
    return [name for name in names if name.startswith('packets-')]


def capabilities(instance, name):
    folder = f'/proc/{instance.pid}/task'
    for task in os.listdir(folder):
        with open(f'{folder}/{task}/comm', encoding='ascii') as file:
            if file.read().strip() != name:
                continue
        with open(f'{folder}/{task}/status', encoding='ascii') as file:
            return next(int(line.split()[1], 16) for line in file if line.startswith('CapEff'))
    raise Failure(f'no thread {name}')


def iperf(lab, *options):
    server = lab.a1.start('iperf3', '-s', '-1', '--forceflush', name='iperf3')
    wait_until(lambda: 'listening' in server.output(), what='iperf3')
    out = lab.b1.run('iperf3', '-c', '10.1.0.1', '-t', '3', '-J', *options, timeout=30).stdout
    server.wait()
    return json.loads(out)


@alone('it compares shares of the throughput')
def test_four_streams_on_multi_queue_taps_carry_many_flows(lab):
    a, b = wide_lans(lab, workers=2, streams=4)
    hub, tunnel = join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    expect_equal(len(connections(a, 8443)), 4, 'connections at the hub')
    for side, instance in ((a, hub), (b, tunnel)):
        queues = side.run('ls', f'/proc/{instance.pid}/fdinfo').stdout.split()
        attached = 0
        for queue in queues:
            text = side.run('cat', f'/proc/{instance.pid}/fdinfo/{queue}', check=False).stdout
            attached += 'iff:\tlw0' in text
        expect_equal(attached, 2, f'{side.name}: queues of lw0')
        expect_equal(threads(instance), ['packets-1'], f'{side.name}: threads beside the first')
        expect_equal(capabilities(instance, 'packets-1'), 0, f'{side.name}: capabilities of the other worker')
    link = tunnel.report()['link']
    expect_equal((link['workers'], link['streams'], link['streams-up']), (2, 4, 4), 'link')
    expect_equal(hub.report()['hub']['workers'], 2, 'workers of the hub')
    port = hub.port('branch')
    expect_equal((port['streams'], port['streams-up']), (4, 4), "the client's port")
    for way in ((), ('-R',)):
        result = iperf(lab, '-P', '8', *way)
        shares = [stream['receiver']['bits_per_second'] for stream in result['end']['streams']]
        expect(min(shares) > 0.02 * sum(shares), f'{way}: every flow moves: {shares}')
    # The flows were spread over them, as their ports would have it.
    counted = [line for line in b.run('ss', '-Htin', 'dport', '=', ':8443').stdout.split() if line.startswith('bytes_acked')]
    expect_equal(len(counted), 4, 'connections that are counted')
    expect(sum(int(text.split(':')[1]) > 1000000 for text in counted) >= 2, f'bytes: {counted}')


def test_captures_of_four_workers_are_in_the_order_of_time(lab):
    a, b = wide_lans(lab, workers=4, streams=4)
    hub, _ = join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    file = f'{lab.folder}/wide.pcapng'
    capture = a.start(lab.program, 'capture', hub.instance, '-w', file, '--snaplen', '100', '--count', '20000', '--point',
                      'device-in,device-out,session-in,session-out')
    wait_until(lambda: hub.report()['captures'], what='the capture is attached')
    iperf(lab, '-P', '8', '--bidir', '-t', '1')
    expect_equal(capture.wait(10), 0, capture.output())
    lines = [line.split('\t') for line in run('tshark', '-n', '-r', file, '-T', 'fields', '-e', 'frame.time_epoch', '-e',
                                              'tcp.stream').stdout.splitlines() if 'Running' not in line]
    times = [line[0] for line in lines]     # of one length, with nanoseconds
    expect_equal(len(times), 20000, 'packets')
    expect_equal(times, sorted(times), 'order')
    expect(len({line[1] for line in lines}) >= 8, 'flows')


def test_udp_is_not_reordered_by_streams(lab):
    a, b = wide_lans(lab, workers=2, streams=2)
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    for way in ((), ('-R',)):
        result = iperf(lab, '-u', '-b', '20M', '-l', '1200', '-P', '6', *way)
        for stream in result['end']['streams']:
            expect_equal(stream['udp'].get('out_of_order', 0), 0, f'{way}: out of order')


def test_one_of_the_connections_is_killed_and_opened_again(lab):
    a, b = wide_lans(lab, workers=2, streams=3)
    hub, tunnel = join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    first = tunnel.report()['link']['connects']
    for _ in range(3):
        # The newest: it is not the first one.
        ports = sorted(int(line.split()[3].rsplit(':', 1)[1]) for line in connections(a, 8443))
        expect_equal(len(ports), 3, 'connections')
        b.run('ss', '-K', 'sport', '=', f':{ports[-1]}', 'dport', '=', ':8443')
        wait_until(lambda: tunnel.report()['link']['streams-up'] == 3 and hub.port('branch')['streams-up'] == 3,
                   what='all streams')
        lab.b1.wait_for_ping('10.1.0.1')
    expect(tunnel.report()['link']['connects'] <= first + 3, 'the tunnel itself was not begun anew each time')


def test_one_connection_only_is_let_through(lab):
    a, b = wide_lans(lab, workers=1, streams=3)
    a.run('nft', 'add table inet few; add chain inet few in { type filter hook input priority 0; }; '
          'add rule inet few in tcp dport 8443 ct state new ct count over 1 drop')
    lab.hub = Instance(a, 'hub', f'{lab.conf}/hub.yaml').wait_ready()
    lab.tunnel = Instance(b, 'up', f'{lab.conf}/branch.yaml').wait_ready(40)
    lab.b1.wait_for_ping('10.1.0.1')
    expect_equal(lab.tunnel.report()['link']['streams'], 1, 'streams')
    expect('only 1 of 3 streams' in lab.tunnel.output(), 'the log says why')


def test_queues_that_do_not_fit_are_explained(lab):
    _, b = wide_lans(lab, workers=2, streams=2)
    b.ip('tuntap', 'add', 'dev', 'lw0', 'mode', 'tap')
    result = b.run(lab.program, 'up', f'{lab.conf}/branch.yaml', '--name', f'{lab.prefix}-queues', check=False)
    expect(result.returncode != 0, 'refused')
    expect('multi_queue' in result.stdout, f'says how to make it: {result.stdout}')
    b.ip('link', 'del', 'lw0')


def test_numbers_out_of_bounds_are_refused(lab):
    a, _ = wide_lans(lab, workers=9, streams=9)
    result = a.run(lab.program, 'check', f'{lab.conf}/hub.yaml', f'{lab.conf}/branch.yaml', check=False)
    expect_equal(result.returncode, 2, 'exit status')
    for text in ('hub.yaml:', 'branch.yaml:', 'workers', 'streams', 'auto', '1 to 8'):
        expect(text in result.stdout, f'{text} is in {result.stdout}')


def test_auto_is_what_the_machine_has(lab):
    a, b = wide_lans(lab, workers='auto', streams=2)
    _, tunnel = join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    expect_equal(tunnel.report()['link']['workers'], min(8, len(os.sched_getaffinity(0))), 'workers')
