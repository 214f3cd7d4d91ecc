// `cerebelum trace ID`: what an execution did and waited for, and how long each took, from its history. `--children` shows
// what it started below it; `--json` is for programs. Control characters of names never reach the terminal.

import type { Command } from 'commander'
import type { Client, ExecutionInfo, HistoryEvent } from '../client/client.js'
import { errorCode } from '../core/errors.js'
import { isClosed } from '../core/execution.js'
import { Timeline, type Span, type SpanKind } from '../core/timeline.js'
import { withClient } from './client-command.js'
import type { Flags } from './config.js'
import { durationText } from './durations.js'
import { EXIT } from './exit-codes.js'
import { addFlags, DATABASE_FLAGS } from './flags.js'
import { writeGantt, type GanttRow } from './gantt.js'
import { isColorless, printable, say } from './output.js'

interface TraceFlags extends Flags {
  readonly json?: boolean
  readonly children?: boolean
}

interface Trace {
  readonly execution: ExecutionInfo
  readonly spans: readonly Span[]
  readonly children: readonly Trace[]
}

/** More is read by no eyes: `--json` has all. */
const ROWS_MAX = 500
/** Executions shown below one, all levels together. */
const CHILDREN_MAX = 50

const WAITS: ReadonlySet<SpanKind> = new Set(['sleep', 'signal', 'retry', 'pause', 'child'])

export function addTraceCommand(program: Command, run: (code: Promise<number>) => Promise<void>): void {
  const command = program
    .command('trace')
    .description('what an execution did and waited for, and how long each took')
    .argument('<id>')
    .option('--children', `show what it started below it (at most ${CHILDREN_MAX})`)
    .option('--json', 'one JSON object: execution, spans, children')
  addFlags(command, DATABASE_FLAGS).action((id: string, flags: TraceFlags) =>
    run(withClient(flags, (client) => show(client, id, flags))),
  )
}

async function show(client: Client, executionId: string, flags: TraceFlags): Promise<number> {
  const trace = await read(client, executionId, { left: flags.children === true ? CHILDREN_MAX : 0 })
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify(trace)}\n`)
    return EXIT.ok
  }
  const nowMs = Date.now()
  const rows = rowsOf(trace, '')
  writeGantt(rows.slice(0, ROWS_MAX), process.stdout, { nowMs, isColorless: isColorless(process.stdout) })
  if (rows.length > ROWS_MAX) say(`${rows.length - ROWS_MAX} more are not shown; --json has them all`)
  say(summary(trace, nowMs))
  return EXIT.ok
}

/** `budget.left`: how many children may still be read. */
async function read(client: Client, executionId: string, budget: { left: number }): Promise<Trace> {
  const execution = await client.get(executionId)
  const { status } = execution
  const timeline = new Timeline()
  const spans: Span[] = []
  for (let after: number | undefined = 0; after !== undefined;) {
    const page: { readonly events: readonly HistoryEvent[]; readonly next?: number } = await client.history(
      executionId,
      { after },
    )
    for (const event of page.events) spans.push(...timeline.add(event))
    after = page.next
  }
  // A page that was read while the execution went on may be newer than its row.
  if (!isClosed(status)) spans.push(...timeline.open())
  spans.sort((a, b) => a.run - b.run || rank(a) - rank(b) || a.startMs - b.startMs)
  const children: Trace[] = []
  for (const { childId } of spans) {
    if (childId === undefined || budget.left <= 0) continue
    budget.left--
    const child = await read(client, childId, budget).catch(ignoreMissing)
    if (child !== undefined) children.push(child)
  }
  return { execution: infoOf(execution), spans, children }
}

/** Without its input and result: they may be large, and secret. */
function infoOf(details: ExecutionInfo): ExecutionInfo {
  const { executionId, workflow, workflowVersion, status, run, version } = details
  const { startedAt, closedAt, node, parentId, attributes, note } = details
  return {
    executionId,
    workflow,
    workflowVersion,
    status,
    run,
    version,
    startedAt,
    closedAt,
    node,
    parentId,
    attributes,
    note,
  }
}

/** Removed since, by retention. */
function ignoreMissing(error: unknown): undefined {
  if (errorCode(error) === 'EXECUTION_NOT_FOUND') return undefined
  throw error
}

function rank({ kind }: Span): number {
  return kind === 'run' ? 0 : 1
}

function rowsOf({ spans, children }: Trace, indent: string): GanttRow[] {
  const below = new Map(children.map((child) => [child.execution.executionId, child]))
  return spans.flatMap((span) => {
    const child = span.childId === undefined ? undefined : below.get(span.childId)
    const row = rowOf(span, indent)
    return child === undefined ? [row] : [row, ...rowsOf(child, `${indent}    `)]
  })
}

function rowOf(span: Span, indent: string): GanttRow {
  const { kind, startMs, endMs, outcome } = span
  const inset = kind === 'run' ? indent : `${indent}  `
  const label = `${inset}${printable(labelOf(span))}`
  return { label, startMs, endMs, outcome, color: colorOf(span), isWait: WAITS.has(kind) }
}

function labelOf({ kind, name, run, attempt = 1, childId }: Span): string {
  switch (kind) {
    case 'run':
      return run > 1 ? `${name} (run ${run})` : name
    case 'step':
      return attempt > 1 ? `${name} #${attempt}` : name
    case 'retry':
      return `wait to retry ${name}`
    case 'sleep':
      return 'sleep'
    case 'signal':
      return `signal ${name}`
    case 'child':
      return `child ${name} ${childId ?? ''}`.trimEnd()
    case 'update':
      return `update ${name}`
    case 'pause':
    case 'cancel':
      return name
  }
}

function colorOf({ kind, outcome }: Span): GanttRow['color'] {
  if (outcome === 'failed' || outcome === 'terminated') return 'red'
  if (outcome === 'retried' || outcome === 'timed out' || outcome === 'canceled') return 'yellow'
  if (outcome === 'open') return 'cyan'
  if (kind === 'run') return 'blue'
  return WAITS.has(kind) ? 'gray' : 'green'
}

function summary({ execution, spans }: Trace, nowMs: number): string {
  const { executionId, status, version, startedAt, closedAt, node, note } = execution
  const lastedMs = (closedAt?.getTime() ?? nowMs) - startedAt.getTime()
  const attempts = spans.filter(({ kind }) => kind === 'step').length
  const where = node === null ? '' : ` on node ${node}`
  const why = note === null ? '' : `: ${printable(note)}`
  return `${printable(executionId)}: ${status}${where}${why}, ${durationText(lastedMs)}, ${attempts} attempts of steps, ${version} events`
}
