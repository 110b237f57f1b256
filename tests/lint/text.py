#!/usr/bin/env python3
"""text.py ROOT: the top level holds what it should, and no file holds what it should not.

Not in any file: marks of unfinished work, paths of one machine, spaces at line ends. Not in C: tabs, comments of
two slashes. Recorded data (tests/golden, corpora) is left as it was recorded, but for paths.
"""
import re
import sys

import tree

TOP = {'daemon', 'dbus', 'units', 'ctl', 'man', 'tests', 'meson.build', 'README.md', 'LICENSE', 'architecture.md'}
RECORDED = ('tests/golden/', 'tests/fuzz/corpus/')
UNFINISHED = re.compile(r'\b(TO' r'DO|FIX' r'ME|X' r'XX)\b')
MACHINE = re.compile(r'(?<![\w.<>])/(work|root|home/\w+|Users/\w+|tmp/w|mnt/\w+)/')
TWO_SLASHES = re.compile(r'(^|[^:"\'])//')
STRING = re.compile(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'')
COMMENT = re.compile(r'/\*.*?\*/', re.S)


def top_level(known):
        for name in sorted({k.split('/')[0] for k in known}):
                if name not in TOP and not name.startswith('.'):
                        yield f'{name}: not an entry of the top level ({" ".join(sorted(TOP))})'


def blanked(match):
        return re.sub(r'[^\n]', ' ', match[0])


def in_c(path, text):
        bare = COMMENT.sub(blanked, STRING.sub('""', text))
        for n, line in enumerate(bare.splitlines(), 1):
                if TWO_SLASHES.search(line):
                        yield f'{path}:{n}: a comment of two slashes'
        for n, line in enumerate(text.splitlines(), 1):
                if '\t' in line:
                        yield f'{path}:{n}: a tab'


def in_text(path, text):
        for n, line in enumerate(text.splitlines(), 1):
                if MACHINE.search(line):
                        yield f'{path}:{n}: a path of one machine: {MACHINE.search(line)[0]}'
                if path.startswith(RECORDED) or '/golden/' in path:
                        continue
                if UNFINISHED.search(line):
                        yield f'{path}:{n}: {UNFINISHED.search(line)[0]} (an open point is an issue, not a mark)'
                if line != line.rstrip(' \t\r'):
                        yield f'{path}:{n}: space at the end of the line'
        if text and not text.endswith('\n') and not path.startswith(RECORDED) and '/golden/' not in path:
                yield f'{path}: no newline at the end'


def is_text(root, path):
        with open(f'{root}/{path}', 'rb') as f:
                return b'\0' not in f.read(8192)


def main():
        root = sys.argv[1]
        known = tree.files(root)
        bad = list(top_level(known))
        for path in known:
                if not path.startswith('tests/fuzz/corpus/') and is_text(root, path):
                        text = tree.read(root, path)
                        bad += in_text(path, text)
                        bad += in_c(path, text) if path.endswith(('.c', '.h')) else []
        tree.report(bad, f'{len(known)} files')


main()
