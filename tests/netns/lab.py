# SPDX-License-Identifier: MIT
"""A laboratory of network namespaces: machines, LANs behind them, and longwire between them.

Everything is made with names of its own and removed by the context manager, whatever happened. Leaving it checks what must
hold after every test: instances that the test did not end still run under the same process id, then end in order on
SIGTERM; nothing that they made is left; no sanitizer spoke; logs are short.
"""
import contextlib
import ctypes
import glob
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PREFIX = 'lwt'
CLONE_NEWNET = 0x40000000
LOG_LINES_MAX = 2000
SHADOW = re.compile(r'(=>|  )0x[0-9a-f]{12}:|  \S.*: +(f[0-9a-f]|[a-c][a-f0-9]|0[0-7].*)$')
SANITIZER = re.compile(r'(AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion .* failed)')

_libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """What a test found."""


class Skip(Exception):
    """Why a test cannot run here."""


def alone(reason):
    """A test that runs while no other does, and why."""
    def mark(test):
        test.alone = reason
        return test
    return mark


def expect(condition, text):
    if not condition:
        raise Failure(text)


def expect_equal(got, wanted, what):
    if got != wanted:
        raise Failure(f'{what}: {got!r}, not {wanted!r}')


def wait_until(condition, seconds=15, what='the condition'):
    """Ask until the answer is true, and return it. The polls are 20 ms apart."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failure(f'not within {seconds} s: {what}')
        time.sleep(0.02)


def run(*command, check=True, timeout=30, **options):
    done = subprocess.run([str(c) for c in command], text=True, timeout=timeout, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=options.pop('stdin', subprocess.DEVNULL), **options)
    if check and done.returncode != 0:
        raise Failure(f'{" ".join(map(str, command))}: status {done.returncode}: {done.stdout.strip()[-2000:]}')
    return done


def mac_bytes(text):
    return bytes.fromhex(text.replace(':', ''))


class Capture:
    """tcpdump on one interface, into a file."""

    def __init__(self, namespace, device, expression):
        self.file = os.path.join(namespace.lab.folder, f'{namespace.name}-{device}-{len(namespace.lab.processes)}.pcap')
        self.process = namespace.start('tcpdump', '-i', device, '-U', '--immediate-mode', '-s', '0', '-B', '8192', '-w',
                                       self.file, expression, name='tcpdump')
        wait_until(lambda: 'listening on' in self.process.output(), what=f'tcpdump on {device}')

    def frames(self):
        return [data for _, data in read_pcap(self.file)]

    def wait_for(self, frame_or_test, seconds=10, what='a frame'):
        test = frame_or_test if callable(frame_or_test) else lambda frame: frame == frame_or_test
        return wait_until(lambda: [f for f in self.frames() if test(f)], seconds, what)

    def stop(self):
        """End and return every frame."""
        self.process.end(signal.SIGINT)
        return self.frames()


def read_pcap(file):
    """[(link type, bytes)] of a savefile that may still grow: a part of a packet at its end is left alone."""
    try:
        with open(file, 'rb') as opened:
            data = opened.read()
    except FileNotFoundError:
        return []
    if len(data) < 24:
        return []
    order = '<' if data[:4] in (b'\xd4\xc3\xb2\xa1', b'\x4d\x3c\xb2\xa1') else '>'
    link = struct.unpack_from(order + 'I', data, 20)[0]
    packets, at = [], 24
    while at + 16 <= len(data):
        length = struct.unpack_from(order + 'I', data, at + 8)[0]
        if at + 16 + length > len(data):
            break
        packets.append((link, data[at + 16:at + 16 + length]))
        at += 16 + length
    return packets


class Process:
    """A process in a namespace, its output in a file."""

    def __init__(self, namespace, command, name, env=None):
        self.lab = namespace.lab
        self.name = name
        self.log = os.path.join(self.lab.folder, f'{len(self.lab.processes)}-{namespace.name}-{name}.log')
        self.status = None
        with open(self.log, 'wb') as log:
            self.popen = subprocess.Popen(['ip', 'netns', 'exec', namespace.full_name, *map(str, command)],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env={**os.environ, **(env or {})})
        self.pid = self.popen.pid
        self.lab.processes.append(self)

    def output(self):
        with open(self.log, errors='replace') as log:
            return log.read()

    def is_running(self):
        return self.popen.poll() is None

    def wait(self, seconds=10):
        try:
            self.status = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f'{self.name} still runs after {seconds} s') from None
        return self.status

    def end(self, how=signal.SIGTERM, seconds=10):
        if self.is_running():
            self.popen.send_signal(how)
        return self.wait(seconds)

    def kill(self):
        if self.is_running():
            self.popen.kill()
        self.popen.wait()


class Namespace:
    """A machine or a host: a network namespace."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.full_name = f'{lab.prefix}-{name}'
        lab.namespaces[name] = self
        run('ip', 'netns', 'add', self.full_name)
        self.sysctl('net.ipv6.conf.default.accept_dad', 0)
        self.sysctl('net.ipv6.conf.default.router_solicitation_delay', 0)
        self.ip('link', 'set', 'lo', 'up')

    def run(self, *command, **options):
        return run('ip', 'netns', 'exec', self.full_name, *command, **options)

    def start(self, *command, name=None, env=None):
        return Process(self, command, name or os.path.basename(str(command[0])), env)

    def ip(self, *arguments, **options):
        return run('ip', '-n', self.full_name, *arguments, **options)

    def ip_json(self, *arguments):
        return json.loads(run('ip', '-n', self.full_name, '-j', *arguments).stdout or '[]')

    def sysctl(self, key, value=None):
        path = '/proc/sys/' + key.replace('.', '/')
        if value is None:
            return self.run('cat', path).stdout.strip()
        self.run('sh', '-c', f'echo {value} >{path}')
        return None

    @contextlib.contextmanager
    def entered(self):
        """What this thread opens inside belongs to the namespace."""
        with open('/proc/self/ns/net') as home, open(f'/run/netns/{self.full_name}') as there:
            if _libc.setns(there.fileno(), CLONE_NEWNET) < 0:
                raise OSError(ctypes.get_errno(), 'setns')
            try:
                yield
            finally:
                if _libc.setns(home.fileno(), CLONE_NEWNET) < 0:
                    os.abort()

    def socket(self, *arguments):
        with self.entered():
            opened = socket.socket(*arguments)
        opened.settimeout(10)
        self.lab.sockets.append(opened)
        return opened

    def packet_socket(self, device):
        raw = self.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with self.entered():
            raw.bind((device, 0))
        return raw

    def send_frames(self, device, frames):
        raw = self.packet_socket(device)
        for frame in frames:
            raw.send(frame)
        raw.close()

    def capture(self, device, expression=''):
        return Capture(self, device, expression)

    def address(self, device, *addresses):
        for address in addresses:
            self.ip('address', 'add', address, 'dev', device, *(['nodad'] if ':' in address else []))

    def up(self, *devices):
        for device in devices:
            self.ip('link', 'set', device, 'up')

    def bridge(self, name='br0', mtu=1500):
        self.ip('link', 'add', name, 'type', 'bridge')
        self.sysctl(f'net.ipv6.conf.{name}.disable_ipv6', 1)
        self.ip('link', 'set', name, 'mtu', mtu)
        self.up(name)

    def link(self, device):
        """The link as ip sees it, or None."""
        found = [link for link in self.ip_json('-d', 'link', 'show') if link['ifname'] == device]
        return found[0] if found else None

    def addresses(self, device):
        found = [link for link in self.ip_json('address', 'show') if link.get('ifname') == device]
        return [f'{a["local"]}/{a["prefixlen"]}' for link in found for a in link['addr_info']]

    def mac(self, device):
        return self.link(device)['address']

    def can_ping(self, address, *options, seconds=1):
        return self.run('ping', '-n', '-q', '-c', '1', '-W', seconds, *options, address, check=False).returncode == 0

    def wait_for_ping(self, address, seconds=15):
        wait_until(lambda: self.can_ping(address), seconds, f'{self.name} pings {address}')

    def ping_losses(self, address, count=20, interval=0.02):
        out = self.run('ping', '-n', '-q', '-c', count, '-i', interval, '-W', 1, address, check=False).stdout
        sent, received = re.search(r'(\d+) packets transmitted, (\d+) received', out).groups()
        return int(sent) - int(received)

    def snapshot(self):
        """What somebody else may find changed: everything configured, without what moves by itself."""
        def plain_address(link):
            return {a['local'] for a in link['addr_info'] if a['scope'] != 'link'}

        links = self.ip_json('-d', 'link', 'show')
        return {
            'links': {k['ifname']: (k.get('master'), k['mtu'], k.get('address'), 'UP' in k['flags']) for k in links},
            'addresses': {k['ifname']: plain_address(k) for k in self.ip_json('address', 'show') if k},
            'routes': sorted(self.routes('-4') + self.routes('-6')),
            'rules': self.ip('rule', 'show').stdout + self.ip('-6', 'rule', 'show').stdout,
            'nft': self.run('nft', 'list', 'ruleset').stdout,
            'forwarding': (self.sysctl('net.ipv4.ip_forward'), self.sysctl('net.ipv6.conf.all.forwarding')),
        }

    def routes(self, family='-4'):
        lines = self.ip(family, 'route', 'show', 'table', 'all').stdout.splitlines()
        return [re.sub(r'expires \S+|linkdown|dead', '', line).strip() for line in lines
                if not re.search(r'fe80::|ff00::|^multicast', line)]

    def remove(self):
        run('ip', 'netns', 'del', self.full_name, check=False)


