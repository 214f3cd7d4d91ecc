// The dashboards and alerts ask for metrics that exist, with labels and values that they have: each expression is parsed by
// the grammar of Prometheus itself, and held against what a node gives out.

import { readFileSync } from 'node:fs'
import { parser } from '@prometheus-io/lezer-promql'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { Exporter } from '../../src/metrics/exporter.js'
import { Meters } from '../../src/metrics/meters.js'
import { METRICS, type MetricDefinition } from '../../src/metrics/names.js'
import { Metrics } from '../support/metrics.js'

const read = (path: string): string =>
  readFileSync(new URL(`../../deploy/observability/${path}`, import.meta.url), 'utf8')

const target = z.object({ expr: z.string(), refId: z.string() })
const panelShape = z.object({
  id: z.number(),
  title: z.string(),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
  targets: z.array(target).min(1),
})
const dashboardShape = z.object({
  uid: z.string(),
  panels: z.array(panelShape).min(1),
  templating: z.object({ list: z.array(z.object({ name: z.string(), definition: z.string().optional() })) }),
})
const alertsShape = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^Cerebelum[A-Z]\w+$/),
          expr: z.string(),
          for: z
            .string()
            .regex(/^\d+[sm]$/)
            .optional(),
          labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
          annotations: z.strictObject({ summary: z.string().min(10), description: z.string().min(10) }),
        }),
      ),
    }),
  ),
})

const alerts = alertsShape.parse(parse(read('alerts.yaml'))).groups.flatMap(({ rules }) => rules)
const dashboards = ['workflows', 'nodes'].map((name) => ({
  name,
  ...dashboardShape.parse(JSON.parse(read(`dashboards/${name}.json`))),
}))

const expressions: readonly (readonly [string, string])[] = [
  ...alerts.map(({ alert, expr }) => [alert, expr] as const),
  ...dashboards.flatMap(({ name, panels }) =>
    panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [`${name}: ${title}`, expr] as const)),
  ),
  // label_values(selector, label), Grafana's own: its selector is PromQL.
  ...dashboards.flatMap(({ name, templating }) =>
    templating.list.flatMap(({ name: variable, definition }) => {
      const [, selector = ''] = /^label_values\((.*), \w+\)$/.exec(definition ?? '') ?? []
      return definition === undefined ? [] : [[`${name}: $${variable}`, selector] as const]
    }),
  ),
]

/** What Prometheus adds by itself. */
const SCRAPED = new Set(['job', 'instance'])

const known = new Map<string, readonly string[]>([['up', []]])
for (const [name, { kind, labels }] of Object.entries<MetricDefinition>(METRICS)) {
  if (kind !== 'histogram') known.set(name, labels)
  else
    for (const end of ['_bucket', '_sum', '_count'])
      known.set(name + end, end === '_bucket' ? [...labels, 'le'] : labels)
}

interface Selector {
  readonly metric: string
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[]
}

interface Query {
  readonly selectors: readonly Selector[]
  readonly grouped: readonly string[]
  readonly errors: readonly string[]
}

function understand(expression: string): Query {
  const text = expression.replaceAll('$__rate_interval', '5m')
  const selectors: { metric: string; matchers: { label: string; operator: string; value: string }[] }[] = []
  const grouped: string[] = []
  const errors: string[] = []
  let isGrouping = false
  parser.parse(text).iterate({
    enter({ name, from, to, type }) {
      const part = text.slice(from, to)
      if (type.isError) errors.push(`at ${from}: ${text.slice(from, from + 20)}`)
      if (name === 'GroupingLabels') isGrouping = true
      if (name === 'LabelName' && isGrouping) grouped.push(part)
      if (name === 'VectorSelector') selectors.push({ metric: '', matchers: [] })
      const current = selectors.at(-1)
      if (name === 'Identifier' && current !== undefined) current.metric = part
      if (name === 'UnquotedLabelMatcher') {
        const [, label = '', operator = '', value = ''] = /^(\w+)\s*(=~|!~|!=|=)\s*"(.*)"$/.exec(part) ?? []
        current?.matchers.push({ label, operator, value })
      }
    },
    leave({ name }) {
      if (name === 'GroupingLabels') isGrouping = false
    },
  })
  return { selectors, grouped, errors }
}

