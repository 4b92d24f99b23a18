# SPDX-License-Identifier: MIT
"""Programs that manage interfaces by themselves, real ones: what they do to longwire's, that longwire doctor finds them before
and after, and that its commands stop them."""
import json

from lab import expect, expect_equal, join, two_lans, wait_until
from managers import NetworkManager, Networkd


def findings(lab, manager, file):
    done = manager.run(lab.program, 'doctor', '--json', file, check=False, timeout=30)
    expect(done.stdout.startswith('{'), done.stdout)
    return [row for row in json.loads(done.stdout)['findings'] if row['topic'] == 'managers']


def mended(lab, manager, file, said):
    """The only finding on managers says this; its command makes it go away."""
    rows = findings(lab, manager, file)
    expect(len(rows) == 1 and said in rows[0]['text'], f'{said!r} in {rows}')
    manager.run('sh', '-ec', rows[0]['mend'])
    wait_until(lambda: not findings(lab, manager, file), 5, f'nothing more of {rows}')
    return rows[0]['fault']


def master(machine, device):
    return machine.link(device).get('master')


def test_network_manager_is_told_to_leave_the_interface_alone(lab):
    a, b = two_lans(lab)
    file = f'{lab.conf}/hub.yaml'
    a.ip('link', 'delete', 'br0')
    manager = NetworkManager(a)
    # Its own bridge, as a desktop's user would make it.
    manager.run('nmcli', 'connection', 'add', 'type', 'bridge', 'ifname', 'br0', 'con-name', 'br0', 'bridge.stp', 'no',
                'ipv4.method', 'disabled', 'ipv6.method', 'disabled')
    manager.run('nmcli', 'connection', 'add', 'type', 'ethernet', 'ifname', 'to-a1', 'master', 'br0', 'con-name', 'port')
    manager.run('nmcli', 'connection', 'up', 'port')
    rows = findings(lab, manager, file)
    expect(len(rows) == 1 and rows[0]['fault'] and 'NetworkManager manages lw0' in rows[0]['text'], f'before it is there: {rows}')
    join(lab, a, b)
    wait_until(lambda: manager.state('lw0') == 'connectedexternally', what=f'it sees lw0: {manager.state("lw0")}')
    manager.run('nmcli', 'connection', 'up', 'br0')
    wait_until(lambda: master(a, 'lw0') is None, what='NetworkManager takes lw0 out of the bridge')
    a.ip('link', 'set', 'lw0', 'master', 'br0')
    expect(mended(lab, manager, file, 'NetworkManager manages lw0: it takes it out of br0'), 'a fault')
    manager.run('nmcli', 'connection', 'up', 'br0')
    wait_until(lambda: master(a, 'to-a1') == 'br0', what='its own port')
    expect_equal(master(a, 'lw0'), 'br0', 'the bridge of lw0, which is left alone')
    # A port that it has for an interface of its own.
    manager.run('nmcli', 'connection', 'delete', 'port', 'br0')
    a.bridge()
    manager.run('nmcli', 'connection', 'add', 'type', 'ethernet', 'ifname', 'to-a1', 'con-name', 'wired', 'ipv4.method', 'manual',
                'ipv4.addresses', '10.9.9.9/24', 'ipv6.method', 'disabled')
    manager.run('nmcli', 'connection', 'up', 'wired')
    for device in ('to-a1', 'lw0'):
        a.ip('link', 'set', device, 'master', 'br0')
    expect(mended(lab, manager, file, 'has to-a1, a port of br0, for an interface of its own ("wired")'), 'a fault')
    lab.edit(file, interface={'name': 'lw7'})
    lab.hub.stop(is_alone=False)
    lab.edit(file, interface=None)
    lab.edit(file, interface={'name': 'lw7'})
    expect(not mended(lab, manager, file, 'NetworkManager manages lw7'), 'a remark, where there is no bridge')
    manager.stop()


def test_networkd_is_told_to_leave_the_interface_alone(lab):
    a, b = two_lans(lab)
    file = f'{lab.conf}/hub.yaml'
    manager = Networkd(a, ninety='[Match]\\nName=lw* to-*\\n[Network]\\nDHCP=yes\\n')
    wait_until(lambda: manager.state('to-a1') not in ('', 'unmanaged'), what='networkd has to-a1')
    wait_until(lambda: master(a, 'to-a1') is None, what='networkd takes to-a1 out of the bridge')
    a.ip('link', 'set', 'to-a1', 'master', 'br0')
    rows = findings(lab, manager, file)
    expect_equal([row['fault'] for row in rows], [True, True], f'{rows}')
    expect('manages lw0 by /etc/systemd/network/ninety.network: it takes it out of br0' in rows[0]['text'], f'{rows}')
    expect('manages to-a1 by /etc/systemd/network/ninety.network: it takes it out of br0, whose port' in rows[1]['text'], f'{rows}')
    for row in rows:
        manager.run('sh', '-ec', row['mend'])
    wait_until(lambda: manager.state('to-a1') == 'unmanaged', what='to-a1 is left alone')
    expect_equal(findings(lab, manager, file), [], 'findings when they are told')
    a.ip('link', 'set', 'to-a1', 'master', 'br0')
    join(lab, a, b)
    wait_until(lambda: manager.state('lw0') == 'unmanaged', what='lw0 is left alone')
    expect_equal(findings(lab, manager, file), [], 'findings while it runs')
    expect_equal((master(a, 'lw0'), master(a, 'to-a1')), ('br0', 'br0'), 'bridges')
    # Without that file it takes it.
    manager.run('sh', '-ec', 'rm /etc/systemd/network/05-longwire-lw0.network; networkctl reload')
    wait_until(lambda: master(a, 'lw0') is None, what='networkd takes lw0 out of the bridge')
    expect(mended(lab, manager, file, 'systemd-networkd manages lw0 by /etc'), 'a fault')
    a.ip('link', 'set', 'lw0', 'master', 'br0')
    manager.stop()
