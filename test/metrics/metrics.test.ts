// What a node tells of itself, read by a real parser and held against the tables: counts agree with histories, every name
// is documented and well formed, and no program makes series without end.

import { expect, test } from 'vitest'
import { z } from 'zod'
import { systemClock } from '../../src/core/ports.js'
import { Exporter } from '../../src/metrics/exporter.js'
import { Meters } from '../../src/metrics/meters.js'
import { METRICS, type MetricDefinition } from '../../src/metrics/names.js'
import { withRetry } from '../../src/store/retry.js'
import { workflow } from '../../src/workflow/define.js'
import { useHttp } from '../support/http.js'
import { Metrics } from '../support/metrics.js'
import { eventually } from '../support/wait.js'

let failuresLeft = 0

const counted = workflow({ name: 'counted' }, async (ctx) => {
  await ctx.step('first', () => 1)
  await ctx.step(
    'shaky',
    () => {
      if (failuresLeft-- > 0) throw new Error('not yet')
      return 2
    },
    { retry: { attempts: 5, initial: '1 ms' } },
  )
  await ctx.sleep('30 ms')
  const name = await ctx.signal('go', z.string())
  return name
})
const broken = workflow({ name: 'broken' }, async (ctx) => {
  await ctx.step(
    'never',
    () => {
      throw new Error('no')
    },
    { retry: { attempts: 2, initial: '1 ms' } },
  )
})
const parent = workflow({ name: 'parent' }, async (ctx) => ctx.child(leaf, undefined))
const leaf = workflow({ name: 'leaf' }, async (ctx) => ctx.step('leaf', () => 'done'))
const looping = workflow({ name: 'looping' }, async (ctx, left: number) => {
  if (left > 0) await ctx.continueAsNew(left - 1)
  await ctx.step('last', () => left)
})
const waiting = workflow({ name: 'waiting' }, async (ctx) => ctx.signal('never', z.string()))

const using = useHttp([counted, broken, parent, leaf, looping, waiting], {
  app: { metrics: () => using.engine.metrics() },
})

async function read(): Promise<Metrics> {
  const response = await fetch(`${using.url}/metrics`)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  return new Metrics(await response.text())
}

const definitions: readonly (readonly [string, MetricDefinition])[] = Object.entries(METRICS)

test('counts agree with the histories and the rows', async () => {
  failuresLeft = 3
  const { client } = using
  const handles = await Promise.all(Array.from({ length: 4 }, () => client.start(counted, undefined)))
  await Promise.all(handles.map(({ executionId }) => client.signal(executionId, 'go', 'you')))
  await Promise.all(handles.map((handle) => handle.result()))
  await expect((await client.start(broken, undefined)).result()).rejects.toThrow()
  await (await client.start(parent, undefined)).result()
  await (await client.start(looping, 2)).result()
  const open = await client.start(waiting, undefined)
  await client.terminate(open.executionId)
  const other = await client.start(waiting, undefined)
  await client.cancel(other.executionId)
  await expect(other.result()).rejects.toThrow()

  const metrics = await read()
  const sql = using.database.connect()
  const statuses = await sql<{ workflow: string; status: string; rows: number }[]>`
    select workflow, status, count(*)::int4 as rows from executions group by workflow, status`
  for (const { workflow, status, rows } of statuses) {
    const labels = { workflow, result: status }
    expect([workflow, status, metrics.sum('cerebelum_executions_closed_total', labels)]).toEqual([
      workflow,
      status,
      rows,
    ])
  }
  const events = await sql<{ type: string; rows: number }[]>`
    select type, count(*)::int4 as rows from events group by type`
  const of = (type: string): number => events.find((each) => each.type === type)?.rows ?? 0
  expect(metrics.sum('cerebelum_executions_started_total')).toBe(of('started'))
  expect(metrics.sum('cerebelum_executions_started_total', { source: 'child' })).toBe(1)
  expect(metrics.sum('cerebelum_executions_started_total', { source: 'continue' })).toBe(2)
  expect(metrics.sum('cerebelum_executions_closed_total', { result: 'continued' })).toBe(of('continued'))
  const attempts = 'cerebelum_step_attempt_duration_seconds'
  expect(metrics.sum(attempts, { outcome: 'completed' })).toBe(of('step_completed'))
  expect(metrics.sum(attempts, { outcome: 'failed' })).toBe(3 + 2)
  expect(metrics.sum('cerebelum_step_retries_total')).toBe(3 + 1)
  expect(metrics.sum('cerebelum_timer_lag_seconds', { kind: 'sleep' })).toBe(of('sleep_ended'))
  // A start writes its own event, and a termination from outside another one; all else goes through the lanes.
  const all = events.reduce((sum, { rows }) => sum + rows, 0)
  const byLanes = all - (of('started') - of('continued')) - of('terminated')
  expect(metrics.sum('cerebelum_events_written_total')).toBe(byLanes)
  const starts = metrics.series('cerebelum_lane_batch_size_sum', { lane: 'start' })
  expect(Number(starts[0]?.value)).toBe(of('started') - of('continued') - 1)
  expect(metrics.sum('cerebelum_execution_duration_seconds', { workflow: 'counted' })).toBe(4)
  const [lived] = metrics.series('cerebelum_execution_duration_seconds_sum', { workflow: 'counted' })
  expect(Number(lived?.value)).toBeGreaterThan(4 * 0.03)
  expect(metrics.sum('cerebelum_doorbell_lag_seconds')).toBe(
    metrics.sum('cerebelum_executions_claimed_total', { source: 'doorbell' }),
  )
  const { hits } = using.engine.stats().cache
  expect(hits).toBeGreaterThan(0)
  expect(metrics.sum('cerebelum_execution_cache_lookups_total', { result: 'hit' })).toBe(hits)
})

