// Forks: all of the copy or nothing of it, in a numbering of its own, with the timers that are still to come.

import { expect, test } from 'vitest'
import type { ExecutionKey } from '../../../src/core/execution.js'
import type { ForkRow } from '../../../src/store/store.js'
import { conformance } from '../../support/conformance.js'
import {
  claimIn,
  commitOf,
  Place,
  startClaimed,
  startRow,
  stepCompleted,
  WORKFLOW,
} from '../../support/store-rows.js'

const LATER = new Date('2999-01-01')

conformance('forks', (context) => {
  /** started, step 1, paused, a sleep that is over, one that is not. */
  async function source(): Promise<{ place: Place; key: ExecutionKey }> {
    const place = new Place()
    const key = place.key('source', 1)
    await startClaimed(context.store, place.node('a'), [key])
    await context.store.commit([
      commitOf(key, place.node('a'), {
        events: [
          stepCompleted(1),
          { type: 'paused' },
          { type: 'sleep_started', seq: 2, dueAt: new Date(0) },
          { type: 'sleep_started', seq: 3, dueAt: LATER },
        ],
      }),
    ])
    return { place, key }
  }

  const forkOf = (key: ExecutionKey, to: ExecutionKey, overrides: Partial<ForkRow> = {}): ForkRow => ({
    key: to,
    source: { key, from: 1, to: 5 },
    dropped: [3],
    count: 4,
    workflow: WORKFLOW,
    workflowVersion: '1',
    startId: 'f',
    detail: '{"run":1}',
    attributes: { city: 'Ulm' },
    priority: 2,
    ...overrides,
  })

  test('a fork is a copy without what is left out, for whoever claims it', async () => {
    const { place, key } = await source()
    const to = place.key('fork')
    expect(await context.store.fork(forkOf(key, to))).toMatchObject({ kind: 'created', claimed: false })
    const [[original = [], copy = []], [row]] = await Promise.all([
      context.store.readHistories(
        [
          { key, from: 1 },
          { key: to, from: 1 },
        ],
        10,
      ),
      context.store.readExecutions([to]),
    ])
    const [started, ...rest] = original.filter(({ version }) => version !== 3)
    const expected = [{ ...started, detail: '{"run":1}' }, ...rest]
    expect(copy).toEqual(expected.map((event, n) => ({ ...event, version: n + 1 })))
    expect(row).toMatchObject({
      status: 'running',
      run: 1,
      version: 4,
      claimedBy: null,
      readyAt: expect.any(Date),
      attributes: { city: 'Ulm' },
      startId: 'f',
      parentId: null,
    })
    expect(
      await context.sql`select version, due_at from timers where execution_id = ${to.executionId}::text`,
    ).toEqual([{ version: 4, due_at: LATER }])
    expect(await claimIn(context.store, place)).toMatchObject([{ key: to, version: 4, claimEpoch: 1 }])
  })

  test('what is read of a range has no payloads', async () => {
    const { key } = await source()
    const events = await context.store.readForkable(key, { from: 2, to: 3 })
    expect(events).toMatchObject([
      { version: 2, type: 'step_completed', seq: 1 },
      { version: 3, type: 'paused' },
    ])
    for (const event of events) expect(event).not.toHaveProperty('payload')
  })

  test('the same start id finds the fork, another one finds the id taken, and nothing is written', async () => {
    const { place, key } = await source()
    const to = place.key('fork')
    await context.store.fork(forkOf(key, to))
    expect(await context.store.fork(forkOf(key, to))).toMatchObject({ kind: 'created' })
    const other = forkOf(key, to, { startId: 'g', count: 1, source: { key, from: 1, to: 1 }, dropped: [] })
    expect(await context.store.fork(other)).toMatchObject({ kind: 'exists', row: { startId: 'f' } })
    const [history] = await context.store.readHistories([{ key: to, from: 1 }], 10)
    expect(history).toHaveLength(4)
  })

  test('nothing is made of a source that is not all there', async () => {
    const { place, key } = await source()
    expect(await context.store.fork(forkOf(key, place.key('more'), { count: 5 }))).toEqual({ kind: 'gone' })
    expect(await context.store.fork(forkOf(place.key('none'), place.key('none too')))).toEqual({
      kind: 'gone',
    })
    expect(await context.store.readExecutions([place.key('more'), place.key('none too')])).toEqual([
      null,
      null,
    ])
    await context.store.insertExecutions([startRow(place.key('more'))])
  })
})
