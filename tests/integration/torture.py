#!/usr/bin/env python3
"""torture.py [--rounds N] [--clients N] [--seed N] [TEST…]: many clients pin, replace, unpin and import while the
daemon is killed, stopped and paused at random moments. What was acknowledged has to be there with its options, what
was unpinned has to stay away, what was under way may be either. A few rounds by default; for a night: --rounds 1000.
"""
import argparse
import json
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import PATIENCE, Reader, connect, eventually, read_response, run  # noqa: E402
from ipfs_content import numbered  # noqa: E402

CIDS_PER_CLIENT = 40
IMPORT_LINES = 200
ROUND_SECONDS = 0.6
ABSENT = None


def parse():
        p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        p.add_argument('--rounds', type=int, default=4)
        p.add_argument('--clients', type=int, default=8)
        p.add_argument('--seed', type=int, default=int.from_bytes(os.urandom(4), 'big'))
        p.add_argument('--tap', action='store_true', help=argparse.SUPPRESS)
        options, sys.argv[1:] = p.parse_known_args()
        return options


OPTIONS = parse()


class Client(threading.Thread):
        """Changes CIDs of its own, one after the other. EXPECTED: {cid: name or ABSENT}; DOUBT: what the change under
        way may have made of a CID: {cid: name or ABSENT}."""

        def __init__(self, peer, number, seed, expected):
                super().__init__(daemon=True)
                self.peer, self.number, self.random = peer, number, random.Random(seed)
                self.expected, self.doubt, self.acknowledged, self.wrong = expected, {}, 0, []
                self.cids = [str(numbered(number * 10000 + n)) for n in range(CIDS_PER_CLIENT)]
                self.imported = [str(numbered(number * 10000 + 5000 + n)) for n in range(IMPORT_LINES)]

        def run(self):
                try:
                        while True:
                                with connect(self.peer.port) as connection:
                                        while self.change(connection):
                                                pass
                except OSError:
                        pass  # the daemon is gone, and so is this client

        def change(self, connection):
                kind = self.random.choices(('pin', 'unpin', 'import'), (60, 37, 3))[0]
                self.doubt, request, good = getattr(self, kind)()
                connection.sendall(request)
                try:
                        response = read_response(Reader(connection, PATIENCE), request.partition(b' ')[0].decode())
                except EOFError:
                        raise ConnectionResetError from None
                if response.status not in good:
                        if response.status == 500 and b'being stopped' in response.body:
                                return False
                        self.wrong.append((request[:200], response))
                elif response.status == 200:
                        self.expected.update(self.doubt)
                        self.acknowledged += 1
                self.doubt = {}
                return response.header('Connection') != 'close'

        def name(self):
                return '%s %d' % (self.random.choice(('näme', 'x' * 200, '"\\')), self.random.getrandbits(40))

        def pin(self):
                cid, name = self.random.choice(self.cids), self.name()
                number = name.rpartition(' ')[2]
                target = f'/pins/{cid}?name={quote(name)}&meta-number={number}&mode=recursive'
                return {cid: name}, b'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n' % target.encode(), (200,)

        def unpin(self):
                cid = self.random.choice(self.cids)
                return {cid: ABSENT}, b'DELETE /pins/%s HTTP/1.1\r\nHost: x\r\n\r\n' % cid.encode(), (200, 404)

        def import_(self):
                names = {cid: self.name() for cid in self.imported}
                body = b''.join(json.dumps({'cid': c, 'name': n, 'metadata': {'number': n.rpartition(' ')[2]}, 'type': 'pin',
                                            'max_depth': -1}).encode() + b'\n' for c, n in names.items())
                return names, b'POST /allocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body), (200,)

        def check(self, found):
                """FOUND: {cid: pin}. What is there is what is expected from now on."""
                for cid in self.cids + self.imported:
                        pin = found.pop(cid, None)
                        name = pin['name'] if pin else ABSENT
                        allowed = [self.expected.get(cid, ABSENT)]
                        if cid in self.doubt:
                                allowed.append(self.doubt[cid])
                        assert name in allowed, f'{cid} is {name!r}, expected {allowed}'
                        assert not pin or pin['metadata'] == {'number': name.rpartition(' ')[2]}, pin
                        self.expected[cid] = name


setattr(Client, 'import', Client.import_)


def quote(text):
        return ''.join('%%%02X' % b for b in text.encode())


def pinset(peer):
        return {p['cid']: p for p in peer.get('/allocations').lines()}


def disturb(peer, chance):
        """Something that happens to a process; answers whether it has ended."""
        popen = peer.process.popen
        kind = chance.choices(('kill', 'pause', 'stop', 'kill while paused'), (6, 2, 2, 1))[0]
        if 'pause' in kind:
                popen.send_signal(signal.SIGSTOP)
                time.sleep(chance.random() * 0.2)
        if kind == 'pause':
                popen.send_signal(signal.SIGCONT)
                time.sleep(chance.random() * 0.2)
                return False
        popen.send_signal(signal.SIGTERM if kind == 'stop' else signal.SIGKILL)
        popen.wait(PATIENCE)
        return True


def kill_while_starting(peer, chance):
        """Some starts that never become one."""
        for _ in range(chance.choice((0, 0, 1, 2))):
                peer.launch()
                time.sleep(chance.random() * 0.1)
                peer.kill()


def one_round(peer, chance, states):
        peer.launch()
        peer.serving()
        found = pinset(peer)
        for client in states.get('clients', []):
                client.check(found)
        assert not found, f'nobody pinned {found}'
        states['clients'] = clients = [Client(peer, n, chance.random(), states.setdefault(n, {})) for n in range(OPTIONS.clients)]
        for client in clients:
                client.start()
        time.sleep(chance.random() * ROUND_SECONDS)
        while not disturb(peer, chance):
                pass
        for client in clients:
                client.join(PATIENCE)
                assert not client.is_alive(), 'a client waits for ever'
                assert not client.wrong, client.wrong[0]
        states['n'] = states.get('n', 0) + sum(c.acknowledged for c in clients)


def loses_nothing_that_was_acknowledged(bench):
        chance, states = random.Random(OPTIONS.seed), {}
        kubo = bench.stand_in()
        peer = bench.peer(kubo, edit=lambda c: c['pin_tracker']['stateless'].update(concurrent_pins=50))
        for n in range(OPTIONS.rounds):
                try:
                        one_round(peer, chance, states)
                except Exception:
                        print(f'# round {n}, --seed {OPTIONS.seed}')
                        raise
                kill_while_starting(peer, chance)
        peer.start()
        found = pinset(peer)
        wanted = set(found)
        for client in states['clients']:
                client.check(found)
        eventually(lambda: wanted <= set(kubo.control()['pins']), 'IPFS has what the cluster has', PATIENCE * 2)
        peer.stop()
        print(f'# {OPTIONS.rounds} rounds, {states["n"]} changes acknowledged, {len(wanted)} pins at the end, '
              f'--seed {OPTIONS.seed}')


if __name__ == '__main__':
        run(loses_nothing_that_was_acknowledged)
