// `replay`: how long a node needs to go on with an execution of 10 … 50,000 events whose history it has to read, and that
// one which it still has in memory goes on without its code being begun again.

import { performance } from 'node:perf_hooks'
import { z } from 'zod'
import { createEngine, workflow, type Engine } from '../../src/index.js'
import { silentLogger } from '../../src/core/ports.js'
import { openStore } from '../../src/store/open.js'
import { Instance } from '../../src/workflow/instance.js'
import { readHistories } from '../../src/engine/history-reader.js'
import { figuresReport, type FiguresReport } from '../harness/figures.js'
import { median } from '../harness/pairs.js'
import type { Place } from '../harness/place.js'

export interface ReplayOptions {
  /** Numbers of events, ascending. */
  readonly sizes: readonly number[]
  /** How often each size is resumed, and its history replayed for at least so long. */
  readonly rounds: number
  readonly seconds: number
  readonly onProgress: (text: string) => void
}

/** Steps side by side: their results share appends, so that a long history is soon there. */
const SIDE_BY_SIDE = 100
const Go = z.object({ isLast: z.boolean() })
/** Times that the code was begun, live or in a replay. */
let begun = 0

const long = workflow({ name: 'long' }, async (ctx, steps: number) => {
  begun++
  let sum = 0
  for (let from = 0; from < steps; from += SIDE_BY_SIDE) {
    const some = Array.from({ length: Math.min(SIDE_BY_SIDE, steps - from) }, (_, index) => from + index)
    const values = await Promise.all(some.map((n) => ctx.step('count', () => n)))
    sum += values.reduce((a, b) => a + b, 0)
  }
  for (;;) {
    const { isLast } = await ctx.signal('go', Go)
    if (isLast) return sum
    await ctx.step('went on', () => true)
  }
})

interface Resumed {
  readonly events: number
  /** From signal to result on a node that has never seen it. */
  readonly ms: number
  /** Of the code alone. */
  readonly replayMs: number
  /** From signal to the next step on a node that has it in memory. */
  readonly liveMs: number
}

export async function replay(place: Place, options: ReplayOptions): Promise<FiguresReport> {
  const { sizes, rounds, seconds, onProgress } = options
  const schema = await place.freshSchema()
  const database = { url: place.url, schema }
  const results: Resumed[] = []
  for (const events of sizes) {
    const one = await resume({ database, events, rounds, seconds: seconds / sizes.length })
    results.push(one)
    onProgress(
      `${events} events: resumed after ${one.ms.toFixed(1)} ms, of which the code ${one.replayMs.toFixed(2)} ms; from memory ${one.liveMs.toFixed(1)} ms`,
    )
  }
  const [first] = results
  const last = results.at(-1)
  if (first === undefined || last === undefined) throw new Error('There are no sizes to replay.')
  const perEvent = ({ ms, events }: Resumed): number => ((ms - first.ms) / events) * 1_000
  const long = results.filter(({ events }) => events >= 1_000)
  const middle = long[0] ?? last
  const rate = (last.events / last.replayMs) * 1_000
  return figuresReport(place, {
    name: 'replay',
    unit: 'events/s',
    values: [rate],
    reference: 300_000,
    reference_name: 'the target',
    figures: [
      {
        what: `replayed by the code, ${last.events} events`,
        value: rate,
        unit: 'events/s',
        atLeast: 300_000,
      },
      {
        what: `read and replayed, from signal to result, ${last.events} events`,
        value: (last.events / last.ms) * 1_000,
        unit: 'events/s',
      },
      ...results.map(({ events, ms }) => ({
        what: `from signal to result, ${events} events`,
        value: ms,
        unit: 'ms',
      })),
      {
        what: `per event, ${last.events} events against ${middle.events}`,
        value: middle === last ? 1 : perEvent(last) / perEvent(middle),
        unit: 'times',
        atMost: 2,
      },
      {
        what: 'the longest, from memory: signal to next step',
        value: last.liveMs,
        unit: 'ms',
      },
    ],
    chart: {
      title: 'Resuming an execution whose history has to be read',
      unit: 'ms',
      kind: 'lines',
      labels: results.map(({ events }) => String(events)),
      series: [
        { name: 'signal to result', values: results.map(({ ms }) => ms) },
        { name: 'replay of the code', values: results.map(({ replayMs }) => replayMs) },
        { name: 'from memory', values: results.map(({ liveMs }) => liveMs) },
      ],
    },
    checked: `${rounds * results.length} executions resumed from their history with the right sum, as many from memory without beginning again`,
  })
}

