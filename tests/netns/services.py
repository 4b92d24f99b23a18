# SPDX-License-Identifier: MIT
"""What hosts of the laboratory do: DHCP, frames of all kinds, transfers."""
import hashlib
import os
import re
import socket
import struct
import threading

from lab import Failure, expect, mac_bytes, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
BROADCAST = b'\xff' * 6


def serve_dhcp(host, pool, *options):
    """dnsmasq on eth0; pool as "10.1.0.100,10.1.0.150"."""
    return host.start('dnsmasq', '--no-daemon', '--conf-file=/dev/null', '--port=0', '--interface=eth0',
                      '--bind-interfaces', '--user=root', '--pid-file=', '--no-ping', '--log-dhcp',
                      f'--dhcp-leasefile={host.lab.folder}/leases-{host.name}', f'--dhcp-range={pool},1h', *options)


class BriefDhcp:
    """A DHCP server of one address for so many seconds, which dnsmasq would make two minutes; it can fall silent."""

    def __init__(self, host, address, seconds):
        self.own = socket.inet_aton(host.addresses('eth0')[0].split('/')[0])
        self.address, self.seconds, self.is_silent, self.given = socket.inet_aton(address), seconds, False, 0
        self.socket = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'eth0')
        self.socket.settimeout(None)
        self.socket.bind(('', 67))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                asked = self.socket.recv(1500)
            except OSError:
                return
            found = re.search(rb'\x63\x82\x53\x63.*?\x35\x01(.)', asked, re.S)
            if found and found.group(1) in b'\x01\x03' and not self.is_silent:
                self._answer(asked, 2 if found.group(1) == b'\x01' else 5)

    def _answer(self, asked, kind):
        self.given += kind == 5
        options = bytes([53, 1, kind, 54, 4]) + self.own + struct.pack('>BBIBBI', 51, 4, self.seconds, 1, 4, 0xffffff00)
        answer = b'\x02' + asked[1:4] + asked[4:8] + bytes(2) + b'\x80\0' + bytes(4) + self.address + self.own + \
            asked[24:44] + bytes(192) + b'\x63\x82\x53\x63' + options + b'\xff'
        self.socket.sendto(answer.ljust(300, b'\0'), ('255.255.255.255', 68))


def ask_dhcp(host, device='eth0', tries=20):
    """The address that udhcpc got, or None."""
    done = host.run('udhcpc', '-f', '-q', '-n', '-t', tries, '-T', '1', '-A', '0', '-i', device, '-s',
                    os.path.join(HERE, 'udhcpc-script'), check=False, timeout=tries + 15)
    found = re.search(r'lease of (\S+) obtained', done.stdout)
    return found.group(1) if found else None


def ethernet(destination, source, ether_type, payload, tags=()):
    """A frame; tags are (TPID, VLAN) from the outside in. An ether_type below 1536 is a length."""
    tag_bytes = b''.join(struct.pack('>HH', tpid, vlan) for tpid, vlan in tags)
    return mac(destination) + mac(source) + tag_bytes + struct.pack('>H', ether_type) + payload


def mac(value):
    return value if isinstance(value, bytes) else mac_bytes(value)


def pattern(length, seed=7):
    """Bytes that are no protocol, the same each time."""
    block = hashlib.shake_256(seed.to_bytes(4, 'big')).digest(length) if length else b''
    return block


class Transfer:
    """A TCP stream of repeated noise from one host to another, with SHA-256 at both ends. Runs in two threads."""

    BLOCK = 1 << 20

    def __init__(self, source, sink, address, megabytes, port=5001):
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        self.megabytes = megabytes
        self.received = 0
        self.digests = [None, None]
        self.errors = []
        self.listener = sink.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('::' if family == socket.AF_INET6 else '0.0.0.0', port))
        self.listener.listen(1)
        self.sender = source.socket(family, socket.SOCK_STREAM)
        self.target = (address, port)
        self.threads = [threading.Thread(target=self._guard, args=(work, ), daemon=True)
                        for work in (self._receive, self._send)]
        for thread in self.threads:
            thread.start()

    def _guard(self, work):
        try:
            work()
        except OSError as error:
            self.errors.append(error)

    def _send(self):
        block = pattern(self.BLOCK)
        digest = hashlib.sha256()
        self.sender.settimeout(60)
        self.sender.connect(self.target)
        for number in range(self.megabytes):
            piece = number.to_bytes(8, 'big') + block[8:]
            digest.update(piece)
            self.sender.sendall(piece)
        self.sender.shutdown(socket.SHUT_WR)
        self.digests[0] = digest.hexdigest()

    def _receive(self):
        self.listener.settimeout(60)
        accepted, _ = self.listener.accept()
        accepted.settimeout(60)
        digest = hashlib.sha256()
        with accepted:
            while True:
                piece = accepted.recv(self.BLOCK)
                if not piece:
                    break
                self.received += len(piece)
                digest.update(piece)
        self.digests[1] = digest.hexdigest()

    def wait_for(self, megabytes, seconds=30):
        wait_until(lambda: self.errors or self.received >= megabytes << 20, seconds,
                   f'{megabytes} MB arrived ({self.received >> 20} so far)')
        if self.errors:
            raise Failure(f'the transfer broke: {self.errors}')

    def finish(self, seconds=60):
        for thread in self.threads:
            thread.join(seconds)
        expect(not self.errors, f'the transfer broke: {self.errors}')
        expect(not any(thread.is_alive() for thread in self.threads),
               f'the transfer is not done after {seconds} s: {self.received >> 20} of {self.megabytes} MB')
        expect(self.received == self.megabytes << 20, f'{self.received} bytes arrived')
        expect(self.digests[0] == self.digests[1], f'SHA-256 differs: {self.digests}')