class Instance(Process):
    """A running hub or tunnel."""

    def __init__(self, namespace, command, file, *arguments, name=None, env=None):
        self.namespace = namespace
        self.command = command
        self.file = file
        self.arguments = arguments
        stem = name or os.path.basename(file).removesuffix('.yaml')
        self.instance = f'{namespace.lab.prefix}-{stem}'
        self.is_expected_to_run = True
        self.descriptors = None
        self.before = namespace.snapshot()
        options = 'abort_on_error=0:exitcode=99:detect_leaks=1'
        super().__init__(namespace, [namespace.lab.program, command, file, '--name', self.instance, '--log', 'debug',
                                     *arguments], stem,
                         {'ASAN_OPTIONS': options, 'UBSAN_OPTIONS': 'print_stacktrace=1', **(env or {})})
        namespace.lab.instances.append(self)

    def again(self):
        """A new one, as a supervisor would start it."""
        return Instance(self.namespace, self.command, self.file, *self.arguments,
                        name=self.instance.removeprefix(self.lab.prefix + '-'))

    def report(self):
        """The status as a tree, or None while there is nobody to ask."""
        done = run(self.lab.program, 'status', self.instance, '--json', check=False)
        if done.returncode != 0:
            return None
        return json.loads(done.stdout)

    def port(self, name):
        report = self.report()
        for port in (report or {}).get('ports', []):
            if port['name'] == name:
                return port
        return None

    def is_connected(self):
        report = self.report()
        return bool(report) and report.get('connection', {}).get('status') == 'connected'

    def wait_ready(self, seconds=15):
        """Until a hub listens or a tunnel is connected."""
        def is_ready():
            if not self.is_running():
                raise Failure(f'{self.instance} ended with {self.popen.returncode}: {self.output()[-1500:]}')
            return self.is_connected() if self.command == 'up' else self.report()

        wait_until(is_ready, seconds, f'{self.instance} is ready: {self.output()[-600:]}')
        self.descriptors = self.count_descriptors()
        return self

    def count_descriptors(self):
        return len(os.listdir(f'/proc/{self.pid}/fd'))

    def check_descriptors(self):
        """A connected tunnel holds what it held when it was first connected."""
        if self.descriptors is None or not self.is_connected():
            return
        wait_until(lambda: self.count_descriptors() <= self.descriptors, 3,
                   f'{self.instance}: {self.count_descriptors()} descriptors, {self.descriptors} at first')

    def drops(self, port=None):
        """{reason: count} of a port of the hub, or of the tunnel."""
        tree = self.port(port) if port else self.report()
        return find_drops(tree or {})

    def crash(self):
        """kill -9: the test wants it gone."""
        self.is_expected_to_run = False
        self.popen.kill()
        self.popen.wait()

    def stop(self, how=signal.SIGTERM, seconds=10, is_alone=True):
        """End in order; whatever the instance made is gone. Not alone: others changed the machine meanwhile."""
        self.is_expected_to_run = False
        status = self.end(how, seconds)
        self.check_log()
        expect_equal(status, 0, f'{self.instance}: exit status; {self.output()[-1500:]}')
        if is_alone:
            self.check_gone()

    def check_gone(self):
        after = self.namespace.snapshot()
        for part, before in self.before.items():
            if after[part] != before:
                raise Failure(f'{self.instance} left {part} changed: {before!r} became {after[part]!r}')
        for path in (f'/run/longwire/{self.instance}', ):
            expect(not os.path.lexists(path) or not os.listdir(path) or os.listdir(path) == ['lock'],
                   f'{self.instance} left {path}: {os.path.isdir(path) and os.listdir(path)}')

    def statistics(self, device):
        """(packets that the kernel gave to the device's reader, packets that it took from its writer)"""
        path = f'/sys/class/net/{device}/statistics'
        out = self.namespace.run('cat', f'{path}/tx_packets', f'{path}/rx_packets', check=False).stdout.split()
        return [int(word) for word in out] if len(out) == 2 else None

    def balance(self):
        """A tunnel's packets in, out and dropped, when nothing is under way."""
        tree = self.report() or {}
        kernel = self.statistics((tree.get('interface') or {}).get('name', ''))
        if not kernel or not tree.get('link'):
            return None
        link, drops = tree['link'], find_drops(tree['link'])
        return kernel[0] + link['received']['packets'], went_out(link) + kernel[1], sum(drops.values())

    def check_balance(self):
        """What came in went out or was dropped for a reason."""
        def is_even():
            found = self.balance()
            return found is None or found[0] == found[1] + found[2]

        try:
            wait_until(is_even, 3)
        except Failure:
            raise Failure(f'{self.instance}: (in, out, dropped) do not balance: {self.balance()}; '
                          f'{self.statistics("lw0")} {self.report().get("link")}') from None

    def check_log(self):
        text = self.output()
        spoke = SANITIZER.search(text)
        if spoke:
            raise Failure(f'{self.instance}: a sanitizer spoke: {text[spoke.start():][:3500]}')
        expect(text.count('\n') <= LOG_LINES_MAX, f'{self.instance}: {text.count(chr(10))} lines of log')


