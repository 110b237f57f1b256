#!/usr/bin/env python3
"""count.py TESTLOG.JSON: sum up a run of `meson test`: N passed, N failed, N skipped.

A test that speaks TAP counts as its subtests, any other as one. A TAP program that failed without saying which subtest
(a crash, a time-out, a sanitizer's complaint) counts as one failure more. Prints the failed ones, then the line; ends
with 1 when something failed.
"""
import collections
import json
import re
import sys

LINE = re.compile(r'^(not ok|ok)\b(.*)$', re.M)
RESULTS = {'OK': 'passed', 'EXPECTEDFAIL': 'passed', 'SKIP': 'skipped'}


def subtests(stdout):
        for match in LINE.finditer(stdout):
                if re.search(r'#\s*(skip|todo)', match[2], re.I):
                        yield 'skipped', match[2]
                else:
                        yield 'failed' if match[1] == 'not ok' else 'passed', match[2]


def is_tap(command, stdout):
        return '--tap' in command or re.search(r'^(TAP version|1\.\.\d+)', stdout, re.M)


def judge(test):
        """(result, words) of everything one test says."""
        result = RESULTS.get(test['result'], 'failed')
        stdout = test.get('stdout') or ''
        found = list(subtests(stdout)) if is_tap(test['command'], stdout) else []
        if not found or result == 'failed' and all(r != 'failed' for r, _ in found):
                found.append((result, f'({test["result"].lower()}, status {test["returncode"]})'))
        return found


def main():
        counts = collections.Counter()
        with open(sys.argv[1], encoding='utf-8') as log:
                for line in log:
                        test = json.loads(line)
                        for result, words in judge(test):
                                counts[result] += 1
                                if result != 'passed':
                                        print(f'{result}: {test["name"]} {words.strip()}')
        print(', '.join(f'{counts[r]} {r}' for r in ('passed', 'failed', 'skipped')))
        sys.exit(1 if counts['failed'] else 0)


main()
