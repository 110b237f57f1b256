#!/usr/bin/env python3
"""ipfs-cluster-service says what the Go program said.

tests/golden/service/NAME.txt is a recording: the command, its standard input, environment and exit status, and what
came on both streams. They are replayed in their order on folders of a temporary <DIR>; the configurations that the
recordings 162 to 180 met are made here as their names say. Lines of logs are not compared. What differs on purpose
stands with the case, by its reason; LEFT_OUT has what is not replayed.
"""
import difflib
import glob
import json
import os
import re
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import SOURCE, run  # noqa: E402

FOLDER = os.path.join(SOURCE, 'tests', 'golden', 'service')
LOG_LINE = re.compile(r'^(\d{4}-\d\d-\d\dT|(debug|info|notice|warning) \w+: ).*\n', re.M)
INIT_HINT = '; `ipfs-cluster-service init` makes one'
TIMEOUT = 60

CRDT = 'crdt is not offered'
LEFT_OUT = {
        '003-no-args': 'without a verb the daemon runs, as in 2017',
        '011-help-state-crdt': CRDT, '012-help-state-crdt-info': CRDT, '013-help-state-crdt-dot': CRDT,
        '015-help-state-crdt-mark-clean': CRDT, '027-no-config-crdt-info': CRDT, '043-init-peers-crdt': CRDT,
        '160-raft-crdt-info': CRDT,
        '045-init-url': 'a configuration from a URL is not offered',
        '046-init-leveldb': CRDT, '047-init-badger': CRDT, '048-init-badger3': CRDT,
        '149-raft-export-after-array': 'a bad import changes nothing here',
        '151-raft-export-after-second-bad': 'a bad import changes nothing here',
        '155-raft-export-after-unknown-type': 'a bad import changes nothing here',
        '177-cfg-source-unreachable': 'a configuration from a URL is not offered, so it is not asked',
        '179-cfg-env-bad-int': 'a daemon that runs: test-read.c has the variable',
}
SEEN = set()


def load(name):
        with open(os.path.join(FOLDER, name + '.txt'), encoding='utf-8', newline='') as f:
                head, rest = f.read().split('=== stdout\n', 1)
        out, err = rest.split('\n=== stderr\n', 1)
        fields = dict(line.split(': ', 1) for line in head.splitlines())
        return fields, out, err.removesuffix('\n')


def differ(what, got, wanted):
        if got == wanted:
                return []
        return [f'{what}:', *difflib.unified_diff(str(wanted).splitlines(), str(got).splitlines(), 'expected', 'got', lineterm='', n=1)]


def replay(bench, name, status=None, stdout=None, stderr=None, folder=None):
        """STATUS, STDOUT, STDERR: what is expected instead. FOLDER: instead of the configuration's."""
        SEEN.add(name)
        fields, out, err = load(name)
        environment = dict(pair.split('=', 1) for pair in fields.get('env', '').split())
        arguments = [a.replace('<DIR>', bench.folder) for a in shlex.split(fields['command'])[1:]]
        if folder:
                arguments[1] = folder
        done = subprocess.run([bench.service, *arguments], input=json.loads(fields.get('stdin', '""')), capture_output=True,
                              text=True, timeout=TIMEOUT, env={**os.environ, 'TZ': 'UTC', 'HOME': os.path.join(bench.folder, 'home'), **environment})
        want = [t.replace('<DIR>', bench.folder) for t in (out if stdout is None else stdout, err if stderr is None else stderr)]
        bad = differ('status', done.returncode, int(fields['exit']) if status is None else status)
        bad += differ('stdout', done.stdout, want[0])
        bad += differ('stderr', LOG_LINE.sub('', done.stderr), LOG_LINE.sub('', want[1]))
        assert not bad, name + '\n' + '\n'.join(bad)


