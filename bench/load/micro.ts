// `micro`: the pieces that every step goes through, by themselves and without a database, to see when one of them becomes
// slower. Kept as one line per run, with the commit and the machine; the last line of the same machine is the reference.

import { execFile } from 'node:child_process'
import { appendFile, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { Bench } from 'tinybench'
import { z } from 'zod'
import { workflow } from '../../src/index.js'
import { decode, encode } from '../../src/core/codec.js'
import type { Event } from '../../src/core/event.js'
import { Lane } from '../../src/core/lane.js'
import { partitionOf } from '../../src/core/partition.js'
import { silentLogger } from '../../src/core/ports.js'
import { checkSpec, timesOf } from '../../src/core/schedule-spec.js'
import { Instance } from '../../src/workflow/instance.js'
import { figuresReport, type FiguresReport } from '../harness/figures.js'
import { median } from '../harness/pairs.js'
import { machineText } from '../harness/report.js'

export interface MicroOptions {
  /** Of all pieces together. */
  readonly seconds: number
  /** Where the lines are; undefined: nothing is compared or kept. */
  readonly record: string | undefined
  readonly keep: boolean
  readonly onProgress: (text: string) => void
}

const Line = z.object({
  commit: z.string(),
  at: z.string(),
  machine: z.string(),
  node_version: z.string(),
  per_second: z.record(z.string(), z.number()),
})
type Line = z.infer<typeof Line>

const PAYLOAD = {
  orderId: 'o-4711',
  lines: [
    { sku: 'a', n: 2 },
    { sku: 'b', n: 1 },
  ],
  paid: true,
  total: 99.5,
}
const BATCH = 500

export async function micro(options: MicroOptions): Promise<FiguresReport> {
  const { seconds, record, keep, onProgress } = options
  const pieces = piecesToTime()
  const bench = new Bench({ time: (seconds * 1_000) / pieces.length, warmupTime: 100 })
  for (const { name, run } of pieces) bench.add(name, run)
  await bench.run()
  const perSecond: Record<string, number> = {}
  for (const task of bench.tasks) {
    if (!('throughput' in task.result)) throw new Error(`"${task.name}" came to no end: ${task.result.state}`)
    // By the median: a pause of the machine is no property of the code.
    perSecond[task.name] = 1_000 / task.result.latency.p50
    onProgress(`${task.name}: ${Math.round(perSecond[task.name] ?? 0).toLocaleString('en')}/s`)
  }
  const before = record === undefined ? undefined : await lastLine(record)
  if (record !== undefined && keep) await appendFile(record, `${JSON.stringify(await newLine(perSecond))}\n`)
  const ratios = Object.entries(perSecond).map(([name, rate]) => rate / (before?.per_second[name] ?? rate))
  return figuresReport(undefined, {
    name: 'micro',
    unit: 'times the last record',
    values: [median(ratios)],
    reference: 1,
    reference_name: before === undefined ? 'none yet on this machine' : `commit ${before.commit}`,
    figures: Object.entries(perSecond).flatMap(([name, rate]) => {
      const old = before?.per_second[name]
      const figure = { what: name, value: rate, unit: '/s' }
      return old === undefined
        ? [figure]
        : [
            figure,
            { what: `… against ${before?.commit ?? ''}`, value: rate / old, unit: 'times', atLeast: 0.5 },
          ]
    }),
    chart: {
      title: 'The pieces of a step, by themselves',
      unit: 'thousand per second',
      kind: 'bars',
      labels: pieces.map(({ short }) => short),
      series: [{ name: 'now', values: pieces.map(({ name }) => (perSecond[name] ?? 0) / 1_000) }],
    },
    checked: 'each piece gave the right answer once before it was timed',
  })
}

interface Piece {
  readonly name: string
  readonly short: string
  readonly run: () => unknown
}

function piecesToTime(): Piece[] {
  const text = encode(PAYLOAD, 'payload', 1_000_000)
  if (JSON.stringify(decode(text)) !== JSON.stringify(PAYLOAD)) throw new Error('The codec is wrong.')
  const next = timesOf(checkSpec({ cron: '*/5 9-17 * * 1-5', timeZone: 'Europe/Berlin' }))
  const friday = new Date('2026-03-27T23:00:00Z')
  if (next(friday)?.toISOString() !== '2026-03-30T07:00:00.000Z') throw new Error('The scheduler is wrong.')
  const history = threeStepHistory()
  const lane = new Lane<number, number>({
    name: 'bench',
    write: (batch) => Promise.resolve(batch),
    batchMax: BATCH,
    queueMax: BATCH * 2,
  })
  return [
    {
      name: 'codec: encode a small object',
      short: 'encode',
      run: () => encode(PAYLOAD, 'payload', 1_000_000),
    },
    { name: 'codec: decode it', short: 'decode', run: () => decode(text) },
    {
      name: 'partition of an id',
      short: 'partition',
      run: () => partitionOf('06k3m2h5zq8w1v7t4r9p0n6d2c', 64),
    },
    { name: 'replay of a three-step workflow', short: 'replay', run: () => replayOnce(history) },
    {
      name: `lane: ${BATCH} items through it`,
      short: `lane of ${BATCH}`,
      run: () => Promise.all(Array.from({ length: BATCH }, (_, n) => lane.submit(n))),
    },
    { name: 'schedule: next time of a cron expression', short: 'schedule', run: () => next(friday) },
  ]
}

const threeSteps = workflow({ name: 'three-steps' }, async (ctx, n: number) => {
  const one = await ctx.step('one', () => n + 1)
  const two = await ctx.step('two', () => one + 1)
  return ctx.step('three', () => two + 1)
})

function threeStepHistory(): Event[] {
  const at = new Date(0)
  const detail = JSON.stringify({ workflow: 'three-steps', workflowVersion: '1', run: 1 })
  const steps = ['one', 'two', 'three'].map((name, index): Event => ({
    version: index + 2,
    type: 'step_completed',
    at,
    seq: index + 1,
    name,
    attempt: 1,
    payload: String(index + 2),
  }))
  return [{ version: 1, type: 'started', at, name: 'three-steps', detail, payload: '1' }, ...steps]
}

async function replayOnce(history: readonly Event[]): Promise<void> {
  const instance = new Instance({ definition: threeSteps, executionId: 'x', run: 1, log: silentLogger })
  await instance.replay(history)
  if (instance.outcome?.kind !== 'completed') throw new Error('The replay did not come to its end.')
}

async function lastLine(file: string): Promise<Line | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const lines = text.split('\n').filter((line) => line !== '')
  return lines
    .map((line) => Line.parse(JSON.parse(line)))
    .findLast(
      ({ machine, node_version }) => machine === machineText() && node_version === process.versions.node,
    )
}

async function newLine(perSecond: Readonly<Record<string, number>>): Promise<Line> {
  return {
    commit: await commitText(),
    at: new Date().toISOString(),
    machine: machineText(),
    node_version: process.versions.node,
    per_second: Object.fromEntries(Object.entries(perSecond).map(([name, rate]) => [name, Math.round(rate)])),
  }
}

/** What was measured; "+" when files have been changed since. */
export async function commitText(): Promise<string> {
  const run = promisify(execFile)
  try {
    const { stdout: commit } = await run('git', ['rev-parse', '--short', 'HEAD'])
    const { stdout: changes } = await run('git', [
      'status',
      '--porcelain',
      '--untracked-files=no',
      'src',
      'sql',
    ])
    return `${commit.trim()}${changes === '' ? '' : '+'}`
  } catch {
    return 'unknown'
  }
}
