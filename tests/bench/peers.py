# SPDX-License-Identifier: MIT
"""The other tunnels that Debian packages, each in the fastest sealed form that it has on a machine with AES in hardware."""
import os

from tunnel import PORT, Tunnel, run


def write(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'w') as file:
        file.write(text)
    return path


class OpenVPN(Tunnel):
    """TAP, one peer at either end, in user space (its kernel module carries no Ethernet)."""
    seals = 'AES-128-GCM'
    packages = ('openvpn',)
    transport = {}       # role: options

    def start(self):
        folder = self.folder()
        pins = {end.role: self.make_key(f'{folder}/{end.role}') for end in self.pair.ends}
        for end, far in zip(self.pair.ends, reversed(self.pair.ends)):
            role = ('--tls-server', '--dh', 'none') if end is self.pair.hub else ('--tls-client', '--remote', far.wire)
            self.launch(end, 'openvpn', '--dev', 'tap0', '--dev-type', 'tap', '--disable-dco', '--port', PORT, *role,
                        *self.transport[end.role], '--data-ciphers', self.seals, '--peer-fingerprint', pins[far.role],
                        '--cert', f'{folder}/{end.role}.crt', '--key', f'{folder}/{end.role}.key')
            self.configure(end, 'tap0')
        return self.ready()

    @staticmethod
    def make_key(path):
        run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', 2,
            '-subj', f'/CN={os.path.basename(path)}', '-keyout', f'{path}.key', '-out', f'{path}.crt')
        return run('openssl', 'x509', '-in', f'{path}.crt', '-noout', '-fingerprint', '-sha256').strip().split('=')[1]


class OpenVPNUDP(OpenVPN):
    name = 'openvpn udp'
    mtu = 1434
    transport = {'hub': ('--proto', 'udp4', '--fast-io'), 'client': ('--proto', 'udp4', '--fast-io', '--nobind')}


class OpenVPNTCP(OpenVPN):
    name = 'openvpn tcp'
    transport = {'hub': ('--proto', 'tcp4-server', '--socket-flags', 'TCP_NODELAY'),
                 'client': ('--proto', 'tcp4-client', '--socket-flags', 'TCP_NODELAY', '--nobind')}

    def ready(self):
        address = super().ready()
        self.pair.check_congestion()
        return address


class Tinc(Tunnel):
    """Its packets begin with their number and share an initialization vector: CBC is what it is made for."""
    name = 'tinc'
    mtu = 1437
    seals = 'AES-128-CBC, HMAC-SHA256'
    packages = ('tinc',)

    def start(self):
        folder = self.folder()
        for end, far in zip(self.pair.ends, reversed(self.pair.ends)):
            self.write_files(f'{folder}/{end.role}', end, far)
        for end, far in zip(self.pair.ends, reversed(self.pair.ends)):
            run('cp', f'{folder}/{far.role}/hosts/{far.role}', f'{folder}/{end.role}/hosts/')
        for end in self.pair.ends:
            self.launch(end, 'tincd', '-D', '-c', f'{folder}/{end.role}', '--pidfile', f'{folder}/{end.role}.pid')
            self.configure(end, 'tap0')
        return self.ready()

    @staticmethod
    def write_files(folder, end, far):
        os.makedirs(f'{folder}/hosts')
        connect = f'ConnectTo = {far.role}\n' if end.role == 'client' else ''
        write(f'{folder}/tinc.conf', f'Name = {end.role}\nMode = switch\nInterface = tap0\nAddressFamily = ipv4\n{connect}')
        # Without discovery all goes by UDP from the first packet.
        write(f'{folder}/hosts/{end.role}', f'Address = {end.wire} {PORT}\nPort = {PORT}\nPMTUDiscovery = no\n'
              'Cipher = aes-128-cbc\nDigest = sha256\n')
        run('tincd', '-c', folder, '-K', 2048)


class Fastd(Tunnel):
    """Of its methods that encrypt, the one that takes the least CPU."""
    name = 'fastd'
    mtu = 1434
    seals = 'aes128-ctr+umac'
    packages = ('fastd',)

    def start(self):
        folder = self.folder()
        secrets = {end.role: run('fastd', '--generate-key', '--machine-readable').strip() for end in self.pair.ends}
        public = {role: run('fastd', '--config', '-', '--show-key', '--machine-readable',
                            stdin=f'secret "{secret}";\n').strip() for role, secret in secrets.items()}
        for end, far in zip(self.pair.ends, reversed(self.pair.ends)):
            remote = f'remote {far.wire}:{PORT};' if end is self.pair.client else ''
            path = write(f'{folder}/{end.role}', f'mode tap;\ninterface "tap0";\nmtu {self.mtu};\nmethod "{self.seals}";\n'
                         f'bind {end.wire}:{PORT};\nsecret "{secrets[end.role]}";\n'
                         f'peer "far" {{ key "{public[far.role]}"; {remote} }}\n')
            self.launch(end, 'fastd', '--config', path)
            self.configure(end, 'tap0')
        return self.ready()


class WireGuardGo(Tunnel):
    """Its control socket is found by the link's name, on the whole machine: so that the name is this run's."""
    name = 'wireguard-go'
    layer = 'ip'
    mtu = 1440
    seals = 'ChaCha20-Poly1305'
    packages = ('wireguard-go', 'wireguard-tools')

    def start(self):
        self.start_wireguard({end.role: end.inner for end in self.pair.ends})
        return self.ready()

    def start_wireguard(self, addresses):
        folder = self.folder()
        keys = {end.role: run('wg', 'genkey') for end in self.pair.ends}
        for end, far in zip(self.pair.ends, reversed(self.pair.ends)):
            link = f'lwb{os.getpid()}{end.role[0]}'
            self.launch(end, 'wireguard-go', '--foreground', link)
            self.pair.wait_link(end, link)
            self.pair.wait(lambda: os.path.exists(f'/var/run/wireguard/{link}.sock'), f'the socket of {link}')
            endpoint = ('endpoint', f'{far.wire}:{PORT}') if end is self.pair.client else ()
            self.pair.inside(end, 'wg', 'set', link, 'listen-port', PORT, 'private-key',
                             write(f'{folder}/{end.role}', keys[end.role]), 'peer',
                             run('wg', 'pubkey', stdin=keys[far.role]).strip(), 'allowed-ips', '0.0.0.0/0', *endpoint)
            self.configure(end, link, addresses[end.role], WireGuardGo.mtu)


class WireGuardGoVXLAN(WireGuardGo):
    """The kernel's VXLAN inside; the tunnel's CPU is wireguard-go's alone, VXLAN's is in the machine's."""
    name = 'wireguard-go vxlan'
    layer = 'ethernet'
    mtu = WireGuardGo.mtu - 50

    def start(self):
        beneath = {'hub': '10.99.0.1', 'client': '10.99.0.2'}
        self.start_wireguard(beneath)
        for end, far in zip(self.pair.ends, reversed(self.pair.ends)):
            run('ip', '-n', end.space, 'link', 'add', 'vx0', 'type', 'vxlan', 'id', 1, 'dstport', 4789,
                'local', beneath[end.role], 'remote', beneath[far.role])
            self.configure(end, 'vx0')
        return self.ready()


PEERS = (OpenVPNUDP, OpenVPNTCP, Tinc, Fastd, WireGuardGo, WireGuardGoVXLAN)
