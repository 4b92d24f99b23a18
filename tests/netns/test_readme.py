# SPDX-License-Identifier: MIT
"""The README as a newcomer follows it, by the letter: its commands, in its order, on the machines that it names."""
import fcntl
import json
import os
import re
import shutil
import signal

from lab import SANITIZER, TOP, Skip, expect, expect_equal, run, wait_until

PLACES = {"the hub's machine": 'hub', "branch's machine": 'branch', 'the laptop': 'laptop'}

# What stands in for a keyboard on another machine, and keeps instances apart from others of this one.
LONGWIRE = '''#!/bin/sh
case $1 in hub | up) set -- "$@" --name "{prefix}-$(basename "$2" .yaml)" ;; esac
exec {program} "$@"
'''
SCP = '''#!/bin/bash
to=${{@: -1}} to=${{to#root@}}
exec cp -p "${{@:1:$#-1}}" "{folder}/${{to%%.*}}/"
'''


def blocks_of(heading):
    """[(machine, commands)] of a section of the README."""
    with open(os.path.join(TOP, 'README.md'), encoding='utf-8') as file:
        section = re.search(rf'^### {re.escape(heading)}\n(.*?)^##', file.read(), re.M | re.S)
    expect(section, f'the README has a section "{heading}"')
    blocks = re.findall(r'^```sh\n# on (.*?)\n(.*?)^```$', section.group(1), re.M | re.S)
    expect(len(blocks) >= 2, f'there are commands in "{heading}"')
    return [(PLACES[place], commands) for place, commands in blocks]


class Newcomer:
    """Somebody who types on several machines; one that runs a hub or a tunnel has no prompt until Ctrl-C."""

    def __init__(self, lab, *machines):
        self.lab = lab
        self.machines = {machine.name: machine for machine in machines}
        self.running = {}
        for name in ('bin', *self.machines):
            os.mkdir(f'{lab.folder}/{name}')
        self.tool('longwire', LONGWIRE.format(prefix=lab.prefix, program=lab.program))
        self.tool('scp', SCP.format(folder=lab.folder))

    def tool(self, name, text):
        path = f'{self.lab.folder}/bin/{name}'
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        os.chmod(path, 0o755)

    def follow(self, heading):
        for place, commands in blocks_of(heading):
            self.type(place, commands)

    def type(self, place, commands):
        machine, home = self.machines[place], f'{self.lab.folder}/{place}'
        commands = commands.replace('/etc/longwire', f'{home}/etc').replace('hub.example.net', '192.0.2.1')
        typed = f'export PATH={self.lab.folder}/bin:$PATH; cd {home}\n{commands}'
        if re.match(r'longwire (hub|up) ', commands.splitlines()[-1]):
            before, last = typed.rstrip().rsplit('\n', 1)
            self.running[place] = machine.start('bash', '-ec', f'{before}\nexec {last}', name=place)
            wait_until(lambda: self.is_ready(place), 20, f'on {place}: {commands}')
        else:
            machine.run('bash', '-ec', typed)

    def report(self, place):
        done = run(self.lab.program, 'status', f'{self.lab.prefix}-{place}', '--json', check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def is_ready(self, place):
        process = self.running[place]
        expect(process.is_running(), f'{place} ended: {process.output()[-1500:]}')
        report = self.report(place)
        return report and report.get('connection', {}).get('status', 'connected') == 'connected'

    def interrupt(self, place):
        """Ctrl-C."""
        process = self.running.pop(place)
        expect_equal(process.end(signal.SIGINT), 0, f'exit status of {place} after Ctrl-C')
        expect(not SANITIZER.search(process.output()), process.output()[-3000:])
        expect(self.machines[place].link('lw0') is None, f'{place}: lw0 is gone')

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for place in list(self.running):
            if kind is None:
                self.interrupt(place)
            else:
                self.running[place].kill()
                shutil.rmtree(f'/run/longwire/{self.lab.prefix}-{place}', ignore_errors=True)


def test_ethernet_set_up_of_the_readme(lab):
    hub, branch = lab.machine('hub', 1, bridge=True), lab.machine('branch', 2, bridge=True)
    laptop = lab.machine('laptop', 3)
    lab.host('a1', hub, '192.168.1.1/24')
    b1 = lab.host('b1', branch, '192.168.1.2/24')
    with Newcomer(lab, hub, branch, laptop) as newcomer:
        newcomer.follow('Ethernet: one LAN out of two')
        b1.wait_for_ping('192.168.1.1')
        newcomer.interrupt('hub')
        newcomer.follow('Ethernet: one machine on a far LAN')
        laptop.address('lw0', '192.168.1.50/24')
        for host in ('192.168.1.1', '192.168.1.2'):
            laptop.wait_for_ping(host)


def test_ip_set_up_of_the_readme(lab):
    hub, laptop = lab.machine('hub', 1, bridge=True), lab.machine('laptop', 3)
    hub.address('br0', '192.168.1.254/24')
    lab.host('a1', hub, '192.168.1.10/24')
    with Newcomer(lab, hub, laptop) as newcomer:
        newcomer.follow('IP: reach a network behind the hub')
        laptop.wait_for_ping('10.86.0.1')
        laptop.wait_for_ping('192.168.1.10')


def quickstart(lab, *arguments):
    """Its names are fixed: one at a time on this machine, and not beside that of somebody else."""
    command = f'{TOP}/configs/quickstart'
    with open('/run/lock/longwire-quickstart', 'w', encoding='utf-8') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if any(line.startswith('lwq-') for line in run('ip', 'netns', 'list').stdout.splitlines()):
            raise Skip('a quickstart is running on this machine')
        try:
            said = run(command, '--megabytes', '8', *arguments, timeout=80, check=False,
                       env={**os.environ, 'LW_PROGRAM': lab.program})
        except BaseException:
            run(command, '--remove')
            raise
    expect_equal(said.returncode, 0, f'exit status, after {said.stdout[-3000:]}')
    expect('All of it worked.' in said.stdout and 'nothing is left' in said.stdout, said.stdout[-3000:])


def test_quickstart(lab):
    quickstart(lab)


def test_quickstart_in_ip(lab):
    quickstart(lab, '--layer', 'ip')