/** What is wrong with it; nothing is good. */
async function faults(expression: string): Promise<string[]> {
  const { selectors, grouped, errors } = understand(expression)
  const found = [...errors]
  if (selectors.length === 0) found.push('it asks for no metric')
  const values = await valuesGiven()
  for (const { metric, matchers } of selectors) {
    const labels = known.get(metric)
    if (labels === undefined) {
      found.push(`there is no metric ${metric}`)
      continue
    }
    for (const { label, operator, value } of matchers) {
      if (!labels.includes(label) && !SCRAPED.has(label)) found.push(`${metric} has no label ${label}`)
      const given = values.get(`${metric.replace(/_(bucket|sum)$/, '_count')} ${label}`)
      if (operator === '=' && given !== undefined && !given.has(value))
        found.push(`${metric} has no ${label} ${value}`)
    }
  }
  const all = new Set(selectors.flatMap(({ metric }) => known.get(metric) ?? []))
  for (const label of grouped)
    if (!all.has(label) && !SCRAPED.has(label)) found.push(`nothing there has a label ${label}`)
  return found
}

/** By metric and label, the values that a node gives; those that are made up elsewhere (workflows, ids) are left out. */
async function valuesGiven(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const meters = new Meters()
  const workflow = meters.of('any')
  for (const result of ['completed', 'failed', 'canceled', 'terminated', 'continued'] as const)
    workflow.ended(result, 1)
  workflow.attempt(true, 1)
  workflow.attempt(false, 1)
  const pool = { busy: 0, idle: 0, waiting: 0, max: 1 }
  for (const name of ['work', 'heartbeat', 'transitions', 'transactions']) meters.pools.set(name, () => pool)
  const metrics = new Metrics(await new Exporter(meters).text())
  const values = new Map<string, Set<string>>()
  for (const name of known.keys()) {
    for (const { labels = {} } of metrics.series(name)) {
      for (const [label, value] of Object.entries(labels)) {
        const key = `${name} ${label}`
        values.set(key, (values.get(key) ?? new Set()).add(value))
      }
    }
  }
  return values
}

describe('an expression asks for what exists', () => {
  test.each(expressions)('%s', async (_name, expression) => {
    expect(await faults(expression)).toEqual([])
  })

  test('every panel, alert and variable is looked at', () => {
    expect(expressions.length).toBeGreaterThan(50)
  })

  test.each([
    ['a metric that is not there', 'rate(cerebelum_executions_begun_total[5m])', 'there is no metric'],
    ['a histogram without its ending', 'cerebelum_doorbell_lag_seconds', 'there is no metric'],
    ['a label that it has not', 'cerebelum_executions_running{workflow="a"}', 'has no label workflow'],
    ['a value that it never has', 'cerebelum_executions_closed_total{result="done"}', 'has no result done'],
    ['a grouping by nothing', 'sum by (colour) (cerebelum_executions_running)', 'has a label colour'],
    ['what is no PromQL', 'sum(rate(cerebelum_executions_closed_total[5m])', 'at '],
  ])('and else it is seen: %s', async (_name, expression, fault) => {
    expect(await faults(expression)).toContainEqual(expect.stringContaining(fault))
  })
})

test('every alert is in the README, with what to do, and nothing else is', () => {
  const rows = Array.from(read('README.md').matchAll(/^\| `(Cerebelum\w+)` *\| (.+?) *\|$/gm))
  expect(rows.map(([, name]) => name)).toEqual(alerts.map(({ alert }) => alert))
  for (const [, , advice = ''] of rows) expect(advice.length).toBeGreaterThan(20)
})

test('metrics that the README names exist', () => {
  const named = Array.from(read('README.md').matchAll(/`(cerebelum_\w+)/g), ([, name = '']) => name)
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((name) => !Object.hasOwn(METRICS, name))).toEqual([])
})

test.each(dashboards)('panels of $name do not overlap, and have ids of their own', ({ panels }) => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
  )
  expect(new Set(cells).size).toBe(cells.length)
  for (const { gridPos, targets } of panels) {
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
    expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length)
  }
})

test('the scrape configuration names the job that the alerts go by', () => {
  const shape = z.object({
    rule_files: z.array(z.string()),
    scrape_configs: z.array(z.object({ job_name: z.string() })),
  })
  expect(shape.parse(parse(read('prometheus.yaml')))).toEqual({
    rule_files: ['alerts.yaml'],
    scrape_configs: [{ job_name: 'cerebelum' }],
  })
})
