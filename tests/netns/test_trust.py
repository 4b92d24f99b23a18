# SPDX-License-Identifier: MIT
"""Who is let in, who is turned away, and what each is told."""
import json
import os
import re
import shutil
import socket
import ssl
import threading
import time

from lab import Instance, expect, expect_equal, run, wait_until


def one_client(lab, layer='ethernet'):
    hub, client = lab.machine('hub', 1), lab.machine('laptop', 2)
    lab.conf = lab.new('laptop', layer=layer)
    return hub, client


def start_hub(lab, hub):
    lab.hub = Instance(hub, 'hub', f'{lab.conf}/hub.yaml').wait_ready()
    return lab.hub


def end_of(lab, client, file='laptop.yaml', *options):
    """The exit status and the log of a tunnel that is to fail."""
    tunnel = Instance(client, 'up', f'{lab.conf}/{file}', '--once', *options)
    tunnel.is_expected_to_run = False
    status = tunnel.wait(20)
    tunnel.check_log()
    tunnel.check_gone()
    return status, tunnel.output()


def test_unknown_key_is_refused_and_both_sides_say_why(lab):
    hub, client = one_client(lab)
    other = lab.new('laptop', folder='other')
    shutil.copy(f'{other}/laptop.pem', f'{lab.conf}/laptop.pem')
    start_hub(lab, hub)
    status, log = end_of(lab, client)
    expect_equal(status, 1, 'exit status of the client')
    expect(re.search('refused|not admitted|unknown', log), f'the client is told: {log[-800:]}')
    report = wait_until(lab.hub.report)
    expect(report['handshakes']['refused'] >= 1, f'counted: {report["handshakes"]}')
    expect(report['handshakes']['last-refusal'], 'the hub says why')
    expect(not lab.hub.port('laptop')['connected'], 'no session')


def test_wrong_hub_is_refused_before_a_byte_of_ours(lab):
    hub, client = one_client(lab)
    other = lab.new('laptop', folder='other')
    shutil.copy(f'{other}/hub.pem', f'{lab.conf}/hub.pem')
    start_hub(lab, hub)
    status, log = end_of(lab, client)
    expect_equal(status, 1, 'exit status of the client')
    expect(re.search('pin|key', log), f'the client says why: {log[-800:]}')
    expect(not lab.hub.port('laptop')['connected'], 'no session')


def test_identity_of_a_client_does_not_serve_as_a_hub(lab):
    hub, client = one_client(lab)
    lab.new('other')
    shutil.copy(f'{lab.conf}/other.pem', f'{lab.conf}/hub.pem')
    start_hub(lab, hub)
    status, log = end_of(lab, client)
    expect_equal(status, 1, 'exit status of the client')
    expect(re.search('pin|key', log), f'the client says why: {log[-800:]}')


def test_refused_client_does_not_hammer(lab):
    hub, client = one_client(lab)
    other = lab.new('laptop', folder='other')
    shutil.copy(f'{other}/laptop.pem', f'{lab.conf}/laptop.pem')
    start_hub(lab, hub)
    tunnel = Instance(client, 'up', f'{lab.conf}/laptop.yaml')
    wait_until(lambda: lab.hub.report()['handshakes']['refused'] >= 1, 10, 'a refusal')
    wait_until(lambda: tunnel.report()['link']['state'] == 'waiting', 5, 'the client waits')
    retry = tunnel.report()['link']['retry-ms']
    expect(retry and retry > 20000, f'the next attempt is in {retry} ms')
    end = time.monotonic() + 4
    wait_until(lambda: time.monotonic() > end, 5)
    expect_equal(lab.hub.report()['handshakes']['refused'], 1, 'refusals after 4 s')


