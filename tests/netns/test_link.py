# SPDX-License-Identifier: MIT
"""Links with faults, with real traffic: what is asked for is what ping and iperf3 see."""
import json
import re

from lab import alone, expect, expect_equal, join, two_lans, wait_until


def joined(lab, **hub):
    a, b = two_lans(lab)
    lab.a1.address('eth0', '10.1.0.1/24')
    lab.b1.address('eth0', '10.1.0.2/24')
    if hub:
        lab.edit(f'{lab.conf}/hub.yaml', **hub)
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')


def link(lab, *words, check=True):
    return lab.hub.namespace.run(lab.program, 'link', lab.hub.instance, *words, check=check)


def ping(lab, count, interval='0.05'):
    """(least, mean, most, deviation) in ms, and how many were lost of count."""
    out = lab.b1.run('ping', '-q', '-c', count, '-i', interval, '-W', '2', '10.1.0.1', check=False).stdout
    times = re.search(r'= ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) ms', out)
    got = re.search(r'(\d+) received', out)
    return [float(group) for group in times.groups()] if times else None, count - int(got.group(1))


def impairment(lab, port, direction):
    return [row for row in lab.hub.report()['impairments'] if (row['port'], row['direction']) == (port, direction)][0]


@alone('it measures milliseconds')
def test_delay_and_jitter_are_what_ping_sees(lab):
    joined(lab)
    base, _ = ping(lab, 20)
    link(lab, 'branch', 'out', 'delay=40ms')
    times, lost = ping(lab, 30)
    expect_equal(lost, 0, 'lost pings')
    expect(40 <= times[0] and times[1] <= 44 + base[1], f'40 ms one way: {times}, {base} before')
    said = link(lab, 'branch', 'in', 'delay=20ms', 'jitter=10ms', 'seed=5').stdout
    expect('impaired     branch in: delay=20ms jitter=10ms distribution=uniform seed=5' in said, said)
    times, lost = ping(lab, 100, '0.02')
    expect_equal(lost, 0, 'lost pings')
    expect(50 <= times[0] and times[2] <= 80 + base[2] + 5, f'50 to 70 ms: {times}')
    expect(57 <= times[1] <= 65 + base[1], f'60 ms in the mean: {times}')
    link(lab, 'branch', 'clear')
    times, lost = ping(lab, 10)
    expect(times[1] < 20 and lost == 0, f'after clear: {times}')
    expect_equal(lab.hub.report()['impairments'], [], 'impairments after clear')


def test_loss_from_the_configuration_is_counted(lab):
    joined(lab, impairments=[{'port': 'branch', 'direction': 'in', 'loss': '30%', 'seed': 9}])
    _, lost = ping(lab, 300, '0.01')
    row = impairment(lab, 'branch', 'in')
    expect(55 <= lost <= 130, f'{lost} of 300 lost at 30 %')
    expect(row['lost'] >= lost, f'{row}')
    expect_equal(lab.hub.drops('branch').get('link-lost'), row['lost'], 'the drop counter')
    expect_equal(row['settings'], {'loss': '30%', 'seed': 9}, 'settings as they were written')


@alone('it measures a rate')
def test_rate_is_what_iperf3_gets(lab):
    joined(lab)
    link(lab, 'branch', 'in', 'rate=20mbit', 'queue=64k')
    server = lab.a1.start('iperf3', '-s', '-1', '--forceflush', name='iperf3')
    wait_until(lambda: 'listening' in server.output(), what='iperf3')
    out = lab.b1.run('iperf3', '-c', '10.1.0.1', '-u', '-b', '40M', '-l', '1400', '-t', '4', '-J', timeout=30).stdout
    end = json.loads(out)['end']
    received = end['sum_received']['bits_per_second'] if 'sum_received' in end else \
        end['sum']['bits_per_second'] * (1 - end['sum']['lost_percent'] / 100)
    # Of 1442 bytes of a frame 1400 are data.
    expect(abs(received * 1442 / 1400 / 20e6 - 1) < 0.05, f'{received / 1e6:.2f} Mbit/s through 20 Mbit/s')
    expect(impairment(lab, 'branch', 'in')['full'] > 1000, 'the rest is counted')


@alone('it measures milliseconds')
def test_several_workers_keep_the_link(lab):
    """Whichever worker a packet comes in on, it goes through the link once, and in order."""
    a, b = two_lans(lab)
    lab.a1.address('eth0', '10.1.0.1/24')
    lab.b1.address('eth0', '10.1.0.2/24')
    lab.edit(f'{lab.conf}/hub.yaml', workers=2)
    lab.edit(f'{lab.conf}/branch.yaml', workers=2)
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    for port in ('branch', 'device'):
        link(lab, port, 'delay=15ms')
    times, lost = ping(lab, 40, '0.02')
    expect_equal(lost, 0, 'lost pings')
    # Four crossings of 15 ms.
    expect(60 <= times[0] and times[1] <= 75, f'60 ms: {times}')
    server = lab.a1.start('iperf3', '-s', '-1', '--forceflush', name='iperf3')
    wait_until(lambda: 'listening' in server.output(), what='iperf3')
    out = lab.b1.run('iperf3', '-c', '10.1.0.1', '-u', '-b', '10M', '-l', '1000', '-P', '4', '-t', '3', '-J', timeout=30).stdout
    end = json.loads(out)['end']
    expect_equal([stream['udp'].get('out_of_order', 0) for stream in end['streams']], [0] * 4, 'packets out of order')
    expect(impairment(lab, 'branch', 'in')['passed']['packets'] > 10000, f"{impairment(lab, 'branch', 'in')}")
    link(lab, 'branch', 'clear')
    link(lab, 'device', 'clear')
    expect_equal(ping(lab, 10)[1], 0, 'lost pings after clear')


def test_bad_orders_are_refused_and_change_nothing(lab):
    joined(lab)
    link(lab, 'branch', 'out', 'loss=1%', 'seed=3')
    before = impairment(lab, 'branch', 'out')
    for words, status, said in [
            (('branch', 'lost=1%'), 2, 'did you mean "loss"'),
            (('branch', 'loss=200%'), 2, 'a share like 1%'),
            (('branch', 'delay=5'), 2, 'a time like 50ms'),
            (('branch', 'jitter=5ms'), 2, 'at most the delay'),
            (('branch', 'queue=64k'), 2, 'needs a rate'),
            (('branch', 'loss=1%', 'loss=2%'), 2, 'given twice'),
            (('branch', 'clear', 'loss=1%'), 2, 'goes without clear'),
            (('branch', 'sideways', 'in'), 2, 'sideways'),
            (('nobody', 'loss=1%'), 1, 'these are: lw0, branch')]:
        done = link(lab, *words, check=False)
        expect_equal(done.returncode, status, f'{words}: {done.stdout}')
        expect(said in done.stdout, f'{words}: {done.stdout}')
    expect_equal(impairment(lab, 'branch', 'out')['settings'], before['settings'], 'settings')
