// Lists: newest first, each filter by itself and with the others, pages without gaps or repetitions.

import { beforeEach, expect, test } from 'vitest'
import type { ExecutionStatus } from '../../../src/core/execution.js'
import type { ExecutionRow, ListQuery } from '../../../src/store/store.js'
import { conformance } from '../../support/conformance.js'
import { Place, startRow } from '../../support/store-rows.js'

conformance('lists', (context) => {
  let workflow: string
  let place: Place
  beforeEach(async () => {
    place = new Place()
    workflow = `listed ${place.region}`
    await context.store.registerDefinitions([
      { workflow, version: '1' },
      { workflow, version: '2' },
    ])
  })

  interface Wanted {
    readonly name: string
    readonly startedAt?: string
    readonly status?: ExecutionStatus
    readonly workflow?: string
    readonly attributes?: Record<string, string | number | boolean | null>
    readonly parent?: string
  }

  async function make(wanted: readonly Wanted[]): Promise<void> {
    await context.store.insertExecutions(
      wanted.map(({ name, workflow: other, attributes, parent }) =>
        startRow(place.key(name), {
          workflow: other ?? workflow,
          ...(attributes === undefined ? {} : { attributes }),
          ...(parent === undefined ? {} : { parent: { key: place.key(parent), seq: 1, run: 1 } }),
        }),
      ),
    )
    for (const { name, startedAt = '2026-01-01', status = 'running' } of wanted) {
      await context.sql`
        update executions set started_at = ${startedAt}::text::timestamptz, status = ${status}::text
        where execution_id = ${place.key(name).executionId}::text`
    }
  }

  async function list(query: Partial<ListQuery>): Promise<string[]> {
    return namesOf(await context.store.list({ workflow, limit: 100, ...query }))
  }

  function namesOf(rows: readonly ExecutionRow[]): string[] {
    return rows.map(({ key }) => key.executionId.slice(place.region.length + 1))
  }

  test('newest first; of equal times, the greater id first', async () => {
    await make([
      { name: 'b', startedAt: '2026-01-02' },
      { name: 'd', startedAt: '2026-01-01' },
      { name: 'a', startedAt: '2026-01-02' },
      { name: 'c', startedAt: '2026-01-03' },
    ])
    expect(await list({})).toEqual(['c', 'b', 'a', 'd'])
    expect(await list({ limit: 2 })).toEqual(['c', 'b'])
  })

  test('pages cover everything once, also where many began at one time', async () => {
    const names = Array.from({ length: 47 }, (_, n) => `p${String(n).padStart(2, '0')}`)
    await make(
      names.map((name, n) => ({ name, startedAt: n < 30 ? '2026-01-05' : `2026-01-0${1 + (n % 3)}` })),
    )
    const seen: string[] = []
    let after: ListQuery['after']
    for (let page = 0; page < 20; page++) {
      const rows = await context.store.list({
        workflow,
        limit: 7,
        ...(after === undefined ? {} : { after }),
      })
      seen.push(...namesOf(rows))
      const last = rows.at(-1)
      if (last === undefined) break
      after = { startedAt: last.startedAt, executionId: last.key.executionId }
    }
    expect(seen).toEqual(await list({}))
    expect(seen.toSorted()).toEqual(names)
  })

  test('by status, one or several', async () => {
    await make([
      { name: 'r', status: 'running' },
      { name: 'w', status: 'waiting' },
      { name: 'f', status: 'failed' },
      { name: 'd', status: 'dead' },
      { name: 'c', status: 'completed' },
    ])
    expect(await list({ statuses: ['running', 'waiting'] })).toEqual(['w', 'r'])
    expect(await list({ statuses: ['failed'] })).toEqual(['f'])
    expect(await list({ statuses: ['failed', 'dead', 'failed'] })).toEqual(['f', 'd'])
    expect(await list({ statuses: ['completed', 'dead'] })).toEqual(['d', 'c'])
    expect(await list({ statuses: [] })).toEqual([])
  })

  test('by time: from the instant given, and before the other', async () => {
    await make([1, 2, 3, 4].map((day) => ({ name: `day ${day}`, startedAt: `2026-01-0${day}T00:00:00Z` })))
    const startedAfter = new Date('2026-01-02T00:00:00Z')
    const startedBefore = new Date('2026-01-04T00:00:00Z')
    expect(await list({ startedAfter })).toEqual(['day 4', 'day 3', 'day 2'])
    expect(await list({ startedBefore })).toEqual(['day 3', 'day 2', 'day 1'])
    expect(await list({ startedAfter, startedBefore })).toEqual(['day 3', 'day 2'])
    const after = { startedAt: new Date('2026-01-03T00:00:00Z'), executionId: place.key('day 3').executionId }
    expect(await list({ startedAfter, startedBefore, after })).toEqual(['day 2'])
  })

  test('by attributes: all of those given must be equal', async () => {
    await make([
      { name: 'a', attributes: { city: 'Ulm', n: 1 } },
      { name: 'b', attributes: { city: 'Ulm', n: 2, gone: null } },
      { name: 'c', attributes: { city: 'Bonn', n: 1 } },
      { name: 'd' },
    ])
    expect(await list({ attributes: { city: 'Ulm' } })).toEqual(['b', 'a'])
    expect(await list({ attributes: { city: 'Ulm', n: 1 } })).toEqual(['a'])
    expect(await list({ attributes: { gone: null } })).toEqual(['b'])
    expect(await list({ attributes: { n: '1' } })).toEqual([])
    expect(await list({ attributes: {} })).toEqual(['d', 'c', 'b', 'a'])
    const everywhere = await context.store.list({ attributes: { city: 'Bonn', n: 1 }, limit: 100 })
    expect(namesOf(everywhere.filter(({ key }) => key.region === place.region))).toEqual(['c'])
  })

  test('by parent, with the other filters', async () => {
    await make([
      { name: 'p' },
      { name: 'x', parent: 'p', startedAt: '2026-01-02' },
      { name: 'y', parent: 'p', status: 'failed' },
      { name: 'z', parent: 'x' },
    ])
    const parentId = place.key('p').executionId
    expect(namesOf(await context.store.list({ parentId, limit: 10 }))).toEqual(['x', 'y'])
    expect(await list({ parentId, statuses: ['failed'] })).toEqual(['y'])
    expect(await list({ parentId, limit: 1 })).toEqual(['x'])
  })

  test('over all workflows that are registered, each row once', async () => {
    const other = `another ${place.region}`
    await context.store.registerDefinitions([{ workflow: other, version: '1' }])
    await make([
      { name: 'a', startedAt: '2999-01-01' },
      { name: 'b', workflow: other, startedAt: '2999-01-02' },
      { name: 'c', startedAt: '2999-01-03', status: 'failed' },
      { name: 'd', workflow: other, startedAt: '2999-01-04', status: 'failed' },
    ])
    expect(namesOf(await context.store.list({ limit: 4 }))).toEqual(['d', 'c', 'b', 'a'])
    expect(namesOf(await context.store.list({ limit: 2, statuses: ['failed'] }))).toEqual(['d', 'c'])
    expect(namesOf(await context.store.list({ limit: 2, statuses: ['running'] }))).toEqual(['b', 'a'])
    await context.sql`update executions set started_at = now() where region = ${place.region}::text`
  })

  test('rows say all that a list shows', async () => {
    await make([{ name: 'one', attributes: { a: 1 }, parent: 'p' }])
    const [row] = await context.store.list({ workflow, limit: 1 })
    expect(row).toMatchObject({
      key: place.key('one'),
      workflow,
      workflowVersion: '1',
      status: 'running',
      run: 1,
      version: 1,
      parentId: place.key('p').executionId,
      attributes: { a: 1 },
      startedAt: new Date('2026-01-01'),
      closedAt: null,
    })
  })

  test('what is open, whatever it is doing, and nothing twice', async () => {
    const node = place.node('a')
    await make([
      { name: 'rings', startedAt: '2026-01-01' },
      { name: 'held', startedAt: '2026-01-02' },
      { name: 'silent', startedAt: '2026-01-03' },
      { name: 'waits', startedAt: '2026-01-04', status: 'waiting' },
      { name: 'lined', startedAt: '2026-01-05', status: 'queued' },
      { name: 'dead', startedAt: '2026-01-06', status: 'dead' },
      { name: 'done', startedAt: '2026-01-07', status: 'completed' },
    ])
    await context.sql`
      update executions set claimed_by = ${node}::text where execution_id = ${place.key('held').executionId}::text`
    await context.sql`
      update executions set ready_at = null
      where execution_id in (${place.key('silent').executionId}::text, ${place.key('waits').executionId}::text)`
    expect(await list({ statuses: ['running'] })).toEqual(['silent', 'held', 'rings'])
    expect(await list({ statuses: ['waiting', 'queued'] })).toEqual(['lined', 'waits'])
    expect(await list({ statuses: ['running', 'waiting', 'queued', 'dead'] })).toEqual([
      'dead',
      'lined',
      'waits',
      'silent',
      'held',
      'rings',
    ])
    expect(await list({ statuses: ['running', 'waiting'], limit: 2 })).toEqual(['waits', 'silent'])
    expect(await list({ statuses: ['running', 'completed'], limit: 2 })).toEqual(['done', 'silent'])
  })
})
