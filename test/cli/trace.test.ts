// `cerebelum trace`: the timeline of real executions, for eyes, for pipes and for programs.

import { beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { writeGantt, type GanttRow } from '../../src/cli/gantt.js'
import { durationText } from '../../src/cli/durations.js'
import { Timeline, type TimelineEvent } from '../../src/core/timeline.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { runProgram } from '../support/program.js'

const leaf = workflow({ name: 'leaf' }, async (ctx) => ctx.step('inside', () => 1))
const rich = workflow({ name: 'rich' }, async (ctx) => {
  let left = 1
  await ctx.step(
    'shaky',
    () => {
      if (left-- > 0) throw new Error('not yet')
    },
    { retry: { attempts: 2, initial: '1100 ms', jitter: 0 } },
  )
  await ctx.sleep('50 ms')
  await ctx.signal('go', z.string())
  await ctx.signal('late', z.string(), { timeout: '20 ms' })
  await ctx.child(leaf, undefined, { id: 'leaf-1' })
})
const waits = workflow({ name: 'waits' }, async (ctx) => ctx.signal('go', z.string(), { timeout: '1 day' }))
const using = useEngine([rich, leaf, waits])
let place: string[]

beforeAll(async () => {
  const { url, schema } = using.database
  place = ['--database-url', url, '--schema', schema]
  const handle = await using.client.start(rich, undefined, { id: 'rich-1' })
  await using.client.signal('rich-1', 'go', 'now')
  await handle.result()
})

const spanShape = z.object({
  kind: z.string(),
  name: z.string(),
  attempt: z.number().optional(),
  startMs: z.number(),
  endMs: z.number().nullable(),
  outcome: z.string(),
})
const traceShape = z.object({
  execution: z.object({ executionId: z.string(), status: z.string() }),
  spans: z.array(spanShape),
  children: z.array(
    z.object({ execution: z.object({ executionId: z.string() }), spans: z.array(spanShape) }),
  ),
})

test('without a terminal it is tab-separated lines, one for each attempt, wait and child', async () => {
  const { code, stdout, stderr } = await runProgram(['trace', 'rich-1', '--children', ...place])
  expect([code, stderr]).toEqual([0, expect.stringContaining('rich-1: completed, ')])
  const rows = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t'))
  expect(rows.map(([, , what, outcome]) => `${what}: ${outcome}`)).toEqual([
    'what: outcome',
    'rich: completed',
    '  shaky: retried',
    '  wait to retry shaky: completed',
    '  shaky #2: completed',
    '  sleep: completed',
    '  signal go: completed',
    '  signal late: timed out',
    '  child leaf leaf-1: completed',
    '    leaf: completed',
    '      inside: completed',
  ])
  expect(stdout).not.toContain('\u001b')
})

test('--json has the spans as the history says, and no payloads', async () => {
  const { code, stdout } = await runProgram(['trace', 'rich-1', '--json', '--children', ...place])
  expect(code).toBe(0)
  const { execution, spans, children } = traceShape.parse(JSON.parse(stdout))
  expect(execution).toEqual({ executionId: 'rich-1', status: 'completed' })
  expect(JSON.parse(stdout).execution).not.toHaveProperty('input')
  expect(children.map((child) => child.execution.executionId)).toEqual(['leaf-1'])
  const events = await using.events('rich-1')
  const atOf = (type: string): number | undefined => events.find((event) => event.type === type)?.at.getTime()
  const find = (kind: string, name?: string): z.infer<typeof spanShape> | undefined =>
    spans.find((span) => span.kind === kind && (name === undefined || span.name === name))
  expect(find('run')).toMatchObject({ startMs: atOf('started'), endMs: atOf('completed') })
  expect(find('sleep')).toMatchObject({ startMs: atOf('sleep_started'), endMs: atOf('sleep_ended') })
  expect(find('signal', 'late')).toMatchObject({ endMs: atOf('signal_timed_out'), outcome: 'timed out' })
  expect(find('child')).toMatchObject({ startMs: atOf('child_started'), endMs: atOf('child_completed') })
  const retry = find('retry')
  expect(retry?.startMs).toBe(atOf('step_retrying'))
  expect((retry?.endMs ?? 0) - (retry?.startMs ?? 0)).toBeGreaterThan(1_000)
})

test('one that goes on shows what it waits for', async () => {
  const handle = await using.client.start(waits, undefined)
  await expect(using.client.result(handle.executionId, { timeout: '300 ms' })).rejects.toThrow()
  const { stdout, stderr } = await runProgram(['trace', handle.executionId, ...place])
  expect(stdout).toMatch(/\n0\t-\twaits\topen\n\d+\t-\t {2}signal go\topen\n$/)
  expect(stderr).toContain(': waiting: signal "go", ')
})

test('one that is not there is an error', async () => {
  const { code, stderr } = await runProgram(['trace', 'nowhere', ...place])
  expect([code, stderr]).toEqual([1, expect.stringContaining('EXECUTION_NOT_FOUND')])
})

const row = (
  label: string,
  startMs: number,
  endMs: number | null,
  more: Partial<GanttRow> = {},
): GanttRow => ({
  label,
  startMs,
  endMs,
  outcome: 'completed',
  color: 'green',
  isWait: false,
  ...more,
})

function drawn(rows: readonly GanttRow[], isColorless: boolean, columns = 60): string[] {
  let text = ''
  const stream = { isTTY: true, columns, write: (part: string) => (text += part) }
  writeGantt(rows, stream, { nowMs: 1_000, isColorless })
  return text.split('\n').filter(Boolean)
}

test('on a terminal it is bars on one scale, as wide as the terminal', () => {
  const rows = [
    row('all', 0, 1_000, { color: 'blue' }),
    row('half', 0, 500),
    row('wait', 500, 1_000, { isWait: true }),
    row('dot', 999, 999),
    row('open', 750, null, { outcome: 'open' }),
  ]
  const lines = drawn(rows, true)
  const bar = (line: string | undefined): string => line?.split('│')[1] ?? ''
  const width = bar(lines[0]).length
  expect(bar(lines[0])).toBe('█'.repeat(width))
  expect(bar(lines[1])).toBe('█'.repeat(width / 2).padEnd(width))
  expect(bar(lines[2])).toBe('░'.repeat(width / 2).padStart(width))
  expect(bar(lines[3])).toBe('▏'.padStart(width))
  expect(bar(lines[4])).toMatch(/^ +█+▶$/)
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(60)
})

test('colors only where they are wanted', () => {
  expect(drawn([row('a', 0, 1)], false).join()).toContain('\u001b[32m')
  expect(drawn([row('a', 0, 1)], true).join()).not.toContain('\u001b')
})

test('a long name and a narrow terminal leave room for the bar', () => {
  const [line = ''] = drawn([row('x'.repeat(300), 0, 1)], true, 20)
  expect(line.split('│')[1]).toHaveLength(16)
})

test.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [1_500, '1.50 s'],
  [59_000, '59.0 s'],
  [61_000, '1 m 1 s'],
  [3_600_000, '1 h'],
  [90_000_000, '1 d 1 h'],
])('%i ms are %s', (ms, text) => {
  expect(durationText(ms)).toBe(text)
})

