// The columns of execution keys, as every multi-row statement needs them.

import type { ExecutionKey } from '../core/execution.js'
import { plainArray, textArray } from './arrays.js'
import type { Database } from './tables.js'

export interface KeyColumns {
  /** The index of each key, so that answers can be put in order. */
  readonly n: string
  readonly region: string
  readonly partition: string
  readonly executionId: string
}

export function keyColumns(keys: readonly ExecutionKey[]): KeyColumns {
  return {
    n: plainArray(keys.map((_, n) => n)),
    region: textArray(keys.map((key) => key.region)),
    partition: plainArray(keys.map((key) => key.partition)),
    executionId: textArray(keys.map((key) => key.executionId)),
  }
}

/** The keys in their order, as a table: for statements that lock the rows. */
export function sortedKeys({ sql }: Database, keys: KeyColumns) {
  return sql`(
    select k.region, k.partition, k.execution_id
    from unnest(${keys.region}::text[], ${keys.partition}::int2[], ${keys.executionId}::text[])
      as k (region, partition, execution_id)
    order by k.region, k.partition, k.execution_id
  )`
}

/** Puts rows, each with the index `n` of what it answers, into lists in the order asked. */
export function groupByIndex<R extends { readonly n: number }, T>(
  count: number,
  rows: readonly R[],
  decode: (row: R) => T,
): T[][] {
  const groups: T[][] = Array.from({ length: count }, () => [])
  for (const row of rows) groups[row.n]?.push(decode(row))
  return groups
}

/** Slices of at most `size`, for statements that must stay bounded. */
export function slices<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, n) => items.slice(n * size, (n + 1) * size))
}
