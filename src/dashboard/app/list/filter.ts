// The filter of the list of executions, as the address holds it, and as the API takes it. Pure.

import type { Status } from '../api/types.js'
import { STATUSES } from '../parts/statuses.js'

export interface ListFilter {
  readonly workflow: string
  readonly statuses: readonly Status[]
  /** A span such as `1h`, counted back from when it was chosen; or two instants as datetime-local fields write them. */
  readonly since: string
  readonly from: string
  readonly to: string
  /** As typed: `customer=c-7 vip=true`. */
  readonly attributes: string
  readonly parentId: string
  readonly cursor: string
}

export const SPANS: readonly { readonly value: string; readonly name: string; readonly ms: number }[] = [
  { value: '15m', name: 'last 15 minutes', ms: 900_000 },
  { value: '1h', name: 'last hour', ms: 3_600_000 },
  { value: '24h', name: 'last 24 hours', ms: 86_400_000 },
  { value: '7d', name: 'last 7 days', ms: 604_800_000 },
]

export function readFilter(query: URLSearchParams): ListFilter {
  const named = (query.get('status') ?? '').split(',')
  const text = (name: string): string => query.get(name) ?? ''
  return {
    workflow: text('workflow'),
    statuses: STATUSES.filter((status) => named.includes(status)),
    since: text('since'),
    from: text('from'),
    to: text('to'),
    attributes: text('attributes'),
    parentId: text('parentId'),
    cursor: text('cursor'),
  }
}

/** Where the API lists what passes; `nowMs` is when the span was chosen. */
export function listPath(
  filter: ListFilter,
  options: { readonly nowMs: number; readonly limit: number },
): string {
  const { workflow, statuses, since, from, to, parentId, cursor } = filter
  const query = new URLSearchParams()
  const span = SPANS.find(({ value }) => value === since)
  const after = span === undefined ? instantOf(from) : new Date(options.nowMs - span.ms).toISOString()
  const before = span === undefined ? instantOf(to) : undefined
  const attributes = readAttributes(filter.attributes)
  if (workflow !== '') query.set('workflow', workflow)
  if (statuses.length > 0) query.set('status', statuses.join(','))
  if (after !== undefined) query.set('startedAfter', after)
  if (before !== undefined) query.set('startedBefore', before)
  if (Object.keys(attributes).length > 0) query.set('attributes', JSON.stringify(attributes))
  if (parentId !== '') query.set('parentId', parentId)
  if (cursor !== '') query.set('cursor', cursor)
  query.set('limit', String(options.limit))
  return `/executions?${query.toString()}`
}

function instantOf(local: string): string | undefined {
  const ms = Date.parse(local)
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString()
}

/** `a=1 b="two words" c=yes`: values are JSON where they can be read as such, else texts. */
export function readAttributes(text: string): Record<string, string | number | boolean | null> {
  const pairs = Array.from(text.matchAll(/([^\s=]+)=("(?:[^"\\]|\\.)*"|\S*)/g))
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, scalarOf(value)]))
}

function scalarOf(text: string): string | number | boolean | null {
  try {
    const value: unknown = JSON.parse(text)
    const isScalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    return isScalar || value === null ? value : text
  } catch {
    return text
  }
}
