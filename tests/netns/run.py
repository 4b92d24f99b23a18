#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Run the network-namespace tests: tests/netns/run.py [--build FOLDER] [--jobs N] [--list] [PATTERN]

Each test is a process of its own, in a process group of its own, so that whatever one does or dies of is its result and
nobody else's. Several run at once, since they mostly wait; what a test prints comes out in one piece, when it has ended.
Tests marked @alone in lab.py follow one after another. The longest of the last run come first (--times FILE).
"""
import argparse
import contextlib
import ctypes
import glob
import importlib
import json
import os
import selectors
import signal
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import lab  # noqa: E402

SECONDS_MAX = 90
SECONDS_TO_CLEAN_UP = 60
PR_SET_PDEATHSIG = 1


class TooLong(Exception):
    pass


class Interrupted(BaseException):
    pass


def tests_of(pattern):
    for file in sorted(glob.glob(os.path.join(HERE, 'test_*.py'))):
        name = os.path.basename(file).removesuffix('.py')
        module = importlib.import_module(name)
        for key, value in vars(module).items():
            full = f'{name.removeprefix("test_")}/{key.removeprefix("test_")}'
            if key.startswith('test_') and callable(value) and value.__module__ == name and pattern in full:
                yield full, value


def limit_of(test):
    return getattr(test, 'seconds_max', SECONDS_MAX)


# ---- in the process of a test

def on_alarm(_signal, _frame):
    raise TooLong()


def on_interrupt(_signal, _frame):
    raise Interrupted()


def run_one(test, build):
    """(PASS, FAIL or SKIP; why)"""
    signal.alarm(limit_of(test))
    try:
        with lab.Lab(build) as made:
            test(made)
            signal.alarm(0)
        return 'PASS', ''
    except lab.Skip as why:
        return 'SKIP', str(why)
    except lab.Failure as why:
        return 'FAIL', str(why)
    except TooLong:
        return 'FAIL', f'more than {limit_of(test)} s: {"".join(traceback.format_exc().splitlines(True)[-8:])}'
    except Interrupted:
        return 'FAIL', 'interrupted'
    except Exception:  # pylint: disable=broad-except
        return 'FAIL', traceback.format_exc()
    finally:
        signal.alarm(0)


def be_a_test(test, build, output, result):
    os.setpgid(0, 0)
    # Whoever kills the runner has not to look for its tests.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_interrupt)
    signal.signal(signal.SIGALRM, on_alarm)
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    answer = run_one(test, build)
    sys.stdout.flush()
    os.write(result, json.dumps(answer).encode())


# ---- in the runner

class Running:
    """A test that runs."""

    def __init__(self, name, test, build):
        self.name = name
        self.start = time.monotonic()
        self.deadline = self.start + limit_of(test) + SECONDS_TO_CLEAN_UP
        self.output = tempfile.TemporaryFile()  # pylint: disable=consider-using-with
        self.pipe, result = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                be_a_test(test, build, self.output, result)
            finally:
                os._exit(0)
        os.close(result)

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def finish(self):
        """(PASS, FAIL or SKIP; why) of a test that has closed its pipe, or died; and nothing of it is left."""
        said = b''
        while piece := os.read(self.pipe, 1 << 16):
            said += piece
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        try:
            result, why = json.loads(said)
        except ValueError:
            result, why = 'FAIL', f'its process ended with {os.waitstatus_to_exitcode(status)}'
            lab.remove_traces(f'{lab.PREFIX}{self.pid}')
        self.output.seek(0)
        return result, why, self.output.read().decode(errors='replace')


class Runner:
    def __init__(self, build):
        self.build = build
        self.counts = {'PASS': 0, 'FAIL': 0, 'SKIP': 0}
        self.seconds = {}
        self.running = []
        self.selector = selectors.DefaultSelector()

    def run(self, tests, jobs):
        waiting = list(tests)
        while waiting or self.running:
            while waiting and len(self.running) < jobs:
                self.begin(*waiting.pop(0))
            self.wait()

    def begin(self, name, test):
        running = Running(name, test, self.build)
        self.running.append(running)
        self.selector.register(running.pipe, selectors.EVENT_READ, running)

    def wait(self):
        """Until a test ends, or half a second is over."""
        for key, _ in self.selector.select(0.5):
            self.end(key.data)
        for running in self.running:
            if time.monotonic() > running.deadline:
                running.signal(signal.SIGKILL)

    def end(self, running):
        self.selector.unregister(running.pipe)
        self.running.remove(running)
        result, why, output = running.finish()
        seconds = time.monotonic() - running.start
        self.counts[result] += 1
        self.seconds[running.name] = round(seconds, 1)
        print(f'{output}{result} {running.name} ({seconds:.1f} s){": " + why if why else ""}', flush=True)

    def stop(self):
        """Everything that runs takes away what it made."""
        for running in self.running:
            running.signal(signal.SIGTERM)
        end = time.monotonic() + 20
        while self.running:
            if time.monotonic() > end:
                for running in self.running:
                    running.signal(signal.SIGKILL)
            self.wait()


def read_times(file):
    try:
        with open(file, encoding='utf-8') as opened:
            return json.load(opened)
    except (OSError, ValueError):
        return {}


def longest_first(tests, times):
    """Without times of an earlier run: first those that are allowed the most."""
    return sorted(tests, key=lambda item: times.get(item[0], limit_of(item[1]) - SECONDS_MAX), reverse=True)


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError('at least 1')
    return number


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build/dev', help='folder of the build, from the top of the tree')
    parser.add_argument('--jobs', type=positive, default=(os.cpu_count() or 1) + 2,
                        help='how many at once (default: two more than processors)')
    parser.add_argument('--times', help='where to read how long each took, and to write it for the next run')
    parser.add_argument('--list', action='store_true', help='only say which')
    parser.add_argument('pattern', nargs='?', default='')
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit('netns: must be root')
    tests = list(tests_of(arguments.pattern))
    if arguments.list:
        for name, test in tests:
            reason = getattr(test, 'alone', None)
            print(f'{name} (alone: {reason})' if reason else name)
        return 0
    times = read_times(arguments.times) if arguments.times else {}
    tests = longest_first(tests, times)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_interrupt)
    lab.remove_leftovers()
    runner = Runner(arguments.build)
    try:
        runner.run([item for item in tests if not hasattr(item[1], 'alone')], arguments.jobs)
        runner.run([item for item in tests if hasattr(item[1], 'alone')], 1)
    except Interrupted:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        runner.stop()
        print('interrupted')
        return 130
    if arguments.times:
        with open(arguments.times, 'w', encoding='utf-8') as file:
            json.dump({**times, **runner.seconds}, file, indent=0)
    counts = runner.counts
    print(f'{counts["PASS"]} passed, {counts["FAIL"]} failed, {counts["SKIP"]} skipped')
    return 1 if counts['FAIL'] or not counts['PASS'] else 0


if __name__ == '__main__':
    sys.exit(main())
