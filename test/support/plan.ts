// What a database means to do with a statement: which tables it would read from end to end, and by which indexes it
// goes. PostgreSQL is asked twice, with these parameters and for any; CockroachDB once.

import type postgres from 'postgres'
import type { Statement } from './wire.js'

export interface Plan {
  /** Tables that would be read from end to end. */
  readonly scanned: readonly string[]
  readonly indexes: readonly string[]
  /** As the database tells it, for whoever has to find out why. */
  readonly text: string
}

export async function explain(
  sql: postgres.Sql,
  dialect: 'postgres' | 'cockroachdb',
  statement: Statement,
): Promise<Plan[]> {
  return dialect === 'postgres'
    ? await explainPostgres(sql, statement)
    : [await explainCockroach(sql, statement)]
}

async function explainPostgres(sql: postgres.Sql, { text, parameters }: Statement): Promise<Plan[]> {
  const custom = await sql.unsafe(`explain (format json) ${text}`, [...parameters])
  const generic = await sql.unsafe(`explain (generic_plan, format json) ${text}`)
  return [custom, generic].map((rows) => {
    const document: unknown = rows[0]?.['QUERY PLAN']
    const nodes: Record<string, unknown>[] = []
    collect(document, nodes)
    const names = (kind: RegExp, field: string): string[] =>
      nodes.flatMap((node) => (kind.test(String(node['Node Type'])) ? [wholeTable(String(node[field]))] : []))
    return {
      scanned: [
        ...new Set([
          ...names(/^Seq Scan$/, 'Relation Name'),
          ...nodes.flatMap((node) => (isWholeIndex(node) ? [wholeTable(String(node['Relation Name']))] : [])),
        ]),
      ],
      // A row that is written is looked for in the primary key of its table.
      indexes: [
        ...new Set([
          ...names(/Index (Only )?Scan$/, 'Index Name'),
          ...names(/^ModifyTable$/, 'Relation Name').map((table) => `${table}_pkey`),
        ]),
      ],
      text: JSON.stringify(document, null, 1),
    }
  })
}

/** From one end of an index to the other, with nothing that would end it before. */
function isWholeIndex(node: Record<string, unknown>): boolean {
  const isScan = /^Index (Only )?Scan$/.test(String(node['Node Type']))
  return isScan && node['Index Cond'] === undefined && node['isLimited'] !== true
}

/** All nodes of a plan, each with whether a limit stands above it. */
function collect(value: unknown, nodes: Record<string, unknown>[], isLimited = false): void {
  if (Array.isArray(value)) for (const item of value) collect(item, nodes, isLimited)
  else if (typeof value === 'object' && value !== null) {
    const node: Record<string, unknown> = { ...value, isLimited }
    if ('Node Type' in node) nodes.push(node)
    for (const child of Object.values(node)) collect(child, nodes, isLimited || node['Node Type'] === 'Limit')
  }
}

/** The history is one table, in parts. */
function wholeTable(name: string): string {
  return name.replace(/^events_\d\d/, 'events')
}

async function explainCockroach(sql: postgres.Sql, { text, parameters }: Statement): Promise<Plan> {
  const rows = await sql.unsafe(`explain ${text}`, [...parameters])
  const lines = rows.map((row) => String(row['info']))
  const scanned: string[] = []
  // One that it is held to is used, or the statement refused: also where it shows nothing, in a subquery of a "case".
  const indexes = [...text.matchAll(/force_index="(\w+)"/g)].map(([, index]) => index ?? '')
  let table = ''
  for (const line of lines) {
    const found = /table: (\w+)@(\w+)/.exec(line)
    if (found !== null) {
      table = found[1] ?? ''
      indexes.push(found[2] ?? '')
    }
    const written = /(?:into|from|table): (\w+)(?:\(|$)/.exec(line)
    if (written !== null) indexes.push(`${written[1] ?? ''}_pkey`)
    if (/spans: FULL SCAN/.test(line)) scanned.push(table)
  }
  return { scanned: [...new Set(scanned)], indexes: [...new Set(indexes)], text: lines.join('\n') }
}
