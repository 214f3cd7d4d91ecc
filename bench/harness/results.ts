// The page of a full run: what was measured, beside what it was held against, with machine, versions and spread. Pure, so
// that a run can be told again from its JSON.

import { z } from 'zod'
import { amount, targetText } from './figures.js'

const Range = z.tuple([z.number(), z.number()])
const Nullable = z.number().nullable()

const Report = z.looseObject({
  name: z.string(),
  unit: z.string().optional(),
  ours: z.number().optional(),
  reference: z.number().optional(),
  reference_name: z.string().optional(),
  ratio: z.number().optional(),
  runs: z.number().optional(),
  spread: z.looseObject({ ours: Range, ratio: Range.optional() }).optional(),
  p50_ms: z.number().optional(),
  p99_ms: z.number().optional(),
  transactions: Nullable.optional(),
  wal_bytes: Nullable.optional(),
  db_bytes: Nullable.optional(),
  cpu_ms_node: Nullable.optional(),
  cpu_ms_database: Nullable.optional(),
  figures: z
    .array(
      z.object({
        what: z.string(),
        value: Nullable,
        unit: z.string(),
        atMost: z.number().optional(),
        atLeast: z.number().optional(),
      }),
    )
    .optional(),
  checked: z.string().optional(),
  server: z.string().optional(),
})

export const Results = z.object({
  commit: z.string(),
  at: z.string(),
  size: z.string(),
  machine: z.string(),
  node_version: z.string(),
  runs: z.array(
    z.object({
      name: z.string(),
      flags: z.array(z.string()),
      seconds: z.number(),
      load_average: z.number(),
      chart: z.string().optional(),
      failure: z.string().optional(),
      report: Report.optional(),
    }),
  ),
})

export type Results = z.infer<typeof Results>
type Run = Results['runs'][number]

export function renderResults(results: Results): string {
  const { commit, at, size, machine, node_version, runs } = results
  const server = runs.find(({ report }) => report?.server !== undefined)?.report?.server ?? 'unknown'
  const minutes = runs.reduce((sum, { seconds }) => sum + seconds, 0) / 60
  return [
    '# Results of the last run of all benchmarks',
    '',
    `Written by \`npm run bench -- all --size ${size}\`: commit ${commit}, ${at.slice(0, 16).replace('T', ' ')} UTC, ${machine}, Node ${node_version}, ${server}.`,
    `${Math.round(minutes)} minutes in all; "load" is the load average of the machine as a benchmark ended, of which the benchmark itself is 2 to 3. \`README.md\` says what each benchmark does and why a target is missed; \`results.json\` has all figures.`,
    ...(size === 'short' ? ['', SHORT] : []),
    '',
    ...table(
      ['name', 'measured', 'lowest … highest', 'held against', 'ratio', 'p50 / p99 ms', 'load'],
      runs.map(summary),
    ),
    ...runs.flatMap(section),
    '',
  ].join('\n')
}

const SHORT =
  '**This run was the short form**, a few seconds each: it shows that all run and check their work. Its rates say little, ' +
  'the more so where the load is high; what each unit cost in CPU, WAL and bytes says more.'

function summary({ name, report, failure, load_average }: Run): string[] {
  if (report === undefined)
    return [name, `failed: ${failure ?? 'without a word'}`, '', '', '', '', load(load_average)]
  const { ours, unit = '', spread, reference, reference_name, ratio, p50_ms, p99_ms } = report
  return [
    name,
    ours === undefined ? 'see below' : `${amount(ours)} ${unit}`,
    spread === undefined ? '' : spread.ours.map(amount).join(' … '),
    reference === undefined ? '' : `${amount(reference)} ${reference_name ?? ''}`.trim(),
    ratio === undefined ? '' : ratio.toFixed(2),
    p50_ms === undefined || p99_ms === undefined ? '' : `${amount(p50_ms)} / ${amount(p99_ms)}`,
    load(load_average),
  ]
}

function section({ name, flags, chart, report, seconds }: Run): string[] {
  if (report === undefined) return []
  const figures = report.figures?.map((figure) => [
    figure.what,
    `${amount(figure.value)} ${figure.unit}`,
    targetText(figure) ?? '',
  ])
  const rows = figures ?? [...costs(report), ...plain(report)]
  return [
    '',
    `## ${name}`,
    '',
    `\`${['npm run bench --', name, ...flags].join(' ')}\`, ${Math.round(seconds)} s${report.checked === undefined ? '' : `; ${report.checked}`}.`,
    '',
    ...table(['what', 'measured', 'target'], rows),
    ...lists(report),
    ...(chart === undefined ? [] : ['', `![${name}](${chart})`]),
  ]
}

function costs(report: NonNullable<Run['report']>): string[][] {
  const { transactions, wal_bytes, db_bytes, cpu_ms_node, cpu_ms_database } = report
  if (cpu_ms_node === undefined) return []
  const isThroughput = report.name === 'throughput'
  const row = (what: string, value: number | null | undefined, unit: string, atMost: number): string[] => [
    what,
    `${exact(value ?? null)} ${unit}`,
    isThroughput ? (targetText({ what, value: value ?? null, unit, atMost }) ?? '') : '',
  ]
  const all =
    cpu_ms_node === null || (cpu_ms_database ?? null) === null ? null : cpu_ms_node + (cpu_ms_database ?? 0)
  return [
    row('transactions each', transactions, '', 0.05),
    row('WAL each', wal_bytes, 'bytes', 3_000),
    row('stored each', db_bytes, 'bytes', 2_000),
    row('CPU each, node and database', all, 'ms', 0.25),
  ]
}

/** Whatever other numbers there are: of reports that have their own form. */
function plain(report: NonNullable<Run['report']>): string[][] {
  if (report.cpu_ms_node !== undefined) return []
  return Object.entries(report).flatMap(([name, value]) =>
    typeof value === 'number' && !COMMON.has(name) ? [[name.replaceAll('_', ' '), exact(value), '']] : [],
  )
}

/** What such a report has several of: one row each, of what is no list or group itself. */
function lists(report: NonNullable<Run['report']>): string[] {
  return Object.entries(report).flatMap(([name, value]) => {
    const rows = name === 'figures' ? undefined : List.safeParse(value).data
    const [first] = rows ?? []
    if (rows === undefined || first === undefined) return []
    const columns = Object.keys(first).filter((column) => typeof first[column] !== 'object')
    const cell = (content: unknown): string =>
      typeof content === 'number' ? exact(content) : String(content)
    return [
      '',
      ...table(
        columns.map((column) => column.replaceAll('_', ' ')),
        rows.map((row) => columns.map((column) => cell(row[column]))),
      ),
    ]
  })
}

const List = z.array(z.record(z.string(), z.unknown()))

const COMMON = new Set(['ours', 'reference', 'ratio', 'load_average'])

function exact(value: number | null): string {
  return value !== null && Math.abs(value) < 10 ? value.toFixed(3) : amount(value)
}

function load(value: number): string {
  return value.toFixed(1)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return []
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}
