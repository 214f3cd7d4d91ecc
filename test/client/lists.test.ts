// Lists: every filter alone and together, and pages that are complete and without repeats while others are started.

import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { ExecutionInfo, ListFilter } from '../../src/client/client.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const quick = workflow({ name: 'quick' }, async (_ctx, input: unknown) => input)
const waits = workflow({ name: 'waits' }, async (ctx) => ctx.signal('end', z.unknown()))
const breaks = workflow({ name: 'breaks' }, async () => {
  throw new Error('broken')
})
const parent = workflow({ name: 'parent' }, async (ctx) =>
  Promise.all([1, 2, 3].map((n) => ctx.child(quick, n, { attributes: { n } }))),
)

const using = useEngine([quick, waits, breaks, parent])
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n)
const TAG = 'listed'
let all: ExecutionInfo[]

beforeAll(async () => {
  const workflowOf = (n: number): string => (n < 40 ? 'quick' : n < 60 ? 'waits' : 'breaks')
  await using.client.startMany(
    range(0, 70).map((n) => ({
      workflow: workflowOf(n),
      id: `${TAG}-${n}`,
      attributes: { tag: TAG, even: n % 2 === 0, n },
    })),
  )
  await eventually(async () => {
    const { executions } = await using.client.list({ attributes: { tag: TAG }, status: 'running' })
    return executions.length === 0
  })
  all = (await using.client.list({ attributes: { tag: TAG } })).executions.slice()
})

async function numbersOf(filter: ListFilter): Promise<number[]> {
  const attributes = { tag: TAG, ...filter.attributes }
  const { executions } = await using.client.list({ ...filter, attributes })
  return executions.map((execution) => Number(execution.attributes['n'])).toSorted((a, b) => a - b)
}

describe('a list', () => {
  it('has the newest first', () => {
    expect(all).toHaveLength(70)
    const order = all.map(({ startedAt, executionId }) => `${startedAt.toISOString()} ${executionId}`)
    expect(order.toSorted().reverse()).toEqual(order)
  })

  it('is by workflow, status, attributes, and all of them together', async () => {
    expect(await numbersOf({ workflow: 'quick' })).toEqual(range(0, 40))
    expect(await numbersOf({ workflow: 'nobody' })).toEqual([])
    expect(await numbersOf({ status: 'waiting' })).toEqual(range(40, 60))
    expect(await numbersOf({ status: 'failed' })).toEqual(range(60, 70))
    expect(await numbersOf({ status: ['waiting', 'completed'] })).toEqual(range(0, 60))
    expect(await numbersOf({ status: ['canceled', 'dead'] })).toEqual([])
    expect(await numbersOf({ attributes: { even: true } })).toEqual(range(0, 70).filter((n) => n % 2 === 0))
    expect(await numbersOf({ workflow: 'waits', status: 'waiting', attributes: { even: false } })).toEqual(
      range(40, 60).filter((n) => n % 2 === 1),
    )
    expect(await numbersOf({ attributes: { n: 7 } })).toEqual([7])
    expect(await numbersOf({ attributes: { n: '7' } })).toEqual([])
  })

  it('is by status alone, over all workflows', async () => {
    for (const status of ['failed', 'waiting', 'completed'] as const) {
      const { executions } = await using.client.list({ status, limit: 1_000 })
      const found = new Set(executions.map(({ executionId }) => executionId))
      const wanted = all.filter((execution) => execution.status === status)
      expect(wanted.length).toBeGreaterThan(0)
      expect(wanted.filter(({ executionId }) => !found.has(executionId))).toEqual([])
      expect(executions.filter((execution) => execution.status !== status)).toEqual([])
    }
  })

  it('is from an instant on and before another', async () => {
    const instants = all.map(({ startedAt }) => startedAt.getTime())
    const oldest = new Date(Math.min(...instants))
    const newest = new Date(Math.max(...instants))
    const count = async (filter: ListFilter): Promise<number> => (await numbersOf(filter)).length
    expect(await count({ startedAfter: oldest })).toBe(70)
    expect(await count({ startedBefore: oldest })).toBe(0)
    expect(await count({ startedAfter: newest })).toBe(
      instants.filter((instant) => instant === newest.getTime()).length,
    )
    expect(await count({ startedBefore: new Date(newest.getTime() + 1) })).toBe(70)
    expect(await count({ startedAfter: new Date(newest.getTime() + 1) })).toBe(0)
    expect(await count({ startedAfter: newest, startedBefore: oldest })).toBe(0)
  })

  it('is of the children of one execution', async () => {
    const { executionId } = await using.client.start(parent, null)
    await using.client.result(executionId)
    const { executions } = await using.client.list({ parentId: executionId })
    expect(executions.map(({ attributes }) => attributes['n'])).toEqual(expect.arrayContaining([1, 2, 3]))
    expect(executions.map((child) => child.parentId)).toEqual([executionId, executionId, executionId])
    expect(
      (await using.client.list({ parentId: executionId, attributes: { n: 2 } })).executions,
    ).toHaveLength(1)
  })

  it.each<[string, ListFilter]>([
    ['attributes', { attributes: { tag: TAG } }],
    ['workflow and attributes', { workflow: 'quick', attributes: { tag: TAG } }],
    ['workflow', { workflow: 'quick' }],
    ['status', { status: ['failed', 'terminated'] }],
    ['nothing', {}],
  ])('in pages by %s is complete and without repeats while others are started', async (_what, filter) => {
    const { executions: before } = await using.client.list({ ...filter, limit: 1_000 })
    const ids: string[] = []
    let pages = 0
    for (let cursor: string | undefined; pages === 0 || cursor !== undefined; pages++) {
      const page = await using.client.list({
        ...filter,
        limit: 7,
        ...(cursor === undefined ? {} : { cursor }),
      })
      ids.push(...page.executions.map(({ executionId }) => executionId))
      cursor = page.cursor
      const attributes = { tag: TAG, even: false, n: -1 }
      await using.client.startMany(['quick', 'breaks'].map((name) => ({ workflow: name, attributes })))
    }
    expect(new Set(ids).size).toBe(ids.length)
    const found = new Set(ids)
    expect(before.filter(({ executionId }) => !found.has(executionId))).toEqual([])
    expect(pages).toBe(Math.ceil(ids.length / 7) || 1)
  })

  it('that ends exactly with its page has no cursor', async () => {
    const filter = { workflow: 'waits', limit: 20 }
    const page = await using.client.list(filter)
    expect(page.executions).toHaveLength(20)
    expect(page).not.toHaveProperty('cursor')
    const first = await using.client.list({ ...filter, limit: 19 })
    expect(first).toHaveProperty('cursor')
  })
})
