# SPDX-License-Identifier: MIT
"""A hub with many clients: what each costs while it is idle, how fast frames reach all of them, how long a MAC is looked for."""
import os
import re
import subprocess
import time

from tunnel import SLACK_SECONDS, Failure, run

PORT = 18443
NEW_MAX = 64                  # clients that `longwire new` makes at a time
FEW, MANY = 100, 2000         # clients between which memory is compared
FAN = 200
FAN_SIZES = (60, 1400)
SETTLE_SECONDS = 10           # some rounds of probes, and time to give memory back


class Hub:
    """A hub without an interface, in the hub's namespace, and its clients in one process."""

    def __init__(self, pair, programs, folder, clients):
        self.pair, self.programs, self.folder, self.clients = pair, programs, folder, clients
        self.configure()
        self.hub = pair.process(pair.hub, programs['longwire'], 'hub', f'{folder}/hub.yaml', '--name', pair.hub.space)
        pair.wait_listening(pair.hub, PORT)
        self.crowd = None

    def configure(self):
        for first in range(0, self.clients, NEW_MAX):
            names = (f'c{i}' for i in range(first, min(first + NEW_MAX, self.clients)))
            run(self.programs['longwire'], 'new', self.folder, '--hub', f'127.0.0.1:{PORT}',
                *(word for name in names for word in ('--client', name)))
        self.edit('hub.yaml', r'(?m)^interface:.*\n(  .*\n)*', '')
        # Who sends to all of them in the end may do so.
        self.edit('clients.d/c0.yaml', 'behind: host', 'behind: lan\nlimits: {multicast: 1000000}')
        with open(f'{self.folder}/c0.yaml') as file:
            self.pin = re.search(r'SHA256:[A-Za-z0-9+/]{43}', file.read()).group(0)

    def edit(self, name, pattern, text):
        path = f'{self.folder}/{name}'
        with open(path) as file:
            old = file.read()
        new = re.sub(pattern, text, old)
        if new == old:
            raise Failure(f'{path}: no {pattern}')
        with open(path, 'w') as file:
            file.write(new)

    def __enter__(self):
        identities = (f'{self.folder}/c{i}.pem' for i in range(self.clients))
        command = ['ip', 'netns', 'exec', self.pair.hub.space, self.programs['crowd'], '127.0.0.1', str(PORT), self.pin,
                   *identities]
        self.crowd = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            self.expect('up')
        except Failure:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.crowd.stdin.close()
        try:
            self.crowd.wait(SLACK_SECONDS)
        except subprocess.TimeoutExpired:
            self.crowd.kill()
            self.crowd.wait()
        self.pair.end(self.hub)

    def expect(self, word):
        line = self.crowd.stdout.readline()
        if not line.startswith(f'{word} '):
            raise Failure(f'crowd: {line.strip() or "ended"}')
        return [int(n) for n in line.split()[1:]]

    def memory(self):
        """Bytes that are this process's own and in use."""
        with open(f'/proc/{self.hub.popen.pid}/smaps_rollup') as file:
            return int(re.search(r'Private_Dirty:\s+(\d+)', file.read()).group(1)) * 1024

    def flood(self, seconds, size):
        """(frames sent, frames delivered to all others)"""
        self.crowd.stdin.write(f'flood {seconds} {size}\n')
        self.crowd.stdin.flush()
        return self.expect('flood')[:2]


def idle_memory(pair, programs, folder):
    """Bytes of the hub's process for each idle client beyond the first hundred, its configuration included."""
    found = {}
    for clients in (FEW, MANY):
        with Hub(pair, programs, f'{folder}/{clients}', clients) as hub:
            time.sleep(SETTLE_SECONDS)
            found[clients] = hub.memory()
    return (found[MANY] - found[FEW]) / (MANY - FEW)


def fan_out(pair, programs, folder, seconds):
    """{frame size: frames a second that reached a client}"""
    found = {}
    with Hub(pair, programs, f'{folder}/fan', FAN) as hub:
        for size in FAN_SIZES:
            sent, delivered = hub.flood(seconds, size)
            if not sent:
                raise Failure('crowd: the hub took nothing')
            found[size] = delivered / seconds
    return found


def lookups(programs):
    """{entries: nanoseconds}"""
    return {int(n): float(ns) for n, ns in re.findall(r'fdb (\d+) ([0-9.]+)', run(programs['fdb_bench'], timeout=60))}


def measure(pair, programs, seconds):
    """{key: number}"""
    folder = f'{pair.folder}/scale'
    os.mkdir(folder)
    for program in ('crowd', 'fdb_bench'):
        if not os.access(programs[program], os.X_OK):
            raise Failure(f'no {programs[program]}')
    found = {'idle_client_bytes': idle_memory(pair, programs, folder)}
    found.update({f'fan_out_{size}': rate for size, rate in fan_out(pair, programs, folder, seconds).items()})
    found.update({f'fdb_{entries}_ns': ns for entries, ns in lookups(programs).items()})
    return found


def describe(found):
    return (f'memory of an idle client at the hub, beyond the first {FEW} of {MANY}: {found["idle_client_bytes"] / 1024:.1f} KiB\n'
            + ''.join(f'frames of {size} bytes to {FAN} clients: {found[f"fan_out_{size}"] / 1e6:.2f} million delivered a second\n'
                      for size in FAN_SIZES)
            + 'a MAC is found among ' + ', '.join(f'{key.split("_")[1]} in {ns:.0f} ns' for key, ns in found.items()
                                                  if key.startswith('fdb_')))