interface ResumeOptions {
  readonly database: { readonly url: string; readonly schema: string }
  readonly events: number
  readonly rounds: number
  readonly seconds: number
}

async function resume({ database, events, rounds, seconds }: ResumeOptions): Promise<Resumed> {
  // Beside the steps: started, and what the signal that was answered from memory left.
  const steps = Math.max(1, events - 3)
  const options = {
    database,
    workflows: [long],
    limits: { historyEventsMax: events * 2 + 1_000, historyEventsWarn: events * 2 + 1_000 },
  }
  const ids: string[] = []
  const live: number[] = []
  await on(await createEngine(options), async (engine) => {
    for (let round = 0; round < rounds; round++) {
      const { executionId } = await engine.client.start(long, steps)
      ids.push(executionId)
      await reached(engine, executionId, steps + 1)
      const before = begun
      const startedAt = performance.now()
      await engine.client.signal(executionId, 'go', { isLast: false })
      await reached(engine, executionId, steps + 3)
      live.push(performance.now() - startedAt)
      if (begun !== before)
        throw new Error('An execution in memory was replayed: it must go on from where it was.')
    }
  })
  const replayMs = await timeReplay(database, { executionId: ids[0] ?? '', seconds })
  const elapsed: number[] = []
  await on(await createEngine(options), async (engine) => {
    for (const id of ids) {
      const before = begun
      const startedAt = performance.now()
      await engine.client.signal(id, 'go', { isLast: true })
      const sum = await engine.client.result(id)
      elapsed.push(performance.now() - startedAt)
      if (sum !== (steps * (steps - 1)) / 2 || begun !== before + 1)
        throw new Error(`A resumed execution came to ${String(sum)}, and was begun ${begun - before} times.`)
    }
  })
  return { events, ms: median(elapsed), replayMs, liveMs: median(live) }
}

async function on(engine: Engine, work: (engine: Engine) => Promise<void>): Promise<void> {
  await engine.start()
  try {
    await work(engine)
  } finally {
    await engine.stop()
  }
}

const DEADLINE_MS = 120_000

/** Waits until a history has so many events and its execution is suspended. */
async function reached({ client }: Engine, executionId: string, version: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const { events } = await client.history(executionId, { after: version - 1, limit: 1 })
    if (events.length > 0 && (await client.get(executionId)).status === 'waiting') return
    if (performance.now() > deadline)
      throw new Error(`Execution "${executionId}" did not come to event ${version}.`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** The code alone, from events in memory. */
async function timeReplay(
  database: ResumeOptions['database'],
  { executionId, seconds }: { readonly executionId: string; readonly seconds: number },
): Promise<number> {
  const store = await openStore(database)
  try {
    const key = store.keyOf(executionId)
    const [events = []] = await readHistories(store, [{ key, from: 1 }])
    const times: number[] = []
    const until = performance.now() + seconds * 1_000
    do {
      const instance = new Instance({ definition: long, executionId, run: 1, log: silentLogger })
      const startedAt = performance.now()
      await instance.replay(events)
      times.push(performance.now() - startedAt)
      if (instance.disagreement !== undefined) throw instance.disagreement
    } while (performance.now() < until)
    return median(times)
  } finally {
    await store.close()
  }
}
