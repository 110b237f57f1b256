#!/usr/bin/env python3
"""messages.py ROOT: each message id of daemon/base/message-ids.h is used in the code and has an entry in
units/ipfs-cluster.catalog, and the other way round; an entry says what happened, why it can be fine, and what to do.
"""
import re
import sys

import tree

HEADER, CATALOG = 'daemon/base/message-ids.h', 'units/ipfs-cluster.catalog'
DEFINE = re.compile(r'^#define (MESSAGE_ID_[A-Z_]+) "MESSAGE_ID=([0-9a-f]{32})"', re.M)
HEADERS = ('Subject', 'Defined-By', 'Documentation')
PARAGRAPHS = 3


def entries(text):
        """(id, {header: value}, [paragraph…]) of each."""
        for block in re.split(r'^-- ', text, flags=re.M)[1:]:
                head, _, body = block.partition('\n\n')
                lines = head.splitlines()
                headers = dict(l.partition(': ')[::2] for l in lines[1:])
                yield lines[0].strip(), headers, [p for p in body.strip().split('\n\n') if p]


def entry_complaints(number, headers, paragraphs, fields):
        for name in HEADERS:
                if not headers.get(name):
                        yield f'{CATALOG}: {number}: has no {name}'
        if len(paragraphs) < PARAGRAPHS:
                yield f'{CATALOG}: {number}: {len(paragraphs)} paragraphs; expected what happened, why it can be fine, what to do'
        for name in re.findall(r'@(\w+)@', ' '.join([headers.get('Subject', ''), *paragraphs])):
                if name not in fields:
                        yield f'{CATALOG}: {number}: no code sets {name}'


def main():
        root = sys.argv[1]
        ids = DEFINE.findall(tree.read(root, HEADER))
        code = {f: tree.read(root, f) for f in tree.sources(root, '.c') if f.startswith(('daemon/', 'dbus/'))}
        fields = set(re.findall(r'"(CLUSTER_[A-Z_]+)[="]', '\n'.join(code.values())))
        known = list(entries(tree.read(root, CATALOG)))
        bad = []
        for name, number in ids:
                if not any(re.search(rf'\b{name}\b', text) for text in code.values()):
                        bad.append(f'{HEADER}: {name} is used nowhere')
                if sum(number == other for other, _, _ in known) != 1:
                        bad.append(f'{CATALOG}: {name} ({number}) has no entry, or several')
        for number, headers, paragraphs in known:
                if [other for _, other in ids].count(number) != 1:
                        bad.append(f'{CATALOG}: {number} is not in {HEADER}, or several times')
                bad += entry_complaints(number, headers, paragraphs, fields)
        for path, text in code.items():
                if re.search(r'MESSAGE_ID=', text):
                        bad.append(f'{path}: a message id beside {HEADER}')
        tree.report(bad, f'{len(ids)} messages')


main()
