// The lane statement, one commit: who may append what, and what each transition leaves behind.

import { expect, test } from 'vitest'
import { conformance } from '../../support/conformance.js'
import {
  claimIn,
  commitOf,
  Place,
  releaseOf,
  startClaimed,
  startRow,
  stepCompleted,
} from '../../support/store-rows.js'

conformance('commit', (context) => {
  async function claimed(): Promise<{ place: Place; key: ReturnType<Place['key']>; node: string }> {
    const place = new Place()
    const node = place.node('a')
    const key = place.key('one')
    await startClaimed(context.store, node, [key])
    return { place, key, node }
  }

  async function rowOf(key: ReturnType<Place['key']>) {
    const [row] = await context.store.readExecutions([key])
    if (row === undefined || row === null) throw new Error('the row is gone')
    return row
  }

  async function typesOf(key: ReturnType<Place['key']>): Promise<string[]> {
    const [history] = await context.store.readHistories([{ key, from: 1 }], 100)
    return (history ?? []).map(({ type, version }) => `${version} ${type}`)
  }

  test('appends events after the expected version, at one time, and touches nothing else', async () => {
    const { key, node } = await claimed()
    const before = await rowOf(key)
    const events = [stepCompleted(1), stepCompleted(2)]
    const [outcome] = await context.store.commit([commitOf(key, node, { events })])
    expect(outcome).toEqual({ kind: 'committed', at: expect.any(Date), rung: false })
    const [history] = await context.store.readHistories([{ key, from: 2 }], 10)
    const at = outcome?.kind === 'committed' ? outcome.at : undefined
    expect(history).toEqual(events.map((event, n) => ({ ...event, version: n + 2, at })))
    expect(await rowOf(key)).toEqual(before)
  })

  test.each([
    ['another node', { nodeId: 'somebody' }],
    ['an earlier claim', { claimEpoch: 0 }],
    ['a later claim', { claimEpoch: 2 }],
  ])('is lost to the fence for %s, and writes nothing', async (_who, fence) => {
    const { key, node } = await claimed()
    const closing = {
      events: [{ type: 'completed' as const }],
      transition: { kind: 'close' as const, status: 'completed' as const },
    }
    for (const what of [{}, closing]) {
      const [outcome] = await context.store.commit([commitOf(key, node, { ...what, ...fence })])
      expect(outcome).toEqual({ kind: 'lost' })
    }
    expect(await typesOf(key)).toEqual(['1 started'])
    expect(await rowOf(key)).toMatchObject({ status: 'running', claimedBy: node })
  })

  test('is lost when there is no such execution', async () => {
    const key = new Place().key('none')
    expect(await context.store.commit([commitOf(key, 'n')])).toEqual([{ kind: 'lost' }])
    expect(await typesOf(key)).toEqual([])
  })

  test('is lost when the version is taken: whoever appended first wins', async () => {
    const { key, node } = await claimed()
    await context.store.commit([commitOf(key, node, { events: [stepCompleted(1, '"first"')] })])
    const late = commitOf(key, node, { events: [stepCompleted(1, '"late"'), stepCompleted(2)] })
    expect(await context.store.commit([late])).toEqual([{ kind: 'lost' }])
    const release = { ...late, transition: { kind: 'release', status: 'waiting' } as const }
    expect(await context.store.commit([release])).toEqual([{ kind: 'lost' }])
    expect(await typesOf(key)).toEqual(['1 started', '2 step_completed'])
    expect(await rowOf(key)).toMatchObject({ status: 'running', claimedBy: node })
  })

  test('a release gives the claim up and keeps a doorbell that rang', async () => {
    const { place, key, node } = await claimed()
    const [quiet] = await context.store.commit([
      {
        ...releaseOf(key, node, { note: 'waits' }),
        events: [{ type: 'sleep_started', seq: 1, delayMs: 3_600_000 }],
      },
    ])
    expect(quiet).toMatchObject({ kind: 'committed', rung: false })
    expect(await rowOf(key)).toMatchObject({
      status: 'waiting',
      version: 2,
      claimedBy: null,
      claimEpoch: 1,
      readyAt: null,
      note: 'waits',
    })
    expect(await claimIn(context.store, place)).toEqual([])
    const [history] = await context.store.readHistories([{ key, from: 2 }], 1)
    expect(history?.[0]?.dueAt?.getTime()).toBeCloseTo((history?.[0]?.at.getTime() ?? 0) + 3_600_000, -1)
  })

  test('a release that asks to be rung rings when asked', async () => {
    const { place, key, node } = await claimed()
    const [outcome] = await context.store.commit([releaseOf(key, node, { status: 'running', readyInMs: 0 })])
    expect(outcome).toMatchObject({ kind: 'committed', rung: true })
    expect(await claimIn(context.store, place)).toMatchObject([{ key, claimEpoch: 2 }])
  })

  test('a release for later is not claimed before, and never puts off a doorbell that rang', async () => {
    const { place, key, node } = await claimed()
    await context.store.commit([
      releaseOf(key, node, { status: 'blocked', readyInMs: 3_600_000, note: 'why' }),
    ])
    expect(await rowOf(key)).toMatchObject({ status: 'blocked', note: 'why', readyAt: expect.any(Date) })
    expect(await claimIn(context.store, place)).toEqual([])
    expect(await context.store.commit([releaseOf(key, node)])).toEqual([{ kind: 'lost' }])
  })

  test.each(['paused', 'dead'] as const)('what is %s is not claimed, even when rung', async (status) => {
    const { place, key, node } = await claimed()
    await context.store.commit([releaseOf(key, node, { status, readyInMs: 0 })])
    expect(await claimIn(context.store, place)).toEqual([])
  })

  test.each(['completed', 'failed', 'canceled', 'terminated'] as const)(
    'a close as %s is for good',
    async (status) => {
      const { place, key, node } = await claimed()
      const closing = commitOf(key, node, {
        events: [{ type: status }],
        transition: { kind: 'close', status },
      })
      const [outcome] = await context.store.commit([closing])
      expect(outcome).toMatchObject({ kind: 'committed', rung: false })
      const row = await rowOf(key)
      expect(row).toMatchObject({ status, version: 2, claimedBy: null, readyAt: null, note: null })
      expect(row.closedAt).toEqual(outcome?.kind === 'committed' && outcome.at)
      expect(await claimIn(context.store, place)).toEqual([])
      expect(await context.store.commit([commitOf(key, node, { expectedVersion: 2 })])).toEqual([
        { kind: 'lost' },
      ])
    },
  )

  test('continue as new begins the next run in the same log and keeps the claim', async () => {
    const { key, node } = await claimed()
    const [outcome] = await context.store.commit([
      commitOf(key, node, {
        events: [{ type: 'continued' }, { type: 'started', payload: '"next"' }],
        transition: { kind: 'continue', workflowVersion: '7' },
      }),
    ])
    expect(outcome).toMatchObject({ kind: 'committed' })
    expect(await rowOf(key)).toMatchObject({
      run: 2,
      runVersion: 3,
      version: 3,
      workflowVersion: '7',
      status: 'running',
      claimedBy: node,
      claimEpoch: 1,
      closedAt: null,
    })
    expect(await context.store.commit([commitOf(key, node, { expectedVersion: 3 })])).toMatchObject([
      { kind: 'committed' },
    ])
  })

  test('attributes are merged, one by one', async () => {
    const { key, node } = await claimed()
    const set = (expectedVersion: number, attributes: Record<string, string | number>) =>
      context.store.commit([
        commitOf(key, node, { expectedVersion, events: [{ type: 'attributes_set' }], attributes }),
      ])
    await set(1, { city: 'Ulm', n: 1 })
    await set(2, { n: 2, plate: 'x' })
    expect(await rowOf(key)).toMatchObject({ attributes: { city: 'Ulm', n: 2, plate: 'x' }, claimedBy: node })
  })

  test('progress takes back the count of crashes', async () => {
    const { key, node } = await claimed()
    await context.sql`update executions set attempts = 3 where execution_id = ${key.executionId}::text`
    await context.store.commit([releaseOf(key, node, { status: 'running', readyInMs: 0 })])
    expect(await rowOf(key)).toMatchObject({ attempts: 3 })
    const place = { region: key.region, partition: key.partition }
    await context.store.claim({
      nodeId: node,
      partitions: [place],
      since: null,
      workflows: [startRow(key).workflow],
      limit: 1,
    })
    await context.store.commit([{ ...releaseOf(key, node), claimEpoch: 2, events: [stepCompleted(1)] }])
    expect(await rowOf(key)).toMatchObject({ attempts: 0 })
  })
})
