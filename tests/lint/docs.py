#!/usr/bin/env python3
"""docs.py ROOT BUILD [PROGRAM...]: what the pages say is what the programs do.

Checked against the programs themselves, each page when it is there:
  every key that `init` writes to service.json is in man/service.json.5;
  every option and command of --help is in the program's man page and, for ctl, in its completion;
  help goes to standard output with status 0, a bad option to standard error with another.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import tree

OPTION = re.compile(r'^\s+(--[a-z][a-z-]*)', re.M)
COMMAND = re.compile(r'^ {3,5}([a-z][a-z-]*)(?:, [a-z]+)?(?:  |$)', re.M)
# Parts of the file that are kept for the Go program's sake and mean nothing here: the page names the part only.
KEPT = ('datastore', 'observations', 'api.ipfsproxy', 'api.pinsvcapi', 'consensus.crdt', 'cluster.pubsub',
        'cluster.connection_manager', 'cluster.resource_manager')
DEPTH = 3  # of commands


def run(program, *arguments, **options):
        return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, **options)


def page(root, name):
        found = [p for p in glob.glob(os.path.join(root, 'man', name + '*')) if os.path.isfile(p)]
        return (os.path.relpath(found[0], root), tree.read('/', found[0]).replace('\\-', '-')) if found else (None, None)


def leaves(value, path=''):
        if isinstance(value, dict) and value and not any(path == k or path.startswith(k + '.') for k in KEPT):
                for key, inner in value.items():
                        yield from leaves(inner, f'{path}.{key}'.lstrip('.'))
        else:
                yield path


def configuration(root, service):
        name, text = page(root, 'service.json')
        if not text:
                return
        with tempfile.TemporaryDirectory() as folder:
                done = run(service, 'init', env={**os.environ, 'IPFS_CLUSTER_PATH': folder, 'HOME': folder})
                if done.returncode:
                        yield f'{service} init: status {done.returncode}: {done.stderr.strip()}'
                        return
                with open(os.path.join(folder, 'service.json'), encoding='utf-8') as f:
                        config = json.load(f)
        for path in leaves(config):
                if not re.search(rf'\b{re.escape(path.rpartition(".")[2])}\b', text):
                        yield f'{name}: does not tell of {path}'


def helps(program, *command):
        """(command, its help) of a program and of all its commands."""
        done = run(program, *command, '--help')
        yield command, done
        after = done.stdout.partition('COMMANDS:')[2].partition('\n\n')[0]
        for name in COMMAND.findall(after) if len(command) < DEPTH else []:
                if name not in ('help', 'h') and name not in command:
                        yield from helps(program, *command, name)


def program_pages(root, program):
        base = os.path.basename(program)
        name, text = page(root, base + '.')
        completions = glob.glob(os.path.join(root, 'ctl', 'completions', '*', base + '*'))
        completion = tree.read('/', completions[0]) if completions else None
        for command, done in helps(program):
                words = ' '.join((base,) + command)
                if done.returncode or not done.stdout or done.stderr:
                        yield f'{words} --help: status {done.returncode}, {len(done.stderr)} bytes on standard error'
                for option in sorted(set(OPTION.findall(done.stdout))):
                        if text and not re.search(rf'{option}\b', text):
                                yield f'{name}: does not tell of {option} of {words}'
                        if completion and not re.search(rf'{option}\b', completion):
                                yield f'completion of {base}: does not know {option} of {words}'
                if command and text and not re.search(rf'\b{command[-1]}\b', text):
                        yield f'{name}: does not tell of {words}'
        done = run(program, '--no-such-option')
        if done.returncode == 0 or not done.stdout + done.stderr:
                yield f'{base} --no-such-option: status {done.returncode}'


def main():
        root, programs = sys.argv[1], sys.argv[3:]
        bad = []
        for program in programs:
                bad += program_pages(root, program)
                if os.path.basename(program) == 'ipfs-cluster-service':
                        bad += configuration(root, program)
        tree.report(bad, f'{len(programs)} programs and their pages')


main()
