// All that a schema holds of executions, as text, so that a test can say that a refused call wrote nothing.
// Leases and partitions are left out: a living node renews them whatever clients do.

import { connect } from './connect.js'
import type { TestDatabase } from './database.js'

const TABLES = ['definitions', 'executions', 'events', 'timers', 'signals', 'settings'] as const

/** One line per row, in the order of the rows' text. Some of the tables, if they are named. */
export async function dumpTables(
  database: Pick<TestDatabase, 'url' | 'schema'>,
  tables: readonly (typeof TABLES)[number][] = TABLES,
): Promise<string[]> {
  const sql = connect(database.url, { max: 1 })
  try {
    const lines: string[] = []
    for (const table of tables) {
      const rows = await sql`select * from ${sql(`${database.schema}.${table}`)}`
      lines.push(...rows.map((row) => `${table} ${JSON.stringify(row)}`).sort())
    }
    return lines
  } finally {
    await sql.end({ timeout: 5 })
  }
}
