#!/usr/bin/env python3
"""rounds.py [--minutes N] [--seed N] [--peers N] [TEST…]: several clients change the pinset through all peers of a cluster, each on
a host of its own, while peers are killed, stopped, paused, cut off both ways and one way, lose packets, are removed and come back, or lose their disk. After each round all
peers are read: they have the same pins, what was acknowledged is there, what was removed has stayed away, what was under way is
either; their digests and Kubos agree. Some clients change the same CIDs, and no change takes effect twice. A minute by default.
"""
import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster_test import PATIENCE, Daemon, StandIn, Process, Reader, connect, eventually, read_response, run  # noqa: E402
from hosts import PEER_PORT, Hosts  # noqa: E402
from ipfs_content import numbered  # noqa: E402

CIDS_PER_CLIENT = 40
CLIENTS = 6
RIVALS = 3  # that change the same CIDs
CONTESTED = 3
ROUND_SECONDS = 6
CALM_SECONDS = 90  # by then a cluster without faults has settled
COPIES = 2, 3  # where pins move
REPIN_SECONDS = 6  # of silence, at most, with pings each second
ABSENT = None


def parse():
        p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        p.add_argument('--minutes', type=float, default=1)
        p.add_argument('--peers', type=int, default=0, help='3 and 5 by default')
        p.add_argument('--seed', type=int, default=int.from_bytes(os.urandom(4), 'big'))
        p.add_argument('--tap', action='store_true', help=argparse.SUPPRESS)
        options, sys.argv[1:] = p.parse_known_args()
        return options


OPTIONS = parse()


class HostKubo(StandIn):
        """A stand-in whose API is a Unix socket, which all hosts share."""

        def __init__(self, bench, number):
                self.path = os.path.join(bench.folder, f'kubo{number}')
                super().__init__(bench, '--unix', self.path)
                self.own = set(self.control()['pins'])

        @property
        def multiaddr(self):
                return f'/unix{self.path}'


class HostPeer(Daemon):
        """A daemon on a host; its API is a Unix socket."""

        def __init__(self, bench, hosts, number):
                self.hosts, self.number = hosts, number
                self.is_out, self.users, self.lock = False, 0, threading.Lock()
                super().__init__(bench, HostKubo(bench, number), name=f'peer{number}')
                self.port = os.path.join(bench.folder, f'api{number}')

        def settle(self, config, name):
                super().settle(config, name)
                config['cluster']['listen_multiaddress'] = f'/ip4/{Hosts.address(self.number)}/tcp/{PEER_PORT}'
                config['api']['restapi']['http_listen_multiaddress'] = f'/unix{self.bench.folder}/api{self.number}'
                config['pin_tracker']['stateless']['concurrent_pins'] = 50

        def enter(self):
                """A client begins to use it; not while it is out of the cluster, where it would take changes for itself."""
                with self.lock:
                        self.users += not self.is_out
                        return not self.is_out

        def leave(self):
                with self.lock:
                        self.users -= 1

        def address(self):
                return f'/ip4/{Hosts.address(self.number)}/tcp/{PEER_PORT}/p2p/{self.peer_id}'

        def command(self, *arguments):
                return [*self.hosts.inside(self.number), *super().command(*arguments)]