test('attempts that left no event of their own are one span before the last', () => {
  const timeline = new Timeline()
  const at = (ms: number): Date => new Date(1_000_000 + ms)
  const event = (
    version: number,
    type: TimelineEvent['type'],
    ms: number,
    more: object = {},
  ): TimelineEvent => ({
    version,
    type,
    at: at(ms),
    ...more,
  })
  timeline.add(event(1, 'started', 0, { name: 'w', detail: { run: 1 } }))
  const spans = timeline.add(
    event(2, 'step_completed', 900, { seq: 1, name: 's', attempt: 3, detail: { ms: 100, totalMs: 850 } }),
  )
  expect(
    spans.map(({ attempt, startMs, endMs, outcome }) => [
      attempt,
      startMs - 1e6,
      (endMs ?? 0) - 1e6,
      outcome,
    ]),
  ).toEqual([
    [2, 50, 800, 'retried'],
    [3, 800, 900, 'completed'],
  ])
  expect(timeline.open()).toMatchObject([{ kind: 'run', outcome: 'open' }])
  const [last] = timeline.add(event(3, 'continued', 1_000)).slice(-1)
  expect(last).toMatchObject({ kind: 'run', run: 1, outcome: 'continued' })
  timeline.add(event(4, 'started', 1_000, { name: 'w', detail: { run: 2 } }))
  expect(timeline.open()).toMatchObject([{ kind: 'run', run: 2 }])
})
