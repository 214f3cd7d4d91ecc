// The rows that one unit of a shape has left, read from the tables, and copies of them with fresh ids: what the raw limit
// is made of. Nothing is known of the tables but that what belongs to an execution has a column `execution_id`.

import type postgres from 'postgres'
import { newId } from '../../src/core/ids.js'
import { partitionOf } from '../../src/core/partition.js'
import { textArray } from '../../src/store/arrays.js'

const PARTITIONS = 64
const OURS = ['executions', 'events', 'signals', 'timers']

type Cell = string | null

interface Column {
  readonly name: string
  readonly type: string
  readonly cells: readonly Cell[]
}

export interface Template {
  /** Rows of a unit, over all tables. */
  readonly rows: number
  /** One statement that inserts all of them, for a schema. */
  statementFor(schema: string): string
  /** Its parameters for so many units, with fresh ids. */
  parametersFor(units: number): string[]
}

export async function readTemplate(
  sql: postgres.Sql,
  options: { readonly schema: string; readonly root: string; readonly table?: string | undefined },
): Promise<Template> {
  const { schema, root, table } = options
  const [first] = await sql<{ id: string }[]>`
    select execution_id as id from ${sql(`${schema}.executions`)}
    where workflow = ${root}::text and status = 'completed' order by execution_id desc limit 1`
  if (first === undefined) throw new Error(`No "${root}" has completed: there is nothing to copy.`)
  const ids = await sql<{ id: string }[]>`
    select execution_id as id from ${sql(`${schema}.executions`)}
    where execution_id = ${first.id}::text or parent_id = ${first.id}::text`
  const tables: { name: string; columns: Column[]; rows: number }[] = []
  for (const name of table === undefined ? OURS : [...OURS, table]) {
    const columns = await readColumns(sql, { schema, table: name, ids: ids.map(({ id }) => id) })
    const rows = columns[0]?.cells.length ?? 0
    if (rows > 0) tables.push({ name, columns, rows })
  }
  return {
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    statementFor: (target) => statementOf(target, tables),
    parametersFor(units) {
      const fresh = Array.from({ length: units }, () => newId())
      return tables.flatMap(({ columns }) => {
        const owners = columns.find((column) => column.name === 'execution_id')?.cells ?? []
        return columns
          .filter(isBound)
          .map((column) =>
            textArray(fresh.flatMap((id) => copyColumn(column, owners, { old: first.id, fresh: id }))),
          )
      })
    },
  }
}

function copyColumn(
  { name, cells }: Column,
  owners: readonly Cell[],
  { old, fresh }: { readonly old: string; readonly fresh: string },
): Cell[] {
  // Ids of children are made of their parent's.
  const renew = (cell: Cell): Cell => (cell?.includes(old) === true ? cell.replaceAll(old, fresh) : cell)
  if (name !== 'partition') return cells.map(renew)
  return cells.map((_, row) => String(partitionOf(renew(owners[row] ?? null) ?? '', PARTITIONS)))
}

async function readColumns(
  sql: postgres.Sql,
  {
    schema,
    table,
    ids,
  }: { readonly schema: string; readonly table: string; readonly ids: readonly string[] },
): Promise<Column[]> {
  const described = await sql<{ name: string; type: string }[]>`
    select column_name as name, udt_name as type from information_schema.columns
    where table_schema = ${schema}::text and table_name = ${table}::text and is_generated = 'NEVER'
    order by ordinal_position`
  const texts = sql.unsafe<Record<string, Cell>[]>(
    `select ${described.map(({ name }) => `${name}::text as ${name}`).join(', ')}
     from ${schema}.${table} where execution_id = any ($1::text[])`,
    [textArray(ids)],
  )
  const rows = await texts
  return described.map(({ name, type }) => ({ name, type, cells: rows.map((row) => row[name] ?? null) }))
}

/** What is the same in all rows stands in the statement, as do the times of all of them: the time of the insert. */
function isBound({ name, type, cells }: Column): boolean {
  if (name === 'execution_id' || name === 'partition') return true
  if (type === 'timestamptz' && cells.every((cell) => cell !== null)) return false
  return cells.some((cell) => cell !== cells[0]) || (cells[0]?.length ?? 0) >= ID_LENGTH
}

/** A text this long may hold an id. */
const ID_LENGTH = 26

function statementOf(
  schema: string,
  tables: readonly { readonly name: string; readonly columns: readonly Column[] }[],
): string {
  let parameters = 0
  const inserts = tables.map(({ name, columns }) => {
    const bound = columns.filter(isBound)
    const values = columns.map((column) => {
      if (isBound(column)) return `v.${column.name}::${column.type}`
      const [cell = null] = column.cells
      if (cell === null) return `null::${column.type}`
      return column.type === 'timestamptz' ? 'now()' : `'${cell.replaceAll("'", "''")}'::${column.type}`
    })
    const arrays = bound.map(({ type }) => `$${++parameters}::${ARRAY_TYPES[type] ?? 'text'}[]`)
    return (
      `insert into ${schema}.${name} (${columns.map((column) => column.name).join(', ')}) ` +
      `select ${values.join(', ')} from unnest(${arrays.join(', ')}) as v (${bound.map((column) => column.name).join(', ')})`
    )
  })
  const last = inserts.pop() ?? ''
  if (inserts.length === 0) return last
  return `with ${inserts.map((insert, index) => `t${index} as (${insert} returning 1)`).join(', ')} ${last}`
}

const ARRAY_TYPES: Readonly<Record<string, string>> = {
  int2: 'int2',
  int4: 'int4',
  int8: 'int8',
  bool: 'bool',
}
