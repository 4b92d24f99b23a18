# SPDX-License-Identifier: MIT
"""Resolvers of a machine of the laboratory: a real systemd-resolved on a bus of its own, a real resolvconf in mounts of
its own, and name servers to be asked.

The packages are unpacked, not installed: installing either would take over this machine's /etc/resolv.conf.
"""
import fcntl
import glob
import os
import socket
import struct
import subprocess

from lab import TOP, Failure, Skip, run, wait_until

BUS = '''<busconfig><type>system</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/>
<allow receive_type="signal"/></policy></busconfig>'''

NO_BUS = {'DBUS_SYSTEM_BUS_ADDRESS': 'unix:path=/nowhere'}


def download(package, folder):
    return subprocess.run(['apt-get', '-q', 'download', package], cwd=folder, text=True, capture_output=True, check=False)


def unpacked(package):
    """The folder that a Debian package was unpacked into; kept beside the builds."""
    base = os.environ.get('LW_UNPACKED', os.path.join(TOP, 'build', 'unpacked'))
    folder = os.path.join(base, package)
    os.makedirs(base, exist_ok=True)
    with open(os.path.join(base, 'lock'), 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(folder):
            return folder
        done = download(package, base)
        if done.returncode != 0:
            run('apt-get', '-qq', 'update', check=False, timeout=60)
            done = download(package, base)
        files = glob.glob(os.path.join(base, f'{package}_*.deb'))
        if done.returncode != 0 or not files:
            raise Skip(f'{package} cannot be had: {done.stderr.strip()[-200:]}')
        run('dpkg-deb', '-x', files[0], folder + '.new')
        os.rename(folder + '.new', folder)
        os.unlink(files[0])
    return folder


class Bus:
    """A dbus-daemon for one machine; what is started with its env speaks to it."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.folder = os.path.join(namespace.lab.folder, f'bus-{namespace.name}')
        os.mkdir(self.folder)
        os.chmod(namespace.lab.folder, 0o755)
        os.chmod(self.folder, 0o755)
        self.env = {'DBUS_SYSTEM_BUS_ADDRESS': f'unix:path={self.folder}/bus'}
        with open(f'{self.folder}/bus.conf', 'w') as conf:
            conf.write(BUS.format(folder=self.folder))
        self.start()

    def start(self):
        self.daemon = self.namespace.start('dbus-daemon', '--nofork', '--nopidfile', f'--config-file={self.folder}/bus.conf')
        wait_until(lambda: os.path.exists(f'{self.folder}/bus'), what='the bus')

    def stop(self):
        self.daemon.end()
        if os.path.exists(f'{self.folder}/bus'):
            os.unlink(f'{self.folder}/bus')

    def names(self):
        return run('dbus-send', f'--bus=unix:path={self.folder}/bus', '--dest=org.freedesktop.DBus', '--print-reply', '/',
                   'org.freedesktop.DBus.ListNames', check=False).stdout


class Resolved:
    """A real systemd-resolved in a machine's namespace, with a /run and /etc of its own."""

    def __init__(self, bus):
        self.bus = bus
        self.package = unpacked('systemd-resolved')
        found = glob.glob(f'{self.package}/lib/systemd/systemd-resolved') + \
            glob.glob(f'{self.package}/usr/lib/systemd/systemd-resolved')
        self.program = found[0]
        missing = [line for line in run('ldd', self.program, check=False).stdout.splitlines() if 'not found' in line]
        if missing:
            raise Skip(f'systemd-resolved cannot run here: {missing[0].strip()}')
        self.state = os.path.join(bus.folder, 'run')
        os.mkdir(self.state, 0o755)
        self.start()

    def start(self):
        # Its user is nobody by another name: the bus must know whom it speaks to.
        script = f'''
            mkdir -p /run/systemd /etc/systemd {self.state}/resolve
            cd {self.bus.folder}
            for f in passwd group; do cp /etc/$f $f; done
            echo 'systemd-resolve:x:65534:65534::/:/usr/sbin/nologin' >>passwd
            echo 'systemd-resolve:x:65534:' >>group
            for f in passwd group; do mount --bind $f /etc/$f; done
            printf '[Resolve]\\nFallbackDNS=\\nDNS=\\nLLMNR=no\\nMulticastDNS=no\\nDNSSEC=no\\nCache=no\\n' >resolved.conf
            : >resolv.conf
            mount --bind resolv.conf /etc/resolv.conf
            mount --bind {self.state} /run/systemd
            mount -t tmpfs tmpfs /etc/systemd
            cp resolved.conf /etc/systemd
            chown 65534:65534 {self.state}/resolve
            exec {self.program}'''
        self.process = self.bus.namespace.start('unshare', '--mount', '--propagation', 'private', 'sh', '-ec', script,
                                                name='systemd-resolved', env=self.bus.env)
        wait_until(lambda: 'resolve1' in self.bus.names(), what=f'systemd-resolved: {self.process.output()[-500:]}')

    def stop(self):
        self.process.end()

    def control(self, *arguments, check=True):
        tool = os.path.join(self.package, 'usr/bin/resolvectl')
        return self.bus.namespace.run(tool, '--no-pager', *arguments, check=check,
                                      env={**os.environ, **self.bus.env}).stdout

    def link(self, device):
        """{property: text} of a link, as resolvectl status says."""
        found = {}
        key = None
        for line in self.control('status', device, check=False).splitlines():
            name, colon, value = line.partition(': ')
            if colon and not name.startswith('Link'):
                key = name.strip()
                found[key] = value.strip()
            elif key and line.startswith('  '):
                found[key] += ' ' + line.strip()
        return found


def ask(namespace, server, name, kind=1, seconds=3):
    """The IPv4 addresses that a server answers, or None for no answer."""
    query = struct.pack('>HHHHHH', 4711, 0x0100, 1, 0, 0, 0)
    for label in name.rstrip('.').split('.'):
        query += bytes([len(label)]) + label.encode()
    query += b'\0' + struct.pack('>HH', kind, 1)
    asking = namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.settimeout(seconds)
    try:
        asking.sendto(query, (server, 53))
        answer = asking.recv(1500)
    except OSError:
        return None
    finally:
        asking.close()
    count = struct.unpack_from('>H', answer, 6)[0]
    return [socket.inet_ntoa(answer[i:i + 4]) for i in range(len(answer) - 4 * count, len(answer), 4)] if count == 1 else []


def serve_names(namespace, address, **names):
    """dnsmasq that knows these names (with _ for .), and nothing else."""
    known = [f'--address=/{name.replace("_", ".")}/{value}' for name, value in names.items()]
    server = namespace.start('dnsmasq', '--no-daemon', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--user=root',
                             '--pid-file=', '--bind-interfaces', f'--listen-address={address}', '--log-queries', *known)
    wait_until(lambda: 'started' in server.output(), what='dnsmasq')
    return server


class Resolvconf:
    """openresolv's resolvconf in mounts of its own: what runs by wrap() sees it, this machine does not."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.folder = os.path.join(namespace.lab.folder, f'resolvconf-{namespace.name}')
        for name in ('', 'bin', 'state'):
            os.mkdir(os.path.join(self.folder, name), 0o755)
        package = unpacked('openresolv')
        with open(f'{package}/sbin/resolvconf') as opened:
            text = opened.read()
        text = text.replace('LIBEXECDIR=/lib/resolvconf', f'LIBEXECDIR={package}/lib/resolvconf')
        text = text.replace('SYSCONFDIR=/etc\n', f'SYSCONFDIR={self.folder}\n')
        with open(f'{self.folder}/bin/resolvconf', 'w') as opened:
            opened.write(text)
        os.chmod(f'{self.folder}/bin/resolvconf', 0o755)
        with open(f'{self.folder}/resolvconf.conf', 'w') as opened:
            opened.write(f'resolv_conf={self.folder}/resolv.conf\n')
        self.wrapper = f'{self.folder}/wrap'
        with open(self.wrapper, 'w') as opened:
            opened.write(f'''#!/bin/sh -e
                [ "$1" != mounted ] || {{ shift; mkdir -p /run/resolvconf; mount --bind {self.folder}/state /run/resolvconf
                    mount --bind {self.folder}/bin /usr/local/sbin; exec "$@"; }}
                exec unshare --mount --propagation private {self.wrapper} mounted "$@"''')
        os.chmod(self.wrapper, 0o755)
        self.run('-a', 'wan0.dhcp', input='nameserver 192.0.2.1\nsearch example.net\n')

    def run(self, *arguments, **options):
        done = subprocess.run(['ip', 'netns', 'exec', self.namespace.full_name, self.wrapper, '/usr/local/sbin/resolvconf',
                               *arguments], text=True, capture_output=True, check=False, **options)
        if done.returncode != 0:
            raise Failure(f'resolvconf {arguments}: {done.stderr}')
        return done.stdout

    def text(self):
        with open(f'{self.folder}/resolv.conf') as opened:
            return ' '.join(line for line in opened.read().splitlines() if line and not line.startswith('#'))

    def program(self, program):
        """A program that starts another in these mounts."""
        path = f'{self.folder}/bin/{os.path.basename(program)}-wrapped'
        with open(path, 'w') as opened:
            opened.write(f'#!/bin/sh\nexec {self.wrapper} {program} "$@"\n')
        os.chmod(path, 0o755)
        return path


def mounted_over(namespace, source, target, program):
    """A program that starts another for which a file is this one."""
    path = f'{namespace.lab.folder}/over-{os.path.basename(target)}-{os.path.basename(program)}'
    with open(path, 'w') as opened:
        opened.write(f'''#!/bin/sh -e
            [ "$1" != mounted ] || {{ shift; mount --bind {source} {target}; exec {program} "$@"; }}
            exec unshare --mount --propagation private {path} mounted "$@"''')
    os.chmod(path, 0o755)
    return path


def asking(namespace, server, program):
    """A program that starts another whose name server is this one."""
    file = f'{namespace.lab.folder}/resolv.conf'
    with open(file, 'w') as opened:
        opened.write(f'nameserver {server}\noptions timeout:1 attempts:2\n')
    return mounted_over(namespace, file, '/etc/resolv.conf', program)