class Client(threading.Thread):
        """Changes CIDs of its own, each time through a peer by chance. What was not answered with 200 is in doubt, and is left alone
        until the round is over: it may still be carried out."""

        def __init__(self, peers, number, seed, expected):
                super().__init__(daemon=True)
                self.peers, self.number, self.random, self.expected = peers, number, random.Random(seed), expected
                self.cids = [str(numbered(number * 1000 + n)) for n in range(CIDS_PER_CLIENT)]
                self.doubt, self.acknowledged, self.wrong, self.ends = {}, 0, [], False

        def run(self):
                while not self.ends:
                        free = [c for c in self.cids if c not in self.doubt]
                        if not free:
                                return
                        self.change(self.random.choice(free))

        def some_name(self):
                return f'{self.number}-{self.random.getrandbits(40)}' if self.random.random() < 0.65 else ABSENT

        def ask(self, peer, cid, name):
                """Through a peer that was entered. The answer; None: there was none."""
                request = (f'POST /pins/{cid}?name={name}' if name else f'DELETE /pins/{cid}') + ' HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'
                try:
                        with connect(peer.port, 10) as connection:
                                connection.sendall(request.encode())
                                response = read_response(Reader(connection, 10), request.split()[0])
                except (OSError, EOFError):
                        time.sleep(0.05)
                        return None
                finally:
                        peer.leave()
                if response.status not in (200, 404, 500, 503, 504) or (response.status == 404 and name):
                        self.wrong.append((request, response))
                return response

        def change(self, cid):
                name, peer = self.some_name(), self.random.choice(self.peers)
                if not peer.enter():
                        return
                self.doubt[cid] = name
                response = self.ask(peer, cid, name)
                if response is None:
                        return
                if response.status == 200 or (response.status == 404 and name is ABSENT and self.expected.get(cid) is ABSENT):
                        self.expected[cid] = name
                        self.acknowledged += 1
                        del self.doubt[cid]
                elif response.status == 404 and name is ABSENT:
                        del self.doubt[cid]  # this peer is behind, and says what it knows

        def check(self, found):
                for cid in self.cids:
                        name = found.pop(cid)['name'] if cid in found else ABSENT
                        allowed = {self.expected.get(cid)} | ({self.doubt[cid]} if cid in self.doubt else set())
                        assert name in allowed, f'{cid} of client {self.number} is {name!r}, expected {allowed}'
                        self.expected[cid] = name


def begun(process):
        """How often. A peer may begin again by itself, in the same process, and shows older states until it has caught up."""
        return process.text().count('info daemon: Initializing.')


class Contest:
        """CIDs that several change. Each name is given once, so each process sees it come and go once, in the order of the log; and
        what is there in the end was not replaced by anything that began after it was acknowledged."""

        def __init__(self):
                self.cids = [str(numbered(950000 + n)) for n in range(CONTESTED)]
                self.lock, self.found, self.changes, self.seen, self.wrong = threading.Lock(), {}, [], {}, []

        def began(self, cid, name):
                with self.lock:
                        self.changes.append({'cid': cid, 'name': name, 'began': time.monotonic(), 'ended': None})
                        return self.changes[-1]

        def see(self, peer, process, cid, name):
                if (process, cid) not in self.seen:
                        self.seen[process, cid] = begun(process), []
                starts, names = self.seen[process, cid]
                if names and names[-1] == name:
                        return
                if name is not ABSENT and name in names and begun(process) != starts:
                        self.seen[process, cid] = begun(process), [name]
                        return
                if name is not ABSENT and name in names:
                        self.wrong.append(f'{peer.name} has pinned {cid} twice as {name}: {names[names.index(name):]}')
                names.append(name)

        def check(self, found):
                assert not self.wrong, self.wrong[0]
                for cid in self.cids:
                        name = found.pop(cid)['name'] if cid in found else ABSENT
                        changes = [c for c in self.changes if c['cid'] == cid]
                        changes.append({'name': self.found.get(cid), 'began': 0, 'ended': 0})
                        last = max(c['began'] for c in changes if c['ended'] is not None)
                        allowed = {c['name'] for c in changes if c['ended'] is None or c['ended'] >= last}
                        assert name in allowed, f'{cid} is {name!r}, expected one of {allowed}'
                        self.found[cid] = name
                self.changes = []


class Rival(Client):
        """Changes CIDs that others change, too."""

        def __init__(self, peers, number, seed, contest):
                super().__init__(peers, number, seed, {})
                self.cids, self.contest = contest.cids, contest

        def change(self, cid):
                name, peer = self.some_name(), self.random.choice(self.peers)
                if not peer.enter():
                        return
                change = self.contest.began(cid, name)
                response = self.ask(peer, cid, name)
                if response is not None and response.status == 200:
                        change['ended'] = time.monotonic()
                        self.acknowledged += 1
                time.sleep(self.random.random() * 0.05)

        def check(self, found):
                pass


