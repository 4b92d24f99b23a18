#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Run the network-namespace tests one after another: tests/netns/run.py [--build FOLDER] [--list] [PATTERN]"""
import argparse
import glob
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import lab  # noqa: E402

SECONDS_MAX = 90


class TooLong(Exception):
    pass


def on_alarm(_signal, _frame):
    raise TooLong(f'more than {SECONDS_MAX} s')


def tests_of(pattern):
    for file in sorted(glob.glob(os.path.join(HERE, 'test_*.py'))):
        name = os.path.basename(file).removesuffix('.py')
        module = importlib.import_module(name)
        for key, value in vars(module).items():
            full = f'{name.removeprefix("test_")}/{key.removeprefix("test_")}'
            if key.startswith('test_') and callable(value) and value.__module__ == name and pattern in full:
                yield full, value


def remove_leftovers():
    """Namespaces of runs that were killed."""
    for line in subprocess.run(['ip', 'netns', 'list'], capture_output=True, text=True, check=True).stdout.splitlines():
        name = line.split()[0]
        pid = name.removeprefix(lab.PREFIX).split('-')[0]
        if name.startswith(lab.PREFIX) and pid.isdigit() and not os.path.exists(f'/proc/{pid}'):
            subprocess.run(['ip', 'netns', 'del', name], check=False)


def run_one(test, build):
    """(PASS, FAIL or SKIP; why)"""
    limit = getattr(test, 'seconds_max', SECONDS_MAX)
    signal.alarm(limit)
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
        return 'FAIL', f'more than {limit} s: {"".join(traceback.format_exc().splitlines(True)[-8:])}'
    except Exception:  # pylint: disable=broad-except
        return 'FAIL', traceback.format_exc()
    finally:
        signal.alarm(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--build', default='build/dev', help='folder of the build, from the top of the tree')
    parser.add_argument('--list', action='store_true', help='only say which')
    parser.add_argument('pattern', nargs='?', default='')
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit('netns: must be root')
    if arguments.list:
        for name, _ in tests_of(arguments.pattern):
            print(name)
        return 0
    signal.signal(signal.SIGALRM, on_alarm)
    remove_leftovers()
    counts = {'PASS': 0, 'FAIL': 0, 'SKIP': 0}
    for name, test in tests_of(arguments.pattern):
        start = time.monotonic()
        result, why = run_one(test, arguments.build)
        counts[result] += 1
        print(f'{result} {name} ({time.monotonic() - start:.1f} s){": " + why if why else ""}', flush=True)
    print(f'{counts["PASS"]} passed, {counts["FAIL"]} failed, {counts["SKIP"]} skipped')
    return 1 if counts['FAIL'] or not counts['PASS'] else 0


if __name__ == '__main__':
    sys.exit(main())
