// The first rows of each of several ranges, in CockroachDB's form. PostgreSQL walks an index range by range as `lateral`
// with a limit says; CockroachDB turns that into a join of all rows with a window over it. Of an array's values it makes
// one scan each that ends at the limit, if the index has every column that is asked and the region is one value, so here
// each region is asked by itself.

import { plainArray } from './arrays.js'
import type { Database, Fragment } from './tables.js'

export type Partitions = readonly { readonly region: string; readonly partition: number }[]

/** All rows of the fragments, which stand in parentheses and have the same columns. */
export function unionAll({ sql }: Database, fragments: readonly Fragment[]): Fragment {
  const [first, ...others] = fragments
  if (first === undefined) throw new RangeError('a union of nothing')
  return others.reduce((union, fragment) => sql`${union} union all ${fragment}`, first)
}

/** What `select` reads of each region and its partitions, an array literal. */
export function unionOfRegions(
  database: Database,
  partitions: Partitions,
  select: (wanted: { readonly region: string; readonly partitions: string }) => Fragment,
): Fragment {
  const regions = new Map<string, number[]>()
  for (const { region, partition } of partitions) {
    const known = regions.get(region)
    if (known === undefined) regions.set(region, [partition])
    else known.push(partition)
  }
  return unionAll(
    database,
    [...regions].map(([region, wanted]) => select({ region, partitions: plainArray(wanted) })),
  )
}
