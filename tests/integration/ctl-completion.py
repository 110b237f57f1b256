#!/usr/bin/env python3
"""The bash completion of ipfs-cluster-ctl offers exactly the verbs and flags that the program has."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import SOURCE, Skip, run  # noqa: E402

PROGRAM = os.environ['IPFS_CLUSTER_TEST_CTL']
SCRIPT = os.path.join(SOURCE, 'ctl', 'completions', 'bash', 'ipfs-cluster-ctl')
COMPLETE = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ipfs_cluster_ctl; printf "%s\\n" "${COMPREPLY[@]}"'
FLAG = re.compile(r'^   (-.*?)(?:  |$)', re.M)
NO_GROUP = {'help'}


def ctl(*words):
        return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=True, timeout=30).stdout


def offered(*words):
        """What is offered for the last of WORDS."""
        if not shutil.which('bash'):
                raise Skip('no bash')
        done = subprocess.run(['bash', '-c', COMPLETE, 'bash', SCRIPT, 'ipfs-cluster-ctl', *words],
                              capture_output=True, text=True, check=True, timeout=30)
        assert not done.stderr, done.stderr
        return sorted(done.stdout.split())


def verbs():
        return [tuple(line.split()[1:]) for line in ctl('commands').splitlines()]


def verbs_are_those_of_the_program(bench):
        known = verbs()
        assert offered('') == sorted(v[0] for v in known if len(v) == 1)
        for verb in known:
                if verb[0] not in NO_GROUP:
                        below = sorted(v[1] for v in known if len(v) == 2 and v[0] == verb[0] and len(verb) == 1)
                        assert offered(*verb, '') == below, f'{verb}: {offered(*verb, "")}'


def flags_are_those_of_the_program(bench):
        for verb in [(), *verbs()]:
                if verb[:1] == ('help',):
                        continue
                flags = [f.split(' ')[0] for names in FLAG.findall(ctl(*verb, '--help')) for f in names.split(', ')]
                wanted = sorted({*flags, '--help', '-h'})
                assert offered(*verb, '-') == wanted, f'{verb}: {offered(*verb, "-")} instead of {wanted}'


def global_flags_are_stepped_over(bench):
        assert offered('--host', '/ip4/1.2.3.4/tcp/1', '-d', 'pe') == ['peers']
        assert offered('--enc', '=', 'json', 'pin', 'u') == ['update']
        assert offered('--host', 'pin', 'ad') == ['add']


def values_are_offered(bench):
        assert offered('--enc', '') == ['json', 'text']
        assert offered('--enc', '=', 'j') == ['json']
        assert offered('pin', 'add', '--mode', 'd') == ['direct']
        assert offered('status', '--filter', 'pin_') == ['pin_error', 'pin_queued']
        assert offered('pin', 'ls', '--filter', 'm') == ['meta-pin']
        assert offered('--basic-auth', '') == []


run(verbs_are_those_of_the_program, flags_are_those_of_the_program, global_flags_are_stepped_over, values_are_offered)
