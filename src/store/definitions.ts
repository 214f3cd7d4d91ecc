// What workflows have been registered, in which versions: lists go through these names.

import { textArray } from './arrays.js'
import type { Database } from './tables.js'

export interface Definition {
  readonly workflow: string
  readonly version: string
}

/** Notes workflows; known ones stay as they are. Index: definitions_pkey. */
export async function insertDefinitions(
  { sql, tables }: Database,
  definitions: readonly Definition[],
): Promise<void> {
  if (definitions.length === 0) return
  await sql`
    insert into ${tables.definitions} (workflow, version)
    select d.workflow, d.version
    from unnest(
      ${textArray(definitions.map((definition) => definition.workflow))}::text[],
      ${textArray(definitions.map((definition) => definition.version))}::text[]
    ) as d (workflow, version)
    order by d.workflow, d.version
    on conflict (workflow, version) do nothing`
}

/** All definitions: one row per workflow and version ever registered. */
export async function readDefinitions({ sql, tables }: Database): Promise<Definition[]> {
  const rows = await sql<Definition[]>`
    select d.workflow, d.version from ${tables.definitions} as d order by d.workflow, d.version`
  return rows.map((row) => ({ workflow: row.workflow, version: row.version }))
}
