#!/usr/bin/env python3
"""GET /metrics for Prometheus: what it says is what the API says, promtool understands it, and the alerts and the dashboard
that are installed ask for what is there."""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import SOURCE, Skip, eventually, exchange, free_ports, run  # noqa: E402
from ipfs_content import numbered  # noqa: E402

FOLDER = os.path.join(SOURCE, 'units', 'prometheus')
SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
# Counters under the names of the Go program, which end otherwise than promtool likes.
OLD_NAMES = {'ipfscluster_pins_pin_add', 'ipfscluster_pins_pin_add_errors', 'ipfscluster_blocks_put', 'ipfscluster_blocks_put_errors'}


# Of the Go program, and not told here: content goes to IPFS as a whole, and is not cut into blocks here; how many pins
# IPFS has is known after a listing only.
NOT_TOLD = {'ipfscluster_blocks_added', 'ipfscluster_blocks_added_size', 'ipfscluster_pins_ipfs_pins'}


def endpoint():
        return f'/ip4/127.0.0.1/tcp/{free_ports(1)[0]}'


def watch(config):
        config['observations']['metrics'].update(enable_stats=True, prometheus_endpoint=endpoint())


def watched(bench, kubo=None, **options):
        return bench.peer(kubo, edit=watch, **options)


def port_of(peer):
        with open(os.path.join(peer.folder, 'service.json'), encoding='utf-8') as f:
                return int(json.load(f)['observations']['metrics']['prometheus_endpoint'].rpartition('/')[2])


def scrape(peer):
        """{name or name{labels}: value}."""
        response = exchange(port_of(peer), 'GET', '/metrics')
        assert response.status == 200 and response.header('Content-Type').startswith('text/plain; version=0.0.4'), response
        found = {}
        for line in response.body.decode().splitlines():
                if not line.startswith('#'):
                        name, labels, value = SAMPLE.match(line).groups()
                        key = f'{name}{{{labels}}}' if labels else name
                        assert key not in found, f'{key} is told twice'
                        found[key] = float(value)
        return found


def is_what_the_api_says(bench):
        kubo = bench.stand_in()
        peer = watched(bench, kubo).start()
        for n in range(4):
                peer.pin(numbered(n))
        kubo.fault('pin/add', 'status', message='no')
        for n in range(10, 12):
                peer.post(f'/pins/{numbered(n)}')
                peer.until(numbered(n), 'pin_error')
        kubo.fault('pin/add', 'stall')
        for n in range(20, 33):  # ten of them at the same time
                peer.post(f'/pins/{numbered(n)}')
        eventually(lambda: scrape(peer)['ipfscluster_pins_pinning'] == 10, 'ten are under way')

        found = scrape(peer)
        for status in ('pinning', 'pin_queued', 'pin_error', 'unpin_queued', 'unpinning', 'unpin_error', 'unexpectedly_unpinned'):
                told = len(peer.get(f'/pins?local=true&filter={status}').lines())
                assert found[f'ipfscluster_pins_{status}'] == told, (status, found[f'ipfscluster_pins_{status}'], told)
        assert found['ipfscluster_pins_pin_queued'] == 3 and found['ipfscluster_pins_pin_error'] == 2
        assert found['ipfscluster_pins'] == len(peer.get('/allocations').lines()) == 19
        assert found['ipfscluster_informer_disk'] == peer.get('/monitor/metrics/freespace').json()[0]['weight']
        assert found['ipfscluster_peers'] == len(peer.ok('GET', '/id')['cluster_peers'])
        assert found['ipfscluster_alerts'] == len(peer.ok('GET', '/health/alerts'))
        assert found['ipfscluster_pins_pin_add_errors'] == 2
        assert found['ipfscluster_pins_pin_add'] == found['ipfscluster_kubo_request_duration_seconds_count{command="pin/add"}'] == 6
        assert found['ipfscluster_commit_duration_seconds_count'] == 19
        assert found['ipfscluster_commit_duration_seconds_bucket{le="+Inf"}'] == 19
        assert found['ipfscluster_raft_applied_index'] == found['ipfscluster_raft_last_index'] >= 19
        assert found['ipfscluster_raft_leader'] == found['ipfscluster_raft_role{role="voter"}'] == 1
        assert 0 < found['ipfscluster_queue_age_seconds{queue="pin"}'] < 3600
        assert found['ipfscluster_queue_age_seconds{queue="unpin"}'] == 0
        assert 0 < found['process_resident_memory_bytes'] < found['process_virtual_memory_bytes']
        peer.process.kill()