def help_and_versions(bench):
        for name in ('001-version-flag', '002-version', '006-help-daemon', '008-help-state-export', '010-help-state-cleanup',
                     '016-help-version', '022-unknown-state-sub'):
                replay(bench, name)
        without_crdt = load('007-help-state')[1].replace('   crdt     CRDT-state commands\n', '')
        for name in ('export', 'import', 'cleanup'):
                without_crdt = without_crdt.replace(f'   {name:9}', f'   {name:16}')
        without_crdt = without_crdt.replace('persistent data\n', 'persistent data\n   recover-quorum  go on alone when too few peers are left\n')
        replay(bench, '007-help-state', stdout=without_crdt)
        replay(bench, '017-state-no-sub', stdout=without_crdt)
        replay(bench, '020-unknown-flag-daemon', status=1)  # a bad option is no success
        # The texts of init and of the program itself tell what is offered here.
        ours = {words: subprocess.run([bench.service, *words, '--help'], capture_output=True, text=True, env={'HOME': os.path.join(bench.folder, 'home')}).stdout
                for words in ((), ('init',))}
        replay(bench, '005-help-init', stdout=ours['init',])
        replay(bench, '018-unknown-command', stdout=ours[()])
        replay(bench, '021-unknown-flag-init', status=1, stdout='Incorrect Usage: flag provided but not defined: -frob\n\n' + ours['init',])
        assert 'init      ' not in ours[()] and '--consensus value' in ours['init',]


def no_configuration(bench):
        for name in ('023-no-config-daemon', '025-no-config-state-import', '026-no-config-state-cleanup'):
                replay(bench, name, stderr=load(name)[2].rstrip('\n') + INIT_HINT + '\n')
        replay(bench, '028-bad-loglevel', stderr='error : --loglevel: "frob" is not allowed, expected levels such as info,cluster:debug\n')
        assert not os.path.exists(os.path.join(bench.folder, 'none'))


def first_configurations(bench):
        for name in ('031-init-raft', '032-init-crdt', '033-init-exists-no', '035-init-exists-eof', '036-init-exists-junk',
                     '037-init-exists-force', '038-init-custom-secret', '041-init-env', '042-init-peers-raft'):
                replay(bench, name)
        replay(bench, '040-init-env-secret-bad',
               stderr='error applying environment variables to configuration: CLUSTER_SECRET: the value is not allowed, '
                      'expected 64 hexadecimal digits, or nothing for an open cluster\n')
        replay(bench, '030-init-bad-datastore',
               stderr='error choosing consensus: crdt is not offered, expected raft. The pins of a crdt peer come over with its own '
                      '`state export` and with `state import` here\n')


def service(bench, *arguments, status=0, **options):
        done = subprocess.run([bench.service, *arguments], capture_output=True, text=True, timeout=TIMEOUT, env={**os.environ, 'TZ': 'UTC'}, **options)
        assert done.returncode == status, (arguments, done)
        return done.stdout


def state_of_a_stopped_peer(bench):
        a, work = os.path.join(bench.folder, 'a'), os.path.join(bench.folder, 'work')
        service(bench, '-c', a, 'init')
        os.mkdir(work)
        one = json.loads(load('145-raft-import-overrides')[0]['stdin'])
        with open(os.path.join(work, 'exp1.json'), 'w', encoding='utf-8') as f:
                f.write(one)

        for name in ('140-raft-state-export-empty', '141-raft-import-no', '142-raft-import-missing-file'):
                replay(bench, name)
        service(bench, '-c', a, 'state', 'import', '-f',
                input=one + '{"cid":"bafkreiakniykocnzomwmu3lcktxdv3647n3p7giju6rqnd4qvgmxv4iz5y","type":"pin","max_depth":0}\n')
        lines = load('144-raft-export-after-import')[1].splitlines()
        SEEN.add('144-raft-export-after-import')  # the order of the lines is that of the store
        assert sorted(service(bench, '-c', a, 'state', 'export').splitlines()) == sorted(l for l in lines if l)

        replay(bench, '145-raft-import-overrides')
        replay(bench, '146-raft-export-after-overrides')
        # What cannot be used is refused, and the state stays.
        replay(bench, '147-raft-import-allocs-bad', status=1, stdout='',
               stderr='error parsing allocations: --allocations: "junk": expected a peer ID\n')
        assert service(bench, '-c', a, 'state', 'export') == load('146-raft-export-after-overrides')[1]
        replay(bench, '150-raft-import-second-bad', stderr='error importing state: pin 2: the input ends in the middle of it\n')
        replay(bench, '154-raft-import-unknown-type', status=1,
               stderr='error importing state: pin 1: type: "zz" is not allowed, expected pin, meta-pin, clusterdag-pin or shard-pin\n')
        assert service(bench, '-c', a, 'state', 'export') == load('146-raft-export-after-overrides')[1]

        replay(bench, '152-raft-import-old-cid-form', status=0, stderr='')  # the form of 0.10 to 0.14
        replay(bench, '157-raft-export-final')
        replay(bench, '156-raft-import-prompt-yes')
        replay(bench, '157-raft-export-final')
        service(bench, '-c', a, 'state', 'cleanup', '-f')
        replay(bench, '159-raft-cleanup-again')
        replay(bench, '161-raft-export-no-data')
        with open(os.path.join(a, 'cluster.lock'), 'w', encoding='utf-8'):
                replay(bench, '181-cfg-lock-leftover')


