# SPDX-License-Identifier: MIT
"""Programs that manage the interfaces of a machine of the laboratory: a real NetworkManager, a real systemd-networkd, each
with a bus, an /etc, a /run and a /var of its own. The packages are unpacked, not installed: they would manage this machine.
"""
import glob
import json
import os
import re

from lab import Skip, run, wait_until
from resolvers import Bus, unpacked


class Manager:
    """A manager, and a shell beside it: what its commands and longwire doctor see is what it sees."""

    def __init__(self, namespace, name, folders, script, packages=()):
        self.namespace = namespace
        self.bus = Bus(namespace)
        self.folders = [folder for folder in folders if not os.path.isdir(folder)]
        for folder in folders:
            os.makedirs(folder, exist_ok=True)
        places = [unpacked(package) for package in packages]
        libraries = ':'.join(path for place in places for path in glob.glob(f'{place}/usr/lib/*-linux-gnu') + glob.glob(f'{place}/lib/systemd'))
        self.env = {**self.bus.env, 'LD_LIBRARY_PATH': libraries,
                    'PATH': ':'.join([f'{place}/usr/bin' for place in places] + [os.environ['PATH']])}
        # A /sys that cannot be written means a container, which has no udev to wait for.
        mounts = 'mount -o remount,bind,ro /sys || mount -o remount,ro /sys; ' + \
            ' '.join(f'mount -t tmpfs tmpfs {folder};' for folder in folders)
        self.process = namespace.start('unshare', '--mount', '--propagation', 'private', 'sh', '-ec', f'{mounts} {script}',
                                       name=name, env=self.env)

    def wait_for_name(self, name):
        wait_until(lambda: name in self.bus.names() or not self.process.is_running(), what=self.process.output()[-500:])
        if not self.process.is_running():
            raise Skip(f'{self.process.name} cannot run here: {self.process.output().strip()[-300:]}')

    def run(self, *command, env=None, **options):
        """In the namespaces of the manager."""
        return run('nsenter', '-t', self.process.pid, '--mount', '--net', *command,
                   env={**os.environ, **self.env, **(env or {})}, **options)

    def stop(self):
        self.process.end()
        self.bus.stop()
        for folder in self.folders:
            if not os.listdir(folder):
                os.rmdir(folder)


class NetworkManager(Manager):
    def __init__(self, namespace):
        packages = ('network-manager', 'libnm0', 'libndp0')
        place = unpacked(packages[0])
        missing = [line for line in run('ldd', f'{place}/usr/sbin/NetworkManager', check=False).stdout.splitlines()
                   if 'not found' in line and not re.search(r'lib(nm|ndp)\b', line)]
        if missing:
            raise Skip(f'NetworkManager cannot run here: {missing[0].strip()}')
        super().__init__(namespace, 'NetworkManager', ('/etc/NetworkManager', '/run/NetworkManager', '/var/lib/NetworkManager'),
                         f'''printf '[main]\\nplugins=keyfile\\nauth-polkit=false\\nrc-manager=unmanaged\\ndns=none\\n
                             no-auto-default=*\\n' >/etc/NetworkManager/NetworkManager.conf
                             exec {place}/usr/sbin/NetworkManager --no-daemon''', packages)
        self.wait_for_name('org.freedesktop.NetworkManager')

    def state(self, device):
        shown = self.run('nmcli', '-g', 'GENERAL.STATE', 'device', 'show', device, check=False).stdout
        return re.sub(r'[0-9() ]', '', shown.strip().splitlines()[-1] if shown.strip() else '')


class Networkd(Manager):
    """Of the package systemd, which a machine may have or not."""

    def __init__(self, namespace, **files):
        packages = () if os.path.exists('/lib/systemd/systemd-networkd') else ('systemd', )
        program = f'{unpacked("systemd") if packages else ""}/lib/systemd/systemd-networkd'
        written = ' '.join(f"printf '{text}' >/etc/systemd/network/{name.replace('_', '-')}.network;" for name, text in files.items())
        super().__init__(namespace, 'systemd-networkd', ('/etc/systemd', '/run/systemd'),
                         f'''mkdir -p /etc/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
                             cp /etc/passwd /etc/group /run/systemd
                             grep -q ^systemd-network: /etc/passwd || {{
                                 echo systemd-network:x:998:998::/:/usr/sbin/nologin >>/run/systemd/passwd
                                 echo systemd-network:x:998: >>/run/systemd/group; }}
                             mount --bind /run/systemd/passwd /etc/passwd; mount --bind /run/systemd/group /etc/group
                             chown -R systemd-network: /run/systemd/netif; {written} exec {program}''', packages)
        self.wait_for_name('org.freedesktop.network1')

    def state(self, device):
        shown = self.run('networkctl', '--no-pager', '--json=short', 'status', device, check=False).stdout
        return json.loads(shown)['AdministrativeState'] if shown.startswith('{') else ''
