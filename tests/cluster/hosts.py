"""hosts.py: hosts that are network namespaces on one bridge, and what can be done to their links. Needs root, ip and nft.

Each host has 10.99.0.N; the bridge has no address, so nobody else is reachable. Faults are for the port of the peers
alone. Everything is removed by close().
"""
import os
import shutil
import subprocess

from cluster_test import Skip

PEER_PORT = 9096
TABLE = 'ipfs_cluster_test'


def sh(*command, check=True, **options):
        return subprocess.run(command, check=check, capture_output=True, text=True, **options)


class Hosts:
        def __init__(self, n):
                self.names = []
                self.bridge = f'ictb{os.getpid()}'
                self.require()
                try:
                        sh('ip', 'netns', 'add', self.bridge)
                        sh('ip', '-n', self.bridge, 'link', 'add', 'br0', 'type', 'bridge')
                        sh('ip', '-n', self.bridge, 'link', 'set', 'br0', 'up')
                        for number in range(n):
                                self.add(number)
                except subprocess.CalledProcessError as e:
                        self.close()
                        raise Skip(f'no network namespaces: {e.stderr.strip()}') from None

        @staticmethod
        def require():
                if os.geteuid() != 0:
                        raise Skip('network namespaces need root')
                for program in ('ip', 'nft'):
                        if not shutil.which(program):
                                raise Skip(f'there is no program {program}')

        def add(self, number):
                name = f'ict{os.getpid()}n{number}'
                sh('ip', 'netns', 'add', name)
                self.names.append(name)
                sh('ip', '-n', name, 'link', 'set', 'lo', 'up')
                sh('ip', '-n', self.bridge, 'link', 'add', f'p{number}', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
                sh('ip', '-n', self.bridge, 'link', 'set', f'p{number}', 'master', 'br0', 'up')
                sh('ip', '-n', name, 'addr', 'add', f'{self.address(number)}/24', 'dev', 'eth0')
                sh('ip', '-n', name, 'link', 'set', 'eth0', 'up')
                self.rules(number, f'add table inet {TABLE}',
                           f'add chain inet {TABLE} in {{ type filter hook input priority 0; }}')

        @staticmethod
        def address(number):
                return f'10.99.0.{number + 1}'

        def rules(self, number, *lines):
                sh('ip', 'netns', 'exec', self.names[number], 'nft', '-f', '-', input='\n'.join(lines) + '\n')

        def inside(self, number):
                """What a command has to begin with to run on a host."""
                return ['ip', 'netns', 'exec', self.names[number]]

        # ---- faults; each comes on top of the others, until heal()

        def drop(self, at, source=None, condition=''):
                """What host SOURCE (all: None) sends to host AT is lost."""
                where = f'ip saddr {self.address(source)} ' if source is not None else ''
                self.rules(at, *(f'add rule inet {TABLE} in {where}tcp {port} {PEER_PORT} {condition} drop' for port in ('dport', 'sport')))

        def cut(self, number):
                """No peer reaches this one, nor it any."""
                self.drop(number)
                for other in range(len(self.names)):
                        if other != number:
                                self.drop(other, number)

        def lose(self, number, percent):
                self.drop(number, condition=f'numgen random mod 100 < {percent}')

        def heal(self):
                for number in range(len(self.names)):
                        self.rules(number, f'flush chain inet {TABLE} in')

        def close(self):
                for name in self.names:
                        sh('ip', 'netns', 'del', name, check=False)
                sh('ip', 'netns', 'del', self.bridge, check=False)
                self.names = []
