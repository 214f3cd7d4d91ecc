// The files of an archive: gzip of NDJSON, one line for an execution and one for each of its events, each complete in
// itself, so that a long history may go over several files and zcat with jq reads them all. Values stay as the database
// has them, encoded: nothing is lost on the way.

import { gunzipSync, gzipSync } from 'node:zlib'
import { CerebelumError } from '../core/errors.js'
import { EVENT_TYPES, type Event, type EventType } from '../core/event.js'
import type { Attributes } from '../core/execution.js'
import type { Expired } from '../store/store.js'

/** What is told of an execution beside its events. */
export interface ArchivedRow {
  readonly executionId: string
  readonly workflow: string
  readonly workflowVersion: string
  readonly status: string
  readonly run: number
  readonly runVersion: number
  readonly version: number
  readonly parentId: string | null
  readonly attributes: Attributes
  readonly startedAt: Date
  readonly closedAt: Date
}

/** A line: what it is of is told by the id and the instant of the end, because an id may be used again. */
export type ArchiveLine =
  | { readonly kind: 'execution'; readonly row: ArchivedRow }
  | { readonly kind: 'event'; readonly executionId: string; readonly closedAt: Date; readonly event: Event }

/**
 * Files of one workflow lie together, in the order of the newest start in each: whoever knows the workflow lists these
 * only, and what is looked for by age is found by name.
 */
export function archiveName(of: {
  readonly workflow: string
  readonly startedAt: Date
  readonly random: string
}): string {
  const at = of.startedAt.toISOString().replaceAll(':', '')
  return `${archivePrefix(of.workflow)}${at}-${of.random}${SUFFIX}`
}

/** Percent-encoded, dots too: a name of a workflow may be anything, and `..` is another folder to a file system. */
export function archivePrefix(workflow: string): string {
  return `${encodeURIComponent(workflow).replaceAll('.', '%2E').replaceAll('*', '%2A')}/`
}

export function isArchiveName(name: string): boolean {
  return name.endsWith(SUFFIX)
}

const SUFFIX = '.ndjson.gz'

export function executionLine({ row, closedAt }: Expired): string {
  const { key, workflow, workflowVersion, status, run, runVersion, version, parentId, startedAt } = row
  const { executionId } = key
  const attributes = row.attributes ?? {}
  return JSON.stringify({
    kind: 'execution',
    executionId,
    closedAt,
    workflow,
    workflowVersion,
    status,
    run,
    runVersion,
    version,
    parentId,
    attributes,
    startedAt,
  })
}

export function eventLine({ key, closedAt }: Expired, event: Event): string {
  return JSON.stringify({ kind: 'event', executionId: key.executionId, closedAt, ...event })
}

export function packLines(lines: readonly string[]): Uint8Array {
  return gzipSync(`${lines.join('\n')}\n`)
}

/**
 * The lines of a file that tell of one execution; all others are not even parsed.
 * @throws CerebelumError UNREADABLE_VALUE
 */
export function readLines(name: string, bytes: Uint8Array, executionId: string): ArchiveLine[] {
  const mark = `"executionId":${JSON.stringify(executionId)},`
  try {
    return gunzipSync(bytes)
      .toString('utf8')
      .split('\n')
      .filter((line) => line.includes(mark))
      .flatMap((line) => parseLine(line, executionId) ?? [])
  } catch (cause) {
    const text = `The archive file "${name}" cannot be read. Was it cut short, or written by something else?`
    throw new CerebelumError('UNREADABLE_VALUE', text, { executionId, cause })
  }
}

/** Undefined: of another one, whose values hold the mark. */
function parseLine(line: string, executionId: string): ArchiveLine | undefined {
  const raw: Record<string, unknown> = Object(JSON.parse(line))
  if (raw['executionId'] !== executionId) return undefined
  const closedAt = instantOf(raw, 'closedAt')
  if (raw['kind'] === 'event') return { kind: 'event', executionId, closedAt, event: eventOf(raw) }
  const parentId = raw['parentId']
  return {
    kind: 'execution',
    row: {
      executionId,
      workflow: textOf(raw, 'workflow'),
      workflowVersion: textOf(raw, 'workflowVersion'),
      status: textOf(raw, 'status'),
      run: numberOf(raw, 'run'),
      runVersion: numberOf(raw, 'runVersion'),
      version: numberOf(raw, 'version'),
      parentId: typeof parentId === 'string' ? parentId : null,
      attributes: Object(raw['attributes']),
      startedAt: instantOf(raw, 'startedAt'),
      closedAt,
    },
  }
}

function eventOf(raw: Record<string, unknown>): Event {
  const texts = ['name', 'detail', 'payload', 'messageId'].flatMap((field) =>
    typeof raw[field] === 'string' ? [[field, raw[field]]] : [],
  )
  const numbers = ['seq', 'attempt'].flatMap((field) =>
    typeof raw[field] === 'number' ? [[field, raw[field]]] : [],
  )
  return {
    version: numberOf(raw, 'version'),
    type: typeOf(textOf(raw, 'type')),
    at: instantOf(raw, 'at'),
    ...Object.fromEntries([...texts, ...numbers]),
    ...(raw['dueAt'] === undefined ? {} : { dueAt: instantOf(raw, 'dueAt') }),
  }
}

function typeOf(text: string): EventType {
  const type = EVENT_TYPES.find((known) => known === text)
  if (type === undefined) throw new Error(`there are no events of type "${text}"`)
  return type
}

function textOf(raw: Record<string, unknown>, field: string): string {
  const value = raw[field]
  if (typeof value !== 'string') throw new Error(`${field} is no text`)
  return value
}

function numberOf(raw: Record<string, unknown>, field: string): number {
  const value = raw[field]
  if (typeof value !== 'number') throw new Error(`${field} is no number`)
  return value
}

function instantOf(raw: Record<string, unknown>, field: string): Date {
  const at = new Date(textOf(raw, field))
  if (Number.isNaN(at.getTime())) throw new Error(`${field} is no instant`)
  return at
}