def identity_files(folder):
    """(what, how to make it): key files that nobody may use."""
    pem = f'{folder}/laptop.pem'
    with open(pem) as opened:
        good = opened.read()

    def write(text, mode=0o600):
        def make():
            with open(pem, 'w') as opened:
                opened.write(text)
            os.chmod(pem, mode)
        return make

    def link():
        os.rename(pem, f'{folder}/real.pem')
        os.symlink('real.pem', pem)

    def fifo():
        os.unlink(pem)
        os.mkfifo(pem, 0o600)

    def directory():
        os.unlink(pem)
        os.mkdir(pem)

    def missing():
        os.rmdir(pem)

    key = re.search('-----BEGIN[^-]*KEY-----.*?END[^-]*KEY-----\n', good, re.S).group()
    yield 'readable by all', write(good, 0o644)
    yield 'readable by the group', write(good, 0o640)
    yield 'empty', write('')
    yield 'without a certificate', write(key)
    yield 'without a key', write(good.replace(key, ''))
    yield 'garbage', write('garbage\n' * 100)
    yield 'a symbolic link to a file', link
    yield 'a fifo', fifo
    yield 'a directory', directory
    yield 'missing', missing


def test_key_files_that_are_unsafe_or_broken_are_refused_before_anything_is_made(lab):
    _, client = one_client(lab)
    for what, make in identity_files(lab.conf):
        make()
        if what == 'a symbolic link to a file':
            os.chmod(f'{lab.conf}/real.pem', 0o644)
        tunnel = Instance(client, 'up', f'{lab.conf}/laptop.yaml', '--once', name=what.replace(' ', '-'))
        tunnel.is_expected_to_run = False
        expect_equal(tunnel.wait(5), 2, f'{what}: exit status')
        expect('laptop.pem' in tunnel.output(), f'{what}: the file is named: {tunnel.output()}')
        expect(client.link('lw0') is None, f'{what}: no device was made')
        tunnel.check_gone()


def unit(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, 'big') + body


class FakeHub:
    """A hub with the right key that means ill: says hello, offers what it likes, then keeps quiet."""

    def __init__(self, machine, pem, units):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        context.set_alpn_protocols(['longwire/1'])
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_TICKET
        self.context = context
        self.units = units
        self.heard = b''
        self.errors = []
        self.listener = machine.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('0.0.0.0', 8443))
        self.listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                plain.settimeout(10)
                with self.context.wrap_socket(plain, server_side=True) as session:
                    session.sendall(b''.join(self.units))
                    while True:
                        data = session.recv(65536)
                        if not data:
                            break
                        self.heard += data
            except OSError as error:
                self.errors.append(error)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def hello(layer='ip', **changes):
    tree = {'version': 1, 'layer': layer, 'mtu': 1500, 'max-unit': 65571, 'offloads': [], 'rekey': 'stream', 'streams': 1,
            'session': '00112233445566778899aabbccddeeff', 'succeeds': 0, **changes}
    return unit(0x03, json.dumps(tree).encode())


def offer(**keys):
    return unit(0x04, json.dumps({name.replace('_', '-'): value for name, value in keys.items()}).encode())


ROUTES = ['addresses', 'mtu', 'included-routes']
ABSURD = [
    ('everything, unasked', None, {'addresses': ['10.86.0.2/24'], 'included_routes': ['0.0.0.0/0', '::/0']}, '0.0.0.0/0'),
    ('loopback', None, {'addresses': ['127.0.0.1/8']}, '127.0.0.1'),
    ('multicast', None, {'addresses': ['224.0.0.5/24']}, '224.0.0.5'),
    ('unspecified', None, {'addresses': ['0.0.0.0/0']}, '0.0.0.0'),
    ('no MTU', None, {'addresses': ['10.86.0.2/24'], 'mtu': 67}, '67'),
    ('route to the hub itself', ROUTES, {'addresses': ['10.86.0.2/24'], 'included_routes': ['192.0.2.1/32']}, '192.0.2.1'),
    ('route to loopback', ROUTES, {'addresses': ['10.86.0.2/24'], 'included_routes': ['127.0.0.0/8']}, '127.0.0.0'),
    ('not a route', ROUTES, {'addresses': ['10.86.0.2/24'], 'included_routes': ['$(reboot)']}, '$(reboot)'),
]


def refusal_of(tunnel):
    """What the status says of offers that were refused, or of a session that was ended for them."""
    link = (tunnel.report() or {}).get('link', {})
    return link.get('refused-offers') or link.get('last-failure')


