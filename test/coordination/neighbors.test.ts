// What tells a node that the process of another one on its machine has ended, and what does not.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { expect, it } from 'vitest'
import { LeaseHolder } from '../../src/coordination/lease-holder.js'
import { Neighbors } from '../../src/coordination/neighbors.js'
import { newId } from '../../src/core/ids.js'
import { silentLogger, systemClock } from '../../src/core/ports.js'
import { createTestDatabase } from '../support/database.js'
import { startNodeProcess, type NodeProcess } from '../support/node-process.js'
import { IDLE } from '../support/store-rows.js'
import { eventually } from '../support/wait.js'

// Names without a file are Linux's own; elsewhere the lease alone decides.
const onLinux = it.skipIf(process.platform !== 'linux')
const PATIENCE = { deadlineMs: 30_000 }

async function watchedProcess(nodeId: string): Promise<NodeProcess> {
  const file = new URL('fixtures/watched.ts', import.meta.url)
  const child = startNodeProcess({ file, args: [nodeId] })
  await child.waitForOutput('listening', PATIENCE)
  return child
}

function watcher(): { readonly neighbors: Neighbors; readonly gone: string[] } {
  const gone: string[] = []
  return {
    gone,
    neighbors: new Neighbors({ log: silentLogger, onGone: (nodeId) => gone.push(nodeId) }),
  }
}

onLinux('a process that was killed is noticed, one that stands still is not', async () => {
  const [stalled, killed] = [newId(), newId()]
  const [first, second] = [await watchedProcess(stalled), await watchedProcess(killed)]
  const { neighbors, gone } = watcher()
  try {
    neighbors.visit([stalled, killed])
    // The ids have to be heard before anything can be concluded.
    await eventually(() => neighbors.size === 2, PATIENCE)
    first.stall()
    await second.kill()
    await eventually(() => gone.length > 0, PATIENCE)
    expect(gone).toEqual([killed])
    first.resume()
    await first.kill()
    await eventually(() => gone.length > 1, PATIENCE)
    expect(gone).toEqual([killed, stalled])
  } finally {
    neighbors.close()
  }
})

onLinux('a connection that is cut before the id was heard is no death', async () => {
  const [busy, ended] = [newId(), newId()]
  let cut = 0
  const server = createServer((socket) => {
    cut++
    socket.destroy()
  })
  await new Promise<void>((resolve) => void server.listen({ path: `\0cerebelum/${busy}` }, resolve))
  const child = await watchedProcess(ended)
  const { neighbors, gone } = watcher()
  try {
    neighbors.visit([busy, ended])
    await eventually(() => cut > 0 && neighbors.size === 1, PATIENCE)
    await child.kill()
    await eventually(() => gone.length > 0, PATIENCE)
    expect(gone).toEqual([ended])
  } finally {
    neighbors.close()
    server.close()
  }
})

onLinux('who calls under the name of another and hangs up is no death of that one', async () => {
  const [living, ended] = [newId(), newId()]
  const { neighbors, gone } = watcher()
  const selfId = newId()
  const [first, second] = [await watchedProcess(living), await watchedProcess(ended)]
  try {
    await neighbors.listen(selfId)
    const liar = connect({ path: `\0cerebelum/${selfId}` })
    await once(liar, 'data')
    liar.write(`${living}\n`)
    // It was called back, and that is what counts.
    await eventually(() => neighbors.size === 1, PATIENCE)
    liar.destroy()
    neighbors.visit([living, ended])
    await eventually(() => neighbors.size === 2, PATIENCE)
    await second.kill()
    await eventually(() => gone.length > 0, PATIENCE)
    expect(gone).toEqual([ended])
    expect(first.isRunning()).toBe(true)
  } finally {
    neighbors.close()
  }
})

onLinux(
  'a node whose process ended is buried however long its lease lasts, one that left is not',
  async () => {
    const database = await createTestDatabase()
    const store = await database.openStore()
    const [killed, left] = [newId(), newId()]
    const deaths: string[] = []
    const holder = new LeaseHolder({
      store,
      clock: systemClock,
      log: silentLogger,
      region: 'local',
      address: null,
      release: 'test',
      capacity: 1,
      workflows: [],
      leaseMs: 60_000,
      heartbeatMs: 100,
      report: () => IDLE,
      onLost: () => undefined,
      onWork: () => undefined,
      onDeath: ({ nodeIds }) => deaths.push(...nodeIds),
    })
    try {
      const processes = await Promise.all([killed, left].map((nodeId) => watchedProcess(nodeId)))
      for (const nodeId of [killed, left]) {
        const lease = { region: 'local', address: null, release: 'test', capacity: 1, workflows: [] }
        await store.insertLease({ ...lease, nodeId, report: IDLE, leaseMs: 3_600_000 })
      }
      await holder.start()
      await eventually(() => holder.neighbors.size === 2, PATIENCE)
      await store.removeLease(left)
      await processes[1]?.kill()
      await processes[0]?.kill()
      await eventually(() => deaths.length > 0, PATIENCE)
      expect(deaths).toEqual([killed])
      const { leases } = await store.readCluster()
      expect(leases.map(({ nodeId }) => nodeId)).toEqual([holder.nodeId])
    } finally {
      await holder.stop()
      await database.drop()
    }
  },
)
