#!/usr/bin/env python3
"""The shells complete what ipfs-cluster-ctl says: bash everywhere, fish and zsh where they are installed."""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import PATIENCE, SOURCE, Skip, run  # noqa: E402

PROGRAM = os.environ['IPFS_CLUSTER_TEST_CTL']
SCRIPTS = os.path.join(SOURCE, 'ctl', 'completions')
BASH = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ipfs_cluster_ctl; printf "%s\\n" "${COMPREPLY[@]}"'
FISH = 'source $argv[1]; complete -C "$argv[2]"'
FLAG = re.compile(r'^   (-.*?)(?:  |$)', re.M)
HELLO = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
ESCAPES = re.compile(r'\x1b\[[0-9;?]*[a-zA-Z]')


def needs(shell):
        if not shutil.which(shell):
                raise Skip(f'no {shell} here')


def ctl(*words):
        return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=True, timeout=30).stdout


def said(*words):
        """What the program offers for the last of WORDS."""
        return sorted(line.split('\t')[0] for line in ctl('complete', *words).splitlines())


def bash(*words):
        needs('bash')
        done = subprocess.run(['bash', '-c', BASH, 'bash', os.path.join(SCRIPTS, 'bash', 'ipfs-cluster-ctl'), PROGRAM, *words],
                              capture_output=True, text=True, check=True, timeout=30)
        assert not done.stderr, done.stderr
        return sorted(done.stdout.split())


def in_path():
        return {**os.environ, 'PATH': os.path.dirname(PROGRAM) + os.pathsep + os.environ['PATH'], 'TERM': 'dumb'}


def fish(line):
        needs('fish')
        script = os.path.join(SCRIPTS, 'fish', 'ipfs-cluster-ctl.fish')
        done = subprocess.run(['fish', '-N', '-c', FISH, script, 'ipfs-cluster-ctl ' + line], env=in_path(), capture_output=True, text=True, timeout=30)
        assert not done.stderr, done.stderr
        return sorted(l.split('\t')[0] for l in done.stdout.splitlines())


class Zsh:
        """An interactive one, which is the only kind that completes."""

        def __init__(self):
                needs('zsh')
                pid, self.fd = pty.fork()
                if pid == 0:
                        os.execvpe('zsh', ['zsh', '-f', '-i'], in_path())
                self.shows(f"fpath=({SCRIPTS}/zsh $fpath); PS1='> '; autoload -Uz compinit; compinit -D -u; unsetopt beep zle_bracketed_paste; "
                           'echo READ''""Y\n', 'READY')

        def shows(self, keys, wanted):
                os.write(self.fd, keys.encode())
                seen, end = '', time.monotonic() + PATIENCE
                while time.monotonic() < end:
                        if select.select([self.fd], [], [], 0.1)[0]:
                                seen += ESCAPES.sub('', os.read(self.fd, 65536).decode(errors='replace'))
                        if wanted in seen.replace(keys.rstrip('\t'), '', 1):
                                os.write(self.fd, b'\x15')
                                return
                raise AssertionError(f'{keys!r}: {wanted!r} is not shown in {seen!r}')


def verbs():
        return [tuple(line.split()[1:]) for line in ctl('commands').splitlines()]


def verbs_are_those_of_the_program(bench):
        known = verbs()
        assert said('') == bash('') == sorted(v[0] for v in known if len(v) == 1)
        for verb in known:
                below = sorted(v[1] for v in known if len(v) == 2 and v[0] == verb[0] and len(verb) == 1)
                if below:
                        assert said(*verb, '') == bash(*verb, '') == below, verb


def flags_are_those_of_the_program(bench):
        for verb in [(), *verbs()]:
                if verb[:1] != ('help',):
                        flags = [f.split(' ')[0] for names in FLAG.findall(ctl(*verb, '--help')) for f in names.split(', ')]
                        assert said(*verb, '-') == sorted({*flags, '--help', '-h'}), verb


def bash_completes(bench):
        assert bash('--host', '/ip4/1.2.3.4/tcp/1', '-d', 'pe') == ['peers']
        assert bash('--enc', '=', 'json', 'pin', 'u') == ['update']
        assert bash('--enc', '') == ['json', 'text']
        assert bash('--enc', '=', 'j') == bash('--enc', 'j') == ['json']
        assert bash('--enc', '=') == ['json', 'text']
        assert bash('status', '--filter', 'pinned,pin_') == ['pinned,pin_error', 'pinned,pin_queued']
        assert bash('health', 'graph', '--file', '/etc/host') == sorted(f'/etc/{f}' for f in os.listdir('/etc') if f.startswith('host'))
        assert bash('--basic-auth', '') == bash('id', '') == []


def fish_completes(bench):
        assert fish('pe') == ['peers']
        assert fish('--enc=j') == ['--enc=json'] and fish('--enc j') == ['json']
        assert fish('pin add --mod') == ['--mode']
        assert '/etc/hosts' in fish('health graph --file /etc/host')
        assert '--file=/etc/hosts' in fish('health graph --file=/etc/host')


def zsh_completes(bench):
        zsh = Zsh()
        zsh.shows('ipfs-cluster-ctl pe\t', 'ers')
        zsh.shows('ipfs-cluster-ctl --enc=j\t', 'son')
        zsh.shows('ipfs-cluster-ctl status --filter pin_\t\t', 'pin_queued')
        zsh.shows('ipfs-cluster-ctl health graph --file /etc/hostn\t', 'ame')
        os.close(zsh.fd)


def what_the_peer_knows_is_completed(bench):
        peer = bench.peer(bench.stand_in()).start()
        host = f'/ip4/127.0.0.1/tcp/{peer.port}'
        peer.ok('POST', f'/pins/{HELLO}?name=hello')
        for verb in (('pin', 'rm'), ('pin', 'ls'), ('pin', 'update'), ('status',), ('sync',), ('recover',)):
                assert bash('--host', host, *verb, 'Qm') == [HELLO], verb
        assert ctl('complete', '--host', host, '--enc', 'json', 'pin', 'rm', '') == f'{HELLO}\thello\n'
        assert bash('--host', host, 'peers', 'rm', '') == bash('--host', host, 'pin', 'add', '--allocations', '=', '12') == [peer.peer_id]
        assert 'ping' in bash('--host', host, 'health', 'metrics', '')
        assert bash('--host', host, 'pin', 'rm', 'x') == []
        peer.stop()
        assert bash('--host', host, 'pin', 'rm', '') == []


run(verbs_are_those_of_the_program, flags_are_those_of_the_program, bash_completes, fish_completes, zsh_completes, what_the_peer_knows_is_completed)