class Watcher(threading.Thread):
        """Looks at one peer what the contested CIDs are."""

        def __init__(self, peer, contest):
                super().__init__(daemon=True)
                self.peer, self.contest, self.ends = peer, contest, False

        def run(self):
                while not self.ends:
                        for cid in self.contest.cids:
                                self.look(cid)
                        time.sleep(0.03)

        def look(self, cid):
                process = self.peer.process  # one that was started again shows older states until it has caught up
                if not self.peer.enter():
                        return
                try:
                        with connect(self.peer.port, 10) as connection:
                                connection.sendall(f'GET /allocations/{cid} HTTP/1.1\r\nHost: x\r\n\r\n'.encode())
                                response = read_response(Reader(connection, 10), 'GET')
                except (OSError, EOFError):
                        return
                finally:
                        self.peer.leave()
                if response.status in (200, 404) and process is self.peer.process:
                        self.contest.see(self.peer, process, cid, response.json()['name'] if response.status == 200 else ABSENT)


def pinset(peer):
        return {p['cid']: p for p in peer.get('/allocations', timeout=PATIENCE).lines()}


def has_pin(peer, cid):
        """A peer that joins begins anew, and does not listen for a moment."""
        with contextlib.suppress(OSError, EOFError):
                return peer.get(f'/allocations/{cid}').status == 200
        return False


# ---- what happens to them

def kill(peer, hosts, chance):
        peer.kill()
        yield chance.random() * 2
        peer.launch()


def stop(peer, hosts, chance):
        peer.process.popen.send_signal(signal.SIGTERM)
        yield chance.random()
        peer.process.stop()
        peer.launch()


def pause(peer, hosts, chance):
        peer.process.popen.send_signal(signal.SIGSTOP)
        yield chance.random() * 4
        peer.process.popen.send_signal(signal.SIGCONT)


def cut(peer, hosts, chance):
        hosts.cut(peer.number)
        yield chance.random() * 4
        hosts.heal()


def cut_one_way(peer, hosts, chance):
        hosts.drop(peer.number, chance.choice([n for n in range(len(hosts.names)) if n != peer.number]))
        yield chance.random() * 4
        hosts.heal()


def deafen(peer, hosts, chance):
        hosts.drop(peer.number)
        yield chance.random() * 4
        hosts.heal()


def lose(peer, hosts, chance):
        hosts.lose(peer.number, 20)
        yield chance.random() * 4
        hosts.heal()


def comes_back(peer, member):
        """Others go on changing the pinset: what is pinned now has to come."""
        mark = str(numbered(910000 + peer.number))
        eventually(lambda: member.post(f'/pins/{mark}', timeout=60).status == 200, 'the cluster takes changes', CALM_SECONDS)
        eventually(lambda: has_pin(peer, mark), f'{peer.name} has the pinset', CALM_SECONDS)
        eventually(lambda: member.delete(f'/pins/{mark}', timeout=60).status in (200, 404), 'the cluster takes changes', CALM_SECONDS)


def remove_and_add(peer, hosts, chance, peers):
        """It ends by itself, is started again as a peer of its own, and is fetched by a member."""
        peer.is_out = True
        eventually(lambda: peer.users == 0, 'nobody uses it any more')
        member = chance.choice([p for p in peers if p is not peer])
        eventually(lambda: member.delete(f'/peers/{peer.peer_id}', timeout=60).status == 204, f'{peer.name} is removed', CALM_SECONDS)
        eventually(lambda: not peer.process.running(), f'{peer.name} ends by itself', CALM_SECONDS)
        assert peer.process.popen.returncode == 0, f'{peer.name} ended with {peer.process.popen.returncode}'
        yield chance.random()
        peer.launch()
        peer.serving()
        body = json.dumps({'peer_id': peer.peer_id, 'peer_multiaddress': peer.address()})
        eventually(lambda: member.post('/peers', body=body, timeout=60).status == 200, f'{peer.name} is added', CALM_SECONDS)
        comes_back(peer, member)
        peer.is_out = False


