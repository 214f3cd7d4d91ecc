// Traces of executions as OpenTelemetry's own SDK gets them: one trace for each run, spans with derived ids that any node
// would give, a trace that is begun elsewhere and goes on here, and a node that is killed within a step.

import { context, trace, TraceFlags } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { parseTraceparent, spanIdOf, traceIdOf } from '../../src/core/trace-ids.js'
import { useHttp } from '../support/http.js'
import { Metrics } from '../support/metrics.js'
import { startNodeProcess } from '../support/node-process.js'
import { eventually } from '../support/wait.js'
import { killed, leaf, setUpTracing, toldOf, traced, type Told } from './fixtures/traced.js'

// Before the engine starts, as in a program.
const exporter = setUpTracing()
const using = useHttp([traced, leaf, killed])

const OUTER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const OUTER_TRACE = '0af7651916cd43dd8448eb211c80319c'

const toldOn = (traceId: string): Told[] =>
  exporter
    .getFinishedSpans()
    .map(toldOf)
    .filter((span) => span.traceId === traceId)

async function run(id: string, options: { readonly traceparent?: string } = {}): Promise<unknown> {
  const handle = await using.client.start(traced, undefined, { id, ...options })
  await using.client.signal(id, 'go', 'now')
  return handle.result()
}

test('a run is one trace: a span for each attempt, wait and child, and those of its own calls below them', async () => {
  const traceId = traceIdOf('whole', 1)
  expect(await run('whole')).toBe(traceId)
  const told = await eventually(() => toldOn(traceId).length >= 11 && toldOn(traceId), { what: 'all spans' })
  const root = spanIdOf('whole', 1, '')
  const child = spanIdOf('whole', 1, 'child 5 1')
  const leafRoot = spanIdOf('whole-leaf', 1, '')
  const byName = told.map(({ name, spanId, parentId }) => [name, spanId, parentId])
  expect(byName).toHaveLength(11)
  expect(byName).toEqual(
    expect.arrayContaining([
      ['workflow traced', root, undefined],
      ['step first', spanIdOf('whole', 1, 'step 1 1'), root],
      ['call', expect.any(String), spanIdOf('whole', 1, 'step 1 1')],
      ['step shaky', spanIdOf('whole', 1, 'step 2 1'), root],
      ['step shaky', spanIdOf('whole', 1, 'step 2 2'), root],
      ['sleep', spanIdOf('whole', 1, 'sleep 3 1'), root],
      ['signal go', spanIdOf('whole', 1, 'signal 4 1'), root],
      ['child leaf', child, root],
      ['workflow leaf', leafRoot, child],
      ['step in the leaf', spanIdOf('whole-leaf', 1, 'step 1 1'), leafRoot],
      ['call', expect.any(String), spanIdOf('whole-leaf', 1, 'step 1 1')],
    ]),
  )
  expect(new Set(told.map(({ spanId }) => spanId)).size).toBe(told.length)
})

test('instants, outcomes and errors are those of the history, and no payload is told', async () => {
  await run('exact')
  const spans = await eventually(
    () => {
      const all = exporter
        .getFinishedSpans()
        .filter(({ attributes }) => attributes['cerebelum.execution.id'] === 'exact')
      return all.some(({ name }) => name === 'workflow traced') && all
    },
    { what: 'the end of the run' },
  )
  const events = await using.events('exact')
  const atOf = (type: string): number | undefined => events.find((event) => event.type === type)?.at.getTime()
  const find = (name: string) => spans.find((span) => span.name === name)
  const msOf = (time: readonly [number, number] | undefined): number =>
    time === undefined ? NaN : time[0] * 1_000 + time[1] / 1e6
  expect(msOf(find('workflow traced')?.startTime)).toBe(atOf('started'))
  expect(msOf(find('workflow traced')?.endTime)).toBe(atOf('completed'))
  expect(msOf(find('sleep')?.startTime)).toBe(atOf('sleep_started'))
  expect(msOf(find('sleep')?.endTime)).toBe(atOf('sleep_ended'))
  const [failed, good] = spans.filter(({ name }) => name === 'step shaky')
  expect(failed).toMatchObject({
    status: { code: 2, message: 'not yet' },
    attributes: { 'error.type': 'TypeError', 'cerebelum.step.attempt': 1, 'cerebelum.outcome': 'failed' },
  })
  expect(good).toMatchObject({ status: { code: 0 }, attributes: { 'cerebelum.step.attempt': 2 } })
  expect(find('workflow traced')?.attributes).toMatchObject({
    'cerebelum.workflow.name': 'traced',
    'cerebelum.execution.run': 1,
    'cerebelum.outcome': 'completed',
  })
  expect(JSON.stringify(spans.map(({ attributes }) => attributes))).not.toContain('now')
})

