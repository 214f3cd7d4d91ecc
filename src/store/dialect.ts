// Which of the two databases this is. What differs between them beyond the migrations asks here.

import type { Sql } from './tables.js'

export type Dialect = 'postgres' | 'cockroachdb'

export async function detectDialect(sql: Sql): Promise<Dialect> {
  const [row] = await sql<{ version: string }[]>`select version() as version`
  return row?.version.startsWith('CockroachDB') === true ? 'cockroachdb' : 'postgres'
}
