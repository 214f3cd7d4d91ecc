// Claims when there is more than can be taken: the most urgent first, and by turns between the workflows.

import { expect, test } from 'vitest'
import type { ExecutionKey } from '../../../src/core/execution.js'
import type { Claimed } from '../../../src/store/store.js'
import { conformance } from '../../support/conformance.js'
import { Place, startRow } from '../../support/store-rows.js'
import { eventually } from '../../support/wait.js'

conformance('claims by shares', (context) => {
  async function ring(
    place: Place,
    workflow: string,
    options: { readonly count: number; readonly partition?: number; readonly priority?: number },
  ): Promise<void> {
    const { count, partition = 0, priority } = options
    const name = `${workflow} ${priority ?? ''}`
    const keys = Array.from({ length: count }, (_, n): ExecutionKey => place.key(`${name} ${n}`, partition))
    const more = priority === undefined ? {} : { priority }
    await context.store.insertExecutions(keys.map((key) => startRow(key, { workflow, ...more })))
  }

  /** A claim may come back short while rows are fresh (CockroachDB): whoever asks again gets the rest. */
  async function claim(place: Place, limit: number, partitions = 1): Promise<readonly Claimed[]> {
    const taken: Claimed[] = []
    await eventually(async () => {
      taken.push(
        ...(await context.store.claim({
          nodeId: place.node('a'),
          partitions: place.partitions(partitions),
          since: null,
          workflows: ['flood', 'other', 'third'],
          limit: limit - taken.length,
          isCrowded: true,
        })),
      )
      return taken.length === limit
    })
    return taken
  }

  function countOf(claimed: readonly Claimed[], workflow: string): number {
    return claimed.filter((claim) => claim.workflow === workflow).length
  }

  test('a flood of one workflow, ready before all else, leaves the others their shares', async () => {
    const place = new Place()
    await ring(place, 'flood', { count: 500 })
    await ring(place, 'other', { count: 50 })
    await ring(place, 'third', { count: 5 })
    const claimed = await claim(place, 30)
    expect(countOf(claimed, 'third')).toBe(5)
    expect(countOf(claimed, 'other')).toBeGreaterThanOrEqual(12)
    expect(countOf(claimed, 'flood')).toBeGreaterThanOrEqual(12)
  })

  test('the most urgent go first, whatever their workflow and age', async () => {
    const place = new Place()
    await ring(place, 'flood', { count: 100, priority: 5 })
    await ring(place, 'flood', { count: 20 })
    await ring(place, 'other', { count: 3, priority: 1 })
    await ring(place, 'flood', { count: 4, priority: 1 })
    const urgent = await claim(place, 7)
    expect(countOf(urgent, 'other')).toBe(3)
    expect(countOf(urgent, 'flood')).toBe(4)
    const next = await claim(place, 20)
    expect(next.every(({ key }) => key.executionId.includes('/flood  '))).toBe(true)
  })

  test('what is alone in its partition is found beside a flood in another', async () => {
    const place = new Place()
    await ring(place, 'flood', { count: 300, partition: 0 })
    await ring(place, 'other', { count: 1, partition: 1 })
    expect(countOf(await claim(place, 10, 2), 'other')).toBe(1)
  })

  test('a start has the priority that it was given, and normal without one', async () => {
    const place = new Place()
    await ring(place, 'flood', { count: 1 })
    await ring(place, 'flood', { count: 1, priority: 2 })
    const rows = await context.sql<{ priority: number }[]>`
      select priority from executions where region = ${place.region}::text order by priority`
    expect(rows.map(({ priority }) => priority)).toEqual([2, 3])
  })
})
