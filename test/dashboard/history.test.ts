// What the pages make of a history, without a browser: spans and their attempts, stages, differences, signals in a note;
// and what the list makes of an address.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Recorded } from '../../src/dashboard/app/api/types.js'
import { latencyLines, rateLine, timesOf, type Counted } from '../../src/dashboard/app/charts/series.js'
import { compareClusters } from '../../src/dashboard/app/cluster/changes.js'
import { age, span } from '../../src/dashboard/app/format.js'
import { diffLines } from '../../src/dashboard/app/history/diff.js'
import { awaitedSignals, readTimeline } from '../../src/dashboard/app/history/spans.js'
import { toStages } from '../../src/dashboard/app/history/stages.js'
import { listPath, readAttributes, readFilter } from '../../src/dashboard/app/list/filter.js'
import { clusterStats } from '../../src/client/cluster.js'

const at = (ms: number): string => new Date(1_800_000_000_000 + ms).toISOString()
const base = Date.parse(at(0))
let version = 0
const event = (ms: number, rest: Omit<Recorded, 'version' | 'at'>): Recorded => ({
  version: ++version,
  at: at(ms),
  ...rest,
})

describe('the timeline of a history', () => {
  test('has a step from its start to its record, with each attempt', () => {
    const failure = { type: 'Error', message: 'no' }
    const { spans } = readTimeline([
      event(0, { type: 'started' }),
      event(100, {
        type: 'step_retrying',
        seq: 1,
        name: 'pay',
        attempt: 1,
        payload: failure,
        detail: { ms: 40, totalMs: 40 },
        dueAt: at(1_000),
      }),
      event(1_050, {
        type: 'step_completed',
        seq: 1,
        name: 'pay',
        attempt: 2,
        payload: 7,
        detail: { ms: 30, totalMs: 990 },
      }),
    ])
    expect(spans).toHaveLength(1)
    expect(spans[0]).toMatchObject({
      kind: 'step',
      name: 'pay',
      startMs: base + 60,
      endMs: base + 1_050,
      outcome: 'done',
      attemptCount: 2,
      isStartGuessed: false,
    })
    expect(
      spans[0]?.attempts.map(({ startMs, endMs, isFailed }) => [startMs - base, endMs - base, isFailed]),
    ).toEqual([
      [60, 100, true],
      [1_020, 1_050, false],
    ])
  })

  test('has what waits open, and ends it with its run', () => {
    const events = [
      event(0, { type: 'started' }),
      event(5, { type: 'sleep_started', seq: 1, dueAt: at(500) }),
      event(6, { type: 'child_started', seq: 2, detail: { executionId: 'c-1', workflow: 'ship' } }),
    ]
    expect(readTimeline(events).spans.map(({ kind, endMs, outcome }) => [kind, endMs, outcome])).toEqual([
      ['sleep', undefined, 'open'],
      ['child', undefined, 'open'],
    ])
    const ended = readTimeline([...events, event(90, { type: 'terminated', payload: 'enough' })])
    expect(ended.spans.map(({ endMs, outcome }) => [endMs, outcome])).toEqual([
      [base + 90, 'open'],
      [base + 90, 'open'],
    ])
    expect(ended.endMs).toBe(base + 90)
  })

  test('guesses when a wait began that left no event, and says so', () => {
    const { spans } = readTimeline([
      event(0, { type: 'started' }),
      event(10, { type: 'step_completed', seq: 1, name: 'a', attempt: 1, detail: { ms: 10 } }),
      event(80, { type: 'signal_received', seq: 2, name: 'go', messageId: 'm' }),
    ])
    expect(spans[1]).toMatchObject({
      kind: 'signal',
      startMs: base + 10,
      endMs: base + 80,
      isStartGuessed: true,
    })
  })

  test('counts commands anew in each run', () => {
    const step = { type: 'step_completed', seq: 1, name: 'a', attempt: 1 } as const
    const { spans } = readTimeline([
      event(0, { type: 'started' }),
      event(1, step),
      event(2, { type: 'continued' }),
      event(2, { type: 'started' }),
      event(9, step),
    ])
    expect(spans.map(({ run, id }) => [run, id])).toEqual([
      [1, '1/step/1'],
      [2, '2/step/1'],
    ])
  })
})

test('stages put beside each other what overlapped, and below each other what did not', () => {
  const step = (seq: number, from: number, to: number): Recorded =>
    event(to, { type: 'step_completed', seq, name: `s${seq}`, attempt: 1, detail: { ms: to - from } })
  const { spans } = readTimeline([
    event(0, { type: 'started' }),
    step(1, 0, 50),
    step(2, 60, 160),
    step(3, 61, 100),
    step(4, 105, 150),
    step(5, 170, 180),
  ])
  const names = toStages(spans).map(({ lanes }) => lanes.map((lane) => lane.map(({ name }) => name)))
  expect(names).toEqual([[['s1']], [['s2'], ['s3', 's4']], [['s5']]])
})

