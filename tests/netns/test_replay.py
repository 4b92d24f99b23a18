# SPDX-License-Identifier: MIT
"""longwire replay: a capture of tcpdump, pcap and pcapng, goes through a port once more."""
import json
import signal
import struct

from lab import Capture, expect, expect_equal, join, run, two_lans, wait_until

FRAME = bytes.fromhex('ffffffffffff0200000000aa88b5') + b'a frame that was captured long ago' + bytes(30)


def pcap(path, stamps, link=1):
    with open(path, 'wb') as file:
        file.write(struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, link))
        for stamp in stamps:
            file.write(struct.pack('<IIII', int(stamp), int(stamp % 1 * 1e6), len(FRAME), len(FRAME)) + FRAME)
    return path


def joined(lab, inject=True):
    a, b = two_lans(lab)
    if inject:
        lab.edit(f'{lab.conf}/hub.yaml', inject=True)
    join(lab, a, b)


def replay(lab, *words, check=True):
    return lab.hub.namespace.run(lab.program, 'replay', lab.hub.instance, *words, check=check)


def test_captures_of_either_format_arrive_whole(lab):
    joined(lab)
    old = pcap(f'{lab.folder}/old.pcap', [1e9 + i / 10 for i in range(10)])
    run('editcap', '-F', 'pcapng', old, f'{lab.folder}/new.pcapng')
    sees = Capture(lab.a1, 'eth0', 'ether proto 0x88b5')
    done = json.loads(replay(lab, old, '--port', 'branch', '--speed', '5', '--json').stdout)
    expect_equal((done['packets'], done['bytes'], done['skipped'], done['error']), (10, 10 * len(FRAME), 0, None), 'end')
    said = replay(lab, f'{lab.folder}/new.pcapng', '--port', 'branch', '--in', '--fast', '--loop', '3').stdout
    expect_equal(said, f'30 packets, {30 * len(FRAME)} bytes, 0 skipped\n', 'what it says')
    wait_until(lambda: sees.frames().count(FRAME) == 40, what='40 frames')
    sees = Capture(lab.b1, 'eth0', 'ether proto 0x88b5')
    replay(lab, old, '--port', 'branch', '--out', '--fast')
    wait_until(lambda: sees.frames().count(FRAME) == 10, what='10 frames at the other end')


def test_it_needs_permission_and_a_fitting_file(lab):
    joined(lab)
    old, raw = pcap(f'{lab.folder}/old.pcap', [1]), pcap(f'{lab.folder}/raw.pcap', [1], 101)
    for words, status, said in [
            ((old, '--port', 'nobody'), 1, 'these are: lw0, branch'),
            ((raw, '--port', 'branch'), 1, 'ethernet needs EN10MB'),
            ((f'{lab.conf}/hub.yaml', '--port', 'branch'), 1, 'cannot be read'),
            (('/dev/null', '--port', 'branch'), 1, 'not a regular file'),
            ((f'{lab.folder}/none.pcap', '--port', 'branch'), 2, 'No such file'),
            ((old,), 2, '--port says where'),
            ((old, '--port', 'branch', '--in', '--out'), 2, 'not both'),
            ((old, '--port', 'branch', '--speed', '0'), 2, 'from 0.001 to 1000')]:
        done = replay(lab, *words, check=False)
        expect_equal(done.returncode, status, f'{words}: {done.stdout}')
        expect(said in done.stdout, f'{words}: {done.stdout}')


def test_without_permission_nothing_is_sent(lab):
    joined(lab, inject=False)
    old = pcap(f'{lab.folder}/old.pcap', [1])
    done = replay(lab, old, '--port', 'branch', check=False)
    expect_equal(done.returncode, 1, done.stdout)
    expect('inject: true' in done.stdout, done.stdout)


def test_whoever_hangs_up_ends_it(lab):
    joined(lab)
    days, short = pcap(f'{lab.folder}/days.pcap', [1, 1e6]), pcap(f'{lab.folder}/short.pcap', [1])
    begin = lambda: lab.hub.namespace.start(lab.program, 'replay', lab.hub.instance, days, '--port', 'branch', name='replay')
    again = lambda: replay(lab, short, '--port', 'branch', check=False)
    process = begin()

    def is_under_way():
        nonlocal process
        if not process.is_running():  # the short one was there first
            process = begin()
        return 'has a replay already' in again().stdout
    wait_until(is_under_way, what='a replay under way')
    process.end(signal.SIGINT)
    wait_until(lambda: again().returncode == 0, what='a free port')