test('tells what the node is and does', async () => {
  const [row] = await using.database.connect()<{ node_id: string }[]>`select node_id from leases`
  const metrics = await eventually(
    async () => {
      const now = await read()
      return now.sum('cerebelum_lease_renewals_total', { result: 'renewed' }) > 0 && now
    },
    { what: 'a heartbeat' },
  )
  const [info] = metrics.series('cerebelum_node_info')
  expect(info?.labels).toMatchObject({ node_id: row?.node_id, region: 'local' })
  expect(metrics.sum('cerebelum_lease_trusted')).toBe(1)
  expect(metrics.sum('cerebelum_nodes_known')).toBe(1)
  expect(metrics.sum('cerebelum_partitions_owned')).toBe(64)
  expect(metrics.sum('cerebelum_executions_running')).toBe(0)
  expect(metrics.sum('cerebelum_node_capacity')).toBe(2_000)
  expect(metrics.sum('cerebelum_lease_renewal_duration_seconds')).toBeGreaterThan(0)
  expect(metrics.sum('cerebelum_event_loop_delay_seconds')).toBeGreaterThan(0)
  expect(metrics.sum('cerebelum_store_connections', { pool: 'heartbeat' })).toBe(1)
  expect(metrics.sum('cerebelum_store_connections_max', { pool: 'work' })).toBe(10)
  expect(metrics.sum('process_resident_memory_bytes')).toBeGreaterThan(10e6)
})

test('counts requests by route and class, never by path', async () => {
  const count = (metrics: Metrics, labels: Record<string, string>): number =>
    metrics.sum('cerebelum_http_request_duration_seconds', labels)
  const before = await read()
  for (const id of ['one', 'two', 'three']) await using.request('GET', `/executions/${id}`)
  await using.request('GET', './nothing/here')
  await using.request('DELETE', './healthz')
  const after = await read()
  const route = '/api/v1/executions/:executionId'
  const grown = (labels: Record<string, string>): number => count(after, labels) - count(before, labels)
  expect(grown({ route, method: 'GET', status_class: '4xx' })).toBe(3)
  expect(grown({ route: 'none', status_class: '4xx' })).toBe(1)
  expect(grown({ route: '/healthz', method: 'DELETE', status_class: '4xx' })).toBe(1)
  expect(JSON.stringify(after.families)).not.toContain('executions/two')
})

