// What the program shows: tables and progress for people at a terminal, plain lines for pipes and logs. Without a
// terminal a table is tab-separated lines (for cut and awk) and progress is a line now and then; NO_COLOR is kept.
// Results go to standard output, everything else to standard error.

import { SingleBar } from 'cli-progress'
import Table from 'cli-table3'
import { systemClock } from '../core/ports.js'

/** The part of a stream that is used; a test gives its own. */
export interface OutputStream {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

export interface TableData {
  readonly head: readonly string[]
  readonly rows: readonly (readonly (string | number | null)[])[]
}

export function writeTable({ head, rows }: TableData, stream: OutputStream = process.stdout): void {
  const texts = rows.map((row) => row.map(cellText))
  if (stream.isTTY !== true) {
    for (const row of [head, ...texts]) stream.write(`${row.join('\t')}\n`)
    return
  }
  const isPlain = isColorless(stream)
  const table = new Table({
    head: [...head],
    style: isPlain
      ? { head: [], border: [], compact: true }
      : { head: ['bold'], border: ['gray'], compact: true },
    wordWrap: true,
    ...widthsFor({ head, texts, columns: stream.columns ?? 80 }),
  })
  table.push(...texts)
  stream.write(`${table.toString()}\n`)
}

/** Control characters of a value (an execution id is anybody's text) must not reach the terminal. */
function cellText(value: string | number | null): string {
  return value === null ? '-' : printable(String(value))
}

export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
}

/** Column widths only when the table would be wider than the terminal: the widest column gives way. */
function widthsFor(options: {
  readonly head: readonly string[]
  readonly texts: readonly (readonly string[])[]
  readonly columns: number
}): { colWidths?: number[] } {
  const { head, texts, columns } = options
  const widths = head.map(
    (name, at) => Math.max(name.length, ...texts.map((row) => row[at]?.length ?? 0)) + 2,
  )
  const excess = widths.reduce((sum, width) => sum + width + 1, 1) - columns
  if (excess <= 0) return {}
  const widest = widths.indexOf(Math.max(...widths))
  return { colWidths: widths.map((width, at) => (at === widest ? Math.max(8, width - excess) : width)) }
}

export function isColorless(stream: OutputStream): boolean {
  return stream.isTTY !== true || (process.env['NO_COLOR'] ?? '') !== ''
}

/** A line for people, on standard error. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

export interface Progress {
  update(done: number): void
  stop(): void
}

/** Shows progress while `work` goes on, however it ends. */
export async function withProgress<T>(
  options: { readonly label: string; readonly total: number },
  work: (onProgress: (done: number) => void) => Promise<T>,
): Promise<T> {
  const progress = startProgress(options)
  try {
    return await work((done) => progress.update(done))
  } finally {
    progress.stop()
  }
}

/** Lines of progress without a terminal: not more often than this. */
const PROGRESS_LINE_MS = 5_000

export function startProgress(
  { label, total }: { readonly label: string; readonly total: number },
  stream: NodeJS.WritableStream & OutputStream = process.stderr,
): Progress {
  if (stream.isTTY === true) {
    const bar = new SingleBar({ format: `${label} {bar} {value}/{total}`, stream, hideCursor: true })
    bar.start(total, 0)
    return { update: (done) => bar.update(done), stop: () => bar.stop() }
  }
  let done = 0
  let writtenAtMs = systemClock.monotonicMs()
  const write = (): void => void stream.write(`${label} ${done}/${total}\n`)
  return {
    update(now) {
      done = now
      if (systemClock.monotonicMs() - writtenAtMs < PROGRESS_LINE_MS) return
      writtenAtMs = systemClock.monotonicMs()
      write()
    },
    stop: write,
  }
}
