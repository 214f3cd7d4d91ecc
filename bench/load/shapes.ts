// What is measured beside the raw limit of its own rows: each shape is a workflow, what a caller does to bring one unit
// of it to its end, and how many rows that must leave. Results are checked, so that no figure is got by doing less.

import { setTimeout as wait } from 'node:timers/promises'
import { z } from 'zod'
import { workflow, type Client, type Workflow } from '../../src/index.js'
import type { Place } from '../harness/place.js'

export interface Shape {
  readonly name: string
  readonly unit: string
  readonly description: string
  readonly workflows: readonly Workflow[]
  /** The one that a unit starts; its children follow from it. */
  readonly root: string
  /** Units at the same time, unless told otherwise. */
  readonly inFlight: number
  /** Rows of a unit. */
  readonly executions: number
  readonly events: number
  /** A table of the user's own, with an `execution_id` and as many rows per unit. */
  readonly table?: { readonly name: string; readonly rows: number }
  /** Makes that table. */
  prepare?(place: Place, schema: string): Promise<void>
  /** From now on units are run in this schema. */
  useSchema?(schema: string): void
  /** One unit, from its start to its checked result. */
  run(client: Client, n: number): Promise<void>
}

const Input = z.object({ n: z.number() })

const threeSteps = workflow({ name: 'three-steps' }, async (ctx, input: { readonly n: number }) => {
  const one = await ctx.step('one', () => ({ value: input.n + 1 }))
  const two = await ctx.step('two', () => ({ value: one.value + 1 }))
  return ctx.step('three', () => ({ value: two.value + 1 }))
})

export const THREE_STEPS: Shape = {
  name: 'throughput',
  unit: 'workflows/s',
  description: 'three-step workflows/s of one node beside the raw limit of the same database',
  workflows: [threeSteps],
  root: threeSteps.name,
  inFlight: 2_000,
  executions: 1,
  events: 5,
  async run(client, n) {
    const handle = await client.start(threeSteps, { n })
    expect(await handle.result(), n + 3)
  },
}

const awaitsSignal = workflow({ name: 'awaits-signal' }, async (ctx) => {
  const { n } = await ctx.signal('go', Input)
  return { value: n + 1 }
})

/** Long enough that every execution has been suspended when its signal comes. */
const SUSPENDED_MS = 250

const SIGNALS: Shape = {
  name: 'signals',
  unit: 'workflows/s',
  description: 'workflows/s that are suspended until a signal comes, and resume',
  workflows: [awaitsSignal],
  root: awaitsSignal.name,
  inFlight: 4_000,
  executions: 1,
  events: 3,
  async run(client, n) {
    const handle = await client.start(awaitsSignal, undefined)
    await wait(SUSPENDED_MS)
    await client.signal(handle.executionId, 'go', { n })
    expect(await handle.result(), n + 1)
  },
}

const SLEEP_MS = 1_000

const sleeps = workflow({ name: 'sleeps' }, async (ctx, input: { readonly n: number }) => {
  await ctx.sleep(SLEEP_MS)
  return { value: input.n + 1 }
})

const TIMERS: Shape = {
  name: 'timers',
  unit: 'workflows/s',
  description: 'workflows/s that sleep for a second and are woken',
  workflows: [sleeps],
  root: sleeps.name,
  inFlight: 12_000,
  executions: 1,
  events: 4,
  async run(client, n) {
    const handle = await client.start(sleeps, { n })
    expect(await handle.result(), n + 1)
  },
}

const CHILDREN = 10

const leaf = workflow({ name: 'leaf' }, (_, input: { readonly n: number }) =>
  Promise.resolve({ value: input.n }),
)

const parent = workflow({ name: 'parent' }, async (ctx, input: { readonly n: number }) => {
  const numbers = Array.from({ length: CHILDREN }, (_, index) => input.n + index)
  const results = await Promise.all(numbers.map((n) => ctx.child(leaf, { n })))
  return { value: results.reduce((sum, { value }) => sum + value, 0) }
})

const FAMILIES: Shape = {
  name: 'children',
  unit: 'families/s',
  description: `parents/s with ${CHILDREN} children each, which they wait for`,
  workflows: [parent, leaf],
  root: parent.name,
  inFlight: 400,
  executions: 1 + CHILDREN,
  events: 2 + CHILDREN * 4,
  async run(client, n) {
    const handle = await client.start(parent, { n })
    expect(await handle.result(), n * CHILDREN + (CHILDREN * (CHILDREN - 1)) / 2)
  },
}

const LEDGER = 'bench_ledger'

function transactions(): Shape {
  let table = ''
  const pays = workflow({ name: 'pays' }, async (ctx, input: { readonly n: number }) => {
    const pay = (name: string, amount: number): Promise<number> =>
      ctx.transaction(name, async (sql) => {
        await sql`
          insert into ${sql(table)} (execution_id, entry, amount)
          values (${ctx.executionId}::text, ${name}::text, ${amount}::int4)`
        return amount
      })
    const one = await pay('one', input.n)
    const two = await pay('two', one + 1)
    return { value: await pay('three', two + 1) }
  })
  return {
    name: 'transactions',
    unit: 'workflows/s',
    description: 'workflows/s with three transactional steps, each of which inserts a row of the user',
    workflows: [pays],
    root: pays.name,
    inFlight: 200,
    executions: 1,
    events: 5,
    table: { name: LEDGER, rows: 3 },
    useSchema(schema) {
      table = `${schema}.${LEDGER}`
    },
    async prepare({ sql }, schema) {
      await sql`
        create table ${sql(`${schema}.${LEDGER}`)} (
          execution_id text not null, entry text not null, amount int4 not null, primary key (execution_id, entry)
        )`
    },
    async run(client, n) {
      const handle = await client.start(pays, { n })
      expect(await handle.result(), n + 2)
    },
  }
}

export const SHAPES: readonly Shape[] = [THREE_STEPS, SIGNALS, TIMERS, FAMILIES, transactions()]

function expect(result: { readonly value: number }, value: number): void {
  if (result.value !== value)
    throw new Error(
      `A result is wrong: ${JSON.stringify(result)} instead of ${value}. The figures are worthless.`,
    )
}
