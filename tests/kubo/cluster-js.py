#!/usr/bin/env python3
"""The JavaScript client of IPFS Cluster (@nftstorage/ipfs-cluster, from npm) with a peer and a real Kubo."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import run  # noqa: E402
from npm import install, play  # noqa: E402

PACKAGE = '@nftstorage/ipfs-cluster@5.0.1'
PROGRAM = '''
import { readFileSync } from 'node:fs'
import { Cluster } from '@nftstorage/ipfs-cluster'

const named = (text, name) => Object.assign(new Blob([text]), { name })
const [, , url, car, basic] = process.argv
const cluster = new Cluster(url, { headers: { Authorization: 'Basic ' + Buffer.from(basic).toString('base64') } })
const until = async (cid, wanted) => {
  for (;;) {
    const { peerMap } = await cluster.status(cid)
    const all = Object.values(peerMap).map(p => p.status)
    if (all.every(s => s === wanted)) return all
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
const told = { version: await cluster.version(), info: await cluster.info(), metricNames: await cluster.metricNames() }
told.peers = (await cluster.peerList()).map(p => p.id)
told.add = await cluster.add(named('from js', 'a.txt'), { name: 'a pin', metadata: { from: 'js' }, replicationFactorMin: -1, replicationFactorMax: -1 })
told.streamed = await cluster.add(named('streamed', 's.txt'), { streamChannels: true })
told.folder = await cluster.addDirectory([named('one', '1.txt'), named('two', '2.txt')], { name: 'a folder' })
told.car = await cluster.addCAR(new Blob([readFileSync(car)]), { name: 'a car' })
told.pinned = await until(told.add.cid, 'pinned')
told.allocation = await cluster.allocation(told.add.cid)
told.pin = await cluster.pin(told.add.cid, { name: 'anew', expireAt: new Date('2031-01-01T00:00:00Z'), metadata: { a: 'b' } })
told.path = await cluster.pin('/ipfs/' + told.folder.at(-1).cid + '/1.txt')
told.recovered = await cluster.recover(told.add.cid)
told.all = (await cluster.statusAll()).map(s => s.cid)
told.some = (await cluster.statusAll({ cids: [told.add.cid, told.path.cid] })).map(s => s.cid)
await until(told.path.cid, 'pinned')
told.filtered = (await cluster.statusAll({ filter: ['pin_error', 'pinned'] })).map(s => s.cid)
told.unpinned = await cluster.unpin(told.add.cid)
told.after = await until(told.add.cid, 'unpinned')
told.errors = []
for (const question of [() => cluster.allocation(told.add.cid), () => cluster.unpin(told.add.cid), () => cluster.pin('junk'),
  () => new Cluster(url).version()]) {
  try { await question() } catch (e) { told.errors.push(e.message) }
}
console.log(JSON.stringify(told))
'''


def client_of_javascript(bench):
        folder, kubo = install(bench, PACKAGE), bench.real_kubo()
        root = kubo.add({'c.txt': b'in a car'}, pin='false')['c.txt']
        with open(os.path.join(folder, 'a.car'), 'wb') as f:
                f.write(kubo.call('dag/export', arg=root).body)
        peer = bench.peer(kubo, edit=lambda c: c['api']['restapi'].update(basic_auth_credentials={'user': 'password'})).start()
        told = play(folder, PROGRAM, f'http://127.0.0.1:{peer.port}', 'a.car', 'user:password')
        assert told['version'].startswith('1.1.6') and told['info']['id'] == peer.peer_id and told['peers'] == [peer.peer_id], told
        assert told['info']['ipfs']['id'] == kubo.peer_id and {'ping', 'freespace'} <= set(told['metricNames']), told
        cid, folder_cid = told['add']['cid'], told['folder'][-1]['cid']
        assert told['add']['name'] == 'a.txt' and cid.startswith('bafk') and len(told['streamed']['cid']) > 40, told
        assert [f['name'] for f in told['folder']] == ['1.txt', '2.txt', ''] and told['car']['cid'] == root, told
        assert told['allocation']['name'] == 'a pin' and told['allocation']['metadata'] == {'from': 'js'}, told
        assert told['pin']['name'] == 'anew' and told['pin']['expireAt'] == '2031-01-01T00:00:00.000Z', told
        assert told['path']['cid'] == told['folder'][0]['cid'] and told['recovered']['cid'] == cid, told
        everything = {cid, told['streamed']['cid'], folder_cid, root, told['path']['cid']}
        assert set(told['all']) == everything and set(told['some']) == {cid, told['path']['cid']}, told
        assert cid in told['filtered'], told  # an empty list is 204 in both programs, which this client takes for an error
        assert told['unpinned']['cid'] == cid and told['after'] == ['unpinned'], told
        assert told['errors'] == ['404: Not Found', '404: Not Found', '400: Bad Request', '401: Unauthorized'], told
        for one in everything - {cid}:
                assert kubo.pin_type(one) == 'recursive', one
        assert kubo.pin_type(cid) is None


run(client_of_javascript)
