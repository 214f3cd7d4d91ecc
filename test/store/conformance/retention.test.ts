// Retention in the store: what a sweep finds, what it leaves alone, and that what is removed is gone with all that
// belongs to it.

import { expect, test } from 'vitest'
import type { ExecutionKey } from '../../../src/core/execution.js'
import type { Retention } from '../../../src/core/retention.js'
import { keptMsOf, KEPT_MS_DEFAULT } from '../../../src/core/retention.js'
import type { Expired, Sweep } from '../../../src/store/store.js'
import { conformance } from '../../support/conformance.js'
import { commitOf, idsOf, Place, releaseOf, signalTo, startRow } from '../../support/store-rows.js'
import { eventually } from '../../support/wait.js'

conformance('retention', (context) => {
  const DAY_MS = 86_400_000

  function sweepOf(place: Place, retention: Retention = '30 days', passed: Sweep['passed'] = null): Sweep {
    const kept = keptMsOf(retention, 'the test', KEPT_MS_DEFAULT)
    return { workflow: place.region, kept, archived: false, token: 1, passed }
  }

  /** Closed so many days ago, and started a day before that. */
  async function closed(
    place: Place,
    name: string,
    {
      days,
      status = 'completed',
      parent,
    }: {
      readonly days: number
      readonly status?: 'completed' | 'failed'
      readonly parent?: ExecutionKey
    },
  ): Promise<ExecutionKey> {
    const key = await open(place, name, { days: days + 1, ...(parent === undefined ? {} : { parent }) })
    await context.store.commit([
      commitOf(key, place.node('a'), { events: [{ type: status }], transition: { kind: 'close', status } }),
    ])
    await age(key, { days: days + 1, closedDays: days })
    return key
  }

  async function open(
    place: Place,
    name: string,
    { days, parent }: { readonly days: number; readonly parent?: ExecutionKey },
  ): Promise<ExecutionKey> {
    const key = place.key(name)
    const link = parent === undefined ? {} : { parent: { key: parent, seq: 1, run: 1 } }
    await context.store.insertExecutions([
      startRow(key, { workflow: place.region, claimedBy: place.node('a'), ...link }),
    ])
    await age(key, { days })
    return key
  }

  async function age(
    key: ExecutionKey,
    { days, closedDays }: { days: number; closedDays?: number },
  ): Promise<void> {
    await context.sql`
      update executions set
        started_at = date_trunc('milliseconds', now() - ${days * DAY_MS}::float8 * interval '1 millisecond'),
        closed_at = case when closed_at is not null then
          date_trunc('milliseconds', now() - ${(closedDays ?? 0) * DAY_MS}::float8 * interval '1 millisecond') end
      where execution_id = ${key.executionId}::text`
  }

  async function found(sweep: Sweep): Promise<readonly Expired[]> {
    return (await context.store.findExpired(sweep, 100)).found
  }

  async function rowsOf(place: Place): Promise<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const table of ['executions', 'events', 'timers', 'signals', 'turns']) {
      const [row] = await context.sql<{ n: number }[]>`
        select count(*)::int4 as n from ${context.sql(table)} where region = ${place.region}::text`
      counts[table] = row?.n ?? 0
    }
    return counts
  }

  test('finds what closed longer ago than it is kept, by its status, and nothing that is open', async () => {
    const place = new Place()
    const old = await closed(place, 'old', { days: 31 })
    await closed(place, 'young', { days: 29 })
    await open(place, 'open', { days: 400 })
    const failed = await closed(place, 'failed', { days: 31, status: 'failed' })
    expect(idsOf(await found(sweepOf(place)))).toEqual(idsOf([{ key: old }, { key: failed }]))
    expect(idsOf(await found(sweepOf(place, { failed: '90 days' })))).toEqual([old.executionId])
    expect(idsOf(await found(sweepOf(place, { completed: 'off' })))).toEqual([failed.executionId])
    expect(await found(sweepOf(place, 'off'))).toEqual([])
  })

  test('goes through the executions of a workflow page by page, each once', async () => {
    const place = new Place()
    const names = ['a', 'b', 'c', 'd', 'e']
    for (const name of names) await closed(place, name, { days: 40 })
    const seen: string[] = []
    let passed: Sweep['passed'] = null
    let pages = 0
    do {
      const page: Awaited<ReturnType<typeof context.store.findExpired>> = await context.store.findExpired(
        sweepOf(place, '30 days', passed),
        2,
      )
      seen.push(...idsOf(page.found))
      passed = page.passed
      pages++
    } while (passed !== null)
    expect(pages).toBe(3)
    expect(seen.toSorted()).toEqual(names.map((name) => place.key(name).executionId))
  })

  test('what is removed is gone with its history, messages, timers and turns, and its id is free', async () => {
    const place = new Place()
    const key = await open(place, 'one', { days: 40 })
    const node = place.node('a')
    await context.store.sendMessages([signalTo(key, 'm1'), signalTo(key, 'm2')], 10)
    await context.store.commit([
      commitOf(key, node, {
        events: [{ type: 'sleep_started', seq: 1, delayMs: 1e9 }],
        consumed: [{ messageId: 'm1' }],
      }),
    ])
    await context.sql`
      insert into turns (region, partition, execution_id, run, stage, gate_id, state, priority, queued_at, started_at)
      values (${key.region}::text, ${key.partition}::int2, ${key.executionId}::text, 1, 0, 'g', 'held', 3, now(), now())`
    await context.store.commit([
      commitOf(key, node, {
        expectedVersion: 2,
        events: [{ type: 'completed' }],
        transition: { kind: 'close', status: 'completed' },
      }),
    ])
    await age(key, { days: 41, closedDays: 40 })
    await closed(place, 'other', { days: 1 })
    const expired = await found(sweepOf(place))
    expect(idsOf(expired)).toEqual([key.executionId])
    await context.settled(place)
    expect(await context.store.removeExpired(expired)).toBe(1)
    expect(await rowsOf(place)).toEqual({ executions: 1, events: 2, timers: 0, signals: 0, turns: 0 })
    expect(await context.store.insertExecutions([startRow(key)])).toMatchObject([{ kind: 'created' }])
  })

  test('one that began anew since it was found is somebody else: it stays whole', async () => {
    const place = new Place()
    const key = await closed(place, 'one', { days: 40 })
    const expired = await found(sweepOf(place))
    expect(expired).toHaveLength(1)
    await context.store.restart({ ...startRow(key, { workflow: place.region }), expectedRun: 1 })
    expect(await context.store.removeExpired(expired)).toBe(0)
    expect(await rowsOf(place)).toMatchObject({ executions: 1, events: 3 })
    // Also once it has closed again, which is another end than the one that was looked at.
    await context.store.terminate(key, { type: 'terminated' })
    expect(await context.store.removeExpired(expired)).toBe(0)
    expect(await rowsOf(place)).toMatchObject({ executions: 1, events: 4 })
  })

  test('a history longer than a statement should delete goes in parts, and is gone in the end', async () => {
    const place = new Place()
    const key = await closed(place, 'long', { days: 40 })
    await context.sql`
      insert into events (region, partition, execution_id, version, type)
      select ${key.region}::text, ${key.partition}::int2, ${key.executionId}::text, n::int4, 'patched'
      from generate_series(3, 11000) as t (n)`
    await context.sql`update executions set version = 11000 where execution_id = ${key.executionId}::text`
    const expired = await found(sweepOf(place))
    await context.settled(place)
    // CockroachDB may still hold the row's lock of the part before: what is locked is left for the next time.
    await eventually(async () => (await context.store.removeExpired(expired)) === 1)
    expect(await rowsOf(place)).toMatchObject({ executions: 0, events: 0 })
  })

  test('a child stays while the run of its parent is open, which would start it again', async () => {
    const place = new Place()
    // Where its id's hash says: that is where a parent is looked for.
    const parent = context.store.keyOf(`${place.region}/parent`)
    const node = place.node('a')
    await context.store.insertExecutions([startRow(parent, { workflow: place.region, claimedBy: node })])
    const child = await closed(place, 'child', { days: 40, parent })
    expect(await found(sweepOf(place))).toEqual([])
    await context.store.commit([releaseOf(parent, node)])
    await context.store.terminate(parent, { type: 'terminated' })
    expect(idsOf(await found(sweepOf(place)))).toEqual([child.executionId])
  })

  test('a parent stays as long as any of its children', async () => {
    const place = new Place()
    const parent = await closed(place, 'parent', { days: 40 })
    const child = await open(place, 'child', { days: 40, parent })
    expect(await found(sweepOf(place))).toEqual([])
    await context.store.terminate(child, { type: 'terminated' })
    expect(await found(sweepOf(place))).toEqual([])
    expect(await context.store.remove(child)).toBe('removed')
    expect(idsOf(await found(sweepOf(place)))).toEqual([parent.executionId])
  })

  async function takeSettled(
    place: Place,
    options: { readonly canArchive: boolean; readonly holdMs: number },
  ): Promise<Sweep | null> {
    await context.settled(place)
    return context.store.takeSweep(options)
  }

  test("a sweep is one node's at a time, due again when its taker was not heard of", async () => {
    const place = new Place()
    await context.sql`delete from retention`
    await context.store.writePolicies([sweepOf(place)])
    const take = (holdMs: number): Promise<Sweep | null> => takeSettled(place, { canArchive: false, holdMs })
    expect(await take(0)).toMatchObject({ workflow: place.region, passed: null })
    const sweep = await take(3_600_000)
    expect(sweep).toMatchObject({ workflow: place.region })
    expect(await take(3_600_000)).toBeNull()
    if (sweep === null) throw new Error('no sweep')
    const passed = { at: new Date('2020-01-02'), executionId: 'x' }
    await context.store.noteSweep({ sweep, passed, removed: 2, restMinMs: 1e7, restMaxMs: 1e8 })
    const next = await take(3_600_000)
    expect(next).toMatchObject({ workflow: place.region, passed })
    if (next === null) throw new Error('no sweep')
    await context.store.noteSweep({ sweep: next, passed: null, removed: 1, restMinMs: 1e7, restMaxMs: 1e8 })
    expect(await take(1)).toBeNull()
    // One who comes late says nothing any more.
    await context.store.noteSweep({ sweep, passed, removed: 5, restMinMs: 0, restMaxMs: 0 })
    expect(await take(1)).toBeNull()
    const [row] = await context.sql`select removed::int4 as removed from retention`
    expect(row).toEqual({ removed: 3 })
  })

  test('what is to be archived is left to nodes with an archive; what is kept for good is never due', async () => {
    const place = new Place()
    await context.sql`delete from retention`
    await context.store.writePolicies([{ ...sweepOf(place), archived: true }])
    expect(await takeSettled(place, { canArchive: false, holdMs: 0 })).toBeNull()
    expect(await takeSettled(place, { canArchive: true, holdMs: 0 })).toMatchObject({ archived: true })
    await context.store.writePolicies([sweepOf(place, 'off')])
    expect(await takeSettled(place, { canArchive: true, holdMs: 0 })).toBeNull()
  })
})
