# SPDX-License-Identifier: MIT
"""longwire doctor: faults that are made here are found, with what mends them, and none where all is well."""
import json

from lab import expect, expect_equal, join, two_lans

MACHINE = ('clock', 'ciphers', 'device', 'limits', 'managers')  # of this machine, not of the lab


def doctor(namespace, lab, *words, status=None):
    done = namespace.run(lab.program, 'doctor', '--json', *words, check=False)
    if status is not None:
        expect_equal(done.returncode, status, done.stdout)
    return [row for row in json.loads(done.stdout)['findings'] if row['topic'] not in MACHINE]


def only_fault(rows, topic, said):
    faults = [row for row in rows if row['fault']]
    expect_equal([row['topic'] for row in faults], [topic], f'{faults}')
    expect(said in faults[0]['text'], f'{faults}')
    return faults[0]['mend']


def joined(lab):
    join(lab, *two_lans(lab))


def test_faults_of_a_bridge_are_found_and_mended(lab):
    joined(lab)
    hub = lab.hub.namespace
    file = f'{lab.conf}/hub.yaml'
    expect_equal([row for row in doctor(hub, lab, file) if row['fault']], [], 'faults of a bridge that works')
    hub.run('ip', 'link', 'set', 'br0', 'down')
    hub.run('sh', '-c', only_fault(doctor(hub, lab, file, status=1), 'bridge', 'br0 is down'))
    expect_equal([row for row in doctor(hub, lab, file) if row['fault']], [], 'faults after it was mended')


def test_a_hub_that_cannot_be_used_is_told(lab):
    joined(lab)
    branch, file = lab.tunnel.namespace, f'{lab.conf}/branch.yaml'
    expect_equal([row for row in doctor(branch, lab, file) if row['fault']], [], 'faults of a hub that works')
    accepted = lab.hub.report()['handshakes']['accepted']
    lab.edit(file, hub={'address': '192.0.2.1:9', 'pin': 'SHA256:' + 'A' * 43})
    only_fault(doctor(branch, lab, file, status=1), 'hub', 'a hub at this port is not')
    lab.edit(file, hub={'address': '192.0.2.1:8443', 'pin': 'SHA256:' + 'A' * 43})
    mend = only_fault(doctor(branch, lab, file, status=1), 'hub', 'not the one that is pinned')
    expect('SHA256:' in mend, mend)
    expect_equal(lab.hub.report()['handshakes']['accepted'], accepted, 'handshakes that were accepted')
    expect_equal(lab.hub.port('branch')['sessions'], 1, 'sessions: the running one was not touched')


def test_without_a_file_and_with_a_wrong_one(lab):
    joined(lab)
    hub = lab.hub.namespace
    said = hub.run(lab.program, 'doctor', check=False)
    expect(said.returncode in (0, 1), said.stdout)
    with open(f'{lab.folder}/bad.yaml', 'w', encoding='utf-8') as file:
        file.write('layer: ethernet\nlisten: 5\n')
    expect_equal(hub.run(lab.program, 'doctor', f'{lab.folder}/bad.yaml', check=False).returncode, 2, 'a wrong file')
