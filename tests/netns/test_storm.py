# SPDX-License-Identifier: MIT
"""What others do to a tunnel's machine: it is killed at any moment, the network outside never rests, and its interface and
its tables are changed under it."""
import random
import signal
import time

from lab import Instance, expect, expect_equal, wait_until
from test_routing import SERVER, SERVER6, end_by_user, internet, is_locked, start

KILLS = 12
UNREST_S = 4


def kept(machine):
    """What must be as before, also where links came and went."""
    snapshot = machine.snapshot()
    return {key: snapshot[key] for key in ('rules', 'routes', 'nft', 'links')}


def locks(machine):
    tables = machine.run('nft', 'list', 'tables').stdout.split()
    return [word.removeprefix('longwire_lock_') for word in tables if word.startswith('longwire_lock_')]


def ruleset(machine):
    return sorted(machine.run('nft', '-s', 'list', 'ruleset').stdout.splitlines())


def end_and_expect(lab, before):
    lab.tunnel.is_expected_to_run = False
    expect_equal(lab.tunnel.end(signal.SIGINT), 0, 'exit status')
    lab.tunnel.check_log()
    for part, found in kept(lab.laptop).items():
        expect_equal(found, before[part], part)


def test_killed_at_any_moment_leaves_nothing_that_the_next_does_not_take(lab):
    laptop = internet(lab)
    lab.hub = Instance(lab.hub_machine, 'hub', f'{lab.conf}/hub.yaml').wait_ready()
    before = kept(laptop)
    moments = random.Random(1)
    for turn in range(KILLS):
        lab.tunnel = Instance(laptop, 'up', f'{lab.conf}/laptop.yaml')
        if turn % 3 == 0:
            lab.tunnel.wait_ready(30)
            lab.tunnel.popen.send_signal(signal.SIGTERM)
            time.sleep(moments.random() * 0.08)
        else:
            time.sleep(moments.random() * 0.6)
        lab.tunnel.crash()
    lab.tunnel = Instance(laptop, 'up', f'{lab.conf}/laptop.yaml').wait_ready(30)
    laptop.wait_for_ping(SERVER, 20)
    end_and_expect(lab, before)


def test_network_outside_that_never_rests(lab):
    laptop = internet(lab, include_all_networks=True, exclude_local_networks=True)
    before = kept(laptop)
    start(lab)
    routes = ''.join(f'route add 198.18.{i}.0/24 via 192.0.2.254\nroute add 2001:db8:{i + 4096:x}::/48 via 2001:db8::fe\n'
                     for i in range(100))
    for word in ('add', 'del'):
        with open(f'{lab.conf}/{word}', 'w') as batch:
            batch.write(routes.replace('add', word))
    unrest = laptop.start('/bin/sh', '-c',
                          'trap "stop=1" TERM; while [ -z "$stop" ]; do '
                          f'ip -force -batch {lab.conf}/add; ip -force -batch {lab.conf}/del; '
                          'ip link add d0 type dummy; ip address add 10.99.0.1/24 dev d0; ip link set d0 up; ip link del d0; '
                          'nft add table inet other; nft delete table inet other; done', name='unrest')
    end = time.monotonic() + UNREST_S
    while time.monotonic() < end:
        laptop.wait_for_ping(SERVER, 5)
        expect(is_locked(laptop), 'the kill switch is closed')
        time.sleep(0.2)
    unrest.end(seconds=20)
    expect('did not follow' not in lab.tunnel.output(), lab.tunnel.output()[-2000:])
    expect_equal(lab.hub.port('laptop')['sessions'], 1, 'sessions')
    end_and_expect(lab, before)


def test_tables_and_interface_changed_by_others(lab):
    laptop = internet(lab, include_all_networks=True)
    before = kept(laptop)
    start(lab)
    tables = ruleset(laptop)
    laptop.run('nft', 'flush', 'ruleset')
    wait_until(lambda: ruleset(laptop) == tables, 5, 'all tables are there again')
    expect('opened by another program' in lab.tunnel.output(), 'the log says so')
    answer = laptop.run(lab.program, 'unlock', check=False)
    expect(answer.returncode == 1 and 'its tunnel runs' in answer.stdout, answer.stdout)
    expect_equal(locks(laptop), ['lw0'], 'closed')

    laptop.ip('link', 'set', 'lw0', 'down')
    laptop.ip('link', 'set', 'lw0', 'name', 'other0')
    expect(not laptop.can_ping('192.0.2.254', '-I', 'wan0'), 'nothing leaves while it is down')
    laptop.ip('link', 'set', 'other0', 'up')
    laptop.wait_for_ping(SERVER)
    laptop.wait_for_ping(SERVER6)
    expect_equal(locks(laptop), ['other0'], 'closed')
    expect(not laptop.can_ping('192.0.2.254', '-I', 'wan0'), 'nothing leaves but by the tunnel')
    expect_equal(lab.hub.port('laptop')['sessions'], 1, 'sessions')
    end_and_expect(lab, before)


def test_interface_deleted_under_it(lab):
    laptop = internet(lab, include_all_networks=True)
    start(lab)
    laptop.ip('link', 'del', 'lw0')
    while not laptop.link('lw0'):
        expect(is_locked(laptop) and not laptop.can_ping('192.0.2.254', '-I', 'wan0', seconds=0.1), 'nothing leaves while it is gone')
    laptop.wait_for_ping(SERVER)
    lab.tunnel.wait_ready()
    end_by_user(lab)
