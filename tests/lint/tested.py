#!/usr/bin/env python3
"""tested.py ROOT: every source file has its test file, every fuzz target its corpus.

daemon/F/x.c is tested by tests/unit/F/test-x.c; ctl/F/x.c and dbus/x.c likewise by tests/unit/ctl/F/ and tests/unit/dbus/.
untested.txt names the rest, each with its reason; a name that has a test, or is no file, may not stay there.
"""
import os
import sys

import tree


def test_of(path):
        folder, name = os.path.split(path)
        return f'tests/unit/{folder.removeprefix("daemon/")}/test-{name}'


def untested(known, excused):
        for path in sorted(p for p in known if p.endswith('.c') and p.startswith(('daemon/', 'ctl/', 'dbus/'))):
                reason = excused.pop(path, None)
                if test_of(path) in known:
                        if reason is not None:
                                yield f'untested.txt: {path} has a test now: take it out'
                elif reason is None:
                        yield f'{path}: no {test_of(path)}, and not in untested.txt'
                elif not reason:
                        yield f'untested.txt: {path} gives no reason'
        for path in excused:
                yield f'untested.txt: {path} is no source file'


def fuzz(known):
        for path in sorted(known):
                name = os.path.basename(path)
                if path.startswith('tests/fuzz/') and name.startswith('fuzz-') and name.endswith('.c'):
                        corpus = f'tests/fuzz/corpus/{name[5:-2]}/'
                        if not any(k.startswith(corpus) for k in known):
                                yield f'{path}: no corpus in {corpus}'


def registered(root, known):
        """A test that meson does not know is none."""
        for path in sorted(known):
                folder, name = os.path.split(path)
                if path.startswith('tests/unit/') and name.startswith('test-') and name.endswith('.c'):
                        build = os.path.join(folder, 'meson.build')
                        if build not in known or f"'{name[5:-2]}'" not in tree.read(root, build) and name not in tree.read(root, build):
                                yield f'{path}: not registered in {build}'


def main():
        root = sys.argv[1]
        known = set(tree.files(root))
        excused = dict(tree.listing(root, 'tests/lint/untested.txt'))
        bad = [*untested(known, excused), *fuzz(known), *registered(root, known)]
        tree.report(bad, 'every source file has its test')


main()
