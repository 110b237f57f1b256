#!/usr/bin/env python3
"""ipfs-cluster-ctl says what the Go program said.

tests/golden/ctl/NAME.txt is a recording: the command, and its exit status, stdout and stderr. NAME.json, where the
command talks to a peer, is the script of that peer (tests/lib/scripted_peer.py): the requests must be the ones it
lists, in this order. Further keys of the JSON:
  files      {name: content} that the command writes
  given      {name: content, or null for a folder} that it finds
  replace    [[old, new, why]]: where the recorded output differs from what is expected here
Fractions of seconds are compared to the microsecond. Log lines of the Go program are not expected, but for the
requests and bodies that --debug tells. LEFT-OUT lists what is not replayed.
"""
import concurrent.futures
import difflib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import SOURCE  # noqa: E402
from scripted_peer import ScriptedPeer  # noqa: E402

FOLDER = os.path.join(SOURCE, 'tests', 'golden', 'ctl')

LOG_LINE = re.compile(r'^\d{4}-\d\d-\d\dT[\d:.]+Z\t(ERROR|DEBUG)\t.*\n(\n(?=\Z))?', re.M)
TOLD = re.compile(r'\tDEBUG\tapiclient\t(?:\S+\t)?((?:GET|POST|DELETE|Response body): .*)$', re.M)
PORT = re.compile(r'/tcp/(\d+)')
WORKERS = 12
NO_BUS = {'DBUS_SYSTEM_BUS_ADDRESS': 'unix:path=/nonexistent'}  # a peer of this host is none of ours
TIMEOUT = 60


def load(path):
        """(command, environment, exit status, stdout, stderr) of a recording."""
        with open(path, encoding='utf-8', newline='') as f:
                head, rest = f.read().split('=== stdout\n', 1)
        out, err = rest.split('\n=== stderr\n', 1)
        fields = [line.split(': ', 1) for line in head.splitlines()]
        env = dict(value.split('=', 1) for key, value in fields if key == 'env')
        fields = dict(fields)
        return shlex.split(fields['command'])[1:], env, int(fields['exit']), out, err.removesuffix('\n')


def closed_port():
        with socket.socket() as s:
                s.bind(('127.0.0.1', 0))
                return s.getsockname()[1]


def normal(text):
        return re.sub(r'(:\d\d)\.(\d{1,6})\d*', lambda m: (m[1] + '.' + m[2].rstrip('0')).rstrip('.'), text)


def expected(text, script):
        for old, new, _ in script.get('replace', []):
                text = text.replace(old, new)
        return text


def move(text, ports):
        for old, new in ports.items():
                text = re.sub(rf'((?:127\.0\.0\.1|localhost):|/tcp/){old}\b', rf'\g<1>{new}', text)
        return text


def give(work, files):
        for name, content in files.items():
                path = os.path.join(work, name)
                if content is None:
                        os.mkdir(path)
                else:
                        with open(path, 'w', encoding='utf-8') as f:
                                f.write(content)


def execute(program, args, env, script):
        """(what is wrong with its files, the finished command)."""
        bad = []
        with tempfile.TemporaryDirectory() as work:
                give(work, script.get('given', {}))
                done = subprocess.run([program, *args], cwd=work, env={'TZ': 'UTC', **NO_BUS, **sanitizer_options(), **env},
                                      stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
                for file, content in script.get('files', {}).items():
                        with open(os.path.join(work, file), encoding='utf-8') as f:
                                bad += compare(file, f.read(), content)
        return bad, done


def run(program, name):
        """What is wrong with the case NAME."""
        args, env, status, out, err = load(os.path.join(FOLDER, name + '.txt'))
        path = os.path.join(FOLDER, name + '.json')
        script = {}
        if os.path.exists(path):
                with open(path, encoding='utf-8') as f:
                        script = json.load(f)
        peer = ScriptedPeer(script) if 'exchanges' in script or 'raw' in script else None
        ports = {m[1]: peer.port if peer else closed_port() for a in args for m in PORT.finditer(a)}
        bad, done = execute(program, [move(a, ports) for a in args], env, script)
        bad += peer.close() if peer else []
        out, err = (normal(move(expected(t, script), ports)) for t in (out, err))
        got_out, got_err = (normal(t.decode(errors='replace')) for t in (done.stdout, done.stderr))
        bad += compare('exit status', done.returncode, status)
        bad += compare('stdout', got_out, out)
        bad += compare('stderr', LOG_LINE.sub('', got_err), LOG_LINE.sub('', err))
        return bad + [f'stderr does not tell {t!r}' for t in TOLD.findall(err) if t not in TOLD.findall(got_err)]


def sanitizer_options():
        return {k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}


def compare(what, got, wanted):
        if got == wanted:
                return []
        if isinstance(got, int):
                return [f'{what} is {got}, not {wanted}']
        lines = difflib.unified_diff(wanted.splitlines(), got.splitlines(), 'expected', 'got', lineterm='', n=1)
        return [f'{what}:', *map(ascii, lines)] + ([] if got[-1:] == wanted[-1:] else ['last byte differs'])


def port_80_is_open():
        with socket.socket() as s:
                return s.connect_ex(('127.0.0.1', 80)) == 0


def main():
        program = os.environ['IPFS_CLUSTER_TEST_CTL']
        names = sorted(f.removesuffix('.txt') for f in os.listdir(FOLDER) if f.endswith('.txt'))
        wanted = [a for a in sys.argv[1:] if not a.startswith('-')]
        names = [n for n in names if not wanted or n in wanted]
        if port_80_is_open():
                names.remove('198-host-no-port')
        failed = 0
        print(f'1..{len(names)}')
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
                for i, (name, bad) in enumerate(zip(names, pool.map(lambda n: run(program, n), names)), 1):
                        print(f'{"not ok" if bad else "ok"} {i} - {name}')
                        for line in bad:
                                print('\n'.join('# ' + l for l in line.splitlines()))
                        failed += bool(bad)
        sys.exit(1 if failed else 0)


main()