test('a difference, its lines taken together, gives both texts back', () => {
  const line = fc.constantFrom('a', 'b', 'c', '{')
  const text = fc.array(line, { maxLength: 30 }).map((lines) => lines.join('\n'))
  fc.assert(
    fc.property(text, text, (before, after) => {
      const lines = diffLines(before, after) ?? []
      const of = (kind: 'gone' | 'new'): string =>
        lines
          .filter((one) => one.kind === 'same' || one.kind === kind)
          .map((one) => one.text)
          .join('\n')
      expect([of('gone'), of('new')]).toEqual([before, after])
    }),
  )
  expect(diffLines('x\n'.repeat(2_000), 'y')).toBeUndefined()
})

test('the signals that a note names', () => {
  expect(awaitedSignals('signal "approved", sleep, child "ship", signal "paid"')).toEqual([
    'approved',
    'paid',
  ])
  expect(awaitedSignals('child "signal"')).toEqual([])
  expect(awaitedSignals(null)).toEqual([])
})

describe('the filter of the list', () => {
  test('goes from the address to the API', () => {
    const filter = readFilter(
      new URLSearchParams(
        'workflow=a%20b&status=failed,nonsense,dead&since=1h&attributes=vip=true n=7 who="ada l"',
      ),
    )
    const path = listPath(filter, { nowMs: base, limit: 50 })
    const query = new URL(path, 'http://x').searchParams
    expect(query.get('workflow')).toBe('a b')
    expect(query.get('status')).toBe('dead,failed')
    expect(query.get('startedAfter')).toBe(new Date(base - 3_600_000).toISOString())
    expect(JSON.parse(query.get('attributes') ?? '')).toEqual({ vip: true, n: 7, who: 'ada l' })
    expect(query.get('limit')).toBe('50')
  })

  test('leaves out what cannot be read', () => {
    expect(readAttributes('no pairs here')).toEqual({})
    expect(listPath(readFilter(new URLSearchParams('from=never')), { nowMs: base, limit: 1 })).toBe(
      '/executions?limit=1',
    )
  })
})

test('changes of a cluster: who came and went, and which partitions moved', () => {
  const load = {
    running: 0,
    cached: 0,
    laneDepth: 0,
    lagMs: 0,
    cpu: 0,
    zone: null,
    isDraining: false,
    versions: {},
  }
  const look = (nodes: readonly string[], owners: readonly (string | null)[]) =>
    JSON.parse(
      JSON.stringify(
        clusterStats({
          at: new Date(base),
          leases: nodes.map((nodeId) => ({
            nodeId,
            region: 'local',
            address: null,
            release: '1',
            capacity: 1,
            workflows: [],
            report: load,
            startedAt: new Date(base),
            renewedAt: new Date(base),
            expiresAt: new Date(base),
            expired: false,
            remainingMs: 1,
          })),
          partitions: owners.map((owner, partition) => ({ partition, region: 'local', owner, epoch: 1 })),
          held: [],
        }),
      ),
    )
  const changes = compareClusters(look(['a', 'b'], ['a', 'b', 'b']), look(['a', 'c'], ['a', 'c', null]))
  expect(changes.map(({ text, tone }) => [tone, text])).toEqual([
    ['good', 'node c joined in local'],
    ['bad', 'node b is gone: others take over what it held'],
    ['calm', '1 partition from b to c'],
    ['bad', '1 partition from b to nobody'],
  ])
})

test('lines of charts: rates per minute, zero where nothing was, nothing where nothing closed', () => {
  const bucket = { completed: 1, failed: 0, canceled: 0, terminated: 0, p50Ms: 5, p95Ms: 9 }
  const counted: Counted = {
    bucketMs: 30_000,
    cutShort: [],
    buckets: [
      { workflow: 'a', at: at(0), started: 3, ...bucket },
      { workflow: 'b', at: at(0), started: 9, ...bucket, p95Ms: null },
    ],
  }
  const times = timesOf(counted, 90_000, base + 31_000)
  expect(times.map((seconds) => seconds * 1_000 - base)).toEqual([-30_000, 0, 30_000])
  expect(rateLine(counted, times, 'started').values).toEqual([0, 24, 0])
  expect(latencyLines(counted, times).map(({ name, values }) => [name, values])).toEqual([
    ['b', [null, null, null]],
    ['a', [null, 9, null]],
  ])
})

test('spans and ages are short', () => {
  expect([0, 999, 1_500, 65_000, 3_600_000, 90_000_000].map(span)).toEqual([
    '0 ms',
    '999 ms',
    '1.50 s',
    '1 m 5 s',
    '1 h',
    '1 d 1 h',
  ])
  expect([age(0, 500), age(0, 61_000), age(7_200_000, 0)]).toEqual(['now', '1 m ago', 'in 2 h'])
})
