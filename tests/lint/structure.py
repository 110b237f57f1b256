#!/usr/bin/env python3
"""structure.py ROOT BUILD: check the tree and its libraries against the layer table of architecture.md.

The page holds one block that starts with ```layers. A row reads `FOLDER PREFIX: FOLDER...`: the folder, the
prefix of the symbols it exports ("-": each file's own name), and the folders it may include from. Checked:
  1 an include goes only to the own folder or to one the row names; a quoted include names a file of the tree;
  2 the table has no cycle, and every folder with C files has a row; tests/unit/F goes by the row of daemon/F
    or F, may include that folder, and tests/lib;
  3 every object file exports only symbols with its prefix; prefixes.txt names the few further ones;
  4 every library leaves undefined only what the libraries of its row, or the system's, define: an `extern` by
    hand does not get round 1.
"""
import os
import re
import subprocess
import sys

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
SYMBOL = re.compile(r'^(\S+\.a)\[(?:.*/)?([^/\]]+)\.c\.o\]: (\S+) (\w)')
# How generated code names its own: the compiler's sanitizers and coverage, the fuzzer's entry.
RESERVED = re.compile(r'^(_|LLVMFuzzer|asan\.|__)')


def table(page):
        block = re.search(r'^```layers\n(.*?)^```', page, re.S | re.M).group(1)
        rows = {}
        for line in filter(None, (l.split('#')[0].strip() for l in block.splitlines())):
                head, _, uses = line.partition(':')
                folder, prefix = head.split()
                rows[folder] = (prefix, uses.split())
        return rows


def cycles(rows):
        seen, bad = set(), []

        def visit(folder, path):
                if folder in path:
                        bad.append('layer table: cycle ' + ' -> '.join(path[path.index(folder):] + [folder]))
                elif folder not in rows:
                        bad.append(f'layer table: {path[-1]} names {folder}, which has no row')
                elif folder not in seen:
                        for use in rows[folder][1]:
                                visit(use, path + [folder])
                        seen.add(folder)

        for folder in rows:
                visit(folder, [])
        return bad


def allowed(here, rows):
        """The folders HERE may include from, or None if the table does not know it."""
        if here in rows:
                return rows[here][1]
        tested = here.removeprefix('tests/unit/')
        for folder in ('daemon/' + tested, tested):
                if tested != here and folder in rows:
                        return rows[folder][1] + [folder, 'tests/lib']
        return None


def included(here, name, known):
        for candidate in (os.path.normpath(name), os.path.normpath(os.path.join(here, name))):
                if candidate in known:
                        return candidate
        return None


def includes(root, rows):
        known = set(tree.sources(root))
        for path in sorted(known):
                here = os.path.dirname(path)
                may = allowed(here, rows)
                if may is None:
                        yield f'{path}: folder {here or "."} has no row in the layer table'
                        continue
                for n, line in enumerate(tree.read(root, path).splitlines(), 1):
                        match = INCLUDE.match(line)
                        target = match and included(here, match[1], known)
                        if match and not target:
                                yield f'{path}:{n}: "{match[1]}" is no file of the tree (system headers go in <>)'
                        elif target and os.path.dirname(target) not in may + [here]:
                                yield f'{path}:{n}: {here} may not include {target}'


def symbols(library):
        """(object's source name, symbol, kind) of each global symbol in a static library."""
        out = subprocess.run(['nm', '-A', '-P', '-g', library], capture_output=True, text=True).stdout
        for line in out.splitlines():
                match = SYMBOL.match(line)
                if match and not RESERVED.match(match[3]):
                        yield match[2], match[3], match[4]


def libraries(build, rows):
        for folder in rows:
                library = os.path.join(build, folder, f'lib{os.path.basename(folder)}.a')
                if os.path.exists(library):
                        yield folder, list(symbols(library))


def exports(folder, entries, rows, further):
        for source, symbol, kind in entries:
                if kind not in 'TDBRVWC':
                        continue
                prefix = rows[folder][0]
                may = further.get(f'{folder}/{source}.c', []) + [prefix]
                if prefix == '-':
                        may[-1] = source.removesuffix('-json').replace('-', '_') + '_'
                if not symbol.startswith(tuple(may)) and symbol not in [m.rstrip('_') for m in may]:
                        yield f'{folder}/{source}.c: exports {symbol}, not {" or ".join(m + "*" for m in may)}'


def undefined(folder, entries, rows, owners):
        for source, symbol, kind in entries:
                owner = owners.get(symbol) if kind == 'U' else None
                if owner and owner not in rows[folder][1] + [folder]:
                        yield f'{folder}/{source}.c: uses {symbol} of {owner}, which its row does not name'


def main():
        root, build = sys.argv[1], sys.argv[2]
        rows = table(tree.read(root, 'architecture.md'))
        further = {k: w.split() for k, w in tree.listing(root, 'tests/lint/prefixes.txt')}
        found = dict(libraries(build, rows))
        owners = {s: f for f, entries in found.items() for _, s, kind in entries if kind in 'TDBRVC'}
        bad = cycles(rows) + list(includes(root, rows))
        for folder, entries in found.items():
                bad += exports(folder, entries, rows, further)
                bad += undefined(folder, entries, rows, owners)
        tree.report(bad, f'{len(rows)} rows, {len(found)} libraries')


main()