test('gives out what is documented, and nothing else', async () => {
  const metrics = await read()
  const given = metrics.families.map(({ name, type, help }) => `${name} ${type.toLowerCase()} ${help}`)
  const documented = definitions.map(([name, { kind, help }]) => `${name} ${kind} ${help}`)
  expect(given.toSorted((a, b) => a.localeCompare(b))).toEqual(
    documented.toSorted((a, b) => a.localeCompare(b)),
  )
  for (const [name, { kind, labels }] of definitions) {
    for (const series of metrics.series(kind === 'histogram' ? `${name}_count` : name))
      expect([name, Object.keys(series.labels ?? {}).toSorted()]).toEqual([name, labels.toSorted()])
  }
})

test('histograms add up', async () => {
  const metrics = await read()
  for (const [name, { kind, buckets = [] }] of definitions) {
    if (kind !== 'histogram') continue
    for (const { labels = {}, value: count } of metrics.series(`${name}_count`)) {
      const counts = metrics
        .series(`${name}_bucket`, labels)
        .map(
          ({ labels: { le } = {}, value }) => [le === '+Inf' ? Infinity : Number(le), Number(value)] as const,
        )
      expect(counts.map(([le]) => le)).toEqual([...buckets, Infinity])
      const rising = counts.map(([, value]) => value)
      expect([name, rising]).toEqual([name, rising.toSorted((a, b) => a - b)])
      expect([name, rising.at(-1)]).toEqual([name, Number(count)])
    }
  }
})

/** What promtool's lint asks of names, and what OpenTelemetry's conventions make of them in Prometheus. */
test.each(definitions)('%s is named by the rules', (name, { kind, unit, labels, help, buckets }) => {
  expect(name).toMatch(/^(cerebelum|process|nodejs)(_[a-z0-9]+)+$/)
  expect(name.endsWith('_total')).toBe(kind === 'counter')
  expect(name).not.toMatch(/_(count|sum|bucket|counter|gauge|histogram|ms|milliseconds|kb|mb|percent)(_|$)/)
  const base = name.replace(/_total$/, '')
  if (unit === 's') expect(base).toMatch(/_seconds$/)
  else if (unit === 'By') expect(base).toMatch(/_bytes$/)
  else {
    expect(unit).toMatch(/^\{[a-z]+\}$/)
    expect(base).not.toMatch(/_(seconds|bytes)$/)
  }
  for (const label of labels) {
    expect(label).toMatch(/^[a-z]+(_[a-z]+)*$/)
    expect(label).not.toBe('le')
  }
  expect(help).toMatch(/^[A-Z1].*\.$/)
  expect(buckets !== undefined).toBe(kind === 'histogram')
  expect(buckets ?? []).toEqual((buckets ?? []).toSorted((a, b) => a - b))
})

test('what the store tries again is counted by the class of its SQLSTATE', async () => {
  const meters = new Meters()
  const policy = { clock: systemClock, retryForMs: 10_000, meters }
  const failures = ['40001', '40P01', '57P01', 'ECONNREFUSED']
  const failing = (code: string): Error => Object.assign(new Error(code), { code, name: 'PostgresError' })
  await withRetry(policy, 'test', () => {
    const code = failures.shift()
    return code === undefined ? Promise.resolve() : Promise.reject(failing(code))
  })
  await expect(withRetry(policy, 'test', () => Promise.reject(failing('22P02')))).rejects.toThrow()
  await expect(withRetry(policy, 'test', () => Promise.reject(new Error('by a user')))).rejects.toThrow()
  const metrics = new Metrics(await new Exporter(meters).text())
  const byClass = (name: string): string[] =>
    metrics.series(name).map(({ labels, value }) => `${labels?.['class']}: ${value}`)
  expect(byClass('cerebelum_store_retries_total')).toEqual(['40: 2', '57: 1', 'connection: 1'])
  expect(byClass('cerebelum_store_failures_total')).toEqual(['22: 1'])
})

test('workflows without end are counted together', async () => {
  const meters = new Meters()
  for (let n = 0; n < 1_000; n++) meters.of(`made-up-${n}`).started.client++
  const metrics = new Metrics(await new Exporter(meters).text())
  const series = metrics.series('cerebelum_executions_started_total', { source: 'client' })
  expect(series.length).toBe(101)
  expect(metrics.sum('cerebelum_executions_started_total')).toBe(1_000)
  expect(metrics.sum('cerebelum_executions_started_total', { workflow: '_other' })).toBe(900)
  expect(meters.workflows.size).toBeLessThan(200)
})