def find_drops(tree):
    found = {}
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == 'drops' and isinstance(value, dict):
                for reason, count in value.items():
                    found[reason] = found.get(reason, 0) + count
            else:
                for reason, count in find_drops(value).items():
                    found[reason] = found.get(reason, 0) + count
    elif isinstance(tree, list):
        for item in tree:
            for reason, count in find_drops(item).items():
                found[reason] = found.get(reason, 0) + count
    return found


def went_out(port):
    """Packets that left by a port: what is handed to a full or absent queue counts as sent to it and as dropped by it."""
    drops = find_drops(port)
    return port['sent']['packets'] - sum(drops.get(r, 0) for r in ('queue-full', 'queue-late', 'port-down', 'handoff-full'))


def remove_traces(prefix):
    """What a lab left that was killed: processes, namespaces, mounts, files."""
    names = [line.split()[0] for line in run('ip', 'netns', 'list').stdout.splitlines()]
    for name in [name for name in names if name.startswith(f'{prefix}-')]:
        for pid in run('ip', 'netns', 'pids', name, check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run('ip', 'netns', 'del', name, check=False)
    for folder in glob.glob(f'{tempfile.gettempdir()}/{prefix}-*') + glob.glob(f'/run/longwire/{prefix}-*'):
        with open('/proc/self/mounts', encoding='utf-8') as mounts:
            for mounted in [line.split()[1] for line in mounts]:
                if mounted.startswith(f'{folder}/'):
                    run('umount', '-l', mounted, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers():
    """What labs left whose processes are gone."""
    names = run('ip', 'netns', 'list').stdout.splitlines()
    names += [os.path.basename(path) for path in glob.glob(f'{tempfile.gettempdir()}/{PREFIX}*') +
              glob.glob(f'/run/longwire/{PREFIX}*')]
    for pid in {found.group(1) for found in (re.match(rf'{PREFIX}(\d+)-', name) for name in names) if found}:
        if not os.path.exists(f'/proc/{pid}'):
            remove_traces(f'{PREFIX}{pid}')


class Lab:
    """All namespaces of one test. The machines see each other on the network 192.0.2.0/24 and 2001:db8::/64."""

    def __init__(self, build=None):
        self.prefix = f'{PREFIX}{os.getpid()}'
        self.build = os.path.join(TOP, build or os.environ.get('LW_BUILD', 'build/dev'))
        self.program = os.environ.get('LW_PROGRAM', os.path.join(self.build, 'src/program/longwire'))
        self.namespaces, self.processes, self.instances, self.sockets = {}, [], [], []
        self.folder = None

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix=f'{self.prefix}-')
        return self

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self._check()
        finally:
            self._remove(keep=kind is not None or bool(os.environ.get('LW_KEEP')))

    def _check(self):
        for instance in self.instances:
            if instance.is_expected_to_run:
                expect(instance.is_running(),
                       f'{instance.instance} ended by itself: {instance.output()[-1500:]}')
        for instance in self.instances:
            if instance.is_expected_to_run and instance.command == 'up':
                instance.check_balance()
                instance.check_descriptors()
        for instance in reversed(self.instances):
            if instance.is_expected_to_run:
                instance.stop()
        for instance in self.instances:
            instance.check_log()

    def _remove(self, keep):
        for opened in self.sockets:
            opened.close()
        for process in reversed(self.processes):
            process.kill()
        logs = [(i.instance, i.output()) for i in self.instances] if keep else []
        for namespace in self.namespaces.values():
            namespace.remove()
        for instance in self.instances:
            shutil.rmtree(f'/run/longwire/{instance.instance}', ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        for name, text in logs:
            lines = [line for line in text.strip().splitlines() if not SHADOW.match(line)]
            print(f'---- log of {name} (last 25 of {len(lines)} lines)')
            print('\n'.join(lines[-25:]))

    # ---- what is in the lab

    def namespace(self, name):
        return Namespace(self, name)

    def wire(self, a, device_a, b, device_b, mtu=1500):
        run('ip', 'link', 'add', device_a, 'netns', a.full_name, 'mtu', mtu, 'type', 'veth', 'peer', 'name', device_b,
            'netns', b.full_name, 'mtu', mtu)
        a.up(device_a)
        b.up(device_b)

    def machine(self, name, number, bridge=False, mtu=1500):
        """A machine on the outer network as 192.0.2.NUMBER; with bridge: a bridge br0 for the LAN behind it."""
        if 'net' not in self.namespaces:
            self.namespace('net').bridge('br0', 9000)
        net = self.namespaces['net']
        machine = self.namespace(name)
        machine.number = number
        self.wire(machine, 'wan0', net, f'to-{name}')
        net.ip('link', 'set', f'to-{name}', 'master', 'br0')
        machine.address('wan0', f'192.0.2.{number}/24', f'2001:db8::{number}/64')
        if bridge:
            machine.bridge('br0', mtu)
        return machine

    def host(self, name, machine, address=None, mtu=1500):
        """A host on the LAN behind a machine; its interface is eth0."""
        host = self.namespace(name)
        self.wire(machine, f'to-{name}', host, 'eth0', mtu)
        machine.ip('link', 'set', f'to-{name}', 'master', 'br0')
        if address:
            host.address('eth0', address)
        return host

    # ---- configurations

    def new(self, *clients, layer='ethernet', hub='192.0.2.1:8443', folder='conf'):
        """longwire new, and the folder that it wrote."""
        path = os.path.join(self.folder, folder)
        options = [word for client in clients for word in ('--client', client)]
        run(self.program, 'new', path, '--hub', hub, '--layer', layer, *options)
        return path

    @staticmethod
    def edit(file, **keys):
        """Set keys of a YAML file; None removes one."""
        with open(file) as opened:
            tree = yaml.safe_load(opened)
        for key, value in keys.items():
            name = key.replace('_', '-')
            if value is None:
                tree.pop(name, None)
            elif isinstance(value, dict) and isinstance(tree.get(name), dict):
                tree[name].update(value)
            else:
                tree[name] = value
        with open(file, 'w') as opened:
            yaml.safe_dump(tree, opened, sort_keys=False)

    def edit_client(self, folder, name, **keys):
        self.edit(os.path.join(folder, 'clients.d', f'{name}.yaml'), **keys)


def two_lans(lab, behind='lan', mtu=1500):
    """LAN A with host a1 behind the hub, LAN B with host b1 behind the client, joined."""
    a = lab.machine('hub', 1, bridge=True, mtu=mtu)
    b = lab.machine('branch', 2, bridge=True, mtu=mtu)
    lab.a1 = lab.host('a1', a, mtu=mtu)
    lab.b1 = lab.host('b1', b, mtu=mtu)
    lab.conf = lab.new('branch')
    lab.edit(f'{lab.conf}/hub.yaml', interface={'name': 'lw0', 'bridge': 'br0'}, mtu=mtu)
    lab.edit(f'{lab.conf}/branch.yaml', interface={'name': 'lw0', 'bridge': 'br0'}, mtu=mtu)
    lab.edit_client(lab.conf, 'branch', behind=behind)
    return a, b


def join(lab, a, b):
    """Start hub and client of two_lans()."""
    lab.hub = Instance(a, 'hub', f'{lab.conf}/hub.yaml').wait_ready()
    lab.tunnel = Instance(b, 'up', f'{lab.conf}/branch.yaml').wait_ready()
    return lab.hub, lab.tunnel
