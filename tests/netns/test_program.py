# SPDX-License-Identifier: MIT
"""The program as scripts and administrators see it."""
import os
import shutil
import signal
import time

from lab import Instance, Skip, expect, expect_equal, join, run, two_lans, wait_until


def test_sigterm_leaves_nothing_behind(lab):
    a, b = two_lans(lab)
    join(lab, a, b)
    lab.tunnel.stop()
    lab.hub.stop()
    for side in (a, b):
        expect(side.link('lw0') is None, f'{side.name}: the TAP is gone')
        expect(side.link('br0') is not None, f'{side.name}: the bridge stays')


def test_sigint_ends_in_order_too(lab):
    a, b = two_lans(lab)
    join(lab, a, b)
    lab.tunnel.stop(signal.SIGINT)
    lab.hub.stop(signal.SIGINT)


def test_sigterm_at_any_moment_of_the_start_leaves_nothing_behind(lab):
    machine = lab.machine('hub', 1, bridge=True)
    machine.address('br0', '10.20.0.1/24')
    conf = lab.new('laptop', layer='ip')
    lab.edit(f'{conf}/hub.yaml', gateway={'to': ['10.20.0.0/24'], 'masquerade': True})
    for number in range(25):
        instance = Instance(machine, 'hub', f'{conf}/hub.yaml', name=f'hub{number}')
        instance.is_expected_to_run = False
        end = time.monotonic() + number * 0.02
        wait_until(lambda: time.monotonic() >= end, 2)
        instance.popen.send_signal(signal.SIGTERM)
        status = instance.wait(5)
        expect(status in (0, -signal.SIGTERM), f'after {number * 20} ms: status {status}: {instance.output()[-500:]}')
        instance.check_gone()


def test_signals_that_mean_nothing_are_survived(lab):
    a, b = two_lans(lab)
    hub, tunnel = join(lab, a, b)
    for instance in (hub, tunnel):
        for number in (signal.SIGPIPE, signal.SIGHUP, signal.SIGWINCH, signal.SIGURG):
            instance.popen.send_signal(number)
    lab.a1.address('eth0', '10.1.0.1/24')
    lab.b1.address('eth0', '10.1.0.2/24')
    lab.b1.wait_for_ping('10.1.0.1')


def test_second_start_of_an_instance_is_refused_in_one_line(lab):
    machine = lab.machine('hub', 1)
    conf = lab.new('laptop')
    first = Instance(machine, 'hub', f'{conf}/hub.yaml').wait_ready()
    second = machine.run(lab.program, 'hub', f'{conf}/hub.yaml', '--name', first.instance, check=False)
    expect_equal(second.returncode, 1, 'exit status')
    expect_equal(len(second.stdout.strip().splitlines()), 1, f'lines: {second.stdout}')
    expect(first.report(), 'the first one is untouched')


def test_port_in_use_is_said_and_nothing_is_left(lab):
    machine = lab.machine('hub', 1)
    conf = lab.new('laptop')
    lab.edit(f'{conf}/hub.yaml', interface=None)
    Instance(machine, 'hub', f'{conf}/hub.yaml').wait_ready()
    second = Instance(machine, 'hub', f'{conf}/hub.yaml', name='second')
    second.is_expected_to_run = False
    expect_equal(second.wait(5), 1, 'exit status')
    expect('8443' in second.output(), f'the port is named: {second.output()}')
    second.check_gone()


def test_missing_bridge_is_said_and_nothing_is_left(lab):
    machine = lab.machine('hub', 1)
    conf = lab.new('laptop')
    lab.edit(f'{conf}/hub.yaml', interface={'name': 'lw0', 'bridge': 'nobridge'})
    instance = Instance(machine, 'hub', f'{conf}/hub.yaml')
    instance.is_expected_to_run = False
    expect(instance.wait(5) in (1, 2), f'exit status {instance.status}')
    expect('nobridge' in instance.output(), f'the bridge is named: {instance.output()}')
    instance.check_gone()


def test_crashed_instance_starts_again_over_what_it_left(lab):
    a, b = two_lans(lab)
    join(lab, a, b)
    lab.hub.crash()
    lab.hub = lab.hub.again().wait_ready()
    wait_until(lab.tunnel.is_connected, 5, 'connected again')


def test_persistent_device_is_used_as_it_is_and_left_as_it_was(lab):
    machine, client = lab.machine('hub', 1), lab.machine('laptop', 2)
    conf = lab.new('laptop')
    client.ip('tuntap', 'add', 'dev', 'lw0', 'mode', 'tap')
    client.ip('link', 'set', 'lw0', 'address', '02:00:00:00:00:77')
    Instance(machine, 'hub', f'{conf}/hub.yaml').wait_ready()
    tunnel = Instance(client, 'up', f'{conf}/laptop.yaml').wait_ready()
    tunnel.stop()
    expect(client.link('lw0') is not None, 'the device that it was given is still there')


def test_wrong_persistent_device_is_refused_with_the_right_command(lab):
    client = lab.machine('laptop', 2)
    conf = lab.new('laptop')
    client.ip('tuntap', 'add', 'dev', 'lw0', 'mode', 'tun')
    tunnel = Instance(client, 'up', f'{conf}/laptop.yaml', '--once')
    tunnel.is_expected_to_run = False
    expect(tunnel.wait(5) in (1, 2), 'exit status')
    expect('ip tuntap' in tunnel.output(), f'the command is said: {tunnel.output()}')
    tunnel.check_gone()