def test_absurd_offers_of_a_hub_are_refused_shown_and_change_nothing(lab):
    hub, client = one_client(lab, layer='ip')
    before = client.routes() + client.routes('-6')
    for number, (what, accept, keys, word) in enumerate(ABSURD):
        lab.edit(f'{lab.conf}/laptop.yaml', accept=accept)
        fake = FakeHub(hub, f'{lab.conf}/hub.pem', [hello(), offer(**keys)])
        tunnel = Instance(client, 'up', f'{lab.conf}/laptop.yaml', name=f'case{number}')
        refusal = wait_until(lambda: refusal_of(tunnel), 10, f'{what}: refused')
        expect(word in refusal, f'{what}: it says what: {refusal}')
        added = [route for route in client.routes() + client.routes('-6') if route not in before]
        expect(not any(word in route or route.startswith('default') for route in added), f'{what}: routes {added}')
        link = client.link('lw0')
        expect(not link or word not in f'{client.addresses("lw0")} mtu {link["mtu"]}', f'{what}: it was applied')
        tunnel.stop()
        fake.close()


def test_garbage_of_a_hub_ends_the_session_with_a_reason(lab):
    hub, client = one_client(lab)
    for number, units in enumerate(([b'\x77' * 64], [unit(0x03, b'{')], [hello('ethernet'), unit(0x03, b'x' * 1025)],
                                    [hello('ethernet'), b'\x01\xff\xff\xff'], [hello('ip')],
                                    [hello('ethernet', version=2)])):
        fake = FakeHub(hub, f'{lab.conf}/hub.pem', units)
        status, log = end_of(lab, client, 'laptop.yaml', '--wait', '15')
        expect_equal(status, 1, f'case {number}: exit status')
        expect(log.strip(), f'case {number}: it says why')
        fake.close()


def test_silent_connections_do_not_keep_others_out(lab):
    hub, client = one_client(lab)
    start_hub(lab, hub)
    silent = []
    for _ in range(150):
        plain = client.socket(socket.AF_INET, socket.SOCK_STREAM)
        plain.connect(('192.0.2.1', 8443))
        silent.append(plain)
    half = client.socket(socket.AF_INET, socket.SOCK_STREAM)
    half.connect(('192.0.2.1', 8443))
    half.sendall(b'\x16\x03\x01\x02\x00\x01')
    start = time.monotonic()
    good = lab.machine('good', 3)
    tunnel = Instance(good, 'up', f'{lab.conf}/laptop.yaml')
    tunnel.wait_ready(10)
    expect(time.monotonic() - start < 8, 'a good client comes in meanwhile')
    for plain in silent:
        plain.settimeout(20)

    def is_closed(plain):
        try:
            return plain.recv(1) == b''
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    expect(all(is_closed(plain) for plain in [*silent, half]), 'every silent connection was closed')
    expect(time.monotonic() - start < 14, f'closed after {time.monotonic() - start:.1f} s')


def test_standard_tls_on_the_wire_and_ours_by_alpn(lab):
    hub, client = one_client(lab)
    start_hub(lab, hub)
    seen = client.capture('wan0', 'tcp port 8443')
    tunnel = Instance(client, 'up', f'{lab.conf}/laptop.yaml').wait_ready()
    tunnel.stop()
    seen.stop()
    text = run('tshark', '-r', seen.file, '-d', 'tcp.port==8443,tls', '-T', 'fields', '-e', 'tls.handshake.type', '-e',
               'tls.handshake.extensions_alpn_str', '-e', 'tls.record.content_type', timeout=30).stdout
    expect('longwire/1' in text, f'ALPN is seen by tshark: {text}')
    expect(re.search(r'^1\b', text, re.M), f'a ClientHello is seen: {text}')
    malformed = run('tshark', '-r', seen.file, '-d', 'tcp.port==8443,tls', '-Y', '_ws.malformed').stdout
    expect(not [line for line in malformed.splitlines() if '→' in line or '->' in line], f'malformed: {malformed}')
    for version in ('-tls1', '-tls1_1'):
        done = client.run('openssl', 's_client', '-connect', '192.0.2.1:8443', version, '-cipher', 'ALL:@SECLEVEL=0',
                          check=False)
        expect('Cipher is (NONE)' in done.stdout or done.returncode, f'{version} was accepted')