def bad_configurations(bench):
        good = os.path.join(bench.folder, 'good')
        service(bench, '-c', good, 'init')
        with open(os.path.join(good, 'service.json'), encoding='utf-8') as f:
                config = json.load(f)
        with open(os.path.join(good, 'identity.json'), encoding='utf-8') as f:
                identity = f.read()

        def bad(name, words, status=78, identity=identity, **changes):
                """A configuration with each path of CHANGES (a__b__c) set, or TEXT as it is."""
                text, wrong = changes.pop('text', None), json.loads(json.dumps(config))
                for path, value in changes.items():
                        *way, last = path.split('__')
                        place = wrong
                        for key in way:
                                place = place[key]
                        place[last] = value
                folder = os.path.join(bench.folder, 'badcfg')
                os.makedirs(folder, exist_ok=True)
                for file, content in ('service.json', text or json.dumps(wrong)), ('identity.json', identity):
                        with open(os.path.join(folder, file), 'w', encoding='utf-8') as f:
                                f.write(content)
                replay(bench, name, status=status, stderr=words)

        prefix = 'error loading configurations: '
        bad('162-cfg-not-json', prefix + 'service.json: not valid JSON at byte 1\n', text='{not json')
        bad('164-cfg-empty-object', prefix + 'cluster.listen_multiaddress is undefined\n', text='{}')
        bad('165-cfg-no-identity', prefix + 'identity.json: id: "" is not allowed, expected a peer ID\n', identity='{}')
        bad('166-cfg-identity-junk', prefix + 'identity.json: id: "junk" is not allowed, expected a peer ID\n', identity='{"id":"junk"}')
        bad('167-cfg-no-consensus', prefix + 'could not determine the consensus component: expected the section consensus.raft\n', consensus={})
        bad('169-cfg-bad-secret', prefix + 'cluster.secret: the value is not allowed, expected 64 hexadecimal digits, or nothing for an open cluster\n',
            cluster__secret='abcd')
        bad('170-cfg-bad-listen', prefix + 'cluster.listen_multiaddress: "junk" is not allowed, expected one or more multiaddrs such as /ip4/0.0.0.0/tcp/9096\n',
            cluster__listen_multiaddress='junk')
        bad('171-cfg-bad-duration', prefix + 'cluster.state_sync_interval: "soon" is not allowed, expected a duration such as "1m30s"\n',
            cluster__state_sync_interval='soon')
        bad('172-cfg-bad-rmin', prefix + 'cluster.replication_factor_min is larger than max: 3, 2\n',
            cluster__replication_factor_min=3, cluster__replication_factor_max=2)
        bad('174-cfg-empty-creds', prefix + 'api.restapi.basic_auth_credentials: the value is not allowed, expected something that is not empty\n',
            api__restapi__basic_auth_credentials={})
        bad('175-cfg-wrong-type', prefix + 'cluster.peername: 3 is not allowed, expected a string\n', cluster__peername=3)
        bad('176-cfg-cert-missing', 'error creating REST API component: api.restapi.ssl_cert_file: cannot read <DIR>/badcfg/nope.pem: No such file or directory\n',
            api__restapi__ssl_cert_file='nope.pem', api__restapi__ssl_key_file='nope.pem')
        bad('180-cfg-bootstrap-bad', 'error parsing bootstrap multiaddress (junk): must begin with /\n', status=1)


def all_recordings_are_named(bench):
        names = {os.path.basename(p)[:-4] for p in glob.glob(os.path.join(FOLDER, '*.txt'))}
        assert names == SEEN | set(LEFT_OUT), sorted(names ^ (SEEN | set(LEFT_OUT)))
        assert not SEEN & set(LEFT_OUT)


run(help_and_versions, no_configuration, first_configurations, state_of_a_stopped_peer, bad_configurations, all_recordings_are_named)
