#!/usr/bin/env python3
"""sizes.py ROOT: functions, files, headers, parameters, nesting, folders and base stay small.

sizes-exceptions.txt holds what is larger, `KIND WHERE LIMIT`; it may only shrink: an entry that is higher than
needed is an error too. Only daemon, dbus and ctl are measured for functions; files everywhere.
"""
import collections
import json
import os
import re
import subprocess
import sys

import tree

FUNCTION_LINES, ARGV_LINES = 80, 120
LIMITS = {'function': FUNCTION_LINES, 'file': 800, 'header': 250, 'parameters': 7, 'nesting': 4, 'folder': 16}
BASE_PERCENT, BASE_FROM_LINES = 20, 10000  # a share of a small tree says nothing
PRODUCT = ('daemon/', 'dbus/', 'ctl/')
OPENS = re.compile(r'^( *)(?:\} )?(if|else|for|while|do|switch)\b')
STANDS = re.compile(r'^( *)(return|break|continue|goto)\b')
INDENT = 8


def functions(root, paths):
        tags = subprocess.run(
                ['ctags', '-L', '-', '--languages=C', '--langmap=C:.c.h', '--kinds-C=f', '--fields=+neS',
                 '--output-format=json', '-f', '-'],
                input='\n'.join(paths), capture_output=True, text=True, cwd=root, check=True).stdout
        for line in tags.splitlines():
                tag = json.loads(line)
                if 'end' in tag:
                        yield tag


def parameters(signature):
        inner = signature.strip()[1:-1].strip()
        if inner in ('', 'void'):
                return 0
        depth, n = 0, 1
        for c in inner:
                depth += (c == '(') - (c == ')')
                n += c == ',' and depth == 0
        return n


def nesting(lines):
        """The formatting is mechanical, so the indentation of a statement is its depth."""
        deepest = 0
        for line in lines:
                opens, stands = OPENS.match(line), STANDS.match(line)
                if opens:
                        deepest = max(deepest, len(opens[1]) // INDENT)
                elif stands:
                        deepest = max(deepest, len(stands[1]) // INDENT - 1)
        return deepest


def measure(root):
        """(kind, where, size, limit) of everything."""
        paths = tree.sources(root)
        texts = {p: tree.read(root, p).splitlines() for p in paths}
        for path, lines in texts.items():
                kind = 'header' if path.endswith('.h') else 'file'
                yield kind, path, len(lines), LIMITS[kind]
        for tag in functions(root, [p for p in paths if p.startswith(PRODUCT)]):
                path, name, first, last = tag['path'], tag['name'], tag['line'], tag['end']
                limit = ARGV_LINES if name.endswith('parse_argv') else FUNCTION_LINES
                yield 'function', f'{path}:{name}', last - first + 1, limit
                yield 'parameters', f'{path}:{name}', parameters(tag.get('signature', '()')), LIMITS['parameters']
                yield 'nesting', f'{path}:{name}', nesting(texts[path][first:last]), LIMITS['nesting']
        folders = collections.Counter(os.path.dirname(p) for p in paths if p.endswith('.c') and p.startswith(PRODUCT))
        for folder, n in folders.items():
                yield 'folder', folder, n, LIMITS['folder']


def code_lines(root, path):
        text = re.sub(r'/\*.*?\*/', '', tree.read(root, path), flags=re.S)
        return sum(1 for l in text.splitlines() if l.strip())


def base_share(root):
        lines = {p: code_lines(root, p) for p in tree.sources(root) if p.startswith(PRODUCT)}
        total = sum(lines.values())
        base = sum(n for p, n in lines.items() if p.startswith('daemon/base/'))
        if total > BASE_FROM_LINES and base * 100 > total * BASE_PERCENT:
                yield f'daemon/base: {base} of {total} lines of code, more than {BASE_PERCENT} %'


def judge(measured, exceptions):
        for kind, where, size, limit in measured:
                excepted = exceptions.pop((kind, where), None)
                if excepted is None and size > limit:
                        yield f'{where}: {kind} of {size}, at most {limit}'
                elif excepted is not None and size > excepted:
                        yield f'{where}: {kind} of {size}, its exception says {excepted}'
                elif excepted is not None and (size < excepted or size <= limit):
                        yield f'sizes-exceptions.txt: {kind} {where} is {size} now: lower it or take it out'
        for kind, where in exceptions:
                yield f'sizes-exceptions.txt: {kind} {where} is not there any more'


def main():
        root = sys.argv[1]
        exceptions = {}
        for kind, words in tree.listing(root, 'tests/lint/sizes-exceptions.txt'):
                where, limit = words.split()[:2]
                exceptions[kind, where] = int(limit)
        measured = list(measure(root))
        sizes = sorted(m[2] for m in measured if m[0] == 'function') or [0]
        bad = list(judge(measured, exceptions)) + list(base_share(root))
        tree.report(bad, f'{len(sizes)} functions, median {sizes[len(sizes) // 2]}, '
                         f'p90 {sizes[len(sizes) * 9 // 10]}, longest {sizes[-1]} lines')


main()