def lose_disk(peer, hosts, chance, peers):
        """All but who it is: it finds out itself, and is taken in anew."""
        peer.is_out = True
        eventually(lambda: peer.users == 0, 'nobody uses it any more')
        member = chance.choice([p for p in peers if p is not peer])
        peer.kill()
        for name in os.listdir(peer.folder):
                path = os.path.join(peer.folder, name)
                if os.path.isdir(path):
                        shutil.rmtree(path)
                elif name not in ('service.json', 'identity.json'):
                        os.unlink(path)
        yield chance.random()
        peer.launch()
        peer.serving()
        comes_back(peer, member)
        peer.is_out = False


def stay_away(peer, hosts, chance):
        """Until the others have given what it held to somebody else."""
        peer.kill()
        yield 2 * REPIN_SECONDS
        peer.launch()


FAULTS = (kill, kill, stop, pause, cut, cut_one_way, deafen, lose, remove_and_add, lose_disk)
MOVING_FAULTS = (stay_away, kill, pause, cut, remove_and_add)


def disturb(peers, hosts, chance, until, faults):
        while time.monotonic() < until:
                time.sleep(chance.random() * 0.5)
                fault = chance.choice(faults)
                peer = chance.choice(peers)
                leader = next((p for p in peers if f'The leader is {p.peer_id}' in tail(peer)), None)
                if leader and chance.random() < 0.5:
                        peer = leader
                steps = fault(peer, hosts, chance, *([peers] if fault in (remove_and_add, lose_disk) else []))
                for seconds in steps:
                        time.sleep(seconds)


def tail(peer):
        lines = [l for l in peer.process.text().splitlines() if 'The leader is ' in l]
        return lines[-1] if lines else ''


# ---- what has to hold

def agree(peers):
        """Until all peers have the same pinset, by pins and by what each tells of itself; the pinset."""
        last = {}

        def same():
                found = [pinset(p) for p in peers]
                last['found'] = found[0]
                return all(f == found[0] for f in found[1:])

        eventually(same, 'all peers have the same pins', CALM_SECONDS, pause=0.2)
        return last['found']


def one_round(peers, hosts, chance, states, faults):
        contest = states.setdefault('contest', Contest())
        clients = [Client(peers, n, chance.random(), states.setdefault(n, {})) for n in range(CLIENTS)]
        clients += [Rival(peers, CLIENTS + n, chance.random(), contest) for n in range(RIVALS)]
        watchers = [Watcher(p, contest) for p in peers]
        for thread in clients + watchers:
                thread.start()
        disturb(peers, hosts, chance, time.monotonic() + ROUND_SECONDS, faults)
        for client in clients:
                client.ends = True
        hosts.heal()
        for client in clients:
                client.join(PATIENCE)
                assert not client.is_alive(), 'a client waits for ever'
                assert not client.wrong, client.wrong[0]
        for peer in peers:
                peer.serving()
        # A change through each peer: the cluster goes on, and what was under way is over.
        for peer in peers:
                eventually(lambda: peer.post(f'/pins/{numbered(900000 + peer.number)}?name=x', timeout=PATIENCE).status == 200,
                           f'{peer.name} takes changes', CALM_SECONDS, pause=0.2)
        time.sleep(1)
        for watcher in watchers:
                watcher.ends = True
                watcher.join(PATIENCE)
        found = agree(peers)
        for peer in peers:
                found.pop(str(numbered(900000 + peer.number)))
        for client in clients:
                client.check(found)
        contest.check(found)
        assert not found, f'nobody pinned {found}'
        return sum(c.acknowledged for c in clients)