test('a traceparent of the caller is gone on with: by option, by header, and by the span that is active', async () => {
  expect(await run('by-option', { traceparent: OUTER })).toBe(OUTER_TRACE)
  const answer = await using.request('POST', '/executions', {
    body: { workflow: 'leaf', id: 'by-header' },
    headers: { traceparent: OUTER },
  })
  expect(answer.status).toBe(201)
  expect(await using.client.result('by-header')).toBe(OUTER_TRACE)
  const bodies = [
    { workflow: 'leaf', id: 'by-batch' },
    { workflow: 'leaf', id: 'by-body', traceparent: OUTER.replace('b7ad', 'c8be') },
  ]
  const many = await using.request('POST', '/executions/batch', {
    body: { executions: bodies },
    headers: { traceparent: OUTER },
  })
  expect(many.status).toBe(200)
  for (const id of ['by-batch', 'by-body']) expect(await using.client.result(id)).toBe(OUTER_TRACE)
  const span = trace.getTracer('program').startSpan('request')
  const handle = await context.with(trace.setSpan(context.active(), span), () =>
    using.client.start(leaf, undefined, { id: 'by-context' }),
  )
  span.end()
  expect(await handle.result()).toBe(span.spanContext().traceId)
  const roots = await eventually(
    () => {
      const all = exporter
        .getFinishedSpans()
        .map(toldOf)
        .filter(({ name, execution }) => name.startsWith('workflow') && String(execution).startsWith('by-'))
      return all.length === 6 && all
    },
    { what: 'the ends of the runs' },
  )
  const parents = new Map(roots.map(({ execution, parentId }) => [execution, parentId]))
  expect(parents.get('by-option')).toBe('b7ad6b7169203331')
  expect(parents.get('by-header')).toBe('b7ad6b7169203331')
  expect(parents.get('by-batch')).toBe('b7ad6b7169203331')
  expect(parents.get('by-body')).toBe('c8be6b7169203331')
  expect(parents.get('by-context')).toBe(span.spanContext().spanId)
})

test('what the caller does not want to be traced is not', async () => {
  const unsampled = `${OUTER.slice(0, -2)}00`.replace('0af7', '1bf7')
  await run('unsampled', { traceparent: unsampled })
  expect(toldOn(parseTraceparent(unsampled)?.traceId ?? '')).toEqual([])
  expect(TraceFlags.NONE).toBe(0)
})

test('a malformed traceparent is refused from a program and ignored in a header', async () => {
  await expect(using.client.start(leaf, undefined, { traceparent: 'nonsense' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  })
  const answer = await using.request('POST', '/executions', {
    body: { workflow: 'leaf', id: 'bad-header' },
    headers: { traceparent: 'nonsense' },
  })
  expect(answer.status).toBe(201)
  expect(await using.client.result('bad-header')).toBe(traceIdOf('bad-header', 1))
})

const toldShape = z.object({ name: z.string(), traceId: z.string(), spanId: z.string() })

test('a node that is killed within a step: the next one goes on with the same trace, and tells again what may be lost', async () => {
  const { url, schema } = using.database
  const victim = startNodeProcess({
    file: new URL('fixtures/traced-node.ts', import.meta.url),
    args: [url, schema],
    env: { HANG: 'yes' },
  })
  await victim.waitForOutput('hanging', { deadlineMs: 60_000 })
  await victim.waitForOutput('told .*step before', { deadlineMs: 30_000 })
  await victim.kill()
  expect(await using.client.result('killed-1', { timeout: '60 s' })).toBe('ended')
  const traceId = traceIdOf('killed-1', 1)
  const here = await eventually(() => toldOn(traceId).length >= 3 && toldOn(traceId), {
    what: 'the spans of the heir',
  })
  const there = Array.from(victim.output().matchAll(/^told (.*)$/gm), ([, line = '']) =>
    toldShape.parse(JSON.parse(line)),
  )
  const idsOf = (spans: readonly { name: string; spanId: string }[]): Record<string, string> =>
    Object.fromEntries(spans.map(({ name, spanId }) => [name, spanId]))
  expect(there.map(({ name }) => name)).toEqual(['step before'])
  expect(idsOf(here)).toEqual({
    'step before': idsOf(there)['step before'],
    'step between': spanIdOf('killed-1', 1, 'step 2 1'),
    'workflow killed': spanIdOf('killed-1', 1, ''),
  })
  expect(here).toHaveLength(3)
  expect(new Set([...here, ...there].map((span) => span.traceId))).toEqual(new Set([traceId]))
})

test('and it is counted as a node that died and an execution taken over', async () => {
  const metrics = new Metrics(await using.engine.metrics())
  // More than one where this machine stood still for longer than a lease: nodes of this process are buried too then.
  expect(metrics.sum('cerebelum_nodes_buried_total')).toBeGreaterThanOrEqual(1)
  // By whoever looks first: as an heir, or because the doorbell rings.
  const taken = (source: string): number => metrics.sum('cerebelum_executions_claimed_total', { source })
  expect(taken('failover') + taken('doorbell')).toBeGreaterThanOrEqual(1)
  expect(metrics.sum('cerebelum_executions_closed_total', { workflow: 'killed', result: 'completed' })).toBe(
    1,
  )
  expect(metrics.sum('cerebelum_executions_started_total', { workflow: 'killed' })).toBe(0)
})

test.each([
  ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00', false],
  ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', true],
  ['cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes', true],
])('%s is one', (text, isSampled) => {
  expect(parseTraceparent(text)).toMatchObject({ traceId: OUTER_TRACE, isSampled })
})

test.each([
  '',
  'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more',
  '00-00000000000000000000000000000000-b7ad6b7169203331-01',
  '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
  '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01',
])('"%s" is none', (text) => {
  expect(parseTraceparent(text)).toBeUndefined()
})