def tells_that_kubo_is_away(bench):
        kubo = bench.stand_in()
        peer = watched(bench, kubo).start()
        assert scrape(peer)['ipfscluster_kubo_up'] == 1
        kubo.stop()
        peer.post(f'/pins/{numbered(1)}')
        eventually(lambda: scrape(peer)['ipfscluster_kubo_up'] == 0, 'it is told that Kubo is away')
        found = scrape(peer)
        assert found['ipfscluster_pins_pin_queued'] == 1 and found['ipfscluster_pins_pin_error'] == 0
        assert sum(v for k, v in found.items() if k.startswith('ipfscluster_kubo_request_failures_total')) > 0
        peer.stop()


def is_off_unless_asked_for(bench):
        peer = bench.peer(edit=lambda c: c['observations']['metrics'].update(prometheus_endpoint=endpoint())).start()
        port = port_of(peer)
        try:
                exchange(port, 'GET', '/metrics')
                raise AssertionError('somebody listens')
        except ConnectionRefusedError:
                pass
        peer.stop()
        peer.start('--stats')
        assert scrape(peer)['ipfscluster_pins'] == 0
        for method, path, status in (('GET', '/', 404), ('GET', '/metrics/', 404), ('POST', '/metrics', 405), ('HEAD', '/metrics', 200)):
                assert exchange(port, method, path).status == status, (method, path)
        other = watched(bench, peer.kubo, name='other')
        other.edit(lambda c: c['observations']['metrics'].update(prometheus_endpoint=f'/ip4/127.0.0.1/tcp/{port}'))
        _, err = other.offline('daemon', status=1)
        assert 'error setting up metrics: observations.metrics.prometheus_endpoint: cannot listen at ' in err, err
        peer.stop()


def has_the_names_of_the_go_program(bench):
        with open(os.path.join(SOURCE, 'tests', 'golden', 'metrics', '650-prometheus-metrics.json'), encoding='utf-8') as f:
                recorded = json.load(f)['response']
        peer = watched(bench).start()
        eventually(lambda: peer.get('/monitor/metrics/freespace').json(), 'the disk is known')
        text = exchange(port_of(peer), 'GET', '/metrics').body.decode().splitlines()
        wanted = {l for l in recorded['lines_with_ipfscluster'] if l.startswith('# TYPE')}
        missing = {l.split()[2] for l in wanted - set(text)}
        assert missing == NOT_TOLD, missing
        helps = {l for l in recorded['lines_with_ipfscluster'] if l.startswith('# HELP') and l.split()[2] not in NOT_TOLD}
        assert {l.split()[2] for l in helps - set(text)} == {'ipfscluster_blocks_put'}, helps - set(text)  # which says more here
        assert {n for n in recorded['other_families'] if n.startswith('process_')} - {'process_virtual_memory_max_bytes'} <= {
                l.split()[2] for l in text if l.startswith('# TYPE process_')} | {'process_network_receive_bytes_total', 'process_network_transmit_bytes_total'}
        peer.stop()


