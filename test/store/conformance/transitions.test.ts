// Restart, terminate, resume, remove: whole or not at all, and fencing off whoever still holds the execution.

import { expect, test } from 'vitest'
import type { NewEvent } from '../../../src/core/event.js'
import type { ExecutionKey } from '../../../src/core/execution.js'
import { conformance } from '../../support/conformance.js'
import {
  claimIn,
  commitOf,
  Place,
  releaseOf,
  signalTo,
  startClaimed,
  startRow,
  stepCompleted,
} from '../../support/store-rows.js'

const TERMINATED: NewEvent = { type: 'terminated', payload: '"enough"' }
const RESUMED: NewEvent = { type: 'resumed' }

conformance('single transitions', (context) => {
  async function claimed(name = 'one'): Promise<{ place: Place; key: ExecutionKey; node: string }> {
    const place = new Place()
    const key = place.key(name)
    await startClaimed(context.store, place.node('a'), [key])
    return { place, key, node: place.node('a') }
  }

  async function closed(): Promise<{ place: Place; key: ExecutionKey; node: string }> {
    const found = await claimed()
    await context.store.terminate(found.key, TERMINATED)
    return found
  }

  async function rowOf(key: ExecutionKey) {
    const [row] = await context.store.readExecutions([key])
    return row
  }

  async function typesOf(key: ExecutionKey): Promise<string[]> {
    const [history] = await context.store.readHistories([{ key, from: 1 }], 100)
    return (history ?? []).map(({ type, version }) => `${version} ${type}`)
  }

  test('terminate closes what is open, and its holder appends nothing more', async () => {
    const { key, node } = await claimed()
    await context.store.commit([commitOf(key, node)])
    expect(await context.store.terminate(key, TERMINATED)).toBe('terminated')
    expect(await rowOf(key)).toMatchObject({
      status: 'terminated',
      version: 3,
      claimedBy: null,
      readyAt: null,
      closedAt: expect.any(Date),
    })
    expect(await typesOf(key)).toEqual(['1 started', '2 step_completed', '3 terminated'])
    for (const events of [[stepCompleted(2)], []]) {
      const late = { ...releaseOf(key, node), expectedVersion: 3, events }
      expect(await context.store.commit([late])).toEqual([{ kind: 'lost' }])
    }
    expect(await context.store.terminate(key, TERMINATED)).toBe('closed')
    expect(await context.store.terminate(new Place().key('none'), TERMINATED)).toBe('not_found')
  })

  test('terminations that race appends of the holder all get through', async () => {
    const place = new Place()
    const keys = place.keys(20)
    await startClaimed(context.store, place.node('a'), keys)
    const append = async (key: ExecutionKey): Promise<void> => {
      for (let version = 1; version < 6; version++) {
        await context.store.commit([commitOf(key, place.node('a'), { expectedVersion: version })])
      }
    }
    const [outcomes] = await Promise.all([
      Promise.all(keys.map((key) => context.store.terminate(key, TERMINATED))),
      ...keys.map(append),
    ])
    expect(new Set(outcomes)).toEqual(new Set(['terminated']))
    const histories = await context.store.readHistories(
      keys.map((key) => ({ key, from: 1 })),
      100,
    )
    expect(histories.map((events) => events.at(-1)?.type)).toEqual(keys.map(() => 'terminated'))
    expect(histories.map((events) => events.filter(({ type }) => type === 'terminated').length)).toEqual(
      keys.map(() => 1),
    )
  })

  test('two terminations at once: one of them', async () => {
    const { key } = await claimed()
    const outcomes = await Promise.all([1, 2, 3].map(() => context.store.terminate(key, TERMINATED)))
    expect(outcomes.toSorted()).toEqual(['closed', 'closed', 'terminated'])
  })

  test('terminate tells the parent once, and rings it', async () => {
    const place = new Place()
    const parent = context.store.keyOf(`parent in ${place.region}`)
    const child = place.key('child')
    await startClaimed(context.store, place.node('a'), [parent])
    await context.store.commit([releaseOf(parent, place.node('a'))])
    await context.store.insertExecutions([startRow(child, { parent: { key: parent, seq: 4, run: 1 } })])
    await context.store.terminate(child, TERMINATED)
    const [inbox] = await context.store.readInboxes([{ key: parent, after: 0 }], 10)
    expect(inbox).toMatchObject([{ kind: 'child', name: child.executionId, payload: TERMINATED.payload }])
    expect(JSON.parse(inbox?.[0]?.detail ?? '')).toEqual({ seq: 4, run: 1, status: 'terminated' })
    expect(await rowOf(parent)).toMatchObject({ readyAt: expect.any(Date), inbox: 1 })
  })

  test.each(['paused', 'blocked', 'dead'] as const)('resume wakes what is %s', async (status) => {
    const { place, key, node } = await claimed()
    await context.sql`update executions set attempts = 5 where execution_id = ${key.executionId}::text`
    await context.store.commit([releaseOf(key, node, { status, note: 'why' })])
    expect(await context.store.resume(key, RESUMED)).toBe('resumed')
    expect(await typesOf(key)).toEqual(['1 started', '2 resumed'])
    expect(await rowOf(key)).toMatchObject({ status: 'running', version: 2, attempts: 0, note: null })
    expect(await claimIn(context.store, place)).toMatchObject([{ key, version: 2 }])
  })

  test('resume with an id is carried out once, whatever has become of the execution since', async () => {
    const { key, node } = await claimed()
    await context.store.commit([releaseOf(key, node, { status: 'paused' })])
    const named: NewEvent = { type: 'resumed', messageId: 'r-1' }
    expect(await context.store.resume(key, named)).toBe('resumed')
    expect(await context.store.resume(key, named)).toBe('resumed')
    expect(await context.store.resume(key, { ...named, messageId: 'r-2' })).toBe('not_resumable')
    expect(await typesOf(key)).toEqual(['1 started', '2 resumed'])
  })

  test('resume leaves alone what runs, waits or is closed', async () => {
    const { key, node } = await claimed()
    expect(await context.store.resume(key, RESUMED)).toBe('not_resumable')
    await context.store.commit([releaseOf(key, node)])
    expect(await context.store.resume(key, RESUMED)).toBe('not_resumable')
    await context.store.terminate(key, TERMINATED)
    expect(await context.store.resume(key, RESUMED)).toBe('not_resumable')
    expect(await context.store.resume(new Place().key('none'), RESUMED)).toBe('not_found')
    expect(await typesOf(key)).toEqual(['1 started', '2 terminated'])
  })

  test('remove takes a closed execution away with all that belongs to it', async () => {
    const { place, key, node } = await claimed()
    await context.store.sendMessages([signalTo(key, 'm')], 10)
    await context.store.commit([
      commitOf(key, node, { events: [{ type: 'sleep_started', seq: 1, delayMs: 1e9 }] }),
    ])
    expect(await context.store.remove(key)).toBe('open')
    await context.store.terminate(key, TERMINATED)
    expect(await context.store.remove(key)).toBe('removed')
    expect(await context.store.remove(key)).toBe('not_found')
    for (const table of ['executions', 'events', 'timers', 'signals']) {
      const rows = await context.sql`
        select 1 from ${context.sql(table)} where region = ${place.region}::text limit 1`
      expect([table, rows.length]).toEqual([table, 0])
    }
    expect(await context.store.insertExecutions([startRow(key)])).toMatchObject([{ kind: 'created' }])
  })

  test('restart begins the next run of a closed id in the same log', async () => {
    const { place, key } = await closed()
    const row = {
      ...startRow(key, { workflow: 'next', startId: 's2', attributes: { a: 1 } }),
      expectedRun: 1,
    }
    const outcome = await context.store.restart(row)
    expect(outcome).toMatchObject({ kind: 'created', claimed: false })
    expect(await rowOf(key)).toMatchObject({
      workflow: 'next',
      status: 'running',
      run: 2,
      runVersion: 3,
      version: 3,
      startId: 's2',
      attributes: { a: 1 },
      claimedBy: null,
      closedAt: null,
    })
    expect(await typesOf(key)).toEqual(['1 started', '2 terminated', '3 started'])
    const request = {
      nodeId: 'b',
      partitions: place.partitions(),
      since: null,
      workflows: ['next'],
      limit: 5,
    }
    expect(await context.store.claim(request)).toMatchObject([{ key, run: 2, runVersion: 3 }])
  })

  test('restart replaces an open run, closing it first and fencing its holder off', async () => {
    const { place, key, node } = await claimed()
    const row = { ...startRow(key), expectedRun: 1, close: TERMINATED }
    expect(await context.store.restart(row)).toMatchObject({ kind: 'created' })
    expect(await typesOf(key)).toEqual(['1 started', '2 terminated', '3 started'])
    expect(await context.store.commit([commitOf(key, node, { expectedVersion: 3 })])).toEqual([
      { kind: 'lost' },
    ])
    expect(await claimIn(context.store, place)).toMatchObject([{ key, run: 2, claimEpoch: 3 }])
  })

  test('a restart for later waits with a timer', async () => {
    const { place, key } = await closed()
    await context.store.restart({ ...startRow(key, { startAt: new Date(0) }), expectedRun: 1 })
    expect(await rowOf(key)).toMatchObject({ status: 'waiting', run: 2, readyAt: null })
    await context.settled(place)
    expect(await context.store.fireTimers(place.partitions(), 10)).toMatchObject({ taken: 1 })
    await context.settled(place)
    expect(await claimIn(context.store, place)).toHaveLength(1)
  })

  test('of two restarts at once one begins the run; asked again with its start id it is the same one', async () => {
    const { key } = await closed()
    const restart = (startId: string) =>
      context.store.restart({ ...startRow(key, { startId }), expectedRun: 1 })
    const outcomes = await Promise.all(['x', 'y', 'z'].map(restart))
    expect(outcomes.map(({ kind }) => kind).toSorted()).toEqual(['conflict', 'conflict', 'created'])
    const winner = ['x', 'y', 'z'][outcomes.findIndex(({ kind }) => kind === 'created')] ?? ''
    const begun = outcomes.find(({ kind }) => kind === 'created')
    expect(await restart(winner)).toEqual(begun)
    expect(await typesOf(key)).toHaveLength(3)
  })

  test('a restart of what is not there, or has gone on, is a conflict and writes nothing', async () => {
    const { key } = await closed()
    expect(await context.store.restart({ ...startRow(key), expectedRun: 2 })).toEqual({ kind: 'conflict' })
    const none = new Place().key('none')
    expect(await context.store.restart({ ...startRow(none), expectedRun: 1 })).toEqual({ kind: 'conflict' })
    expect(await typesOf(key)).toHaveLength(2)
    expect(await typesOf(none)).toEqual([])
  })

  test("a restart on the caller's transaction is undone with it", async () => {
    const { key } = await closed()
    const undone = context.sql.begin(async (sql) => {
      const outcome = await context.store.restartWithin(sql, { ...startRow(key), expectedRun: 1 })
      expect(outcome).toMatchObject({ kind: 'created' })
      throw new Error('the caller changes its mind')
    })
    await expect(undone).rejects.toThrow('changes its mind')
    expect(await rowOf(key)).toMatchObject({ status: 'terminated', run: 1 })
    await context.sql.begin((sql) => context.store.restartWithin(sql, { ...startRow(key), expectedRun: 1 }))
    expect(await rowOf(key)).toMatchObject({ status: 'running', run: 2 })
  })
})
