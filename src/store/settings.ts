// Facts fixed when the installation is made.

import { CerebelumError } from '../core/errors.js'
import type { Database } from './tables.js'

/** One setting, or undefined. One row, by settings_pkey. */
export async function readSetting({ sql, tables }: Database, name: string): Promise<string | undefined> {
  const rows = await sql<{ value: string }[]>`
    select s.value from ${tables.settings} as s where s.name = ${name}::text`
  return rows[0]?.value
}

export async function readPartitionCount(database: Database): Promise<number> {
  const value = Number(await readSetting(database, PARTITION_COUNT))
  if (Number.isInteger(value) && value > 0) return value
  const text =
    'The database has no partition count: its migration has not been completed. Run "cerebelum migrate".'
  throw new CerebelumError('DATABASE_SCHEMA', text)
}

/** Writes the partition count and its partitions if there are none; an installation keeps the count it was made with. */
export async function initializePartitions(
  database: Database,
  options: { readonly partitionCount: number | undefined; readonly region: string },
): Promise<void> {
  const { sql, tables } = database
  const wanted = options.partitionCount
  await sql`
    insert into ${tables.settings} (name, value)
    values (${PARTITION_COUNT}::text, ${String(wanted ?? PARTITION_COUNT_DEFAULT)}::text)
    on conflict (name) do nothing`
  const stored = await readPartitionCount(database)
  checkPartitionCount(stored, wanted)
  await sql`
    insert into ${tables.partitions} (id, region)
    select p.id, ${options.region}::text from generate_series(0, ${stored - 1}::int4) as p (id)
    on conflict (id) do nothing`
}

/** @throws CerebelumError SETTINGS when another count was asked for */
export function checkPartitionCount(stored: number, wanted: number | undefined): void {
  if (wanted === undefined || stored === wanted) return
  const text = `The installation has ${stored} partitions, and ${wanted} were asked for. The count is fixed for good: every execution is found by it. Ask for ${stored}, or use another schema.`
  throw new CerebelumError('SETTINGS', text, { stored, wanted })
}

const PARTITION_COUNT = 'partition_count'
const PARTITION_COUNT_DEFAULT = 64
