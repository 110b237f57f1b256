#!/usr/bin/env python3
"""headers.py ROOT BUILD: every header compiles when it stands alone, and guards itself with #pragma once."""
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys

import tree

KEEP = ('-I', '-isystem', '-D', '-std=')


def compiler(build):
        """The compiler and the include folders and definitions that any C file of the build is given."""
        with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as f:
                commands = [shlex.split(c['command']) for c in json.load(f) if c['file'].endswith('.c')]
        words = commands[0]
        n = next(i for i, w in enumerate(words) if w.startswith('-'))
        flags = dict.fromkeys(w for c in commands for w in c if w.startswith(KEEP) and not is_private(w))
        return words[:n] + list(flags)


def is_private(flag):
        return flag.startswith('-I') and flag.endswith('.p')


def check(root, build, command, header):
        path = os.path.join(os.path.abspath(root), header)
        full = command + ['-I' + os.path.abspath(root), '-Werror', '-Wall', '-fsyntax-only', '-include', path, '-x', 'c', '/dev/null']
        done = subprocess.run(full, capture_output=True, text=True, cwd=build)
        if done.returncode:
                return [f'{header}: does not stand alone', done.stderr.rstrip()]
        return []


def main():
        root, build = sys.argv[1], sys.argv[2]
        headers = tree.sources(root, '.h')
        command = compiler(build)
        bad = [f'{h}: no #pragma once' for h in headers if '#pragma once' not in tree.read(root, h)]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                for lines in pool.map(lambda h: check(root, build, command, h), headers):
                        bad += lines
        tree.report(bad, f'{len(headers)} headers stand alone')


main()