def tells_of_the_other_peers(bench):
        peers = bench.cluster(3, edit=watch)
        for peer in peers:
                peer.launch()
        for peer in peers:
                peer.ready()

        def links(peer):
                return {k: v for k, v in scrape(peer).items() if k.startswith('ipfscluster_peer_up')}

        for peer in peers:
                wanted = {f'ipfscluster_peer_up{{peer="{p.peer_id}",peername="{p.name}"}}': 1 for p in peers if p is not peer}
                eventually(lambda: links(peer) == wanted, 'all are linked, and known by name')
                assert scrape(peer)['ipfscluster_raft_role{role="voter"}'] == 1
        eventually(lambda: sum(scrape(p)['ipfscluster_raft_leader'] for p in peers) == 1, 'one leads')
        peers[0].ok('POST', f'/pins/{numbered(1)}')
        index = scrape(peers[0])['ipfscluster_raft_applied_index']
        for peer in peers:
                eventually(lambda: scrape(peer)['ipfscluster_raft_applied_index'] >= index, 'all have applied it')
        assert scrape(peers[0])['ipfscluster_commit_duration_seconds_count'] == 1  # where it was asked for
        assert scrape(peers[1])['ipfscluster_commit_duration_seconds_count'] == 0
        peers[2].kill()
        for peer in peers[:2]:
                eventually(lambda: links(peer)[f'ipfscluster_peer_up{{peer="{peers[2].peer_id}",peername="{peers[2].name}"}}'] == 0, 'the link is lost')
        for peer in peers[:2]:
                peer.stop()


def promtool(*words, status=0, **options):
        if not shutil.which('promtool'):
                raise Skip('promtool (package prometheus) is not there')
        done = subprocess.run(['promtool', *words], capture_output=True, text=True, timeout=60, **options)
        assert done.returncode == status, f'{words}: {done}'
        return done.stdout + done.stderr


def promtool_understands_it(bench):
        peer = watched(bench).start()
        peer.pin(numbered(1))
        text = exchange(port_of(peer), 'GET', '/metrics').body.decode()
        said = promtool('check', 'metrics', status=3, input=text)
        assert {line.split()[0] for line in said.splitlines()} == OLD_NAMES, said
        peer.stop()


def alerts_come_when_they_should(bench):
        assert 'SUCCESS' in promtool('check', 'rules', os.path.join(FOLDER, 'ipfs-cluster.rules.yml'))
        assert 'SUCCESS' in promtool('test', 'rules', os.path.join(FOLDER, 'ipfs-cluster.rules-test.yml'))


def alerts_and_dashboard_ask_for_what_is_there(bench):
        peer = watched(bench).start()
        peer.pin(numbered(1))
        known = {key.partition('{')[0] for key in scrape(peer)} | {'ipfscluster_peer_up'}  # of which there is none alone
        peer.stop()
        with open(os.path.join(FOLDER, 'ipfs-cluster.dashboard.json'), encoding='utf-8') as f:
                dashboard = json.load(f)
        expressions = [t['expr'] for p in dashboard['panels'] for t in p['targets']]
        with open(os.path.join(FOLDER, 'ipfs-cluster.rules.yml'), encoding='utf-8') as f:
                expressions += re.findall(r'expr: (.*)', f.read())
        assert len(expressions) > 30
        for expression in expressions:
                names = re.findall(r'\b(?:ipfscluster|process)_\w+', expression)
                assert set(names) <= known, (expression, set(names) - known)
        rules = {'groups': [{'name': 'dashboard', 'rules': [{'record': f'panel:{n}', 'expr': e.replace('$job', 'j').replace('$instance', 'i')}
                                                            for n, e in enumerate(expressions)]}]}
        path = os.path.join(bench.folder, 'dashboard.rules.json')  # JSON is YAML
        with open(path, 'w', encoding='utf-8') as f:
                json.dump(rules, f)
        promtool('check', 'rules', '--lint=none', path)


run(is_what_the_api_says, tells_that_kubo_is_away, is_off_unless_asked_for, has_the_names_of_the_go_program, tells_of_the_other_peers,
    promtool_understands_it, alerts_come_when_they_should,
    alerts_and_dashboard_ask_for_what_is_there)
