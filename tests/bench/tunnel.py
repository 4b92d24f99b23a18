# SPDX-License-Identifier: MIT
"""What every tunnel of the benchmark stands on: commands, processes, two namespaces with a wire between them."""
import collections
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

CONGESTION = 'cubic'
PORT = 8443                          # of every tunnel, at the hub's end
WIRE_MTU = 1500
WIRE = ('10.97.0.1', '10.97.0.2')    # hub's end, client's end
INNER = ('10.98.0.1', '10.98.0.2')
READY_SECONDS = 15
SLACK_SECONDS = 30                   # of every command beyond what it was asked to take

End = collections.namedtuple('End', 'role space wire inner')


class Failure(Exception):
    pass


def run(*command, timeout=SLACK_SECONDS, check=True, stdin=''):
    try:
        done = subprocess.run([str(c) for c in command], text=True, input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout)
    except subprocess.TimeoutExpired as late:
        raise Failure(f'{" ".join(map(str, command))}: not within {timeout} s') from late
    except OSError as error:
        raise Failure(f'{command[0]}: {error.strerror}') from error
    if check and done.returncode != 0:
        raise Failure(f'{" ".join(map(str, command))}: status {done.returncode}: {done.stdout.strip()[-1000:]}')
    return done.stdout


def wait_until(condition, what):
    end = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise Failure(f'not within {READY_SECONDS} s: {what}')
        time.sleep(0.05)


class Process:
    """Something that runs in a namespace until it is told to end."""

    def __init__(self, space, log, *command):
        self.command, self.log = ' '.join(map(str, command)), log
        with open(log, 'wb') as file:
            self.popen = subprocess.Popen(['ip', 'netns', 'exec', space, *map(str, command)],
                                          stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def output(self):
        with open(self.log, errors='replace') as log:
            return log.read()

    def check(self):
        if self.popen.poll() is not None:
            raise Failure(f'{self.command}: ended with {self.popen.returncode}: {self.output().strip()[-1000:]}')

    def cpu_seconds(self):
        """Of all its threads; `ip netns exec` has become the command itself."""
        self.check()
        with open(f'/proc/{self.popen.pid}/stat') as file:
            fields = file.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def end(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


class Pair:
    """Two namespaces, hub and client, joined by a veth pair; with everything that was started in them."""

    def __init__(self):
        self.ends = [End(role, f'lwb{os.getpid()}-{role}', wire, inner)
                     for role, wire, inner in zip(('hub', 'client'), WIRE, INNER)]
        self.hub, self.client = self.ends
        self.processes, self.started = [], 0

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            self.folder = undo.enter_context(tempfile.TemporaryDirectory(prefix='lwb-'))
            for end in self.ends:
                run('ip', 'netns', 'add', end.space)
                undo.callback(self.remove_space, end)
            undo.callback(self.clear)
            self.make_wire()
            self.undo = undo.pop_all()
        return self

    def __exit__(self, *_):
        self.undo.close()

    @staticmethod
    def remove_space(end):
        for pid in run('ip', 'netns', 'pids', end.space, check=False).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run('ip', 'netns', 'del', end.space, check=False)

    def make_wire(self):
        run('ip', 'link', 'add', 'wire', 'netns', self.hub.space, 'mtu', WIRE_MTU, 'type', 'veth',
            'peer', 'name', 'wire', 'netns', self.client.space, 'mtu', WIRE_MTU)
        for end in self.ends:
            run('ip', '-n', end.space, 'link', 'set', 'lo', 'up')
            run('ip', '-n', end.space, 'addr', 'add', f'{end.wire}/24', 'dev', 'wire')
            run('ip', '-n', end.space, 'link', 'set', 'wire', 'up')
            # By the route: the sysctl of a namespace takes only what the machine allows to everybody.
            run('ip', '-n', end.space, 'route', 'replace', '10.97.0.0/24', 'dev', 'wire', 'src', end.wire,
                'congctl', CONGESTION)

    def clear(self):
        """The bare wire is left: no process, no other link."""
        for process in reversed(self.processes):
            process.end()
        self.processes = []
        for end in self.ends:
            for name in re.findall(r'^\d+: ([^:@]+)', run('ip', '-n', end.space, '-o', 'link', check=False), re.M):
                if name not in ('lo', 'wire'):
                    run('ip', '-n', end.space, 'link', 'del', name, check=False)

    def inside(self, end, *command, **options):
        return run('ip', 'netns', 'exec', end.space, *command, **options)

    def process(self, end, *command):
        self.started += 1
        process = Process(end.space, f'{self.folder}/{self.started}.log', *command)
        self.processes.append(process)
        return process

    def end(self, process):
        process.end()
        self.processes.remove(process)

    def wait(self, condition, what):
        """For the condition, as long as nothing that runs here ends."""
        wait_until(lambda: any(p.check() for p in self.processes) or condition(), what)

    def wait_listening(self, end, port):
        self.wait(lambda: f':{port} ' in self.inside(end, 'ss', '-Hltn'), f'something listens at port {port}')

    def wait_link(self, end, name):
        self.wait(lambda: run('ip', '-n', end.space, 'link', 'show', name, check=False)[:1].isdigit(),
                  f'{name} in {end.space}')

    def wait_answer(self, address):
        self.wait(lambda: ' 0% packet loss' in self.inside(self.client, 'ping', '-c', 1, '-W', 1, address, check=False),
                  'an answer through the tunnel')

    def check_congestion(self):
        """Of the connection that a tunnel over TCP makes."""
        outer = self.inside(self.hub, 'ss', '-Htin', 'state', 'established', f'( sport = :{PORT} )')
        if f' {CONGESTION} ' not in outer:
            raise Failure(f'the outer connection does not use {CONGESTION}: {outer.strip()}')


class Tunnel:
    """One row of the table: started anew in every round, and taken away by Pair.clear()."""
    name = ''            # of the row; unique
    layer = 'ethernet'   # or ip
    mtu = WIRE_MTU       # inside: the greatest whose packets cross the wire in one piece
    seals = ''           # with what, for the legend
    packages = ()        # of Debian, for the versions
    note = ''            # what else is to be told, after a round

    def __init__(self, pair):
        self.pair = pair
        self.processes = []          # whose CPU is the tunnel's
        self.links = {}              # role: the tunnel's end
        self.rounds, self.fault = [], None

    def start(self):
        """The address of the hub inside the tunnel, which answers."""
        raise NotImplementedError

    def after(self):
        """A round is measured, and the tunnel is still up."""

    def version(self):
        said = (run('dpkg-query', '-W', '-f', '${Package} ${Version}', p, check=False) for p in self.packages)
        return ', '.join(s for s in said if not s.startswith('dpkg-query:')) or 'not installed'

    def launch(self, end, *command):
        if not shutil.which(command[0]):
            raise Failure(f'{command[0]} is not installed')
        process = self.pair.process(end, *command)
        self.processes.append(process)
        return process

    def folder(self):
        return tempfile.mkdtemp(dir=self.pair.folder)

    def configure(self, end, link, address=None, mtu=None):
        self.pair.wait_link(end, link)
        self.links[end.role] = link
        run('ip', '-n', end.space, 'link', 'set', link, 'mtu', mtu or self.mtu)
        run('ip', '-n', end.space, 'addr', 'add', f'{address or end.inner}/24', 'dev', link)
        run('ip', '-n', end.space, 'link', 'set', link, 'up')

    def ready(self):
        self.pair.wait_answer(self.pair.hub.inner)
        return self.pair.hub.inner

    def cpu_seconds(self):
        return sum(process.cpu_seconds() for process in self.processes)