def kubos_follow(peers):
        """What a Kubo has beyond the pinset, or lacks, its peer has to tell."""
        pins = pinset(peers[0])
        for peer in peers:
                wanted = {cid for cid, pin in pins.items() if not pin['allocations'] or peer.peer_id in pin['allocations']}

                def follows():
                        has = set(peer.kubo.control()['pins']) - peer.kubo.own
                        follows.missing, follows.more = wanted - has, has - wanted
                        return not follows.missing and not follows.more

                try:
                        eventually(follows, f'the Kubo of {peer.name} has what the cluster has', CALM_SECONDS, pause=0.3)
                except AssertionError as e:
                        cids = [*follows.missing, *follows.more][:3]
                        told = [(c, peer.status(c)) for c in cids]
                        raise AssertionError(f'{e}; {len(follows.missing)} missing, {len(follows.more)} too many: {told}') from None
                for cid in sorted(wanted)[:3]:
                        peer.until(cid, 'pinned')


def have_places(peers):
        """Each pin is at as many members as it should be, also when who had it was away or was removed."""
        members = {p.peer_id for p in peers}

        def placed():
                placed.wrong = {cid: pin['allocations'] for cid, pin in pinset(peers[0]).items()
                                if not COPIES[0] <= len(members & set(pin['allocations'])) == len(pin['allocations']) <= COPIES[1]}
                return not placed.wrong

        try:
                eventually(placed, 'each pin has its places', CALM_SECONDS, pause=0.3)
        except AssertionError as e:
                raise AssertionError(f'{e}; {len(placed.wrong)} have not: {list(placed.wrong.items())[:3]}') from None


def moving(config):
        """What a peer held that was lost is given to others soon."""
        config['cluster'].update(disable_repinning=False, monitor_ping_interval='1s',
                                 replication_factor_min=COPIES[0], replication_factor_max=COPIES[1])


def open_cluster(bench, hosts, n, edit):
        peers = [HostPeer(bench, hosts, i) for i in range(n)]
        for peer in peers:
                others = [p.address() for p in peers if p is not peer]
                peer.edit(lambda c: (c['cluster'].update(secret='c' * 64, peer_addresses=others),
                                     c['consensus']['raft'].update(init_peerset=[p.peer_id for p in peers]), edit(c)))
        for peer in peers:
                peer.launch()
        for peer in peers:
                peer.ready()
        return peers


def rounds(bench, n, seconds, faults=FAULTS, edit=lambda config: None):
        chance, states, end = random.Random(OPTIONS.seed + n), {}, time.monotonic() + seconds
        hosts = Hosts(n)
        try:
                peers = open_cluster(bench, hosts, n, edit)
                number = changes = 0
                while time.monotonic() < end:
                        try:
                                changes += one_round(peers, hosts, chance, states, faults)
                        except Exception:
                                print(f'# {n} peers, round {number}, --seed {OPTIONS.seed}')
                                raise
                        number += 1
                if edit is moving:
                        have_places(peers)
                kubos_follow(peers)
                for peer in peers:
                        assert 'differ' not in peer.process.text(), 'pinsets differ'
                        peer.stop()
                print(f'# {n} peers: {number} rounds, {changes} changes acknowledged, --seed {OPTIONS.seed}', flush=True)
        finally:
                for process in bench.processes:
                        process.popen.send_signal(signal.SIGCONT) if process.running() else None
                        process.kill()
                hosts.close()


def three_peers_lose_nothing(bench):
        rounds(bench, OPTIONS.peers or 3, OPTIONS.minutes * 20)


def five_peers_lose_nothing(bench):
        rounds(bench, OPTIONS.peers or 5, OPTIONS.minutes * 20)


def pins_move_from_who_is_lost(bench):
        rounds(bench, OPTIONS.peers or 5, OPTIONS.minutes * 20, MOVING_FAULTS, moving)


if __name__ == '__main__':
        run(three_peers_lose_nothing, five_peers_lose_nothing, pins_move_from_who_is_lost)