def test_status_of_both_ends_for_people_and_programs(lab):
    a, b = two_lans(lab)
    hub, tunnel = join(lab, a, b)
    for instance, words in ((hub, ('branch', )), (tunnel, ('connected', '192.0.2.1:8443'))):
        text = run(lab.program, 'status', instance.instance).stdout
        for word in words:
            expect(word in text, f'{word} in the status of {instance.name}: {text}')
    expect_equal(hub.report()['pid'], hub.pid, 'pid of the hub')
    expect(hub.port('branch')['tls'].startswith('TLSv1.'), 'TLS version')
    expect_equal(hub.port('branch')['behind'], 'lan', 'behind')
    gone = run(lab.program, 'status', 'nobody-of-that-name', check=False)
    expect(gone.returncode in (1, 2), f'status of nobody: {gone.returncode}')


def test_up_with_wait_ends_with_one_when_nobody_answers(lab):
    client = lab.machine('laptop', 2)
    conf = lab.new('laptop')
    start = time.monotonic()
    tunnel = Instance(client, 'up', f'{conf}/laptop.yaml', '--wait', '2')
    tunnel.is_expected_to_run = False
    expect_equal(tunnel.wait(10), 1, 'exit status')
    expect(time.monotonic() - start >= 2, 'it waited')
    tunnel.check_gone()


def test_check_finds_errors_and_changes_nothing(lab):
    conf = lab.new('laptop')
    run(lab.program, 'check', f'{conf}/hub.yaml', f'{conf}/laptop.yaml')
    before = sorted(os.listdir(conf))
    lab.edit(f'{conf}/laptop.yaml', mtu=7, hubb='x')
    done = run(lab.program, 'check', f'{conf}/laptop.yaml', check=False)
    expect_equal(done.returncode, 2, 'exit status')
    expect('mtu' in done.stdout and 'hubb' in done.stdout, f'both errors at once: {done.stdout}')
    expect_equal(sorted(os.listdir(conf)), before, 'files')


def test_new_never_overwrites(lab):
    conf = lab.new('laptop')
    files = {}
    for folder, _, names in os.walk(conf):
        for name in names:
            with open(os.path.join(folder, name), 'rb') as opened:
                files[os.path.join(folder, name)] = opened.read()
    again = run(lab.program, 'new', conf, '--hub', '192.0.2.1:8443', '--client', 'laptop', check=False)
    expect(again.returncode != 0, 'an existing client is refused')
    run(lab.program, 'new', conf, '--hub', '192.0.2.1:8443', '--client', 'tablet')
    for path, data in files.items():
        with open(path, 'rb') as opened:
            expect_equal(opened.read(), data, path)
    expect(os.path.exists(f'{conf}/clients.d/tablet.yaml'), 'a client was added')


ROOTLESS = r'''
set -eu
dir=$1 program=$2
other= hub= up=
trap 'kill $up $hub $other 2>/dev/null' EXIT
export XDG_RUNTIME_DIR=$dir/run
mkdir -p "$XDG_RUNTIME_DIR"
ip link set lo up
unshare -n sh -c 'echo $$ >"$0/other"; exec sleep 120' "$dir" &
until [ -s "$dir/other" ]; do :; done
other=$(cat "$dir/other")
ip link add v0 type veth peer name v1 netns "$other"
ip addr add 192.0.2.1/24 dev v0
ip link set v0 up
there() { nsenter -n -t "$other" "$@"; }
there ip addr add 192.0.2.2/24 dev v1
there ip link set v1 up
"$program" hub "$dir/conf/hub.yaml" 2>"$dir/hub.log" &
hub=$!
nsenter -n -t "$other" "$program" up "$dir/conf/laptop.yaml" 2>"$dir/up.log" &
up=$!
for _ in $(seq 100); do
	"$program" status laptop --json 2>/dev/null | grep -q '"connected"' && break
	ping -n -q -c 2 -i 0.1 127.0.0.1 >/dev/null
done
ip addr add 10.9.0.1/24 dev lw0
there ip addr add 10.9.0.2/24 dev lw0
there ping -n -c 5 -i 0.2 -W 1 -w 10 10.9.0.1
kill $up; wait $up
kill $hub; wait $hub
up= hub=
echo ROOTLESS-DONE
'''


def test_without_root_in_a_user_namespace(lab):
    folder = f'{lab.folder}/nobody'
    os.mkdir(folder)
    os.chmod(lab.folder, 0o755)
    with open(f'{lab.folder}/rootless.sh', 'w') as opened:
        opened.write(ROOTLESS)
    os.chown(folder, 65534, 65534)
    nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']
    program = f'{lab.folder}/longwire'
    shutil.copy(lab.program, program)
    if run(*nobody, 'unshare', '-Urn', 'true', check=False).returncode != 0:
        raise Skip('the kernel has no user namespaces for users')
    run(*nobody, program, 'new', f'{folder}/conf', '--hub', '192.0.2.1:8443', '--client', 'laptop')
    # The device node as most systems have it, for these processes alone.
    private = ['unshare', '-m', '--propagation', 'private', 'sh', '-c',
               'mount -t tmpfs tmpfs /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec "$@"', 'sh']
    done = run(*private, *nobody, 'unshare', '-Urn', 'sh', f'{lab.folder}/rootless.sh', folder, program, check=False, timeout=60)
    logs = ''
    for name in ('hub.log', 'up.log'):
        if os.path.exists(f'{folder}/{name}'):
            with open(f'{folder}/{name}') as opened:
                logs += opened.read()[-1500:]
    expect('ROOTLESS-DONE' in done.stdout and '0% packet loss' in done.stdout, f'{done.stdout[-1500:]}\n{logs}')
    expect('Sanitizer' not in logs, logs)
