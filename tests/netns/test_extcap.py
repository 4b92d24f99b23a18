# SPDX-License-Identifier: MIT
"""Running instances as interfaces of Wireshark: extcap, driven by tshark itself."""
import os
import re

from lab import Instance, expect, expect_equal, join, run, two_lans, wait_until


def joined(lab):
    a, b = two_lans(lab)
    lab.a1.address('eth0', '10.1.0.1/24')
    lab.b1.address('eth0', '10.1.0.2/24')
    join(lab, a, b)
    lab.b1.wait_for_ping('10.1.0.1')
    lab.tunnel.descriptors = None
    install(lab)


def install(lab):
    """A link in the personal folder of external captures, where Wireshark 4.0 and where later ones look."""
    for folder in ('.config/wireshark/extcap', '.local/lib/wireshark/extcap'):
        lab.extcap = f'{lab.folder}/{folder}'
        os.makedirs(lab.extcap)
        os.symlink(os.path.abspath(lab.program), f'{lab.extcap}/longwire')
    lab.env = {**os.environ, 'HOME': lab.folder}


def interfaces(lab):
    return run('tshark', '-D', env=lab.env).stdout


def ask(lab, *options, status=0):
    done = run(f'{lab.extcap}/longwire', *options, check=False)
    expect_equal(done.returncode, status, f'{options}: {done.stdout}')
    return done.stdout


def test_tshark_lists_instances_and_captures_from_them(lab):
    joined(lab)
    name = f'longwire-{lab.hub.instance}'
    for instance in (lab.hub, lab.tunnel):
        expect(f'longwire-{instance.instance} (Longwire: {instance.instance})' in interfaces(lab), interfaces(lab))
    expect('EN10MB (Ethernet)' in run('tshark', '-L', '-i', name, env=lab.env).stdout, 'link type')
    file = f'{lab.folder}/live.pcapng'
    tshark = lab.a1.start('tshark', '-n', '-i', name, '-f', 'icmp', '-c', '20', '-w', file, env=lab.env)
    wait_until(lambda: lab.hub.report()['captures'], what=f'it is attached: {tshark.output()}')
    expect_equal(lab.b1.ping_losses('10.1.0.1', 20), 0, 'lost pings')
    expect_equal(tshark.wait(20), 0, tshark.output())
    wait_until(lambda: not lab.hub.report()['captures'], what='it has ended')
    seen = run('tshark', '-n', '-r', file, '-T', 'fields', '-e', 'icmp.type').stdout.split()
    expect_equal(len([kind for kind in seen if kind in ('8', '0')]), 20, f'pings: {seen}')


def test_options_of_an_interface_reach_the_instance(lab):
    joined(lab)
    name = f'longwire-{lab.hub.instance}'
    preference = 'extcap.' + re.sub(r'[^a-z0-9]', '_', name.lower())
    file = f'{lab.folder}/options.pcapng'
    tshark = lab.a1.start('tshark', '-n', '-i', name, '-o', f'{preference}.point:session-in', '-o', f'{preference}.peer:branch',
                          '-o', f'{preference}.snaplen:70', '-a', 'duration:3', '-w', file, env=lab.env)
    wait_until(lambda: lab.hub.report()['captures'], what=f'it is attached: {tshark.output()}')
    expect_equal(lab.b1.ping_losses('10.1.0.1', 10), 0, 'lost pings')
    expect_equal(tshark.wait(20), 0, tshark.output())
    seen = run('tshark', '-n', '-r', file, '-Y', 'icmp', '-T', 'fields', '-e', 'icmp.type', '-e', 'frame.cap_len', '-e',
               'frame.interface_name').stdout.splitlines()
    expect_equal(set(line for line in seen if '\t' in line), {'8\t70\tbranch'}, 'only requests, cut, at the port of the peer')


def test_sentences(lab):
    joined(lab)
    name = f'longwire-{lab.hub.instance}'
    listed = ask(lab, '--extcap-interfaces', '--extcap-version=4.0')
    expect(listed.startswith('extcap {version='), listed)
    expect(f'interface {{value={name}}}{{display=Longwire: {lab.hub.instance}}}\n' in listed, listed)
    expect_equal(ask(lab, '--extcap-interface', name, '--extcap-dlts'),
                 'dlt {number=1}{name=EN10MB}{display=Ethernet}\n', 'link types')
    config = ask(lab, '--extcap-interface', name, '--extcap-config')
    numbers = [int(n) for n in re.findall(r'^arg \{number=(\d+)\}', config, re.M)]
    expect_equal(numbers, list(range(len(numbers))), 'numbers of options')
    expect_equal(re.findall(r'\{call=--([\w-]+)\}', config), ['point', 'port', 'peer', 'reason', 'snaplen', 'super-frames'],
                 'options')
    for line in ('value {arg=0}{value=device-in}{display=Read from the interface}{enabled=true}{default=true}',
                 'value {arg=1}{value=lw0}{display=lw0}{enabled=true}{default=false}',
                 'value {arg=2}{value=branch}{display=branch}{enabled=true}{default=false}',
                 'value {arg=3}{value=too-big}{display=too-big}{enabled=true}{default=false}'):
        expect(line in config.splitlines(), f'{line}: {config}')
    expect('{arg=2}{value=lw0}' not in config, 'the device is no peer')
    expect_equal(ask(lab, '--extcap-interface', name, '--extcap-capture-filter', 'arp or icmp'), '', 'a good filter')
    expect('syntax error' in ask(lab, '--extcap-interface', name, '--extcap-capture-filter', 'arp or or'), 'a bad filter')
    client = ask(lab, '--extcap-interface', f'longwire-{lab.tunnel.instance}', '--extcap-config')
    expect('--peer' not in client and '--snaplen' in client, 'options of a client')


def test_ip_instances_have_the_raw_link_type(lab):
    machine = lab.machine('hub', 1)
    conf = lab.new('laptop', layer='ip')
    lab.hub = Instance(machine, 'hub', f'{conf}/hub.yaml').wait_ready()
    install(lab)
    expect_equal(ask(lab, '--extcap-interface', f'longwire-{lab.hub.instance}', '--extcap-dlts'),
                 'dlt {number=101}{name=RAW}{display=Raw IP}\n', 'link types')


def test_refusals(lab):
    joined(lab)
    name = f'longwire-{lab.hub.instance}'
    for status, text, options in (
            (2, '--extcap-interface is longwire-NAME, not "eth0"', ('--extcap-interface', 'eth0', '--extcap-dlts')),
            (1, 'no instance called "nobody"', ('--extcap-interface', 'longwire-nobody', '--extcap-config')),
            (2, 'what to do is one of', ('--extcap-interface', name)),
            (2, 'what to do is one of', ('--capture', '--extcap-interface', name)),
            (2, 'unknown option --extcap-nothing', ('--extcap-nothing', )),
            (1, 'No such file', ('--capture', '--extcap-interface', name, '--fifo', f'{lab.folder}/none')),
            (2, 'syntax error', ('--capture', '--extcap-interface', name, '--fifo', '/dev/null', '--extcap-capture-filter',
                                 'arp or or'))):
        expect(text in ask(lab, *options, status=status), f'{options}')
    expect_equal(lab.b1.ping_losses('10.1.0.1', 10), 0, 'lost pings')
