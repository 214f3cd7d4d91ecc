// Reads an execution back from an archive. Files are gone through from the newest on; what stands in two of them, because
// a node died between writing and removing, is taken once.

import { decode } from '../core/codec.js'
import { CerebelumError } from '../core/errors.js'
import type { Event } from '../core/event.js'
import { archivePrefix, isArchiveName, readLines, type ArchivedRow } from './archive-file.js'
import type { ArchiveSink } from './archive-sink.js'

export interface ArchivedEvent extends Omit<Event, 'detail' | 'payload'> {
  readonly detail?: unknown
  /** Decoded. */
  readonly payload?: unknown
}

export interface ArchivedExecution extends ArchivedRow {
  /** Over all its runs, in their order. */
  readonly events: readonly ArchivedEvent[]
}

export interface Archive {
  /**
   * The newest execution of this id. Whoever knows the workflow has fewer files gone through.
   * @throws CerebelumError EXECUTION_NOT_FOUND | UNREADABLE_VALUE, or what the sink throws
   */
  read(executionId: string, options?: { readonly workflow?: string }): Promise<ArchivedExecution>
}

/**
 * @example
 * const { status, events } = await openArchive(fileArchive(folder)).read('order-7', { workflow: 'fulfil' })
 */
export function openArchive(sink: ArchiveSink): Archive {
  return {
    async read(executionId, { workflow } = {}) {
      const prefix = workflow === undefined ? '' : archivePrefix(workflow)
      const names = (await sink.list(prefix)).filter(isArchiveName).toSorted(newestFirst)
      const found = new Map<number, Gathered>()
      for (const name of names) {
        gather(found, readLines(name, await sink.get(name), executionId))
        // An older one of the id lies in older files.
        const [newest] = [...found].toSorted(([one], [other]) => other - one)
        if (newest !== undefined && isWhole(newest[1])) return render(newest[1])
      }
      if (found.size > 0) throw incomplete(executionId)
      throw notThere(executionId)
    },
  }
}

interface Gathered {
  row: ArchivedRow | undefined
  readonly events: Map<number, Event>
}

/** By the instant of the end: of one id there may have been several, and of one several copies. */
function gather(found: Map<number, Gathered>, lines: ReturnType<typeof readLines>): void {
  for (const line of lines) {
    const closedMs = (line.kind === 'event' ? line.closedAt : line.row.closedAt).getTime()
    const gathered = found.get(closedMs) ?? { row: undefined, events: new Map<number, Event>() }
    found.set(closedMs, gathered)
    if (line.kind === 'execution') gathered.row = line.row
    else gathered.events.set(line.event.version, line.event)
  }
}

function isWhole({ row, events }: Gathered): boolean {
  return row !== undefined && events.size >= row.version
}

function render({ row, events }: Gathered): ArchivedExecution {
  if (row === undefined) throw new CerebelumError('INTERNAL', 'An archived execution has no row.')
  const ordered = [...events.values()].toSorted((one, other) => one.version - other.version)
  return { ...row, events: ordered.map(renderEvent) }
}

function renderEvent({ detail, payload, ...rest }: Event): ArchivedEvent {
  const parsed: unknown = detail === undefined ? undefined : JSON.parse(detail)
  return {
    ...rest,
    ...(detail === undefined ? {} : { detail: parsed }),
    ...(payload === undefined ? {} : { payload: decode(payload) }),
  }
}

/** By what stands behind the folder: the instant of a start. */
function newestFirst(one: string, other: string): number {
  return fileOf(one) < fileOf(other) ? 1 : -1
}

function fileOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}

function notThere(executionId: string): CerebelumError {
  const text = `Execution "${executionId}" is not in the archive. Is it still in the database, or is this another archive?`
  return new CerebelumError('EXECUTION_NOT_FOUND', text, { executionId })
}

function incomplete(executionId: string): CerebelumError {
  const text = `Of execution "${executionId}" the archive has only a part: files of it are missing. Look for them where the archive was copied from.`
  return new CerebelumError('UNREADABLE_VALUE', text, { executionId })
}
